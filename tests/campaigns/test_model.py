"""Days of people: business days, local dates, and the first instant of a day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.model import add_business_days, is_business_day, local_date, start_of_day
from tests.campaigns.builders import BOGOTA, no_holidays


def test_business_days_skip_weekends_and_holidays() -> None:
    friday = date(2026, 11, 20)
    assert add_business_days(friday, 0, no_holidays) == friday
    assert add_business_days(friday, 1, no_holidays) == date(2026, 11, 23)
    assert add_business_days(friday, 2, lambda day: day.day == 23) == date(2026, 11, 25)
    assert add_business_days(date(2026, 11, 21), 1, no_holidays) == date(2026, 11, 23)


def test_a_calendar_without_working_days_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(ValueError, match="mend the holiday calendar"):
        add_business_days(date(2026, 1, 1), 1, lambda _: True)
    with pytest.raises(ValueError, match="0 or more, not -1"):
        add_business_days(date(2026, 1, 1), -1, no_holidays)


@given(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 30), st.sets(st.integers(1, 28))
)
def test_business_days_as_counted_by_hand(start: date, days: int, closed: set[int]) -> None:
    def is_holiday(day: date) -> bool:
        return day.day in closed and day.day % 2 == 0

    found = add_business_days(start, days, is_holiday)
    assert is_business_day(found, is_holiday)
    between = (date.fromordinal(n) for n in range(start.toordinal() + 1, found.toordinal() + 1))
    assert sum(is_business_day(day, is_holiday) for day in between) == days


def test_a_day_has_begun_when_it_has_in_every_candidate_zone() -> None:
    day = date(2026, 7, 1)
    assert start_of_day(day, (BOGOTA,)) == datetime(2026, 7, 1, 5, tzinfo=UTC)
    both = start_of_day(day, ("America/New_York", "America/Los_Angeles"))
    assert both == datetime(2026, 7, 1, 7, tzinfo=UTC)
    assert start_of_day(day, ()) == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_the_local_date_is_the_likeliest_zones() -> None:
    at = datetime(2026, 7, 1, 3, tzinfo=UTC)
    assert local_date(at, (BOGOTA, "UTC")) == date(2026, 6, 30)
    assert local_date(at, ()) == date(2026, 7, 1)
