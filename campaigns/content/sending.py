"""The last door of a text before the gate: render, lint what was rendered, make the request.

Whoever sends calls `prepare` for each recipient and puts the result before the gate with
`request_with`. What is wrong with one recipient's values skips that recipient, with the reason.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from campaigns.content.fields import FIELDS
from campaigns.content.findings import Finding, Severity
from campaigns.content.lint import Part, check_parts
from campaigns.content.render import (
    MergeValues,
    Missing,
    RenderContext,
    as_html,
    bad_values,
    render,
)
from campaigns.content.segments import Segments, segments
from campaigns.content.template import Template, template_hash
from compliance.messages import ContactRequest, Message
from compliance.types import Channel, ContentClass

CLOCK_SLACK: Final = timedelta(minutes=5)
"""A balance from the future by no more than this is a clock that runs ahead."""


class SendPolicy(Message, frozen=True, kw_only=True):
    max_balance_age_s: int = 86_400
    """A balance older than this is told to nobody."""


class ApprovedTemplate(Message, frozen=True, kw_only=True):
    """A version that a second person has approved. Made by the ledger, which knows."""

    template: Template
    author: str
    approved_by: str

    def __post_init__(self) -> None:
        if not self.approved_by or self.approved_by == self.author:
            raise ValueError("a text is approved by somebody who did not write it")


class SkipReason(StrEnum):
    MISSING_VALUE = "missing_value"
    BAD_VALUE = "bad_value"
    BALANCE_TOO_OLD = "balance_too_old"
    LINT = "lint"
    """The text with this person's values says what its class may not say."""


class Skipped(Message, frozen=True, kw_only=True):
    """This recipient gets nothing, and why. Holds no value of the person."""

    reason: SkipReason
    fields: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    """Codes of the lint's findings."""


class Prepared(Message, frozen=True, kw_only=True):
    """A text for one person, ready for the gate."""

    channel: Channel
    content_class: ContentClass
    language: str
    sender_name: str
    subject: str
    text: str
    template_hash: str
    segments: Segments | None = None
    """Of an SMS."""

    @property
    def html(self) -> str:
        """The text as the HTML part of a mail, escaped."""
        return as_html(self.text)


def prepare(
    approved: ApprovedTemplate,
    values: MergeValues,
    context: RenderContext,
    policy: SendPolicy = SendPolicy(),
) -> Prepared | Skipped:
    """The text for one person, or the reason why this person gets none."""
    return fill(approved.template, values, context, policy)


def fill(
    template: Template,
    values: MergeValues,
    context: RenderContext,
    policy: SendPolicy = SendPolicy(),
) -> Prepared | Skipped:
    """As `prepare`, for a version that nobody has approved yet: for previews only."""
    parts = render(template, values, context)
    if isinstance(parts, Missing):
        return Skipped(reason=SkipReason.MISSING_VALUE, fields=parts.fields)
    used = frozenset(use.name for part in parts for use in part.uses)
    bad = bad_values(values, used, parts)
    if bad:
        fields = tuple(f.field for f in bad if f.field is not None)
        return Skipped(reason=SkipReason.BAD_VALUE, fields=fields)
    if not _fresh(values, used, context, policy):
        return Skipped(reason=SkipReason.BALANCE_TOO_OLD, fields=("balance_as_of",))
    wrong = lint_rendered(template, parts)
    if wrong:
        return Skipped(
            reason=SkipReason.LINT,
            fields=tuple(sorted({f.field for f in wrong if f.field is not None})),
            codes=tuple(sorted({f.code for f in wrong})),
        )
    texts = {part.name: part.text for part in parts}
    return Prepared(
        channel=template.channel,
        content_class=template.content_class,
        language=template.language,
        sender_name=texts.get("sender_name", ""),
        subject=texts.get("subject", ""),
        text=texts["body"],
        template_hash=template_hash(template),
        segments=segments(texts["body"]) if template.channel is Channel.SMS else None,
    )


def lint_rendered(template: Template, parts: tuple[Part, ...]) -> list[Finding]:
    """What is wrong with a text now that the values are in it."""
    return [f for f in check_parts(template, parts) if f.severity is Severity.ERROR]


def request_with(request: ContactRequest, prepared: Prepared) -> ContactRequest:
    """The gate's request for a contact that says this text.

    Raises `ValueError` when the text was prepared for another channel.
    """
    if prepared.channel is not request.channel:
        raise ValueError(f"the text is for {prepared.channel}, the contact by {request.channel}")
    return msgspec.structs.replace(
        request,
        text=prepared.text,
        template_hash=prepared.template_hash,
        content_class=prepared.content_class,
        sender_name=prepared.sender_name or None,
        language=prepared.language,
    )


def _fresh(
    values: MergeValues, used: frozenset[str], context: RenderContext, policy: SendPolicy
) -> bool:
    """Whether the balance, where one is told, is young enough (F13)."""
    if not any(FIELDS[name].of_balance for name in used):
        return True
    as_of = values.get("balance_as_of")
    if not isinstance(as_of, datetime) or as_of.tzinfo is None:
        return False
    age = context.now - as_of
    return -CLOCK_SLACK <= age <= timedelta(seconds=policy.max_balance_age_s)
