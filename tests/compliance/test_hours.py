"""Local days and schedules against a slow, independent reading of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.hours import (
    clock_spans,
    day_start,
    local_date,
    merge,
    month_first,
    next_open,
    subtract,
    week_first,
)
from compliance.zones import zone as pinned

ZONES = [
    "America/New_York", "America/Santiago", "America/Coyhaique", "Pacific/Easter",
    "America/Asuncion", "America/Havana", "America/St_Johns", "America/Bogota",
    "America/Nuuk", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo", "Asia/Beirut",
]  # fmt: skip
SECOND = timedelta(seconds=1)
BUSINESS = ((time(8), time(20)),)


def clock(at: datetime, zone: str) -> datetime:
    return at.astimezone(pinned(zone)).replace(tzinfo=None)


@given(st.sampled_from(ZONES), st.dates(date(2009, 1, 1), date(2028, 12, 31)))
@settings(max_examples=300, deadline=None)
def test_day_start_is_the_first_second_of_the_date(zone: str, day: date) -> None:
    start = day_start(zone, day)
    assert clock(start, zone).date() >= day
    assert clock(start - SECOND, zone).date() < day
    assert local_date(start, zone) >= day


@given(
    st.sampled_from(ZONES),
    st.integers(0, 20 * 366 * 86_400).map(lambda s: datetime(2009, 1, 1, tzinfo=UTC) + s * SECOND),
    st.tuples(st.integers(0, 23 * 4), st.integers(1, 95)).filter(lambda t: sum(t) <= 96),
)
@settings(max_examples=400, deadline=None)
def test_spans_hold_exactly_the_instants_whose_clock_is_inside(
    zone: str, at: datetime, quarters: tuple[int, int]
) -> None:
    opens = timedelta(minutes=15 * quarters[0])
    closes = opens + timedelta(minutes=15 * quarters[1])
    midnight = datetime(2000, 1, 1, tzinfo=UTC)
    interval = ((midnight + opens).time(), (midnight + closes).time())
    day = local_date(at, zone)
    inside = any(start <= at < end for start, end in clock_spans(zone, day, (interval,)))
    now = clock(at, zone)
    since = timedelta(hours=now.hour, minutes=now.minute, seconds=now.second)
    assert inside is (opens <= since < closes)


def test_a_lost_hour_shortens_and_a_repeated_hour_splits() -> None:
    zone = "America/New_York"
    (lost,) = clock_spans(zone, date(2026, 3, 8), ((time(1), time(4)),))
    assert lost[1] - lost[0] == timedelta(hours=2)
    whole = clock_spans(zone, date(2026, 11, 1), ((time(0, 30), time(3)),))
    assert sum((end - start for start, end in whole), timedelta()) == timedelta(hours=3.5)
    # 1:00-1:30 happens twice, an hour apart.
    twice = clock_spans(zone, date(2026, 11, 1), ((time(1), time(1, 30)),))
    assert len(twice) == 2
    assert twice[1][0] - twice[0][0] == timedelta(hours=1)
    # 2:00-3:00 does not happen on the day that loses it.
    assert clock_spans(zone, date(2026, 3, 8), ((time(2), time(3)),)) == ()


def test_santiago_loses_midnight() -> None:
    """Clocks go from 24:00 to 1:00 on the first Saturday of September."""
    start = day_start("America/Santiago", date(2026, 9, 6))
    assert f"{clock(start, 'America/Santiago')}" == "2026-09-06 01:00:00"
    assert f"{clock(start - SECOND, 'America/Santiago')}" == "2026-09-05 23:59:59"


def test_a_skipped_date_has_no_spans() -> None:
    """Samoa had no 30 December 2011."""
    zone = "Pacific/Apia"
    assert clock_spans(zone, date(2011, 12, 30), BUSINESS) == ()
    assert day_start(zone, date(2011, 12, 30)) == day_start(zone, date(2011, 12, 31))


def test_an_end_of_midnight_is_the_end_of_the_day() -> None:
    ((start, end),) = clock_spans("America/Bogota", date(2026, 5, 4), ((time(22), time(0)),))
    assert end - start == timedelta(hours=2)


def test_next_open_is_the_least_instant_open_in_every_zone() -> None:
    zones = ("America/Los_Angeles", "America/New_York")

    def spans(zone: str, day: date) -> tuple[tuple[datetime, datetime], ...]:
        return clock_spans(zone, day, BUSINESS)

    at = datetime(2026, 6, 3, 5, tzinfo=UTC)
    assert next_open(at, zones, spans, 10) == datetime(2026, 6, 3, 15, tzinfo=UTC)
    assert next_open(at, zones, lambda z, d: (), 10) is None
    apart = ("Asia/Tokyo", "America/Sao_Paulo")  # 8-20 in both never meets
    assert next_open(at, apart, spans, 10) is None


def test_span_arithmetic() -> None:
    def at(hour: int) -> datetime:
        return datetime(2026, 1, 1, hour, tzinfo=UTC)

    assert merge([(at(3), at(5)), (at(1), at(3)), (at(7), at(8))]) == (
        (at(1), at(5)),
        (at(7), at(8)),
    )
    assert subtract([(at(1), at(9))], [(at(2), at(3)), (at(5), at(12))]) == (
        (at(1), at(2)),
        (at(3), at(5)),
    )


@pytest.mark.parametrize(
    ("day", "monday", "sunday"),
    [
        (date(2026, 11, 23), date(2026, 11, 23), date(2026, 11, 22)),
        (date(2026, 11, 28), date(2026, 11, 23), date(2026, 11, 22)),
        (date(2026, 11, 29), date(2026, 11, 23), date(2026, 11, 29)),
    ],
)
def test_weeks(day: date, monday: date, sunday: date) -> None:
    assert week_first(day, False) == monday
    assert week_first(day, True) == sunday


def test_months() -> None:
    assert month_first(date(2026, 1, 31)) == date(2026, 1, 1)
    assert month_first(date(2026, 1, 31), -1) == date(2025, 12, 1)
    assert month_first(date(2026, 12, 31), 1) == date(2027, 1, 1)
