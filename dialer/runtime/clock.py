"""Clocks of the running engine: the wall's, or a simulated day that may run faster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from telephony_adapters.clock import Clock as AdapterClock
from telephony_adapters.clock import TimerHandle


class Clock(AdapterClock, Protocol):
    """Time as the engine sees it: an adapter's clock that tells how fast it runs."""

    @property
    def speed(self) -> float:
        """Clock seconds in one real second."""


class WallClock:
    """Real time."""

    @property
    def speed(self) -> float:
        return 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        return asyncio.get_running_loop().call_later(max(0.0, delay_s), callback)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s))


class SimulatedClock:
    """Starts at a chosen instant and runs `speed` times as fast as the wall.

    Only for carriers that reach nobody: the ledger of such a run holds simulated instants. On the
    telephones of a laboratory it runs at real speed, and only the hour is chosen.
    """

    def __init__(self, start: datetime, speed: float) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self._start = start.astimezone(UTC)
        self._speed = speed
        self._zero_s: float | None = None

    @property
    def speed(self) -> float:
        return self._speed

    def now(self) -> datetime:
        now_s = time.monotonic()
        if self._zero_s is None:
            self._zero_s = now_s
        return self._start + timedelta(seconds=(now_s - self._zero_s) * self._speed)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        real_s = max(0.0, delay_s) / self._speed
        return asyncio.get_running_loop().call_later(real_s, callback)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s) / self._speed)
