"""An HTTP server that speaks as much ARI as a connection needs, and fails on script.

For what a real Asterisk does only once in a year: replies that do not come, errors in the middle
of a command, frames that are not JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ScriptedAri:
    """Answers as an idle Asterisk; `on` replaces the answer to one method and path."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[str] = []
        """`METHOD /path` of every request, without `/ari`."""
        self.sockets: list[web.WebSocketResponse] = []
        self._scripted: dict[str, Handler] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, what: str, handler: Handler) -> None:
        """Answer `METHOD /path-prefix` so."""
        self._scripted[what] = handler

    def reply(self, what: str, status: int, body: object = None) -> None:
        """Answer with a status and JSON."""

        async def handler(_: web.Request) -> web.Response:
            if body is None:
                return web.Response(status=status)
            return web.json_response(body, status=status)

        self.on(what, handler)

    async def say(self, frame: str | bytes) -> None:
        """Send a frame to every WebSocket."""
        for socket in self.sockets:
            if isinstance(frame, bytes):
                await socket.send_bytes(frame)
            else:
                await socket.send_str(frame)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        what = f"{request.method} {request.path.removeprefix('/ari')}"
        self.asked.append(what)
        for known, handler in self._scripted.items():
            if what.startswith(known):
                return await handler(request)
        if what == "GET /events":
            return await self._events(request)
        if what in ("GET /channels", "GET /bridges"):
            return web.json_response([])
        return web.json_response({})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for _ in socket:
            pass
        self.sockets.remove(socket)
        return socket


async def never(_: web.Request) -> web.StreamResponse:
    """A reply that does not come."""
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets was set")


@asynccontextmanager
async def scripted_ari() -> AsyncIterator[ScriptedAri]:
    """A server on a free port of loopback."""
    server = ScriptedAri()
    app = web.Application()
    app.router.add_route("*", "/ari/{tail:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()
