"""The abandonment budget: how much risk a call may carry now, and when to stop taking any.

Three loops, from fast to slow:

- The tolerance gamma is steered by *predicted* losses. Every placed call is an expected answer w
  with a risk psi; log gamma moves by eta (m w - c w psi / alpha), so that c times the mean risk of
  the calls placed settles at the share m of the target alpha (a Robbins-Monro tracker; cf. Gibbs
  and Candes, "Adaptive Conformal Inference", 2021). A team of three sees four abandonments a day,
  too few to steer by, but hundreds of predictions.
- c, the abandonments for each one predicted, is learned from those that happen (gamma-Poisson,
  with a prior by team size: calls placed later take agents that earlier ones counted on).
- What the last 24 hours abandoned beyond their allowance is paid back: gamma is multiplied by
  exp(-k d), where d is the excess over about its own noise. What they left is spent, a little.

Rolling windows guard the limits beside it.
"""

from __future__ import annotations

from itertools import pairwise
from math import exp, log, sqrt

import msgspec

from dialer.core.pacing.history import History
from dialer.core.pacing.messages import PacingConfig
from dialer.core.pacing.windows import (
    SMALL_WINDOW_ANSWERS,
    RollingState,
    Windows,
    empty_windows,
)

TARGET_MARGINS = ((3, 0.66), (10, 0.77), (30, 0.85), (100, 0.92), (1000, 0.95))
"""Agents to the share of the target that is steered for; the rest is for the noise of a day."""
PREDICTED_GAIN = 0.02
"""eta: how far one expected answer moves the logarithm of the tolerance."""
MOST_STEP = 0.1
"""Furthest that one decision moves it."""
TOLERANCE_MIN = 0.002
TOLERANCE_MAX = 0.06
START_TOLERANCE = ((3, 1.15), (10, 0.75), (30, 0.6), (100, 0.5), (1000, 0.3))
"""Agents to the first tolerance, in targets: what the steering settles at in simulation."""
LOSSES_PER_PREDICTED = ((3, 1.05), (10, 1.5), (30, 2.0), (100, 2.9))
"""Agents to the first c, as measured in simulation."""
LOSSES_PRIOR, LOSSES_MEMORY = 8.0, 60.0
"""Predicted abandonments that the first c is worth, and that c is averaged over."""
DEBT_GAIN, CREDIT_GAIN, MOST_CREDIT = 1.0, 0.5, 1.0
DEBT_NOISE = 0.1
"""Excess d = (abandoned - allowed) / sqrt(1 + DEBT_NOISE allowed)."""
SOFT_FROM, SOFT_TO, SOFT_TOLERANCE = 0.4, 0.7, 0.03
"""Shares of the hard limit between which the last 30 minutes bring the tolerance down to the
third number. Not to nothing, as a team that stops answering keeps the share it has; and not
before the half hour holds more than a target of a third of the limit lets expect, as every swing
of the tolerance costs occupancy."""
HARD_FROM, HARD_TO = 0.9, 1.0
"""Shares of the hard limit between which the last 30 minutes take the rest away."""
LONG_TAPER = 0.33
"""The same width for 24 hours and 30 days, which are the law's own and end at the limit."""
WINDOW_Z, WINDOW_DISPERSION = 2.5, 1.7
"""The 30 minutes are aimed so low that the limit lies so many standard deviations away, of a
count whose variance is so many times its mean: abandonments come in clusters."""
FEW_ANSWERS = 150
"""In fewer answers than these no window is aimed at."""

HEARD_MEMORY = 500.0
"""Answers after which the share of machines among them is forgotten."""
HEARD_PRIOR = 20.0
"""Answers by persons that are taken to have been before the first."""
LEAST_PERSONS = 0.05


class BudgetState(msgspec.Struct):
    log_tolerance: float | None = None
    windows: dict[str, RollingState] = {}
    predicted: float = 0.0
    """Abandonments predicted for the calls placed, within the memory."""
    happened: float = 0.0
    """Abandonments that came, within the same memory."""
    prior: float = LOSSES_PRIOR
    """Predicted abandonments that the first guess is still worth: it is forgotten like the rest."""
    losses_at_start: float = 1.0
    margin: float = TARGET_MARGINS[0][1]
    heard: float = 0.0
    """Calls that were taken for answered by a person, within a memory."""
    machines: float = 0.0
    """Those of them that an agent's ear found to be machines."""
    team: int = 0
    """Most agents seen so far: what the two above, and the first tolerance, were chosen for."""


class AbandonmentBudget:
    """Tolerance and guards of one campaign."""

    def __init__(self, config: PacingConfig, state: BudgetState | None = None) -> None:
        self._target = config.target_abandonment
        self._limit = config.hard_limit
        self.state = state or BudgetState()
        if not self.state.windows:
            self.state.windows = empty_windows()
        self.windows = Windows(self.state.windows)

    def start(self, agents: int) -> None:
        """Choose aim and first tolerance by the size of the team, as large as it was ever seen.

        Agents log in one after the other: the first of them must not set the aim of a hundred.
        A tolerance that has been steered already stays as it is.
        """
        state = self.state
        if agents <= state.team:
            return
        state.team = agents
        if state.log_tolerance is None or state.predicted <= 0.0:
            state.log_tolerance = log(start_tolerance(agents) * self._target)
        state.losses_at_start = _between(LOSSES_PER_PREDICTED, agents)
        state.margin = _between(TARGET_MARGINS, agents)

    def advance(self, now_s: float) -> None:
        self.windows.advance(now_s)

    def recall(self, history: History) -> None:
        """The windows become the history's; what was steered stays as it is."""
        self.windows.recall(history)

    def on_placed(self, answers: float, losses: float) -> None:
        """Calls were placed that are expected to bring so many answers and abandonments."""
        state = self.state
        if state.log_tolerance is None:
            return
        keep = exp(-losses / LOSSES_MEMORY)
        state.predicted = (state.predicted + losses) * keep
        state.happened *= keep
        state.prior *= keep
        # Without machine detection many an answer is none, and allows nothing.
        answers *= self.persons()
        error = self.aim() * answers - self.losses_per_predicted() * losses
        # One dear call is no reason to forget what a hundred cheap ones showed.
        step = PREDICTED_GAIN * max(-5.0 * answers, error / self._target)
        self._steer(max(-MOST_STEP, min(MOST_STEP, step)))

    def on_answer(self) -> None:
        self.windows.count(1, 0)
        keep = 1.0 - 1.0 / HEARD_MEMORY
        self.state.heard = self.state.heard * keep + 1.0
        self.state.machines *= keep

    def on_found_machine(self) -> None:
        """What had counted as a live answer was none."""
        self.windows.count(-1, 0)
        self.state.machines += 1.0

    def persons(self) -> float:
        """Share of persons among answers: all, until agents say otherwise."""
        state = self.state
        heard = state.heard + HEARD_PRIOR
        return max(LEAST_PERSONS, 1.0 - state.machines / heard)

    def on_abandonment(self) -> None:
        self.windows.count(0, 1)
        self.state.happened += 1.0

    def losses_per_predicted(self) -> float:
        """Abandonments for each predicted one: learned, from a prior by team size."""
        state = self.state
        return (state.prior * state.losses_at_start + state.happened) / (
            state.prior + state.predicted
        )

    def aim(self) -> float:
        """Share of abandonments steered for: below the target, and where 30 minutes hold a few
        hundred answers, as far below the hard limit as their noise asks for."""
        aim = self.state.margin * self._target
        seen = self.windows.by_name["30min"].total_answered
        if seen < FEW_ANSWERS:
            return aim
        answers = max(seen, SMALL_WINDOW_ANSWERS)
        # mu + z sqrt(dispersion mu) = limit answers, solved for sqrt(mu).
        spread = WINDOW_Z * sqrt(WINDOW_DISPERSION)
        root = (sqrt(spread * spread + 4.0 * self._limit * answers) - spread) / 2.0
        safe = root * root / answers
        if seen < SMALL_WINDOW_ANSWERS and safe < aim:
            width = SMALL_WINDOW_ANSWERS - FEW_ANSWERS
            safe += (aim - safe) * (SMALL_WINDOW_ANSWERS - seen) / width
        return min(aim, safe)

    def left_in_half_hour(self) -> float | None:
        """Abandonments before the half hour is at its limit; None: too few answers to say."""
        window = self.windows.by_name["30min"]
        if window.total_answered < FEW_ANSWERS:
            return None
        answers = max(window.total_answered, SMALL_WINDOW_ANSWERS)
        return self._limit * answers - window.total_abandoned

    def tolerance(self) -> float:
        """Highest risk that the next call may carry: 0 when a window is used up."""
        if self.state.log_tolerance is None:
            return 0.0
        tolerance = min(TOLERANCE_MAX, exp(self.state.log_tolerance) * self._repayment())
        return tolerance * min(1.0, self._soft_taper(), self._hard_taper())

    def _repayment(self) -> float:
        day = self.windows.by_name["24h"]
        allowed = self.state.margin * self._target * day.total_answered
        excess = (day.total_abandoned - allowed) / sqrt(1.0 + DEBT_NOISE * max(0.0, allowed))
        if excess > 0.0:
            return exp(-DEBT_GAIN * excess)
        return exp(CREDIT_GAIN * min(MOST_CREDIT, -excess))

    def _soft_taper(self) -> float:
        used = self.windows.by_name["30min"].share(SMALL_WINDOW_ANSWERS) / self._limit
        part = min(1.0, max(0.0, (used - SOFT_FROM) / (SOFT_TO - SOFT_FROM)))
        return exp(part * log(SOFT_TOLERANCE))

    def _hard_taper(self) -> float:
        left = 1.0
        for name, window in self.windows.by_name.items():
            width = HARD_TO - HARD_FROM if name == "30min" else LONG_TAPER
            used = window.share(SMALL_WINDOW_ANSWERS) / self._limit
            left = min(left, (HARD_TO - used) / width)
        return max(0.0, left)

    def _steer(self, change: float) -> None:
        before = self.state.log_tolerance
        if before is not None:
            self.state.log_tolerance = min(
                log(TOLERANCE_MAX), max(log(TOLERANCE_MIN), before + change)
            )


def start_tolerance(agents: int) -> float:
    """First tolerance in targets."""
    return _between(START_TOLERANCE, agents)


def _between(points: tuple[tuple[int, float], ...], agents: int) -> float:
    """Value between the points, on a log scale of agents; flat outside."""
    if agents <= points[0][0]:
        return points[0][1]
    for (low, at_low), (high, at_high) in pairwise(points):
        if agents <= high:
            share = log(agents / low) / log(high / low)
            return at_low + share * (at_high - at_low)
    return points[-1][1]
