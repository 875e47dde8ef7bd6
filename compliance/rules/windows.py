"""Rules about when: hours, blackouts, the person's own times, and where the phone rings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Final

from compliance.context import Context, Signal
from compliance.hours import (
    ONE_DAY,
    ClockInterval,
    Interval,
    clock_spans,
    day_start,
    local_date,
    merge,
    next_open,
    subtract,
)
from compliance.messages import Finding, PreferenceFact, WeeklyInterval
from compliance.remembered import Remembered
from compliance.rules.base import HORIZON_DAYS, PackRule, ParamError, Rule, Zones
from compliance.schema import (
    BlackoutParams,
    ContactWindowParams,
    Hours,
    PlaceCondition,
    PlaceRuleParams,
    TimePreferenceParams,
)
from compliance.types import Outcome, PointLabel, ReasonGroup
from compliance.zones import zone

_CACHE_LIMIT: Final = 50_000
_SHUT_LIMIT: Final = 1_024
_Where = tuple[tuple[str, ...], str | None]
"""Zones, and the region whose holidays count."""
_WHOLE_DAY: Final[ClockInterval] = (time(0), time(0))


def _clock(hours: Hours) -> ClockInterval:
    if hours.close != time(0) and hours.close <= hours.open:
        raise ParamError(
            "close", hours.close, f"is not after open = {hours.open}", "split hours at midnight"
        )
    return (hours.open, hours.close)


class ContactWindow(PackRule[ContactWindowParams]):
    """Contact only within local hours, by weekday and holiday, in every candidate zone."""

    params_type = ContactWindowParams

    def prepare(self) -> None:
        params = self.params
        self.zones = Zones(params.zones, params.fixed_zone)
        weekly: dict[int, list[ClockInterval]] = {day: [] for day in range(1, 8)}
        for hours in params.weekly:
            for weekday in hours.days:
                weekly[weekday.iso].append(_clock(hours))
        self.weekly = {day: tuple(found) for day, found in weekly.items()}
        self.on_holidays = tuple(_clock(hours) for hours in params.holiday_hours)
        self.calendar = None
        if params.calendar is not None:
            if params.calendar not in self.calendars:
                raise ParamError(
                    "calendar",
                    params.calendar,
                    "is not among the pack's [[calendars]]",
                    f"add [[calendars]] country = '{params.calendar}'",
                )
            self.calendar = self.calendars[params.calendar]
        elif params.holiday_hours:
            raise ParamError(
                "holiday_hours", "...", "needs a calendar", "name one, or leave it out"
            )
        self._spans = Remembered[tuple[str, date, str | None], tuple[Interval, ...]](_CACHE_LIMIT)
        self._open = Remembered[_Where, tuple[datetime, datetime, Finding]](_CACHE_LIMIT)
        self._shut = Remembered[tuple[tuple[str, ...], str | None, datetime], Finding](_SHUT_LIMIT)
        self._closed = Remembered[_Where, tuple[datetime, datetime | None]](_CACHE_LIMIT)

    def _region(self, ctx: Context) -> str | None:
        """Subdivision whose holidays count; None counts those of every subdivision."""
        if self.calendar is None or not self.calendar.regions:
            return None
        if ctx.place is not None and ctx.place.country == self.calendar.country:
            return ctx.place.subdivision
        return None

    def spans(self, zone_name: str, day: date, region: str | None) -> tuple[Interval, ...]:
        """Open spans of a local day; none where the calendar is not verified."""
        key = (zone_name, day, region)
        found = self._spans.get(key)
        if found is None:
            hours = self.weekly[day.isoweekday()]
            if self.calendar is not None:
                if not self.calendar.verified(day):
                    hours = ()
                elif self.calendar.holiday(day, region) is not None:
                    hours = self.on_holidays
            found = self._spans.keep(key, clock_spans(zone_name, day, hours))
        return found

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        zones = self.zones.of(ctx)
        region = self._region(ctx)
        cached = self._open.get((zones, region))
        if cached is not None and cached[0] <= at < cached[1]:
            return cached[2]
        key = (zones, region, at)
        shut = self._shut.get(key)  # the decisions of a batch share their instant
        if shut is not None:
            return shut
        first_ok = self._next_open(zones, region, at)
        if first_ok == at:
            return self._remember(zones, region, at)
        return self._shut.keep(key, self._stop_closed(zones, region, at, first_ok))

    def _stop_closed(
        self, zones: tuple[str, ...], region: str | None, at: datetime, first_ok: datetime | None
    ) -> Finding:
        code, detail = self._why_closed(zones, at, region)
        known = code != "calendar_not_verified"
        return self.stop(
            code,
            first_ok=first_ok,
            releasing_event="calendar_verified" if not known else "hours_changed",
            zones=zones,
            detail=detail,
            group=None if known else ReasonGroup.SYSTEM,
        )

    def _next_open(
        self, zones: tuple[str, ...], region: str | None, at: datetime
    ) -> datetime | None:
        """Next common opening; the closed span found last is remembered."""
        closed = self._closed.get((zones, region))
        if closed is not None and closed[1] is not None and closed[0] <= at < closed[1]:
            return closed[1]
        first_ok = next_open(
            at, zones, lambda name, day: self.spans(name, day, region), HORIZON_DAYS
        )
        self._closed.keep((zones, region), (at, first_ok))
        return first_ok

    def _remember(self, zones: tuple[str, ...], region: str | None, at: datetime) -> Finding:
        """The pass with its bounds: good for every instant of the common open span."""
        start, end = datetime.min.replace(tzinfo=at.tzinfo), datetime.max.replace(tzinfo=at.tzinfo)
        for name in zones:
            for opens, closes in self.spans(name, local_date(at, name), region):
                if opens <= at < closes:
                    start, end = max(start, opens), min(end, closes)
        finding = Finding(
            rule_id=self.passed.rule_id,
            pack=self.passed.pack,
            kind=self.passed.kind,
            group=self.passed.group,
            outcome=Outcome.PASS,
            severity=self.passed.severity,
            basis=self.passed.basis,
            window_start=start,
            window_end=end,
            zones=zones,
        )
        self._open.keep((zones, region), (start, end, finding))
        return finding

    def _why_closed(
        self, zones: tuple[str, ...], at: datetime, region: str | None
    ) -> tuple[str, dict[str, str | int]]:
        for name in zones:
            day = local_date(at, name)
            spans = self.spans(name, day, region)
            if any(opens <= at < closes for opens, closes in spans):
                continue
            clock = at.astimezone(zone(name)).strftime("%H:%M:%S")
            detail: dict[str, str | int] = {"zone": name, "local_time": clock}
            if self.calendar is not None:
                if not self.calendar.verified(day):
                    detail["verified_through"] = self.calendar.verified_through.isoformat()
                    return "calendar_not_verified", detail
                holiday = self.calendar.holiday(day, region)
                if holiday is not None:
                    return "holiday", detail | {"holiday": holiday}
            detail["weekday"] = day.isoweekday()
            if not spans:
                return "closed_day", detail
            detail["hours"] = self._hours_text(day)
            if at < spans[0][0]:
                return "before_opening", detail
            return ("after_closing" if at >= spans[-1][1] else "between_hours"), detail
        return "closed", {}

    def _hours_text(self, day: date) -> str:
        spans = self.weekly[day.isoweekday()]
        return ", ".join(f"{a:%H:%M}-{'24:00' if b == time(0) else f'{b:%H:%M}'}" for a, b in spans)


class Blackout(PackRule[BlackoutParams]):
    """No contact on given local dates, nor while a declared emergency lasts."""

    params_type = BlackoutParams

    def prepare(self) -> None:
        self.zones = Zones(self.params.zones, self.params.fixed_zone)
        for span in self.params.dates:
            if span.last < span.first:
                raise ParamError("last", span.last, f"is before first = {span.first}", "swap them")

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        for emergency in self.params.emergencies:
            if emergency in ctx.facts.emergencies:
                return self.stop(
                    "emergency",
                    releasing_event="emergency_ended",
                    detail={"emergency": emergency},
                )
        zones = self.zones.of(ctx)
        here = self._after_tails(ctx, zones, at)
        code = "after_emergency" if here > at else "blackout"
        moved = True
        while moved:
            moved = False
            for span in self.params.dates:
                for name in zones:
                    if span.first <= local_date(here, name) <= span.last:
                        here = day_start(name, span.last + ONE_DAY)
                        moved = True
        if here == at:
            return self.passed
        return self.stop(code, first_ok=here, window_end=here, zones=zones)

    def _after_tails(self, ctx: Context, zones: tuple[str, ...], at: datetime) -> datetime:
        """First instant >= `at` after the days that follow the emergencies that are over."""
        if not self.params.tail_days or not ctx.facts.ended_emergencies:
            return at
        days = timedelta(days=self.params.tail_days + 1)
        ends = [
            day_start(name, local_date(ended, name) + days)
            for emergency, ended in ctx.facts.ended_emergencies.items()
            if emergency in self.params.emergencies
            for name in zones
        ]
        return max([at, *ends])


def _on(day: date, intervals: tuple[WeeklyInterval, ...]) -> tuple[ClockInterval, ...]:
    weekday = day.isoweekday()
    return tuple((i.start, i.end) for i in intervals if weekday in i.weekdays)


def _split_midnight(spans: tuple[ClockInterval, ...]) -> tuple[ClockInterval, ...]:
    """An interval that runs past midnight is taken as both ends of its own day."""
    out: list[ClockInterval] = []
    for start, end in spans:
        if end != time(0) and end <= start:
            out += [(start, time(0)), (time(0), end)] if end != start else [_WHOLE_DAY]
        else:
            out.append((start, end))
    return tuple(out)


class ConsumerTimePreference(PackRule[TimePreferenceParams]):
    """Not at times that the person called inconvenient (12 CFR 1006.6(b)(1)(i))."""

    params_type = TimePreferenceParams
    signals = Signal.PREFERENCE.value

    def prepare(self) -> None:
        self.zones = Zones(self.params.zones, None)

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        preferences = [
            p for p in ctx.subject.preferences if (p.allowed or p.forbidden) and self._binds(p, ctx)
        ]
        if not preferences:
            return self.passed
        zones = self.zones.of(ctx)

        def spans(name: str, day: date) -> tuple[Interval, ...]:
            return _preferred(name, day, preferences)

        first_ok = next_open(at, zones, spans, HORIZON_DAYS)
        if first_ok == at:
            return self.passed
        active = [p for p in preferences if p.expires_at is None or at < p.expires_at]
        return self.stop(
            "inconvenient_time",
            first_ok=first_ok,
            releasing_event="preference_changed",
            zones=zones,
            detail={"preference": ",".join(p.preference_id for p in active)},
        )

    def _binds(self, preference: PreferenceFact, ctx: Context) -> bool:
        request, sources = ctx.request, self.params.sources
        if preference.channel not in (None, request.channel):
            return False
        if preference.contact_point_id not in (None, request.contact_point_id):
            return False
        return not sources or not preference.source or preference.source in sources


def _preferred(name: str, day: date, preferences: list[PreferenceFact]) -> tuple[Interval, ...]:
    """Spans of a local day that every preference in force at the time allows."""
    whole = (day_start(name, day), day_start(name, day + ONE_DAY))
    left: tuple[Interval, ...] = merge([whole])
    for preference in preferences:
        forbidden = clock_spans(name, day, _split_midnight(_on(day, preference.forbidden)))
        if preference.allowed:
            allowed = clock_spans(name, day, _split_midnight(_on(day, preference.allowed)))
            forbidden = merge((*forbidden, *subtract([whole], allowed)))
        if preference.expires_at is not None:
            after = (preference.expires_at, whole[1])
            forbidden = subtract(forbidden, [after] if after[0] < after[1] else [])
        left = subtract(left, forbidden)
    return left


class PlaceRule(PackRule[PlaceRuleParams]):
    """Not at certain places: workplaces, hospitals (12 CFR 1006.6(b)(1)(ii), (b)(3))."""

    params_type = PlaceRuleParams

    def prepare(self) -> None:
        if self.params.condition is PlaceCondition.FORBIDDEN:
            self.signals = Signal.PREFERENCE.value

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        point = ctx.point
        if point is None or point.label not in self.params.labels:
            return self.passed
        if self.params.condition is PlaceCondition.ALWAYS:
            return self.stop("place_forbidden", releasing_event="place_changed")
        if point.label is PointLabel.WORK and point.work_forbidden:
            return self.stop("place_forbidden", releasing_event="workplace_permitted")
        until: datetime | None = at
        for preference in ctx.subject.preferences:
            if point.label not in preference.forbidden_labels:
                continue
            if preference.contact_point_id not in (None, point.contact_point_id):
                continue
            if preference.expires_at is None:
                until = None
            elif until is not None:
                until = max(until, preference.expires_at)
        if until == at:
            return self.passed
        return self.stop("place_forbidden", first_ok=until, releasing_event="preference_changed")


def emergency_codes(rules: Iterable[Rule]) -> frozenset[str]:
    """Codes of the emergencies that any of these rules asks about."""
    return frozenset(
        code for rule in rules if isinstance(rule, Blackout) for code in rule.params.emergencies
    )
