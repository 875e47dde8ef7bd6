"""How fast lines may grow where little is known: at the start, and after a jump."""

from __future__ import annotations

import msgspec

RAMP_S = 60.0
RAMP_GROWTH, RAMP_EVERY_S = 1.25, 5.0
"""After the answer rate jumped, or was first known, lines grow at most so much in this time."""

COLD_RAMP_S = 600.0
"""After so long without a call that has rung out the ramp grows no further."""


class RampState(msgspec.Struct):
    from_s: float | None = None
    """When the ramp began; None: there is none."""
    lines: int = 0
    """Lines at its beginning."""
    first_s: float | None = None
    """When there was first somebody to dial for."""


class Ramp:
    """Growth of lines of one campaign."""

    __slots__ = ("state",)

    def __init__(self, state: RampState | None = None) -> None:
        self.state = state or RampState()

    def start(self, now_s: float, lines: int) -> None:
        self.state.from_s, self.state.lines = now_s, lines

    def forget(self) -> None:
        self.state.from_s = self.state.first_s = None

    def cold_limit(self, now_s: float, staffed: int) -> int:
        """Most lines while it is not known how late people pick up: one an agent at first."""
        if self.state.first_s is None:
            self.state.first_s = now_s
        # A campaign may wait for hours until it may dial at all; by then nothing is limited.
        since_s = min(COLD_RAMP_S, max(0.0, now_s - self.state.first_s))
        return int(staffed * RAMP_GROWTH ** (since_s / RAMP_EVERY_S))

    def limit(self, now_s: float) -> int | None:
        """Most lines after a jump; None: no limit."""
        if self.state.from_s is None:
            return None
        since_s = now_s - self.state.from_s
        if not 0.0 <= since_s < RAMP_S:
            self.state.from_s = None
            return None
        return 1 + int(self.state.lines * RAMP_GROWTH ** (1.0 + since_s / RAMP_EVERY_S))
