"""Hears what people write: kept in their thread, done at once as far as rules know, else waiting
for a person. See `dialer.core.messages_inbox` for what follows from what.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

import structlog

from campaigns.content.template import TextLanguage
from campaigns.effects import SuppressReason
from campaigns.inbox.keywords import Reading, Request, read
from compliance.types import CampaignId, Channel, SuppressionScope
from dialer.core.figures import Tally
from dialer.core.messages_inbox import Answered, Following, Heard, Match, follow, matches_of
from dialer.core.records import to_ms
from dialer.runtime.blasts.replies import (
    AUTOMATIC,
    NothingToAnswer,
    Replies,
    ReplyNotAllowed,
    ReplyNotSent,
    ReplyTellsTooMuch,
)
from dialer.runtime.clock import Clock
from dialer.runtime.outcomes import holidays_of
from dialer.runtime.recorder import Recorder
from dialer.stores.ledger.ids import Ids
from dialer.stores.ledger.message_rows import thread_id_of
from dialer.stores.ledger.messages import (
    MessageRow,
    ThreadState,
    accounts_of,
    calling_campaigns,
    get_thread,
    keep_loose,
    last_to,
    message_of_provider,
    people_of,
    was_received,
)
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.streams import NewEvent
from telephony_adapters.messaging import MessageReceived

log = structlog.get_logger()

CONFIRMATIONS: Final = {
    TextLanguage.ES: "Listo: no recibirá más mensajes nuestros por este medio.",
    TextLanguage.EN: "Done: you will get no more messages from us by this way.",
}
"""One, with nothing else in it (12 CFR 1006.14(h)(1); 47 CFR 64.1200(a)(12))."""
HELP: Final = {
    TextLanguage.ES: "Tenemos un mensaje personal para usted. Para hablar con una persona responda "
    "LLÁMAME. Para no recibir más mensajes responda BAJA o STOP.",
    TextLanguage.EN: "We have a personal message for you. To talk to a person reply CALL ME. "
    "Reply STOP to opt out.",
}


class ToAnswer(NamedTuple):
    """A message to which a fixed answer may be due."""

    heard: Heard
    following: Following


class Taken(NamedTuple):
    """A message is durable with all that follows."""

    to_answer: ToAnswer | None
    """None: nothing is due."""


class Inbox:
    """Takes messages one after another."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        reader: EventReader,
        replies: Replies,
        clock: Clock,
        lookback: timedelta,
        tally_of: Callable[[CampaignId], Tally | None],
    ) -> None:
        self._recorder = recorder
        self._reader = reader
        self._replies = replies
        self._clock = clock
        self._lookback = lookback
        self._tally_of = tally_of
        self._new_id = Ids()
        self.heard = 0
        """Messages taken since the start, without repeats."""

    async def take(self, event: MessageReceived) -> Taken:
        """Make it durable with all that follows.

        Raises `LedgerUnavailable`: take it again.
        """
        heard = await self._around(event)
        if heard is None:
            return Taken(None)
        now = self._clock.now()
        following = follow(heard, now, holidays_of, self._new_id)
        events = [
            NewEvent(
                person_id=told.person_id,
                at_ms=to_ms(now),
                body=recorded.body,
                writes=recorded.writes,
            )
            for told in following.told
            for recorded in told.recorded
        ]
        if events:
            await self._recorder.record(events)
        if following.loose is not None:
            async with self._reader.ledger.write() as conn:
                await keep_loose(conn, following.loose, following.review)
        self.heard += 1
        self._count(heard)
        log.info(
            "message_heard",
            channel=event.channel,
            requests=list(heard.reading.requests),
            known=following.writer is not None,
        )
        return Taken(None if event.automatic else ToAnswer(heard, following))

    def _count(self, heard: Heard) -> None:
        campaign_id = heard.answered.campaign_id if heard.answered is not None else None
        tally = self._tally_of(campaign_id) if campaign_id is not None else None
        if tally is not None:
            tally.replies += 1
            tally.opt_outs += heard.reading.stops

    async def _around(self, event: MessageReceived) -> Heard | None:
        """The message with what is known of its writer; None: it was taken before."""
        async with self._reader.ledger.read() as conn:
            if await was_received(conn, event.channel, event.provider_id):
                return None
            people = await people_of(conn, event.channel, event.sender)
            account_ids = await accounts_of(conn, [person_id for person_id, _ in people])
            row: MessageRow | None = None
            if event.in_reply_to is not None:
                row = await message_of_provider(conn, event.in_reply_to)
            row = row or await last_to(conn, event.channel, event.sender)
            alone = people[0][1] if len(people) == 1 else None
            thread = await get_thread(conn, thread_id_of(event.channel, alone, event.sender))
            calling = await calling_campaigns(conn, account_ids)
        since_ms = to_ms(self._clock.now() - self._lookback)
        accounts = await self._reader.read_accounts(None, account_ids, since_ms)
        reading = Reading() if event.automatic else read(event.text)
        waits = thread is not None and thread.state is ThreadState.WAITING_US
        return Heard(
            message_id=self._new_id(),
            event=event,
            reading=reading,
            matches=matches_of(accounts, people),
            answered=None if row is None else _answered(row),
            review_open=waits and thread is not None and thread.review_id is not None,
            campaigns=tuple(calling),
        )

    async def answer(self, to_answer: ToAnswer) -> None:
        """The one confirmation of a stop, or the fixed help; where the gate lets it.

        Raises `LedgerUnavailable`.
        """
        heard, following = to_answer
        writer = following.writer
        if writer is None:
            return
        requests = heard.reading.requests
        confirms = heard.reading.stops
        if not confirms and requests != (Request.HELP,):
            return
        if confirms and _is_stopped(writer, heard.event.channel):
            return  # confirmed before
        thread_id = thread_id_of(
            heard.event.channel, writer.point.contact_point_id, heard.event.sender
        )
        async with self._reader.ledger.read() as conn:
            thread = await get_thread(conn, thread_id)
        language = _language(
            writer.person.subject.person.language, thread.language if thread is not None else None
        )
        texts = CONFIRMATIONS if confirms else HELP
        try:
            await self._replies.reply(
                thread_id,
                texts[language],
                author=AUTOMATIC,
                confirms=confirms,
            )
        except ReplyNotAllowed as blocked:
            log.info("answer_not_allowed", rule=str(blocked))
        except (NothingToAnswer, ReplyNotSent, ReplyTellsTooMuch) as error:
            log.warning("answer_not_sent", error=str(error))


def _answered(row: MessageRow) -> Answered:
    return Answered(row.message_id, row.person_id, row.account_id, row.campaign_id)


def _is_stopped(writer: Match, channel: Channel) -> bool:
    """Whether the person had stopped the channel before this message."""
    return any(
        fact.scope is SuppressionScope.CHANNEL
        and fact.channel is channel
        and fact.reason == SuppressReason.OPT_OUT
        and fact.ends_at is None
        for fact in writer.person.subject.suppressions
    )


def _language(persons: str | None, threads: str | None) -> TextLanguage:
    """The person's language, else the one that we last wrote in."""
    known = persons or threads or TextLanguage.ES.value
    return TextLanguage.EN if known.lower().startswith("en") else TextLanguage.ES
