"""When an account is tried again, on which contact point, and which effects take place. Pure.

Every answer is a lower bound: the gate decides whether the law allows the moment, and the
account sleeps until it does. Delays are those of the ladders in `data/dispositions.toml`.

History is the person's, oldest first, and should reach back 30 days. It may or may not hold the
contact that has just ended: `EndedContact.event_id` tells it apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from campaigns.campaign import RetrySettings
from campaigns.dispositions import (
    Disposition,
    DispositionCode,
    Rung,
    disposition,
)
from campaigns.effects import (
    Effect,
    Hold,
    PointPolicy,
    Release,
    StateInstant,
    StepAction,
    TriesPer,
)
from campaigns.model import (
    RANG,
    SUCCESSES,
    AccountState,
    HolidayPredicate,
    add_business_days,
    local_date,
    start_of_day,
    zone_info,
)
from compliance.messages import HistoryEvent, Message
from compliance.types import ContactPointId, EventKind, Mode, PersonId

DAYPARTS: Final = ((8, 10), (10, 12), (12, 14), (14, 16), (16, 18), (18, 20))
"""Local hours [start, end) between which answer rates differ; outside them nobody is tried."""

_DAYPART_OF_HOUR: Final = tuple(
    next((i for i, (start, end) in enumerate(DAYPARTS) if start <= hour < end), None)
    for hour in range(24)
)
_DAYPART_SEARCH: Final = timedelta(hours=24)
_DAYPART_MEMORY: Final = timedelta(days=30)
_DEFAULTS: Final = RetrySettings()
_LONGEST_DAY: Final = timedelta(hours=25)
_MESSAGE_WINDOW: Final = timedelta(days=7)
_MESSAGES: Final = frozenset({EventKind.MACHINE_MESSAGE, EventKind.RINGLESS_VOICEMAIL})
_WASTED: Final = RANG | {
    EventKind.NOT_CONNECTED_BUSY,
    EventKind.MACHINE_NO_MESSAGE,
    EventKind.MACHINE_MESSAGE,
    EventKind.MAILBOX_FULL,
    EventKind.ANSWERED_DROPPED,
    EventKind.ANSWERED_THIRD_PARTY,
}
"""Dials that show an hour at which the person could not be had."""


class StepReason(StrEnum):
    """Why the next step is what it is."""

    RETRY_DELAY = "retry_delay"
    TRIES_SPENT = "tries_spent"
    """The quick tries are used up; a slower rule has taken over."""
    DAILY_LIMIT = "daily_limit"
    NEXT_CONTACT_POINT = "next_contact_point"
    ABANDONED_GUARD = "abandoned_guard"
    """The last call was abandoned: the next needs an agent ready beforehand."""
    PROMISE_OPEN = "promise_open"
    WAITING = "waiting"
    CALLBACK_AGREED = "callback_agreed"
    LEGAL_WAIT = "legal_wait"
    NEVER_AGAIN = "never_again"
    ATTEMPTS_SPENT = "attempts_spent"
    """The campaign's own limit of attempts on one account."""
    ACCOUNT_CLOSED = "account_closed"


class EndedContact(Message, frozen=True, kw_only=True):
    """A contact that has just come to an end."""

    code: DispositionCode
    contact_point_id: ContactPointId | None = None
    event_id: str | None = None
    """The contact's own event, should history hold it already; it is not counted twice."""
    person_id: PersonId | None = None
    """Whose events count; other people's are in history where they share a number. None: all."""
    written: bool = False
    """The person's own words, in writing."""


class Next(Message, frozen=True, kw_only=True):
    """What becomes of the account."""

    action: StepAction
    not_before: datetime | None = None
    """Earliest instant, never before `now`; for a wait, when to look even if nothing came.
    None: not by time alone."""
    point: PointPolicy = PointPolicy.SAME
    mode: Mode | None = None
    """The next contact must be of this mode; None: the campaign's own."""
    waits_for: Release | None = None
    agent_id: str | None = None
    """The agent that a callback was promised."""
    tries: int = 1
    """Times this outcome was seen within the ladder's window, this one included."""
    reason: StepReason


class MissingFact(ValueError):
    """A code needs an instant that the account's state does not have."""

    def __init__(self, code: DispositionCode, field: str) -> None:
        super().__init__(
            f"disposition {code} needs AccountState.{field}: record the promise, plan or callback "
            "first, then ask for the next step"
        )
        self.code = code
        self.field = field


def next_step(
    ended: EndedContact,
    history: tuple[HistoryEvent, ...],
    state: AccountState,
    now: datetime,
    is_holiday: HolidayPredicate,
    settings: RetrySettings = _DEFAULTS,
) -> Next:
    """What becomes of an account after a contact that ended at `now`.

    `settings` can only ask for more time or fewer attempts than the ladder. Raises `MissingFact`
    when the code's promise, instalment or callback is not in `state`.
    """
    if state.closed:
        return Next(action=StepAction.DONE, reason=StepReason.ACCOUNT_CLOSED)
    case = _Case(ended, _own(history, ended), state, now)
    entry = disposition(ended.code)
    tries = _times(entry, ended, case.history, now - entry.tries_within)
    place = _place_on_ladder(entry, tries)
    rung = place.rung
    if rung.action is StepAction.DONE:
        return Next(action=StepAction.DONE, tries=tries, reason=StepReason.NEVER_AGAIN)
    if rung.uses is not None:
        return _step_at_known_instant(case, rung, tries)
    if (
        settings.max_attempts is not None
        and rung.action is StepAction.RETRY_AT
        and state.attempts >= settings.max_attempts
    ):
        return Next(action=StepAction.DONE, tries=tries, reason=StepReason.ATTEMPTS_SPENT)
    earliest = _after_delay(rung, state, now, is_holiday)
    if rung.action is StepAction.RETRY_AT:
        earliest = max(earliest, now + timedelta(seconds=settings.min_gap_s))
    if rung.action is StepAction.WAIT_FOR_EVENT:
        return Next(
            action=StepAction.WAIT_FOR_EVENT,
            not_before=earliest if earliest > now else None,
            waits_for=rung.waits_for,
            tries=tries,
            reason=StepReason.WAITING,
        )
    return _retry(case, place, earliest, tries)


class _Case(NamedTuple):
    """What a question is about; `history` is only the person's own."""

    ended: EndedContact
    history: tuple[HistoryEvent, ...]
    state: AccountState
    now: datetime


def _own(history: tuple[HistoryEvent, ...], ended: EndedContact) -> tuple[HistoryEvent, ...]:
    if ended.person_id is None:
        return history
    mine = (None, ended.person_id)
    return tuple(event for event in history if event.person_id in mine)


# --- the ladder ------------------------------------------------------------------------------


class _Place(NamedTuple):
    rung: Rung
    spent: bool
    """A lower rung's tries are used up."""
    borrowed_tries: int
    """Tries that another code's ladder counts as its own, after `as_code`."""


def _place_on_ladder(entry: Disposition, tries: int) -> _Place:
    index = next(
        place for place, rung in enumerate(entry.retry) if rung.up_to is None or tries <= rung.up_to
    )
    rung = entry.retry[index]
    if rung.as_code is None:
        return _Place(rung, index > 0, 0)
    covered = entry.retry[index - 1].up_to or 0 if index else 0
    borrowed = tries - covered
    return _Place(_place_on_ladder(disposition(rung.as_code), borrowed).rung, True, borrowed)


def _times(
    entry: Disposition, ended: EndedContact, history: tuple[HistoryEvent, ...], since: datetime
) -> int:
    """How often the code's outcome was seen after `since` and the last talk, this time included."""
    if entry.outcome is None:
        return 1
    kinds = RANG if entry.outcome in RANG else frozenset({entry.outcome})
    times = 1
    for event in reversed(history):
        if event.at <= since:
            break
        if event.event_id == ended.event_id:
            continue
        if entry.tries_per is TriesPer.POINT and event.contact_point_id != ended.contact_point_id:
            continue
        if event.kind in SUCCESSES:
            break
        if event.kind in kinds:
            times += 1
    return times


def _after_delay(
    rung: Rung, state: AccountState, now: datetime, is_holiday: HolidayPredicate
) -> datetime:
    if rung.business_days:
        # The whole of the last business day is still the person's.
        last = add_business_days(local_date(now, state.zones), rung.business_days, is_holiday)
        return max(now, start_of_day(last + timedelta(days=1), state.zones))
    return now + max(rung.delay, *_country_delays(rung, state.country), timedelta(0))


def _country_delays(rung: Rung, country: str | None) -> Iterator[timedelta]:
    return (delay for place, delay in rung.by_country.items() if country in (None, place))


def _step_at_known_instant(case: _Case, rung: Rung, tries: int) -> Next:
    state, now = case.state, case.now
    if rung.uses is StateInstant.CALLBACK:
        if state.callback is None:
            raise MissingFact(case.ended.code, "callback")
        return Next(
            action=StepAction.CALLBACK,
            not_before=max(now, state.callback.due_at),
            mode=Mode.CALLBACK,
            agent_id=state.callback.agent_id,
            tries=tries,
            reason=StepReason.CALLBACK_AGREED,
        )
    if rung.uses is StateInstant.FIRST_ALLOWED:
        if state.first_allowed is None:
            return Next(
                action=StepAction.WAIT_FOR_EVENT,
                waits_for=rung.waits_for,
                tries=tries,
                reason=StepReason.LEGAL_WAIT,
            )
        return Next(
            action=StepAction.RETRY_AT,
            not_before=max(now, state.first_allowed),
            tries=tries,
            reason=StepReason.LEGAL_WAIT,
        )
    if rung.uses is StateInstant.PROMISE_REVIEW_AT:
        field, review_at = "promise_review_at", state.promise_review_at
    else:
        field, review_at = "instalment_review_at", state.instalment_review_at
    if review_at is None:
        raise MissingFact(case.ended.code, field)
    return Next(
        action=rung.action,
        not_before=max(now, review_at),
        waits_for=rung.waits_for,
        tries=tries,
        reason=StepReason.PROMISE_OPEN,
    )


def _retry(case: _Case, place: _Place, earliest: datetime, tries: int) -> Next:
    state, now = case.state, case.now
    rung = place.rung
    reason = StepReason.TRIES_SPENT if place.spent else StepReason.RETRY_DELAY
    if rung.point is PointPolicy.NEXT_PHONE and earliest == now:
        reason = StepReason.NEXT_CONTACT_POINT
    if case.ended.code is DispositionCode.ABANDONED:
        reason = StepReason.ABANDONED_GUARD
    other_day = False
    if rung.max_per_day is not None:
        unanswered = max(place.borrowed_tries, 1) + _unanswered_earlier_today(case)
        if unanswered >= rung.max_per_day:
            reason, other_day = StepReason.DAILY_LIMIT, True
            earliest = max(earliest, _next_day(state, now))
    if state.zones and (other_day or rung.point is PointPolicy.OTHER_DAYPART):
        zone = state.zones[0]
        earliest = best_daypart(earliest, zone, _daypart_tries(case, zone))
    if state.promise_review_at is not None and state.promise_review_at > earliest:
        earliest, reason = state.promise_review_at, StepReason.PROMISE_OPEN
    return Next(
        action=StepAction.RETRY_AT,
        not_before=earliest,
        point=rung.point,
        mode=rung.mode,
        tries=tries,
        reason=reason,
    )


# --- days and dayparts -----------------------------------------------------------------------


def _unanswered_earlier_today(case: _Case) -> int:
    """Unanswered calls to the person before this one today; in 24 h when no zone is known."""
    zones = case.state.zones
    today = local_date(case.now, zones)
    count = 0
    for event in reversed(case.history):
        if case.now - event.at >= _LONGEST_DAY:
            break
        same_day = (
            local_date(event.at, zones) == today
            if zones
            else case.now - event.at < timedelta(hours=24)
        )
        if same_day and event.kind in RANG and event.event_id != case.ended.event_id:
            count += 1
    return count


def _next_day(state: AccountState, now: datetime) -> datetime:
    if not state.zones:
        return now + timedelta(hours=24)
    return start_of_day(local_date(now, state.zones) + timedelta(days=1), state.zones)


def daypart_of(at: datetime, zone: str) -> int | None:
    """Index in `DAYPARTS` of an instant's local time; None at night."""
    return _DAYPART_OF_HOUR[at.astimezone(zone_info(zone)).hour]


def _daypart_tries(case: _Case, zone: str) -> list[int]:
    """Fruitless dials of the same contact point by daypart, with the one that ended now."""
    instants = [case.now]
    for event in reversed(case.history):
        if event.at <= case.now - _DAYPART_MEMORY:
            break
        if (
            event.kind in _WASTED
            and event.contact_point_id == case.ended.contact_point_id
            and event.event_id != case.ended.event_id
        ):
            instants.append(event.at)
    tries = [0] * len(DAYPARTS)
    for at in instants:
        daypart = daypart_of(at, zone)
        if daypart is not None:
            tries[daypart] += 1
    return tries


def best_daypart(earliest: datetime, zone: str, tries: list[int]) -> datetime:
    """The instant at or after `earliest` that opens the daypart tried least, the sooner first.

    Looks 24 hours ahead, so that the wait stays bounded. `tries` counts by index of `DAYPARTS`.
    """
    best: tuple[int, datetime] | None = None
    horizon = earliest + _DAYPART_SEARCH
    first_day = earliest.astimezone(zone_info(zone)).date()
    for days in range(3):
        for index, (start, end) in enumerate(_dayparts_on(first_day + timedelta(days=days), zone)):
            if end <= earliest:
                continue
            at = max(earliest, start)
            if at >= horizon:
                return best[1] if best else earliest
            if not tries[index]:
                return at  # none is tried less, and what follows is later
            if best is None or tries[index] < best[0]:
                best = (tries[index], at)
    return best[1] if best else earliest


@lru_cache(maxsize=4096)
def _dayparts_on(day: date, zone: str) -> tuple[tuple[datetime, datetime], ...]:
    """Start and end of each daypart of a local day, in UTC."""

    def instant(hour: int) -> datetime:
        return datetime.combine(day, time(hour), tzinfo=zone_info(zone)).astimezone(UTC)

    return tuple((instant(start), instant(end)) for start, end in DAYPARTS)


# --- effects ---------------------------------------------------------------------------------


def due_effects(
    ended: EndedContact, history: tuple[HistoryEvent, ...], country: str | None, now: datetime
) -> tuple[Effect, ...]:
    """The effects of the code that take place now: those whose conditions are met.

    `country` is the residence (ISO 3166-1). An effect limited to some countries also applies
    when it is not known.
    """
    entry = disposition(ended.code)
    if not entry.effects:
        return ()
    own = _own(history, ended)
    return tuple(
        effect
        for effect in entry.effects
        if (country is None or not effect.only_in or country in effect.only_in)
        and (ended.written or not effect.if_written)
        and (effect.after == 1 or _times(entry, ended, own, now - effect.within) >= effect.after)
    )


def hold_ends_at(
    hold: Hold, now: datetime, zones: tuple[str, ...], is_holiday: HolidayPredicate
) -> datetime | None:
    """When a hold made at `now` ends by itself; None: only by its event, or by authority."""
    if hold.duration is not None:
        return now + hold.duration
    if hold.business_days is not None:
        last = add_business_days(local_date(now, zones), hold.business_days, is_holiday)
        return start_of_day(last + timedelta(days=1), zones)
    return None


def may_leave_message(history: tuple[HistoryEvent, ...], now: datetime) -> bool:
    """Whether a voicemail may be left: at most one in seven days, by any means of leaving it."""
    return not any(
        event.kind in _MESSAGES and now - event.at < _MESSAGE_WINDOW for event in history
    )
