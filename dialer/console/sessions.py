"""Logins and API tokens as the ledger has them: both are rows of `api_token`, hashed.

A login is a token with an end and a reserved name. Nothing is cached: whoever logs out, is
deactivated or loses a token is out with the next request, on every worker.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.stores.ledger.schema import api_token
from dialer.stores.ledger.schema import user as app_user
from dialer.stores.ledger.users import (
    NewToken,
    Role,
    Token,
    User,
    create_token,
    list_tokens,
    revoke_token,
)

LOGIN_NAME: Final = "login"
"""Name of tokens that a login made; API tokens cannot have it."""

_USER_COLUMNS = [app_user.c[name] for name in User.__struct_fields__]


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and by which right."""

    token_id: str
    user: User
    is_login: bool
    """False: an API token."""
    expires_ms: int | None

    @property
    def role(self) -> Role:
        return self.user.role


async def start_session(
    conn: AsyncConnection, user_id: str, *, now_ms: int, lifetime_s: int
) -> NewToken:
    """A token for a login that has just succeeded."""
    return await create_token(
        conn,
        user_id,
        name=LOGIN_NAME,
        actor=user_id,
        now_ms=now_ms,
        expires_ms=now_ms + lifetime_s * 1000,
    )


async def find_session(conn: AsyncConnection, secret: str, *, now_ms: int) -> Session | None:
    """Whose secret it is; None when unknown, expired, revoked, or of an inactive user."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    query = (
        select(
            *_USER_COLUMNS,
            api_token.c.token_id,
            api_token.c.name.label("token_name"),
            api_token.c.expires_ms,
        )
        .join(api_token, api_token.c.user_id == app_user.c.user_id)
        .where(
            api_token.c.secret_sha256 == digest,
            api_token.c.revoked_ms.is_(None),
            or_(api_token.c.expires_ms.is_(None), api_token.c.expires_ms > now_ms),
            app_user.c.active,
        )
    )
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    return Session(
        token_id=str(row["token_id"]),
        user=msgspec.convert({name: row[name] for name in User.__struct_fields__}, User),
        is_login=row["token_name"] == LOGIN_NAME,
        expires_ms=row["expires_ms"],
    )


def still_good(token: Token, now_ms: int) -> bool:
    return token.revoked_ms is None and (token.expires_ms is None or token.expires_ms > now_ms)


async def end_session(conn: AsyncConnection, token_id: str, *, actor: str, now_ms: int) -> None:
    """End one login or API token; ending it twice is no error."""
    try:
        await revoke_token(conn, token_id, actor=actor, now_ms=now_ms)
    except LookupError:
        return


async def end_all_sessions(
    conn: AsyncConnection,
    user_id: str,
    *,
    actor: str,
    now_ms: int,
    but: str | None = None,
) -> None:
    """End every login and API token of a user, but one."""
    for token in await list_tokens(conn, user_id):
        if token.revoked_ms is None and token.token_id != but:
            await revoke_token(conn, token.token_id, actor=actor, now_ms=now_ms)
