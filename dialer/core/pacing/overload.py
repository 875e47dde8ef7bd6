"""Probability that more callers than agents are there: exact for a few, skewed normal for many."""

from __future__ import annotations

from collections.abc import Iterable
from math import erfc, exp, pi, sqrt

_SQRT_2 = sqrt(2.0)
_SQRT_2PI = sqrt(2.0 * pi)


def poisson_binomial(probabilities: Iterable[float]) -> list[float]:
    """Distribution of the number of successes of independent trials: index = number."""
    distribution = [1.0]
    for p in probabilities:
        distribution = convolve_bernoulli(distribution, p)
    return distribution


def convolve_bernoulli(
    distribution: list[float], p: float, at_most: int | None = None
) -> list[float]:
    """Distribution after one independent trial more; only its first `at_most` entries."""
    q = 1.0 - p
    grown = [x * q + y * p for x, y in zip(distribution, (0.0, *distribution), strict=False)]
    if at_most is None or len(grown) < at_most:
        grown.append(distribution[-1] * p)
    return grown


def tail_at_least(distribution: list[float], threshold: int) -> float:
    """P(number >= threshold)."""
    if threshold <= 0:
        return 1.0
    return min(1.0, sum(distribution[threshold:]))


def skewed_tail(threshold: float, mean: float, variance: float, third: float) -> float:
    """P(Y >= threshold) for an integer Y by its first three central moments.

    Normal with continuity correction and the first Edgeworth term:
    Q(z) + phi(z) (z^2 - 1) skew / 6.
    """
    if variance <= 1e-9:
        return 1.0 if mean >= threshold - 0.5 else 0.0
    deviation = sqrt(variance)
    z = (threshold - 0.5 - mean) / deviation
    tail = 0.5 * erfc(z / _SQRT_2)
    if -6.0 < z < 6.0:
        skew = third / (variance * deviation)
        tail += exp(-0.5 * z * z) / _SQRT_2PI * (z * z - 1.0) * skew / 6.0
    if tail <= 0.0:
        return 0.0
    return tail if tail < 1.0 else 1.0
