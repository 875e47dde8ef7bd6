"""Tail probabilities against brute force and against each other."""

from __future__ import annotations

from itertools import product
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.core.pacing.overload import poisson_binomial, skewed_tail, tail_at_least

probability = st.floats(0.0, 1.0)


@given(st.lists(probability, max_size=8))
def test_distribution_agrees_with_enumeration(probabilities: list[float]) -> None:
    expected = [0.0] * (len(probabilities) + 1)
    for outcome in product((0, 1), repeat=len(probabilities)):
        chance = prod(p if hit else 1 - p for hit, p in zip(outcome, probabilities, strict=True))
        expected[sum(outcome)] += chance
    assert poisson_binomial(probabilities) == pytest.approx(expected, abs=1e-12)


@given(st.lists(probability, max_size=30), st.integers(-2, 32))
def test_tail_is_a_probability_that_falls_with_the_threshold(
    probabilities: list[float], threshold: int
) -> None:
    distribution = poisson_binomial(probabilities)
    tail = tail_at_least(distribution, threshold)
    assert 0.0 <= tail <= 1.0
    assert tail_at_least(distribution, threshold + 1) <= tail


@pytest.mark.parametrize(("p", "n", "threshold"), [(0.05, 200, 18), (0.3, 60, 26), (0.9, 80, 78)])
def test_skewed_tail_is_close_to_exact_where_the_pacer_works(
    p: float, n: int, threshold: int
) -> None:
    exact = tail_at_least(poisson_binomial([p] * n), threshold)
    variance = n * p * (1 - p)
    skewed = skewed_tail(threshold, n * p, variance, variance * (1 - 2 * p))
    symmetric = skewed_tail(threshold, n * p, variance, 0.0)
    assert skewed == pytest.approx(exact, rel=0.35)
    assert abs(skewed - exact) < abs(symmetric - exact)


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(0, 100), st.floats(-500, 500))
def test_skewed_tail_is_always_a_probability(
    threshold: float, mean: float, variance: float, third: float
) -> None:
    assert 0.0 <= skewed_tail(threshold, mean, variance, third) <= 1.0
