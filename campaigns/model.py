"""Words and small arithmetic that every part of campaign logic shares. Pure.

Dates are a person's local dates, instants timezone-aware UTC datetimes, zones IANA names.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from compliance.messages import Message
from compliance.types import AccountId, ContactPointId, EventKind

HolidayPredicate = Callable[[date], bool]
"""Tells whether a date is a public holiday where the person lives. Weekends need not be told."""


class Bucket(StrEnum):
    """Age of a debt in days past due. Also the name of the pacing segment."""

    PREVENTIVE = "preventiva"
    DPD_1_30 = "1-30"
    DPD_31_60 = "31-60"
    DPD_61_90 = "61-90"
    DPD_91_180 = "91-180"
    DPD_181_360 = "181-360"
    CHARGED_OFF = "castigo"
    """Charged off, or older than 360 days."""


class Callback(Message, frozen=True, kw_only=True):
    """A call that a person asked for."""

    event_id: str
    """The request in the ledger; the contact that answers it names it."""
    due_at: datetime
    contact_point_id: ContactPointId | None = None
    """The number to call; None: the best one."""
    agent_id: str | None = None
    """Own agent; None: any."""


class AccountState(Message, frozen=True, kw_only=True):
    """What the campaign knows of an account when a contact has ended."""

    account_id: AccountId
    country: str | None = None
    """ISO 3166-1 alpha-2 of the person's residence; None = not known, the strictest applies."""
    zones: tuple[str, ...] = ()
    """The person's candidate zones, the likeliest first."""
    closed: bool = False
    """Nothing is left to collect: paid, settled, recalled."""
    attempts: int = 0
    """Of this campaign on the account so far, the one that has just ended included."""
    promise_review_at: datetime | None = None
    """When the open promise is due for judgement (see `promises.schedule`); None: none open."""
    instalment_review_at: datetime | None = None
    """The same for the next instalment of a running plan."""
    callback: Callback | None = None
    first_allowed: datetime | None = None
    """From the gate, after a block."""


SUCCESSES: Final = frozenset({EventKind.CONVERSATION, EventKind.INBOUND_CALL})
"""The person themselves was on the line."""

RANG: Final = frozenset({EventKind.RANG_NO_ANSWER, EventKind.DIAL_REQUESTED})
"""Rang unanswered, or nothing is known of the end and so it counts as if it had."""

_FARTHEST_WEST: Final = "Etc/GMT+12"
_MAX_CALENDAR_STEPS: Final = 400


@lru_cache(maxsize=1024)
def zone_info(zone: str) -> ZoneInfo:
    """The zone of an IANA name. Raises `zoneinfo.ZoneInfoNotFoundError`."""
    return ZoneInfo(zone)


def local_date(at: datetime, zones: tuple[str, ...]) -> date:
    """The person's date at an instant, in their likeliest zone (UTC when none is known)."""
    return at.astimezone(zone_info(zones[0]) if zones else UTC).date()


def start_of_day(day: date, zones: tuple[str, ...]) -> datetime:
    """First instant by which `day` has begun in every candidate zone.

    With no zone known the farthest west is taken: what a person may still do that day is never
    counted as too late.
    """
    starts = (
        datetime.combine(day, time(), tzinfo=zone_info(zone)) for zone in zones or (_FARTHEST_WEST,)
    )
    return max(start.astimezone(UTC) for start in starts)


def is_business_day(day: date, is_holiday: HolidayPredicate) -> bool:
    return day.isoweekday() <= 5 and not is_holiday(day)


def add_business_days(day: date, days: int, is_holiday: HolidayPredicate) -> date:
    """The `days`-th business day after `day`; `day` itself is never counted.

    Raises `ValueError` when `days` is negative, or when the calendar has no such day within 400
    days of the last one found: then the calendar is wrong.
    """
    if days < 0:
        raise ValueError(f"business days to add must be 0 or more, not {days}")
    found = day
    for _ in range(days):
        for step in range(1, _MAX_CALENDAR_STEPS):
            candidate = found + timedelta(days=step)
            if is_business_day(candidate, is_holiday):
                found = candidate
                break
        else:
            raise ValueError(
                f"no business day within {_MAX_CALENDAR_STEPS} days after {found}; "
                "mend the holiday calendar"
            )
    return found
