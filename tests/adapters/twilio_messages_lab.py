"""The conformance laboratory of Twilio's messages: adapter and fake, real HTTP between them, and
one manual clock for both, which moves only when no request is under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from compliance.types import Channel
from telephony_adapters.messaging import OutboundMessage
from telephony_adapters.simulator.correspondents import MessageWorld
from telephony_adapters.twilio.fake.exchange import FakeSettings
from telephony_adapters.twilio.fake.faults import CreateFault, Fault
from telephony_adapters.twilio.fake.lines import ScriptedWorld
from telephony_adapters.twilio.fake.message_server import FakeMessage
from telephony_adapters.twilio.fake.server import FakeTwilio
from telephony_adapters.twilio.messages import TwilioMessenger
from telephony_adapters.twilio.settings import TwilioSettings
from telephony_adapters.twilio.twiml import MESSAGE_IN
from tests.adapters.lab import PATIENCE_S
from tests.adapters.messaging_lab import BreakableMessagingLab, FarSide, WritingLab
from tests.adapters.twilio_lab import IDLE_TURNS, REQUEST_TIMEOUT_S
from tests.support.fixed_people import FixedPeople
from tests.support.free_port import free_port
from tests.support.manual_clock import ManualClock

SIDES = list(FarSide)
OWN = "+13055550100"
ALWAYS = 1_000
NUMBERS = {side: f"+1305556{n:04d}" for n, side in enumerate(SIDES)}
FAULTS = {
    NUMBERS[FarSide.BUSY]: Fault(create=CreateFault.TOO_MANY, times=ALWAYS),
    NUMBERS[FarSide.SILENT_TAKEN]: Fault(create=CreateFault.SERVER_ERROR_PLACED, times=ALWAYS),
    NUMBERS[FarSide.SILENT_LOST]: Fault(create=CreateFault.SERVER_ERROR, times=ALWAYS),
}


class TwilioMessagesLab(WritingLab, BreakableMessagingLab):
    """Make it with `messages_lab()`, which starts both sides."""

    def __init__(self, channel: Channel, people: MessageWorld | None) -> None:
        super().__init__()
        self.channel = channel
        self.clock = ManualClock(quiesce=self._quiet)
        self.port = free_port()
        world = people or FixedPeople({number: side for side, number in NUMBERS.items()})
        self.fake = FakeTwilio(
            FakeSettings(inbound_url=f"http://127.0.0.1:{self.port}{MESSAGE_IN}"),
            self.clock,
            ScriptedWorld({}),
            FAULTS,
            people=world,
        )
        self._messenger: TwilioMessenger | None = None

    def settings(self, **changes: object) -> TwilioSettings:
        usual = TwilioSettings(
            account_sid=self.fake.settings.account_sid,
            auth_token=self.fake.settings.auth_token,
            public_url=f"http://127.0.0.1:{self.port}",
            caller_ids=(),
            api_url=self.fake.url,
            listen_port=self.port,
            request_timeout_s=REQUEST_TIMEOUT_S,
            sms_from=OWN,
            whatsapp_from=OWN,
            messages_per_s=1_000.0,
        )
        return msgspec.structs.replace(usual, **changes)

    def make(self, settings: TwilioSettings) -> TwilioMessenger:
        """An adapter whose Twilio keeps this laboratory's time."""
        return TwilioMessenger(settings, self.clock, twilio_now=self.clock.now)

    def use(self, messenger: TwilioMessenger) -> None:
        self._messenger = messenger

    @property
    def adapter(self) -> TwilioMessenger:
        assert self._messenger is not None
        return self._messenger

    async def _quiet(self) -> None:
        """Return when neither side has a request under way."""
        idle = 0
        while idle < IDLE_TURNS:
            busy = self.fake.sending or (
                self._messenger is not None and self._messenger.requests_in_flight > 0
            )
            idle = 0 if busy else idle + 1
            await asyncio.sleep(0.0005 if busy else 0)

    def now(self) -> datetime:
        return self.clock.now()

    def address(self, side: FarSide) -> str:
        return NUMBERS[side]

    def taken(self) -> int:
        return len(self.fake.messages.sent)

    async def until(self, condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        await self.clock.run_until(condition, limit_s)

    async def pass_time(self, delay_s: float) -> None:
        await self.clock.advance(delay_s)

    async def send(self, message: OutboundMessage) -> str:
        """Waiting for a turn, or after 429, is waiting for the clock."""
        sending = asyncio.ensure_future(super().send(message))
        await self.clock.run_until(sending.done)
        return await sending

    async def someone_writes(
        self, sender: str, text: str, *, answers: OutboundMessage | None = None
    ) -> None:
        prefix = "whatsapp:" if self.channel is Channel.WHATSAPP else ""
        self.fake.messages.someone_writes(f"{prefix}{sender}", f"{prefix}{OWN}", text)

    async def lose_connection(self) -> None:
        await self.fake.stop()

    async def restore_connection(self) -> None:
        await self.fake.start(self.fake.port)

    def at_twilio(self, message: OutboundMessage) -> FakeMessage:
        """Twilio's message that carries our id in its callbacks."""
        for one in self.fake.messages.sent:
            if one.status_url.endswith(f"={message.message_id}"):
                return one
        raise AssertionError(f"Twilio knows no message of {message.message_id}")


@asynccontextmanager
async def messages_lab(
    channel: Channel = Channel.SMS, people: MessageWorld | None = None, **changes: object
) -> AsyncIterator[TwilioMessagesLab]:
    """Both sides, started; `changes` are to the adapter's settings."""
    lab = TwilioMessagesLab(channel, people)
    await lab.fake.start()
    messenger = lab.make(lab.settings(**changes))
    try:
        lab.use(messenger)
        await messenger.start(lab.events.append)
        yield lab
    finally:
        await messenger.stop()
        await lab.fake.stop()
