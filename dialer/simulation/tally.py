"""What a simulated shift came to, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence

from compliance.messages import Message

MINUTE_S = 60.0
WINDOW_MINUTES = 30
WINDOW_ANSWERS = 200
"""A 30-minute window with fewer answers says nothing about a rate."""


class Minute(Message, frozen=True, kw_only=True):
    """One minute of a run."""

    at_s: float
    staffed: int
    """Agents at the end of the minute."""
    ringing: int
    """Calls at the end of the minute."""
    dials: int
    answered: int
    abandoned: int
    occupancy: float


class Tally:
    """Counters of a run, by minute where they are plotted."""

    def __init__(self, minutes: int) -> None:
        self.dials = [0] * minutes
        self.answered = [0] * minutes
        self.abandoned = [0] * minutes
        self.busy_s = [0.0] * minutes
        self.staffed_s = [0.0] * minutes
        self.staffed = [0] * minutes
        self.ringing = [0] * minutes
        self.connected = 0
        self.waits_s: list[float] = []
        """How long agents waited for each call they had."""
        self.line_s = 0.0

    def minutes(self) -> tuple[Minute, ...]:
        return tuple(
            Minute(
                at_s=i * MINUTE_S,
                staffed=self.staffed[i],
                ringing=self.ringing[i],
                dials=self.dials[i],
                answered=self.answered[i],
                abandoned=self.abandoned[i],
                occupancy=share(self.busy_s[i], self.staffed_s[i]),
            )
            for i in range(len(self.dials))
        )

    @property
    def worst_30min(self) -> float | None:
        """Highest abandoned share of 30 minutes with at least 200 answers; None: there are none."""
        return worst_window(self.answered, self.abandoned)


def worst_window(answered: Sequence[int], abandoned: Sequence[int]) -> float | None:
    """The same of answers and abandonments by minute."""
    worst: float | None = None
    for i in range(len(answered) - WINDOW_MINUTES + 1):
        answers = sum(answered[i : i + WINDOW_MINUTES])
        if answers >= WINDOW_ANSWERS:
            part = sum(abandoned[i : i + WINDOW_MINUTES]) / answers
            worst = part if worst is None else max(worst, part)
    return worst


def share(part: float, whole: float) -> float:
    """A ratio; 0 of nothing."""
    return part / whole if whole > 0 else 0.0
