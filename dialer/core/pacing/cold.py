"""The answer rate while no call has rung out yet, when nobody knows how late people pick up.

Pickups so far may be the first of many that come late, or most of a few that come soon. Which,
their own ages tell: each of several shapes of the delay is weighed by how likely it makes what has
been seen (pickups by age, Poisson; the rate gamma-distributed beforehand, so that its integral is
known), and rates are read against each.
"""

from __future__ import annotations

from math import exp, lgamma, log, sqrt
from operator import mul

from dialer.core.pacing.rates import cumulative

FIRST_RATE, FIRST_EVENTS = 0.5, 2.0
"""Before anything is known: answer rates are assumed high, which dials little."""
BELIEF = 0.5
"""Power of the likelihood: no shape is the true one, and one that is only less wrong than the
others must not be taken for certain after a hundred answers."""
CAUTION = 0.5
"""Standard errors by which rates are taken too high: all calls placed meanwhile err together."""


class ColdShapes:
    """Shapes of the delay and how likely each is by now."""

    def __init__(self, shapes: list[tuple[float, list[float]]]) -> None:
        """`shapes`: weight beforehand, and density by lag."""
        self._prior = [weight for weight, _ in shapes]
        self._logs = [[log(max(f, 1e-6)) for f in density] for _, density in shapes]
        self._densities = [density for _, density in shapes]
        self._picked_by = [cumulative(density) for _, density in shapes]
        self.weights = self._prior

    def weigh(self, pickups: list[float], placed: list[float]) -> None:
        """Weigh the shapes by pickups by lag, and calls placed by age, of all segments."""
        events = sum(pickups)
        scores = []
        for logs, picked_by in zip(self._logs, self._picked_by, strict=True):
            exposure = sum(map(mul, placed, picked_by)) + FIRST_EVENTS / FIRST_RATE
            shape = FIRST_EVENTS + events
            scores.append(sum(map(mul, pickups, logs)) + lgamma(shape) - shape * log(exposure))
        most = max(scores)
        weights = [
            w * exp(BELIEF * (score - most)) for w, score in zip(self._prior, scores, strict=True)
        ]
        total = sum(weights)
        self.weights = [w / total for w in weights]

    def rate(self, events: int, placed: list[float]) -> tuple[float, float]:
        """Rate of one segment, a standard error above the estimate, and the relative variance of
        the estimate: that of a count, and between shapes."""
        rates = []
        for picked_by in self._picked_by:
            exposure = max(sum(map(mul, placed, picked_by)), float(events))
            rates.append((events + FIRST_EVENTS) / (exposure + FIRST_EVENTS / FIRST_RATE))
        mean = sum(map(mul, self.weights, rates))
        between = sum(w * (r - mean) ** 2 for w, r in zip(self.weights, rates, strict=True))
        variance = 1.0 / (events + FIRST_EVENTS) + between / (mean * mean)
        return min(0.95, mean * (1.0 + CAUTION * sqrt(variance))), variance

    def density(self) -> list[float]:
        """Shares of the pickups by lag, over the shapes."""
        columns = zip(*self._densities, strict=True)
        return [sum(map(mul, self.weights, column)) for column in columns]
