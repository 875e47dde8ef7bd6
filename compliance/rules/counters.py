"""Rules that count what happened: caps, cool-downs, spacing, exclusivity, redial guards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from compliance.context import Context, Signal, event_signals
from compliance.hours import ONE_DAY, day_start, local_date
from compliance.messages import DebtFacts, Finding, HistoryEvent
from compliance.remembered import Remembered
from compliance.rules.base import PackRule, ParamError, Zones
from compliance.rules.counting import Counter, WindowBounds
from compliance.schema import (
    ChannelExclusivityParams,
    CooldownParams,
    CooldownUnit,
    CountedFrom,
    FrequencyCapParams,
    MinSpacingParams,
    RedialGuardParams,
    SequenceGateParams,
)
from compliance.types import EventKind, Outcome

_CACHE_LIMIT: Final = 4_096


class FrequencyCap(PackRule[FrequencyCapParams]):
    """At most `max` counted contacts in a window, for each value of the key."""

    params_type = FrequencyCapParams

    def prepare(self) -> None:
        self.bounds = WindowBounds(self.params.window)
        self.counter = Counter(self.params.count)
        self.lookback_days = self.bounds.lookback_days
        self.counts_number = self.counter.by_number
        self.counts_account = self.counter.by_account
        self.key = str(self.params.count.key.value)
        self._unused = Remembered[tuple[datetime, tuple[str, ...]], Finding](_CACHE_LIMIT)

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        limit = self.params.max
        bounds = self.bounds.of(ctx)
        zones = bounds.zones.of(ctx)
        start = bounds.start(at, zones)
        if limit and not ctx.signals & self.counter.signals:
            return self._nothing_counted(ctx, start, zones)
        worst: list[HistoryEvent] = []
        worst_key = ""
        first_ok: datetime | None = at
        for key, events in self.counter.tally(ctx, start):
            inside = [e for e in events if bounds.inside(e.at, start)]
            if len(inside) >= limit and first_ok is not None:
                leaves = bounds.leaves(inside[-limit].at, zones) if limit else None
                first_ok = None if leaves is None else max(first_ok, leaves)
            if not worst_key or len(inside) > len(worst):
                worst, worst_key = inside, key
        ids = tuple(e.event_id for e in worst)
        if first_ok == at:
            return self._pass(ids, worst_key, start, zones)
        return self.stop(
            "cap_reached",
            first_ok=first_ok,
            releasing_event="rule_changed",
            counter=len(worst),
            limit=limit,
            window_start=start,
            window_end=first_ok,
            zones=zones,
            event_ids=ids,
            detail={self.key: worst_key} if worst_key else {},
        )

    def _nothing_counted(self, ctx: Context, start: datetime, zones: tuple[str, ...]) -> Finding:
        """The pass of a contact whose history holds no event of the kinds that are counted."""
        for value in self.counter.values(ctx):
            if value:
                return self._pass((), value, start, zones)
        found = self._unused.get((start, zones))
        if found is None:
            found = self._unused.keep((start, zones), self._pass((), "", start, zones))
        return found

    def _pass(
        self, ids: tuple[str, ...], value: str, start: datetime, zones: tuple[str, ...]
    ) -> Finding:
        """The pass with its figures: the record shows how near the limit is."""
        passed = self.passed
        return Finding(
            rule_id=passed.rule_id,
            pack=passed.pack,
            kind=passed.kind,
            group=passed.group,
            outcome=Outcome.PASS,
            severity=passed.severity,
            basis=passed.basis,
            counter=len(ids),
            limit=self.params.max,
            window_start=start,
            zones=zones,
            event_ids=ids,
            detail={self.key: value} if value else {},
        )


class Cooldown(PackRule[CooldownParams]):
    """Silence of some length after an event."""

    params_type = CooldownParams

    def prepare(self) -> None:
        params = self.params
        self.zones = Zones(params.zones, params.fixed_zone)
        self.counter = Counter(params.count)
        self.signals = self.counter.signals
        self.counts_number = self.counter.by_number
        self.counts_account = self.counter.by_account
        self.by_hours = params.unit is CooldownUnit.HOURS
        if self.by_hours and params.counted_from is not CountedFrom.DAY_1:
            raise ParamError(
                "counted_from",
                params.counted_from,
                "hours are counted from the event itself",
                "leave it out, or use unit = 'days'",
            )
        self.days = timedelta(days=params.length)
        if params.counted_from is CountedFrom.NEXT_DAY:
            self.days += ONE_DAY
        self.lookback_days = params.length // 24 + 1 if self.by_hours else self.days.days + 1
        self.reach = timedelta(days=self.lookback_days + 2)

    def _ends(self, event_at: datetime, ctx: Context) -> datetime:
        if self.by_hours:
            return event_at + timedelta(hours=self.params.length)
        return max(
            day_start(name, local_date(event_at, name) + self.days) for name in self.zones.of(ctx)
        )

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        found = self.counter.last(ctx, at - self.reach)
        if found is None:
            return self.passed
        ends = self._ends(found.at, ctx)
        if at >= ends:
            return self.passed
        return self.stop(
            "cooling_down",
            first_ok=ends,
            window_start=found.at,
            window_end=ends,
            zones=self.zones.of(ctx),
            event_ids=(found.event_id,),
            limit=self.params.length,
            detail={"event": found.kind, "unit": self.params.unit},
        )


class MinSpacing(PackRule[MinSpacingParams]):
    """Whole local dates, or hours, must lie between two contacts."""

    params_type = MinSpacingParams

    def prepare(self) -> None:
        params = self.params
        if (params.clear_days is None) is (params.hours is None):
            raise ParamError(
                "clear_days", params.clear_days, "or hours must be given, not both", "keep one"
            )
        self.zones = Zones(self.params.zones, self.params.fixed_zone)
        self.counter = Counter(self.params.count)
        self.signals = self.counter.signals
        self.counts_number = self.counter.by_number
        self.counts_account = self.counter.by_account
        self.gap = timedelta(hours=params.hours or 0)
        self.days = timedelta(days=(params.clear_days or 0) + 1)
        self.lookback_days = (self.gap.days if params.hours else self.days.days) + 1
        self.reach = timedelta(days=self.lookback_days + 2)

    def _ends(self, event_at: datetime, zones: tuple[str, ...]) -> datetime:
        if self.params.hours is not None:
            return event_at + self.gap
        return max(day_start(name, local_date(event_at, name) + self.days) for name in zones)

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        found = self.counter.last(ctx, at - self.reach)
        if found is None:
            return self.passed
        zones = self.zones.of(ctx)
        ends = self._ends(found.at, zones)
        if at >= ends:
            return self.passed
        return self.stop(
            "too_soon",
            first_ok=ends,
            window_start=found.at,
            window_end=ends,
            zones=zones,
            event_ids=(found.event_id,),
            limit=self.params.clear_days or self.params.hours,
        )


class RedialGuard(PackRule[RedialGuardParams]):
    """Hours of rest for automatic dialling after an abandoned call."""

    params_type = RedialGuardParams

    def prepare(self) -> None:
        self.counter = Counter(self.params.count)
        self.signals = self.counter.signals
        self.counts_number = self.counter.by_number
        self.counts_account = self.counter.by_account
        self.rest = timedelta(hours=self.params.hours)
        self.lookback_days = self.params.hours // 24 + 1

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        last = self.counter.last(ctx, at - self.rest)
        if last is None or at >= last.at + self.rest:
            return self.passed
        return self.stop(
            "redial_too_soon",
            first_ok=last.at + self.rest,
            window_start=last.at,
            window_end=last.at + self.rest,
            event_ids=(last.event_id,),
            limit=self.params.hours,
        )


class ChannelExclusivity(PackRule[ChannelExclusivityParams]):
    """The channel of the first counted contact in a window is the only one until it ends."""

    params_type = ChannelExclusivityParams

    def prepare(self) -> None:
        self.bounds = WindowBounds(self.params.window)
        self.counter = Counter(self.params.count)
        self.lookback_days = self.bounds.lookback_days
        self.signals = self.counter.signals
        self.counts_number = self.counter.by_number
        self.counts_account = self.counter.by_account

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        bounds = self.bounds.of(ctx)
        zones = bounds.zones.of(ctx)
        start = bounds.start(at, zones)
        first_ok, cause = at, None
        for _, events in self.counter.tally(ctx, start):
            free, event = _free_from(bounds, events, ctx, at, start, zones)
            if event is not None and free >= first_ok:
                first_ok, cause = free, event
        if cause is None:
            return self.passed
        return self.stop(
            "other_channel_this_window",
            first_ok=first_ok,
            window_start=start,
            window_end=first_ok,
            zones=zones,
            event_ids=(cause.event_id,),
            detail={"channel": cause.channel or "unknown"},
        )


def _free_from(
    bounds: WindowBounds,
    events: list[HistoryEvent],
    ctx: Context,
    at: datetime,
    start: datetime,
    zones: tuple[str, ...],
) -> tuple[datetime, HistoryEvent | None]:
    """Least instant >= `at` when the window's first contact was in this channel, or is gone."""
    cause: HistoryEvent | None = None
    for event in events:
        if not bounds.inside(event.at, start):
            continue
        if event.channel is ctx.request.channel:
            break
        cause = cause or event
        at = max(at, bounds.leaves(event.at, zones))
        start = bounds.start(at, zones)
    return at, cause


class SequenceGate(PackRule[SequenceGateParams]):
    """Something must have come first, and some days before: a notice, a letter."""

    params_type = SequenceGateParams

    def prepare(self) -> None:
        params = self.params
        if bool(params.due_after) is (params.due_days is None):
            raise ParamError(
                "due_days", params.due_days, "goes with due_after", "give both or neither"
            )
        self.zones = Zones(params.zones, params.fixed_zone)
        self.kinds = frozenset(params.events)
        self.channels = frozenset(params.channels)
        self.dated = EventKind.NOTICE_GIVEN in self.kinds and not self.channels
        """A notice dated in the debt serves as well."""
        self.days = timedelta(days=params.clear_days + 1)
        self.due_after = frozenset(params.due_after)
        self.due = timedelta(days=(params.due_days or 0) + 1)
        if self.due_after:  # before it nothing is due
            self.signals = event_signals(self.kinds | self.due_after) | Signal.NOTICED.value

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        came = self._came(ctx)
        if came is not None:
            return self._after(*came, ctx, at)
        if self.due_after and at < self._due(ctx, at):
            return self.passed
        return self.stop("prerequisite_missing", releasing_event=self.params.events[0])

    def _came(self, ctx: Context) -> tuple[datetime, str | None] | None:
        """When the last of the debts named had it, and by which event; None where one had none.

        A debt has it by the first event about it (or about no debt in particular), else by the
        date of its notice.
        """
        events = [
            event
            for event in ctx.events
            if event.kind in self.kinds
            and not event.misdirected
            and (not self.channels or event.channel in self.channels)
        ]
        if not ctx.debts:
            return (events[0].at, events[0].event_id) if events else None
        last: tuple[datetime, str | None] | None = None
        for debt in ctx.debts:
            first = self._first(debt, events)
            if first is None:
                return None
            last = first if last is None or first[0] > last[0] else last
        return last

    def _first(
        self, debt: DebtFacts, events: list[HistoryEvent]
    ) -> tuple[datetime, str | None] | None:
        for event in events:
            if not event.debt_ids or debt.debt_id in event.debt_ids:
                return event.at, event.event_id
        if self.dated and debt.validation_sent_at is not None:
            return debt.validation_sent_at, None
        return None

    def _due(self, ctx: Context, at: datetime) -> datetime:
        """First instant at which what is due is late; after `at` where nothing made it due."""
        for event in ctx.events:
            if event.kind in self.due_after and not event.misdirected:
                zones = self.zones.of(ctx)
                return min(day_start(z, local_date(event.at, z) + self.due) for z in zones)
        return at + ONE_DAY

    def _after(
        self, happened: datetime, event_id: str | None, ctx: Context, at: datetime
    ) -> Finding:
        zones = self.zones.of(ctx)
        ready = happened
        if self.params.clear_days:
            ready = max(day_start(name, local_date(happened, name) + self.days) for name in zones)
        if at >= ready:
            return self.passed
        return self.stop(
            "waiting_after_notice",
            first_ok=ready.astimezone(UTC),
            zones=zones,
            event_ids=() if event_id is None else (event_id,),
            limit=self.params.clear_days,
        )
