"""Listening: from an application to an address, and what to say when it is taken."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from dialer.config import HttpConfig
from dialer.console.app import make_app
from dialer.console.services import Services

SHUTDOWN_S: Final = 5.0
"""How long requests in progress may go on when the server stops."""
BACKLOG: Final = 512


class CannotListen(Exception):
    """The address cannot be listened on; `mend` says what to do."""

    def __init__(self, where: str, what: str, mend: str) -> None:
        super().__init__(f"{where}: {what}; {mend}")
        self.where = where
        self.what = what
        self.mend = mend


class PortTaken(CannotListen):
    """Another program listens there already."""


@asynccontextmanager
async def serve(services: Services, http: HttpConfig) -> AsyncIterator[str]:
    """Serve the API and the agents' WebSocket; gives the base URL.

    Raises `PortTaken`, `CannotListen`. At the end connections are closed, agents' sessions kept.
    """
    runner = web.AppRunner(
        make_app(services),
        access_log=None,
        shutdown_timeout=SHUTDOWN_S,
        handle_signals=False,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, http.host, http.port, backlog=BACKLOG)
        try:
            await site.start()
        except OSError as error:
            raise _told(http, error) from error
        yield _url(http.host, _port(runner))
    finally:
        await runner.cleanup()


def _told(http: HttpConfig, error: OSError) -> CannotListen:
    where = f"{http.host}:{http.port}"
    if error.errno == errno.EADDRINUSE:
        return PortTaken(
            where,
            "another program listens there already",
            "stop it, or set http.port to a free port (0 lets the system choose)",
        )
    if error.errno == errno.EACCES:
        return CannotListen(
            where, "this user may not listen there", "set http.port to 1024 or higher"
        )
    return CannotListen(
        where,
        error.strerror or str(error),
        "set http.host to an address of this machine, 127.0.0.1 for instance",
    )


def _port(runner: web.AppRunner) -> int:
    return int(runner.addresses[0][1])


def _url(host: str, port: int) -> str:
    """An address that can be opened from here: "everywhere" is not one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"
