"""From what the provider says of a message to what the ledger keeps, and what comes next. Pure.

A message's attempt ends when the provider has taken it, or certainly has not. What becomes of it
later refines how the attempt counts; of two reports the one that is further along stands.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from campaigns.dispositions import DispositionCode, outcome_of
from campaigns.model import HolidayPredicate
from compliance.types import DecisionId, EventKind, SuppressionScope, Validity
from dialer.core.outcome import Contact, NewId, Outcome, Recorded, judged
from dialer.core.records import AttemptEnded, MessageProgress, to_ms
from dialer.core.writes import (
    AddSuppression,
    CloseAttempt,
    MoveMessage,
    SetValidity,
    Write,
)
from telephony_adapters.messaging import DeliveryState, Refusal

PLANNED: Final = "planned"
"""The intent is durable; the provider has not answered yet, or nobody knows whether it did."""
NOT_SENT: Final = "not_sent"
"""The provider certainly did not take it."""
RANKS: Final[dict[str, int]] = {PLANNED: 0, NOT_SENT: 1} | {
    state.value: rank for rank, state in enumerate(DeliveryState, 2)
}
"""Later states outrank earlier ones (`DeliveryState.follows`)."""
BY_PROVIDER: Final = "provider"
"""Who stopped us, where the person did so at the provider."""
NOT_MOBILE: Final = "not_mobile"

_CODES: Final[dict[DeliveryState, DispositionCode]] = {
    DeliveryState.SENT: DispositionCode.MESSAGE_SENT,
    DeliveryState.DELIVERED: DispositionCode.MESSAGE_DELIVERED,
    DeliveryState.READ: DispositionCode.MESSAGE_READ,
    DeliveryState.FAILED: DispositionCode.NOT_DELIVERED,
    DeliveryState.BOUNCED: DispositionCode.BOUNCED,
}
OURS: Final = frozenset({Refusal.RATE, Refusal.ACCOUNT, Refusal.CONTENT, Refusal.OUTSIDE_WINDOW})
"""Refusals that say nothing of the person or the address: the whole campaign would meet them."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The provider has it."""

    provider_id: str
    reconciled: bool = False
    """Found by asking, not told by the sending itself."""


class NotTaken(msgspec.Struct, frozen=True, kw_only=True):
    """The provider certainly does not have it, and never will."""

    refusal: Refusal | None = None
    provider_code: str = ""
    cause: str = "rejected"
    reconciled: bool = False


class InDoubt(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody can tell whether it was taken: it counts, and nothing is sent in its place."""


Sending = Taken | NotTaken | InDoubt


class Meaning(NamedTuple):
    code: DispositionCode
    outcome: EventKind


def meaning_of(state: DeliveryState, refusal: Refusal | None) -> Meaning:
    """How a message counts that came so far."""
    code = _CODES[state]
    if refusal is not None:
        if refusal is Refusal.OPTED_OUT:
            code = DispositionCode.OPT_OUT
        elif refusal.is_permanent:
            code = DispositionCode.BOUNCED
    if code is DispositionCode.OPT_OUT:
        # It did not reach anybody; the revocation itself is a write of its own.
        return Meaning(code, EventKind.MESSAGE_BOUNCED)
    return Meaning(code, outcome_of(code, answered=False) or EventKind.MESSAGE_SENT)


def sending_ended(
    contact: Contact,
    sending: Sending,
    now: datetime,
    is_holiday: HolidayPredicate,
    new_id: NewId,
    *,
    reply: bool = False,
) -> Outcome:
    """The provider's answer to a sending, or that there will be none.

    A reply belongs to no campaign: it moves no account.
    """
    if isinstance(sending, Taken):
        return _taken(contact, sending, now, is_holiday, new_id, reply=reply)
    if isinstance(sending, InDoubt):
        return _in_doubt(contact, now, is_holiday, new_id, reply=reply)
    refusal = sending.refusal
    if refusal is not None and refusal.is_permanent:
        meaning = meaning_of(DeliveryState.BOUNCED, refusal)
        state = DeliveryState.BOUNCED.value
    else:
        meaning = Meaning(DispositionCode.TECHNICAL_ERROR, EventKind.NOT_CONNECTED_NETWORK)
        state = NOT_SENT
    body = _ended(contact, meaning, sending.cause, sending.provider_code, sending.reconciled)
    move = _move(contact.attempt_id, state, now, refusal, sending.provider_code)
    given = (CloseAttempt(), move, *address_writes(contact, refusal, now, new_id))
    return _concluded(contact, body, given, meaning.code, now, is_holiday, new_id, reply=reply)


def _taken(
    contact: Contact,
    taken: Taken,
    now: datetime,
    is_holiday: HolidayPredicate,
    new_id: NewId,
    *,
    reply: bool,
) -> Outcome:
    meaning = meaning_of(DeliveryState.SENT, None)
    body = _ended(contact, meaning, "sent", "", taken.reconciled)
    move = msgspec.structs.replace(
        _move(contact.attempt_id, DeliveryState.SENT.value, now, None, ""),
        provider_id=taken.provider_id,
    )
    return _concluded(
        contact, body, (CloseAttempt(), move), meaning.code, now, is_holiday, new_id, reply=reply
    )


def _in_doubt(
    contact: Contact, now: datetime, is_holiday: HolidayPredicate, new_id: NewId, *, reply: bool
) -> Outcome:
    meaning = Meaning(DispositionCode.MESSAGE_SENT, EventKind.MESSAGE_SENT)
    body = _ended(contact, meaning, "unknown", "", reconciled=True)
    return _concluded(
        contact, body, (CloseAttempt(),), meaning.code, now, is_holiday, new_id, reply=reply
    )


def _ended(
    contact: Contact, meaning: Meaning, cause: str, provider_code: str, reconciled: bool
) -> AttemptEnded:
    return AttemptEnded(
        attempt_id=contact.attempt_id,
        outcome=meaning.outcome,
        code=meaning.code,
        cause=cause,
        provider_code=provider_code,
        reconciled=reconciled,
    )


def progressed(
    attempt_id: DecisionId, state: DeliveryState, provider_code: str, now: datetime
) -> Recorded:
    """A message came further on its good way. Where the account goes was settled at its sending."""
    meaning = meaning_of(state, None)
    body, move = _progress(attempt_id, meaning, state, None, provider_code, now)
    return Recorded(body, (move,))


def failed(
    contact: Contact,
    state: DeliveryState,
    refusal: Refusal | None,
    provider_code: str,
    now: datetime,
    is_holiday: HolidayPredicate,
    new_id: NewId,
    *,
    reply: bool = False,
) -> Outcome:
    """A message that the provider had taken failed or bounced."""
    meaning = meaning_of(state, refusal)
    body, move = _progress(contact.attempt_id, meaning, state, refusal, provider_code, now)
    given = (move, *address_writes(contact, refusal, now, new_id))
    return _concluded(contact, body, given, meaning.code, now, is_holiday, new_id, reply=reply)


def _progress(
    attempt_id: DecisionId,
    meaning: Meaning,
    state: DeliveryState,
    refusal: Refusal | None,
    provider_code: str,
    now: datetime,
) -> tuple[MessageProgress, MoveMessage]:
    body = MessageProgress(
        attempt_id=attempt_id,
        state=state,
        outcome=meaning.outcome,
        code=meaning.code,
        refusal=refusal or "",
        provider_code=provider_code,
    )
    move = msgspec.structs.replace(
        _move(attempt_id, state.value, now, refusal, provider_code),
        outcome=meaning.outcome,
        code=meaning.code,
    )
    return body, move


def _concluded(
    contact: Contact,
    body: AttemptEnded | MessageProgress,
    given: tuple[Write, ...],
    code: DispositionCode,
    now: datetime,
    is_holiday: HolidayPredicate,
    new_id: NewId,
    *,
    reply: bool,
) -> Outcome:
    if reply:
        return Outcome((Recorded(body, given),), None, code)
    return judged(contact, body, given, code, now, is_holiday, new_id)


def _move(
    attempt_id: DecisionId,
    state: str,
    now: datetime,
    refusal: Refusal | None,
    provider_code: str,
) -> MoveMessage:
    return MoveMessage(
        message_id=attempt_id,
        state=state,
        rank=RANKS[state],
        moved_ms=to_ms(now),
        refusal=refusal,
        provider_code=provider_code or None,
    )


def address_writes(
    contact: Contact, refusal: Refusal | None, now: datetime, new_id: NewId
) -> tuple[Write, ...]:
    """What a refusal says of the address for good. That the person stopped us at the provider is a
    revocation like any other: the code's own effects write it."""
    point = contact.point.contact_point_id
    if refusal is Refusal.INVALID_ADDRESS:
        return (
            SetValidity(
                person_id=contact.person_id,
                contact_point_id=point,
                validity=Validity.DISCONNECTED,
                at_ms=to_ms(now),
            ),
        )
    if refusal is Refusal.NOT_MOBILE:
        # It can still be called.
        return (
            AddSuppression(
                person_id=contact.person_id,
                suppression_id=new_id(),
                scope=SuppressionScope.CONTACT_POINT,
                target_id=point,
                channel=contact.channel,
                reason=NOT_MOBILE,
                starts_ms=to_ms(now),
                created_by=BY_PROVIDER,
                evidence=contact.attempt_id,
            ),
        )
    return ()
