"""A template: what may be sent, by which channel, under which class. Pure data.

The language of a text is `{{field}}` and nothing else. Conditions and loops would make it
undecidable what a text can say; a closed catalogue of fields lets the lint know before the first
person is contacted (so there is no template engine here, on purpose).
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from compliance.messages import Message
from compliance.types import Channel, ContentClass


class TemplateKind(StrEnum):
    """What a text is for; decides what it must say."""

    CONTACT_REQUEST = "contact_request"
    SECURE_LINK = "secure_link"
    PRE_DUE_REMINDER = "pre_due_reminder"
    INVOICE_CHECK = "invoice_check"
    FIRST_OVERDUE = "first_overdue"
    PROMISE_CONFIRMATION = "promise_confirmation"
    PROMISE_REMINDER = "promise_reminder"
    BROKEN_PROMISE = "broken_promise"
    OFFER = "offer"
    DISPUTE_ACKNOWLEDGEMENT = "dispute_acknowledgement"
    PAYMENT_RECEIPT = "payment_receipt"
    OPT_OUT_CONFIRMATION = "opt_out_confirmation"
    """12 CFR 1006.14(h)(1) allows one, with nothing else in it."""
    VOICEMAIL = "voicemail"
    NOTICE = "notice"
    """Whatever a law asks to be told."""


class SenderRole(StrEnum):
    COLLECTOR = "collector"
    ATTORNEY = "attorney"
    """A lawyer is the sender, in truth."""


class TextLanguage(StrEnum):
    ES = "es"
    EN = "en"


CHANNELS: Final = frozenset(
    {
        Channel.SMS,
        Channel.WHATSAPP,
        Channel.EMAIL,
        Channel.LETTER,
        Channel.VOICE,
        Channel.RINGLESS_VOICEMAIL,
    }
)
"""Channels that carry a text. There is no group, no broadcast list, no public page."""


class Template(Message, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,79}$")]
    kind: TemplateKind
    channel: Channel
    language: TextLanguage
    content_class: ContentClass
    """What it claims to be; the fields and words decide whether it may."""
    sender_role: SenderRole = SenderRole.COLLECTOR
    sender_name: Annotated[str, Meta(max_length=60)] = ""
    subject: Annotated[str, Meta(max_length=200)] = ""
    body: Annotated[str, Meta(min_length=1, max_length=10_000)]
    max_segments: Annotated[int, Meta(ge=1, le=10)] = 3
    """Parts of an SMS beyond which the lint warns."""
    version: Annotated[int, Meta(ge=1)] = 1
    """Given by the ledger."""

    def __post_init__(self) -> None:
        if self.channel not in CHANNELS:
            raise ValueError(
                f"`channel` must be one of {', '.join(sorted(CHANNELS))}, not {self.channel.value}"
            )

    def parts(self) -> tuple[tuple[str, str], ...]:
        """What is written, by part, as far as there is anything."""
        found = (
            ("sender_name", self.sender_name),
            ("subject", self.subject),
            ("body", self.body),
        )
        return tuple((name, text) for name, text in found if text)


def template_hash(template: Template) -> str:
    """SHA-256 of the whole version: what was sent names what it was made from, for ever."""
    return hashlib.sha256(msgspec.json.encode(template, order="sorted")).hexdigest()


class FieldUse(NamedTuple):
    """One `{{field}}` in a text."""

    name: str
    start: int
    end: int


_FIELD: Final = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}")
_CODE: Final = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}|\$\{|<%|%>|\[\[|\]\]")


def field_uses(text: str) -> list[FieldUse]:
    return [FieldUse(m[1], m.start(), m.end()) for m in _FIELD.finditer(text)]


def stray_code(text: str) -> list[tuple[int, str]]:
    """Braces and signs of other languages that are not a field."""
    masked = _FIELD.sub(lambda m: " " * len(m[0]), text)
    return [(m.start(), text[m.start() : m.start() + 20]) for m in _CODE.finditer(masked)]


def masked(text: str, mark: str) -> str:
    """The text with one mark, and blanks up to the same length, where a field stands."""
    return _FIELD.sub(lambda m: mark + " " * (len(m[0]) - 1), text)
