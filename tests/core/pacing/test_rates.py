"""Answer rates and delays: known ones are found again, jumps are seen before calls ring out."""

from __future__ import annotations

from random import Random

import pytest

from dialer.core.pacing.rates import (
    COLD_EVENTS,
    COLD_RATE,
    RISING_BY,
    RISING_S,
    STEP_S,
    YOUNG_WITHIN_STEPS,
    Cohorts,
    LagDensity,
    RateEstimator,
    RateState,
    cumulative,
)

LAGS = 28
DELAYS = [0.0, 0.0, *([0.1] * 10), *([0.0] * 16)]


def dial_for(
    cohorts: Cohorts, rate: float, seconds: int, calls_per_s: int, random: Random, due: list[int]
) -> list[int]:
    """Place calls every second and deliver their pickups. Returns the jumps that were seen."""
    jumps = []
    for _ in range(seconds):
        cohorts.placed[0] += calls_per_s
        for _ in range(calls_per_s):
            if random.random() < rate:
                due[random.choices(range(LAGS), DELAYS)[0]] += 1
        for _ in range(due.pop(0)):
            cohorts.rate.event()
        due.append(0)
        jumps.append(cohorts.step(DELAYS))
    return jumps


@pytest.mark.parametrize("rate", [0.05, 0.25, 0.6])
def test_the_rate_is_found_again(rate: float) -> None:
    cohorts = Cohorts.empty(LAGS)
    dial_for(cohorts, rate, 600, 8, Random(3), [0] * LAGS)
    assert cohorts.rate.rate == pytest.approx(rate, rel=0.2), "seed 3"
    assert cohorts.rate.relative_variance < 0.02


def test_before_anything_is_known_the_rate_is_high_and_unsure() -> None:
    estimator = RateEstimator()
    assert estimator.rate == pytest.approx(COLD_RATE)
    assert estimator.relative_variance == pytest.approx(1 / COLD_EVENTS)


def test_a_rise_is_seen_before_the_ring_timeout() -> None:
    random, due = Random(8), [0] * LAGS
    cohorts = Cohorts.empty(LAGS)
    quiet = dial_for(cohorts, 0.10, 900, 10, random, due)
    assert sum(j > 0 for j in quiet) <= 3, "seed 8"
    jumps = dial_for(cohorts, 0.50, 12, 10, random, due)
    assert 1 in jumps, "seed 8"
    assert cohorts.rate.rate > 0.2
    dial_for(cohorts, 0.50, 60, 10, random, due)
    assert cohorts.rate.rate == pytest.approx(0.5, rel=0.25), "seed 8"


def test_a_fall_is_seen_too() -> None:
    random, due = Random(9), [0] * LAGS
    cohorts = Cohorts.empty(LAGS)
    dial_for(cohorts, 0.50, 300, 10, random, due)
    assert -1 in dial_for(cohorts, 0.05, 40, 10, random, due), "seed 9"


def test_no_exposure_and_no_event_teach_nothing() -> None:
    estimator = RateEstimator()
    before = estimator.rate
    assert estimator.advance(0.0, 1000.0) == 0
    assert estimator.rate == before


def test_events_without_exposure_keep_the_rate_a_share() -> None:
    estimator = RateEstimator()
    for _ in range(500):
        estimator.event()
    estimator.advance(0.0, 1.0)
    assert estimator.rate <= 0.98


def test_delays_are_found_again_although_young_calls_are_not_over() -> None:
    random = Random(4)
    density = LagDensity([1.0] * LAGS)
    placed = [0.0] * LAGS
    due = [[0] * LAGS for _ in range(LAGS)]
    for _ in range(300):
        placed[0] = 10.0
        for _ in range(10):
            if random.random() < 0.3:
                lag = random.choices(range(LAGS), DELAYS)[0]
                due[lag][lag] += 1
        for lag, count in enumerate(due.pop(0)):
            for _ in range(count):
                density.event(lag)
        due.append([0] * LAGS)
        density.expose([0.3 * n for n in placed])
        placed.insert(0, 0.0)
        placed.pop()
    for lag, (found, truth) in enumerate(zip(density.density(), DELAYS, strict=True)):
        assert found == pytest.approx(truth, abs=0.035), f"lag {lag}, seed 4"


def test_what_was_seen_early_is_not_diluted_by_what_is_only_assumed_of_later() -> None:
    """A third of all calls ends in the first two seconds, and the rest is taken to ring out: known
    before any has."""
    density = LagDensity([0.05, 0.05, *([0.0] * 17), 0.9])
    for lag in (0, 1):
        for _ in range(170):
            density.event(lag)
    density.expose([1000.0, 1000.0, *([0.0] * 18)])
    found = density.density()
    assert sum(found) == pytest.approx(1.0)
    assert found[0] + found[1] == pytest.approx(0.34, abs=0.03)
    assert found[-1] == pytest.approx(0.66, abs=0.03)


def test_cumulative_ends_at_the_sum() -> None:
    assert cumulative([0.25, 0.5, 0.25]) == [0.0, 0.25, 0.75, 1.0]


def test_on_the_way_to_a_rise_dialing_goes_by_more_than_what_is_believed() -> None:
    """The wary rate leaves the believed one with the first surplus of pickups, and has reached
    what the last seconds show when a jump is seen."""
    estimator = RateEstimator()
    for _ in range(400):
        estimator.event()
        estimator.advance(10.0, STEP_S)
    believed = estimator.rate
    assert believed == pytest.approx(0.1, rel=0.05)
    assert estimator.wary_rate == believed
    wary = []
    for _ in range(40):
        estimator.event()
        estimator.event()
        estimator.event()
        if estimator.advance(10.0, STEP_S):
            break
        wary.append(estimator.wary_rate / estimator.rate)
        assert estimator.wary_rate >= estimator.rate
    else:
        pytest.fail("three times the pickups were never seen to be a jump")
    assert wary == sorted(wary)
    assert wary[-1] > 1.3
    assert estimator.rate > 1.5 * believed


def test_a_few_seconds_without_an_answer_are_no_fall() -> None:
    """None where 2.3 were expected happens to one campaign in ten, none where five were to one in
    150."""
    estimator = RateEstimator(RateState(slow_events=20.0, slow_exposure=40.0))
    seen = 0.0
    while estimator.advance(0.4, STEP_S) == 0:
        seen += 0.2
        assert seen < 15.0
    assert seen > 4.0, "a tenth of all campaigns would be taken to have fallen"
    assert estimator.rate < 0.2


def test_after_a_rise_the_rate_is_taken_to_rise_further_for_a_minute() -> None:
    estimator = RateEstimator()
    for _ in range(400):
        estimator.event()
        estimator.advance(10.0, STEP_S)
    jumped, before = 0, estimator.rate
    while jumped <= 0:
        before = estimator.rate
        for _ in range(6):
            estimator.event()
        jumped = estimator.advance(10.0, STEP_S)
    risen = min(1.0, estimator.rate / before - 1.0)
    assert estimator.wary_rate == pytest.approx(estimator.rate * (1.0 + RISING_BY * risen))
    margins = []
    for _ in range(int(RISING_S) + 5):
        for _ in range(6):
            estimator.event()
        estimator.advance(10.0, STEP_S)
        margins.append(estimator.wary_rate / estimator.rate)
    assert margins[5:] == sorted(margins[5:], reverse=True)
    assert margins[5] > 1.15
    assert margins[-1] == pytest.approx(1.0)
    assert estimator.state.rising_s == 0.0


def place_and_answer(cohorts: Cohorts, lags: list[int]) -> list[int]:
    """So many seconds of ten calls each at a tenth; then the calls of lag 0, 1 ... of the last
    seconds are answered at once, as many as said."""
    for _ in range(600):
        cohorts.placed[0] += 10.0
        for lag, share in enumerate(DELAYS):
            # Not at random: what is told of is just what is expected.
            cohorts.answered[lag] += share
        cohorts.rate.event()
        cohorts.step(DELAYS)
    for lag, answers in enumerate(lags):
        for _ in range(answers):
            cohorts.pickup(lag)
    return [cohorts.step(DELAYS)]


def test_new_calls_that_answer_early_tell_of_a_rise_that_all_calls_together_hide() -> None:
    """Six answers of calls of the last seconds, where one was expected, among the ten that calls
    of all ages bring in that time."""
    young = Cohorts.empty(LAGS)
    assert place_and_answer(young, [0, 0, 4, 4, 3]) == [1]
    assert young.rate.wary_rate > 0.2
    old = Cohorts.empty(LAGS)
    assert place_and_answer(old, [0] * (max(YOUNG_WITHIN_STEPS) + 1) + [2]) == [0]
    assert old.rate.wary_rate == pytest.approx(old.rate.rate)
