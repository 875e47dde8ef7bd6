"""Vendored holidays: equal to the pinned library's, trusted only as far as verified."""

from __future__ import annotations

from datetime import date

import pytest

from compliance.calendars import Calendar, calendar_data
from compliance.calendars_build import CALENDARS, COUNTRIES, build, encode


@pytest.mark.parametrize("country", COUNTRIES)
def test_the_data_are_what_the_pinned_library_gives(country: str) -> None:
    assert (CALENDARS / f"{country}.json").read_bytes() == encode(build(country))


def test_there_is_no_calendar_of_a_country_left_out() -> None:
    assert {path.stem for path in CALENDARS.glob("*.json")} == set(COUNTRIES)
    with pytest.raises(KeyError):
        calendar_data("ZZ")


@pytest.mark.parametrize(
    ("country", "day", "region", "expected"),
    [
        ("CL", date(2026, 9, 18), "CL-RM", True),
        ("CL", date(2026, 6, 7), "CL-AP", True),
        ("CL", date(2026, 6, 7), "CL-RM", False),
        ("CL", date(2026, 6, 7), None, True),
        ("CO", date(2026, 7, 13), None, True),
        ("PE", date(2026, 7, 23), "PE-LIM", True),
        ("BR", date(2026, 7, 9), "BR-SP", True),
        ("BR", date(2026, 7, 9), "BR-RJ", False),
        ("BR", date(2026, 7, 9), None, True),
        ("AR", date(2026, 11, 9), "AR-C", True),
        ("ES", date(2026, 9, 24), "ES-CT", True),
        ("ES", date(2026, 9, 24), "ES-MD", False),
        ("MX", date(2026, 9, 16), "MX-CMX", True),
        ("MX", date(2026, 9, 17), "MX-CMX", False),
    ],
)
def test_holidays(country: str, day: date, region: str | None, expected: bool) -> None:
    calendar = Calendar(calendar_data(country))
    assert (calendar.holiday(day, region) is not None) is expected


def test_a_region_of_another_country_counts_as_not_known() -> None:
    calendar = Calendar(calendar_data("CL"))
    assert calendar.holiday(date(2026, 6, 7), "US-FL") is not None


def test_overrides_and_verification() -> None:
    data = calendar_data("PE")
    calendar = Calendar(
        data,
        added={date(2026, 4, 12): "Elecciones"},
        removed=frozenset({date(2026, 7, 23)}),
        verified_through=date(2026, 12, 31),
    )
    assert calendar.holiday(date(2026, 4, 12), None) == "Elecciones"
    assert calendar.holiday(date(2026, 7, 23), None) is None
    assert calendar.verified(date(2026, 12, 31))
    assert not calendar.verified(date(2027, 1, 1))
    assert not calendar.verified(date(2019, 12, 31))
    assert calendar.source.startswith("holidays==")


def test_argentina_knows_the_weekdays_on_which_nothing_can_be_decreed() -> None:
    """Ley 27.399 art. 7: tourist days of a year fall on Mondays or Fridays."""
    data = calendar_data("AR")
    calendar = Calendar(data)
    week = [date(2027, 1, day) for day in range(4, 11)]
    assert [calendar.verified(day) for day in week] == [False, True, True, True, False, True, True]
    assert calendar.verified(date(2026, 12, 28))
    assert not calendar.verified(date(2028, 1, 4))
    short = Calendar(data, verified_through=date(2026, 11, 30))
    assert not short.verified(date(2027, 1, 5))
    shown = [day for day in map(date.fromisoformat, data.national) if day.year == 2026]
    late = [day for day in shown if "turísticos" in data.national[day.isoformat()]]
    assert {day.isoweekday() for day in late} == {1, 5}
