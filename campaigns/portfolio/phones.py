"""Phone cells to E.164 numbers, with the reason where a cell holds none.

Whether a number exists is `phonenumbers`' numbering plan and nothing else. Its parser takes most
of an import's time, so the common forms (national, international, trunk prefix) are tried
against the same plan's pattern directly; whatever does not match goes through the library.

Two numbers that no longer exist in the form people keep are completed by the rule of the
migration that changed them (`_COMPLETIONS`); everything else is refused, not guessed.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache, lru_cache

import msgspec
import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberType, ValidationResult

from campaigns.portfolio.columns import fold


class PhoneProblem(StrEnum):
    """Why a cell is not a phone number; also the code of the warning."""

    DUMMY = "phone_dummy"
    NOT_A_NUMBER = "phone_not_a_number"
    TOO_SHORT = "phone_too_short"
    TOO_LONG = "phone_too_long"
    NOT_ASSIGNED = "phone_not_assigned"
    """The right length, but no such range in the country's numbering plan."""
    PREMIUM = "phone_premium"
    """Premium rate, shared cost, pager or voicemail access: never dialed."""


class Phone(msgspec.Struct, frozen=True, gc=False):
    e164: str
    extension: str | None = None
    completed: bool = False
    """Digits were added by a numbering migration's rule."""


_FILLERS = {
    *("s/n", "sn", "s.n.", "s/t", "n/a", "na", "n.a.", "no", "nt", "n/t", "nr", "n/r"),
    *("x", "xx", "xxx", "xxxx", "-", "--", "---", ".", "0", "none", "null", "nan", "nil"),
    *("ninguno", "ninguna", "vacio", "pendiente", "desconocido", "unknown", "test"),
}
_MAX_FILLER_CHARS = 24
_FILLER_PHRASES = re.compile(
    r"no (?:tiene|posee|registra|aplica|informa|hay|phone|number|contact)"
    r"(?: (?:telefono|fono|celular))?"
    r"|sin (?:telefono|fono|numero|celular|informacion|dato|datos|contacto|registro)"
    r"|not (?:available|applicable|provided|known)"
)
_SEPARATORS = {
    ord(mark): None for mark in " \t-().\u00a0\u202f\u200b\u200e\u202a\u202c'\u2010\u2011\u2013"
}
_SPLIT = re.compile(r"\s*(?:[/;,|\n]|\by\b|\be\b|\bo\b|\bor\b|\band\b|&)\s*", re.I)
_EXTENSION = re.compile(
    r"[\s,;]*(?:ext(?:ensi[oó]n)?|anexo|anx|interno|int|x|#)\s*[.:]?\s*(\d{1,7})\s*$", re.I
)
_LABEL_TEXT = re.compile(
    r"^(?:cel(?:ular)?|tel[eé]fono|tel|fono|casa|m[oó]vil|ph(?:one)?)[.:\s]+", re.I
)
_ASCENDING = "01234567890123456789"
_DESCENDING = _ASCENDING[::-1]

# Prefixes that people dial, or dialed, in front of a national number.
_TRUNKS = {
    "CL": ("0",),
    "CO": ("0", "03"),
    "MX": ("1", "01", "044", "045"),  # all abolished on 3 August 2019; old files keep them
    "US": ("1",),
    "CA": ("1",),
}  # fmt: skip

# (length, first digits, prefix): numbers that a migration lengthened. Chile 2013, Santiago's
# 2 + 7 digits became 2 + 2 + 7, and 8 local digits want the area code 2: both add one 2.
# Colombia, September 2021: area digit + 7 became 60 + area digit + 7.
_COMPLETIONS = {
    "CL": ((8, "2", "2"),),
    "CO": tuple((8, digit, "60") for digit in "124578"),
}

_DIALABLE = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PERSONAL_NUMBER,
        PhoneNumberType.VOIP,
        PhoneNumberType.UAN,
    }
)


class _Plan(msgspec.Struct, frozen=True):
    """One country's numbering plan, as `phonenumbers` knows it."""

    country: str
    code: str
    trunks: tuple[str, ...]
    completions: tuple[tuple[int, str, str], ...]
    ordinary: re.Pattern[str]
    """Full match: a fixed or mobile national number that exists."""


@cache
def _plan(country: str) -> _Plan | None:
    metadata = PhoneMetadata.metadata_for_region(country, None)
    if metadata is None or metadata.general_desc is None:
        return None
    patterns = [
        desc.national_number_pattern
        for desc in (metadata.fixed_line, metadata.mobile)
        if desc is not None and desc.national_number_pattern
    ]
    general = metadata.general_desc.national_number_pattern
    trunk = metadata.national_prefix
    return _Plan(
        country=country,
        code=str(metadata.country_code),
        trunks=_TRUNKS.get(country, (trunk,) if trunk else ()),
        completions=_COMPLETIONS.get(country, ()),
        ordinary=re.compile(f"(?=(?:{general})$)(?:{'|'.join(patterns)})"),
    )


def is_known_country(country: str) -> bool:
    return _plan(country) is not None


def is_filler(text: str) -> bool:
    """Text that stands for "there is none": `S/N`, `no tiene`, `N/A` ..."""
    if len(text) > _MAX_FILLER_CHARS:
        return False
    folded = " ".join(fold(text).split())
    return folded in _FILLERS or bool(_FILLER_PHRASES.fullmatch(folded))


def is_dummy(digits: str) -> bool:
    """Digits that somebody typed to fill the cell: `1`, `0000000000`, `123456789` ...

    At most four digits, or all the same but for a prefix of up to three, or the last eight (or
    all) in counting order.
    """
    if len(digits) <= 4:
        return True
    if len(set(digits[-7:])) == 1:
        return len(digits) <= 7 or len(set(digits[:-7])) <= 2
    tail = digits[-8:]
    return tail in _ASCENDING or tail in _DESCENDING


def parse_cell(
    raw: str, country: str, *, area: str = "", extension: str = ""
) -> tuple[Phone | PhoneProblem, ...]:
    """The numbers in a cell, or why there is none; an empty cell gives an empty tuple.

    `country` is the portfolio's (ISO 3166 alpha-2) and only a default: `+54...` is Argentine in
    any file. `area` is put in front of a number that is none without it. A cell may hold several
    numbers (`912345678 / 987654321`), each of which gets its own result.
    """
    text = raw.strip()
    if not text:
        return ()
    phone = _ordinary(text, country)
    if phone is None and area and area.isdigit():
        phone = _ordinary(area + text, country)
    if phone is not None:
        if is_dummy(phone.e164[1:]) or is_dummy(_significant(phone.e164, country)):
            return (PhoneProblem.DUMMY,)
        return (Phone(phone.e164, extension or None, phone.completed),)
    results = _unusual(text, country)
    if extension and len(results) == 1 and isinstance(results[0], Phone):
        return (Phone(results[0].e164, extension, results[0].completed),)
    return results


def _significant(e164: str, country: str) -> str:
    plan = _plan(country)
    if plan is not None and e164.startswith(f"+{plan.code}"):
        return e164[1 + len(plan.code) :]
    return e164[1:]


def _ordinary(text: str, country: str) -> Phone | None:
    """A number in a common form, matched against the plan without the library's parser."""
    plan = _plan(country)
    if plan is None:
        return None
    digits = text.translate(_SEPARATORS)
    international = digits.startswith("+")
    if international:
        digits = digits[1:]
    elif digits.startswith("00"):
        digits, international = digits[2:], True
    if not (digits.isascii() and digits.isdigit()):
        return None
    matches = plan.ordinary.fullmatch
    if not international and matches(digits):
        return Phone(f"+{plan.code}{digits}")
    candidates = [] if international else [digits]
    if digits.startswith(plan.code):
        national = digits[len(plan.code) :]
        if matches(national):
            return Phone(f"+{plan.code}{national}")
        candidates.append(national)
    for candidate in candidates:
        for trunk in plan.trunks:
            if candidate.startswith(trunk) and matches(candidate[len(trunk) :]):
                return Phone(f"+{plan.code}{candidate[len(trunk) :]}")
    return _completed(candidates, plan)


def _completed(candidates: list[str], plan: _Plan) -> Phone | None:
    for candidate in candidates:
        bare = candidate.removeprefix("0")
        for length, first, prefix in plan.completions:
            if len(bare) == length and bare.startswith(first) and not is_dummy(bare):
                whole = prefix + bare
                if plan.ordinary.fullmatch(whole):
                    return Phone(f"+{plan.code}{whole}", None, completed=True)
    return None


@lru_cache(maxsize=65536)
def _unusual(text: str, country: str) -> tuple[Phone | PhoneProblem, ...]:
    """Fillers, extensions, several numbers in one cell, foreign numbers and errors."""
    if is_filler(text):
        return (PhoneProblem.DUMMY,)
    extension = None
    if match := _EXTENSION.search(text):
        before = text[: match.start()]
        if len(re.findall(r"\d", before)) >= 6:
            text, extension = before, match[1]
    text = _LABEL_TEXT.sub("", text).strip()
    parts = [part for part in _SPLIT.split(text) if part]
    if len(parts) > 1 and all(len(re.findall(r"\d", part)) >= 7 for part in parts):
        return tuple(result for part in parts for result in parse_cell(part, country))
    words = text.split()
    if len(words) > 1 and all(len(word) >= 8 and word.lstrip("+").isdigit() for word in words):
        return tuple(result for word in words for result in parse_cell(word, country))
    found = _ordinary(text, country)
    if found is not None:
        return (Phone(found.e164, extension, found.completed),)
    result = _library(text, country)
    if isinstance(result, Phone) and extension:
        return (Phone(result.e164, extension),)
    return (result,)


def _library(text: str, country: str) -> Phone | PhoneProblem:
    digits = re.sub(r"\D", "", text)
    if digits and is_dummy(digits):
        return PhoneProblem.DUMMY
    if len(digits) > 20:
        return PhoneProblem.TOO_LONG
    if not digits or re.search(r"[^\W\d_]{3,}", text):
        return PhoneProblem.NOT_A_NUMBER  # prose; the library would dial its letters
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as error:
        return _PARSE_PROBLEMS.get(error.error_type, PhoneProblem.NOT_A_NUMBER)
    if not phonenumbers.is_valid_number(number):
        reason = phonenumbers.is_possible_number_with_reason(number)
        return _LENGTH_PROBLEMS.get(reason, PhoneProblem.NOT_ASSIGNED)
    if phonenumbers.number_type(number) not in _DIALABLE:
        return PhoneProblem.PREMIUM
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if is_dummy(str(number.national_number)):
        return PhoneProblem.DUMMY
    return Phone(e164, number.extension or None)


_PARSE_PROBLEMS = {
    phonenumbers.NumberParseException.TOO_SHORT_NSN: PhoneProblem.TOO_SHORT,
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: PhoneProblem.TOO_SHORT,
    phonenumbers.NumberParseException.TOO_LONG: PhoneProblem.TOO_LONG,
}
_LENGTH_PROBLEMS = {
    ValidationResult.TOO_SHORT: PhoneProblem.TOO_SHORT,
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: PhoneProblem.TOO_SHORT,
    ValidationResult.TOO_LONG: PhoneProblem.TOO_LONG,
}
