"""The fake's Messages: taken, delivered or not, answered, and told of by signed webhooks."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from functools import partial
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from compliance.types import Channel
from telephony_adapters.clock import Clock
from telephony_adapters.messaging import DeliveryState, MessageId, OutboundMessage, Refusal
from telephony_adapters.simulator.correspondents import (
    Fate,
    MessageWorld,
    PlannedMove,
    SeededCorrespondents,
)
from telephony_adapters.simulator.messenger import (
    CONVERSATION,
    PROVIDER_STARTS,
    PROVIDER_STOPS,
)
from telephony_adapters.twilio.fake.calls import API_VERSION
from telephony_adapters.twilio.fake.exchange import KEPT_CALLS, FakeSettings
from telephony_adapters.twilio.fake.failing import NOT_FOUND, FakeError, fail_create
from telephony_adapters.twilio.fake.faults import NO_FAULT, Fault
from telephony_adapters.twilio.fake.replies import json_reply, page
from telephony_adapters.twilio.fake.sender import Sender
from telephony_adapters.twilio.message_codec import WHATSAPP, MessageStatus
from telephony_adapters.twilio.tasks import Chores

WRITES: Final = "/fake/writes"
"""Somebody writes to the account: `From`, `To`, `Body`; no such thing exists at Twilio."""
CODES: Final[Mapping[Refusal, int]] = {
    Refusal.INVALID_ADDRESS: 30005,
    Refusal.NOT_MOBILE: 30006,
    Refusal.OPTED_OUT: 21610,
    Refusal.FILTERED: 30007,
    Refusal.UNREACHABLE: 30003,
    Refusal.OUTSIDE_WINDOW: 63016,
    Refusal.RATE: 30022,
    Refusal.CONTENT: 30019,
    Refusal.ACCOUNT: 30034,
}
"""With which code Twilio tells of each; all others are 30008."""
_STATUSES: Final = {
    DeliveryState.SENT: MessageStatus.SENT,
    DeliveryState.DELIVERED: MessageStatus.DELIVERED,
    DeliveryState.READ: MessageStatus.READ,
    DeliveryState.FAILED: MessageStatus.UNDELIVERED,
    DeliveryState.BOUNCED: MessageStatus.UNDELIVERED,
}
_WINDOW: Final = Fate(
    moves=(PlannedMove(after_s=0.5, state=DeliveryState.FAILED, refusal=Refusal.OUTSIDE_WINDOW),)
)
MOST_VALIDITY_S: Final = 36_000


class FakeMessage:
    """A Message resource, in either direction."""

    def __init__(self, form: Mapping[str, list[str]], at: datetime, *, inbound: bool) -> None:
        self.sid = f"SM{secrets.token_hex(16)}"
        self.to = _one(form, "To")
        self.from_ = _one(form, "From")
        self.service = _one(form, "MessagingServiceSid")
        self.body = _one(form, "Body")
        self.content_sid = _one(form, "ContentSid")
        self.variables = _one(form, "ContentVariables")
        self.status_url = _one(form, "StatusCallback")
        self.inbound = inbound
        self.created_at = at
        self.status = MessageStatus.RECEIVED if inbound else MessageStatus.QUEUED
        self.error = 0
        self.callbacks = -1

    @property
    def channel(self) -> Channel:
        return Channel.WHATSAPP if self.to.startswith(WHATSAPP) else Channel.SMS

    def resource(self, account_sid: str) -> Mapping[str, object]:
        at = format_datetime(self.created_at)
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "api_version": API_VERSION,
            "direction": "inbound" if self.inbound else "outbound-api",
            "to": self.to,
            "from": self.from_ or None,
            "messaging_service_sid": self.service or None,
            "body": self.body,
            "status": self.status,
            "error_code": self.error or None,
            "num_segments": "1",
            "num_media": "0",
            "date_created": at,
            "date_sent": at if self.status is not MessageStatus.QUEUED else None,
            "date_updated": at,
        }

    def fields(self) -> dict[str, str]:
        """What a status callback says of it."""
        fields = {
            "MessageSid": self.sid,
            "SmsSid": self.sid,
            "MessageStatus": self.status.value,
            "SmsStatus": self.status.value,
            "To": self.to,
            "From": self.from_,
            "ApiVersion": API_VERSION,
        }
        return fields | ({"ErrorCode": str(self.error)} if self.error else {})


class MessageServer:
    """Messages of one account: the resource, and the people who get them and write."""

    def __init__(
        self,
        settings: FakeSettings,
        clock: Clock,
        sender: Sender,
        faults: Mapping[str, Fault] | None = None,
        people: MessageWorld | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sender = sender
        self._people = people if people is not None else SeededCorrespondents(1)
        self._chores = Chores()
        self._met: Counter[str] = Counter()
        self._past: Counter[str] = Counter()
        self._stopped: set[str] = set()
        self._wrote_at: dict[str, datetime] = {}
        self.faults = dict(faults or {})
        self.messages: dict[str, FakeMessage] = {}
        self.inbound_url = settings.inbound_url
        """Where the account's numbers send what comes in; empty: nowhere."""

    async def close(self) -> None:
        await self._chores.cancel()

    @property
    def sent(self) -> list[FakeMessage]:
        """Messages that were taken, in order."""
        return [message for message in self.messages.values() if not message.inbound]

    # --- people ---------------------------------------------------------------------------------

    def someone_writes(
        self, sender: str, to: str, text: str, *, answers: str = "", media: int = 0
    ) -> FakeMessage:
        """Somebody writes to a number of the account; `whatsapp:` before both for WhatsApp."""
        now = self._clock.now()
        form = {"From": [sender], "To": [to], "Body": [text]}
        message = FakeMessage(form, now, inbound=True)
        self._keep(message)
        self._wrote_at[sender] = now
        word = text.strip().upper()
        if message.channel is Channel.SMS and word in PROVIDER_STOPS:
            self._stopped.add(sender)
        elif word in PROVIDER_STARTS:
            self._stopped.discard(sender)
        fields = {
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "AccountSid": self._settings.account_sid,
            "From": sender,
            "To": to,
            "Body": text,
            "NumMedia": str(media),
            "NumSegments": "1",
        } | ({"OriginalRepliedMessageSid": answers} if answers else {})
        if self.inbound_url:
            fault = self.faults.get(_bare(sender), NO_FAULT)
            self._chores.start(
                f"in:{message.sid}", self._sender.callback(self.inbound_url, fields, fault, 1)
            )
        return message

    def moves(self, message: FakeMessage, move: PlannedMove) -> None:
        """A message comes so far; its callback is sent."""
        message.status = _STATUSES[move.state]
        message.error = CODES.get(move.refusal, 30008) if move.refusal is not None else 0
        message.callbacks += 1
        fault = self.faults.get(_bare(message.to), NO_FAULT)
        if not message.status_url or message.status in fault.lost:
            return
        self._chores.start(
            f"status:{message.sid}",
            self._sender.callback(message.status_url, message.fields(), fault, message.callbacks),
        )

    def create(self, form: Mapping[str, list[str]]) -> FakeMessage:
        """Take a message and plan its life. Raises `FakeError` when it is refused."""
        message = FakeMessage(form, self._clock.now(), inbound=False)
        address = _bare(message.to)
        outbound = OutboundMessage(
            message_id=MessageId(message.sid),
            channel=message.channel,
            to=address,
            text=message.body,
            template=message.content_sid or None,
        )
        fate = self._people.fate(outbound, self._past[address])
        self._past[address] += 1
        if message.channel is Channel.SMS and message.to in self._stopped:
            raise FakeError(400, 21610, "Attempt to send to unsubscribed recipient")
        if fate.refused is not None:
            raise FakeError(400, 21211, f"The 'To' number {message.to} is not valid")
        if not self._may_be_free(message):
            fate = _WINDOW
        self._keep(message)
        for move in fate.moves:
            self._clock.call_later(move.after_s, partial(self.moves, message, move))
        if fate.reply is not None and not fate.reply.automatic:
            self._clock.call_later(
                fate.reply.after_s,
                partial(self._answers, message, fate.reply.text),
            )
        return message

    def _keep(self, message: FakeMessage) -> None:
        if len(self.messages) >= KEPT_CALLS:
            del self.messages[next(iter(self.messages))]
        self.messages[message.sid] = message

    def _answers(self, message: FakeMessage, text: str) -> None:
        answered = message.sid if message.channel is Channel.WHATSAPP else ""
        self.someone_writes(message.to, message.from_, text, answers=answered)

    def _may_be_free(self, message: FakeMessage) -> bool:
        if message.channel is not Channel.WHATSAPP or message.content_sid:
            return True
        wrote_at = self._wrote_at.get(message.to)
        return wrote_at is not None and self._clock.now() - wrote_at < CONVERSATION

    # --- the resource ---------------------------------------------------------------------------

    def add_routes(self, app: web.Application, account: str) -> None:
        app.router.add_post(f"{account}/Messages.json", self._create)
        app.router.add_get(f"{account}/Messages.json", self._list)
        app.router.add_get(f"{account}/Messages/{{sid}}.json", self._fetch)
        app.router.add_post(WRITES, self._write)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        form = parse_qs((await request.read()).decode(), keep_blank_values=True)
        _check(form)
        to = _bare(_one(form, "To"))
        fault = self.faults.get(to)
        if fault is not None and fault.create is not None and self._met[to] < fault.times:
            self._met[to] += 1
            await fail_create(fault.create, lambda: self.create(form))
        return json_reply(self.create(form).resource(self._settings.account_sid), status=201)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        since = query.get("DateSent>")
        found = [
            message
            for message in reversed(self.messages.values())
            if query.get("To", message.to) == message.to
            and query.get("From", message.from_) == message.from_
            and (since is None or message.created_at >= _day(since))
        ]
        rows = [message.resource(self._settings.account_sid) for message in found]
        return page(request, "messages", rows)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        message = self.messages.get(request.match_info["sid"])
        if message is None:
            raise NOT_FOUND
        return json_reply(message.resource(self._settings.account_sid))

    async def _write(self, request: web.Request) -> web.StreamResponse:
        form = parse_qs((await request.read()).decode(), keep_blank_values=True)
        sender, to = _one(form, "From"), _one(form, "To")
        if not sender or not to:
            raise FakeError(400, 21201, "From, To and Body are due")
        message = self.someone_writes(sender, to, _one(form, "Body"))
        return json_reply(message.resource(self._settings.account_sid), status=201)


def _check(form: Mapping[str, list[str]]) -> None:
    """What Twilio says to a request that lacks something. Raises `FakeError`."""
    if not _one(form, "To"):
        raise FakeError(400, 21604, "A 'To' phone number is required.")
    if not (_one(form, "From") or _one(form, "MessagingServiceSid")):
        raise FakeError(400, 21603, "A 'From' phone number is required.")
    if not (_one(form, "Body") or _one(form, "ContentSid")):
        raise FakeError(400, 21602, "Message body is required.")
    if len(_one(form, "Body")) > 1_600:
        raise FakeError(400, 21617, "The concatenated message body exceeds the limit")
    validity = _one(form, "ValidityPeriod") or str(MOST_VALIDITY_S)
    if not (validity.isdigit() and 1 <= int(validity) <= MOST_VALIDITY_S):
        raise FakeError(400, 20001, "ValidityPeriod must be between 1 and 36000")
    try:
        json.loads(_one(form, "ContentVariables") or "{}")
    except ValueError as error:
        raise FakeError(400, 21656, "The ContentVariables parameter is invalid") from error


def _day(text: str) -> datetime:
    """`DateSent>` counts whole days, whatever hour it names."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _bare(address: str) -> str:
    return address.removeprefix(WHATSAPP)


def _one(form: Mapping[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]
