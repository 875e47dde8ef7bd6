"""Whom to call on which number, and what to name: the choice before the gate is asked. Pure.

The choice is about *which*; the gate alone decides about *whether*. So a number that this person
may not be called on is passed over here, but a stop on the whole person is left for the gate to
find and to record.

Runs once for every claimed account, so it reads history once and makes no needless objects.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple

from campaigns.dispositions import DispositionCode, disposition
from campaigns.effects import DemotePhone, ScheduleCallback
from campaigns.model import RANG, SUCCESSES, Callback
from compliance.messages import ContactPointFacts, HistoryEvent, Message, Subject
from compliance.types import (
    AccountId,
    Channel,
    ContactPointId,
    ContactPointKind,
    DebtId,
    DebtStatus,
    EventKind,
    PartyRole,
    PointLabel,
    SuppressionScope,
    Validity,
)

TRIES_PER_TURN: Final = 2
"""Fruitless tries on one phone before the next phone has its turn."""

HISTORY_WINDOW: Final = timedelta(days=30)
"""Older tries no longer count; history should reach back this far."""

LIABLE: Final = frozenset(
    {
        PartyRole.HOLDER,
        PartyRole.CO_DEBTOR,
        PartyRole.GUARANTOR,
        PartyRole.PARENT_OF_MINOR,
        PartyRole.LEGAL_GUARDIAN,
        PartyRole.EXECUTOR,
        PartyRole.REPRESENTATIVE,
    }
)
"""Roles that a campaign calls by itself. A spouse is a third party in most of Latin America, and
an attorney is written to by a person who knows the case."""

COLLECTABLE: Final = frozenset({DebtStatus.CURRENT, DebtStatus.OVERDUE, DebtStatus.CHARGED_OFF})

_POINT_KIND: Final = {
    Channel.VOICE: ContactPointKind.PHONE,
    Channel.RINGLESS_VOICEMAIL: ContactPointKind.PHONE,
    Channel.SMS: ContactPointKind.PHONE,
    Channel.WHATSAPP: ContactPointKind.WHATSAPP,
    Channel.EMAIL: ContactPointKind.EMAIL,
    Channel.LETTER: ContactPointKind.POSTAL,
    Channel.VISIT: ContactPointKind.POSTAL,
}
_LABEL_ORDER: Final[dict[str, int]] = {
    PointLabel.MOBILE.value: 0,
    PointLabel.HOME.value: 1,
    PointLabel.UNKNOWN.value: 2,
    PointLabel.OTHER.value: 3,
    PointLabel.WORK.value: 4,
    PointLabel.HOSPITAL.value: 5,
}
_REACHED: Final = 0
_FRUITLESS: Final = 1
_ABANDONED: Final = 2

# Keyed by the plain string: an enum member's own hash is computed in Python, which a loop over
# history feels.
_DIALS: Final[dict[str, int]] = {
    **{kind.value: _REACHED for kind in SUCCESSES},
    **{
        kind.value: _FRUITLESS
        for kind in (
            *RANG,
            EventKind.NOT_CONNECTED_BUSY,
            EventKind.NOT_CONNECTED_OUT_OF_SERVICE,
            EventKind.MACHINE_NO_MESSAGE,
            EventKind.MACHINE_MESSAGE,
            EventKind.MAILBOX_FULL,
            EventKind.FAX,
            EventKind.ANSWERED_DROPPED,
            EventKind.ANSWERED_WRONG_PARTY,
            EventKind.ANSWERED_THIRD_PARTY,
        )
    },
    EventKind.ABANDONED.value: _ABANDONED,
}
"""Calls that came to something, by what they say of the number. A network's refusal says
nothing, and an abandoned call is our own fault."""
_LIABLE_VALUES: Final = frozenset(role.value for role in LIABLE)
_COLLECTABLE_VALUES: Final = frozenset(status.value for status in COLLECTABLE)
_VALIDITY_ORDER: Final[dict[str, int]] = {
    Validity.VERIFIED_RIGHT_PARTY.value: 0,
    Validity.UNVERIFIED.value: 1,
    Validity.THIRD_PARTY.value: 2,
}
"""A validity that is not here is a dead one."""


class ChoiceReason(StrEnum):
    """What spoke for this contact point."""

    CALLBACK = "callback"
    """The person asked to be called on it."""
    VERIFIED = "verified"
    LAST_SUCCESS = "last_success"
    BEST_RANKED = "best_ranked"
    NEXT_PHONE = "next_phone"
    """Better ones have had their tries and it is this one's turn."""
    LAST_RESORT = "last_resort"
    """Every usable one is demoted; new numbers should be looked for."""


class Missing(StrEnum):
    """What an account lacks for a contact."""

    COLLECTABLE_DEBT = "collectable_debt"
    """Nothing to name: paid, held, suppressed, or of somebody else."""
    CONTACT_POINT = "contact_point"
    """None of the channel's kind is known: skip trace."""
    LIVE_CONTACT_POINT = "live_contact_point"
    """All are dead, or belong to others: skip trace."""
    PERMITTED_CONTACT_POINT = "permitted_contact_point"
    """There are live ones, but the person closed them (opted out, no work calls ...)."""


class Skip(StrEnum):
    """Why a contact point was passed over."""

    OTHER_KIND = "other_kind"
    DEAD = "dead"
    NOT_LIABLE = "not_liable"
    OPTED_OUT = "opted_out"
    WORK_FORBIDDEN = "work_forbidden"
    PREFERENCE = "preference"
    SUPPRESSED = "suppressed"
    EXCLUDED = "excluded"


_GONE: Final = frozenset({Skip.DEAD, Skip.NOT_LIABLE})


class ContactChoice(Message, frozen=True, kw_only=True):
    """The contact to put before the gate."""

    contact_point_id: ContactPointId
    debt_ids: tuple[DebtId, ...]
    """All of the account's debts that may be named."""
    reason: ChoiceReason
    neutral_until_verified: bool = False
    """Somebody else may answer: shared, a third party's, or somebody's reference."""
    preview_only: bool = False
    """The last call was abandoned; an agent must be ready before this one."""
    answers_event_id: str | None = None
    agent_id: str | None = None
    """The agent that the callback was promised; None: any."""


class Exhausted(Message, frozen=True, kw_only=True):
    """There is nothing to put before the gate."""

    missing: Missing
    skipped: tuple[tuple[ContactPointId, Skip], ...] = ()

    @property
    def wants_skip_trace(self) -> bool:
        """New contact data would help."""
        return self.missing in (Missing.CONTACT_POINT, Missing.LIVE_CONTACT_POINT)


def choose(
    subject: Subject,
    account_id: AccountId,
    history: tuple[HistoryEvent, ...],
    now: datetime,
    *,
    channel: Channel = Channel.VOICE,
    callback: Callback | None = None,
    exclude: AbstractSet[ContactPointId] = frozenset(),
) -> ContactChoice | Exhausted:
    """Choose the contact point and debts for the next contact about an account.

    Never a point that is dead, opted out, work-forbidden, suppressed, or of somebody who does
    not owe. Among the rest: a live callback's own number first; then whichever has not had its
    two tries, verified before not, then the last one the person was reached on, then those that
    nobody shares, then rank, label, and the one left alone longest. Demoted ones come last.

    `history` is oldest first. `exclude` names points that the gate has just refused.
    """
    debt_ids = _nameable(subject, account_id, now, channel)
    if not debt_ids:
        return Exhausted(missing=Missing.COLLECTABLE_DEBT)
    tried = _usable(subject, now, channel, exclude)
    if not tried:
        return _exhausted(subject, now, channel, exclude)
    preview_only = _read_history(tried, subject, history, now)
    if callback is not None and callback_is_live(callback, now):
        asked = tried.get(callback.contact_point_id) if callback.contact_point_id else None
        best = asked or min(tried.values(), key=_order)
        reason = ChoiceReason.CALLBACK
    else:
        callback = None
        best = min(tried.values(), key=_order)
        reason = _reason(best, tried)
    point = best.point
    return ContactChoice(
        contact_point_id=point.contact_point_id,
        debt_ids=debt_ids,
        reason=reason,
        neutral_until_verified=bool(
            point.shared_with or point.also_reference or point.validity is Validity.THIRD_PARTY
        ),
        preview_only=preview_only and callback is None,
        answers_event_id=callback.event_id if callback else None,
        agent_id=callback.agent_id if callback else None,
    )


def callback_is_live(callback: Callback, now: datetime) -> bool:
    """Whether a callback may still be made as one, or has expired and the account is ordinary."""
    return now < callback.due_at + callback_life()


@cache
def callback_life() -> timedelta:
    """How long after the agreed instant a callback may still be made as one."""
    effects = disposition(DispositionCode.CALLBACK).effects
    return next(effect.expires for effect in effects if isinstance(effect, ScheduleCallback))


# --- what may be used ------------------------------------------------------------------------


class _Tried:
    """A usable contact point with what history says of it since the person was last reached."""

    __slots__ = ("demoted", "fruitless", "last_at", "point", "reached_at", "times")

    def __init__(self, point: ContactPointFacts) -> None:
        self.point = point
        self.fruitless = 0
        self.last_at: datetime | None = None
        """Newest fruitless try."""
        self.reached_at: datetime | None = None
        self.demoted = False
        self.times: dict[str, int] | None = None


def _nameable(
    subject: Subject, account_id: AccountId, now: datetime, channel: Channel
) -> tuple[DebtId, ...]:
    if subject.suppressions and account_id in _suppressed(
        subject, SuppressionScope.ACCOUNT, now, channel
    ):
        return ()
    stopped = (
        _suppressed(subject, SuppressionScope.DEBT, now, channel) if subject.suppressions else ()
    )
    return tuple(
        [
            debt.debt_id
            for debt in subject.debts
            if debt.account_id == account_id
            and debt.status._value_ in _COLLECTABLE_VALUES
            and debt.role._value_ in _LIABLE_VALUES
            and debt.debt_id not in stopped
        ]
    )


def _usable(
    subject: Subject, now: datetime, channel: Channel, exclude: AbstractSet[ContactPointId]
) -> dict[ContactPointId, _Tried]:
    labels = _forbidden_labels(subject, now, channel) if subject.preferences else frozenset()
    suppressed = (
        _suppressed(subject, SuppressionScope.CONTACT_POINT, now, channel)
        if subject.suppressions
        else frozenset()
    )
    kind = _POINT_KIND[channel]
    return {
        point.contact_point_id: _Tried(point)
        for point in subject.contact_points
        if _skip(point, kind, labels, suppressed, exclude) is None
    }


def _skip(
    point: ContactPointFacts,
    kind: ContactPointKind,
    labels: AbstractSet[PointLabel],
    suppressed: AbstractSet[str],
    exclude: AbstractSet[ContactPointId],
) -> Skip | None:
    if point.kind is not kind:
        return Skip.OTHER_KIND
    if point.validity._value_ not in _VALIDITY_ORDER:
        return Skip.DEAD
    if point.role._value_ not in _LIABLE_VALUES:
        return Skip.NOT_LIABLE
    if point.opted_out_at is not None:
        return Skip.OPTED_OUT
    if point.work_forbidden:
        return Skip.WORK_FORBIDDEN
    if point.label in labels:
        return Skip.PREFERENCE
    if point.contact_point_id in suppressed:
        return Skip.SUPPRESSED
    if point.contact_point_id in exclude:
        return Skip.EXCLUDED
    return None


def _suppressed(
    subject: Subject, scope: SuppressionScope, now: datetime, channel: Channel
) -> frozenset[str]:
    """Targets of the suppressions of one scope that are in force."""
    return frozenset(
        fact.target_id
        for fact in subject.suppressions
        if fact.scope is scope
        and fact.target_id is not None
        and fact.channel in (None, channel)
        and fact.starts_at <= now
        and (fact.ends_at is None or now < fact.ends_at)
    )


def _forbidden_labels(subject: Subject, now: datetime, channel: Channel) -> frozenset[PointLabel]:
    return frozenset(
        label
        for preference in subject.preferences
        if preference.channel in (None, channel)
        and (preference.expires_at is None or now < preference.expires_at)
        for label in preference.forbidden_labels
    )


def _exhausted(
    subject: Subject, now: datetime, channel: Channel, exclude: AbstractSet[ContactPointId]
) -> Exhausted:
    labels = _forbidden_labels(subject, now, channel)
    suppressed = _suppressed(subject, SuppressionScope.CONTACT_POINT, now, channel)
    kind = _POINT_KIND[channel]
    skipped = []
    for point in subject.contact_points:
        skip = _skip(point, kind, labels, suppressed, exclude)
        if skip is not None and skip is not Skip.OTHER_KIND:
            skipped.append((point.contact_point_id, skip))
    missing = Missing.PERMITTED_CONTACT_POINT
    if not skipped:
        missing = Missing.CONTACT_POINT
    elif all(skip in _GONE for _, skip in skipped):
        missing = Missing.LIVE_CONTACT_POINT
    return Exhausted(missing=missing, skipped=tuple(skipped))


# --- what history says -----------------------------------------------------------------------


class _Demotion(NamedTuple):
    """After so many within the window a phone is demoted; both unanswered kinds count as one."""

    key: str
    after: int
    window: timedelta


@cache
def _demotions() -> dict[str, _Demotion]:
    """By outcome, as the table of dispositions says."""
    rules: dict[str, _Demotion] = {}
    for code in DispositionCode:
        entry = disposition(code)
        for effect in entry.effects:
            if isinstance(effect, DemotePhone) and entry.outcome is not None:
                rule = _Demotion(entry.outcome.value, effect.after, effect.within)
                for kind in RANG if entry.outcome in RANG else (entry.outcome,):
                    rules[kind.value] = rule
    return rules


def _read_history(
    tried: dict[ContactPointId, _Tried],
    subject: Subject,
    history: tuple[HistoryEvent, ...],
    now: datetime,
) -> bool:
    """Fill in `tried`; true when the person's last call was abandoned."""
    person_id = subject.person.person_id
    since = now - HISTORY_WINDOW
    demotions = _demotions()
    newest: int | None = None
    for event in reversed(history):
        at = event.at
        if at <= since:
            break
        kind = event.kind._value_
        meaning = _DIALS.get(kind)
        if meaning is None or event.misdirected:
            continue
        if event.person_id != person_id and event.person_id is not None:
            continue
        if newest is None:
            newest = meaning
        point_id = event.contact_point_id
        entry = tried.get(point_id) if point_id is not None else None
        if entry is None or entry.reached_at is not None:
            continue
        if meaning == _REACHED:
            entry.reached_at = at
        elif meaning == _FRUITLESS:
            entry.fruitless += 1
            if entry.last_at is None:
                entry.last_at = at
            rule = demotions.get(kind)
            if rule is not None and at > now - rule.window:
                _count(entry, rule)
    return newest == _ABANDONED


def _count(entry: _Tried, rule: _Demotion) -> None:
    if entry.times is None:
        entry.times = {}
    times = entry.times.get(rule.key, 0) + 1
    entry.times[rule.key] = times
    if times >= rule.after:
        entry.demoted = True


_Order = tuple[bool, int, int, float, bool, int, int, float, str]


def _order(entry: _Tried) -> _Order:
    """Sort key: the smallest is called."""
    point = entry.point
    return (
        entry.demoted,
        entry.fruitless // TRIES_PER_TURN,
        _VALIDITY_ORDER[point.validity._value_],
        -entry.reached_at.timestamp() if entry.reached_at is not None else 0.0,
        point.also_reference or bool(point.shared_with),
        point.rank,
        _LABEL_ORDER[point.label._value_],
        entry.last_at.timestamp() if entry.last_at is not None else 0.0,
        point.contact_point_id,
    )


def _reason(best: _Tried, tried: dict[ContactPointId, _Tried]) -> ChoiceReason:
    if best.demoted:
        return ChoiceReason.LAST_RESORT
    turn = best.fruitless // TRIES_PER_TURN
    if len(tried) > 1 and any(
        other.demoted or other.fruitless // TRIES_PER_TURN > turn for other in tried.values()
    ):
        return ChoiceReason.NEXT_PHONE
    if best.point.validity is Validity.VERIFIED_RIGHT_PARTY:
        return ChoiceReason.VERIFIED
    if best.reached_at is not None:
        return ChoiceReason.LAST_SUCCESS
    return ChoiceReason.BEST_RANKED
