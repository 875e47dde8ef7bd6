"""Asterisk's instants in our own time: its host's clock may be wrong, and ours may be simulated.

An event cannot come before it happened, and now and then one comes almost at once: the smallest
difference between arrival and stamp that was seen lately is how far the clocks are apart. Every
event then has an instant that is exact to the latency of the quickest one, and never lies ahead.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

WINDOW: Final = timedelta(seconds=60)
"""For how long a difference is believed, at least; twice as long at most. Clocks are also set."""


class ClockOffset:
    """Learns the difference from every event that comes."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._young: timedelta | None = None
        self._old: timedelta | None = None

    def ours(self, stamp: datetime, now: datetime) -> datetime:
        """When it happened, by our clock, for an event that arrives `now`."""
        apart = now - stamp
        if self._since is None or now - self._since > WINDOW:
            self._since, self._old, self._young = now, self._young, None
        self._young = apart if self._young is None else min(self._young, apart)
        least = self._young if self._old is None else min(self._young, self._old)
        return min(now, stamp + least)
