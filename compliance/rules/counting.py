"""Counting what happened: which events a rule counts, and in which window.

A `Counter` selects events, separately for each value of the rule's key (debt, account ...); a
`WindowBounds` says where a window begins at an instant and when an event leaves it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from compliance import consents
from compliance.context import Context, event_signals
from compliance.hours import ONE_DAY, day_start, local_date, month_first, week_first
from compliance.messages import HistoryEvent
from compliance.remembered import Remembered
from compliance.rules.base import ParamError, Zones
from compliance.schema import (
    Count,
    CountBasis,
    CountKey,
    MultiDebt,
    WeekStart,
    Window,
    WindowUnit,
)
from compliance.types import DebtId, EventKind, Mode

_NAMES_EACH_DEBT: Final = frozenset(
    {
        EventKind.CONVERSATION,
        EventKind.MACHINE_MESSAGE,
        EventKind.RINGLESS_VOICEMAIL,
        EventKind.MESSAGE_SENT,
        EventKind.MESSAGE_DELIVERED,
        EventKind.MESSAGE_READ,
        EventKind.LETTER_MAILED,
    }
)
"""Contacts that say which debts they are about, and so count for each (cmt. 14(b)(4)-1)."""
_INBOUND: Final = frozenset({EventKind.INBOUND_CALL, EventKind.INBOUND_MESSAGE})
_CACHE_LIMIT: Final = 50_000
_ONE_VALUE: Final = ("",)
_PERIOD: Final = timedelta(days=30)
"""Length of a campaign's periods (16 CFR 310.4(b)(4)(i))."""
_DAYS_OF: Final = {
    WindowUnit.CALENDAR_WEEK: 7,
    WindowUnit.CALENDAR_MONTH: 31,
    WindowUnit.CAMPAIGN_30D: _PERIOD.days,
}

_ANSWERED: Final = frozenset({EventKind.CONVERSATION, EventKind.INBOUND_MESSAGE})
_REACHED: Final = frozenset(
    {
        EventKind.DIAL_REQUESTED,  # not known (yet): as if it had rung
        EventKind.RANG_NO_ANSWER,
        EventKind.MACHINE_NO_MESSAGE,
        EventKind.MACHINE_MESSAGE,
        EventKind.MAILBOX_FULL,
        EventKind.RINGLESS_VOICEMAIL,
        EventKind.FAX,
        EventKind.ANSWERED_DROPPED,
        EventKind.ABANDONED,
        EventKind.ANSWERED_WRONG_PARTY,
        EventKind.ANSWERED_THIRD_PARTY,
        EventKind.CONVERSATION,
        EventKind.MESSAGE_SENT,
        EventKind.MESSAGE_DELIVERED,
        EventKind.MESSAGE_READ,
        EventKind.LETTER_MAILED,
        EventKind.VISIT_MADE,
    }
)
NEVER_CONNECTED: Final = frozenset(
    {
        EventKind.NOT_CONNECTED_BUSY,
        EventKind.NOT_CONNECTED_OUT_OF_SERVICE,
        EventKind.NOT_CONNECTED_NETWORK,
    }
)
_FAILED: Final = (NEVER_CONNECTED | {EventKind.MESSAGE_BOUNCED}) - {EventKind.NOT_CONNECTED_NETWORK}
BASES: Final = {
    CountBasis.ATTEMPT: _REACHED | _FAILED,
    CountBasis.CONNECTED: _REACHED,
    CountBasis.TWO_WAY_CONTACT: _ANSWERED,
}
"""Events that each basis stands for. A call that never left our side is no attempt."""

Tally = list[tuple[str, list[HistoryEvent]]]
"""Counted events, oldest first, for each value of the key (debt id, account id ...)."""


class Counter:
    """Selects the events that a rule counts, separately for each value of its key."""

    __slots__ = ("by_account", "by_number", "count", "kinds", "plain", "signals")

    def __init__(self, count: Count) -> None:
        self.count = count
        if bool(count.events) is (count.basis is not None):
            raise ParamError(
                "count.events", count.basis, "or a basis must be given, and not both", "keep one"
            )
        counted = frozenset(count.events) if count.basis is None else BASES[count.basis]
        self.kinds = counted - frozenset(count.exclude)
        self.signals = event_signals(self.kinds)
        """Where a context shows none of these, nothing is counted."""
        self.by_number = count.key in (CountKey.NUMBER, CountKey.HOUSEHOLD)
        """Depends on contacts that others had at the same number."""
        self.by_account = count.key in (CountKey.ACCOUNT, CountKey.HOUSEHOLD)
        """Depends on contacts that other parties of the account had."""
        self.plain = not (
            count.channels
            or count.modes
            or count.labels
            or count.prerecorded is not None
            or count.exclude_roles
            or count.exclude_replies
            or count.exclude_consented
            or count.own_only
        )

    def values(self, ctx: Context) -> Sequence[str]:
        """The values of the key that a contact has: what `tally` counts for."""
        key = self.count.key
        if key is CountKey.DEBT:
            return self._debts(ctx)
        if key is CountKey.ACCOUNT:
            return tuple(dict.fromkeys(str(d.account_id) for d in ctx.debts or ctx.subject.debts))
        if key is CountKey.CREDITOR:
            return tuple(dict.fromkeys(str(d.creditor_id) for d in ctx.debts or ctx.subject.debts))
        if key is CountKey.CAMPAIGN:
            return (str(ctx.request.campaign_id or ""),)
        if key is CountKey.COLLECTOR:
            return (ctx.facts.collector.collector_id,)
        return _ONE_VALUE

    def tally(self, ctx: Context, since: datetime) -> Tally:
        """Counted events at or after `since`, for each value of the key."""
        key = self.count.key
        if key is CountKey.DEBT:
            return self._by_debt(ctx, self._counted(ctx, ctx.events, since))
        if key is CountKey.PERSON:
            return [("", self._counted(ctx, ctx.events, since))]
        everyone = self._counted(ctx, ctx.history, since)
        if key is CountKey.NUMBER:
            return [("", [e for e in everyone if _at_number(e, ctx)])]
        if key is CountKey.ACCOUNT:
            return [(a, [e for e in everyone if _of_account(e, a, ctx)]) for a in self.values(ctx)]
        if key is CountKey.HOUSEHOLD:
            return [("", [e for e in everyone if _of_household(e, ctx)])]
        if key is CountKey.CAMPAIGN:
            mine = self._counted(ctx, ctx.events, since)
            return [(c, [e for e in mine if _of_campaign(e, ctx)]) for c in self.values(ctx)]
        if key is CountKey.COLLECTOR:
            mine = self._counted(ctx, ctx.events, since)
            return [(c, [e for e in mine if e.collector_id in (None, c)]) for c in self.values(ctx)]
        own = self._counted(ctx, ctx.events, since)
        return [(c, [e for e in own if _of_creditor(e, c, ctx)]) for c in self.values(ctx)]

    def last(self, ctx: Context, since: datetime) -> HistoryEvent | None:
        """The latest counted event at or after `since`, over all values of the key."""
        found: HistoryEvent | None = None
        for _, events in self.tally(ctx, since):
            if events and (found is None or events[-1].at > found.at):
                found = events[-1]
        return found

    def _counted(
        self, ctx: Context, events: list[HistoryEvent], since: datetime
    ) -> list[HistoryEvent]:
        kinds, inbound_too = self.kinds, self.count.include_inbound
        found: list[HistoryEvent] = []
        for event in reversed(events):  # newest first: most windows hold few of them
            if event.at < since:
                break
            kind = event.kind
            if kind not in kinds or event.misdirected:
                continue
            if not inbound_too and _inbound(event, ctx):
                continue
            if kind in NEVER_CONNECTED and _repeated(event, ctx):
                continue
            if self.plain or self._fits(event, ctx):
                found.append(event)
        found.reverse()
        if found and self.count.exclude_consented is not None:
            return self._without_consented(found, ctx)
        return found

    def _fits(self, event: HistoryEvent, ctx: Context) -> bool:
        count = self.count
        if count.channels and event.channel is not None and event.channel not in count.channels:
            return False
        if count.modes and event.mode is not None and event.mode not in count.modes:
            return False
        if count.labels and event.label is not None and event.label not in count.labels:
            return False
        if count.prerecorded is not None and event.prerecorded is not count.prerecorded:
            return False
        if event.role is not None and event.role in count.exclude_roles:
            return False
        if count.own_only and event.collector_id not in (None, ctx.facts.collector.collector_id):
            return False
        return not (count.exclude_replies and event.mode is Mode.REPLY)

    def _without_consented(self, events: list[HistoryEvent], ctx: Context) -> list[HistoryEvent]:
        match = self.count.exclude_consented
        if match is None or not ctx.subject.consents:
            return events
        spans = [
            consents.span(consent, match, ctx)
            for consent in ctx.subject.consents
            if consents.fits(consent, match, ctx)
        ]
        # The conversation that ends a consent was itself placed while it lasted: <=.
        return [e for e in events if not any(start <= e.at <= end for start, end in spans)]

    def _debts(self, ctx: Context) -> tuple[DebtId, ...]:
        """Debts that are counted for, those of one account number as one; empty: none is known."""
        named = ctx.request.debt_ids or tuple(d.debt_id for d in ctx.subject.debts)
        if self.count.multi_debt is MultiDebt.ALL:
            return named[:1]
        canonical = ctx.canonical
        return tuple(dict.fromkeys(canonical.get(d, d) for d in named)) if canonical else named

    def _by_debt(self, ctx: Context, events: list[HistoryEvent]) -> Tally:
        debts, multi, canonical = self._debts(ctx), self.count.multi_debt, ctx.canonical
        if multi is MultiDebt.ALL or not debts:
            return [(debts[0] if debts else "", events)]
        return [(d, [e for e in events if _for_debt(e, d, multi, canonical)]) for d in debts]


def _for_debt(
    event: HistoryEvent, debt: DebtId, multi: MultiDebt, canonical: dict[DebtId, DebtId]
) -> bool:
    ids = event.debt_ids
    if not ids:
        return True
    if multi is MultiDebt.ANY_ONE and event.kind not in _NAMES_EACH_DEBT:
        return canonical.get(ids[0], ids[0]) == debt
    if not canonical:
        return debt in ids
    return any(canonical.get(i, i) == debt for i in ids)


def _inbound(event: HistoryEvent, ctx: Context) -> bool:
    """Whether the person began it: nobody placed it, and it answers their call or message."""
    if event.kind in _INBOUND:
        return True
    if event.answers_event_id is None or event.mode is not None:
        return False
    return any(e.event_id == event.answers_event_id and e.kind in _INBOUND for e in ctx.history)


def _repeated(event: HistoryEvent, ctx: Context) -> bool:
    """Whether the same attempt was made again over another trunk, and is counted there."""
    return any(e.retry_of == event.event_id for e in ctx.history)


def _at_number(event: HistoryEvent, ctx: Context) -> bool:
    if ctx.point is None or event.contact_point_id == ctx.point.contact_point_id:
        return True
    if event.address is not None:
        return event.address == ctx.point.address
    for point in ctx.subject.contact_points:
        if point.contact_point_id == event.contact_point_id:
            return point.address == ctx.point.address
    return True


def _of_household(event: HistoryEvent, ctx: Context) -> bool:
    own = ctx.person.household_id
    if event.person_id is None or event.person_id == ctx.person.person_id:
        return True
    # Others are in these facts because they share a number or an account with the person.
    return event.household_id is None or own is None or event.household_id == own


def _of_campaign(event: HistoryEvent, ctx: Context) -> bool:
    wanted = ctx.request.campaign_id
    return wanted is None or event.campaign_id is None or event.campaign_id == wanted


def _of_account(event: HistoryEvent, account: str, ctx: Context) -> bool:
    if event.account_ids:
        return account in event.account_ids
    if not event.debt_ids:
        return True
    return any(d.account_id == account and d.debt_id in event.debt_ids for d in ctx.subject.debts)


def _of_creditor(event: HistoryEvent, creditor: str, ctx: Context) -> bool:
    if event.creditor_id is not None:
        return str(event.creditor_id) == creditor
    if not event.debt_ids:
        return True
    return any(
        str(d.creditor_id) == creditor and d.debt_id in event.debt_ids for d in ctx.subject.debts
    )


class WindowBounds:
    """Start of a counting window at an instant, and the instant at which an event leaves it."""

    __slots__ = ("_cache", "by_campaign", "by_hours", "firsts", "hours", "steps", "window", "zones")

    def __init__(self, window: Window) -> None:
        self.window = window
        self.zones = Zones(window.zones, window.fixed_zone)
        self.by_campaign = window.unit is WindowUnit.CAMPAIGN_30D
        self.by_hours = window.unit is WindowUnit.ROLLING_HOURS
        self.hours = timedelta(hours=window.n)
        self.firsts, self.steps = _dates_of(window)
        self._cache = Remembered[tuple[tuple[str, ...], int], tuple[datetime, datetime, datetime]](
            _CACHE_LIMIT
        )

    @property
    def lookback_days(self) -> int:
        """Days before an instant that the window can reach at most."""
        unit, n = self.window.unit, self.window.n
        if unit is WindowUnit.ROLLING_HOURS:
            return n // 24 + 1
        return _DAYS_OF.get(unit, 1) * n + 2 - self.window.first_day_inclusive

    def of(self, ctx: Context) -> WindowBounds:
        """The bounds for a contact: periods of a campaign are counted from its own start."""
        if not self.by_campaign:
            return self
        started = ctx.facts.campaign_started_at
        if started is None:
            return self
        return _CampaignBounds(self.window, started)

    def start(self, at: datetime, zones: tuple[str, ...]) -> datetime:
        """First instant of the window that `at` lies in, earliest over zones and week starts."""
        if self.by_hours:
            return at - self.hours
        # A decision asks about today and, to find the first allowed instant, about later days.
        key = (zones, at.toordinal())
        cached = self._cache.get(key)
        if cached is not None and cached[0] <= at < cached[1]:
            return cached[2]
        days = [(name, local_date(at, name)) for name in zones]
        start = min(day_start(name, first(day)) for name, day in days for first in self.firsts)
        since = max(day_start(name, day) for name, day in days)
        until = min(day_start(name, day + ONE_DAY) for name, day in days)
        self._cache.keep(key, (since, until, start))
        return start

    def inside(self, event_at: datetime, start: datetime) -> bool:
        if self.by_hours:
            return event_at > start
        return event_at >= start

    def leaves(self, event_at: datetime, zones: tuple[str, ...]) -> datetime:
        """Least instant whose window no longer holds an event of `event_at`."""
        if self.by_hours:
            return event_at + self.hours
        return max(
            day_start(name, step(local_date(event_at, name)))
            for name in zones
            for step in self.steps
        )


class _CampaignBounds(WindowBounds):
    """Successive periods of 30 times 24 hours from a campaign's start."""

    __slots__ = ("started",)

    def __init__(self, window: Window, started: datetime) -> None:
        super().__init__(window)
        self.started = started

    def start(self, at: datetime, zones: tuple[str, ...]) -> datetime:
        return self._period(at) - (self.window.n - 1) * _PERIOD

    def leaves(self, event_at: datetime, zones: tuple[str, ...]) -> datetime:
        return self._period(event_at) + self.window.n * _PERIOD

    def _period(self, at: datetime) -> datetime:
        """Start of the period that an instant lies in."""
        return self.started + (at - self.started) // _PERIOD * _PERIOD


_DateStep = Callable[[date], date]


def _dates_of(window: Window) -> tuple[tuple[_DateStep, ...], tuple[_DateStep, ...]]:
    """(first date of today's window, first date whose window lacks an event's date)."""
    n = window.n
    if window.unit is WindowUnit.CAMPAIGN_30D:
        n *= _PERIOD.days
    elif window.unit is WindowUnit.ROLLING_DAYS and not window.first_day_inclusive:
        n += 1
    if window.unit is WindowUnit.CALENDAR_WEEK:
        sundays = {WeekStart.MON: (False,), WeekStart.SUN: (True,)}.get(
            window.week_start, (False, True)
        )
        return (
            tuple(_week_step(sunday, -7 * (n - 1)) for sunday in sundays),
            tuple(_week_step(sunday, 7 * n) for sunday in sundays),
        )
    if window.unit is WindowUnit.CALENDAR_MONTH:
        return (
            (lambda day: month_first(day, -(n - 1)),),
            (lambda day: month_first(day, n),),
        )
    return (
        (lambda day: day - timedelta(days=n - 1),),
        (lambda day: day + timedelta(days=n),),
    )


def _week_step(sunday: bool, days: int) -> _DateStep:
    return lambda day: week_first(day, sunday) + timedelta(days=days)
