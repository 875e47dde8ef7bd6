"""The table of routes: what each takes and gives, and who may ask. The only way in.

A handler gets a `Call` whose caller has been authenticated, whose role is one of the route's,
and whose body and query are decoded. The OpenAPI description is made from the same entries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final, Generic, TypeVar

import msgspec
from aiohttp import web

from dialer.console.auth import Caller, wall_ms
from dialer.console.decoding import JSON_TYPE, decode, read_json, read_query
from dialer.console.errors import (
    BAD_CONTENT_TYPE,
    FORBIDDEN,
    LOGIN_NEEDED,
    NOT_FOUND,
    ApiError,
    Problem,
)
from dialer.console.services import Services
from dialer.console.state import CALLER, Console
from dialer.stores.ledger.users import Language, Role, User

API: Final = "/api/v1"

PUBLIC: Final[frozenset[Role]] = frozenset()
"""Access of a route that needs no login."""
EVERYBODY: Final = frozenset(Role)
OFFICE: Final = EVERYBODY - {Role.AGENT}
"""Everybody who does not sit on the phone."""
MANAGERS: Final = frozenset({Role.MANAGER, Role.ADMIN})
FLOOR: Final = frozenset({Role.SUPERVISOR, Role.MANAGER, Role.ADMIN})
ADMINS: Final = frozenset({Role.ADMIN})


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No body, no query, no answer."""


NOTHING: Final = Nothing()


class Guard(StrEnum):
    """What a route asks beyond a role."""

    ROLE = "role"
    LOGIN = "login"
    """A login, not an API token."""
    LOOPBACK = "loopback"
    """A role, or a direct connection from this machine."""


B = TypeVar("B")
Q = TypeVar("Q")
R = TypeVar("R")


class Call(Generic[B, Q]):
    """One request, ready to be answered."""

    __slots__ = ("_caller", "body", "console", "cookie", "language", "query", "request")

    def __init__(
        self,
        request: web.Request,
        console: Console,
        caller: Caller | None,
        language: Language,
        body: B,
        query: Q,
    ) -> None:
        self.request = request
        self.console = console
        self.language = language
        self.body = body
        self.query = query
        self.cookie: str | None = None
        """Set: the session cookie of the answer; empty: take it away."""
        self._caller = caller

    @property
    def services(self) -> Services:
        return self.console.services

    @property
    def caller(self) -> Caller:
        """Raises `RuntimeError` on a route that does not know who asks."""
        if self._caller is None:
            raise RuntimeError(f"{self.request.path} is public: nobody is known to ask")
        return self._caller

    @property
    def user(self) -> User:
        return self.caller.user

    def param(self, name: str) -> str:
        """A part of the path. Ids of ours are short and printable; anything else is not found."""
        value = self.request.match_info[name]
        if len(value) > 200 or not value.isprintable():
            raise not_found("ese recurso", "that resource", where=name)
        return value

    def now_ms(self) -> int:
        return wall_ms()


Handler = Callable[[web.Request, Console], Awaitable[web.StreamResponse]]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the table."""

    method: str
    path: str
    roles: frozenset[Role]
    handle: Handler
    """Authenticates, checks, decodes, answers."""
    name: str
    """Operation id of the OpenAPI description."""
    tag: str
    summary_en: str
    summary_es: str
    body: object = Nothing
    query: object = Nothing
    answer: object = Nothing
    status: int = 200
    media_type: str = JSON_TYPE
    upload_type: str | None = None
    """The body is a file of this type, read as a stream."""
    guard: Guard = Guard.ROLE
    errors: tuple[Problem, ...] = ()
    omits: Mapping[str, Sequence[str]] = {}
    """Fields of the body's parts that may be left out though their types need them: the reader
    fills them in."""

    @property
    def is_public(self) -> bool:
        return self.roles == PUBLIC


def not_found(es: str, en: str, *, where: str = "") -> ApiError:
    return ApiError(NOT_FOUND, where=where, es=es, en=en)


def route(
    method: str,
    path: str,
    handler: Callable[[Call[B, Q]], Awaitable[R]],
    *,
    body: type[B],
    query: type[Q],
    answer: type[R],
    roles: frozenset[Role],
    tag: str,
    en: str,
    es: str,
    status: int = 200,
    guard: Guard = Guard.ROLE,
    errors: tuple[Problem, ...] = (),
    reader: Callable[[bytes], B] | None = None,
    omits: Mapping[str, Sequence[str]] | None = None,
) -> Route:
    """A route that answers with JSON (or, with `Nothing`, with 204).

    `reader` decodes the body where its own type is not enough; it raises what msgspec raises.
    """
    read_body = reader or msgspec.json.Decoder(body).decode
    has_body = body is not Nothing

    async def handle(request: web.Request, console: Console) -> web.StreamResponse:
        caller = await admit(request, console, roles, guard)
        language = console.language_of(request, caller)
        asked = read_query(request, query)
        limit = console.services.config.http.max_body_bytes
        raw = await read_json(request, limit) if has_body else b"{}"
        call = Call(request, console, caller, language, decode(read_body, raw), asked)
        given = await handler(call)
        if answer is Nothing:
            response = web.Response(status=204)
        else:
            response = web.Response(
                body=msgspec.json.encode(given), status=status, content_type=JSON_TYPE
            )
        if call.cookie is not None:
            console.set_cookie(request, response, call.cookie)
        return response

    return Route(
        method=method,
        path=path,
        roles=roles,
        handle=handle,
        name=handler.__name__,
        tag=tag,
        summary_en=en,
        summary_es=es,
        body=body,
        query=query,
        answer=answer,
        status=204 if answer is Nothing else status,
        guard=guard,
        errors=errors,
        omits=omits or {},
    )


def stream(
    method: str,
    path: str,
    handler: Callable[[Call[Nothing, Q]], Awaitable[web.StreamResponse]],
    *,
    query: type[Q],
    media_type: str,
    roles: frozenset[Role],
    tag: str,
    en: str,
    es: str,
    status: int = 200,
    upload_type: str | None = None,
    answer: object = Nothing,
    guard: Guard = Guard.ROLE,
    errors: tuple[Problem, ...] = (),
) -> Route:
    """A route whose handler reads or writes by itself: files, events, the WebSocket."""

    async def handle(request: web.Request, console: Console) -> web.StreamResponse:
        caller = await admit(request, console, roles, guard)
        language = console.language_of(request, caller)
        if upload_type is not None and request.content_type != upload_type:
            raise ApiError(BAD_CONTENT_TYPE, where="Content-Type", expected=upload_type)
        return await handler(
            Call(request, console, caller, language, NOTHING, read_query(request, query))
        )

    return Route(
        method=method,
        path=path,
        roles=roles,
        handle=handle,
        name=handler.__name__,
        tag=tag,
        summary_en=en,
        summary_es=es,
        query=query,
        answer=answer,
        status=status,
        media_type=media_type,
        upload_type=upload_type,
        guard=guard,
        errors=errors,
    )


async def admit(
    request: web.Request, console: Console, roles: frozenset[Role], guard: Guard
) -> Caller | None:
    """Who asks, if they may. None on public routes. Raises `ApiError`."""
    if roles == PUBLIC:
        return None
    if guard is Guard.LOOPBACK and console.is_direct_loopback(request):
        return None
    caller = await console.auth.caller(request)
    request[CALLER] = caller
    if caller.session.role not in roles:
        names = ", ".join(sorted(roles))
        raise ApiError(FORBIDDEN, role=caller.session.role, roles=names)
    if guard is Guard.LOGIN and not caller.session.is_login:
        raise ApiError(LOGIN_NEEDED)
    return caller
