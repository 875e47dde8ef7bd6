"""Merge values into a text: in the form of the person's country, escaped, and known by place."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_currency

from campaigns.content.fields import FIELDS, FieldKind, MergeField
from campaigns.content.findings import Finding, finding
from campaigns.content.lint import Part
from campaigns.content.style import links
from campaigns.content.template import FieldUse, Template, TextLanguage, field_uses
from campaigns.portfolio.money import exponent_of
from compliance.messages import Message
from compliance.types import Channel


class Money(Message, frozen=True, kw_only=True):
    cents: int
    """Minor units of the currency."""
    currency: str
    """ISO 4217."""


MergeValue: TypeAlias = "str | int | Money | date | datetime"
MergeValues: TypeAlias = Mapping[str, MergeValue]

_COUNTRIES: Final[dict[TextLanguage, frozenset[str]]] = {
    TextLanguage.ES: frozenset(
        {"AR", "BO", "CL", "CO", "CR", "DO", "EC", "ES", "GT", "HN", "MX", "NI", "PA", "PE", "PR",
         "PY", "SV", "US", "UY", "VE"}
    ),
    TextLanguage.EN: frozenset({"US", "CA", "GB"}),
}  # fmt: skip
_DEFAULT: Final = {TextLanguage.ES: "es_US", TextLanguage.EN: "en_US"}


def locale_of(language: TextLanguage, country: str | None) -> str:
    """Babel's locale for a text in a language to a country; where there is none, the default."""
    if country is not None and country.upper() in _COUNTRIES[language]:
        return f"{language.value}_{country.upper()}"
    return _DEFAULT[language]


class RenderContext(Message, frozen=True, kw_only=True):
    """For whom and when a text is rendered."""

    now: datetime
    country: str | None = None
    """ISO 3166 of the person; decides the form of money and dates."""
    zone: str = "UTC"
    """IANA zone in which an instant is told as a date."""


class Missing(Message, frozen=True, kw_only=True):
    """A text that cannot be filled for this person."""

    fields: tuple[str, ...]


# Characters that mean something to the channel's own markup.
_MARKUP: Final[dict[Channel, dict[int, None]]] = {
    Channel.WHATSAPP: str.maketrans(dict.fromkeys("*_~`")),
    Channel.VOICE: str.maketrans(dict.fromkeys("<>&")),
    Channel.RINGLESS_VOICEMAIL: str.maketrans(dict.fromkeys("<>&")),
}


def render(
    template: Template, values: MergeValues, context: RenderContext
) -> tuple[Part, ...] | Missing:
    """Every part with its values; each value's place is kept. Braces in a value are only text."""
    wanted = {use.name for _, text in template.parts() for use in field_uses(text)}
    texts = {
        name: shown(FIELDS[name], values[name], template, context)
        for name in wanted & values.keys() & FIELDS.keys()
    }
    missing = sorted(name for name in wanted if not texts.get(name))
    if missing:
        return Missing(fields=tuple(missing))
    return tuple(_filled(name, text, texts) for name, text in template.parts())


def _filled(name: str, text: str, values: Mapping[str, str]) -> Part:
    made: list[str] = []
    uses: list[FieldUse] = []
    at = length = 0
    for use in field_uses(text):
        made += [text[at : use.start], values[use.name]]
        start = length + use.start - at
        length = start + len(values[use.name])
        uses.append(FieldUse(use.name, start, length))
        at = use.end
    made.append(text[at:])
    return Part(name=name, text="".join(made), uses=tuple(uses), rendered=True)


def shown(field: MergeField, value: MergeValue, template: Template, context: RenderContext) -> str:
    """A value as the text tells it; empty where there is nothing to tell or it has a wrong type."""
    locale = locale_of(template.language, context.country)
    aloud = template.channel is Channel.VOICE
    if isinstance(value, Money):
        exponent = exponent_of(value.currency)
        units = Decimal(value.cents).scaleb(-exponent)
        # Aloud "$" is whatever the voice takes it for: the currency is told by its name.
        form: Literal["name", "standard"] = "name" if aloud else "standard"
        text = format_currency(units, value.currency, locale=locale, format_type=form)
    elif isinstance(value, datetime):
        text = format_date(value.astimezone(ZoneInfo(context.zone)), "long", locale=locale)
    elif isinstance(value, date):
        text = format_date(value, "long", locale=locale)
    elif aloud and field.kind is FieldKind.PHONE:
        text = " ".join(character for character in str(value) if character.isdigit())
    else:
        text = str(value)
    return clean(text, field.kind, template.channel)


def clean(text: str, kind: FieldKind, channel: Channel) -> str:
    """One line without control or invisible characters, nor the channel's own markup."""
    # Babel parts thousands with spaces that would turn an SMS into UCS-2.
    plain = text
    if not (text.isascii() and text.isprintable()):
        plain = "".join(
            " " if unicodedata.category(c) in ("Zs", "Zl", "Zp", "Cc") else c
            for c in text
            if unicodedata.category(c) != "Cf"
        )
    plain = " ".join(plain.split())
    if kind is not FieldKind.LINK:
        plain = plain.translate(_MARKUP.get(channel, {}))
    if kind is FieldKind.NAME and plain.isupper():
        plain = plain.title()
    return plain


_SHAPES: Final[dict[FieldKind, re.Pattern[str]]] = {
    FieldKind.NAME: re.compile(r"[^\W\d_][^\d_@/\\{}<>|=+*#$%&()\[\]:;!?\"]{0,79}"),
    FieldKind.COMPANY: re.compile(r"[^{}<>\\]{1,100}"),
    FieldKind.TEXT: re.compile(r"[^{}<>\\]{1,300}"),
    FieldKind.PHONE: re.compile(r"\+?[\d(][\d ().-]{4,27}\d"),
    FieldKind.REFERENCE: re.compile(r"[\w•*./ #-]{1,40}"),
    FieldKind.COUNT: re.compile(r"\d{1,3}"),
    FieldKind.LINK: re.compile(r"https://\S{4,300}"),
}
_SHAPE_WORDS: Final[dict[FieldKind, tuple[str, str]]] = {
    FieldKind.NAME: ("un nombre", "a name"),
    FieldKind.COMPANY: ("un nombre de empresa", "a firm's name"),
    FieldKind.TEXT: ("un texto corto", "a short text"),
    FieldKind.PHONE: ("un teléfono", "a telephone number"),
    FieldKind.REFERENCE: ("una referencia", "a reference"),
    FieldKind.COUNT: ("un número", "a number"),
    FieldKind.LINK: ("un enlace https", "an https link"),
    FieldKind.MONEY: ("dinero", "money"),
    FieldKind.DATE: ("una fecha", "a date"),
    FieldKind.INSTANT: ("un instante", "an instant"),
}


def bad_values(values: MergeValues, used: frozenset[str], parts: tuple[Part, ...]) -> list[Finding]:
    """Values that are not of their field's kind: a name with digits, an amount as free text."""
    texts = {use.name: part.text[use.start : use.end] for part in parts for use in part.uses}
    return [
        finding("value_bad", field=name, found=name, what=words[0], what_en=words[1])
        for name in sorted(used)
        if not _fits(FIELDS[name].kind, values[name], texts[name])
        for words in (_SHAPE_WORDS[FIELDS[name].kind],)
    ]


def _fits(kind: FieldKind, value: MergeValue, text: str) -> bool:
    match kind:
        case FieldKind.MONEY:
            return isinstance(value, Money) and value.cents >= 0
        case FieldKind.INSTANT:
            return isinstance(value, datetime) and value.tzinfo is not None
        case FieldKind.DATE:
            return isinstance(value, date)
        case FieldKind.NAME:
            return _SHAPES[kind].fullmatch(text) is not None and not any(links(text))
        case _:
            return _SHAPES[kind].fullmatch(text) is not None


def as_html(text: str) -> str:
    """A plain text as the body of a mail: escaped, in paragraphs."""
    paragraphs = [p for p in text.split("\n\n") if p.strip()]
    return "".join(f"<p>{html.escape(p).replace(chr(10), '<br>')}</p>" for p in paragraphs)
