"""Whose call comes in, and the contact that it becomes. Pure.

A caller's number proves nothing: it only says whose screen to prepare, and only where a single
person is known by it who owes. Every other caller meets a neutral screen until they name an
account, and the identity check is the same as for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from campaigns.dispositions import DispositionCode
from campaigns.next_contact import LIABLE
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    ContactPointId,
    DecisionId,
    EventKind,
    PartyRole,
    PersonId,
    StreamKey,
    Validity,
)
from dialer.core.call import Call
from dialer.core.flow_outcome import FlowWord
from dialer.core.outcome import Contact, NewId, Outcome, Place, Recorded
from dialer.core.records import (
    AttemptEnded,
    DispositionSet,
    InboundContact,
    InboundDisposed,
    InboundEnded,
    event_id,
    fold_history,
    to_ms,
)
from dialer.core.snapshots import AccountSnapshot
from dialer.core.writes import (
    CloseAttempt,
    CloseInbound,
    DisposeAttempt,
    DisposeInbound,
    MoveEnrolment,
    OpenInbound,
    SaveCallback,
    Write,
)

NOT_THEIRS = frozenset({Validity.WRONG_NUMBER, Validity.REASSIGNED, Validity.THIRD_PARTY})
CALLBACK_AFTER = timedelta(minutes=2)
"""Nobody is called back while they may still hold the telephone in their hand."""
CALLBACK_LIFE = timedelta(days=7)
"""A call to us is a wish to be called for seven days (12 CFR 1006.14(b)(3)(i))."""


UNKNOWN = "unknown"
"""Cause of an end that nobody saw."""


class MissedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call to us that no agent took."""

    began_at: datetime
    waited_ms: int | None = None
    """None: nobody knows."""
    cause: str = ""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An account of somebody whom a number, or a reference, points to."""

    person_id: PersonId
    account_id: AccountId
    contact_point_id: ContactPointId
    role: PartyRole
    """Of the person on the account."""
    point_role: PartyRole = PartyRole.HOLDER
    """Whose the number is said to be."""
    validity: Validity = Validity.UNVERIFIED
    shared: bool = False
    """Other people have the number, or it is somebody's reference."""
    priority: int = 0
    campaign_id: CampaignId | None = None
    """A campaign that this worker drives and that works the account."""


def by_number(candidates: Sequence[Candidate]) -> Candidate | None:
    """The one person whose number it is; None where it is anybody's guess.

    Of several accounts, one that a campaign works comes first, then the one of highest priority.
    """
    if len({c.person_id for c in candidates}) != 1:
        return None
    if any(c.shared or c.validity in NOT_THEIRS or c.point_role not in LIABLE for c in candidates):
        return None
    return _best(candidates)


def by_reference(candidates: Sequence[Candidate]) -> Candidate | None:
    """Who owes an account that a caller has named: its holder, or the next who is liable."""
    if len({c.account_id for c in candidates}) != 1:
        return None
    return _best(candidates)


def _best(candidates: Sequence[Candidate]) -> Candidate | None:
    liable = [c for c in candidates if c.role in LIABLE]
    if not liable:
        return None
    return min(
        liable,
        key=lambda c: (
            c.role is not PartyRole.HOLDER,
            c.campaign_id is None,
            -c.priority,
            c.account_id,
        ),
    )


def contact_of_call(
    account: AccountSnapshot, candidate: Candidate, call_id: str, campaign_id: CampaignId
) -> Contact | None:
    """The contact of an inbound call; None when the ledger has no such person or number."""
    person = next((p for p in account.people if p.person_id == candidate.person_id), None)
    if person is None:
        return None
    points = person.subject.contact_points
    point = next((p for p in points if p.contact_point_id == candidate.contact_point_id), None)
    if point is None:
        return None
    number = StreamKey(f"number:{point.address}")
    return Contact(
        attempt_id=DecisionId(call_id),
        person_id=candidate.person_id,
        account_id=candidate.account_id,
        campaign_id=campaign_id,
        point=point,
        debt_ids=tuple(
            debt.debt_id
            for debt in person.subject.debts
            if debt.account_id == candidate.account_id and debt.role in LIABLE
        ),
        subject=person.subject,
        history=fold_history(person.history()),
        links=(number,) if number in person.heads else (),
        segment=account.bucket,
        attempts=account.enrolment.attempts if account.enrolment is not None else 0,
    )


def received(contact: Contact, agent_id: str | None = None) -> Recorded:
    """What goes on record as soon as it is known who calls.

    `agent_id` has the caller on the line already.
    """
    body = InboundContact(
        kind=EventKind.INBOUND_CALL,
        channel=Channel.VOICE,
        contact_point_id=contact.point.contact_point_id,
        debt_ids=contact.debt_ids,
        campaign_id=contact.campaign_id,
        call_id=contact.attempt_id,
    )
    opened = OpenInbound(
        call_id=contact.attempt_id,
        account_id=contact.account_id,
        campaign_id=contact.campaign_id,
        contact_point_id=contact.point.contact_point_id,
        agent_id=agent_id,
    )
    return Recorded(body, (opened,))


def taken_up_again(
    account: AccountSnapshot, candidate: Candidate, call_id: str, campaign_id: CampaignId
) -> Contact | None:
    """The contact of a call that another life of the engine took, from today's facts."""
    contact = contact_of_call(account, candidate, call_id, campaign_id)
    if contact is None:
        return None
    for person in account.people:
        for row in person.rows:
            if isinstance(row.body, InboundContact) and row.body.call_id == call_id:
                number = event_id(person.person_id, row.seq)
                return msgspec.structs.replace(contact, event_id=number)
    return contact


def cut_off(contact: Contact, agent_id: str | None) -> Recorded:
    """The engine died while somebody spoke with the caller: no more is known of it."""
    body = InboundEnded(
        call_id=contact.attempt_id,
        outcome=EventKind.CONVERSATION,
        cause=UNKNOWN,
        agent_id=agent_id,
    )
    return Recorded(body, (CloseInbound(call_id=contact.attempt_id, agent_id=agent_id),))


def of_inbound(outcome: Outcome) -> Outcome:
    """The same outcome for a call to us: no attempt of ours ended, and none was disposed of."""
    return outcome._replace(recorded=tuple(_inbound(recorded) for recorded in outcome.recorded))


def _inbound(recorded: Recorded) -> Recorded:
    body = recorded.body
    writes = tuple(w for w in recorded.writes if not isinstance(w, CloseAttempt | DisposeAttempt))
    if isinstance(body, AttemptEnded):
        return Recorded(
            InboundEnded(
                call_id=body.attempt_id,
                outcome=body.outcome,
                cause=body.cause,
                wait_ms=body.connect_ms,
                talk_ms=body.talk_ms,
                agent_id=body.agent_id,
                code=body.code,
                flow=body.flow,
            ),
            (*writes, CloseInbound(call_id=body.attempt_id, agent_id=body.agent_id)),
        )
    if isinstance(body, DispositionSet):
        return Recorded(
            InboundDisposed(
                call_id=body.attempt_id,
                code=body.code,
                outcome=body.outcome,
                agent_id=body.agent_id,
                note_id=body.note_id,
                wrap_ms=body.wrap_ms,
            ),
            (*writes, DisposeInbound(call_id=body.attempt_id)),
        )
    return recorded


def flow_served(call: Call, word: FlowWord) -> bool:
    """Whether a flow did something for the caller, so that nobody has to call back.

    Who hangs up before anything came of it, or while waiting for an agent, is a missed caller; and
    so is whoever was cut off by a fault of ours.
    """
    if word.code is DispositionCode.HUNG_UP_BEFORE_TALK:
        return call.given_up_by == "flow"
    return word.code is not DispositionCode.TECHNICAL_ERROR


def missed(
    contact: Contact,
    call: MissedCall,
    now: datetime,
    new_id: NewId,
    *,
    call_back: bool,
) -> tuple[Recorded, Place | None]:
    """Nobody spoke with the caller: what goes on record, and where the account goes.

    With `call_back` the person is called back, by whoever the gate lets; their call is the wish
    that the callback answers.
    """
    body = InboundEnded(
        call_id=contact.attempt_id,
        outcome=EventKind.INBOUND_CALL,
        missed=True,
        cause=call.cause,
        wait_ms=call.waited_ms,
    )
    over = CloseInbound(call_id=contact.attempt_id)
    due, wished_until = now + CALLBACK_AFTER, call.began_at + CALLBACK_LIFE
    if not call_back or due >= wished_until:
        return Recorded(body, (over,)), None
    place = Place("waiting", to_ms(due), "missed_inbound")
    writes: tuple[Write, ...] = (
        over,
        SaveCallback(
            callback_id=new_id(),
            person_id=contact.person_id,
            account_id=contact.account_id,
            campaign_id=contact.campaign_id,
            contact_point_id=contact.point.contact_point_id,
            due_ms=to_ms(due),
            expires_ms=to_ms(wished_until),
            agent_id=None,
            asked_by=contact.event_id,
        ),
        MoveEnrolment(
            campaign_id=contact.campaign_id,
            account_id=contact.account_id,
            state=place.state,
            not_before_ms=place.not_before_ms,
            reason=place.reason,
        ),
    )
    return Recorded(body, writes), place
