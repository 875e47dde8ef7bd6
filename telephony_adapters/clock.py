"""The clock that adapters are given: real, faster than real, or driven by hand in tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol


class TimerHandle(Protocol):
    """A callback that is due."""

    def cancel(self) -> None:
        """Forget it. Harmless when it has run already."""


class Clock(Protocol):
    """Time as an adapter sees it. Delays are in the clock's own seconds."""

    def now(self) -> datetime:
        """The present, timezone-aware UTC."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        """Run `callback` after `delay_s` seconds; at once when that is not above 0."""

    async def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` seconds."""
