"""Who asks: passwords, bearer tokens, the session cookie, and what guards them.

Instants here are the wall's, whatever the engine's clock: sessions are about real people.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import hdrs, web

from dialer.console.backoff import BackOff
from dialer.console.errors import (
    BAD_LOGIN,
    BAD_ORIGIN,
    BAD_PASSWORD,
    BAD_TOKEN,
    BUSY,
    CSRF,
    NO_CREDENTIALS,
    TOO_MANY_LOGINS,
    ApiError,
)
from dialer.console.sessions import Session, find_session, start_session
from dialer.stores.ledger.audit import SYSTEM
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.users import (
    MAX_PASSWORD_CHARS,
    MIN_PASSWORD_CHARS,
    Credentials,
    NewToken,
    User,
    credentials_of,
    hash_password,
    needs_rehash,
    set_password,
    verify_password,
)

T = TypeVar("T")

COOKIE: Final = "marcador_session"
CSRF_HEADER: Final = "X-CSRF-Token"
SOCKET_PROTOCOL: Final = "marcador.v1"
TOKEN_PROTOCOL: Final = "bearer."  # noqa: S105  # a prefix of WebSocket protocols, no secret
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_TOKEN_CHARS: Final = 200
HASHES_WAITING_MAX: Final = 1_000
"""Logins that may wait for a thread: argon2 is slow by design, and a whole shift comes at once."""
FREE_TRIES: Final = 10
"""Wrong passwords for one user from one address before waiting begins."""
FREE_TRIES_USER: Final = 30
"""... for one user from anywhere."""
FREE_TRIES_ADDRESS: Final = 60
"""... from one address for any user; an office may share one address."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated request: the session, how it came, and the value that unsafe methods must
    repeat when it came as a cookie."""

    session: Session
    by_cookie: bool
    csrf: str

    @property
    def user(self) -> User:
        return self.session.user


class Hashing:
    """Argon2 in a few threads of its own; so many at a time that the event loop keeps a core."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(
            threads or max(1, (os.cpu_count() or 2) - 1), thread_name_prefix="argon2"
        )
        self._waiting = 0

    async def hash_new(self, password: str, *, where: str = "password") -> str:
        """Hash a password that somebody chose. Raises `ApiError` for one of the wrong length."""
        if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
            raise ApiError(
                BAD_PASSWORD, where=where, least=MIN_PASSWORD_CHARS, most=MAX_PASSWORD_CHARS
            )
        return await self._run(partial(hash_password, password))

    async def rehash(self, password: str) -> str:
        """Hash a password that was just verified, with today's parameters."""
        return await self._run(partial(hash_password, password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        return await self._run(partial(verify_password, password_hash, password))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= HASHES_WAITING_MAX:
            raise ApiError(BUSY, retry_after_s=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Authenticator:
    """Checks logins and requests against the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        hashing: Hashing,
        *,
        session_s: int,
        now_ms: Callable[[], int] | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._hashing = hashing
        self.session_s = session_s
        self._monotonic_s = monotonic_s
        self.now_ms = now_ms or wall_ms
        self._by_pair = BackOff(FREE_TRIES)
        self._by_user = BackOff(FREE_TRIES_USER)
        self._by_address = BackOff(FREE_TRIES_ADDRESS)

    # --- logging in --------------------------------------------------------------------------

    async def log_in(self, username: str, password: str, address: str) -> tuple[User, NewToken]:
        """Raises `ApiError`: wrong, or to be tried later. Which of the two was wrong, or whether
        the user exists, shows neither in the answer nor in the time it takes."""
        found = await self.check_password(username, password, address)
        user_id = found.user.user_id
        renewed: str | None = None
        if needs_rehash(found.password_hash):
            renewed = await self._hashing.rehash(password)
        async with self._ledger.write() as conn:
            now_ms = self.now_ms()
            if renewed is not None:
                await set_password(conn, user_id, renewed, actor=SYSTEM, now_ms=now_ms)
            token = await start_session(conn, user_id, now_ms=now_ms, lifetime_s=self.session_s)
        return found.user, token

    async def check_password(self, username: str, password: str, address: str) -> Credentials:
        """Raises `ApiError` unless it is the user's password. Failures make the next one wait."""
        name = username.strip().casefold()
        pair = f"{name}\0{address}"
        now_s = self._monotonic_s()
        wait_s = max(
            self._by_pair.wait_s(pair, now_s),
            self._by_user.wait_s(name, now_s),
            self._by_address.wait_s(address, now_s),
        )
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            raise ApiError(TOO_MANY_LOGINS, retry_after_s=seconds, seconds=seconds)
        self._by_pair.begin(pair)
        self._by_user.begin(name)
        good: bool | None = None
        try:
            async with self._ledger.read() as conn:
                found = await credentials_of(conn, username)
            good = await self._hashing.verify(found.password_hash if found else None, password)
        finally:
            now_s = self._monotonic_s()
            self._by_pair.end(pair, now_s, good=good)
            self._by_user.end(name, now_s, good=good)
        if found is None or not good:
            self._by_address.fail(address, now_s)
            raise ApiError(BAD_LOGIN)
        return found

    # --- requests ----------------------------------------------------------------------------

    async def caller(self, request: web.Request) -> Caller:
        """Who sends the request. Raises `ApiError`."""
        secret, by_cookie = _secret_of(request)
        if secret is None:
            raise ApiError(NO_CREDENTIALS)
        session = await self.session(secret)
        if session is None:
            raise ApiError(BAD_TOKEN)
        caller = Caller(session=session, by_cookie=by_cookie, csrf=csrf_of(secret))
        if by_cookie and request.method not in SAFE_METHODS:
            given = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(given.encode(), caller.csrf.encode()):
                raise ApiError(CSRF, where=CSRF_HEADER)
        return caller

    async def session(self, secret: str) -> Session | None:
        if len(secret) > MAX_TOKEN_CHARS:
            return None
        async with self._ledger.read() as conn:
            return await find_session(conn, secret, now_ms=self.now_ms())

    async def is_live(self, secret: str) -> bool:
        """Whether a long connection may go on."""
        return await self.session(secret) is not None


def csrf_of(secret: str) -> str:
    """What a page must repeat in a header: only who can read an answer of ours knows it."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()[:32]


def secret_of(request: web.Request) -> str:
    """The secret of a request that was authenticated."""
    secret, _ = _secret_of(request)
    if secret is None:
        raise ApiError(NO_CREDENTIALS)
    return secret


def check_origin(request: web.Request) -> None:
    """A page of another origin must not open our WebSocket. Programs send no Origin."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return
    try:
        same = urlsplit(origin).netloc == request.host
    except ValueError:
        same = False
    if not same:
        raise ApiError(BAD_ORIGIN, where="Origin")


def _secret_of(request: web.Request) -> tuple[str | None, bool]:
    """The bearer header, a WebSocket protocol, or the cookie; the header wins."""
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is not None:
        scheme, _, secret = header.partition(" ")
        return (secret.strip() or None if scheme.casefold() == "bearer" else None), False
    for offered in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(","):
        name = offered.strip()
        if name.startswith(TOKEN_PROTOCOL):
            return name.removeprefix(TOKEN_PROTOCOL) or None, False
    cookie = request.cookies.get(COOKIE)
    return (cookie or None), True


def wall_ms() -> int:
    return round(time.time() * 1000)
