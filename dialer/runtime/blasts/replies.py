"""Answers to what people wrote: by people, or fixed ones by the engine. The gate decides each.

An answer never tells of a debt: who writes has shown that they can use an address, and no more.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec
import structlog

from campaigns.campaign import CampaignSettings
from campaigns.content.findings import Finding, Severity
from campaigns.content.lint import Part, check_parts
from campaigns.content.style import OPT_OUT_LINES, has_opt_out
from campaigns.content.template import Template, TemplateKind, TextLanguage
from compliance import gate
from compliance.messages import ContactRequest, DecisionRecord
from compliance.packs import PackSet
from compliance.permit import Allowed
from compliance.types import (
    CampaignId,
    Channel,
    ContactPointId,
    ContentClass,
    DecisionId,
    Mode,
    PersonId,
    Purpose,
    StreamKey,
)
from dialer.core.deciding import CampaignContext, facts_of, headline, refused
from dialer.core.messages_inbox import Match, matches_of
from dialer.core.messages_outcome import NotTaken, Taken
from dialer.core.messages_planning import message_contact, planned_body, statements_of
from dialer.core.outcome import Contact
from dialer.core.overriding import uses
from dialer.core.proofs import sealed, text_sha256
from dialer.core.records import event_id, fold_history, to_ms
from dialer.core.snapshots import HOUSE_STREAM, AccountSnapshot, House, in_house
from dialer.core.writes import KeepMessage, OpenAttempt
from dialer.runtime.batches import ROUNDS
from dialer.runtime.blasts.sender import Letter, Sender, outbound
from dialer.runtime.clock import Clock
from dialer.runtime.collector import collector_of
from dialer.runtime.recorder import Recorder
from dialer.stores.ledger.ids import Ids
from dialer.stores.ledger.messages import (
    Thread,
    accounts_of,
    get_thread,
    last_inbound,
    provider_id_of,
)
from dialer.stores.ledger.portfolios import Portfolio, portfolio_of_person
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.streams import Appended, EventStore, NewEvent

log = structlog.get_logger()

AUTOMATIC: Final = "automatic"
LONGEST_REPLY: Final = 1_000
SUBJECT: Final = {TextLanguage.ES: "Su mensaje", TextLanguage.EN: "Your message"}


class NoSuchThread(LookupError):
    """There is no thread of that id."""


class NothingToAnswer(Exception):
    """Nobody known has written in the thread: there is nothing that a reply could answer."""


class ReplyNotAllowed(Exception):
    """The gate forbids it now; the record says why."""

    def __init__(self, record: DecisionRecord) -> None:
        super().__init__(headline(record))
        self.record = record


class ReplyTellsTooMuch(Exception):
    """The text says what may not be said before an identity is verified, or never."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(finding.en for finding in findings))
        self.findings = findings


class ReplyNotSent(Exception):
    """The provider did not take it, or nobody knows whether it did."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that left."""

    message_id: str
    text: str
    """As it left, with the line that tells how to stop these messages."""


def check_reply(text: str, channel: Channel, language: TextLanguage) -> tuple[Finding, ...]:
    """What is wrong with a text that anybody may see."""
    template = _as_template(text, channel, language)
    found = check_parts(template, [Part(name="body", text=text, rendered=True)])
    return tuple(finding for finding in found if finding.severity is Severity.ERROR)


class Replies:
    """Sends answers, one at a time."""

    def __init__(
        self,
        *,
        store: EventStore,
        reader: EventReader,
        recorder: Recorder,
        sender: Sender,
        clock: Clock,
        packs: PackSet,
        lookback: timedelta,
        permit_lifetime_s: float,
    ) -> None:
        self._store = store
        self._reader = reader
        self._recorder = recorder
        self._sender = sender
        self._clock = clock
        self._packs = packs
        self._lookback = lookback
        self._permit_lifetime_s = permit_lifetime_s
        self._new_id = Ids()

    async def reply(
        self,
        thread_id: str,
        text: str,
        *,
        author: str,
        confirms: bool = False,
    ) -> Sent:
        """Answer the last thing that the person wrote.

        Args:
            confirms: it confirms an opt-out, and so tells of no other way to stop.

        Raises:
            NoSuchThread, NothingToAnswer: there is nobody, or nothing, to answer.
            ReplyTellsTooMuch: the text may not be said to anybody unverified.
            ReplyNotAllowed: the gate forbids it.
            ReplyNotSent: it was allowed, and did not go through.
        """
        thread, answered, provider_id = await self._thread(thread_id)
        language = TextLanguage.EN if thread.language == "en" else TextLanguage.ES
        said = text if confirms else with_way_out(text, language)
        findings = check_reply(said, thread.channel, language)
        if findings:
            raise ReplyTellsTooMuch(findings)
        asked = _Asked(thread, answered[0], answered[1], provider_id, said, language, author)
        for _ in range(ROUNDS):
            letter = await self._decide(asked)
            if letter is not None:
                return await self._send(letter, said)
        raise ReplyNotSent("facts_keep_changing")

    async def _thread(self, thread_id: str) -> tuple[Thread, tuple[str, str], str | None]:
        async with self._reader.ledger.read() as conn:
            thread = await get_thread(conn, thread_id)
            if thread is None:
                raise NoSuchThread(f"there is no thread {thread_id}")
            answered = await last_inbound(conn, thread_id)
            provider_id = None
            if answered is not None:
                provider_id = await provider_id_of(conn, answered[0])
        if answered is None or not thread.person_id or thread.contact_point_id is None:
            raise NothingToAnswer(f"nobody known has written in thread {thread_id}")
        return thread, answered, provider_id

    async def _send(self, letter: Letter, said: str) -> Sent:
        sending = await self._sender.send(letter)
        if isinstance(sending, Taken):
            return Sent(message_id=letter.message.message_id, text=said)
        if isinstance(sending, NotTaken):
            raise ReplyNotSent(sending.refusal or sending.cause)
        raise ReplyNotSent("unknown")

    async def _decide(self, asked: _Asked) -> Letter | None:
        """The durable intent; None: somebody was faster."""
        now = self._clock.now()
        stand = await self._stand(asked.thread)
        person = stand.match.person
        context = CampaignContext(
            campaign_id=CampaignId(""),
            name="",
            settings=CampaignSettings(),
            collector=collector_of(stand.portfolio),
            lookback=self._lookback,
        )
        request = self._request(asked, stand)
        history = fold_history(person.history())
        facts = facts_of(in_house(stand.account, stand.house), person, history, context, now)
        verdict = gate.decide(
            request, facts, self._packs, now, permit_lifetime_s=self._permit_lifetime_s
        )
        if not isinstance(verdict, Allowed):
            entry = refused(
                stand.account, person, request, verdict.record, headline(verdict.record)
            )
            blocked = NewEvent(
                person_id=person.person_id,
                at_ms=to_ms(now),
                body=entry.body,
                record=msgspec.json.encode(entry.record),
            )
            await self._recorder.record([blocked])
            raise ReplyNotAllowed(verdict.record)
        contact = message_contact(
            stand.account,
            person,
            stand.match.point,
            history,
            request,
            verdict.record.guards,
            context,
        )
        event = _intent(asked, stand, contact, verdict, to_ms(now))
        (result,) = await self._store.append([event])
        if not isinstance(result, Appended):
            return None
        contact = msgspec.structs.replace(contact, event_id=event_id(result.person_id, result.seq))
        message = outbound(
            contact,
            text=asked.said,
            subject=asked.subject,
            in_reply_to=asked.provider_id,
        )
        return Letter(contact, message, verdict.permit, None, asyncio.Event())

    def _request(self, asked: _Asked, stand: _Stand) -> ContactRequest:
        channel = asked.thread.channel
        return ContactRequest(
            decision_id=DecisionId(self._new_id()),
            person_id=stand.match.person.person_id,
            contact_point_id=stand.match.point.contact_point_id,
            channel=channel,
            mode=Mode.REPLY,
            # It answers a question; whoever asks for money needs another way, and an identity.
            purpose=Purpose.SERVICE,
            content_class=ContentClass.NEUTRAL,
            agent_id=None if asked.author == AUTOMATIC else asked.author,
            sender_name=stand.portfolio.creditor_name_neutral or None,
            # The words are a person's own: they stay out of the proof, which is kept for ever.
            # What no text may say was looked for before (`check_reply`).
            text=None,
            statements=statements_of(_as_template(asked.said, channel, asked.language), None),
            language=asked.language.value,
            answers_event_id=asked.answered_event_id,
        )

    async def _stand(self, thread: Thread) -> _Stand:
        async with self._reader.ledger.read() as conn:
            ids = await accounts_of(conn, [thread.person_id])
            portfolio = await portfolio_of_person(conn, thread.person_id)
        since_ms = to_ms(self._clock.now() - self._lookback)
        batch = await self._reader.read_batch(None, ids, since_ms)
        point_id = ContactPointId(thread.contact_point_id or "")
        found = matches_of(batch.accounts, [(PersonId(thread.person_id), point_id)])
        if not found or portfolio is None:
            raise NothingToAnswer(f"the person of thread {thread.thread_id} is not known any more")
        accounts = found[0].accounts
        about = (a for a in accounts if a.account_id == thread.account_id)
        return _Stand(found[0], next(about, accounts[0]), batch.house, portfolio)


class _Asked(NamedTuple):
    """A reply that somebody wants to send."""

    thread: Thread
    answered_id: str
    answered_event_id: str
    provider_id: str | None
    said: str
    language: TextLanguage
    author: str

    @property
    def subject(self) -> str | None:
        return SUBJECT[self.language] if self.thread.channel is Channel.EMAIL else None


class _Stand(NamedTuple):
    """What is known when it is decided."""

    match: Match
    account: AccountSnapshot
    house: House
    portfolio: Portfolio


def _intent(
    asked: _Asked, stand: _Stand, contact: Contact, allowed: Allowed, at_ms: int
) -> NewEvent:
    """The event that must be durable before the reply leaves."""
    person, point = stand.match.person, stand.match.point
    keep = KeepMessage(
        message_id=contact.attempt_id,
        person_id=person.person_id,
        account_id=stand.account.account_id,
        campaign_id=None,
        contact_point_id=point.contact_point_id,
        channel=contact.channel,
        address=point.address,
        subject=asked.subject,
        text=asked.said,
        text_sha256=text_sha256(asked.said),
        template=None,
        language=asked.language.value,
        author=asked.author,
        answers=asked.answered_id,
        at_ms=at_ms,
    )
    own = StreamKey(person.person_id)
    expected = {key: person.heads.get(key, 0) for key in (own, *contact.links)}
    expected[HOUSE_STREAM] = stand.house.head
    record = allowed.record
    return NewEvent(
        person_id=person.person_id,
        at_ms=at_ms,
        body=planned_body(
            stand.account,
            person,
            record.request,
            point,
            template=None,
            text_sha256=keep.text_sha256,
            answers=asked.answered_event_id,
        ),
        record=msgspec.json.encode(sealed(record, person.subject)),
        expected=expected,
        links=contact.links,
        writes=(OpenAttempt(), *uses(record, at_ms), keep),
    )


def _as_template(text: str, channel: Channel, language: TextLanguage) -> Template:
    return Template(
        name="reply",
        kind=TemplateKind.CONTACT_REQUEST,
        channel=channel,
        language=language,
        content_class=ContentClass.NEUTRAL,
        body=text,
    )


def with_way_out(text: str, language: TextLanguage) -> str:
    """The text with a line that tells how to stop these messages, if it has none."""
    said = text.strip()
    if has_opt_out(said, language):
        return said
    stop = said if said.endswith((".", "!", "?")) else f"{said}."
    return f"{stop} {OPT_OUT_LINES[language]}."
