"""A worker that hears what people write, to be killed before it has written it down."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import msgspec

from compliance.types import Channel
from dialer.bootstrap import open_marcador
from dialer.runtime.blasts.inbox import Taken
from dialer.runtime.clock import Clock, SimulatedClock
from telephony_adapters.messaging import MessageReceived, MessageSink, MessagingAdapter
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.smtp.adapter import SmtpMessenger
from telephony_adapters.smtp.settings import Security, SmtpSettings
from telephony_adapters.twilio.messages import TwilioMessenger
from telephony_adapters.twilio.settings import TwilioSettings
from tests.support.fixed_world import FixedWorld
from tests.support.house import house_config

OWN_NUMBER = "+13055550100"
OWN_MAIL = "cobranza@agencia.example"
LISTENS, HEARS = "listens", "hears"
"""Files by which it tells how far it is."""


class Ears(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    redis_url: str
    start: datetime
    maildir: str = ""
    smtp_port: int = 0
    twilio_url: str = ""
    account_sid: str = ""
    auth_token: str = ""
    webhook_port: int = 0


def listen(ears: Ears) -> None:
    """Entry of a process that listens until it is killed."""
    asyncio.run(_listen(ears))


def _messenger(ears: Ears, clock: Clock) -> tuple[Channel, MessagingAdapter]:
    if ears.maildir:
        settings = SmtpSettings(
            host="127.0.0.1",
            port=ears.smtp_port,
            security=Security.PLAIN,
            from_address=OWN_MAIL,
            laboratory=True,
            inbox_dir=ears.maildir,
            inbox_poll_s=0.02,
        )
        return Channel.EMAIL, SmtpMessenger(settings, clock)
    twilio = TwilioSettings(
        account_sid=ears.account_sid,
        auth_token=ears.auth_token,
        public_url=f"http://127.0.0.1:{ears.webhook_port}",
        caller_ids=(),
        api_url=ears.twilio_url,
        listen_port=ears.webhook_port,
        sms_from=OWN_NUMBER,
    )
    return Channel.SMS, TwilioMessenger(twilio, clock, channels=frozenset({Channel.SMS}))


async def _listen(ears: Ears) -> None:
    folder = Path(ears.folder)
    clock = SimulatedClock(ears.start, 1.0)
    channel, messenger = _messenger(ears, clock)
    carrier = SimulatedCarrier(clock=clock, world=FixedWorld())
    config = house_config(folder, ears.redis_url)
    async with open_marcador(
        config, clock=clock, adapter=carrier, messengers={channel: messenger}
    ) as marcador:
        inbox = marcador.engine.post.inbox
        take = inbox.take

        async def told(event: MessageReceived) -> Taken:
            (folder / HEARS).touch()
            return await take(event)

        start = messenger.start

        async def started(sink: MessageSink, *, since: datetime | None = None) -> None:
            await start(sink, since=since)
            (folder / LISTENS).touch()

        inbox.take = told  # type: ignore[method-assign]  # the moment at which it is to die
        messenger.start = started  # type: ignore[method-assign]  # tells that it listens
        await marcador.engine.start()
        await asyncio.Event().wait()
