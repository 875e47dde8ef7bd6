"""Our messages as e-mail: headers, both bodies, and the ids by which answers are known. Pure.

Sources: RFC 5322 (format), RFC 2046 (alternatives), RFC 3834 (automatic mail), RFC 2369 and RFC
8058 (List-Unsubscribe, one click), RFC 3461 (asking for notices of non-delivery).
"""

from __future__ import annotations

import re
from datetime import datetime
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime
from typing import Final

import msgspec

from telephony_adapters.errors import MessageRejected
from telephony_adapters.messaging import MessageId, OutboundMessage, Refusal
from telephony_adapters.smtp.addresses import domain_of, is_address, on_the_wire
from telephony_adapters.smtp.settings import ID_PLACE, SmtpSettings

MARK: Final = "marcador"
"""In the left side of our Message-IDs: another program's of the same domain are not ours."""
_OUR_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,250}@[!-;=?-~]{1,250}>")
_URL: Final = re.compile(r"https?://[!-;=?-~]{1,900}")
_LONGEST_SUBJECT: Final = 500


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One e-mail, ready to be handed to a server."""

    message_id: MessageId
    header_id: str
    """Message-ID, with its angle brackets."""
    envelope_from: str
    to: str
    raw: bytes


class _Verbatim(UnstructuredHeader, BaseHeader):
    """A header of one token: folding would put blanks or encoded words into it."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS: Final = HeaderRegistry()
for _name in ("message-id", "in-reply-to", "references", "list-unsubscribe"):
    _HEADERS.map_to_type(_name, _Verbatim)
_POLICY: Final = SMTP.clone(cte_type="7bit", header_factory=_HEADERS)


def header_id(message_id: MessageId, domain: str) -> str:
    """Our message's Message-ID."""
    return f"<{message_id}.{MARK}@{domain}>"


def compose(message: OutboundMessage, settings: SmtpSettings, at: datetime) -> Letter:
    """The e-mail of a message. Raises `MessageRejected` for what cannot be written safely."""
    if not _OUR_ID.fullmatch(message.message_id):
        raise _rejected(f"message id {message.message_id!r} fits no Message-ID", Refusal.OTHER)
    to = on_the_wire(message.to)
    if to is None:
        raise _rejected(f"{message.to!r} is no e-mail address", Refusal.INVALID_ADDRESS)
    sender = message.sender or settings.from_address
    if not is_address(sender):
        raise _rejected(f"{sender!r} is no e-mail address to send from", Refusal.ACCOUNT)
    mail = EmailMessage(policy=_POLICY)
    own_id = header_id(message.message_id, settings.domain)
    try:
        mail["From"] = Address(settings.from_name, addr_spec=sender)
        mail["To"] = Address(addr_spec=to)
        mail["Subject"] = _one_line(message.subject or "")
        if settings.reply_to:
            mail["Reply-To"] = Address(addr_spec=settings.reply_to)
        mail["Date"] = format_datetime(at)
        mail["Message-ID"] = own_id
        _add_thread(mail, message.in_reply_to)
        _add_unsubscribe(mail, message.unsubscribe_url)
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html")
        raw = mail.as_bytes()
    except (ValueError, UnicodeError, LookupError) as error:
        raise _rejected(
            f"the text cannot be written as e-mail: {error}", Refusal.CONTENT
        ) from error
    return Letter(
        message_id=message.message_id,
        header_id=own_id,
        envelope_from=envelope_from(settings, message.message_id),
        to=to,
        raw=raw,
    )


def envelope_from(settings: SmtpSettings, message_id: MessageId) -> str:
    """Where the bounce of a message goes."""
    return (settings.return_path or settings.from_address).replace(ID_PLACE, message_id)


class OurMail(msgspec.Struct, frozen=True, kw_only=True):
    """How mail that answers ours is known."""

    domain: str
    return_path: str | None = None
    """With `{id}` in it; None: the envelope tells no message."""

    @classmethod
    def of(cls, settings: SmtpSettings) -> OurMail:
        path = settings.return_path
        return cls(
            domain=domain_of(settings.from_address),
            return_path=path if path is not None and ID_PLACE in path else None,
        )

    def header_ids(self, text: str) -> list[str]:
        """Message-IDs of ours in a header's text, in order."""
        ours = re.compile(rf"<{_OUR_ID.pattern}\.{MARK}@{re.escape(self.domain)}>", re.IGNORECASE)
        return ours.findall(text)

    def in_header(self, text: str) -> MessageId | None:
        """The first message of ours that a header names by its Message-ID."""
        found = self.header_ids(text)
        return MessageId(found[0][1:].partition(f".{MARK}@")[0]) if found else None

    def in_address(self, address: str) -> MessageId | None:
        """The message whose bounce went to this address."""
        if self.return_path is None:
            return None
        before, _, after = self.return_path.partition(ID_PLACE)
        place = re.compile(
            rf"{re.escape(before)}({_OUR_ID.pattern}){re.escape(after)}", re.IGNORECASE
        )
        found = place.fullmatch(address.strip().strip("<>"))
        return MessageId(found.group(1)) if found else None


def _add_thread(mail: EmailMessage, in_reply_to: str | None) -> None:
    if in_reply_to is None:
        return
    if not _MESSAGE_ID.fullmatch(in_reply_to):
        raise ValueError("in_reply_to is no Message-ID")
    mail["In-Reply-To"] = in_reply_to
    mail["References"] = in_reply_to


def _add_unsubscribe(mail: EmailMessage, url: str | None) -> None:
    if url is None:
        return
    if not _URL.fullmatch(url):
        raise ValueError("unsubscribe_url is no web address")
    mail["List-Unsubscribe"] = f"<{url}>"
    if url.startswith("https://"):
        # One click is for https only (RFC 8058, section 3.1).
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"


def _one_line(subject: str) -> str:
    if len(subject) > _LONGEST_SUBJECT or not subject.isprintable():
        raise ValueError("the subject must be one line of printable text")
    return subject


def _rejected(what: str, refusal: Refusal) -> MessageRejected:
    return MessageRejected(what, refusal=refusal, provider_code="local:compose")
