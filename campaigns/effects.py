"""What follows from a disposition: declarative effects, and the words of the retry ladder.

Whoever keeps the records applies effects, in the transaction that stores the code.
`retry.due_effects` tells which of a code's effects take place, `retry.next_step` climbs the
ladder.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from compliance.messages import Message
from compliance.types import (
    Channel,
    DebtStatus,
    PartyRole,
    StatusKind,
    SuppressionScope,
    Validity,
)


class Release(StrEnum):
    """An event that ends a hold or a wait."""

    PROMISE_CLOSED = "promise_closed"
    PLAN_ENDED = "plan_ended"
    PAYMENT_POSTED = "payment_posted"
    DISPUTE_RESOLVED = "dispute_resolved"
    SERVICE_TICKET_CLOSED = "service_ticket_closed"
    COMPLAINT_CLOSED = "complaint_closed"
    REPLY_HANDLED = "reply_handled"
    GATE_RELEASE = "gate_release"


class SuppressReason(StrEnum):
    CEASE = "cease"
    OPT_OUT = "opt_out"
    ATTORNEY = "attorney"
    BANKRUPTCY = "bankruptcy"
    DECEASED = "deceased"
    VULNERABLE = "vulnerable"
    COMPLAINT = "complaint"
    FAX = "fax"
    PROMISE_OPEN = "promise_open"
    PLAN_ACTIVE = "plan_active"
    PAYMENT_PENDING = "payment_pending"


class ReviewKind(StrEnum):
    """A task that a person must close."""

    PAYMENT_PROOF = "payment_proof"
    HARDSHIP = "hardship"
    DISPUTE = "dispute"
    FRAUD = "fraud"
    CREDITOR_TICKET = "creditor_ticket"
    ATTORNEY_DETAILS = "attorney_details"
    LEGAL = "legal"
    ESTATE = "estate"
    SPECIALIST = "specialist"
    COMPLAINT = "complaint"
    CONTACT_POINT = "contact_point"
    INBOX = "inbox"


class AlertKind(StrEnum):
    CARRIER_BLOCK = "carrier_block"
    TECHNICAL_ERRORS = "technical_errors"


# --- effects ---------------------------------------------------------------------------------


class EffectBase(Message, frozen=True, kw_only=True, tag_field="do"):
    """An effect, and when it takes place; `retry.due_effects` weighs the conditions."""

    only_in: tuple[str, ...] = ()
    """Countries of residence (ISO 3166-1); empty: everywhere. Unknown residence: applies."""
    if_written: bool = False
    """Only when the person wrote it."""
    after: int = 1
    """From the n-th time that this outcome is seen within `within`."""
    within: timedelta = timedelta(days=30)


class SetValidity(EffectBase, frozen=True, kw_only=True, tag="set_validity"):
    """Of the contact point that was used."""

    validity: Validity


class SetRole(EffectBase, frozen=True, kw_only=True, tag="set_role"):
    """Whose the contact point that was used turned out to be."""

    role: PartyRole


class ForbidWork(EffectBase, frozen=True, kw_only=True, tag="forbid_work"):
    """The contact point that was used is a workplace, and may not be used again."""


class AddStatus(EffectBase, frozen=True, kw_only=True, tag="add_status"):
    status: StatusKind


class Hold(EffectBase, frozen=True, kw_only=True):
    """Ends at the first of: `duration`, `business_days` (see `retry.hold_ends_at`), `until`.

    With none of them it stays until somebody with authority lifts it.
    """

    duration: timedelta | None = None
    business_days: int | None = None
    until: Release | None = None


class Suppress(Hold, frozen=True, kw_only=True, tag="suppress"):
    """No contact within the scope: the person, account, debts or number of this contact."""

    scope: SuppressionScope
    reason: SuppressReason
    channel: Channel | None = None
    """None: every channel."""
    own_channel: bool = False
    """Only the channel that this contact used."""


class HoldDebt(Hold, frozen=True, kw_only=True, tag="hold_debt"):
    """The debts that were named get this status; it is taken back when the hold ends."""

    status: DebtStatus


class SchedulePromise(EffectBase, frozen=True, kw_only=True, tag="schedule_promise"):
    """Make the promise from the agent's fields; see `promises.check` and `promises.schedule`."""


class SchedulePlan(EffectBase, frozen=True, kw_only=True, tag="schedule_plan"):
    """Make the payment plan from the agent's fields."""


class ScheduleCallback(EffectBase, frozen=True, kw_only=True, tag="schedule_callback"):
    expires: timedelta
    """After the agreed instant; then it is an ordinary account again."""


class SetPreference(EffectBase, frozen=True, kw_only=True, tag="set_preference"):
    pass


class SetLanguage(EffectBase, frozen=True, kw_only=True, tag="set_language"):
    pass


class DemotePhone(EffectBase, frozen=True, kw_only=True, tag="demote_phone"):
    """Every other usable phone comes before this one, until the window has passed.

    Nothing need be stored: `next_contact.choose` reads it from history by the same numbers.
    """


class TrunkAlert(EffectBase, frozen=True, kw_only=True, tag="trunk_alert"):
    alert: AlertKind


class OpenReview(EffectBase, frozen=True, kw_only=True, tag="open_review"):
    review: ReviewKind


class ChangeIntensity(EffectBase, frozen=True, kw_only=True, tag="change_intensity"):
    """How firm the next step may be; changes content, channel and offer, never a limit."""

    by: int


class ConfirmOptOut(EffectBase, frozen=True, kw_only=True, tag="confirm_opt_out"):
    """One confirmation without other content, not later than this."""

    at_latest: timedelta


Effect = (
    SetValidity
    | SetRole
    | ForbidWork
    | AddStatus
    | Suppress
    | HoldDebt
    | SchedulePromise
    | SchedulePlan
    | ScheduleCallback
    | SetPreference
    | SetLanguage
    | DemotePhone
    | TrunkAlert
    | OpenReview
    | ChangeIntensity
    | ConfirmOptOut
)


# --- the retry ladder ------------------------------------------------------------------------


class StepAction(StrEnum):
    RETRY_AT = "retry_at"
    WAIT_FOR_EVENT = "wait_for_event"
    CALLBACK = "callback"
    DONE = "done"


class PointPolicy(StrEnum):
    """Which contact point the next attempt should use."""

    SAME = "same"
    OTHER_DAYPART = "other_daypart"
    """The same one, at another time of day."""
    NEXT_PHONE = "next_phone"
    NEXT_CHANNEL = "next_channel"


class StateInstant(StrEnum):
    """An instant of `model.AccountState` that a step waits for."""

    PROMISE_REVIEW_AT = "promise_review_at"
    INSTALMENT_REVIEW_AT = "instalment_review_at"
    CALLBACK = "callback"
    FIRST_ALLOWED = "first_allowed"


class TriesPer(StrEnum):
    POINT = "point"
    PERSON = "person"
