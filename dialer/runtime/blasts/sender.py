"""Messages between intent and outcome: sent once, and never again before the provider was asked.

A sending ends in one of three ways. The provider has it, or certainly has not: both are recorded
at once. Or nobody can tell: then nothing is recorded, the attempt stays open and counts, and
`Reconciler` asks the provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from compliance.permit import ContactPermit, PermitRefused
from compliance.types import CampaignId, Channel
from dialer.core.figures import Tally
from dialer.core.messages_outcome import NotTaken, Sending, Taken, sending_ended
from dialer.core.messages_planning import Send
from dialer.core.outcome import Contact
from dialer.core.records import event_id, to_ms
from dialer.runtime.clock import Clock
from dialer.runtime.outcomes import holidays_of
from dialer.runtime.recorder import Recorder, outcome_job
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.ids import Ids
from dialer.stores.ledger.streams import Appended
from dialer.stores.redis.errors import RedisStoreError
from dialer.stores.redis.queue import CampaignQueue, Claim, Settlement, WaitUntil
from telephony_adapters.errors import (
    CarrierUnavailable,
    MessageRejected,
    NotOffered,
    TelephonyError,
)
from telephony_adapters.messaging import MessageId, MessagingAdapter, OutboundMessage, Refusal

log = structlog.get_logger()

DOUBT_WAIT_MS = 120_000
"""An account whose message is in doubt is looked at again after this; until then it was asked."""
PAUSES_S: Final = {
    Refusal.RATE: 5.0,
    Refusal.ACCOUNT: 60.0,
    Refusal.CONTENT: 60.0,
    Refusal.OUTSIDE_WINDOW: 60.0,
}
"""Nothing leaves by a channel for this long after a refusal that everybody would meet."""
AWAY_PAUSE_S: Final = 10.0
Messengers = Mapping[Channel, MessagingAdapter]
"""Who carries each channel; one provider may carry several."""


class Letter(msgspec.Struct, eq=False):
    """One message that is about to leave, with the permit for it."""

    contact: Contact
    message: OutboundMessage
    permit: ContactPermit
    claim: Claim | None
    """The lease of its account; None: a reply, or what a flow sends: it belongs to no campaign."""
    done: asyncio.Event
    sending: Sending | None = None
    """How it ended, once it is `done`; None: it is in doubt."""

    @property
    def is_reply(self) -> bool:
        return self.claim is None


class Sender:
    """All that this worker is sending now."""

    def __init__(
        self,
        *,
        messengers: Messengers,
        recorder: Recorder,
        clock: Clock,
        queue_of: Callable[[CampaignId], CampaignQueue],
        tally_of: Callable[[CampaignId], Tally | None],
    ) -> None:
        self.messengers = messengers
        self._recorder = recorder
        self._clock = clock
        self._queue_of = queue_of
        self._tally_of = tally_of
        self._new_id = Ids()
        self._tasks = TaskSet("letters")
        self._rests_until: dict[Channel, datetime] = {}
        self.in_hand: dict[str, Letter] = {}
        """By message id: from the durable intent to the durable outcome."""

    def is_up(self, channel: Channel) -> bool:
        """Whether anything may be tried by a channel now."""
        until = self._rests_until.get(channel)
        return channel in self.messengers and (until is None or self._clock.now() >= until)

    def _rest(self, channel: Channel, seconds: float, why: str) -> None:
        self._rests_until[channel] = self._clock.now() + timedelta(seconds=seconds)
        log.error("channel_rests", channel=channel, seconds=seconds, why=why)

    def in_hand_of(self, campaign_id: CampaignId) -> int:
        return sum(1 for one in self.in_hand.values() if one.contact.campaign_id == campaign_id)

    def send_soon(self, letter: Letter) -> None:
        """Its intent is durable. It leaves now, or never."""
        self.in_hand[letter.message.message_id] = letter
        self._tasks.start(letter.message.message_id, self._send(letter))

    async def send(self, letter: Letter) -> Sending | None:
        """The same, and wait for the outcome; None: it is in doubt."""
        self.in_hand[letter.message.message_id] = letter
        return await self._deliver(letter)

    async def _send(self, letter: Letter) -> None:
        await self._deliver(letter)

    async def _deliver(self, letter: Letter) -> Sending | None:
        message_id = letter.message.message_id
        try:
            sending = letter.sending = await self._hand_over(letter)
            if sending is None:
                await self._wait_for_answer(letter)
            else:
                await self._record(letter, sending)
            return sending
        finally:
            self.in_hand.pop(message_id, None)
            letter.done.set()

    async def _hand_over(self, letter: Letter) -> Sending | None:
        message = letter.message
        messenger = self.messengers.get(message.channel)
        if messenger is None:
            return NotTaken(cause="no_messenger")
        try:
            provider_id = await messenger.send(message, letter.permit)
        except MessageRejected as error:
            if error.refusal in PAUSES_S:
                self._rest(message.channel, PAUSES_S[error.refusal], error.refusal)
            return NotTaken(refusal=error.refusal, provider_code=error.provider_code)
        except (CarrierUnavailable, NotOffered) as error:
            self._rest(message.channel, AWAY_PAUSE_S, error.code)
            return NotTaken(provider_code=error.provider_code, cause=error.code)
        except PermitRefused as error:
            log.error("permit_refused", message=message.message_id, problem=error.problem)
            return NotTaken(cause=f"permit_{error.problem}")
        except TelephonyError as error:
            log.warning("message_in_doubt", message=message.message_id, error=str(error))
            return None
        except Exception:
            # Whatever went wrong, it may have left: it is asked for, and never sent again.
            log.exception("message_in_doubt", message=message.message_id)
            return None
        return Taken(provider_id=provider_id)

    async def _record(self, letter: Letter, sending: Sending) -> None:
        contact, now = letter.contact, self._clock.now()
        result = sending_ended(
            contact,
            sending,
            now,
            holidays_of(contact.country),
            self._new_id,
            reply=letter.is_reply,
        )
        token = letter.claim.lease_token if letter.claim is not None else ""
        await self._recorder.run(outcome_job(contact, token, result, now))
        tally = self._tally_of(contact.campaign_id)
        if tally is not None and result.code is not None:
            tally.outcomes[result.code] += 1

    async def _wait_for_answer(self, letter: Letter) -> None:
        """The lease ends; the ledger has the account as waiting for its open attempt."""
        if letter.claim is None:
            return
        until = WaitUntil(to_ms(self._clock.now()) + DOUBT_WAIT_MS)
        back = Settlement(letter.claim.item, letter.claim.lease_token, until)
        try:
            await self._queue_of(letter.contact.campaign_id).settle([back])
        except RedisStoreError as error:
            log.warning("queue_not_settled", error=str(error))

    async def wait(self) -> None:
        """Return when nothing is being sent."""
        await self._tasks.wait()

    async def close(self) -> None:
        """Break off: what was handed over and not answered is asked for by the next owner."""
        await self._tasks.cancel()


def outbound(
    contact: Contact,
    *,
    text: str,
    subject: str | None = None,
    html: str | None = None,
    sender: str | None = None,
    unsubscribe_url: str | None = None,
    template: str | None = None,
    variables: Mapping[str, str] | None = None,
    in_reply_to: str | None = None,
) -> OutboundMessage:
    """The message exactly as it leaves."""
    return OutboundMessage(
        message_id=MessageId(contact.attempt_id),
        channel=contact.channel,
        to=contact.point.address,
        sender=sender,
        subject=subject,
        text=text,
        html=html,
        unsubscribe_url=unsubscribe_url,
        template=template,
        variables=dict(variables or {}),
        in_reply_to=in_reply_to,
    )


def letter_of(
    send: Send, appended: Appended, sender: str | None, claim: Claim | None = None
) -> Letter:
    """A planned message whose intent is durable, ready to leave."""
    number = event_id(appended.person_id, appended.seq)
    contact = msgspec.structs.replace(send.contact, event_id=number)
    message = outbound(
        contact,
        text=send.prepared.text,
        subject=send.prepared.subject or None,
        html=send.prepared.html if contact.channel is Channel.EMAIL else None,
        sender=sender,
        unsubscribe_url=send.unsubscribe_url,
        template=send.provider_template,
        variables=send.variables,
    )
    return Letter(contact, message, send.permit, claim, asyncio.Event())
