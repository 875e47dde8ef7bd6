"""What else changes in the transaction that appends an event: the ledger's projections.

A write is data. The event store applies it if, and only if, its event won its place in the
stream, in the same transaction; so a table never says what no event can prove.
"""

from __future__ import annotations

import msgspec

from compliance.messages import ConsentFact, PreferenceFact
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    ContactPointId,
    DebtId,
    DebtStatus,
    DecisionId,
    EventKind,
    PartyRole,
    PersonId,
    StatusKind,
    SuppressionScope,
    Validity,
)


class Write(msgspec.Struct, frozen=True, kw_only=True, tag_field="w", gc=False):
    """Base of everything that rides with an event."""


# --- attempts and queues ---------------------------------------------------------------------


class OpenAttempt(Write, frozen=True, kw_only=True):
    """Row of the attempt report, taken from the event's `AttemptPlanned` body."""


class CloseAttempt(Write, frozen=True, kw_only=True):
    """Taken from the event's `AttemptEnded` body."""


class DisposeAttempt(Write, frozen=True, kw_only=True):
    """Taken from the event's `DispositionSet` body."""


class OpenInbound(Write, frozen=True, kw_only=True):
    """It is known who calls us: the call is to be finished, whatever happens to this worker."""

    call_id: str
    account_id: AccountId
    campaign_id: CampaignId
    contact_point_id: ContactPointId
    agent_id: str | None = None
    """Who has the call already."""


class CloseInbound(Write, frozen=True, kw_only=True):
    """A call to us is over."""

    call_id: str
    agent_id: str | None = None
    """Who spoke with the caller; None: nobody, or it is known already."""


class DisposeInbound(Write, frozen=True, kw_only=True):
    """It is on record what a call to us was."""

    call_id: str


class MoveEnrolment(Write, frozen=True, kw_only=True):
    """Where an account stands in a campaign; Redis is rebuilt from this."""

    campaign_id: CampaignId
    account_id: AccountId
    state: str
    """`ready`, `waiting` or `done`; leased is an open attempt and is not stored."""
    not_before_ms: int
    reason: str
    attempts_added: int = 0
    code: str | None = None


# --- written messages ------------------------------------------------------------------------


class KeepMessage(Write, frozen=True, kw_only=True):
    """A message of ours that is about to leave, in its thread. The text stands nowhere else."""

    message_id: str
    person_id: PersonId
    account_id: AccountId
    campaign_id: CampaignId | None
    contact_point_id: ContactPointId
    channel: Channel
    address: str
    subject: str | None
    text: str
    text_sha256: str
    template: str | None
    language: str | None
    author: str
    """User who wrote it, or `campaign`, `automatic`."""
    answers: str | None
    """Id of the message that it answers."""
    at_ms: int


class MoveMessage(Write, frozen=True, kw_only=True):
    """How far a message of ours came. Of two moves the one with the higher rank stands."""

    message_id: str
    state: str
    rank: int
    moved_ms: int
    outcome: EventKind | None = None
    """How its attempt counts from now on; None: as before."""
    code: str | None = None
    refusal: str | None = None
    provider_code: str | None = None
    provider_id: str | None = None
    segments: int | None = None
    price_micros: int | None = None
    currency: str | None = None


class KeepInbound(Write, frozen=True, kw_only=True):
    """What somebody wrote to us, in the thread of that person and address."""

    message_id: str
    person_id: str
    """Empty where the address is nobody's, or of several people."""
    contact_point_id: str | None
    channel: Channel
    address: str
    to: str
    subject: str | None
    text: str
    text_sha256: str
    provider_id: str
    requests: str
    """What it was understood to ask for, separated by blanks."""
    thread_state: str
    reason: str
    """Why a person has to read it; empty: nobody has to."""
    review_id: str | None
    answers: str | None
    """Id of our message that it answers."""
    at_ms: int


# --- the subject: these rebuild the person's profile -------------------------------------------


class SubjectWrite(Write, frozen=True, kw_only=True):
    person_id: PersonId


class AddStatus(SubjectWrite, frozen=True, kw_only=True):
    kind: StatusKind
    since_ms: int
    until_ms: int | None = None
    source: str = ""


class AddSuppression(SubjectWrite, frozen=True, kw_only=True):
    suppression_id: str
    scope: SuppressionScope
    reason: str
    starts_ms: int
    created_by: str
    ends_ms: int | None = None
    target_id: str | None = None
    channel: Channel | None = None
    evidence: str = ""


class SetValidity(SubjectWrite, frozen=True, kw_only=True):
    contact_point_id: ContactPointId
    validity: Validity
    at_ms: int


class ForbidWork(SubjectWrite, frozen=True, kw_only=True):
    contact_point_id: ContactPointId


class SetPointRole(SubjectWrite, frozen=True, kw_only=True):
    """Whose the contact point turned out to be."""

    contact_point_id: ContactPointId
    role: PartyRole


class SetLanguage(SubjectWrite, frozen=True, kw_only=True):
    language: str


class OptOutPoint(SubjectWrite, frozen=True, kw_only=True):
    contact_point_id: ContactPointId
    at_ms: int


class AddPreference(SubjectWrite, frozen=True, kw_only=True):
    preference: PreferenceFact


class AddConsent(SubjectWrite, frozen=True, kw_only=True):
    consent: ConsentFact


class RevokeConsent(SubjectWrite, frozen=True, kw_only=True):
    consent_id: str
    at_ms: int


class SetDebtStatus(SubjectWrite, frozen=True, kw_only=True):
    debt_id: DebtId
    status: DebtStatus


class UseOverride(SubjectWrite, frozen=True, kw_only=True):
    """The contact that a single-use override was given for is being made; one that holds for a
    while stays as it is."""

    override_id: str
    attempt_id: DecisionId
    at_ms: int


# --- other tables -------------------------------------------------------------------------------


class SavePromise(Write, frozen=True, kw_only=True):
    promise_id: str
    person_id: PersonId
    account_id: AccountId
    debt_id: DebtId
    amount_cents: int
    currency: str
    due_date: str
    method: str
    captured_by: str
    captured_ms: int
    attempt_id: str | None


class SaveCallback(Write, frozen=True, kw_only=True):
    callback_id: str
    person_id: PersonId
    account_id: AccountId
    campaign_id: CampaignId | None
    contact_point_id: ContactPointId
    due_ms: int
    expires_ms: int
    agent_id: str | None
    asked_by: str | None = None
    """Event that the callback answers; None: the one that this write rides on."""


class CloseCallback(Write, frozen=True, kw_only=True):
    callback_id: str
    state: str
    """`taken`, `done` or `expired`."""


class OpenReview(Write, frozen=True, kw_only=True):
    review_id: str
    kind: str
    person_id: PersonId | None
    account_id: AccountId | None
    text: str
    source: str
    created_ms: int


class SaveNote(Write, frozen=True, kw_only=True):
    note_id: str
    person_id: PersonId | None
    account_id: AccountId | None
    text: str
    author: str
    at_ms: int
