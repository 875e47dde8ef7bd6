"""Live figures of a campaign, from whoever measures them to whoever shows them.

A capped stream in Redis: publishers add, followers read on from where they were. What was
trimmed is gone; a figure is replaced by the next one, and the ledger has what must be kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from dialer.stores.redis.client import (
    RedisClient,
    Reply,
    as_bytes,
    as_list,
    as_text,
    checked_id,
    key,
)

EVENTS_MAX = 1000
"""About as many events of a campaign are kept for followers that come late or return."""
BLOCK_MS = 2000
"""How long one read waits inside Redis."""
_BEGINNING = "0-0"


class LiveEvent(msgspec.Struct, frozen=True):
    event_id: str
    """Grows from event to event; fit for the `id` of a server-sent event."""
    data: bytes


class LiveFeed:
    """The live events of one campaign."""

    def __init__(self, redis: RedisClient, campaign_id: str) -> None:
        checked_id(campaign_id, "campaign id")
        self._redis = redis
        self._key = key("live", campaign_id)

    async def publish(self, data: bytes) -> str:
        """Add an event; returns its id."""
        reply = await self._redis.execute(
            "XADD", self._key, "MAXLEN", "~", EVENTS_MAX, "*", "data", data
        )
        return as_text(reply)

    async def last_id(self) -> str:
        """Id of the newest event; `0-0` when there is none."""
        newest = as_list(await self._redis.execute("XREVRANGE", self._key, "+", "-", "COUNT", 1))
        return _event(newest[0]).event_id if newest else _BEGINNING

    async def follow(
        self, last_id: str | None = None, *, block_ms: int = BLOCK_MS
    ) -> AsyncIterator[LiveEvent | None]:
        """Events after `last_id` (None: from now on), for ever, in order, each once.

        Yields None whenever `block_ms` passed without one: the moment to send a sign of life
        and to notice that the reader has gone. Raises `RedisUnavailable`; follow again from the
        last id that was seen. `last_id` comes from outside: `ValueError` when it is not an id.
        """
        if block_ms <= 0:
            raise ValueError(f"block_ms must be positive: {block_ms}")
        position = await self.last_id() if last_id is None else checked_event_id(last_id)
        while True:
            reply = await self._redis.execute_blocking(
                block_ms, "XREAD", "COUNT", 100, "BLOCK", block_ms, "STREAMS", self._key, position
            )
            if reply is None:
                newest = await self.last_id()
                if _order(newest) < _order(position):
                    position = _BEGINNING  # Redis was wiped, and counts ids anew by its clock
                yield None
                continue
            for row in as_list(as_list(as_list(reply)[0])[1]):
                event = _event(row)
                position = event.event_id
                yield event


def checked_event_id(text: str) -> str:
    """`text` if it is an id of an event (`MILLISECONDS-NUMBER`); raises `ValueError` otherwise."""
    parts = text.split("-")
    if len(parts) != 2 or not all(p.isascii() and p.isdigit() and len(p) <= 19 for p in parts):
        raise ValueError(f"not an id of a live event: {text!r}")
    return text


def _order(event_id: str) -> tuple[int, int]:
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number)


def _event(row: Reply) -> LiveEvent:
    event_id, fields = as_list(row)
    return LiveEvent(as_text(event_id), as_bytes(as_list(fields)[1]))
