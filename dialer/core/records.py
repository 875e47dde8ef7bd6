"""What the ledger says about a person: one typed body for each kind of event.

A body is small, holds ids and codes but no name, number or amount of money owed (so that
personal data can be erased while the chain stays whole), and is what facts are rebuilt from.
The large proof of a decision travels beside it, in the event's `record`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Literal

import msgspec

from compliance.messages import HistoryEvent
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    ContactPointId,
    ContentClass,
    CreditorId,
    DebtId,
    DecisionId,
    EventKind,
    Mode,
    PersonId,
    PointLabel,
    Purpose,
    StreamKey,
)


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="t", gc=False):
    """Base of every event body; `t` names its kind in JSON and in the ledger's `kind` column."""


class PersonImported(Body, frozen=True, kw_only=True, tag="person_imported"):
    """First event of every person's stream."""

    job_id: str
    portfolio_id: str


class SubjectChanged(Body, frozen=True, kw_only=True, tag="subject_changed"):
    """Something the gate depends on changed: a suppression, a consent, a number's validity ...

    The change itself is in the tables, in the same transaction; this event moves the head, so
    that a decision made from older facts loses its append.
    """

    change: str
    """`import`, `suppression`, `status`, `validity`, `opt_out`, `consent`, `preference`,
    `debt_status`, `shared`, `release` ..."""
    target: str = ""
    value: str = ""
    source: str = ""
    actor: str = ""


class AttemptPlanned(Body, frozen=True, kw_only=True, tag="attempt_planned"):
    """The gate allowed it and it is about to leave: decision and intent in one record."""

    attempt_id: DecisionId
    """Also the decision's and the call's id: one contact, one id."""
    campaign_id: CampaignId | None
    account_id: AccountId
    contact_point_id: ContactPointId
    channel: Channel
    mode: Mode
    debt_ids: tuple[DebtId, ...]
    creditor_id: CreditorId | None = None
    label: PointLabel | None = None
    content_class: ContentClass | None = None
    purpose: Purpose | None = None
    prerecorded: bool = False
    agent_id: str | None = None
    answers_event_id: str | None = None
    template: str | None = None
    """`NAME/VERSION` of the text of a written message."""
    template_hash: str | None = None
    text_sha256: str | None = None
    """Of the text exactly as it was to leave. The text itself is kept outside the chain."""


class ContactBlocked(Body, frozen=True, kw_only=True, tag="contact_blocked"):
    """The gate forbade it: the proof of a contact not made."""

    decision_id: DecisionId
    campaign_id: CampaignId | None
    account_id: AccountId
    contact_point_id: ContactPointId
    channel: Channel
    rule_id: str
    """The headline reason."""
    first_allowed_ms: int | None = None


class AttemptEnded(Body, frozen=True, kw_only=True, tag="attempt_ended"):
    """What became of an attempt, as far as the telephone network can tell."""

    attempt_id: DecisionId
    outcome: EventKind
    code: str
    """Disposition code; an agent's later `DispositionSet` may refine it."""
    cause: str = ""
    provider_code: str = ""
    ring_ms: int | None = None
    amd: str | None = None
    amd_ms: int | None = None
    connect_ms: int | None = None
    """From live answer to agent-bridge command."""
    talk_ms: int | None = None
    agent_id: str | None = None
    flow: str = ""
    """NAME/VERSION of the flow that spoke in the call."""
    reconciled: bool = False
    """Found by the sweep after a crash or a silent carrier, not reported by an event."""


class MessageProgress(Body, frozen=True, kw_only=True, tag="message_progress"):
    """A written message came further, or failed, after the provider had taken it."""

    attempt_id: DecisionId
    state: str
    """`delivered`, `read`, `failed`, `bounced`."""
    outcome: EventKind
    """How the attempt counts from now on."""
    code: str
    refusal: str = ""
    provider_code: str = ""


class DispositionSet(Body, frozen=True, kw_only=True, tag="disposition_set"):
    """What the agent says the conversation was."""

    attempt_id: DecisionId
    code: str
    outcome: EventKind
    agent_id: str
    note_id: str | None = None
    wrap_ms: int | None = None
    corrects: str | None = None
    """Event id of an earlier disposition that this one replaces."""


class IdentityChecked(Body, frozen=True, kw_only=True, tag="identity_checked"):
    """A right-party verification was tried. Answers are never stored, only which factors."""

    attempt_id: DecisionId
    agent_id: str
    passed: bool
    factors: tuple[str, ...]


class ConversationShared(Body, frozen=True, kw_only=True, tag="conversation_shared"):
    """Somebody else hears the person: the call was transferred, or a third party joined it."""

    attempt_id: DecisionId
    step: Literal["transferred", "joined"]
    by: str
    """The agent who did it."""
    agent_id: str | None = None
    """The colleague."""
    destination: str | None = None
    """Somebody outside, by the name that the configuration gives them."""
    verified: bool = False
    """The person's identity check had passed."""


class CallbackRequested(Body, frozen=True, kw_only=True, tag="callback_requested"):
    attempt_id: DecisionId | None
    callback_id: str
    contact_point_id: ContactPointId
    due_ms: int
    agent_id: str | None = None
    """Own agent; None: any."""


class PromiseMade(Body, frozen=True, kw_only=True, tag="promise_made"):
    promise_id: str
    attempt_id: DecisionId | None
    debt_ids: tuple[DebtId, ...]


class PaymentPosted(Body, frozen=True, kw_only=True, tag="payment_posted"):
    payment_id: str
    debt_id: DebtId
    settles: bool = False


class InboundContact(Body, frozen=True, kw_only=True, tag="inbound_contact"):
    kind: EventKind
    channel: Channel
    contact_point_id: ContactPointId | None = None
    debt_ids: tuple[DebtId, ...] = ()
    campaign_id: CampaignId | None = None
    message_id: str = ""
    """Of a written message; its text is kept outside the chain."""
    text_sha256: str = ""
    call_id: DecisionId | None = None
    """Of a call; `InboundEnded` and `InboundDisposed` name it, and identity checks do."""


class InboundEnded(Body, frozen=True, kw_only=True, tag="inbound_ended"):
    """A call to us is over."""

    call_id: DecisionId
    outcome: EventKind
    missed: bool = False
    """Neither an agent nor a flow served the caller."""
    cause: str = ""
    wait_ms: int | None = None
    talk_ms: int | None = None
    agent_id: str | None = None
    code: str = ""
    """Disposition code that a flow gave it; empty: an agent's `InboundDisposed` does."""
    flow: str = ""
    """NAME/VERSION of the flow that spoke in the call."""


class InboundDisposed(Body, frozen=True, kw_only=True, tag="inbound_disposed"):
    """What the agent says a call to us was."""

    call_id: DecisionId
    code: str
    outcome: EventKind
    agent_id: str
    note_id: str | None = None
    wrap_ms: int | None = None


class ConversationRecorded(Body, frozen=True, kw_only=True, tag="conversation_recorded"):
    """A recording of a conversation is kept; its hash makes any other sound another one."""

    attempt_id: DecisionId
    recording_id: str
    sha256: str
    bytes: int
    duration_ms: int
    """Without the pauses."""
    basis: str
    """Why it was lawful: `not_needed`, `announced` or `consent`."""


class Imported(Body, frozen=True, kw_only=True, tag="history_imported"):
    """A contact made before Marcador, brought in by the creditor's file; counts all the same."""

    kind: EventKind
    channel: Channel | None = None
    contact_point_id: ContactPointId | None = None
    debt_ids: tuple[DebtId, ...] = ()
    source: str = ""


AnyBody = (
    PersonImported
    | SubjectChanged
    | AttemptPlanned
    | ContactBlocked
    | AttemptEnded
    | MessageProgress
    | DispositionSet
    | IdentityChecked
    | ConversationShared
    | CallbackRequested
    | PromiseMade
    | PaymentPosted
    | InboundContact
    | InboundEnded
    | InboundDisposed
    | ConversationRecorded
    | Imported
)

KINDS: dict[str, type[Body]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        PersonImported,
        SubjectChanged,
        AttemptPlanned,
        ContactBlocked,
        AttemptEnded,
        MessageProgress,
        DispositionSet,
        IdentityChecked,
        ConversationShared,
        CallbackRequested,
        PromiseMade,
        PaymentPosted,
        InboundContact,
        InboundEnded,
        InboundDisposed,
        ConversationRecorded,
        Imported,
    )
}


SOMEBODY_ELSE = frozenset({EventKind.ANSWERED_WRONG_PARTY, EventKind.ANSWERED_THIRD_PARTY})
"""Outcomes that say that a call was not the person's."""


class StreamRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One event as the ledger returns it for facts."""

    person_id: PersonId
    seq: int
    at_ms: int
    body: AnyBody


def event_id(stream: StreamKey | PersonId, seq: int) -> str:
    """Public id of an event: `STREAM/SEQ`."""
    return f"{stream}/{seq}"


def from_ms(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def to_ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def day_over_ms(day: date) -> int:
    """An instant of a local day that was never earlier than what happened on it, for whoever lives
    in a zone of UTC or west of it; east of it, it is the day after. What must have happened some
    days before is so never counted too soon."""
    return to_ms(datetime.combine(day, time(23, 59, 59), UTC))


def fold_history(rows: list[StreamRow]) -> tuple[HistoryEvent, ...]:
    """Turn ledger rows (oldest first, of one or several people) into what rules count.

    An attempt is one event: dialled when planned, of the kind that its end or its agent's
    disposition gave it. While nothing is known of its end it stays `DIAL_REQUESTED`, which
    rules count as if it had rung.
    """
    kind_of: dict[str, EventKind] = {}
    told_by: dict[str, str] = {}
    verified: dict[str, str] = {}
    counted: list[StreamRow] = []
    for row in rows:
        body = row.body
        if isinstance(body, DispositionSet | MessageProgress):
            kind_of[body.attempt_id] = body.outcome
        elif isinstance(body, AttemptEnded):
            # What an agent has said stands, even when the network's word comes later.
            kind_of.setdefault(body.attempt_id, body.outcome)
        elif isinstance(body, InboundDisposed):
            kind_of[body.call_id] = body.outcome
            told_by[body.call_id] = event_id(row.person_id, row.seq)
        elif isinstance(body, InboundEnded):
            kind_of.setdefault(body.call_id, body.outcome)
            told_by.setdefault(body.call_id, event_id(row.person_id, row.seq))
        elif isinstance(body, IdentityChecked) and body.passed:
            # Of a call to us whose end was lost in a crash: they have spoken with us.
            verified.setdefault(body.attempt_id, event_id(row.person_id, row.seq))
        elif not isinstance(body, PersonImported | SubjectChanged):
            counted.append(row)
    events: list[HistoryEvent] = []
    for row in counted:
        event = _history_event(row, kind_of)
        if event is not None:
            events.append(event)
        if isinstance(row.body, InboundContact) and row.body.call_id is not None:
            told = told_by.get(row.body.call_id) or verified.get(row.body.call_id)
            kind = kind_of.get(row.body.call_id, EventKind.CONVERSATION)
            if told is not None and kind is EventKind.CONVERSATION:
                events.append(_talk(row, row.body, told))
    return tuple(events)


def _talk(row: StreamRow, body: InboundContact, told: str) -> HistoryEvent:
    """The conversation that a call to us became: it answers the call, so that rules which leave
    out what the person began can tell."""
    return HistoryEvent(
        event_id=told,
        at=from_ms(row.at_ms),
        kind=EventKind.CONVERSATION,
        channel=body.channel,
        person_id=row.person_id,
        contact_point_id=body.contact_point_id,
        debt_ids=body.debt_ids,
        campaign_id=body.campaign_id,
        answers_event_id=event_id(row.person_id, row.seq),
    )


def _history_event(row: StreamRow, kind_of: dict[str, EventKind]) -> HistoryEvent | None:
    body = row.body
    if isinstance(body, AttemptPlanned):
        return HistoryEvent(
            event_id=event_id(row.person_id, row.seq),
            at=from_ms(row.at_ms),
            kind=kind_of.get(body.attempt_id, EventKind.DIAL_REQUESTED),
            channel=body.channel,
            person_id=row.person_id,
            contact_point_id=body.contact_point_id,
            debt_ids=body.debt_ids,
            account_ids=(body.account_id,),
            creditor_id=body.creditor_id,
            campaign_id=body.campaign_id,
            mode=body.mode,
            label=body.label,
            content_class=body.content_class,
            purpose=body.purpose,
            prerecorded=body.prerecorded,
            answers_event_id=body.answers_event_id,
        )
    if isinstance(body, InboundContact | Imported):
        call_id = body.call_id if isinstance(body, InboundContact) else None
        return HistoryEvent(
            event_id=event_id(row.person_id, row.seq),
            at=from_ms(row.at_ms),
            kind=body.kind,
            channel=body.channel,
            person_id=row.person_id,
            contact_point_id=body.contact_point_id,
            debt_ids=body.debt_ids,
            misdirected=kind_of.get(call_id or "") in SOMEBODY_ELSE,
        )
    if isinstance(body, CallbackRequested):
        return HistoryEvent(
            event_id=event_id(row.person_id, row.seq),
            at=from_ms(row.at_ms),
            kind=EventKind.CALLBACK_REQUESTED,
            person_id=row.person_id,
            contact_point_id=body.contact_point_id,
        )
    return None
