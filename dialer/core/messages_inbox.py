"""What follows from something that somebody wrote to us. Pure.

Whoever writes is known by their address, and by nothing else: that is enough to stop writing to
them, and never enough to tell them of a debt. What an address of several people, or of nobody,
sends is for a person to read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from campaigns.dispositions import DispositionCode
from campaigns.effects import ReviewKind
from campaigns.inbox.keywords import Reading, Request
from campaigns.model import HolidayPredicate
from campaigns.next_contact import LIABLE, callback_life
from campaigns.retry import EndedContact, due_effects
from compliance.messages import ContactPointFacts, HistoryEvent
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    ContactPointId,
    ContactPointKind,
    DecisionId,
    EventKind,
    PersonId,
    SuppressionScope,
    Validity,
)
from dialer.core.outcome import Contact, NewId, Recorded, writes_of
from dialer.core.proofs import text_sha256
from dialer.core.records import CallbackRequested, InboundContact, SubjectChanged, to_ms
from dialer.core.snapshots import AccountSnapshot, PersonSnapshot
from dialer.core.writes import (
    AddSuppression,
    KeepInbound,
    OpenReview,
    SaveCallback,
    Write,
)
from telephony_adapters.messaging import MessageReceived

WAITING_US: Final = "waiting_us"
CLOSED: Final = "closed"
REVIEW: Final = "review"
"""Reason of a suppression that ends when its review is resolved."""
LONGEST_TEXT: Final = 20_000
POINT_KINDS: Final[dict[Channel, ContactPointKind]] = {
    Channel.SMS: ContactPointKind.PHONE,
    Channel.WHATSAPP: ContactPointKind.WHATSAPP,
    Channel.EMAIL: ContactPointKind.EMAIL,
}
_NOT_THEIRS: Final = frozenset({Validity.WRONG_NUMBER, Validity.REASSIGNED, Validity.THIRD_PARTY})
_CODES: Final[dict[Request, DispositionCode]] = {
    Request.CEASE: DispositionCode.CEASE,
    Request.OPT_OUT: DispositionCode.OPT_OUT,
    Request.NO_CALLS: DispositionCode.OPT_OUT,
    Request.WRONG_NUMBER: DispositionCode.WRONG_NUMBER,
    Request.DISPUTE: DispositionCode.DISPUTES_AMOUNT,
    Request.PAID: DispositionCode.CLAIMS_PAID,
}
_FOR_PEOPLE: Final = frozenset({Request.PAID, Request.DISPUTE, Request.CALL_ME})
"""Requests that a person has to answer, beside what follows by itself."""


class Match(msgspec.Struct, frozen=True):
    """Somebody who has the address that wrote."""

    person: PersonSnapshot
    point: ContactPointFacts
    accounts: tuple[AccountSnapshot, ...]

    @property
    def is_theirs(self) -> bool:
        """As far as is known, the address is this person's, and they owe."""
        return self.point.role in LIABLE and self.point.validity not in _NOT_THEIRS


class Answered(msgspec.Struct, frozen=True):
    """The message of ours that this one answers, or the last one in the thread."""

    message_id: str
    person_id: PersonId
    account_id: AccountId
    campaign_id: CampaignId | None


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One message with what is known around it."""

    message_id: str
    """Ours, new."""
    event: MessageReceived
    reading: Reading
    matches: tuple[Match, ...]
    answered: Answered | None
    review_open: bool
    """A person is to read this thread already."""
    campaigns: tuple[tuple[CampaignId, AccountId], ...] = ()
    """Running campaigns of calls that work one of the accounts."""


HolidaysOf = Callable[[str | None], HolidayPredicate]
"""Public holidays by country of residence."""


class Told(NamedTuple):
    """Events of one person."""

    person_id: PersonId
    recorded: tuple[Recorded, ...]


class Following(NamedTuple):
    """All that follows from a message."""

    told: tuple[Told, ...]
    loose: KeepInbound | None
    """The message itself, where it is nobody's: it rides on no event."""
    review: OpenReview | None
    """Of a loose message."""
    writer: Match | None
    """Who wrote, where that is certain."""


def follow(heard: Heard, now: datetime, holidays_of: HolidaysOf, new_id: NewId) -> Following:
    """What the ledger keeps, and what changes."""
    theirs = [match for match in heard.matches if match.is_theirs]
    if len(heard.matches) == 1 and theirs:
        return _from_one(heard, theirs[0], now, holidays_of, new_id)
    return _from_nobody(heard, now, new_id)


# --- somebody known --------------------------------------------------------------------------


def _from_one(
    heard: Heard, writer: Match, now: datetime, holidays_of: HolidaysOf, new_id: NewId
) -> Following:
    requests = heard.reading.requests
    contact = contact_of(heard, writer)
    reason = _reason(heard)
    holds = reason in ("free_text", "maybe_opt_out", Request.CALL_ME)
    review_id = new_id() if holds and not heard.review_open else None
    writes: list[Write] = []
    if not heard.event.automatic:
        for code in dict.fromkeys(_CODES[r] for r in requests if r in _CODES):
            writes += _writes_for(code, contact, now, holidays_of, new_id)
        if Request.NO_CALLS in requests:
            writes.append(stop_channel(contact.person_id, Channel.VOICE, heard, now, new_id))
    if review_id is not None:
        writes += [
            _review(review_id, contact.person_id, contact.account_id, reason, heard, now),
            # Nothing more is sent by this way until somebody has read it.
            msgspec.structs.replace(
                stop_channel(contact.person_id, heard.event.channel, heard, now, new_id),
                suppression_id=review_id,
                reason=REVIEW,
            ),
        ]
    body = InboundContact(
        kind=EventKind.INBOUND_MESSAGE,
        channel=heard.event.channel,
        contact_point_id=writer.point.contact_point_id,
        message_id=heard.message_id,
        text_sha256=text_sha256(clean_text(heard.event.text)),
    )
    keep = _keep(heard, writer, reason, review_id, now)
    recorded = [Recorded(body, (keep, *writes))]
    if Request.CALL_ME in requests and not heard.event.automatic:
        recorded += _callback(heard, writer, contact, now, new_id)
    return Following((Told(contact.person_id, tuple(recorded)),), None, None, writer)


def contact_of(heard: Heard, writer: Match) -> Contact:
    """The exchange as a contact, so that codes have their effects: about the account that our last
    message was about, or else about all that the person owes."""
    person = writer.person
    debts = person.subject.debts
    about = heard.answered.account_id if heard.answered is not None else None
    named = [d for d in debts if d.account_id == about] or list(debts)
    account_id = about or (named[0].account_id if named else AccountId(""))
    return Contact(
        attempt_id=DecisionId(heard.message_id),
        person_id=person.person_id,
        account_id=account_id,
        campaign_id=CampaignId(""),
        point=writer.point,
        debt_ids=tuple(d.debt_id for d in named),
        subject=person.subject,
        history=(),
        channel=heard.event.channel,
    )


def _writes_for(
    code: DispositionCode,
    contact: Contact,
    now: datetime,
    holidays_of: HolidaysOf,
    new_id: NewId,
) -> list[Write]:
    history: tuple[HistoryEvent, ...] = ()
    ended = EndedContact(code=code, contact_point_id=contact.point.contact_point_id, written=True)
    writes: list[Write] = []
    for effect in due_effects(ended, history, contact.country, now):
        writes += writes_of(effect, contact, code, now, holidays_of(contact.country), new_id)
    return writes


def _reason(heard: Heard) -> str:
    """Why a person has to read it; empty: nobody has to."""
    if heard.event.automatic:
        return ""
    reading = heard.reading
    for request in reading.requests:
        if request in _FOR_PEOPLE:
            return request
    if reading.maybe:
        return "maybe_opt_out"
    if not reading.requests:
        return "free_text"
    return ""


def _callback(
    heard: Heard, writer: Match, contact: Contact, now: datetime, new_id: NewId
) -> list[Recorded]:
    """A call that was asked for in writing: at once, by whoever is free, when the law allows."""
    point_id = phone_of(writer)
    if point_id is None or not contact.account_id:
        return []
    callback_id = new_id()
    asked = CallbackRequested(
        attempt_id=None,
        callback_id=callback_id,
        contact_point_id=point_id,
        due_ms=to_ms(now),
    )
    campaign_id = next((c for c, account in heard.campaigns if account == contact.account_id), None)
    save = SaveCallback(
        callback_id=callback_id,
        person_id=contact.person_id,
        account_id=contact.account_id,
        campaign_id=campaign_id,
        contact_point_id=point_id,
        due_ms=to_ms(now),
        expires_ms=to_ms(now + callback_life()),
        agent_id=None,
    )
    return [Recorded(asked, (save,))]


def phone_of(writer: Match) -> ContactPointId | None:
    """The number to call: the one that wrote, or the person's best."""
    phones = [p for p in writer.person.subject.contact_points if p.kind is ContactPointKind.PHONE]
    alive = [
        p for p in phones if not p.validity.is_dead and p.role in LIABLE and p.opted_out_at is None
    ]
    same = [p for p in alive if p.address == writer.point.address]
    ranked = same or sorted(alive, key=lambda p: (p.rank, p.contact_point_id))
    return ranked[0].contact_point_id if ranked else None


# --- nobody, or several ----------------------------------------------------------------------


def _from_nobody(heard: Heard, now: datetime, new_id: NewId) -> Following:
    """An address that nobody has, or several, or somebody else: what it asks to stop is stopped
    for everybody who has it, the rest a person reads."""
    requests = set(heard.reading.requests)
    told: list[Told] = []
    if not heard.event.automatic:
        for match in heard.matches:
            writes = _stops_for(match, requests, heard, now, new_id)
            if writes:
                body = SubjectChanged(
                    change="opt_out",
                    target=match.point.contact_point_id,
                    value=" ".join(sorted(requests)),
                    source="message",
                    actor=heard.message_id,
                )
                told.append(Told(match.person.person_id, (Recorded(body, tuple(writes)),)))
    reason = ""
    review: OpenReview | None = None
    if not heard.event.automatic and not (heard.reading.stops and heard.matches):
        reason = "shared_address" if heard.matches else "unknown_address"
        if not heard.review_open:
            review = _review(new_id(), None, None, reason, heard, now)
    keep = _keep(heard, None, reason, review.review_id if review is not None else None, now)
    return Following(tuple(told), keep, review, None)


def _stops_for(
    match: Match, requests: set[Request], heard: Heard, now: datetime, new_id: NewId
) -> list[Write]:
    person_id = match.person.person_id
    channels = {
        Request.OPT_OUT: (heard.event.channel,),
        Request.NO_CALLS: (heard.event.channel, Channel.VOICE),
        Request.CEASE: (*POINT_KINDS, Channel.VOICE),
    }
    wanted = {c for request, stopped in channels.items() if request in requests for c in stopped}
    return [stop_channel(person_id, channel, heard, now, new_id) for channel in sorted(wanted)]


# --- parts -----------------------------------------------------------------------------------


def stop_channel(
    person_id: PersonId, channel: Channel, heard: Heard, now: datetime, new_id: NewId
) -> AddSuppression:
    return AddSuppression(
        person_id=person_id,
        suppression_id=new_id(),
        scope=SuppressionScope.CHANNEL,
        channel=channel,
        reason="opt_out",
        starts_ms=to_ms(now),
        created_by="message",
        evidence=heard.message_id,
    )


def _review(
    review_id: str,
    person_id: PersonId | None,
    account_id: AccountId | None,
    reason: str,
    heard: Heard,
    now: datetime,
) -> OpenReview:
    return OpenReview(
        review_id=review_id,
        kind=ReviewKind.INBOX,
        person_id=person_id,
        account_id=account_id or None,
        text=reason,
        source=f"message {heard.message_id}",
        created_ms=to_ms(now),
    )


def clean_text(text: str) -> str:
    """What a database can hold of a text."""
    return text.replace("\0", "")[:LONGEST_TEXT]


def _keep(
    heard: Heard, writer: Match | None, reason: str, review_id: str | None, now: datetime
) -> KeepInbound:
    event = heard.event
    text = clean_text(event.text)
    return KeepInbound(
        message_id=heard.message_id,
        person_id=writer.person.person_id if writer is not None else "",
        contact_point_id=writer.point.contact_point_id if writer is not None else None,
        channel=event.channel,
        address=event.sender.replace("\0", "")[:320],
        to=event.to.replace("\0", "")[:320],
        subject=None if event.subject is None else clean_text(event.subject)[:500],
        text=text,
        text_sha256=text_sha256(text),
        provider_id=event.provider_id[:200],
        requests=" ".join(heard.reading.requests),
        thread_state=WAITING_US if reason else CLOSED,
        reason=reason,
        review_id=review_id,
        answers=heard.answered.message_id if heard.answered is not None else None,
        at_ms=to_ms(now),
    )


def matches_of(
    accounts: Sequence[AccountSnapshot], points: Sequence[tuple[PersonId, ContactPointId]]
) -> tuple[Match, ...]:
    """The people of `points` as they stand in their accounts."""
    found: list[Match] = []
    for person_id, point_id in points:
        own = [a for a in accounts if any(p.person_id == person_id for p in a.people)]
        person = next((p for a in own for p in a.people if p.person_id == person_id), None)
        if person is None:
            continue
        point = next(
            (p for p in person.subject.contact_points if p.contact_point_id == point_id), None
        )
        if point is not None:
            found.append(Match(person, point, tuple(own)))
    return tuple(found)
