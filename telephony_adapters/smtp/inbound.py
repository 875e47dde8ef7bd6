"""Mail that comes in: notices of non-delivery, complaints, and what people reply. Pure.

Sources: RFC 3464 (delivery status), RFC 5965 (complaints), RFC 3834 (automatic replies), RFC 5322.
Whatever a mail contains, reading it gives an event, nothing, or `MalformedMail`.
"""

from __future__ import annotations

import re
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.policy import compat32
from email.utils import getaddresses
from hashlib import blake2b
from html.parser import HTMLParser
from typing import Final

import msgspec

from compliance.types import Channel
from telephony_adapters.messaging import (
    AnyMessageEvent,
    DeliveryState,
    MessageId,
    MessageMoved,
    MessageReceived,
    Refusal,
)
from telephony_adapters.smtp.addresses import on_the_wire
from telephony_adapters.smtp.codes import enhanced_code, provider_code, refusal_of
from telephony_adapters.smtp.letters import OurMail

LONGEST_READ: Final = 200_000
"""Characters of a body that are looked at."""
LONGEST_TEXT: Final = 10_000
LONGEST_HEADER: Final = 20_000
LONGEST_ID: Final = 200
MOST_PARTS: Final = 200
_ADDRESSED: Final = ("Delivered-To", "X-Original-To", "To")
_ORIGINAL: Final = ("message/rfc822", "message/rfc822-headers", "text/rfc822-headers")
_NOTIFIERS: Final = re.compile(r"(?:mailer-daemon|postmaster)", re.IGNORECASE)
_LOOSE_CODE: Final = re.compile(r"(?<!\d)[45]\d\d[ -][45]\.\d{1,3}\.\d{1,3}(?!\d)")
_CODE: Final = re.compile(r"(?<!\d)([45]\d\d)(?!\d)")


class MalformedMail(Exception):
    """Mail that says nothing that can be relied on; the text tells why."""


def read_mail(raw: bytes, at: datetime, ours: OurMail) -> AnyMessageEvent | None:
    """The event of one mail that came in at `at`; None: understood, and nothing to tell.

    The same mail gives the same event. Raises `MalformedMail`.
    """
    try:
        mail = message_from_bytes(raw, policy=compat32)
        return _read(mail, raw, at, ours)
    except MalformedMail:
        raise
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        MessageError,
    ) as error:
        # The standard parser has its own ideas of some broken mails; none may end the reading.
        raise MalformedMail(f"cannot be read: {type(error).__name__}") from error


def _read(mail: Message, raw: bytes, at: datetime, ours: OurMail) -> AnyMessageEvent | None:
    if mail.get_content_type() == "multipart/report":
        kind = str(mail.get_param("report-type") or "").lower()
        if kind == "delivery-status":
            return _delivery_report(mail, at, ours)
        if kind == "feedback-report":
            return _complaint(mail, at, ours)
        if kind == "disposition-notification":
            return None  # read receipts are asked for by nobody
    senders = _addresses(mail, ("From",))
    if senders and _NOTIFIERS.fullmatch(senders[0].partition("@")[0]):
        return _loose_notice(mail, at, ours)
    return _reply(mail, raw, at, ours)


# --- notices -----------------------------------------------------------------------------------


class _Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """The block of one recipient in a delivery status."""

    action: str
    status: str
    diagnostic: str


def _delivery_report(mail: Message, at: datetime, ours: OurMail) -> MessageMoved | None:
    message_id = _reported_message(mail, ours)
    if message_id is None:
        raise MalformedMail("a delivery status that names no message of ours")
    told = _recipient(mail)
    if told.action in ("delayed", "relayed", "expanded"):
        return None
    if told.action == "delivered":
        return MessageMoved(
            event_id=f"dsn:{message_id}:delivered",
            at=at,
            message_id=message_id,
            state=DeliveryState.DELIVERED,
            provider_code=provider_code(0, told.status),
        )
    if told.action != "failed":
        raise MalformedMail("a delivery status without an action")
    # The diagnostic is the far server's own word; the status may be a mere summary (5.0.0), and
    # then some servers write what happened only in the part for people.
    vague = told.status in ("", "5.0.0")
    words = told.diagnostic if vague else f"{told.status} {told.diagnostic}"
    if vague and not words:
        loose = _LOOSE_CODE.search(_text_of(mail))
        words = loose.group(0) if loose is not None else told.status
    code = _CODE.search(words)
    basic = int(code.group(1)) if code else 0
    refusal = refusal_of(basic, words)
    state = DeliveryState.BOUNCED if refusal.is_permanent else DeliveryState.FAILED
    return MessageMoved(
        event_id=f"dsn:{message_id}:failed",
        at=at,
        message_id=message_id,
        state=state,
        refusal=refusal,
        provider_code=provider_code(basic, words),
    )


def _loose_notice(mail: Message, at: datetime, ours: OurMail) -> MessageMoved:
    """A notice of non-delivery in a program's own words: only the address it came to, or the
    Message-ID of ours in it, tells what it is about."""
    text = _text_of(mail)
    message_id = _reported_message(mail, ours) or ours.in_header(text)
    if message_id is None:
        raise MalformedMail("a notice that names no message of ours")
    code = _LOOSE_CODE.search(text)
    words = code.group(0) if code else ""
    refusal = refusal_of(int(words[:3]), words) if code else Refusal.OTHER
    return MessageMoved(
        event_id=f"dsn:{message_id}:failed",
        at=at,
        message_id=message_id,
        state=DeliveryState.BOUNCED if refusal.is_permanent else DeliveryState.FAILED,
        refusal=refusal,
        provider_code=provider_code(int(words[:3]) if code else 0, words),
    )


def _complaint(mail: Message, at: datetime, ours: OurMail) -> MessageMoved:
    """Somebody pressed "this is spam": as good as an opt-out at their provider."""
    message_id = _reported_message(mail, ours)
    if message_id is None:
        raise MalformedMail("a complaint that names no message of ours")
    return MessageMoved(
        event_id=f"arf:{message_id}",
        at=at,
        message_id=message_id,
        state=DeliveryState.FAILED,
        refusal=Refusal.OPTED_OUT,
        provider_code="arf:complaint",
    )


def _recipient(mail: Message) -> _Recipient:
    for part in _parts(mail):
        if part.get_content_type() != "message/delivery-status":
            continue
        for block in _blocks(part):
            action = _header(block, "Action").strip().lower()
            if action:
                status = enhanced_code(_header(block, "Status"))
                diagnostic = _header(block, "Diagnostic-Code").partition(";")[2].strip()
                return _Recipient(action=action, status=status, diagnostic=diagnostic)
    raise MalformedMail("a delivery status without a recipient")


def _reported_message(mail: Message, ours: OurMail) -> MessageId | None:
    """Which message of ours a report is about: by the envelope's address, the envelope id, or the
    headers of the original that came back."""
    for address in _addresses(mail, _ADDRESSED):
        found = ours.in_address(address)
        if found is not None:
            return found
    for part in _parts(mail):
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            for block in _blocks(part):
                found = ours.in_header(_header(block, "Original-Envelope-Id"))
                if found is not None:
                    return found
        elif kind in _ORIGINAL:
            found = ours.in_header(_original_id(part))
            if found is not None:
                return found
    return None


def _original_id(part: Message) -> str:
    for inner in _blocks(part):
        if inner["Message-ID"] is not None:
            return _header(inner, "Message-ID")
    headers = message_from_bytes(_payload(part)[:LONGEST_READ], policy=compat32)
    return _header(headers, "Message-ID")


def _blocks(part: Message) -> list[Message]:
    inner = part.get_payload()
    if not isinstance(inner, list):
        return []
    return [block for block in inner if isinstance(block, Message)]


# --- replies -----------------------------------------------------------------------------------


def _reply(mail: Message, raw: bytes, at: datetime, ours: OurMail) -> MessageReceived:
    senders = _addresses(mail, ("From",))
    sender = on_the_wire(senders[0]) if senders else None
    if sender is None:
        raise MalformedMail("no sender")
    to = next((one for one in map(on_the_wire, _addresses(mail, _ADDRESSED)) if one), None)
    if to is None:
        raise MalformedMail("addressed to nobody")
    text = own_words(_text_of(mail))
    own_id = _header(mail, "Message-ID").strip()
    fingerprint = blake2b(digest_size=16)
    for part in (own_id, sender, text, "" if own_id else blake2b(raw).hexdigest()):
        fingerprint.update(part.encode("utf-8", "surrogatepass") + b"\0")
    answered = ours.header_ids(_header(mail, "In-Reply-To") + " " + _header(mail, "References"))
    return MessageReceived(
        event_id=f"mail:{fingerprint.hexdigest()}",
        at=at,
        channel=Channel.EMAIL,
        # Ledgers keep addresses in lower case, and no mailbox of today tells Ana@ from ana@.
        sender=sender.lower(),
        to=to,
        text=text,
        provider_id=(
            own_id if 0 < len(own_id) <= LONGEST_ID else f"<{fingerprint.hexdigest()}@unnamed>"
        ),
        subject=_plain(_header(mail, "Subject"))[:500] or None,
        in_reply_to=answered[0] if answered else None,
        media=sum(1 for part in _parts(mail) if part.get_content_disposition() == "attachment"),
        automatic=_is_automatic(mail),
    )


def _is_automatic(mail: Message) -> bool:
    """RFC 3834, section 2, and what older programs write."""
    submitted = _header(mail, "Auto-Submitted").strip().lower()
    precedence = _header(mail, "Precedence").strip().lower()
    return (
        (bool(submitted) and not submitted.startswith("no"))
        or precedence in ("bulk", "junk", "list", "auto_reply")
        or _header(mail, "Return-Path").strip() == "<>"
        or any(mail[name] is not None for name in ("X-Autoreply", "X-Autorespond", "List-Id"))
    )


def _text_of(mail: Message) -> str:
    """The first plain text that says something, or else the words of the first HTML."""
    html = None
    for part in _parts(mail):
        if part.get_content_disposition() == "attachment":
            continue
        if part.get_content_type() == "text/plain" and (text := _decoded(part)).strip():
            return text
        if part.get_content_type() == "text/html" and html is None:
            html = part
    return _words_of_html(_decoded(html)) if html is not None else ""


_ATTRIBUTION: Final = re.compile(
    r"^(?:On|El|Em|Le)\b[^\n]{0,200}\n?[^\n]{0,200}?(?:wrote|escribió|escribio|escreveu|a écrit)"
    r"\s?:[ \t]*$",
    re.MULTILINE,
)
_ORIGINAL_BELOW: Final = re.compile(
    r"^(?:-{2,}\s?(?:Original Message|Mensaje original|Forwarded message)\s?-{2,}|_{10,}"
    r"|\*?(?:From|De):\*? [^\n]{0,300}\n\*?(?:Sent|Date|Enviado|Enviado el|Fecha):)",
    re.MULTILINE | re.IGNORECASE,
)


def own_words(text: str) -> str:
    """A reply without what it quotes, so that one word like BAJA stands alone."""
    text = text[:LONGEST_READ].replace("\r\n", "\n").replace("\0", "")
    below = _ORIGINAL_BELOW.search(text)
    if below is not None:
        text = text[: below.start()]
    text = _ATTRIBUTION.sub("", text)
    kept = []
    for line in text.split("\n"):
        if line.rstrip("\r") == "-- ":
            break
        if not line.lstrip().startswith(">"):
            kept.append(line.rstrip())
    return "\n".join(kept).strip()[:LONGEST_TEXT]


class _Words(HTMLParser):
    """Text of an HTML mail, without styles, scripts and quotations."""

    _HIDDEN: Final = frozenset({"style", "script", "head", "title", "blockquote"})
    _BREAKS: Final = frozenset({"body", "br", "p", "div", "tr", "li", "h1", "h2", "h3"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.hidden: list[str] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self._depth = 0
        if tag in self._HIDDEN:
            self._depth += 1
        elif tag in self._BREAKS:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._HIDDEN and self._depth:
            self._depth -= 1
        elif tag in self._BREAKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        (self.hidden if self._depth else self.words).append(data)


def _words_of_html(html: str) -> str:
    words = _Words()
    words.feed(html)
    words.close()
    # A mail whose tags do not close must not lose what it says.
    shown = "".join(words.words).strip() or "".join(words.hidden)
    return re.sub(r"\n\s*\n+", "\n", shown)


# --- parts and headers ---------------------------------------------------------------------------


def _parts(mail: Message) -> list[Message]:
    """All parts, but not those inside a mail that is itself enclosed."""
    found: list[Message] = []
    waiting = [mail]
    while waiting and len(found) < MOST_PARTS:
        part = waiting.pop(0)
        found.append(part)
        if part.get_content_maintype() == "multipart":
            waiting = _blocks(part) + waiting
    return found


def _header(part: Message, name: str) -> str:
    return str(part.get(name, ""))[:LONGEST_HEADER]


def _addresses(mail: Message, names: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for name in names:
        values = [str(value)[:LONGEST_HEADER] for value in mail.get_all(name, [])]
        found += [address for _, address in getaddresses(values) if address]
    return found


def _plain(header: str) -> str:
    """A header's text, decoded where that is possible, in one line."""
    try:
        text = str(make_header(decode_header(header)))
    except (MessageError, LookupError, ValueError):
        text = header
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _decoded(part: Message) -> str:
    raw = _payload(part)[: 4 * LONGEST_READ]
    charset = str(part.get_content_charset() or "utf-8")
    try:
        return raw.decode(charset, "replace")[:LONGEST_READ]
    except LookupError:
        return raw.decode("utf-8", "replace")[:LONGEST_READ]
