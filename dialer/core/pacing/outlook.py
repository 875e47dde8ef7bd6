"""The risk of one call more: will an agent be there when it is answered?

For each horizon s: Y = answers within s of the calls already ringing, in detection and about to
be placed, less the agents freed by s and the connect limit. The call finds no agent when
Y >= idle - waiting. Few calls and agents: the distribution of Y exactly. Many: by moments.
"""

from __future__ import annotations

from operator import mul
from typing import Protocol

import msgspec

from dialer.core.pacing.hazards import BINS, bin_of
from dialer.core.pacing.overload import convolve_bernoulli, skewed_tail
from dialer.core.pacing.tables import HORIZONS_S, Tables

EXACT_UP_TO = 600
"""(Busy agents + unanswered calls) x capacity, up to which the distribution is exact."""
EXACT_IDLE = 40
"""With more idle agents than that the search over new calls would be long, however few others
there are: a large team whose supply has run out must not cost the most of all."""
CAUTION = 0.25
"""Standard errors by which the exact distribution raises an answer rate that is not yet sure."""
MOST_NEW_EXACT = 60
_POINTS = range(len(HORIZONS_S))


class Ringing(msgspec.Struct):
    """The ringing calls of one segment."""

    by_age: list[int]
    """Calls by ring age in steps."""
    rate: float
    """Pickup rate of the segment."""
    relative_deviation: float
    """Standard error of `rate`, over `rate`."""


class Scene(msgspec.Struct):
    """Everything a decision depends on, counted by age."""

    idle: int
    waiting: int
    talking_s: list[float]
    wrapping_s: list[float]
    ringing: list[Ringing]
    in_amd_s: list[float]
    live_share: float
    stays: float
    new_rate: float
    """Pickup rate of the calls about to be placed."""
    new_relative_deviation: float


class Risk(Protocol):
    """Risk of the k-th new call, which grows with k."""

    def of(self, new_calls: int, enough: float = 1.0) -> float:
        """Risk of the last of `new_calls`; anything above `enough` once it is above that."""


def weigh(scene: Scene, tables: Tables) -> Risk:
    """The exact risk where the numbers are small, otherwise by moments."""
    busy = len(scene.talking_s) + len(scene.wrapping_s)
    calls = sum(sum(r.by_age) for r in scene.ringing) + len(scene.in_amd_s)
    few = (busy + calls) * (busy + scene.idle) <= EXACT_UP_TO
    if few and scene.idle <= EXACT_IDLE:
        return ExactRisk(scene, tables)
    return MomentRisk(scene, tables)


def still_ringing(tables: Tables, rate: float) -> list[float]:
    """Share of the calls placed that still ring, by age."""
    return [
        rate * a + (1.0 - rate) * b
        for a, b in zip(tables.to_pick_up, tables.to_go_unanswered, strict=True)
    ]


def _cautious(rate: float, relative_deviation: float) -> float:
    return min(0.98, rate * (1.0 + CAUTION * relative_deviation))


class ExactRisk:
    """Poisson-binomial distribution of answers and agents still busy."""

    def __init__(self, scene: Scene, tables: Tables) -> None:
        self._scene = scene
        self._tables = tables
        self._order = sorted(_POINTS, key=lambda h: -tables.weights[h])
        self._new_rate = scene.live_share * _cautious(scene.new_rate, scene.new_relative_deviation)
        busy = len(scene.talking_s) + len(scene.wrapping_s)
        self._capacity = scene.idle + busy - scene.waiting
        """Answers plus agents still busy must stay below this."""
        self._talk_bins = [bin_of(s) for s in scene.talking_s]
        self._wrap_bins = [bin_of(s) for s in scene.wrapping_s]
        self._rings: list[tuple[int, int, float]] = []
        for ringing in scene.ringing:
            rate = _cautious(ringing.rate, ringing.relative_deviation)
            left = still_ringing(tables, rate)
            for age, calls in enumerate(ringing.by_age):
                if calls and left[age] > 1e-9:
                    share = rate * scene.live_share / left[age]
                    self._rings.append((age, calls, share))
        self._distributions: dict[int, tuple[int, list[float]]] = {}

    def of(self, new_calls: int, enough: float = 1.0) -> float:
        if self._capacity <= 0:
            return 1.0
        total = 0.0
        for h in self._order:
            below = sum(self._distribution(h, new_calls - 1))
            total += self._tables.weights[h] * max(0.0, 1.0 - below)
            if total > enough:
                break
        return total

    def _distribution(self, h: int, others: int) -> list[float]:
        """Chances of 0 .. capacity - 1 answers and busy agents, with `others` new calls."""
        known = self._distributions.get(h)
        count, distribution = known if known else (0, self._base(h))
        if count > others:
            count, distribution = 0, self._base(h)
        p = self._new_rate * self._tables.answered[h][0][0]
        for _ in range(count, others):
            distribution = self._grow(distribution, p)
        self._distributions[h] = (max(count, others), distribution)
        return distribution

    def _base(self, h: int) -> list[float]:
        tables, scene = self._tables, self._scene
        stays = scene.stays
        distribution = [1.0]
        freed = tables.talk_freed[h][0]
        for b in self._talk_bins:
            distribution = self._grow(distribution, 1.0 - stays * freed[b])
        freed = tables.wrap_freed[h][0]
        for b in self._wrap_bins:
            distribution = self._grow(distribution, 1.0 - stays * freed[b])
        answered = tables.answered[h][0]
        for age, calls, share in self._rings:
            p = min(1.0, share * answered[age])
            for _ in range(calls):
                distribution = self._grow(distribution, p)
        detected = tables.detected[h]
        for age_s in scene.in_amd_s:
            p = scene.live_share * detected[min(int(age_s), len(detected) - 1)]
            distribution = self._grow(distribution, p)
        return distribution

    def _grow(self, distribution: list[float], p: float) -> list[float]:
        return convolve_bernoulli(distribution, p)[: self._capacity]


class MomentRisk:
    """Mean, variance and skewness of Y at every horizon; a new call only adds to them."""

    def __init__(self, scene: Scene, tables: Tables) -> None:
        self._weights = tables.weights
        self._threshold = scene.idle - scene.waiting
        self._mean = [0.0] * len(HORIZONS_S)
        self._variance = [0.0] * len(HORIZONS_S)
        self._third = [0.0] * len(HORIZONS_S)
        self._uncertain = [0.0] * len(HORIZONS_S)
        """Standard error of the mean through the answer rates, all taken to err together."""
        self._add_agents(scene, tables)
        for ringing in scene.ringing:
            self._add_ringing(ringing, scene.live_share, tables)
        self._add_in_amd(scene, tables)
        self._new = [
            min(0.99, scene.new_rate * scene.live_share * row[0][0]) for row in tables.answered
        ]
        self._new_deviation = scene.new_relative_deviation

    def of(self, new_calls: int, enough: float = 1.0) -> float:
        others = new_calls - 1
        total = 0.0
        for h in _POINTS:
            p = self._new[h]
            extra = others * p
            error = self._uncertain[h] + extra * self._new_deviation
            tail = skewed_tail(
                self._threshold,
                self._mean[h] + extra,
                self._variance[h] + extra * (1.0 - p) + error * error,
                self._third[h] + extra * (1.0 - p) * (1.0 - 2.0 * p),
            )
            total += self._weights[h] * tail
            if total > enough:
                break
        return total

    def _add_agents(self, scene: Scene, tables: Tables) -> None:
        s1 = scene.stays
        s2, s3 = s1 * s1, s1 * s1 * s1
        for ages, rows in (
            (scene.talking_s, tables.talk_freed),
            (scene.wrapping_s, tables.wrap_freed),
        ):
            counts = [0] * BINS
            for age_s in ages:
                counts[bin_of(age_s)] += 1
            for h in _POINTS:
                p1, p2, p3 = rows[h]
                m1 = s1 * sum(map(mul, counts, p1))
                m2 = s2 * sum(map(mul, counts, p2))
                m3 = s3 * sum(map(mul, counts, p3))
                self._mean[h] -= m1
                self._variance[h] += m1 - m2
                self._third[h] -= m1 - 3.0 * m2 + 2.0 * m3

    def _add_ringing(self, ringing: Ringing, live_share: float, tables: Tables) -> None:
        left = still_ringing(tables, ringing.rate)
        share = [ringing.rate * live_share / x if x > 1e-9 else 0.0 for x in left]
        w1 = list(map(mul, ringing.by_age, share))
        w2 = list(map(mul, w1, share))
        w3 = list(map(mul, w2, share))
        for h in _POINTS:
            p1, p2, p3 = tables.answered[h]
            m1 = sum(map(mul, w1, p1))
            m2 = sum(map(mul, w2, p2))
            m3 = sum(map(mul, w3, p3))
            self._mean[h] += m1
            self._variance[h] += m1 - m2
            self._third[h] += m1 - 3.0 * m2 + 2.0 * m3
            self._uncertain[h] += m1 * ringing.relative_deviation

    def _add_in_amd(self, scene: Scene, tables: Tables) -> None:
        if not scene.in_amd_s:
            return
        last = len(tables.detected[0]) - 1
        counts = [0] * (last + 1)
        for age_s in scene.in_amd_s:
            counts[int(age_s) if age_s < last else last] += 1
        for h in _POINTS:
            for calls, detected in zip(counts, tables.detected[h], strict=True):
                if calls:
                    p = scene.live_share * detected
                    self._mean[h] += calls * p
                    self._variance[h] += calls * p * (1.0 - p)
                    self._third[h] += calls * p * (1.0 - p) * (1.0 - 2.0 * p)


def expected_within(scene: Scene, tables: Tables, h: int) -> tuple[float, float]:
    """Live answers expected within horizon number `h`, and agents freed in time for them."""
    answers = 0.0
    row = tables.answered[h][0]
    for ringing in scene.ringing:
        left = still_ringing(tables, ringing.rate)
        for age, calls in enumerate(ringing.by_age):
            if calls and left[age] > 1e-9:
                answers += calls * min(1.0, ringing.rate * row[age] / left[age])
    detected = tables.detected[h]
    answers += sum(detected[min(int(s), len(detected) - 1)] for s in scene.in_amd_s)
    talk, wrap = tables.talk_freed[h][0], tables.wrap_freed[h][0]
    freed = sum(talk[bin_of(s)] for s in scene.talking_s)
    freed += sum(wrap[bin_of(s)] for s in scene.wrapping_s)
    return answers * scene.live_share, freed * scene.stays


def largest_within(risk: Risk, tolerance: float, room: int) -> int:
    """Largest number of new calls, up to `room`, whose last one risks no more than tolerated.

    The first is known to be within the tolerance.
    """
    if tolerance <= 0.0 or room <= 0:
        return 0
    if isinstance(risk, ExactRisk):
        k = 1
        most = min(room, MOST_NEW_EXACT)
        while k < most and risk.of(k + 1, tolerance) <= tolerance:
            k += 1
        return k
    low, high = 1, 2
    while high <= room and risk.of(high, tolerance) <= tolerance:
        low, high = high, high * 2
    high = min(high, room + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if risk.of(middle, tolerance) <= tolerance:
            low = middle
        else:
            high = middle
    return low
