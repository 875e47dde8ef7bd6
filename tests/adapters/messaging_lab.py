"""What a provider of messages under test stands in: far ends that do as asked, and waiting."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import msgspec

from compliance.types import Channel
from telephony_adapters.messaging import (
    AnyMessageEvent,
    DeliveryState,
    MessageEvent,
    MessageId,
    MessageMoved,
    MessageReceived,
    MessagingAdapter,
    OutboundMessage,
)
from tests.adapters.lab import PATIENCE_S
from tests.support.permits import permit_for

EventT = TypeVar("EventT", bound=MessageEvent)


class FarSide(StrEnum):
    """What an address of the laboratory does with a message."""

    TAKES = "takes"
    """And all goes as well as it can."""
    BOUNCES = "bounces"
    """The message is taken; later it is told that the address does not exist."""
    INVALID = "invalid"
    """Refused on sending, for good."""
    BUSY = "busy"
    """Refused on sending, for the moment."""
    SILENT_TAKEN = "silent_taken"
    """Taken, and the answer is lost."""
    SILENT_LOST = "silent_lost"
    """Lost, and so there is no answer."""


class MessagingLab(ABC):
    """One adapter, started, with its far end; one subclass an adapter.

    `events` holds everything that the adapter delivered, in order, repeats included.
    """

    channel = Channel.SMS
    best = DeliveryState.DELIVERED
    """How far a message that is taken comes, as far as the provider tells."""

    def __init__(self) -> None:
        self.events: list[AnyMessageEvent] = []
        self._ids = 0

    # --- what each adapter's laboratory provides ----------------------------------------------

    @property
    @abstractmethod
    def adapter(self) -> MessagingAdapter: ...

    @abstractmethod
    def now(self) -> datetime: ...

    @abstractmethod
    def address(self, side: FarSide) -> str:
        """An address that does so."""

    @abstractmethod
    def taken(self) -> int:
        """Messages that the far end has taken so far."""

    @abstractmethod
    async def until(self, condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        """Let time pass until `condition` holds; raises `TimeoutError`."""

    @abstractmethod
    async def pass_time(self, delay_s: float) -> None:
        """Let time pass."""

    # --- what all share -----------------------------------------------------------------------

    def message(self, to: str, text: str = "Llámenos al 600 123 4567") -> OutboundMessage:
        self._ids += 1
        return OutboundMessage(
            message_id=MessageId(f"{self._ids:026d}"),
            channel=self.channel,
            to=to,
            subject="Un mensaje" if self.channel is Channel.EMAIL else None,
            text=text,
            template=f"HX{'0' * 32}" if self.channel is Channel.WHATSAPP else None,
        )

    async def send(self, message: OutboundMessage) -> str:
        permit = permit_for(message.to, self.now(), channel=self.channel)
        return await self.adapter.send(message, permit)

    async def send_to(self, side: FarSide) -> OutboundMessage:
        """Send to an address that does so."""
        message = self.message(self.address(side))
        await self.send(message)
        return message

    def unique(self) -> list[AnyMessageEvent]:
        """Events without their repeats. A repeat that differs from its first is a failure."""
        first: dict[str, AnyMessageEvent] = {}
        for event in self.events:
            known = first.setdefault(event.event_id, event)
            assert known == event, f"two different events of id {event.event_id}"
        return list(first.values())

    def of(self, message: OutboundMessage) -> list[MessageMoved]:
        """How far a message came, without repeats."""
        return [
            event
            for event in self.unique()
            if isinstance(event, MessageMoved) and event.message_id == message.message_id
        ]

    async def moved(self, message: OutboundMessage, state: DeliveryState) -> MessageMoved:
        """The event that a message came so far; waits for it."""
        await self.until(lambda: any(event.state is state for event in self.of(message)))
        return next(event for event in self.of(message) if event.state is state)

    def received(self) -> list[MessageReceived]:
        """What people wrote, without repeats."""
        return [event for event in self.unique() if isinstance(event, MessageReceived)]


class WritingLab(MessagingLab):
    """A laboratory in which people write to us."""

    @abstractmethod
    async def someone_writes(
        self, sender: str, text: str, *, answers: OutboundMessage | None = None
    ) -> None: ...

    async def hear(
        self, sender: str, text: str, *, answers: OutboundMessage | None = None
    ) -> MessageReceived:
        """Somebody writes; the event of it."""
        before = len(self.received())
        await self.someone_writes(sender, text, answers=answers)
        await self.until(lambda: len(self.received()) > before)
        return self.received()[before]


class BreakableMessagingLab(MessagingLab):
    """A laboratory that can take the provider away."""

    @abstractmethod
    async def lose_connection(self) -> None: ...

    @abstractmethod
    async def restore_connection(self) -> None: ...


def with_channel(message: OutboundMessage, channel: Channel) -> OutboundMessage:
    return msgspec.structs.replace(message, channel=channel)
