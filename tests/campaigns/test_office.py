"""Office hours: days, edges, holidays, zones."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from campaigns.campaign import CampaignSettingsError, load_settings
from campaigns.office import OfficeHours, Weekday, is_open

WEEK = OfficeHours(days=tuple(Weekday)[:5], opens="09:00", closes="18:00")
SATURDAY = OfficeHours(days=(Weekday.SAT,), opens="10:00", closes="13:00")
ZONE = "America/Santiago"
"""Three hours behind UTC in November."""


def open_at(day: int, hour: int, minute: int = 0, holidays: tuple[date, ...] = ()) -> bool:
    at = datetime(2026, 11, day, hour, minute, tzinfo=UTC)
    return is_open((WEEK, SATURDAY), ZONE, at, lambda one: one in holidays)


@pytest.mark.parametrize(
    ("day", "hour", "minute", "is_it"),
    [
        (24, 12, 0, True),
        (24, 11, 59, False),
        (24, 20, 59, True),
        (24, 21, 0, False),
        (28, 13, 0, True),
        (28, 16, 0, False),
        (29, 15, 0, False),
    ],
    ids=["opens", "before", "last minute", "closed", "saturday", "saturday noon", "sunday"],
)
def test_hours_are_those_of_the_zone(day: int, hour: int, minute: int, is_it: bool) -> None:
    assert open_at(day, hour, minute) is is_it


def test_a_holiday_is_the_zones_own_day() -> None:
    assert not open_at(24, 12, holidays=(date(2026, 11, 24),))
    assert open_at(24, 12, holidays=(date(2026, 11, 25),))


def test_without_hours_it_is_always_open() -> None:
    at = datetime(2026, 11, 29, 4, tzinfo=UTC)
    assert is_open((), ZONE, at, lambda _: True)


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ({"days": ["mon"], "opens": "18:00", "closes": "09:00"}, "before closes"),
        ({"days": [], "opens": "09:00", "closes": "18:00"}, "office_hours"),
        ({"days": ["mon"], "opens": "9:00", "closes": "18:00"}, "office_hours"),
        ({"days": ["lunes"], "opens": "09:00", "closes": "18:00"}, "office_hours"),
    ],
)
def test_hours_that_cannot_be_are_refused_with_their_key(
    hours: dict[str, object], words: str
) -> None:
    with pytest.raises(CampaignSettingsError, match=words) as caught:
        load_settings({"office_hours": [hours]})
    assert caught.value.key.startswith("office_hours")
