"""Users, their passwords and their API tokens."""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum
from functools import cache
from typing import Final

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.stores.ledger.audit import SYSTEM, record_audit
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.schema import api_token, user

MIN_PASSWORD_CHARS: Final = 10
MAX_PASSWORD_CHARS: Final = 1_000
MAX_TEAM_CHARS: Final = 100
TOKEN_PREFIX: Final = "mrc_"  # noqa: S105  # it marks secrets so that scanners find leaked ones
TOKEN_BYTES: Final = 32


class Role(StrEnum):
    AGENT = "agent"
    MANAGER = "manager"
    SUPERVISOR = "supervisor"
    COMPLIANCE = "compliance"
    ADMIN = "admin"


class Language(StrEnum):
    ES = "es"
    EN = "en"


class User(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    username: str
    display_name: str
    role: Role
    language: Language
    team: str = ""
    """Campaigns may name the teams that serve them; empty: no team in particular."""
    active: bool
    created_ms: int


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """A user with the hash that a login is checked against."""

    user: User
    password_hash: str

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, password_hash=***)"


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    token_id: str
    secret: str
    """Shown once; only its hash is stored."""

    def __repr__(self) -> str:
        return f"NewToken(token_id={self.token_id!r}, secret=***)"


class Token(msgspec.Struct, frozen=True, kw_only=True):
    token_id: str
    user_id: str
    name: str
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None


class UserError(Exception):
    """What was asked cannot be done; the text says why and how to mend it."""


# --- passwords ---------------------------------------------------------------------------------

_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """Argon2id hash. Takes tens of milliseconds: call it off the event loop.

    Raises `UserError` when the password is too short or too long.
    """
    if len(password) < MIN_PASSWORD_CHARS:
        raise UserError(f"a password needs at least {MIN_PASSWORD_CHARS} characters")
    if len(password) > MAX_PASSWORD_CHARS:
        raise UserError(f"a password has at most {MAX_PASSWORD_CHARS} characters")
    return _hasher.hash(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Takes tens of milliseconds: call it off the event loop. A damaged hash verifies nothing.

    With None for the hash (there is no such user) it takes as long, and says no: a stranger
    cannot tell from the time which names exist.
    """
    if len(password) > MAX_PASSWORD_CHARS:
        return False
    try:
        _hasher.verify(password_hash or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_hex())


def needs_rehash(password_hash: str) -> bool:
    """Whether the hash was made with older parameters; hash again at the next good login."""
    try:
        return _hasher.check_needs_rehash(password_hash)
    except InvalidHashError:
        return True


# --- users -------------------------------------------------------------------------------------

_SHOWN = [user.c[name] for name in User.__struct_fields__]


async def create_user(
    conn: AsyncConnection,
    *,
    username: str,
    display_name: str,
    role: Role,
    language: Language,
    password_hash: str,
    actor: str,
    now_ms: int,
    team: str = "",
) -> User:
    """Raises `UserError` when the name is empty, too long or taken."""
    name = username.strip().casefold()
    if not name or len(name) > 100 or not name.isprintable():
        raise UserError(f"{username!r} is no user name: 1 to 100 printable characters")
    made = User(
        user_id=new_id(),
        username=name,
        display_name=display_name.strip() or name,
        role=role,
        language=language,
        team=team_name(team),
        active=True,
        created_ms=now_ms,
    )
    row = msgspec.structs.asdict(made) | {"password_hash": password_hash}
    try:
        async with conn.begin_nested():
            await conn.execute(user.insert().values(row))
    except IntegrityError as error:
        raise UserError(f"there is a user named {name!r} already") from error
    await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action="user.create",
        target=made.user_id,
        detail={"role": role},
    )
    return made


async def create_first_admin(
    conn: AsyncConnection,
    *,
    username: str,
    password_hash: str,
    language: Language,
    now_ms: int,
) -> User:
    """Raises `UserError` when there are users: then an admin makes the others."""
    if (await conn.execute(select(func.count()).select_from(user))).scalar_one():
        raise UserError("there are users already; log in as an admin to make more")
    return await create_user(
        conn,
        username=username,
        display_name=username,
        role=Role.ADMIN,
        language=language,
        password_hash=password_hash,
        actor=SYSTEM,
        now_ms=now_ms,
    )


async def credentials_of(conn: AsyncConnection, username: str) -> Credentials | None:
    """What a login is checked against; None for an unknown or inactive user."""
    query = select(*_SHOWN, user.c.password_hash).where(
        user.c.username == username.strip().casefold(), user.c.active
    )
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    return Credentials(
        user=msgspec.convert(row, User, from_attributes=True), password_hash=row.password_hash
    )


async def get_user(conn: AsyncConnection, user_id: str) -> User | None:
    row = (await conn.execute(select(*_SHOWN).where(user.c.user_id == user_id))).one_or_none()
    return None if row is None else msgspec.convert(row, User, from_attributes=True)


async def list_users(conn: AsyncConnection) -> list[User]:
    rows = await conn.execute(select(*_SHOWN).order_by(user.c.username))
    return [msgspec.convert(row, User, from_attributes=True) for row in rows]


async def set_password(
    conn: AsyncConnection, user_id: str, password_hash: str, *, actor: str, now_ms: int
) -> None:
    """Raises `LookupError` for an unknown user."""
    await _change(conn, user_id, actor, now_ms, "user.password", password_hash=password_hash)


async def set_role(
    conn: AsyncConnection, user_id: str, role: Role, *, actor: str, now_ms: int
) -> None:
    """Raises `LookupError`, or `UserError` when no admin would be left."""
    await _change(conn, user_id, actor, now_ms, "user.role", role=role)
    await _keep_an_admin(conn)


async def set_team(
    conn: AsyncConnection, user_id: str, team: str, *, actor: str, now_ms: int
) -> None:
    """Raises `LookupError` for an unknown user, and `UserError` for a name too long."""
    await _change(conn, user_id, actor, now_ms, "user.team", team=team_name(team))


def team_name(text: str) -> str:
    """A team's name as it is kept and compared: trimmed, in small letters.

    Raises `UserError` when it is too long or has unprintable characters.
    """
    name = text.strip().casefold()
    if len(name) > MAX_TEAM_CHARS or not name.isprintable():
        raise UserError(f"a team's name has at most {MAX_TEAM_CHARS} visible characters")
    return name


async def set_active(
    conn: AsyncConnection, user_id: str, *, active: bool, actor: str, now_ms: int
) -> None:
    """Let a user in, or shut them out with all their tokens.

    Raises `LookupError`, or `UserError` when no admin would be left.
    """
    await _change(
        conn,
        user_id,
        actor,
        now_ms,
        "user.activate" if active else "user.deactivate",
        active=active,
    )
    await _keep_an_admin(conn)


async def _change(
    conn: AsyncConnection,
    user_id: str,
    actor: str,
    now_ms: int,
    action: str,
    **values: str | bool,
) -> None:
    result = await conn.execute(update(user).where(user.c.user_id == user_id).values(values))
    if result.rowcount != 1:
        raise LookupError(f"there is no user {user_id}")
    shown = {key: value for key, value in values.items() if key != "password_hash"}
    await record_audit(conn, at_ms=now_ms, actor=actor, action=action, target=user_id, detail=shown)


async def _keep_an_admin(conn: AsyncConnection) -> None:
    left = select(func.count()).where(user.c.role == Role.ADMIN, user.c.active)
    if not (await conn.execute(left)).scalar_one():
        raise UserError("one active admin must be left; make another one first")


# --- API tokens --------------------------------------------------------------------------------


async def create_token(
    conn: AsyncConnection,
    user_id: str,
    *,
    name: str,
    actor: str,
    now_ms: int,
    expires_ms: int | None = None,
) -> NewToken:
    """A token that acts as its user. Raises `LookupError` for an unknown user."""
    if await get_user(conn, user_id) is None:
        raise LookupError(f"there is no user {user_id}")
    secret = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    token_id = new_id()
    await conn.execute(
        api_token.insert().values(
            token_id=token_id,
            user_id=user_id,
            name=name,
            secret_sha256=_digest(secret),
            created_ms=now_ms,
            expires_ms=expires_ms,
        )
    )
    await record_audit(conn, at_ms=now_ms, actor=actor, action="token.create", target=token_id)
    return NewToken(token_id=token_id, secret=secret)


async def user_of_token(conn: AsyncConnection, secret: str, *, now_ms: int) -> User | None:
    """The user that a token acts as; None when it is unknown, expired, revoked or its user is
    not active."""
    query = (
        select(*_SHOWN)
        .join(api_token, api_token.c.user_id == user.c.user_id)
        .where(
            api_token.c.secret_sha256 == _digest(secret),
            api_token.c.revoked_ms.is_(None),
            (api_token.c.expires_ms.is_(None)) | (api_token.c.expires_ms > now_ms),
            user.c.active,
        )
    )
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else msgspec.convert(row, User, from_attributes=True)


async def list_tokens(conn: AsyncConnection, user_id: str) -> list[Token]:
    columns = [api_token.c[name] for name in Token.__struct_fields__]
    query = select(*columns).where(api_token.c.user_id == user_id).order_by(api_token.c.token_id)
    rows = await conn.execute(query)
    return [msgspec.convert(row, Token, from_attributes=True) for row in rows]


async def revoke_token(conn: AsyncConnection, token_id: str, *, actor: str, now_ms: int) -> None:
    """Ends a token at once. Raises `LookupError` when there is none that is still good."""
    result = await conn.execute(
        update(api_token)
        .where(api_token.c.token_id == token_id, api_token.c.revoked_ms.is_(None))
        .values(revoked_ms=now_ms)
    )
    if result.rowcount != 1:
        raise LookupError(f"there is no token {token_id} that could be revoked")
    await record_audit(conn, at_ms=now_ms, actor=actor, action="token.revoke", target=token_id)


def _digest(secret: str) -> str:
    """The secret has 256 random bits: a plain hash is enough, and can be looked up."""
    return hashlib.sha256(secret.encode()).hexdigest()
