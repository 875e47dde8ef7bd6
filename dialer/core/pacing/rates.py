"""How likely a dialed call is answered, and when: learned without waiting for calls to end.

Time runs in steps of `STEP_S`. If n_u calls were placed u steps ago, a share p of all calls is
picked up, and f(u) of the pickups come u steps after the dial, then the pickups of one step are
Poisson with mean p * sum n_u f(u). So p is pickups over *exposure*, sum n_u f(u), and a rise shows
within the shortest ring delay instead of after the ring timeout.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from math import exp, sqrt
from operator import mul

import msgspec

STEP_S = 1.0
SLOW_EVENTS, SLOW_S = 250.0, 90.0
FAST_EVENTS, FAST_S = 8.0, 6.0
"""A memory reaches back over this many events, and at least this long."""
COLD_RATE, COLD_EVENTS = 0.4, 2.5
"""Before anything is known: answer rates are assumed high, which dials little."""
RISE_Z, FALL_Z = 2.3, -2.2
"""Where z = 2 (sqrt(observed) - sqrt(expected)) is above the first, the rate has risen; where it is
below the second with one event more than were observed, it has fallen: a few seconds without any
are no fall yet, and dialing more because of them costs people."""
WARY_Z = 1.0
"""From here on, up to a jump, dialing goes by more and more of what the last seconds show."""
YOUNG_WITHIN_STEPS = (5, 7, 9, 12, 16)
YOUNG_RISE_Z, YOUNG_WARY_Z = 3.0, 2.0
"""The same for the calls placed within the last so many steps alone. Where new contacts answer
more often than those before, theirs are the first answers that tell, and the answers still to come
of older calls would hide them."""
RISING_S, RISING_BY = 60.0, 0.25
"""After a rise the rate is taken to be still rising for so long: at first by so much of the rise
seen, a doubling at most, and by nothing in the end."""
IDLE_LOSS_S, IDLE_LOSS_PRIOR_S = 1200.0, 300.0
"""How far back idle agents who went are remembered, and a quiet time taken to have been before."""
SHAPE_PRIOR_EVENTS = 20.0
SHAPE_MEMORY_EVENTS = 3000.0


class RateState(msgspec.Struct, array_like=True):
    slow_events: float = COLD_EVENTS
    slow_exposure: float = COLD_EVENTS / COLD_RATE
    fast_events: float = 0.0
    fast_exposure: float = 0.0
    open_events: int = 0
    """Events since the last `advance`; their exposure is not known yet."""
    young_events: float = 0.0
    young_exposure: float = 0.0
    """Of the youngest calls that surprise most."""
    rising_s: float = 0.0
    """How long the rate is still taken to be rising."""
    rising_by: float = 0.0
    """By what share it was at first."""


class RateEstimator:
    """Events per exposure with a slow memory, and two views of the last seconds that notice jumps:
    a fast memory of all events, and what the youngest calls have brought."""

    __slots__ = ("state",)

    def __init__(self, state: RateState | None = None) -> None:
        self.state = state or RateState()

    def event(self) -> None:
        self.state.open_events += 1

    def advance(
        self, exposure: float, elapsed_s: float, young: Iterable[tuple[float, float]] = ()
    ) -> int:
        """Account one step. Returns 1 after an upward jump, -1 after a downward one, else 0.

        `young`: events and exposure of the youngest calls, for several ages up to which they are.
        """
        s = self.state
        events, s.open_events = s.open_events, 0
        if exposure <= 0.0 and events == 0:
            return 0
        rate = self.rate
        s.rising_s = max(0.0, s.rising_s - elapsed_s)
        expected = exposure * rate
        keep = exp(-min(expected / SLOW_EVENTS, elapsed_s / SLOW_S))
        s.slow_events = s.slow_events * keep + events
        s.slow_exposure = s.slow_exposure * keep + exposure
        keep = exp(-min(expected / FAST_EVENTS, elapsed_s / FAST_S))
        s.fast_events = s.fast_events * keep + events
        s.fast_exposure = s.fast_exposure * keep + exposure
        s.young_events, s.young_exposure = max(
            young, key=lambda seen: surprise(seen[0], seen[1], rate), default=(0.0, 0.0)
        )
        if surprise(s.fast_events + 1.0, s.fast_exposure, rate) <= FALL_Z:
            self._start_again(s.fast_events, s.fast_exposure, rate)
            return -1
        if surprise(s.fast_events, s.fast_exposure, rate) >= RISE_Z:
            self._rise(s.fast_events, s.fast_exposure, rate)
            return 1
        if surprise(s.young_events, s.young_exposure, rate) >= YOUNG_RISE_Z:
            self._rise(s.young_events, s.young_exposure, rate)
            return 1
        return 0

    def _rise(self, events: float, exposure: float, rate: float) -> None:
        self._start_again(events, exposure, rate)
        s = self.state
        s.rising_s, s.rising_by = RISING_S, RISING_BY * min(1.0, max(0.0, self.rate / rate - 1.0))

    def _start_again(self, events: float, exposure: float, rate: float) -> None:
        s = self.state
        # One event at the old rate keeps a rate of nothing from becoming certain.
        s.slow_events, s.slow_exposure = events + 1.0, exposure + 1.0 / rate
        s.fast_events = s.fast_exposure = 0.0
        s.young_events = s.young_exposure = 0.0

    @property
    def rate(self) -> float:
        """Estimated share, within (0, 1)."""
        s = self.state
        return min(0.98, max(1e-4, s.slow_events / max(s.slow_exposure, s.slow_events, 1e-9)))

    @property
    def wary_rate(self) -> float:
        """The rate to dial by, never below `rate`.

        A rise costs the calls that are placed until it is known: what has begun to look like one
        counts in part, and all of it when it is about to be taken for one.
        """
        s, rate = self.state, self.rate
        return max(
            min(0.98, rate * (1.0 + s.rising_by * s.rising_s / RISING_S)),
            _wary(s.fast_events, s.fast_exposure, rate, WARY_Z, RISE_Z),
            _wary(s.young_events, s.young_exposure, rate, YOUNG_WARY_Z, YOUNG_RISE_Z),
        )

    @property
    def relative_variance(self) -> float:
        """Variance of the estimate over its square."""
        return 1.0 / max(self.state.slow_events, 1.0)


def surprise(events: float, exposure: float, rate: float) -> float:
    """How far events lie above what a rate lets expect, in about standard deviations."""
    return 2.0 * (sqrt(events) - sqrt(exposure * rate))


def _wary(events: float, exposure: float, rate: float, from_z: float, to_z: float) -> float:
    part = (surprise(events, exposure, rate) - from_z) / (to_z - from_z)
    if part <= 0.0:
        return rate
    lately = (events + 1.0) / (exposure + 1.0 / rate)
    return min(0.98, rate + max(0.0, lately - rate) * min(1.0, part))


class IdleLossState(msgspec.Struct, array_like=True):
    losses: float = 0.0
    staffed_s: float = 0.0


class IdleLoss:
    """How often an idle agent goes who had been counted on: for a break, or because somebody who
    called us, or another campaign, got him first."""

    __slots__ = ("state",)

    def __init__(self, state: IdleLossState | None = None) -> None:
        self.state = state or IdleLossState()

    def event(self) -> None:
        self.state.losses += 1.0

    def advance(self) -> None:
        """Account one step with agents."""
        s = self.state
        keep = exp(-STEP_S / IDLE_LOSS_S)
        s.losses *= keep
        s.staffed_s = s.staffed_s * keep + STEP_S

    @property
    def per_s(self) -> float:
        return self.state.losses / (self.state.staffed_s + IDLE_LOSS_PRIOR_S)


class LagState(msgspec.Struct, array_like=True):
    events: list[float]
    exposure: list[float]
    weight: float = 1.0
    count: int = 0
    """Events seen since the beginning."""


class LagDensity:
    """When something happens, in steps after its start, given that it happens at all.

    Events in a lag over the exposure of that lag: calls that are still too young for a lag do not
    count against it, so early estimates are not biased towards short delays.
    """

    __slots__ = ("_prior", "state")

    def __init__(self, prior: list[float], state: LagState | None = None) -> None:
        total = sum(prior)
        self._prior = [x / total for x in prior]
        zeros = [0.0] * len(prior)
        self.state = state or LagState(zeros, zeros.copy())

    def event(self, lag: int) -> None:
        s = self.state
        s.count += 1
        s.events[min(max(lag, 0), len(s.events) - 1)] += s.weight
        # Newer events weigh more: the same as forgetting older ones, without touching them.
        s.weight *= 1.0 + 1.0 / SHAPE_MEMORY_EVENTS
        if s.weight > 1e6:
            s.events = [x / s.weight for x in s.events]
            s.exposure = [x / s.weight for x in s.exposure]
            s.weight = 1.0

    def expose(self, expected: list[float]) -> None:
        """Add events-to-be: how many starts, times how likely each is to happen, by lag."""
        s = self.state
        weight = s.weight
        s.exposure = [x + weight * e for x, e in zip(s.exposure, expected, strict=True)]

    def density(self) -> list[float]:
        """Shares by lag; sum 1."""
        s = self.state
        prior_weight = SHAPE_PRIOR_EVENTS * s.weight
        total = [e + prior_weight for e in s.exposure]
        seen = [n / t for n, t in zip(s.events, total, strict=True)]
        assumed = [prior_weight * f / t for f, t in zip(self._prior, total, strict=True)]
        # What was seen is a share of all already; only what was assumed gives way to it, or early
        # lags would count for less than they are until the late ones have been seen.
        left = 1.0 - sum(seen)
        if left <= 0.0:
            return [x / sum(seen) for x in seen]
        scale = left / sum(assumed)
        return [x + scale * y for x, y in zip(seen, assumed, strict=True)]


class CohortState(msgspec.Struct, array_like=True):
    placed: list[float]
    """Calls placed 0, 1, 2 ... steps ago."""
    answered: list[float]
    """Those of them that were picked up."""
    rate: RateState


class Cohorts:
    """The dials of one segment by age, and the answer rate they show."""

    __slots__ = ("answered", "placed", "rate")

    def __init__(self, state: CohortState) -> None:
        self.placed = state.placed
        self.answered = state.answered
        self.rate = RateEstimator(state.rate)

    @classmethod
    def empty(cls, lags: int) -> Cohorts:
        return cls(CohortState([0.0] * lags, [0.0] * lags, RateState()))

    def state(self) -> CohortState:
        return CohortState(self.placed, self.answered, self.rate.state)

    def pickup(self, lag: int) -> None:
        """A call placed so many steps ago was picked up."""
        self.rate.event()
        self.answered[min(max(lag, 0), len(self.answered) - 1)] += 1.0

    def step(self, density: list[float]) -> int:
        """Account one step and age every cohort by one. Returns the jump seen, as `advance`."""
        exposure = sum(map(mul, self.placed, density))
        jump = self.rate.advance(exposure, STEP_S, self._young(density))
        self.age()
        return jump

    def _young(self, density: list[float]) -> list[tuple[float, float]]:
        """Pickups of the youngest calls, and their exposure since they were placed."""
        picked_by = accumulate(density)
        exposure = list(accumulate(map(mul, self.placed, picked_by)))
        answered = list(accumulate(self.answered))
        return [(answered[n], exposure[n]) for n in YOUNG_WITHIN_STEPS if n < len(answered)]

    def age(self) -> None:
        """Age every cohort by one step; the pickups of the step wait for `begin`."""
        for counts in (self.placed, self.answered):
            counts.insert(0, 0.0)
            counts.pop()

    def forget_dials(self) -> None:
        """What is still to come of calls already placed will not be heard."""
        self.placed = [0.0] * len(self.placed)
        self.answered = [0.0] * len(self.answered)

    def begin(self, happened_by: list[float]) -> None:
        """Account all calls still in the memory at once, with the delays now known.

        `happened_by` is the share of pickups by the end of a lag.
        """
        state = self.rate.state
        state.slow_events += state.open_events
        state.open_events = 0
        state.slow_exposure += sum(map(mul, self.placed, happened_by))


def cumulative(density: list[float]) -> list[float]:
    """Share that has happened before lag 0, 1, 2 ...: one longer than the density, 0 to 1."""
    result = [0.0]
    for x in density:
        result.append(result[-1] + x)
    return result
