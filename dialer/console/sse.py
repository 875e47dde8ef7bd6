"""Server-sent events: live figures to boards, resumed by id, with signs of life.

A board that cannot keep up is cut off; it comes back with the last id it saw, and what was
trimmed meanwhile is replaced by newer figures anyway.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog
from aiohttp import hdrs, web

from dialer.console.errors import BUSY, ApiError
from dialer.stores.redis.errors import RedisStoreError
from dialer.stores.redis.live import LiveEvent

log = structlog.get_logger()

EVENT_STREAM: Final = "text/event-stream"
RETRY_MS: Final = 2_000
"""What browsers are told to wait before they connect again."""
WRITE_TIMEOUT_S: Final = 10.0
RECHECK_S: Final = 10.0
"""How often the session behind a stream is looked up again."""
STREAMS_MAX: Final = 500
"""Readers of one server; each has a connection to Redis."""


class Streams:
    """All event streams of one server, so that they end when it does."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    async def send(
        self,
        request: web.Request,
        events: AsyncIterator[LiveEvent | None],
        *,
        name: str,
        first: bytes | None,
        go_on: Callable[[], Awaitable[bool]],
    ) -> web.StreamResponse:
        """Send events until the reader goes, the session ends or the source breaks.

        Args:
            first: sent before the first event, without an id; for a board that has nothing yet.
            go_on: asked now and then whether the reader may still read.
        """
        if len(self._open) >= STREAMS_MAX:
            raise ApiError(BUSY, retry_after_s=5)
        response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: EVENT_STREAM,
                hdrs.CACHE_CONTROL: "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(request)
        task = asyncio.create_task(_send(response, events, name, first, go_on), name="live-stream")
        self._open.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._open.discard(task)
            task.cancel()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("live_stream_ended", error=str(error), kind=type(error).__name__)
        return response

    def close(self) -> None:
        for task in self._open:
            task.cancel()


async def _send(
    response: web.StreamResponse,
    events: AsyncIterator[LiveEvent | None],
    name: str,
    first: bytes | None,
    go_on: Callable[[], Awaitable[bool]],
) -> None:
    head = b"event: %s\ndata: " % name.encode()
    await _write(response, b"retry: %d\n\n" % RETRY_MS)
    if first is not None:
        await _write(response, head + first + b"\n\n")
    checked_s = time.monotonic()
    try:
        async for event in events:
            if time.monotonic() - checked_s > RECHECK_S:
                checked_s = time.monotonic()
                if not await go_on():
                    return
            if event is None:
                await _write(response, b": alive\n\n")
            else:
                number = b"id: %s\n" % event.event_id.encode()
                await _write(response, number + head + event.data + b"\n\n")
    except (ConnectionError, TimeoutError):
        log.debug("live_reader_gone")
    except RedisStoreError as error:
        log.warning("live_source_broke", error=str(error))


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await response.write(data)
