"""Instants of an Asterisk whose clock is not ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from telephony_adapters.asterisk.clock_offset import WINDOW, ClockOffset

START = datetime(2026, 6, 3, 15, 0, tzinfo=UTC)
seconds = st.floats(min_value=0.0, max_value=1.0)


def ms(value: float) -> timedelta:
    return timedelta(milliseconds=value)


@given(
    apart_s=st.integers(-100_000, 100_000),
    events=st.lists(st.tuples(seconds, seconds), min_size=1, max_size=50),
)
def test_an_instant_is_exact_to_the_quickest_event_and_never_ahead(
    apart_s: int, events: list[tuple[float, float]]
) -> None:
    offset = ClockOffset()
    quickest = timedelta.max
    happened = START
    for pause_s, latency_s in events:
        happened += timedelta(seconds=pause_s)
        latency = timedelta(seconds=latency_s)
        now = happened + latency
        quickest = min(quickest, latency)
        at = offset.ours(happened + timedelta(seconds=apart_s), now)
        assert happened <= at <= now
        assert at - happened <= quickest


def test_a_clock_that_is_set_back_is_believed_after_a_while() -> None:
    offset = ClockOffset()
    assert offset.ours(START, START + ms(5)) == START + ms(5)
    later = START + 3 * WINDOW
    set_back = later - timedelta(hours=1)
    offset.ours(set_back, later)
    much_later = later + WINDOW + ms(1)
    assert offset.ours(set_back + WINDOW + ms(1), much_later) == much_later


def test_a_clock_that_is_set_forward_is_believed_at_once() -> None:
    offset = ClockOffset()
    offset.ours(START, START)
    ahead = START + timedelta(hours=1)
    assert offset.ours(ahead, START + ms(5)) == START + ms(5)
