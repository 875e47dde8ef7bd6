"""From the end of a contact to what the ledger keeps and where the account goes next. Pure.

`ended` judges what the telephone network saw, `disposed` what the agent said. Both give typed
bodies with the writes that ride on them, and the account's next place in its queue.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from campaigns import effects as fx
from campaigns.campaign import RetrySettings
from campaigns.dispositions import (
    Answerer,
    CallEnding,
    CallResult,
    DispositionCode,
    automatic_code,
    automatic_outcome,
    outcome_of,
)
from campaigns.effects import AlertKind, StepAction
from campaigns.model import AccountState, Callback, HolidayPredicate
from campaigns.next_contact import callback_life
from campaigns.retry import EndedContact, Next, due_effects, hold_ends_at, next_step
from compliance.messages import ContactPointFacts, HistoryEvent, PreferenceFact, Subject
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    DebtId,
    DecisionId,
    EventKind,
    PersonId,
    StreamKey,
    SuppressionScope,
)
from dialer.core.call import Call
from dialer.core.desk_messages import CallbackInput, PreferenceInput
from dialer.core.records import (
    AnyBody,
    AttemptEnded,
    CallbackRequested,
    DispositionSet,
    PromiseMade,
    to_ms,
)
from dialer.core.writes import (
    AddPreference,
    AddStatus,
    AddSuppression,
    CloseAttempt,
    CloseCallback,
    DisposeAttempt,
    ForbidWork,
    MoveEnrolment,
    OpenReview,
    SaveCallback,
    SaveNote,
    SavePromise,
    SetDebtStatus,
    SetLanguage,
    SetPointRole,
    SetValidity,
    Write,
)

EVENT_RECHECK = timedelta(days=30)
"""An account that waits for an event and not for an instant is looked at again after this."""

NewId = Callable[[], str]


class Contact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was known when an attempt was planned, kept until its outcome is durable."""

    attempt_id: DecisionId
    person_id: PersonId
    account_id: AccountId
    campaign_id: CampaignId
    point: ContactPointFacts
    debt_ids: tuple[DebtId, ...]
    subject: Subject
    history: tuple[HistoryEvent, ...]
    event_id: str = ""
    """The attempt's own event, once it is appended."""
    links: tuple[StreamKey, ...] = ()
    """Streams shared with other people that this contact moves."""
    segment: str = ""
    callback: Callback | None = None
    """The person's request that this attempt answers."""
    callback_id: str | None = None
    promise_review_at: datetime | None = None
    attempts: int = 0
    """Of the campaign on the account, this one included."""
    retry: RetrySettings = RetrySettings()

    @property
    def country(self) -> str | None:
        residence = self.subject.person.residence
        return residence.country if residence is not None else None

    @property
    def zones(self) -> tuple[str, ...]:
        person = self.subject.person
        if person.declared_zone is not None:
            return (person.declared_zone,)
        return person.zones or self.point.zones

    def account_state(self, **changes: object) -> AccountState:
        state = AccountState(
            account_id=self.account_id,
            country=self.country,
            zones=self.zones,
            attempts=self.attempts,
            promise_review_at=self.promise_review_at,
        )
        return msgspec.structs.replace(state, **changes) if changes else state


class Place(NamedTuple):
    """Where an account goes in its campaign's queue."""

    state: str
    not_before_ms: int
    reason: str


class Recorded(NamedTuple):
    """One event to append with what rides on it."""

    body: AnyBody
    writes: tuple[Write, ...]


class Outcome(NamedTuple):
    """All that follows from an end or a disposition."""

    recorded: tuple[Recorded, ...]
    place: Place | None
    """None: the account stays leased; an agent's disposition is still to come."""
    code: DispositionCode | None
    alerts: tuple[AlertKind, ...] = ()


# --- the network's word ---------------------------------------------------------------------


def call_result(call: Call) -> CallResult:
    """How the call ended, in campaign logic's words."""
    unknown = call.reconciled or call.cause is None
    ending = CallEnding.UNKNOWN if unknown else CallEnding(str(call.cause))
    return CallResult(
        ending=ending,
        rang=call.ringing_at is not None,
        answered=call.answered_at is not None,
        answerer=Answerer(call.amd_verdict) if call.amd_verdict is not None else None,
        bridged=call.bridged_at is not None,
        abandoned=call.abandoned,
    )


def ended(
    contact: Contact, call: Call, now: datetime, is_holiday: HolidayPredicate, new_id: NewId
) -> Outcome:
    """The call is over. A bridged call waits for its agent's word; every other is judged here."""
    result = call_result(call)
    code = automatic_code(result)
    body = AttemptEnded(
        attempt_id=contact.attempt_id,
        outcome=automatic_outcome(result),
        code=code or "",
        cause=str(call.cause or ""),
        provider_code=call.provider_code,
        ring_ms=call.ring_ms,
        amd=call.amd_verdict,
        amd_ms=call.amd_ms,
        connect_ms=call.connect_ms,
        talk_ms=call.talk_ms,
        agent_id=call.agent_id,
        reconciled=call.reconciled,
    )
    if code is None:
        return Outcome((Recorded(body, (CloseAttempt(),)),), None, None)
    return _judged(contact, body, (CloseAttempt(),), code, now, is_holiday, new_id)


def lost(
    contact: Contact,
    now: datetime,
    is_holiday: HolidayPredicate,
    new_id: NewId,
    note: str,
    *,
    disposed: bool = False,
) -> Outcome:
    """Nobody knows what became of the attempt: it counts as if it had rung.

    `disposed`: its agent has said what it was (the person then spoke on with somebody outside);
    that stands, and so does the account's place.
    """
    body = AttemptEnded(
        attempt_id=contact.attempt_id,
        outcome=EventKind.DIAL_REQUESTED,
        code=DispositionCode.NO_ANSWER,
        cause="unknown",
        provider_code=note,
        reconciled=True,
    )
    if disposed:
        return Outcome((Recorded(body, (CloseAttempt(),)),), None, None)
    code = DispositionCode.NO_ANSWER
    return _judged(contact, body, (CloseAttempt(),), code, now, is_holiday, new_id)


def _judged(
    contact: Contact,
    body: AttemptEnded | DispositionSet,
    own_writes: tuple[Write, ...],
    code: DispositionCode,
    now: datetime,
    is_holiday: HolidayPredicate,
    new_id: NewId,
    *,
    state: AccountState | None = None,
    written: bool = False,
    given: tuple[Write, ...] = (),
) -> Outcome:
    end = EndedContact(
        code=code,
        contact_point_id=contact.point.contact_point_id,
        event_id=contact.event_id,
        person_id=contact.person_id,
        written=written,
    )
    now_state = state or contact.account_state()
    following = next_step(end, contact.history, now_state, now, is_holiday, contact.retry)
    place = _place(following, now)
    effects = due_effects(end, contact.history, contact.country, now)
    writes = [*own_writes, *given]
    alerts: list[AlertKind] = []
    for effect in effects:
        if isinstance(effect, fx.TrunkAlert):
            alerts.append(effect.alert)
        else:
            writes += _writes(effect, contact, code, now, is_holiday, new_id)
    writes.append(_move(contact, place, code))
    if contact.callback_id is not None:
        writes.append(CloseCallback(callback_id=contact.callback_id, state="done"))
    return Outcome((Recorded(body, tuple(writes)),), place, code, tuple(alerts))


def _place(following: Next, now: datetime) -> Place:
    reason = str(following.reason)
    if following.action is StepAction.DONE:
        return Place("done", 0, reason)
    at = following.not_before
    if at is None:
        return Place("waiting", to_ms(now + EVENT_RECHECK), str(following.waits_for or reason))
    return Place("waiting" if at > now else "ready", to_ms(max(at, now)), reason)


def _move(contact: Contact, place: Place, code: str | None) -> MoveEnrolment:
    return MoveEnrolment(
        campaign_id=contact.campaign_id,
        account_id=contact.account_id,
        state=place.state,
        not_before_ms=place.not_before_ms,
        reason=place.reason,
        attempts_added=0,
        code=code,
    )


# --- the agent's word -----------------------------------------------------------------------


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's disposition, checked and complete."""

    code: DispositionCode
    agent_id: str
    wrap_ms: int | None
    note: str = ""
    promise: SavePromise | None = None
    promise_review_at: datetime | None = None
    callback: CallbackInput | None = None
    preference: PreferenceInput | None = None
    language: str | None = None
    written: bool = False


def disposed(
    contact: Contact, said: Said, now: datetime, is_holiday: HolidayPredicate, new_id: NewId
) -> Outcome:
    """The agent said what it was. Raises `retry.MissingFact` when the code lacks its fact."""
    outcome = outcome_of(said.code, answered=True) or EventKind.CONVERSATION
    given: list[Write] = []
    more: list[Recorded] = []
    note_id: str | None = None
    if said.note:
        note_id = new_id()
        given.append(
            SaveNote(
                note_id=note_id,
                person_id=contact.person_id,
                account_id=contact.account_id,
                text=said.note,
                author=said.agent_id,
                at_ms=to_ms(now),
            )
        )
    if said.preference is not None:
        given += _preference(contact, said.preference, now, new_id)
    if said.language is not None:
        given.append(SetLanguage(person_id=contact.person_id, language=said.language))
    if said.promise is not None:
        given.append(said.promise)
        more.append(
            Recorded(
                PromiseMade(
                    promise_id=said.promise.promise_id,
                    attempt_id=contact.attempt_id,
                    debt_ids=(DebtId(said.promise.debt_id),),
                ),
                (),
            )
        )
    callback = None
    if said.callback is not None:
        callback, request = _callback(contact, said, said.callback, new_id)
        more.append(request)
    body = DispositionSet(
        attempt_id=contact.attempt_id,
        code=said.code,
        outcome=outcome,
        agent_id=said.agent_id,
        note_id=note_id,
        wrap_ms=said.wrap_ms,
    )
    state = contact.account_state(
        callback=callback,
        promise_review_at=said.promise_review_at or contact.promise_review_at,
    )
    judged = _judged(
        contact,
        body,
        (DisposeAttempt(),),
        said.code,
        now,
        is_holiday,
        new_id,
        state=state,
        written=said.written,
        given=tuple(given),
    )
    return judged._replace(recorded=(*judged.recorded, *more))


def _callback(
    contact: Contact, said: Said, wish: CallbackInput, new_id: NewId
) -> tuple[Callback, Recorded]:
    callback_id = new_id()
    own = said.agent_id if wish.own_agent else None
    request = CallbackRequested(
        attempt_id=contact.attempt_id,
        callback_id=callback_id,
        contact_point_id=contact.point.contact_point_id,
        due_ms=to_ms(wish.at),
        agent_id=own,
    )
    expires = wish.at + callback_life()
    save = SaveCallback(
        callback_id=callback_id,
        person_id=contact.person_id,
        account_id=contact.account_id,
        campaign_id=contact.campaign_id,
        contact_point_id=contact.point.contact_point_id,
        due_ms=to_ms(wish.at),
        expires_ms=to_ms(expires),
        agent_id=own,
    )
    fact = Callback(
        event_id=callback_id,
        due_at=wish.at,
        contact_point_id=contact.point.contact_point_id,
        agent_id=own,
    )
    return fact, Recorded(request, (save,))


def _preference(
    contact: Contact, wish: PreferenceInput, now: datetime, new_id: NewId
) -> list[Write]:
    writes: list[Write] = []
    if wish.allowed or wish.forbidden:
        writes.append(
            AddPreference(
                person_id=contact.person_id,
                preference=PreferenceFact(
                    preference_id=new_id(),
                    at=now,
                    channel=wish.channel,
                    allowed=wish.allowed,
                    forbidden=wish.forbidden,
                    source="conversation",
                ),
            )
        )
    if wish.refused:
        writes.append(
            AddSuppression(
                person_id=contact.person_id,
                suppression_id=new_id(),
                scope=SuppressionScope.CHANNEL,
                channel=wish.channel or Channel.VOICE,
                reason="preference",
                starts_ms=to_ms(now),
                created_by="conversation",
            )
        )
    return writes


# --- effects ----------------------------------------------------------------------------------


def _writes(
    effect: fx.Effect,
    contact: Contact,
    code: DispositionCode,
    now: datetime,
    is_holiday: HolidayPredicate,
    new_id: NewId,
) -> list[Write]:
    """An effect's writes. Effects that are read from history, or that the fields given with the
    disposition already carry (promise, callback, preference, language), write nothing."""
    person_id = contact.person_id
    point_id = contact.point.contact_point_id
    match effect:
        case fx.SetValidity():
            return [
                SetValidity(
                    person_id=person_id,
                    contact_point_id=point_id,
                    validity=effect.validity,
                    at_ms=to_ms(now),
                )
            ]
        case fx.SetRole():
            return [SetPointRole(person_id=person_id, contact_point_id=point_id, role=effect.role)]
        case fx.ForbidWork():
            return [ForbidWork(person_id=person_id, contact_point_id=point_id)]
        case fx.AddStatus():
            return [
                AddStatus(person_id=person_id, kind=effect.status, since_ms=to_ms(now), source=code)
            ]
        case fx.Suppress():
            ends = hold_ends_at(effect, now, contact.zones, is_holiday)
            return _suppressions(effect, contact, code, now, ends, new_id)
        case fx.HoldDebt():
            ends = hold_ends_at(effect, now, contact.zones, is_holiday)
            return _debt_holds(effect, contact, code, now, ends, new_id)
        case fx.OpenReview():
            return [
                OpenReview(
                    review_id=new_id(),
                    kind=effect.review,
                    person_id=person_id,
                    account_id=contact.account_id,
                    text=code,
                    source=f"attempt {contact.attempt_id}",
                    created_ms=to_ms(now),
                )
            ]
        case _:
            return []


def _suppressions(
    effect: fx.Suppress,
    contact: Contact,
    code: str,
    now: datetime,
    ends: datetime | None,
    new_id: NewId,
) -> list[Write]:
    channel = Channel.VOICE if effect.own_channel else effect.channel
    targets: tuple[str | None, ...] = (None,)
    if effect.scope is SuppressionScope.ACCOUNT:
        targets = (contact.account_id,)
    elif effect.scope is SuppressionScope.DEBT:
        targets = contact.debt_ids
    elif effect.scope is SuppressionScope.CONTACT_POINT:
        targets = (contact.point.contact_point_id,)
    return [
        AddSuppression(
            person_id=contact.person_id,
            suppression_id=new_id(),
            scope=effect.scope,
            target_id=target,
            channel=channel,
            reason=effect.reason,
            starts_ms=to_ms(now),
            ends_ms=None if ends is None else to_ms(ends),
            created_by=f"disposition {code}",
            evidence=contact.attempt_id,
        )
        for target in targets
    ]


def _debt_holds(
    effect: fx.HoldDebt,
    contact: Contact,
    code: str,
    now: datetime,
    ends: datetime | None,
    new_id: NewId,
) -> list[Write]:
    """A hold with an end is a suppression that ends by itself; one without is a status."""
    if ends is None:
        return [
            SetDebtStatus(person_id=contact.person_id, debt_id=debt_id, status=effect.status)
            for debt_id in contact.debt_ids
        ]
    return [
        AddSuppression(
            person_id=contact.person_id,
            suppression_id=new_id(),
            scope=SuppressionScope.DEBT,
            target_id=debt_id,
            reason=effect.status,
            starts_ms=to_ms(now),
            ends_ms=to_ms(ends),
            created_by=f"disposition {code}",
            evidence=contact.attempt_id,
        )
        for debt_id in contact.debt_ids
    ]
