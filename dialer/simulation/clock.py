"""Virtual time: nothing waits, the next thing due simply happens."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class VirtualClock:
    """An agenda of callbacks on a time axis in seconds.

    Callbacks that are due at the same time run in the order they were scheduled, so a run is a
    function of its inputs alone.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self.now_s = start_s
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._scheduled = 0

    def at(self, due_s: float, callback: Callable[..., None], *arguments: object) -> None:
        """Call back at `due_s`, or at once (after what is due now) if that is past."""
        self._scheduled += 1
        due_s = max(due_s, self.now_s)
        heappush(self._agenda, (due_s, self._scheduled, callback, arguments))

    def run_until(self, end_s: float) -> None:
        """Run everything due before or at `end_s`, and leave the clock there."""
        agenda = self._agenda
        while agenda and agenda[0][0] <= end_s:
            self.now_s, _, callback, arguments = heappop(agenda)
            callback(*arguments)
        self.now_s = max(self.now_s, end_s)
