"""The one door for written messages: SMS, WhatsApp and e-mail, whichever provider carries them.

As with calls, a command returns when the provider has taken it, what becomes of it comes as an
event with the provider's own id, and no message leaves without a permit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType, Protocol

import msgspec

from compliance.permit import ContactPermit
from compliance.types import Channel, CollectorRole

MessageId = NewType("MessageId", str)
"""Ours, chosen before the first byte leaves."""


class DeliveryState(StrEnum):
    """How far a message came. Later states outrank earlier ones; the last three end it."""

    SENT = "sent"
    """The provider passed it on."""
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    """Not delivered, and it will not be: network, filter, rate."""
    BOUNCED = "bounced"
    """The address does not exist or takes no such messages."""

    @property
    def is_final(self) -> bool:
        return self in FINAL

    def follows(self, earlier: DeliveryState | None) -> bool:
        """Whether this state is news of a message that had come as far as `earlier`.

        Receipts come late and twice: what does not outrank the earlier state changes nothing.
        """
        if earlier is None:
            return True
        return not earlier.is_final and _RANK[self] > _RANK[earlier]


FINAL: Final = frozenset({DeliveryState.READ, DeliveryState.FAILED, DeliveryState.BOUNCED})
_RANK: Final = {state: rank for rank, state in enumerate(DeliveryState)}


class Refusal(StrEnum):
    """Why a message failed, in words that every provider's codes map to."""

    INVALID_ADDRESS = "invalid_address"
    NOT_MOBILE = "not_mobile"
    OPTED_OUT = "opted_out"
    """The provider's own list: the person stopped us there."""
    FILTERED = "filtered"
    UNREACHABLE = "unreachable"
    MAILBOX_FULL = "mailbox_full"
    OUTSIDE_WINDOW = "outside_window"
    """WhatsApp: no open conversation, and the message is no approved template."""
    RATE = "rate"
    CONTENT = "content"
    ACCOUNT = "account"
    """Ours: credit, configuration, verification."""
    OTHER = "other"

    @property
    def is_permanent(self) -> bool:
        """The address is the reason, not the moment or we: no message will ever arrive there."""
        return self in (Refusal.INVALID_ADDRESS, Refusal.NOT_MOBILE, Refusal.OPTED_OUT)


class OutboundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one address, exactly as it leaves."""

    message_id: MessageId
    channel: Channel
    to: str
    """E.164, or an e-mail address."""
    sender: str | None = None
    """Number, sender id or e-mail address; None: the adapter's own."""
    subject: str | None = None
    """E-mail only."""
    text: str
    html: str | None = None
    """E-mail only, beside `text`."""
    unsubscribe_url: str | None = None
    """E-mail only: List-Unsubscribe with one click (RFC 8058)."""
    template: str | None = None
    """WhatsApp: the provider's id of an approved template; `variables` fill it."""
    variables: dict[str, str] = {}
    in_reply_to: str | None = None
    """Provider's id of the message that this one answers."""


class MessageEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what a provider tells. `event_id` is the provider's: a repeat carries the same.

    After a start an adapter tells again what may have been lost with the last life of the program.
    """

    event_id: str
    at: datetime


class MessageMoved(MessageEvent, frozen=True, kw_only=True, tag="message_moved"):
    """A message of ours came further, or failed."""

    message_id: MessageId
    state: DeliveryState
    refusal: Refusal | None = None
    provider_code: str = ""
    segments: int | None = None
    price_micros: int | None = None
    """Millionths of `currency`'s unit, where the provider tells."""
    currency: str | None = None


class MessageReceived(MessageEvent, frozen=True, kw_only=True, tag="message_received"):
    """Somebody wrote to us."""

    channel: Channel
    sender: str
    """As people's numbers and addresses are kept: E.164, or e-mail in lower case."""
    to: str
    text: str
    provider_id: str
    """At most 200 characters."""
    subject: str | None = None
    in_reply_to: str | None = None
    """Provider's id, or Message-ID, of our message that this one answers."""
    media: int = 0
    """Attachments that came with it; they are not fetched."""
    automatic: bool = False
    """No person wrote it: an absence notice or the like (RFC 3834). Nothing in it is anybody's
    will, and it must not be answered."""


AnyMessageEvent = MessageMoved | MessageReceived
Kept = Awaitable[bool]
"""Done when an event is durable, or with False when it cannot be made so."""
MessageSink = Callable[[AnyMessageEvent], Kept | None]
"""Takes an event without waiting; None: it is durable already. Never raises.

An adapter tells its provider that it has something, or puts it away, when it is durable and not
before: nobody's opt-out may be lost with the program.
"""


class MessageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider answers when asked for one message, for reconciliation only."""

    message_id: MessageId
    provider_id: str
    state: DeliveryState | None
    """None: taken, and nothing more is known."""


class MessagingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter can do; the conformance suite tests exactly what is declared."""

    name: str
    channels: frozenset[Channel]
    simulated: bool = False
    """No real person can be reached through it: the only kind that may take synthetic data."""
    loopback: bool = False
    receipts: bool = False
    """Tells of delivery."""
    inbound: bool = False
    findable: bool = False
    """`find` can tell whether a doubtful message was taken."""
    max_per_s: float = 0.0
    """What the provider bears; 0 = no limit of its own."""


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """Why a provider would turn a campaign away."""

    code: str
    """Stable name."""
    provider_codes: tuple[str, ...]
    """With which it would refuse the sender or the campaign."""
    es: str
    en: str

    def text(self, language: str) -> str:
        return self.es if language.startswith("es") else self.en


class MessagingAdapter(Protocol):
    """A provider of messages. One may carry several channels; it is started once."""

    @property
    def facts(self) -> MessagingFacts: ...

    async def start(self, sink: MessageSink, *, since: datetime | None = None) -> None:
        """Connect and begin to deliver events. Raises `CarrierUnavailable`.

        `since` is when the last thing was heard that is durable: what people wrote later, and a
        little earlier, is told, however long ago. None: nothing was ever heard.
        """

    async def stop(self) -> None: ...

    async def send(self, message: OutboundMessage, permit: ContactPermit) -> str:
        """Send; the provider's id of the message. Spends the permit before any byte leaves.

        Raises `PermitRefused`; `MessageRejected` or `CarrierUnavailable` when it was certainly
        not sent; `OutcomeUnknown` when that is not certain; `DuplicateCall` when the message id
        was used before; `NotOffered` for a channel that the facts do not name. What was
        certainly not sent may be tried again under the same id.
        """

    def objection(self, channel: Channel, country: str, role: CollectorRole) -> Objection | None:
        """What the provider has against messages of a campaign to this country (ISO 3166-1
        alpha-2), so that it is refused with a reason and not address by address. None: nothing.
        """

    async def find(self, message_id: MessageId) -> MessageReport | None:
        """What became of a message whose sending is in doubt; None: it was never taken.

        Raises `CarrierUnavailable`; `NotOffered` unless `findable` is declared; `OutcomeUnknown`
        while that cannot be told yet, or can be told no more (the program has been restarted).
        """
