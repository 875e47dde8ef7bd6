"""Decisions add up minute by minute."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialer.core.pacing.messages import Decision, Estimates, Law
from dialer.core.pacing_story import (
    HOLDS_S,
    MINUTE_MS,
    MinuteSeries,
    PacingMinute,
    PlacedCalls,
    in_slots,
)


def decision(
    at_s: float, calls: int = 0, idle: int = 0, staffed: int = 4, tolerance: float = 0.01
) -> Decision:
    estimates = Estimates(idle=idle, staffed=staffed, tolerance=tolerance)
    return Decision(at_s=at_s, calls_to_place=calls, law=Law.PREDICTIVE, estimates=estimates)


def series(*decisions: Decision, calls: tuple[PlacedCalls, ...] = ()) -> list[PacingMinute]:
    adding = MinuteSeries()
    for one in decisions:
        adding.add(one)
    return adding.minutes(calls)


def test_a_decision_holds_until_the_next_one_and_no_longer_than_it_is_sampled() -> None:
    told = series(
        decision(60.0, calls=3, idle=4, tolerance=0.02),  # holds 5 s
        decision(65.0, calls=1, idle=0, tolerance=0.01),  # holds 15 s of the 30
        decision(95.0, idle=2, tolerance=0.01),  # the last one: 15 s
    )
    (minute,) = told
    assert (minute.at_ms, minute.calls_asked, minute.staffed) == (MINUTE_MS, 4, 4.0)
    busy_s, staffed_s = 4 * HOLDS_S + 2 * HOLDS_S, 4 * (5.0 + 2 * HOLDS_S)
    assert minute.occupancy_pct == round(100.0 * busy_s / staffed_s, 2)
    assert minute.tolerance == round((5.0 * 0.02 + 2 * HOLDS_S * 0.01) / 35.0, 5)


def test_calls_and_decisions_of_a_minute_meet_and_either_may_be_missing() -> None:
    calls = (PlacedCalls(0, 9, 4, 1), PlacedCalls(2 * MINUTE_MS, 3, 0, 0))
    told = series(decision(130.0, calls=5), decision(200.0, staffed=0), calls=calls)
    assert [m.at_ms for m in told] == [0, 2 * MINUTE_MS, 3 * MINUTE_MS]
    first, second, third = told
    assert (first.dialed, first.answered, first.abandoned_pct) == (9, 4, 25.0)
    assert (first.occupancy_pct, first.tolerance) == (None, None)
    assert (second.dialed, second.calls_asked, second.abandoned_pct) == (3, 5, None)
    assert second.occupancy_pct == 100.0
    assert (third.staffed, third.occupancy_pct) == (0.0, None)
    assert series() == []


minutes = st.builds(
    PacingMinute,
    at_ms=st.integers(0, 3_000).map(lambda n: n * MINUTE_MS),
    calls_asked=st.integers(0, 50),
    dialed=st.integers(0, 50),
    answered=st.integers(0, 50),
    abandoned=st.integers(0, 5),
    tolerance=st.none() | st.floats(0.0, 0.6),
    staffed=st.none() | st.floats(0.0, 100.0),
    occupancy_pct=st.none() | st.floats(0.0, 100.0),
)


@given(st.lists(minutes, max_size=60, unique_by=lambda m: m.at_ms), st.integers(1, 60))
def test_slots_lose_nothing_and_are_few(told: list[PacingMinute], most: int) -> None:
    told = sorted(told, key=lambda m: m.at_ms)
    slots = in_slots(told, most)
    assert len(slots) <= most
    assert [s.at_ms for s in slots] == sorted(s.at_ms for s in slots)
    for count in ("calls_asked", "dialed", "answered", "abandoned"):
        assert sum(getattr(s, count) for s in slots) == sum(getattr(m, count) for m in told)
    for slot in slots:
        assert slot.occupancy_pct is None or -0.01 <= slot.occupancy_pct <= 100.01
    if len(told) == 1:
        assert slots[0].dialed == told[0].dialed
