"""E-mail behind the messaging port: out over SMTP, in from a Maildir."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from compliance.permit import ContactPermit
from compliance.types import Channel, CollectorRole
from telephony_adapters.call_ids import UsedCallIds
from telephony_adapters.clock import Clock
from telephony_adapters.errors import CarrierUnavailable, DuplicateCall, MessageRejected, NotOffered
from telephony_adapters.messaging import (
    AnyMessageEvent,
    DeliveryState,
    Kept,
    MessageId,
    MessageMoved,
    MessageReport,
    MessageSink,
    MessagingFacts,
    Objection,
    OutboundMessage,
)
from telephony_adapters.pace import Pace
from telephony_adapters.smtp.client import Connections
from telephony_adapters.smtp.inbox import Inbox
from telephony_adapters.smtp.letters import OurMail, compose
from telephony_adapters.smtp.settings import SmtpSettings, check

NAME: Final = "smtp"


class SmtpMessenger:
    """A `MessagingAdapter` for e-mail over one mail server. Raises `SettingsProblem`.

    That the server took a message is told as "sent"; more than that only bounces tell, if there
    is an inbox. SMTP cannot be asked what became of a message: a doubtful one stays in doubt
    until it bounces.
    """

    def __init__(self, settings: SmtpSettings, clock: Clock) -> None:
        self.settings = check(settings)
        self._clock = clock
        self._connections = Connections(settings)
        self._pace = Pace(clock, settings.max_per_s)
        self._used = UsedCallIds()
        self._sink: MessageSink | None = None
        self._inbox = (
            Inbox(Path(settings.inbox_dir), OurMail.of(settings), settings.inbox_poll_s)
            if settings.inbox_dir is not None
            else None
        )

    @property
    def facts(self) -> MessagingFacts:
        return MessagingFacts(
            name=NAME,
            channels=frozenset({Channel.EMAIL}),
            loopback=self.settings.reaches_nobody,
            receipts=self._inbox is not None,
            inbound=self._inbox is not None,
            max_per_s=self.settings.max_per_s,
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """For whoever watches: connections made, and what came into the inbox."""
        inbox = msgspec.structs.asdict(self._inbox.counts) if self._inbox is not None else {}
        return {
            "connections": self._connections.opened,
            **{f"inbox_{name}": count for name, count in inbox.items()},
        }

    async def start(self, sink: MessageSink, *, since: datetime | None = None) -> None:
        """Connect once, so that a server that cannot be used is known at once."""
        await self._connections.check()
        self._sink = sink
        try:
            if self._inbox is not None:
                await self._inbox.start(self._tell)
        except CarrierUnavailable:
            await self.stop()
            raise

    async def stop(self) -> None:
        self._sink = None
        if self._inbox is not None:
            await self._inbox.stop()
        await self._connections.close()

    async def send(self, message: OutboundMessage, permit: ContactPermit) -> str:
        permit.spend(address=message.to, channel=message.channel, now=self._clock.now())
        if message.channel is not Channel.EMAIL:
            raise NotOffered(f"SMTP carries e-mail, not {message.channel}")
        if self._sink is None:
            raise CarrierUnavailable("there is no connection to the mail server: not started")
        if message.message_id in self._used:
            raise DuplicateCall(f"message id {message.message_id} was used before; not repeated")
        letter = compose(message, self.settings, self._clock.now())
        self._used.add(message.message_id)
        try:
            await self._pace.turn(permit.expires_at)
            await self._connections.deliver(
                letter, may_leave=lambda: self._clock.now() < permit.expires_at
            )
        except (MessageRejected, CarrierUnavailable):
            self._used.discard(message.message_id)
            raise
        self._tell(
            MessageMoved(
                event_id=f"smtp:{message.message_id}:sent",
                at=self._clock.now(),
                message_id=message.message_id,
                state=DeliveryState.SENT,
            )
        )
        return letter.header_id

    def objection(self, channel: Channel, country: str, role: CollectorRole) -> Objection | None:
        return None

    async def find(self, message_id: MessageId) -> MessageReport | None:
        raise NotOffered("SMTP cannot be asked what became of a message")

    def _tell(self, event: AnyMessageEvent) -> Kept | None:
        return None if self._sink is None else self._sink(event)
