"""When a house has people at work, as a campaign's settings tell it. Pure.

What the rules let us do at which hour is the packs' to say; this only tells whoever calls us
whether somebody is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta

from campaigns.model import HolidayPredicate
from compliance.messages import Message


class Weekday(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


_BY_NUMBER = tuple(Weekday)
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class OfficeHours(Message, frozen=True, kw_only=True):
    """Days of the week with the same hours, in the campaign's `timezone`. Public holidays of the
    portfolio's country are closed."""

    days: Annotated[tuple[Weekday, ...], Meta(min_length=1, max_length=7)]
    opens: Clock
    """`HH:MM`, included."""
    closes: Clock
    """`HH:MM`, not included; the same day."""

    def __post_init__(self) -> None:
        if self.opens >= self.closes:
            raise ValueError(f"`opens` must be before closes ({self.closes}), not {self.opens}")


def is_open(
    hours: Sequence[OfficeHours], zone: str, now: datetime, is_holiday: HolidayPredicate
) -> bool:
    """Whether somebody is at work; without any hours somebody always is."""
    if not hours:
        return True
    local = now.astimezone(ZoneInfo(zone))
    if is_holiday(local.date()):
        return False
    day, at = _BY_NUMBER[local.weekday()], local.time()
    return any(
        day in one.days and time.fromisoformat(one.opens) <= at < time.fromisoformat(one.closes)
        for one in hours
    )
