"""The risk of one call more: will an agent be there when it is answered?

For each horizon s: Y = answers within s of the calls already ringing, in detection and about to
be placed, and idle agents gone by then, less the agents freed by s and the connect limit. The
call finds no agent when Y >= idle - waiting. Few calls and agents: the distribution of Y exactly.
Many: by moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp
from operator import mul
from typing import Protocol

import msgspec

from dialer.core.pacing.hazards import bin_of, counted
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


class Moments(msgspec.Struct):
    """Y at one horizon."""

    mean: float = 0.0
    variance: float = 0.0
    third: float = 0.0
    uncertain: float = 0.0
    """Standard error of the mean through the answer rates, all taken to err together."""
    answers: float = 0.0
    freed: float = 0.0
    """What the mean consists of, but for idle agents gone."""


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
    idle_loss_per_s: float = 0.0
    """Idle agents that go, or get a call that was not dialed for them."""


class Risk(Protocol):
    """Risk of the k-th new call, which grows with k."""

    def of(self, new_calls: int, enough: float = 1.0) -> float:
        """Risk of the last of `new_calls`; anything above `enough` once it is above that."""

    def expected(self, h: int) -> tuple[float, float]:
        """Live answers expected within horizon number `h` without new calls, and agents freed in
        time for them."""


def weigh(scene: Scene, tables: Tables) -> Risk:
    """The exact risk where the numbers are small, otherwise by moments."""
    busy = len(scene.talking_s) + len(scene.wrapping_s)
    calls = sum(sum(r.by_age) for r in scene.ringing) + len(scene.in_amd_s)
    few = (busy + calls) * (busy + scene.idle) <= EXACT_UP_TO
    if few and scene.idle <= EXACT_IDLE:
        return ExactRisk(scene, tables)
    return MomentRisk(scene, tables)


def _still_to_come(
    ringing: Ringing, rate: float, scene: Scene, tables: Tables
) -> Iterator[tuple[int, int, float]]:
    """Ring age, calls of that age, and the live answers that each may still bring: to be
    multiplied with the chance that an answer of that age comes within a horizon."""
    live_rate = rate * scene.live_share
    for age, calls in enumerate(ringing.by_age):
        if calls:
            rings = rate * tables.to_pick_up[age] + (1.0 - rate) * tables.to_go_unanswered[age]
            if rings > 1e-9:
                yield age, calls, live_rate / rings


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
            self._rings += _still_to_come(ringing, rate, scene, tables)
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

    def expected(self, h: int) -> tuple[float, float]:
        scene, tables = self._scene, self._tables
        row, detected = tables.answered[h][0], tables.detected[h]
        answers = sum(
            calls * share * row[age]
            for ringing in scene.ringing
            for age, calls, share in _still_to_come(ringing, ringing.rate, scene, tables)
        )
        last = len(detected) - 1
        answers += scene.live_share * sum(detected[min(int(s), last)] for s in scene.in_amd_s)
        talk, wrap = tables.talk_freed[h][0], tables.wrap_freed[h][0]
        freed = sum(talk[b] for b in self._talk_bins) + sum(wrap[b] for b in self._wrap_bins)
        return answers, freed * scene.stays

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
        distribution = self._grow(distribution, 1.0 - exp(-scene.idle_loss_per_s * HORIZONS_S[h]))
        detected = tables.detected[h]
        for age_s in scene.in_amd_s:
            p = scene.live_share * detected[min(int(age_s), len(detected) - 1)]
            distribution = self._grow(distribution, p)
        return distribution

    def _grow(self, distribution: list[float], p: float) -> list[float]:
        return convolve_bernoulli(distribution, p, self._capacity)


class MomentRisk:
    """Mean, variance and skewness of Y at every horizon; a new call only adds to them."""

    def __init__(self, scene: Scene, tables: Tables) -> None:
        self._threshold = scene.idle - scene.waiting
        gone = [scene.idle_loss_per_s * horizon_s for horizon_s in HORIZONS_S]
        self._moments = [Moments(mean=x, variance=x, third=x) for x in gone]
        self._add_agents(scene, tables)
        self._add_ringing(scene, tables)
        self._add_in_amd(scene, tables)
        live_rate = scene.new_rate * scene.live_share
        new = [min(0.99, live_rate * row[0][0]) for row in tables.answered]
        self._new_deviation = scene.new_relative_deviation
        # The dearest horizons first: a risk that is too high is seen to be so sooner.
        self._order = sorted(
            zip(tables.weights, new, self._moments, strict=True), key=lambda item: -item[0]
        )

    def of(self, new_calls: int, enough: float = 1.0) -> float:
        others = new_calls - 1
        threshold, deviation = self._threshold, self._new_deviation
        total = 0.0
        for weight, p, at in self._order:
            extra = others * p
            error = at.uncertain + extra * deviation
            spread = extra * (1.0 - p)
            total += weight * skewed_tail(
                threshold,
                at.mean + extra,
                at.variance + spread + error * error,
                at.third + spread * (1.0 - 2.0 * p),
            )
            if total > enough:
                break
        return total

    def expected(self, h: int) -> tuple[float, float]:
        return self._moments[h].answers, self._moments[h].freed

    def _add_agents(self, scene: Scene, tables: Tables) -> None:
        s1 = scene.stays
        s2, s3 = s1 * s1, s1 * s1 * s1
        for ages, rows in (
            (scene.talking_s, tables.talk_freed),
            (scene.wrapping_s, tables.wrap_freed),
        ):
            counts = counted(ages)
            for at, (p1, p2, p3) in zip(self._moments, rows, strict=True):
                m1 = s1 * sum(map(mul, counts, p1))
                m2 = s2 * sum(map(mul, counts, p2))
                m3 = s3 * sum(map(mul, counts, p3))
                at.mean -= m1
                at.freed += m1
                at.variance += m1 - m2
                at.third -= m1 - 3.0 * m2 + 2.0 * m3

    def _add_ringing(self, scene: Scene, tables: Tables) -> None:
        """All segments at once: the sums over calls are the same for every one."""
        w1, w2, w3, errors = ([0.0] * tables.lags for _ in range(4))
        for ringing in scene.ringing:
            for age, calls, share in _still_to_come(ringing, ringing.rate, scene, tables):
                w1[age] += (w := calls * share)
                errors[age] += w * ringing.relative_deviation
                w2[age] += (w := w * share)
                w3[age] += w * share
        for at, (p1, p2, p3) in zip(self._moments, tables.answered, strict=True):
            m1 = sum(map(mul, w1, p1))
            m2 = sum(map(mul, w2, p2))
            m3 = sum(map(mul, w3, p3))
            at.mean += m1
            at.answers += m1
            at.variance += m1 - m2
            at.third += m1 - 3.0 * m2 + 2.0 * m3
            at.uncertain += sum(map(mul, errors, p1))

    def _add_in_amd(self, scene: Scene, tables: Tables) -> None:
        if not scene.in_amd_s:
            return
        last = len(tables.detected[0]) - 1
        counts = [0] * (last + 1)
        for age_s in scene.in_amd_s:
            counts[int(age_s) if age_s < last else last] += 1
        for at, row in zip(self._moments, tables.detected, strict=True):
            for calls, detected in zip(counts, row, strict=True):
                if calls:
                    p = scene.live_share * detected
                    spread = calls * p * (1.0 - p)
                    at.mean += calls * p
                    at.answers += calls * p
                    at.variance += spread
                    at.third += spread * (1.0 - 2.0 * p)


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
