"""The agent's end of a leg: a bounded stream of what is heard."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from telephony_adapters.simulator.heard import Heard

EARPIECE_LIMIT: Final = 64
"""Voices that wait to be listened to; the oldest are forgotten first."""


class Earpiece:
    """Async iterator over what an agent's leg hears; it ends when the leg is gone for good.

    For one listener.
    """

    def __init__(self) -> None:
        self._heard: deque[Heard] = deque(maxlen=EARPIECE_LIMIT)
        self._news = asyncio.Event()
        self._closed = False

    def say(self, heard: Heard) -> None:
        """Let the listener hear something."""
        self._heard.append(heard)
        self._news.set()

    def close(self) -> None:
        """The leg is gone; what was heard before can still be read."""
        self._closed = True
        self._news.set()

    def __aiter__(self) -> Earpiece:
        return self

    async def __anext__(self) -> Heard:
        while not self._heard:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._heard.popleft()
