"""Chances by age, laid out so that one decision is a few dozen dot products.

Made from a `Shape` (densities and hazards frozen at one moment) in small stages, a stage a
decision, so that no decision pays for the whole. The same shape always gives the same tables:
saving a pacer saves shapes only.
"""

from __future__ import annotations

from itertools import pairwise
from operator import mul

import msgspec

from dialer.core.pacing.hazards import BINS, MIDDLES_S, ends_within
from dialer.core.pacing.rates import cumulative

HORIZONS_S = (2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26)
"""How far a decision looks ahead: where the next call's answer may fall."""
SPREAD_POINTS = 4
"""The risk of an answer is watched over this many horizons from it on (8 s): a call that just
gets an agent may still take it from the next."""
BINS_PER_STAGE = 5
ROWS_PER_STAGE = 4

Powers = tuple[list[float], list[float], list[float]]
"""x, x^2 and x^3 of the same row."""


class Shape(msgspec.Struct, array_like=True):
    """What the tables are made of."""

    pickup: list[float]
    """Share of pickups by lag after the dial."""
    unanswered: list[float]
    """Share of the other endings (no answer, busy, failed) by lag after the dial."""
    detection: list[float]
    """Share of detections by lag after the pickup; all in lag 0 without AMD."""
    talk: list[float]
    wrap_up: list[float]
    """Hazards per second by bin."""


def powers(row: list[float]) -> Powers:
    squares = list(map(mul, row, row))
    return row, squares, list(map(mul, squares, row))


class Tables:
    """`finished` only after the last `stage`; read nothing before."""

    def __init__(self, shape: Shape, connect_limit_s: int) -> None:
        self.shape = shape
        self._limit_s = connect_limit_s
        self._reach_s = HORIZONS_S[-1] + connect_limit_s
        self._picked_by = cumulative(shape.pickup)
        self._detected_by = _padded(cumulative(shape.detection), HORIZONS_S[-1] + 1)
        self.lags = len(shape.pickup)
        self.to_pick_up = [1.0 - x for x in self._picked_by[:-1]]
        """Share of the pickups still to come at a ring age in steps."""
        self.to_go_unanswered = [1.0 - x for x in cumulative(shape.unanswered)[:-1]]
        wrapped = ends_within(shape.wrap_up, 0.0, self._reach_s + 1)
        # Conversations end anywhere within their second: half a second more of wrap-up.
        self._wrapped_later = [(a + b) / 2 for a, b in pairwise(wrapped)][::-1]
        self._talk_columns: list[list[float]] = []
        self._wrap_columns: list[list[float]] = []
        self.answered: list[Powers] = []
        """By horizon, then ring age: chance that a call *that will be picked up* has been
        answered live or by a machine, and detected, within the horizon; not yet divided by the
        chance to have rung that long."""
        self.detected: list[list[float]] = []
        """By horizon, then time in detection: chance that detection is over within it."""
        self.talk_freed: list[Powers] = []
        self.wrap_freed: list[Powers] = []
        """By horizon, then bin of age: chance to be free the connect limit after it."""
        self.weights: list[float] = []
        """By horizon: where the next call's risk lies, given that it is answered. Sum 1."""
        self.finished = False
        self.stages_done = 0

    def stage(self) -> None:
        """Do the next part of the work, well under a millisecond."""
        if self.finished:
            return
        self.stages_done += 1
        if len(self._talk_columns) < BINS:
            self._free_stage()
        elif len(self.answered) < len(HORIZONS_S):
            for horizon_s in HORIZONS_S[len(self.answered) :][:ROWS_PER_STAGE]:
                self.answered.append(powers(self._answered_row(horizon_s)))
        else:
            self._finish()

    def complete(self) -> Tables:
        """Do all that is left."""
        while not self.finished:
            self.stage()
        return self

    def _free_stage(self) -> None:
        for age_s in MIDDLES_S[len(self._talk_columns) :][:BINS_PER_STAGE]:
            over_by = ends_within(self.shape.talk, age_s, self._reach_s)
            ending = [b - a for a, b in pairwise(over_by)]
            column = []
            for horizon_s in HORIZONS_S:
                within_s = horizon_s + self._limit_s
                later = self._wrapped_later[self._reach_s + 1 - within_s :]
                column.append(sum(map(mul, ending, later)))
            self._talk_columns.append(column)
            wrapped = ends_within(self.shape.wrap_up, age_s, self._reach_s)
            self._wrap_columns.append([wrapped[h + self._limit_s] for h in HORIZONS_S])

    def _answered_row(self, horizon_s: int) -> list[float]:
        detected = self._detected_by[horizon_s:0:-1]
        if all(x >= 1.0 - 1e-9 for x in detected):
            last = self._picked_by[-1]
            by = self._picked_by
            ahead = by[horizon_s:] + [last] * horizon_s
            return [max(0.0, b - a) for a, b in zip(by[:-1], ahead, strict=False)]
        pickup = self.shape.pickup
        return [sum(map(mul, pickup[lag:], detected)) for lag in range(self.lags)]

    def _finish(self) -> None:
        self.talk_freed = [powers(list(row)) for row in zip(*self._talk_columns, strict=True)]
        self.wrap_freed = [powers(list(row)) for row in zip(*self._wrap_columns, strict=True)]
        for horizon_s in HORIZONS_S:
            by = self._detected_by
            row = []
            for age in range(len(self.shape.detection)):
                left = 1.0 - by[age]
                ahead = by[min(age + horizon_s, len(by) - 1)]
                row.append(1.0 if left <= 1e-9 else (ahead - by[age]) / left)
            self.detected.append(row)
        self.weights = _risk_weights([row[0][0] for row in self.answered])
        self.finished = True


def _risk_weights(answered_by: list[float]) -> list[float]:
    """Density of the answer over the horizons, spread `SPREAD_POINTS` onwards."""
    steps = [b - a for a, b in zip([0.0, *answered_by], answered_by, strict=False)]
    weights = [0.0] * len(steps)
    for i, mass in enumerate(steps):
        points = range(i, min(i + SPREAD_POINTS, len(steps)))
        for j in points:
            weights[j] += mass / len(points)
    total = sum(weights)
    return [w / total for w in weights] if total > 0 else [1.0 / len(steps)] * len(steps)


def _padded(values: list[float], length: int) -> list[float]:
    return values[:length] + [values[-1]] * max(0, length - len(values))
