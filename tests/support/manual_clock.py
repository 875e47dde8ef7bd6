"""A clock that stands still until a test moves it, and then jumps from timer to timer."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2026, 6, 3, 15, 0, tzinfo=UTC)
"""A Wednesday, working hours all over the Americas."""


class ManualTimer:
    """A callback that is due at `when`."""

    __slots__ = ("callback", "when")

    def __init__(self, when: datetime, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """Deterministic time for asyncio code; satisfies the clocks of the engine and the adapters.

    Timers run in order of their instant, those of one instant in the order they were set.
    Before the first and after each, every task that can run without real I/O runs to its next
    wait: `settle_rounds` turns of the loop. Code that does real I/O (a store) needs its own
    `quiesce`: an async function that returns when that code is idle, awaited at the same places.
    """

    def __init__(
        self,
        start: datetime = START,
        *,
        settle_rounds: int = 12,
        quiesce: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._now = start.astimezone(UTC)
        self._settle_rounds = settle_rounds
        self._quiesce = quiesce
        self._timers: list[tuple[datetime, int, ManualTimer]] = []
        self._set = 0

    @property
    def speed(self) -> float:
        return 1.0

    def now(self) -> datetime:
        return self._now

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> ManualTimer:
        when = self._now + timedelta(seconds=max(0.0, delay_s))
        timer = ManualTimer(when, callback)
        self._set += 1
        heapq.heappush(self._timers, (when, self._set, timer))
        return timer

    async def sleep(self, delay_s: float) -> None:
        """Return when the test has moved the clock `delay_s` seconds on."""
        over = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not over.done():
                over.set_result(None)

        timer = self.call_later(delay_s, wake)
        try:
            await over
        finally:
            timer.cancel()

    def next_due(self) -> datetime | None:
        """Instant of the next timer; None: nothing is due, ever."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def advance(self, delay_s: float) -> None:
        """Move the clock on by `delay_s`, running every timer on the way."""
        until = self._now + timedelta(seconds=delay_s)
        await self._settle()
        while (due := self.next_due()) is not None and due <= until:
            await self._run_next()
        self._now = until

    async def run_until(self, condition: Callable[[], bool], limit_s: float = 3600.0) -> None:
        """Jump from timer to timer until `condition` holds.

        Raises `TimeoutError` when it does not within `limit_s` of the clock's seconds, or when
        no timer is left that could make it hold.
        """
        until = self._now + timedelta(seconds=limit_s)
        await self._settle()
        while not condition():
            due = self.next_due()
            if due is None:
                raise TimeoutError(f"nothing is due after {self._now}, and the condition is false")
            if due > until:
                raise TimeoutError(f"the condition is still false at {until} ({limit_s:g} s on)")
            await self._run_next()

    def run_next_timer(self) -> None:
        """Jump to the next timer and run it, without letting tasks run after it."""
        when, _, timer = heapq.heappop(self._timers)
        callback, timer.callback = timer.callback, None
        self._now = max(self._now, when)
        if callback is not None:
            callback()

    async def _run_next(self) -> None:
        self.run_next_timer()
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(self._settle_rounds):
            await asyncio.sleep(0)
        if self._quiesce is not None:
            await self._quiesce()
