"""How long conversations and wrap-ups last: hazards on log-spaced bins.

A hazard is the chance per second to end at an age, given that the age was reached: ends in a bin
over time spent in it. Time spent by conversations that are *still going on* counts too; leaving
it out would make early estimates short, since short conversations end first.
"""

from __future__ import annotations

from bisect import bisect_right
from math import exp

import msgspec

EDGES_S = (
    0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 19.0, 25.0, 32.0, 40.0, 50.0, 62.0, 76.0, 92.0,
    110.0, 132.0, 158.0, 190.0, 228.0, 274.0, 330.0, 400.0, 480.0, 580.0, 700.0, 850.0, 1000.0,
    1300.0, 1700.0, 2200.0, 3000.0,
)  # fmt: skip
"""Lower edges of the bins; the last bin has no upper edge."""
BINS = len(EDGES_S)
MIDDLES_S = tuple(
    (low + high) / 2 for low, high in zip(EDGES_S, (*EDGES_S[1:], EDGES_S[-1] * 1.3), strict=True)
)
MEMORY_ENDS = 1000.0
BIN_PRIOR_ENDS = 1.0
"""Every bin starts with one end at the mean hazard."""
MEAN_PRIOR_ENDS = 30.0

_INDEX_BY_SECOND = tuple(bisect_right(EDGES_S, s) - 1 for s in range(int(EDGES_S[-1]) + 1))


def bin_of(age_s: float) -> int:
    """Bin that an age >= 0 is in."""
    return _INDEX_BY_SECOND[int(age_s)] if age_s < EDGES_S[-1] else BINS - 1


def counted(ages_s: list[float]) -> list[int]:
    """How many ages lie in each bin, up to the last bin that holds any."""
    if not ages_s:
        return []
    counts = [0] * (bin_of(max(ages_s)) + 1)
    for age_s in ages_s:
        counts[_INDEX_BY_SECOND[int(age_s)] if age_s < EDGES_S[-1] else -1] += 1
    return counts


class DurationState(msgspec.Struct, array_like=True):
    ends: list[float]
    exposure_s: list[float]
    weight: float = 1.0
    count: int = 0
    """Ends seen since the beginning."""


class DurationEstimator:
    """Hazards by age, from durations that ended and ages of what has not ended."""

    __slots__ = ("_mean_prior_s", "state")

    def __init__(self, expected_s: float, state: DurationState | None = None) -> None:
        self._mean_prior_s = max(expected_s, 1.0)
        zeros = [0.0] * BINS
        self.state = state or DurationState(zeros, zeros.copy())

    def ended(self, duration_s: float) -> None:
        s = self.state
        s.count += 1
        last = bin_of(duration_s)
        s.ends[last] += s.weight
        _expose(s.exposure_s, duration_s, last, s.weight)
        s.weight *= 1.0 + 1.0 / MEMORY_ENDS
        if s.weight > 1e6:
            s.ends = [x / s.weight for x in s.ends]
            s.exposure_s = [x / s.weight for x in s.exposure_s]
            s.weight = 1.0

    def hazards(self, ongoing_s: list[float]) -> list[float]:
        """Ends per second in each bin, with the time of what is still going on."""
        s = self.state
        exposure_s = [x / s.weight for x in s.exposure_s]
        for i, spent_s in enumerate(spent_in_bins(ongoing_s)):
            exposure_s[i] += spent_s
        ends = [x / s.weight for x in s.ends]
        mean_hazard = (sum(ends) + MEAN_PRIOR_ENDS) / (
            sum(exposure_s) + MEAN_PRIOR_ENDS * self._mean_prior_s
        )
        return [
            (n + BIN_PRIOR_ENDS) / (t + BIN_PRIOR_ENDS / mean_hazard)
            for n, t in zip(ends, exposure_s, strict=True)
        ]

    def mean_s(self, ongoing_s: float) -> float:
        """Time spent per end, with the time of all that is still going on."""
        s = self.state
        prior_s = MEAN_PRIOR_ENDS * s.weight
        spent_s = sum(s.exposure_s) + ongoing_s * s.weight + prior_s * self._mean_prior_s
        return spent_s / (sum(s.ends) + prior_s)


def _expose(exposure_s: list[float], duration_s: float, last: int, weight: float) -> None:
    for i in range(last):
        exposure_s[i] += weight * (EDGES_S[i + 1] - EDGES_S[i])
    exposure_s[last] += weight * (duration_s - EDGES_S[last])


def spent_in_bins(ages_s: list[float]) -> list[float]:
    """Time that conversations of these ages have spent in each bin, up to the last one reached.

    Of a thousand conversations most share their bins, so each is looked at once and no more.
    """
    spent_s = [0.0] * len(counts := counted(ages_s))
    for age_s in ages_s:
        i = bin_of(age_s)
        spent_s[i] += age_s - EDGES_S[i]
    beyond = 0
    for i in range(len(counts) - 1, 0, -1):
        beyond += counts[i]
        spent_s[i - 1] += beyond * (EDGES_S[i] - EDGES_S[i - 1])
    return spent_s


def ends_within(hazards: list[float], age_s: float, seconds: int) -> list[float]:
    """P(ended by 0, 1, 2 ... `seconds` from now | age now), by the hazards of the bins."""
    result = [0.0]
    risk = 0.0
    i = bin_of(age_s)
    at_s = age_s
    for second in range(1, seconds + 1):
        until_s = age_s + second
        while i + 1 < BINS and EDGES_S[i + 1] <= until_s:
            risk += hazards[i] * (EDGES_S[i + 1] - at_s)
            at_s = EDGES_S[i + 1]
            i += 1
        risk += hazards[i] * (until_s - at_s)
        at_s = until_s
        result.append(1.0 - exp(-risk))
    return result
