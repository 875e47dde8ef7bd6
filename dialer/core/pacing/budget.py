"""The abandonment budget: how much risk a call may carry now, and when to stop taking any.

The tolerance gamma is steered by what happened: every live answer raises its logarithm a little,
every abandonment lowers it by a lot, so that in the long run the share of abandonments settles
just under the target whatever the model gets wrong (a Robbins-Monro quantile tracker; cf. Gibbs
and Candes, "Adaptive Conformal Inference", 2021). Rolling windows guard the limits beside it.
"""

from __future__ import annotations

from itertools import pairwise
from math import exp, log

import msgspec

from dialer.core.pacing.history import History, Stretch
from dialer.core.pacing.messages import PacingConfig

LEARNING_RATE = 0.03
TARGET_MARGIN = 0.95
"""Share of the target that is steered for; the rest is for the noise of a day."""
TOLERANCE_MIN = 0.002
TOLERANCE_MAX = 0.6
START_TOLERANCE = ((3, 1.15), (10, 0.75), (30, 0.6), (100, 0.5), (1000, 0.3))
"""Agents to the first tolerance, in targets: what the steering settles at in simulation."""
TAPER_FROM, TAPER_TO = 0.55, 0.88
"""Shares of the hard limit between which the 30-minute window takes the tolerance away."""
OVERDRAFT_CALLS, OVERDRAFT_SHARE, OVERDRAWN_TOLERANCE = 3.0, 0.2, 0.15
"""Abandonments of the last 24 hours beyond the target that bring the tolerance down to the third
number: so many, and this share of what the target allows. Half of it begins to."""
SMALL_WINDOW_ANSWERS = 200
"""Rates over fewer answers than this are too noisy to act on; they are taken over this many."""

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


class BudgetState(msgspec.Struct):
    log_tolerance: float | None = None
    windows: dict[str, RollingState] = {}


class AbandonmentBudget:
    """Tolerance and guards of one campaign."""

    def __init__(self, config: PacingConfig, state: BudgetState | None = None) -> None:
        self._target = config.target_abandonment
        self._limit = config.hard_limit
        self.state = state or BudgetState()
        if not self.state.windows:
            self.state.windows = {
                name: RollingShare.empty(length_s).state for name, length_s in WINDOWS_S.items()
            }
        self.windows = {name: RollingShare(s) for name, s in self.state.windows.items()}

    def start(self, agents: int) -> None:
        """Choose the first tolerance by the size of the team; later calls change nothing."""
        if self.state.log_tolerance is None and agents > 0:
            self.state.log_tolerance = log(start_tolerance(agents) * self._target)

    def advance(self, now_s: float) -> None:
        for window in self.windows.values():
            window.advance(now_s)

    def recall(self, history: History) -> None:
        """The windows become the history's; what was steered stays as it is."""
        for window in self.windows.values():
            window.recall(history)

    def on_answer(self) -> None:
        for window in self.windows.values():
            window.count(1, 0)
        self._steer(LEARNING_RATE * TARGET_MARGIN * self._target)

    def on_found_machine(self) -> None:
        """What had counted as a live answer was none."""
        for window in self.windows.values():
            window.count(-1, 0)
        self._steer(-LEARNING_RATE * TARGET_MARGIN * self._target)

    def on_abandonment(self) -> None:
        for window in self.windows.values():
            window.count(0, 1)
        self._steer(-LEARNING_RATE)

    def tolerance(self) -> float:
        """Highest risk that the next call may carry: 0 when a window is used up."""
        if self.state.log_tolerance is None:
            return 0.0
        return exp(self.state.log_tolerance) * self._taper()

    def _taper(self) -> float:
        share = 1.0
        for name, window in self.windows.items():
            used = window.share(SMALL_WINDOW_ANSWERS) / self._limit
            if name != "30min":
                # The long windows are the law's own; the short one is ours, and reacts sooner.
                used = used - (1.0 - TAPER_TO)
            share = min(share, (TAPER_TO - used) / (TAPER_TO - TAPER_FROM))
        day = self.windows["24h"]
        allowed = self._target * day.total_answered
        overdraft = OVERDRAFT_CALLS + OVERDRAFT_SHARE * allowed
        left = overdraft - (day.total_abandoned - allowed)
        return max(0.0, min(share, max(OVERDRAWN_TOLERANCE, 2.0 * left / overdraft)))

    def _steer(self, change: float) -> None:
        before = self.state.log_tolerance
        if before is not None:
            self.state.log_tolerance = min(
                log(TOLERANCE_MAX), max(log(TOLERANCE_MIN), before + change)
            )


def start_tolerance(agents: int) -> float:
    """First tolerance in targets, between the points of `START_TOLERANCE` on a log scale."""
    points = START_TOLERANCE
    if agents <= points[0][0]:
        return points[0][1]
    for (low, at_low), (high, at_high) in pairwise(points):
        if agents <= high:
            share = log(agents / low) / log(high / low)
            return at_low + share * (at_high - at_low)
    return points[-1][1]


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
