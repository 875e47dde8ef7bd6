"""Twilio's webhooks about messages as typed frames, and its error codes in the port's words. Pure.

Sources: Twilio's pages "Message resource" (statuses, status callbacks), "Receive and reply" (fields
of what comes in), its error dictionary, and "List of corresponding Twilio and WhatsApp error
codes". Twilio itself advises against logic on single codes: they are told by class, with a default
that is never final, so that a code of tomorrow suppresses nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from compliance.types import Channel
from telephony_adapters.messaging import DeliveryState, Refusal
from telephony_adapters.twilio.codec import Fields, MalformedWebhook

WHATSAPP: Final = "whatsapp:"
LONGEST_BODY: Final = 4_096
"""Twilio's own limit is 1,600 characters."""
LONGEST_ADDRESS: Final = 64
_OLD_MEXICO: Final = re.compile(r"\+521(\d{10})")
_OLD_BRAZIL: Final = re.compile(r"\+55(\d{2})([6-9]\d{7})")
_SID: Final = re.compile(r"(?:SM|MM)[0-9a-f]{32}")


class MessageStatus(StrEnum):
    """States of Twilio's Message resource."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    PARTIALLY_DELIVERED = "partially_delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    CANCELED = "canceled"
    RECEIVING = "receiving"
    RECEIVED = "received"


_REACHED: Final = {
    MessageStatus.SENT: DeliveryState.SENT,
    MessageStatus.PARTIALLY_DELIVERED: DeliveryState.SENT,
    MessageStatus.DELIVERED: DeliveryState.DELIVERED,
    MessageStatus.READ: DeliveryState.READ,
}
_LOST: Final = frozenset({MessageStatus.UNDELIVERED, MessageStatus.FAILED, MessageStatus.CANCELED})


class StatusTold(msgspec.Struct, frozen=True, kw_only=True):
    """How far a message of ours has come."""

    sid: str
    status: MessageStatus
    error: int = 0
    """Twilio's error code; 0: none."""

    @property
    def refusal(self) -> Refusal | None:
        return refusal_of(self.error) if self.status in _LOST else None

    @property
    def state(self) -> DeliveryState | None:
        """None: taken, and not yet sent."""
        if self.status in _LOST:
            final = refusal_of(self.error).is_permanent
            return DeliveryState.BOUNCED if final else DeliveryState.FAILED
        return _REACHED.get(self.status)

    @property
    def provider_code(self) -> str:
        """Twilio's own words, e.g. `twilio:undelivered error:30003`."""
        return f"twilio:{self.status}" + (f" error:{self.error}" if self.error else "")


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wrote to a number of the account."""

    sid: str
    channel: Channel
    sender: str
    to: str
    text: str
    in_reply_to: str | None = None
    media: int = 0


def status_told(fields: Fields) -> StatusTold:
    """A status callback of a message. Raises `MalformedWebhook`."""
    return StatusTold(
        sid=_sid(fields, "MessageSid"),
        status=message_status(fields.get("MessageStatus", "")),
        error=_whole(fields, "ErrorCode"),
    )


def message_status(value: str) -> MessageStatus:
    """A status by its name. Raises `MalformedWebhook`."""
    try:
        return MessageStatus(value)
    except ValueError as error:
        raise MalformedWebhook("MessageStatus", "not a status of a message") from error


def written(fields: Fields) -> Written:
    """A message that came in. Raises `MalformedWebhook`."""
    channel, sender = address_of(fields.get("From", ""), "From")
    _, to = address_of(fields.get("To", ""), "To")
    text = fields.get("Body", "")
    if len(text) > LONGEST_BODY:
        raise MalformedWebhook("Body", "too long")
    answered = fields.get("OriginalRepliedMessageSid", "")
    return Written(
        sid=_sid(fields, "MessageSid"),
        channel=channel,
        sender=sender,
        to=to,
        text=text.replace("\0", ""),
        in_reply_to=answered if _SID.fullmatch(answered) else None,
        media=_whole(fields, "NumMedia"),
    )


def address_of(value: str, field: str) -> tuple[Channel, str]:
    """Channel and address of `+12025550123` or `whatsapp:+12025550123`.

    Raises `MalformedWebhook` for channels that are not carried.
    """
    channel = Channel.WHATSAPP if value.startswith(WHATSAPP) else Channel.SMS
    address = value.removeprefix(WHATSAPP)
    if channel is Channel.WHATSAPP:
        address = national_form(address)
    if not address or len(address) > LONGEST_ADDRESS or not address.isprintable():
        raise MalformedWebhook(field, "no address")
    if ":" in address:
        raise MalformedWebhook(field, "a channel that is not carried")
    return channel, address


def national_form(number: str) -> str:
    """A WhatsApp number as its country numbers it today, and so as ledgers keep it.

    WhatsApp's own ids keep what was true when they were given: Mexico's 1 after the country code
    (gone since 3 August 2019), and Brazil's mobile numbers without the ninth digit.
    """
    mexico = _OLD_MEXICO.fullmatch(number)
    if mexico is not None:
        return f"+52{mexico.group(1)}"
    brazil = _OLD_BRAZIL.fullmatch(number)
    return f"+55{brazil.group(1)}9{brazil.group(2)}" if brazil is not None else number


def _sid(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    if not _SID.fullmatch(value):
        raise MalformedWebhook(name, "SM or MM and 32 hexadecimal digits are due")
    return value


def _whole(fields: Fields, name: str) -> int:
    value = fields.get(name, "")
    if not value:
        return 0
    if len(value) > 9 or not (value.isascii() and value.isdigit()):
        raise MalformedWebhook(name, "a whole number is due")
    return int(value)


# --- errors ------------------------------------------------------------------------------------

_BY_REFUSAL: Final[Mapping[Refusal, frozenset[int]]] = {
    Refusal.INVALID_ADDRESS: frozenset({21211, 21217, 30005, 63003, 63024}),
    Refusal.NOT_MOBILE: frozenset({21614, 21635, 30006}),
    Refusal.OPTED_OUT: frozenset({21610, 63033}),
    Refusal.FILTERED: frozenset({30004, 30007, 63013, 63049}),
    Refusal.UNREACHABLE: frozenset(
        {21214, 21612, 30003, 30017, 30410, 63005, 63010, 63012, 63032}
    ),
    Refusal.OUTSIDE_WINDOW: frozenset({63016}),
    Refusal.RATE: frozenset(
        {14107, 20429, 21611, 30001, 30022, 30023, 30027, 30036, 63017, 63018, 63038}
    ),
    Refusal.CONTENT: frozenset(
        {21602, 21605, 21617, 21619, 21654, 21655, 21656, 30019, 63019, 63021, 63022, 63025,
         63027, 63028, 63029, 63030}
    ),
    Refusal.ACCOUNT: frozenset(
        {20003, 20404, 21212, 21266, 21408, 21603, 21606, 21608, 21609, 21703, 30002, 30010,
         30032, 30034, 30035, 63001, 63007, 63015, 63020}
    ),
}  # fmt: skip
_REFUSALS: Final = {code: refusal for refusal, codes in _BY_REFUSAL.items() for code in codes}
_CLASSES: Final = (
    (range(21659, 21670), Refusal.ACCOUNT),  # senders that are not ours or cannot send
    (range(30440, 30500), Refusal.ACCOUNT),  # verification of the sender
    (range(30790, 30970), Refusal.ACCOUNT),  # registration of the brand or campaign
)


def refusal_of(code: int) -> Refusal:
    """Why Twilio, or the network behind it, did not deliver. 0 and unknown codes: `OTHER`."""
    known = _REFUSALS.get(code)
    if known is not None:
        return known
    return next((refusal for codes, refusal in _CLASSES if code in codes), Refusal.OTHER)
