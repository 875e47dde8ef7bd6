"""Durations: known hazards are found again, also while most conversations still go on."""

from __future__ import annotations

from itertools import pairwise
from math import exp, inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.core.pacing.hazards import (
    BINS,
    EDGES_S,
    DurationEstimator,
    bin_of,
    ends_within,
    spent_in_bins,
)


@given(st.floats(0.0, 10_000.0))
def test_every_age_has_the_bin_it_lies_in(age_s: float) -> None:
    i = bin_of(age_s)
    assert EDGES_S[i] <= age_s
    assert i == BINS - 1 or age_s < EDGES_S[i + 1]


@given(st.lists(st.floats(0.0, 5_000.0), max_size=60))
def test_time_spent_in_bins_is_the_sum_of_each_ones(ages_s: list[float]) -> None:
    spent_s = spent_in_bins(ages_s)
    assert sum(spent_s) == pytest.approx(sum(ages_s))
    for i, low_s in enumerate(EDGES_S):
        high_s = EDGES_S[i + 1] if i + 1 < BINS else inf
        due_s = sum(max(0.0, min(age_s, high_s) - low_s) for age_s in ages_s)
        found_s = spent_s[i] if i < len(spent_s) else 0.0
        assert found_s == pytest.approx(due_s, abs=1e-6)


def test_exponential_durations_give_a_flat_hazard() -> None:
    random = Random(11)
    estimator = DurationEstimator(expected_s=60.0)
    for _ in range(4000):
        estimator.ended(random.expovariate(1 / 150.0))
    hazards = estimator.hazards([])
    for i, hazard in enumerate(hazards):
        if 10.0 <= EDGES_S[i] <= 300.0:
            assert hazard == pytest.approx(1 / 150.0, rel=0.4), f"bin {EDGES_S[i]} s, seed 11"
    assert estimator.mean_s(0.0) == pytest.approx(150.0, rel=0.08)


def test_ongoing_conversations_keep_early_estimates_from_being_short() -> None:
    random = Random(5)
    durations = [random.expovariate(1 / 120.0) for _ in range(400)]
    observed_s = 30.0
    estimator = DurationEstimator(expected_s=120.0)
    for duration_s in durations:
        if duration_s <= observed_s:
            estimator.ended(duration_s)
    ongoing = [observed_s] * sum(d > observed_s for d in durations)
    truth = 1 - exp(-20 / 120.0)
    blind = ends_within(estimator.hazards([]), 5.0, 20)[20]
    seeing = ends_within(estimator.hazards(ongoing), 5.0, 20)[20]
    assert seeing == pytest.approx(truth, abs=0.05), "seed 5"
    assert blind > truth + 0.2


@given(st.lists(st.floats(0.0, 0.5), min_size=BINS, max_size=BINS), st.floats(0.0, 5000.0))
def test_ends_within_is_a_distribution_function(hazards: list[float], age_s: float) -> None:
    by = ends_within(hazards, age_s, 28)
    assert by[0] == 0.0
    assert len(by) == 29
    assert all(0.0 <= a <= b <= 1.0 for a, b in pairwise(by))


def test_constant_hazard_forgets_the_age() -> None:
    hazards = [0.02] * BINS
    for age_s in (0.0, 7.3, 131.9, 2999.0, 9000.0):
        assert ends_within(hazards, age_s, 28)[28] == pytest.approx(1 - exp(-0.56))


def test_recent_durations_outweigh_old_ones() -> None:
    estimator = DurationEstimator(expected_s=100.0)
    for _ in range(3000):
        estimator.ended(300.0)
    for _ in range(3000):
        estimator.ended(60.0)
    assert estimator.mean_s(0.0) < 85.0
