"""SMS and WhatsApp through Twilio behind the messaging port.

Messages leave as requests, what becomes of them and what people write comes as signed webhooks,
through the same door as those of calls. A request without an answer is unknown: the message is
never asked for twice, but found by its first callback, which carries our id, or in Twilio's list.
What people wrote is also looked for in that list from time to time, so that a STOP is heard even
if its webhook never arrived. A webhook is answered for when what it says is durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import msgspec
import structlog
from aiohttp import web

from compliance.permit import ContactPermit
from compliance.types import Channel, CollectorRole
from telephony_adapters.call_ids import UsedCallIds
from telephony_adapters.clock import Clock
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    MessageRejected,
    NotOffered,
    OutcomeUnknown,
    TelephonyError,
)
from telephony_adapters.messaging import (
    MessageId,
    MessageMoved,
    MessageReceived,
    MessageReport,
    MessageSink,
    MessagingFacts,
    Objection,
    OutboundMessage,
    Refusal,
)
from telephony_adapters.pace import Pace
from telephony_adapters.twilio import message_codec as codec
from telephony_adapters.twilio import preflight, twiml
from telephony_adapters.twilio.codec import MalformedWebhook
from telephony_adapters.twilio.dispatches import Dispatch, Dispatches
from telephony_adapters.twilio.door import Door, Fields, NotKept, our_id
from telephony_adapters.twilio.message_api import MessageApi, MessageInfo, NewMessage
from telephony_adapters.twilio.settings import TwilioSettings, can_be_answered, check_messages
from telephony_adapters.twilio.transport import Refused

log = structlog.get_logger()

NAME: Final = "twilio"
CARRIED: Final = frozenset({Channel.SMS, Channel.WHATSAPP})
CONVERSATION: Final = timedelta(hours=24)
"""WhatsApp: how long one may write freely to somebody who has written."""
HEARD_AGAIN: Final = timedelta(hours=24)
"""How far back, before the last that was kept, the list of messages is read at the start."""
FIRST_HEARD: Final = timedelta(days=7)
"""The same where nothing was ever kept."""
KEPT_WITHIN_S: Final = 10.0
"""Longest wait for what a webhook says to be durable; Twilio gives up after 15."""
SETTLES: Final = timedelta(seconds=30)
"""A message that Twilio has not listed for so long after it was asked for was never taken."""
SENT_SLACK: Final = timedelta(seconds=5)
"""How far the clocks of Twilio and of this machine may be apart."""
LONGEST_SMS: Final = 1_600
MOST_CONVERSATIONS: Final = 250_000
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_TEMPLATE: Final = re.compile(r"HX[0-9a-f]{32}")


class TwilioMessenger:
    """A `MessagingAdapter` over one Twilio account. Raises `SettingsProblem`.

    `door` is that of the calls' adapter where both serve one account. `twilio_now` is the time in
    which Twilio's instants are told: the wall's, even where `clock` is a simulated day.
    """

    def __init__(
        self,
        settings: TwilioSettings,
        clock: Clock,
        *,
        channels: frozenset[Channel] = CARRIED,
        door: Door | None = None,
        twilio_now: Callable[[], datetime] = partial(datetime.now, UTC),
    ) -> None:
        self.settings = check_messages(settings, channels)
        self._clock = clock
        self._twilio_now = twilio_now
        self._channels = channels & CARRIED
        self._addresses = twiml.Addresses(settings.public_url)
        self._api = MessageApi(settings, clock)
        self._pace = Pace(clock, settings.messages_per_s)
        self._used = UsedCallIds()
        self._dispatches = Dispatches()
        self._heard = UsedCallIds()
        self._keeping: dict[str, asyncio.Future[bool]] = {}
        """By Twilio's id, what is told and not durable yet."""
        self._wrote_at: OrderedDict[str, datetime] = OrderedDict()
        self._sink: MessageSink | None = None
        self._watch: asyncio.Task[None] | None = None
        self._repeated = 0
        self._found_late = 0
        self.door = door if door is not None else Door(settings)
        self.door.add(twiml.MESSAGE_STATUS, self._status)
        self.door.add(twiml.MESSAGE_IN, self._received)

    # --- life -----------------------------------------------------------------------------------

    @property
    def facts(self) -> MessagingFacts:
        return MessagingFacts(
            name=NAME,
            channels=self._channels,
            loopback=self.settings.is_loopback,
            receipts=True,
            inbound=True,
            findable=True,
            max_per_s=self.settings.messages_per_s,
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """For whoever watches: webhooks taken and refused, and what told nothing new."""
        webhooks = msgspec.structs.asdict(self.door.counts)
        return {
            **{f"webhooks_{name}": count for name, count in webhooks.items()},
            "receipts_repeated": self._repeated,
            "received_without_webhook": self._found_late,
        }

    @property
    def requests_in_flight(self) -> int:
        """REST requests that wait for their answer."""
        return self._api.in_flight

    async def start(self, sink: MessageSink, *, since: datetime | None = None) -> None:
        """Check the credentials, open the door, and hear what was written meanwhile."""
        self._api.open()
        try:
            status = await self._api.account_status()
            if status != "active":
                raise CarrierUnavailable(
                    f"the Twilio account is {status}, not active; see the Twilio console"
                )
            await self.door.open(self)
            self._sink = sink
            age = None if since is None else self._clock.now() - since
            await self._catch_up(FIRST_HEARD if age is None else age + HEARD_AGAIN)
        except TelephonyError as error:
            await self.stop()
            if isinstance(error, CarrierUnavailable):
                raise
            raise CarrierUnavailable(str(error), provider_code=error.provider_code) from error
        self._watch = asyncio.create_task(self._keep_catching_up(), name="twilio:messages")

    async def stop(self) -> None:
        self._sink = None
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        await self.door.close(self)
        await self._api.close()

    # --- out ------------------------------------------------------------------------------------

    async def send(self, message: OutboundMessage, permit: ContactPermit) -> str:
        permit.spend(address=message.to, channel=message.channel, now=self._clock.now())
        self._require_started()
        if message.channel not in self._channels:
            raise NotOffered(f"Twilio carries no {message.channel} as it is configured")
        if message.message_id in self._used:
            raise DuplicateCall(f"message id {message.message_id} was used before; not repeated")
        self._preflight(message)
        self._used.add(message.message_id)
        try:
            await self._pace.turn(permit.expires_at)
            dispatch = self._dispatches.add(message, self._twilio_now())
            info = await self._api.create_message(
                self._request(message), not_after=permit.expires_at
            )
        except Refused as refused:
            self._certainly_not_sent(message.message_id)
            raise MessageRejected(
                str(refused),
                refusal=codec.refusal_of(refused.twilio_code),
                provider_code=refused.provider_code,
            ) from refused
        except (CarrierUnavailable, MessageRejected):
            self._certainly_not_sent(message.message_id)
            raise
        if not self._dispatches.bind(dispatch, info.sid):
            log.error("twilio_two_messages_of_one_id", message=message.message_id, sid=info.sid)
        return info.sid

    def _certainly_not_sent(self, message_id: MessageId) -> None:
        self._used.discard(message_id)
        self._dispatches.forget(message_id)

    def _request(self, message: OutboundMessage) -> NewMessage:
        whatsapp = message.channel is Channel.WHATSAPP
        settings = self.settings
        service = None if whatsapp or message.sender else settings.messaging_service_sid
        sender = message.sender or (settings.whatsapp_from if whatsapp else settings.sms_from)
        prefix = codec.WHATSAPP if whatsapp else ""
        return NewMessage(
            to=f"{prefix}{message.to}",
            from_=None if service is not None else f"{prefix}{sender}",
            service_sid=service,
            body=None if message.template is not None else message.text,
            content_sid=message.template,
            variables=message.variables,
            status_url=self._addresses.message_status(message.message_id),
            validity_s=settings.message_validity_s,
        )

    def _preflight(self, message: OutboundMessage) -> None:
        """What Twilio would refuse for certain is not even asked for. Raises `MessageRejected`."""
        if not _E164.fullmatch(message.to):
            raise _rejected(f"{message.to!r} is not E.164", Refusal.INVALID_ADDRESS, "address")
        if message.template is not None:
            if not _TEMPLATE.fullmatch(message.template):
                raise _rejected("a template is HX and 32 digits", Refusal.CONTENT, "template")
            return
        if not message.text.strip() or len(message.text) > LONGEST_SMS:
            raise _rejected(
                f"a text of 1 to {LONGEST_SMS} characters is due", Refusal.CONTENT, "text"
            )
        if message.channel is Channel.WHATSAPP and not self._in_conversation(message.to):
            raise _rejected(
                "nobody wrote from there for 24 h: only an approved template may be sent",
                Refusal.OUTSIDE_WINDOW,
                "window",
            )

    def _in_conversation(self, address: str) -> bool:
        wrote_at = self._wrote_at.get(codec.national_form(address))
        return wrote_at is not None and self._twilio_now() - wrote_at < CONVERSATION

    def objection(self, channel: Channel, country: str, role: CollectorRole) -> Objection | None:
        return preflight.objection(channel, country, role)

    # --- what became of it ------------------------------------------------------------------------

    async def find(self, message_id: MessageId) -> MessageReport | None:
        self._require_started()
        dispatch = self._dispatches.get(message_id)
        if dispatch is None:
            raise OutcomeUnknown(f"message {message_id} was not sent in this life of the program")
        try:
            told = await self._told(dispatch)
        except Refused as refused:
            raise OutcomeUnknown(str(refused), provider_code=refused.provider_code) from refused
        if told is None:
            return None
        return MessageReport(message_id=message_id, provider_id=told.sid, state=told.state)

    async def _told(self, dispatch: Dispatch) -> codec.StatusTold | None:
        if dispatch.sid is None:
            await self._recognise(dispatch)
        if dispatch.sid is not None:
            return (await self._api.message(dispatch.sid)).told
        if self._twilio_now() - dispatch.asked_at < SETTLES:
            raise OutcomeUnknown("Twilio has not listed the message yet; ask again later")
        return None

    async def _recognise(self, dispatch: Dispatch) -> None:
        """Bind the message to what Twilio lists; its first callback may be quicker."""
        request = self._request(dispatch.message)
        found = [
            info
            for info in await self._api.messages_to(request.to)
            if self._may_be(info, dispatch, request)
        ]
        if found:
            # With several such, each was taken: whichever it is, it must not be sent again.
            self._dispatches.bind(dispatch, found[-1].sid)
            log.info("twilio_doubtful_message_found", message=dispatch.message.message_id)

    def _may_be(self, info: MessageInfo, dispatch: Dispatch, request: NewMessage) -> bool:
        """Whether a listed message can be the one whose request got no answer."""
        return (
            not self._dispatches.is_bound(info.sid)
            and (info.created_at is None or info.created_at >= dispatch.asked_at - SENT_SLACK)
            and (request.body is None or info.body.strip() == request.body.strip())
        )

    def _status(self, request: web.Request, fields: Fields) -> None:
        """A status callback. It comes twice, late, and in any order."""
        message_id = MessageId(our_id(request, "message"))
        told = codec.status_told(fields)
        dispatch = self._dispatches.get(message_id)
        if dispatch is not None and not self._dispatches.bind(dispatch, told.sid):
            raise MalformedWebhook("MessageSid", "another message than the one it names")
        state = told.state
        if state is None or self._sink is None:
            return
        if dispatch is not None:
            if not state.follows(dispatch.state):
                self._repeated += 1
                return
            dispatch.state = state
        self._sink(
            MessageMoved(
                event_id=f"{told.sid}:{told.status}",
                at=self._clock.now(),
                message_id=message_id,
                state=state,
                refusal=told.refusal,
                provider_code=told.provider_code,
            )
        )

    # --- what people write ------------------------------------------------------------------------

    async def _received(self, request: web.Request, fields: Fields) -> str:
        written = codec.written(fields)
        if self._sink is None:
            raise NotKept
        self._hear(written, self._twilio_now(), self._clock.now())
        await _durable(self._keeping.get(written.sid))
        return twiml.NOTHING

    def _hear(self, written: codec.Written, sent_at: datetime, at: datetime) -> bool:
        """Tell what somebody wrote, once. False: it was told before, or nobody listens."""
        if written.channel is Channel.WHATSAPP:
            before = self._wrote_at.pop(written.sender, sent_at)
            self._wrote_at[written.sender] = max(before, sent_at)
            if len(self._wrote_at) > MOST_CONVERSATIONS:
                self._wrote_at.popitem(last=False)
        if self._sink is None or written.sid in self._heard:
            return False
        self._heard.add(written.sid)
        kept = self._sink(
            MessageReceived(
                event_id=f"{written.sid}:received",
                at=at,
                channel=written.channel,
                sender=written.sender,
                to=written.to,
                text=written.text,
                provider_id=written.sid,
                in_reply_to=written.in_reply_to,
                media=written.media,
            )
        )
        if kept is not None:
            keeping = self._keeping[written.sid] = asyncio.ensure_future(kept)
            keeping.add_done_callback(partial(self._kept, written.sid))
        return True

    def _kept(self, sid: str, kept: asyncio.Future[bool]) -> None:
        """What was not kept is told again when it is met again."""
        self._keeping.pop(sid, None)
        if kept.cancelled() or not kept.result():
            self._heard.discard(sid)

    async def _keep_catching_up(self) -> None:
        back = timedelta(seconds=3 * self.settings.catch_up_s)
        while True:
            await self._clock.sleep(self.settings.catch_up_s)
            try:
                await self._catch_up(back)
            except TelephonyError as error:
                log.warning("twilio_catch_up_failed", error=str(error))
            except Exception:
                log.exception("twilio_catch_up_failed")  # and the next look is taken all the same

    async def _catch_up(self, back: timedelta) -> None:
        """Hear what was written in the time `back` and not told by a webhook."""
        now, ours = self._twilio_now(), self._clock.now()
        for number in self._own_numbers():
            infos = await self._api.received_since(now - back, to=number)
            for info in sorted(infos, key=lambda one: one.created_at or now):
                sent_at = info.created_at or now
                if sent_at < now - back:
                    continue
                try:
                    written = _written(info)
                except MalformedWebhook:
                    continue  # another channel, which is not ours
                if self._hear(written, sent_at, ours - (now - sent_at)):
                    self._found_late += 1

    def _own_numbers(self) -> list[str | None]:
        """Addresses that people write to; None stands for every number of the account, as those
        of a messaging service are not known here."""
        settings = self.settings
        numbers: list[str | None] = []
        if Channel.SMS in self._channels:
            if settings.messaging_service_sid is not None:
                return [None]
            if settings.sms_from is not None and can_be_answered(settings.sms_from):
                numbers.append(settings.sms_from)
        if Channel.WHATSAPP in self._channels:
            numbers.append(f"{codec.WHATSAPP}{settings.whatsapp_from}")
        return numbers

    def _require_started(self) -> None:
        if self._sink is None:
            raise CarrierUnavailable("there is no connection to Twilio: the adapter is stopped")


async def _durable(kept: asyncio.Future[bool] | None) -> None:
    """Wait for it, within what Twilio waits. Raises `NotKept`."""
    if kept is None:
        return
    try:
        async with asyncio.timeout(KEPT_WITHIN_S):
            if not await asyncio.shield(kept):
                raise NotKept
    except TimeoutError as error:
        raise NotKept from error


def _written(info: MessageInfo) -> codec.Written:
    """A listed message as its webhook would have told it. Raises `MalformedWebhook`."""
    return codec.written(
        {
            "MessageSid": info.sid,
            "From": info.from_,
            "To": info.to,
            "Body": info.body,
            "NumMedia": str(info.media),
        }
    )


def _rejected(what: str, refusal: Refusal, code: str) -> MessageRejected:
    return MessageRejected(what, refusal=refusal, provider_code=f"local:{code}")
