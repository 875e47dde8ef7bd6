"""The wire to Asterisk: HTTP commands and one WebSocket of events, every wait bounded."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

import aiohttp
import msgspec

from telephony_adapters.asterisk.settings import AsteriskSettings

Body = Mapping[str, object]

IDLE_CONNECTION_S = 5.0
"""Asterisk closes idle connections after 15 s by default: ours are given up well before, since a
command on a connection that is just being closed has an unknown outcome."""
EVENTS_CLOSE_S = 1.0


class AriUnreachable(Exception):
    """There is no connection: certainly nothing was sent."""


class AriSilent(Exception):
    """The command left, and no reply came: it may have been carried out."""


class Reply(msgspec.Struct, frozen=True):
    """What Asterisk answered."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """ARI's own words about a failure."""
        try:
            told = msgspec.json.decode(self.body, type=_Failure)
        except msgspec.MsgspecError:
            return f"HTTP {self.status}"
        return told.message or told.error or f"HTTP {self.status}"


class _Failure(msgspec.Struct, frozen=True):
    message: str = ""
    error: str = ""


class AriClient:
    """HTTP and WebSocket of one Asterisk."""

    def __init__(self, settings: AsteriskSettings) -> None:
        self._settings = settings
        self._base = settings.url.rstrip("/") + "/ari"
        login = f"{settings.user}:{settings.password}".encode()
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Basic {base64.b64encode(login).decode()}"},
            connector=aiohttp.TCPConnector(
                limit=settings.max_connections, keepalive_timeout=IDLE_CONNECTION_S
            ),
            timeout=aiohttp.ClientTimeout(
                total=settings.command_timeout_s, sock_connect=settings.connect_timeout_s
            ),
        )
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def request(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        params: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Reply:
        """One command; the wait for it is `command_timeout_s` unless told otherwise.

        Raises `AriUnreachable` or `AriSilent`.
        """
        limit = aiohttp.ClientTimeout(
            total=timeout_s or self._settings.command_timeout_s,
            sock_connect=self._settings.connect_timeout_s,
        )
        with _told_apart():
            async with self._session.request(
                method, self._base + path, json=body, params=params, timeout=limit
            ) as reply:
                return Reply(reply.status, await reply.read())

    async def measure(self, path: str, head_bytes: int, timeout_s: float) -> tuple[Reply, int]:
        """The beginning of a file, and its size; the rest is read and forgotten.

        Raises `AriUnreachable` or `AriSilent`.
        """
        limit = aiohttp.ClientTimeout(
            total=timeout_s, sock_connect=self._settings.connect_timeout_s
        )
        with _told_apart():
            async with self._session.get(self._base + path, timeout=limit) as reply:
                head, size = b"", 0
                async for chunk in reply.content.iter_any():
                    head += chunk[: max(0, head_bytes - len(head))]
                    size += len(chunk)
                return Reply(reply.status, head), size

    async def connect(self) -> None:
        """Open the WebSocket; Asterisk registers the application with it.

        Raises `AriUnreachable`.
        """
        try:
            self._socket = await self._session.ws_connect(
                f"{self._base}/events",
                params={"app": self._settings.app},
                heartbeat=self._settings.heartbeat_s,
                max_msg_size=self._settings.max_frame_bytes,
                timeout=aiohttp.ClientWSTimeout(ws_close=EVENTS_CLOSE_S),
            )
        except aiohttp.WSServerHandshakeError as error:
            raise AriUnreachable(f"the WebSocket is refused: HTTP {error.status}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise AriUnreachable(f"{type(error).__name__}: {error}") from error

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Frames of the open WebSocket, until it is closed from either side."""
        if self._socket is None:
            return
        async for message in self._socket:
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                yield message.data

    async def disconnect(self) -> None:
        """Close the WebSocket, if one is open."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def close(self) -> None:
        """Close everything."""
        await self.disconnect()
        await self._session.close()
        await asyncio.sleep(0)


@contextmanager
def _told_apart() -> Iterator[None]:
    """Whether a command that failed had left."""
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise AriUnreachable(str(error)) from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise AriSilent(f"{type(error).__name__}: {error}") from error
