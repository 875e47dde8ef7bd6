"""Were contacts made outside lawful hours? Worked out again, by a routine of its own.

Nothing of the gate's arithmetic is used: the packs' hours are read from their text as it was
archived, and compared with the wall clock that the pinned zone rules give. So a fault in the gate's
hours cannot hide itself here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from enum import StrEnum
from typing import Final

import msgspec

from compliance.calendars import CalendarData
from compliance.messages import DecisionRecord
from compliance.types import Outcome, RuleKind
from compliance.zones import zone

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ALL: Final = "all"


class _Hours(msgspec.Struct, frozen=True):
    open: time
    close: time

    def holds(self, clock: time) -> bool:
        return self.open <= clock and (self.close == time(0) or clock < self.close)


class _Day(_Hours, frozen=True):
    days: tuple[str, ...] = ()


class _Params(msgspec.Struct, frozen=True):
    weekly: tuple[_Day, ...] = ()
    holiday_hours: tuple[_Hours, ...] = ()
    calendar: str | None = None
    zones: str = _ALL
    fixed_zone: str | None = None


class _Calendar(msgspec.Struct, frozen=True):
    country: str
    add: dict[str, str] = {}
    remove: tuple[date, ...] = ()
    verified_through: date | None = None


class _Rule(msgspec.Struct, frozen=True):
    id: str
    kind: str
    params: dict[str, object] = {}


class _Pack(msgspec.Struct, frozen=True):
    pack: str
    calendars: tuple[_Calendar, ...] = ()
    rules: tuple[_Rule, ...] = ()


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of hours, as its pack says it."""

    rule_id: str
    params: _Params
    calendar: _Calendar | None = None


class Breach(StrEnum):
    """What is wrong with an attempt."""

    OUTSIDE_HOURS = "outside_hours"
    WRONG_CLOCK = "wrong_clock"
    """The record tells another local time than the zone's."""
    RULE_UNKNOWN = "rule_unknown"
    """A rule of hours bound the contact and no pack in the archive, word for word, has it."""
    NO_RULE = "no_rule"
    """No rule of hours bound the contact."""
    NO_PROOF = "no_proof"
    """The decision's record was not kept."""


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that is not proved lawful in its hours."""

    attempt_id: str
    event_id: str
    at: datetime
    breach: Breach
    rule_id: str = ""
    zone: str = ""
    local_time: str = ""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What the routine found of one attempt."""

    violations: tuple[Violation, ...] = ()
    lifted: tuple[str, ...] = ()
    """Rules that it was outside of and that a consent, exception or override lifted."""
    clocks: int = 0
    """Pairs of rule and zone that were compared."""


def windows_of(text: str) -> dict[str, Window]:
    """The rules of hours of a pack, by `PACK/RULE`. Raises `ValueError` where it is no pack."""
    pack = msgspec.convert(tomllib.loads(text), _Pack)
    calendars = {calendar.country: calendar for calendar in pack.calendars}
    found: dict[str, Window] = {}
    for rule in pack.rules:
        if rule.kind != RuleKind.CONTACT_WINDOW:
            continue
        params = msgspec.convert(rule.params, _Params)
        rule_id = f"{pack.pack}/{rule.id}"
        found[rule_id] = Window(
            rule_id=rule_id,
            params=params,
            calendar=None if params.calendar is None else calendars.get(params.calendar),
        )
    return found


def check(
    record: DecisionRecord,
    event_id: str,
    windows: Mapping[str, Window],
    holidays: Mapping[str, CalendarData],
    region: str | None,
) -> Checked:
    """Compare one attempt with every rule of hours that bound it, in every candidate zone.

    Args:
        windows: of all packs of the decision's time, by rule.
        holidays: vendored calendars by country.
        region: where the person lives (ISO 3166-2); None: not known, and holidays of every
            subdivision count.
    """
    told = Violation(
        attempt_id=record.decision_id,
        event_id=event_id,
        at=record.at,
        breach=Breach.OUTSIDE_HOURS,
    )
    violations = [
        msgspec.structs.replace(told, breach=Breach.WRONG_CLOCK, zone=name, local_time=recorded)
        for name, recorded in record.local_times.items()
        if datetime.fromisoformat(recorded) != record.at
        or recorded != record.at.astimezone(zone(name)).isoformat()
    ]
    bound = [f for f in record.findings if f.kind is RuleKind.CONTACT_WINDOW]
    if not bound:
        violations.append(msgspec.structs.replace(told, breach=Breach.NO_RULE))
    lifted: list[str] = []
    clocks = 0
    for finding in bound:
        window = windows.get(finding.rule_id)
        if window is None:
            rule_id = finding.rule_id
            violations.append(
                msgspec.structs.replace(told, breach=Breach.RULE_UNKNOWN, rule_id=rule_id)
            )
            continue
        for name in zones_of(window, record, finding.zones):
            clocks += 1
            local = record.at.astimezone(zone(name))
            if inside(window, local, holidays, region):
                continue
            if finding.outcome is Outcome.LIFTED:
                lifted.append(f"{finding.rule_id} {finding.lifted_by}")
            elif finding.outcome is not Outcome.WARN:
                violations.append(
                    msgspec.structs.replace(
                        told, rule_id=finding.rule_id, zone=name, local_time=local.isoformat()
                    )
                )
    return Checked(violations=tuple(violations), lifted=tuple(dict.fromkeys(lifted)), clocks=clocks)


def zones_of(window: Window, record: DecisionRecord, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """The zones whose clock must be right: every candidate, unless the rule chooses among them."""
    params = window.params
    if params.fixed_zone is not None:
        return (params.fixed_zone,)
    if params.zones == _ALL:
        return tuple(dict.fromkeys((*record.zones, *chosen)))
    return chosen or record.zones


def inside(
    window: Window, local: datetime, holidays: Mapping[str, CalendarData], region: str | None
) -> bool:
    """Whether a wall clock stands inside the hours of a rule; the end is outside."""
    params, clock = window.params, local.time().replace(tzinfo=None)
    if params.calendar is not None and _is_holiday(window, local.date(), holidays, region):
        return any(hours.holds(clock) for hours in params.holiday_hours)
    today = _DAYS[local.weekday()]
    return any(day.holds(clock) for day in params.weekly if today in day.days)


def _is_holiday(
    window: Window, day: date, holidays: Mapping[str, CalendarData], region: str | None
) -> bool:
    """Whether the day is a holiday; one that no calendar is sure of is taken for one."""
    calendar = window.calendar
    data = holidays.get(window.params.calendar or "")
    if calendar is None or data is None:
        return True
    text = day.isoformat()
    if not _is_sure(calendar.verified_through, data, day):
        return True
    if text in calendar.add:
        return True
    if day in calendar.remove:
        return False
    if text in data.national:
        return True
    if region in data.subdivisions:
        return text in data.subdivisions[str(region)]
    if region is not None and region.startswith(f"{data.calendar}-"):
        return False
    return any(text in days for days in data.subdivisions.values())


def _is_sure(own_through: date | None, data: CalendarData, day: date) -> bool:
    """Whether holidays of a day are known; a pack's own date stands for that of the data."""
    if day < data.verified_from:
        return False
    if day <= (own_through or data.verified_through):
        return True
    if own_through is not None or data.settled_through is None or day > data.settled_through:
        return False
    return day.isoweekday() not in data.decreed_weekdays
