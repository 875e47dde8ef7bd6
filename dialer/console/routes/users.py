"""Users, and the trail of what they did: for administrators."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from dialer.console.errors import BAD_FIELD, BAD_PASSWORD, LAST_ADMIN, NAME_TAKEN, ApiError
from dialer.console.routes.session import TokenList, revoke, tokens_of
from dialer.console.sessions import end_all_sessions
from dialer.console.table import (
    ADMINS,
    API,
    Call,
    Guard,
    Nothing,
    Route,
    not_found,
    route,
)
from dialer.stores.ledger.audit import AuditEntry, list_audit
from dialer.stores.ledger.users import (
    MAX_TEAM_CHARS,
    Language,
    Role,
    User,
    UserError,
    create_user,
    get_user,
    list_users,
    set_active,
    set_password,
    set_role,
    set_team,
    team_name,
)


class UserList(msgspec.Struct, frozen=True, kw_only=True):
    users: list[User]


class NewUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    username: Annotated[str, Meta(min_length=1, max_length=100)]
    password: str
    role: Role
    display_name: Annotated[str, Meta(max_length=200)] = ""
    language: Language = Language.ES
    team: Annotated[str, Meta(max_length=MAX_TEAM_CHARS)] = ""

    def __repr__(self) -> str:
        return f"NewUser(username={self.username!r}, role={self.role}, password=***)"


class UserChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given changes; the rest stays."""

    role: Role | None = None
    active: bool | None = None
    team: Annotated[str, Meta(max_length=MAX_TEAM_CHARS)] | None = None
    """Takes effect at the agent's next login."""


class NewPassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    password: str

    def __repr__(self) -> str:
        return "NewPassword(***)"


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    target: Annotated[str, Meta(max_length=200)] | None = None
    """Id of what was acted on."""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class AuditList(msgspec.Struct, frozen=True, kw_only=True):
    entries: list[AuditEntry]


async def all_users(call: Call[Nothing, Nothing]) -> UserList:
    async with call.services.ledger.read() as conn:
        return UserList(users=await list_users(conn))


async def add_user(call: Call[NewUser, Nothing]) -> User:
    body = call.body
    name = body.username.strip().casefold()
    if not name or not name.isprintable():
        raise ApiError(
            BAD_FIELD,
            where="username",
            es="debe tener caracteres visibles",
            en="it needs printable characters",
        )
    team = _team(body.team)
    hashed = await call.console.hashing.hash_new(body.password)
    try:
        async with call.services.ledger.write() as conn:
            return await create_user(
                conn,
                username=name,
                display_name=body.display_name,
                role=body.role,
                language=body.language,
                team=team,
                password_hash=hashed,
                actor=call.user.user_id,
                now_ms=call.now_ms(),
            )
    except UserError as error:
        raise ApiError(NAME_TAKEN, where="username", name=name) from error


async def change_user(call: Call[UserChange, Nothing]) -> User:
    """Who is shut out, or loses a role, is out at once: sessions, tokens and sockets end."""
    user_id, change, actor = call.param("user_id"), call.body, call.user.user_id
    now_ms = call.now_ms()
    team = None if change.team is None else _team(change.team)
    try:
        async with call.services.ledger.write() as conn:
            before = await get_user(conn, user_id)
            if before is None:
                raise no_user()
            if change.role is not None and change.role is not before.role:
                await set_role(conn, user_id, change.role, actor=actor, now_ms=now_ms)
            if change.active is not None and change.active is not before.active:
                await set_active(conn, user_id, active=change.active, actor=actor, now_ms=now_ms)
            if team is not None and team != before.team:
                await set_team(conn, user_id, team, actor=actor, now_ms=now_ms)
            after = await get_user(conn, user_id)
            if after is None:
                raise no_user()
            if after.role is not before.role or not after.active:
                await end_all_sessions(conn, user_id, actor=actor, now_ms=now_ms)
    except UserError as error:
        raise ApiError(LAST_ADMIN) from error
    if after.role is not before.role or not after.active:
        call.console.sockets.end_agent(user_id)
        await call.services.agents.leave(user_id)
    return after


async def reset_password(call: Call[NewPassword, Nothing]) -> Nothing:
    user_id, actor = call.param("user_id"), call.user.user_id
    hashed = await call.console.hashing.hash_new(call.body.password)
    now_ms = call.now_ms()
    async with call.services.ledger.write() as conn:
        if await get_user(conn, user_id) is None:
            raise no_user()
        await set_password(conn, user_id, hashed, actor=actor, now_ms=now_ms)
        await end_all_sessions(conn, user_id, actor=actor, now_ms=now_ms)
    call.console.sockets.end_agent(user_id)
    return Nothing()


async def user_tokens(call: Call[Nothing, Nothing]) -> TokenList:
    await _known(call)
    return await tokens_of(call, call.param("user_id"))


async def revoke_user_token(call: Call[Nothing, Nothing]) -> Nothing:
    await _known(call)
    return await revoke(call, call.param("user_id"))


async def audit_trail(call: Call[Nothing, AuditQuery]) -> AuditList:
    async with call.services.ledger.read() as conn:
        return AuditList(
            entries=await list_audit(conn, target=call.query.target, limit=call.query.limit)
        )


async def _known(call: Call[Nothing, Nothing]) -> None:
    async with call.services.ledger.read() as conn:
        if await get_user(conn, call.param("user_id")) is None:
            raise no_user()


def _team(text: str) -> str:
    try:
        return team_name(text)
    except UserError as error:
        raise ApiError(
            BAD_FIELD,
            where="team",
            es="debe tener caracteres visibles",
            en="it needs printable characters",
        ) from error


def no_user() -> ApiError:
    return not_found("ese usuario", "that user", where="user_id")


ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        f"{API}/users",
        all_users,
        body=Nothing,
        query=Nothing,
        answer=UserList,
        roles=ADMINS,
        tag="users",
        en="All users",
        es="Todos los usuarios",
    ),
    route(
        "POST",
        f"{API}/users",
        add_user,
        body=NewUser,
        query=Nothing,
        answer=User,
        roles=ADMINS,
        status=201,
        guard=Guard.LOGIN,
        tag="users",
        en="Make a user",
        es="Crear un usuario",
        errors=(NAME_TAKEN, BAD_PASSWORD),
    ),
    route(
        "PATCH",
        f"{API}/users/{{user_id}}",
        change_user,
        body=UserChange,
        query=Nothing,
        answer=User,
        roles=ADMINS,
        guard=Guard.LOGIN,
        tag="users",
        en="Change a role, deactivate or activate; the user's sessions and tokens end",
        es="Cambiar el rol, desactivar o activar; las sesiones y tokens del usuario terminan",
        errors=(LAST_ADMIN,),
    ),
    route(
        "POST",
        f"{API}/users/{{user_id}}/password",
        reset_password,
        body=NewPassword,
        query=Nothing,
        answer=Nothing,
        roles=ADMINS,
        guard=Guard.LOGIN,
        tag="users",
        en="Set a new password; the user's sessions and tokens end",
        es="Poner una contraseña nueva; las sesiones y tokens del usuario terminan",
        errors=(BAD_PASSWORD,),
    ),
    route(
        "GET",
        f"{API}/users/{{user_id}}/tokens",
        user_tokens,
        body=Nothing,
        query=Nothing,
        answer=TokenList,
        roles=ADMINS,
        tag="users",
        en="Sessions and API tokens of a user",
        es="Sesiones y tokens de API de un usuario",
    ),
    route(
        "DELETE",
        f"{API}/users/{{user_id}}/tokens/{{token_id}}",
        revoke_user_token,
        body=Nothing,
        query=Nothing,
        answer=Nothing,
        roles=ADMINS,
        tag="users",
        en="Revoke a user's session or API token",
        es="Revocar una sesión o token de API de un usuario",
    ),
    route(
        "GET",
        f"{API}/audit",
        audit_trail,
        body=Nothing,
        query=AuditQuery,
        answer=AuditList,
        roles=frozenset({Role.ADMIN, Role.COMPLIANCE}),
        tag="users",
        en="What users did to the system, newest first",
        es="Lo que los usuarios hicieron al sistema, lo más nuevo primero",
    ),
)
