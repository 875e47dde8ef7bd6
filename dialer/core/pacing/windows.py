"""Abandoned per live answer over rolling windows: 30 minutes, 24 hours, 30 days."""

from __future__ import annotations

import msgspec

from dialer.core.pacing.history import History, Stretch

SMALL_WINDOW_ANSWERS = 200
"""Rates over fewer answers are too noisy to act on and are taken over so many."""
WINDOWS_S = {"30min": 1800.0, "24h": 86_400.0, "30d": 30 * 86_400.0}
WINDOW_BUCKETS = 120


class RollingState(msgspec.Struct, array_like=True):
    window_s: float
    index: int
    """Number of the newest bucket on the time axis."""
    answered: list[float]
    abandoned: list[float]


class RollingShare:
    """Abandoned and answered over a sliding window, in `WINDOW_BUCKETS` buckets."""

    def __init__(self, state: RollingState) -> None:
        self.state = state
        self._width_s = state.window_s / WINDOW_BUCKETS
        self.total_answered = sum(state.answered)
        self.total_abandoned = sum(state.abandoned)

    @classmethod
    def empty(cls, window_s: float) -> RollingShare:
        zeros = [0.0] * WINDOW_BUCKETS
        return cls(RollingState(window_s, 0, zeros, zeros.copy()))

    def advance(self, now_s: float) -> None:
        """Forget what has left the window. A clock that was set back keeps everything."""
        state = self.state
        index = int(now_s // self._width_s)
        if index <= state.index:
            state.index = index
            return
        for i in range(state.index + 1, min(index, state.index + WINDOW_BUCKETS) + 1):
            slot = i % WINDOW_BUCKETS
            self.total_answered -= state.answered[slot]
            self.total_abandoned -= state.abandoned[slot]
            state.answered[slot] = state.abandoned[slot] = 0.0
        state.index = index

    def count(self, answered: int, abandoned: int) -> None:
        slot = self.state.index % WINDOW_BUCKETS
        self.state.answered[slot] += answered
        self.state.abandoned[slot] += abandoned
        self.total_answered += answered
        self.total_abandoned += abandoned

    def recall(self, history: History) -> None:
        """Count what the history says, and nothing else."""
        state = self.state
        state.index = int(history.until_s // self._width_s)
        state.answered = [0.0] * WINDOW_BUCKETS
        state.abandoned = [0.0] * WINDOW_BUCKETS
        for spell in history.spells:
            # What lies ahead, because a clock was set back, is as good as of now.
            index = min(int(spell.at_s // self._width_s), state.index)
            if index > state.index - WINDOW_BUCKETS:
                state.answered[index % WINDOW_BUCKETS] += spell.answered
                state.abandoned[index % WINDOW_BUCKETS] += spell.abandoned
        self.total_answered = sum(state.answered)
        self.total_abandoned = sum(state.abandoned)

    def share(self, at_least: int = 1) -> float:
        """Abandoned per live answer, over no fewer than `at_least` answers."""
        return self.total_abandoned / max(self.total_answered, at_least)


class Windows:
    """All windows of one campaign, over states that are kept elsewhere."""

    __slots__ = ("by_name",)

    def __init__(self, states: dict[str, RollingState]) -> None:
        self.by_name = {name: RollingShare(state) for name, state in states.items()}

    def advance(self, now_s: float) -> None:
        for window in self.by_name.values():
            window.advance(now_s)

    def count(self, answered: int, abandoned: int) -> None:
        for window in self.by_name.values():
            window.count(answered, abandoned)

    def recall(self, history: History) -> None:
        for window in self.by_name.values():
            window.recall(history)

    def shares(self) -> dict[str, float]:
        return {name: window.share() for name, window in self.by_name.items()}

    def reached(self, limit: float) -> bool:
        """Whether any window is at the limit."""
        return any(w.share(SMALL_WINDOW_ANSWERS) >= limit for w in self.by_name.values())


def empty_windows() -> dict[str, RollingState]:
    return {name: RollingShare.empty(length_s).state for name, length_s in WINDOWS_S.items()}


def history_stretches(until_s: float) -> tuple[Stretch, ...]:
    """How finely a history has to be told for the windows to be exact, the finest stretch first.

    Each ends where the one before it begins, on an edge that both have.
    """
    widths_s = sorted(length_s / WINDOW_BUCKETS for length_s in WINDOWS_S.values())
    stretches = []
    for width_s, edge_s in zip(widths_s, [*widths_s[1:], widths_s[-1]], strict=True):
        since_s = (until_s // width_s - WINDOW_BUCKETS + 1) * width_s
        stretches.append(Stretch(since_s=since_s // edge_s * edge_s, width_s=width_s))
    return tuple(stretches)
