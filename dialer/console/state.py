"""What all handlers of one server share."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from dialer.console.agent_socket import AgentSockets
from dialer.console.auth import COOKIE, Authenticator, Caller, Hashing
from dialer.console.metrics import Metrics
from dialer.console.services import Services
from dialer.console.sse import Streams
from dialer.stores.ledger.users import Language

CALLER: Final = web.RequestKey("caller", Caller)
FORWARDING: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
"""A request with one of these came through a proxy, whatever its peer's address is."""
REPORTS_AT_ONCE: Final = 2
"""Reports over many decisions that are computed at the same time, at most."""


class Console:
    """One server's services, sessions, sockets and figures."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.hashing = Hashing()
        self.metrics = Metrics()
        self.auth = Authenticator(
            services.ledger,
            self.hashing,
            session_s=services.config.http.session_hours * 3600,
        )
        self.sockets = AgentSockets(services, self.auth, self.metrics)
        self.streams = Streams()
        self.reporting = asyncio.Semaphore(REPORTS_AT_ONCE)
        """Held by whoever computes a report: they read very much."""
        self.default_language = Language(services.config.language)

    def language_of(self, request: web.Request, caller: Caller | None) -> Language:
        """Accept-Language, else the user's language, else the configuration's."""
        asked = _accepted(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
        if asked is not None:
            return asked
        return caller.user.language if caller is not None else self.default_language

    def set_cookie(self, request: web.Request, response: web.StreamResponse, secret: str) -> None:
        """Keep the session in the browser, out of the reach of scripts; empty ends it."""
        if not secret:
            response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
            return
        response.set_cookie(
            COOKIE,
            secret,
            path="/",
            max_age=self.services.config.http.session_hours * 3600,
            httponly=True,
            samesite="Strict",
            secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
        )

    def is_direct_loopback(self, request: web.Request) -> bool:
        """From this machine, and not through a proxy that runs on it.

        Nor by another name of it: a page whose name was made to lead here is no program of ours.
        """
        if any(name in request.headers for name in FORWARDING):
            return False
        try:
            named = urlsplit(f"//{request.host}").hostname
        except ValueError:
            return False
        return _is_loopback(request.remote) and (named == "localhost" or _is_loopback(named))

    async def close(self) -> None:
        self.streams.close()
        await self.sockets.close()
        await self.services.imports.close()
        self.hashing.close()


def _is_loopback(address: str | None) -> bool:
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def _accepted(header: str) -> Language | None:
    """The best of our languages that an Accept-Language header names."""
    best: tuple[float, Language] | None = None
    for part in header.split(",")[:20]:
        name, _, quality = part.partition(";")
        code = name.strip()[:2].casefold()
        if code not in Language.__members__.values():
            continue
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality else 1.0
        except ValueError:
            continue
        if weight > 0 and (best is None or weight > best[0]):
            best = (weight, Language(code))
    return None if best is None else best[1]
