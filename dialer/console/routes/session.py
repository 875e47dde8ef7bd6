"""Logging in and out, who I am, and the tokens that programs use."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from dialer.console.auth import csrf_of
from dialer.console.errors import (
    BAD_FIELD,
    BAD_LOGIN,
    BAD_PASSWORD,
    BUSY,
    LOGIN_NEEDED,
    NOT_FOUND,
    TOO_MANY_LOGINS,
    WRONG_PASSWORD,
    ApiError,
)
from dialer.console.sessions import LOGIN_NAME, end_all_sessions, end_session, still_good
from dialer.console.table import (
    API,
    EVERYBODY,
    OFFICE,
    PUBLIC,
    Call,
    Guard,
    Nothing,
    Route,
    not_found,
    route,
)
from dialer.stores.ledger.users import (
    MAX_PASSWORD_CHARS,
    NewToken,
    Role,
    User,
    create_token,
    list_tokens,
    set_password,
)

DAY_MS = 86_400_000


class LoginRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    username: Annotated[str, Meta(min_length=1, max_length=100)]
    password: Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD_CHARS)]
    cookie: bool = False
    """Keep the session in an HttpOnly cookie, for browsers; the answer has no token then."""

    def __repr__(self) -> str:
        return f"LoginRequest(username={self.username!r}, password=***)"


class LoginAnswer(msgspec.Struct, frozen=True, kw_only=True):
    token: str | None
    """Send it as `Authorization: Bearer`."""
    csrf: str
    """With the cookie: repeat it as `X-CSRF-Token` with everything but GET."""
    expires_ms: int
    user: User


class MeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    user: User
    csrf: str
    is_login: bool
    """False: an API token asks."""
    expires_ms: int | None


class PasswordChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    current: Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD_CHARS)]
    new: str

    def __repr__(self) -> str:
        return "PasswordChange(***)"


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    """What the token is for."""
    days: Annotated[int, Meta(ge=1, le=3660)] | None = None
    """Days until it expires; none: until it is revoked."""


class TokenMade(msgspec.Struct, frozen=True, kw_only=True):
    token_id: str
    token: str
    """Shown this once."""
    expires_ms: int | None


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    token_id: str
    name: str
    is_login: bool
    created_ms: int
    expires_ms: int | None


class TokenList(msgspec.Struct, frozen=True, kw_only=True):
    tokens: list[TokenView]


async def log_in(call: Call[LoginRequest, Nothing]) -> LoginAnswer:
    body, auth = call.body, call.console.auth
    user, token = await auth.log_in(body.username, body.password, call.request.remote or "")
    if body.cookie:
        call.cookie = token.secret
    return LoginAnswer(
        token=None if body.cookie else token.secret,
        csrf=csrf_of(token.secret),
        expires_ms=auth.now_ms() + auth.session_s * 1000,
        user=user,
    )


async def log_out(call: Call[Nothing, Nothing]) -> Nothing:
    caller = call.caller
    async with call.services.ledger.write() as conn:
        await end_session(
            conn, caller.session.token_id, actor=caller.user.user_id, now_ms=call.now_ms()
        )
    if caller.user.role is Role.AGENT:
        await call.services.agents.leave(caller.user.user_id)
    call.console.sockets.end_agent(caller.user.user_id, token_id=caller.session.token_id)
    call.cookie = ""
    return Nothing()


async def me(call: Call[Nothing, Nothing]) -> MeAnswer:
    caller = call.caller
    return MeAnswer(
        user=caller.user,
        csrf=caller.csrf,
        is_login=caller.session.is_login,
        expires_ms=caller.session.expires_ms,
    )


async def change_password(call: Call[PasswordChange, Nothing]) -> Nothing:
    """Other sessions of the user end; this one stays."""
    caller, auth = call.caller, call.console.auth
    user = caller.user
    try:
        await auth.check_password(user.username, call.body.current, call.request.remote or "")
    except ApiError as error:
        if error.problem is BAD_LOGIN:
            raise ApiError(WRONG_PASSWORD, where="current") from error
        raise
    hashed = await call.console.hashing.hash_new(call.body.new, where="new")
    async with call.services.ledger.write() as conn:
        now_ms = call.now_ms()
        await set_password(conn, user.user_id, hashed, actor=user.user_id, now_ms=now_ms)
        await end_all_sessions(
            conn, user.user_id, actor=user.user_id, now_ms=now_ms, but=caller.session.token_id
        )
    return Nothing()


async def make_token(call: Call[TokenRequest, Nothing]) -> TokenMade:
    if call.body.name.strip().casefold() == LOGIN_NAME:
        raise ApiError(BAD_FIELD, where="name", es="nombre reservado", en="a reserved name")
    now_ms = call.now_ms()
    days = call.body.days
    expires_ms = None if days is None else now_ms + days * DAY_MS
    user_id = call.user.user_id
    async with call.services.ledger.write() as conn:
        made: NewToken = await create_token(
            conn, user_id, name=call.body.name, actor=user_id, now_ms=now_ms, expires_ms=expires_ms
        )
    return TokenMade(token_id=made.token_id, token=made.secret, expires_ms=expires_ms)


async def my_tokens(call: Call[Nothing, Nothing]) -> TokenList:
    return await tokens_of(call, call.user.user_id)


async def tokens_of(call: Call[Nothing, Nothing], user_id: str) -> TokenList:
    """Logins and tokens that are still good."""
    async with call.services.ledger.read() as conn:
        found = await list_tokens(conn, user_id)
    now_ms = call.now_ms()
    return TokenList(
        tokens=[
            TokenView(
                token_id=token.token_id,
                name=token.name,
                is_login=token.name == LOGIN_NAME,
                created_ms=token.created_ms,
                expires_ms=token.expires_ms,
            )
            for token in found
            if still_good(token, now_ms)
        ]
    )


async def revoke_my_token(call: Call[Nothing, Nothing]) -> Nothing:
    return await revoke(call, call.user.user_id)


async def revoke(call: Call[Nothing, Nothing], user_id: str) -> Nothing:
    """Nobody can revoke, or find out about, a token of somebody else by this."""
    token_id = call.param("token_id")
    now_ms = call.now_ms()
    async with call.services.ledger.write() as conn:
        own = {t.token_id for t in await list_tokens(conn, user_id) if still_good(t, now_ms)}
        if token_id not in own:
            raise not_found("ese token", "that token", where="token_id")
        await end_session(conn, token_id, actor=call.user.user_id, now_ms=now_ms)
    call.console.sockets.end_agent(user_id, token_id=token_id)
    return Nothing()


ROUTES: tuple[Route, ...] = (
    route(
        "POST",
        f"{API}/login",
        log_in,
        body=LoginRequest,
        query=Nothing,
        answer=LoginAnswer,
        roles=PUBLIC,
        tag="session",
        en="Log in with user name and password",
        es="Iniciar sesión con usuario y contraseña",
        errors=(BAD_LOGIN, TOO_MANY_LOGINS, BUSY),
    ),
    route(
        "POST",
        f"{API}/logout",
        log_out,
        body=Nothing,
        query=Nothing,
        answer=Nothing,
        roles=EVERYBODY,
        tag="session",
        en="End this session, or revoke the API token that asks",
        es="Cerrar esta sesión, o revocar el token de API que lo pide",
    ),
    route(
        "GET",
        f"{API}/me",
        me,
        body=Nothing,
        query=Nothing,
        answer=MeAnswer,
        roles=EVERYBODY,
        tag="session",
        en="Who I am, and the CSRF value of this session",
        es="Quién soy, y el valor CSRF de esta sesión",
    ),
    route(
        "POST",
        f"{API}/me/password",
        change_password,
        body=PasswordChange,
        query=Nothing,
        answer=Nothing,
        roles=EVERYBODY,
        guard=Guard.LOGIN,
        tag="session",
        en="Change my password; my other sessions and tokens end",
        es="Cambiar mi contraseña; mis otras sesiones y tokens terminan",
        errors=(WRONG_PASSWORD, BAD_PASSWORD, TOO_MANY_LOGINS, LOGIN_NEEDED),
    ),
    route(
        "GET",
        f"{API}/tokens",
        my_tokens,
        body=Nothing,
        query=Nothing,
        answer=TokenList,
        roles=EVERYBODY,
        tag="session",
        en="My sessions and API tokens",
        es="Mis sesiones y tokens de API",
    ),
    route(
        "POST",
        f"{API}/tokens",
        make_token,
        body=TokenRequest,
        query=Nothing,
        answer=TokenMade,
        roles=OFFICE,
        status=201,
        guard=Guard.LOGIN,
        tag="session",
        en="Make an API token; it is shown once",
        es="Crear un token de API; se muestra una vez",
        errors=(LOGIN_NEEDED,),
    ),
    route(
        "DELETE",
        f"{API}/tokens/{{token_id}}",
        revoke_my_token,
        body=Nothing,
        query=Nothing,
        answer=Nothing,
        roles=EVERYBODY,
        tag="session",
        en="Revoke one of my tokens",
        es="Revocar uno de mis tokens",
        errors=(NOT_FOUND,),
    ),
)
