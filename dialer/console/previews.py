"""A text filled with real rows, with everything that is a person's own blotted out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from campaigns.content.fields import FIELDS, FieldKind, MergeField
from campaigns.content.lint import Part
from campaigns.content.render import MergeValue, Missing, Money, RenderContext, render
from campaigns.content.segments import Segments
from campaigns.content.sending import Prepared, SendPolicy, SkipReason, fill
from campaigns.content.template import Template, field_uses
from dialer.stores.ledger.previews import PreviewRow

BLOT: Final = "•••"
MOST_ROWS: Final = 20
_EXAMPLE_CENTS: Final = 150_000


class PreviewedRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one person would get. Nobody can be recognised in it, and no amount read."""

    skipped: SkipReason | None = None
    """Why this person would get nothing; None: it would be sent."""
    fields: tuple[str, ...] = ()
    """Merge fields that are the reason."""
    codes: tuple[str, ...] = ()
    """Findings of the lint on the text with this person's values."""
    sender_name: str = ""
    subject: str = ""
    text: str = ""
    segments: Segments | None = None
    """Of an SMS, counted with the true values."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    rows: list[PreviewedRow]
    examples: tuple[str, ...]
    """Fields that no row and no given value fills: they show the catalogue's examples."""


def preview(
    template: Template,
    rows: list[PreviewRow],
    given: Mapping[str, str],
    *,
    now: datetime,
    policy: SendPolicy,
) -> Preview:
    """The rows filled in and blotted."""
    used = {use.name for _, text in template.parts() for use in field_uses(text)}
    known = {name for row in rows for name in (*row.of_person, *row.of_portfolio)}
    shown = used & FIELDS.keys() - known - given.keys()
    currency = next((v.currency for r in rows for v in r.of_person.values()
                     if isinstance(v, Money)), "USD")  # fmt: skip
    examples = {name: _example(FIELDS[name], template, currency, now) for name in shown}
    made = [_row(template, row, {**examples, **given}, now, policy) for row in rows]
    return Preview(rows=made, examples=tuple(sorted(shown)))


def _row(
    template: Template,
    row: PreviewRow,
    common: Mapping[str, MergeValue],
    now: datetime,
    policy: SendPolicy,
) -> PreviewedRow:
    values = {**common, **row.of_portfolio, **row.of_person}
    context = RenderContext(now=now, country=row.country)
    filled = fill(template, values, context, policy)
    parts = render(template, values, context)
    texts = {} if isinstance(parts, Missing) else {p.name: blotted(p, row) for p in parts}
    sent = filled if isinstance(filled, Prepared) else None
    skipped = None if isinstance(filled, Prepared) else filled
    return PreviewedRow(
        skipped=skipped.reason if skipped is not None else None,
        fields=skipped.fields if skipped is not None else (),
        codes=skipped.codes if skipped is not None else (),
        sender_name=texts.get("sender_name", ""),
        subject=texts.get("subject", ""),
        text=texts.get("body", ""),
        segments=sent.segments if sent is not None else None,
    )


def blotted(part: Part, row: PreviewRow) -> str:
    """The text with every value that is the person's own taken out: not even its length stays."""
    made: list[str] = []
    at = 0
    for use in part.uses:
        value = part.text[use.start : use.end]
        if use.name in row.of_person:
            value = BLOT
        made += [part.text[at : use.start], value]
        at = use.end
    return "".join([*made, part.text[at:]])


def _example(field: MergeField, template: Template, currency: str, now: datetime) -> MergeValue:
    match field.kind:
        case FieldKind.MONEY:
            return Money(cents=_EXAMPLE_CENTS, currency=currency)
        case FieldKind.DATE:
            return now.date()
        case FieldKind.INSTANT:
            return now
        case _:
            return field.example_es if template.language == "es" else field.example_en
