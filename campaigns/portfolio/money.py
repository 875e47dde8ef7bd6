"""Amounts of money as files write them, to integer minor units.

A column has one style. `1.234,56` and `1,234.56` tell it apart by themselves, `4.355` does not:
the whole column's evidence decides, then whether the currency has minor units, then the country.
Within a style parsing is strict: an amount of the other style is an error, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

import msgspec


class NumberStyle(StrEnum):
    COMMA_DECIMAL = "comma"
    """`1.234,56`: dots between thousands."""
    DOT_DECIMAL = "dot"
    """`1,234.56`: commas between thousands."""


class AmountError(StrEnum):
    """Why a text is not an amount; also the reject reason."""

    NOT_A_NUMBER = "amount_not_a_number"
    OTHER_STYLE = "amount_other_style"
    AMBIGUOUS = "amount_ambiguous"
    TOO_LARGE = "amount_too_large"


class Amount(msgspec.Struct, frozen=True, gc=False):
    cents: int
    """Minor units of the currency."""
    rounded: bool = False
    """The text had more decimals than the currency; half away from zero."""


# ISO 4217: minor units other than 2, of the currencies that portfolios come in.
_EXPONENTS = {
    "CLP": 0, "PYG": 0, "JPY": 0, "KRW": 0, "ISK": 0, "UYI": 0, "VND": 0, "XAF": 0, "XOF": 0,
    "CLF": 4, "UYW": 4, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip

CURRENCY_OF_COUNTRY = {
    "AR": "ARS", "BO": "BOB", "BR": "BRL", "CA": "CAD", "CL": "CLP", "CO": "COP", "CR": "CRC",
    "DO": "DOP", "EC": "USD", "ES": "EUR", "GT": "GTQ", "HN": "HNL", "MX": "MXN", "NI": "NIO",
    "PA": "USD", "PE": "PEN", "PR": "USD", "PY": "PYG", "SV": "USD", "US": "USD", "UY": "UYU",
    "VE": "VES",
}  # fmt: skip

KNOWN_CURRENCIES = frozenset(_EXPONENTS) | frozenset(CURRENCY_OF_COUNTRY.values()) | {"GBP"}
"""Currencies that a row may name."""

_DOT_COUNTRIES = frozenset({"CA", "DO", "GT", "HN", "MX", "NI", "PA", "PE", "PR", "SV", "US"})
"""Countries of the Americas that write a decimal point (CLDR)."""

_CURRENCY_MARK = re.compile(
    r"^(?:R\$|US\$|U\$S|S/\.?|\$|€|£|[A-Z]{3}(?=[\s\d$-]))\s*|\s*(?:€|[A-Z]{3})$"
)
_SPACES = re.compile(r"[\s\u00a0\u202f'’]+")
_SHAPE = re.compile(r"\d+(?:[.,]\d+)*")
_MAX_CENTS = 10**17
"""Far above any debt and well inside a 64-bit column."""

_STRICT = {
    NumberStyle.COMMA_DECIMAL: re.compile(r"(\d{1,3}(?:\.\d{3})+|\d+)(?:,(\d+))?"),
    NumberStyle.DOT_DECIMAL: re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?"),
}
_OTHER = {
    NumberStyle.COMMA_DECIMAL: NumberStyle.DOT_DECIMAL,
    NumberStyle.DOT_DECIMAL: NumberStyle.COMMA_DECIMAL,
}


def exponent_of(currency: str) -> int:
    """Number of decimals of a currency's minor unit (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def default_style(country: str) -> NumberStyle:
    return NumberStyle.DOT_DECIMAL if country in _DOT_COUNTRIES else NumberStyle.COMMA_DECIMAL


def _bare(text: str) -> tuple[str, bool]:
    """The digits and separators of an amount, and whether it is negative."""
    bare = text.strip()
    signs = 0
    negative = False
    if bare.startswith("(") and bare.endswith(")"):
        bare, negative, signs = bare[1:-1], True, 1
    for _ in range(2):  # the sign stands before or after the currency mark
        bare = bare.strip()
        if bare[:1] in ("-", "−", "+"):
            negative = negative or bare[0] != "+"
            bare = bare[1:].strip()
            signs += 1
        bare = _CURRENCY_MARK.sub("", bare)
    if bare.endswith("-"):
        bare, negative, signs = bare[:-1], True, signs + 1
    # More than one sign means nothing; it is left to fail as it stands.
    return (_SPACES.sub("", bare), negative) if signs <= 1 else (text, False)


def looks_like_amount(text: str) -> bool:
    """Has the form of an amount, in whatever style."""
    return bool(_SHAPE.fullmatch(_bare(text)[0]))


def detect_style(values: Iterable[str], currency: str, country: str) -> NumberStyle:
    """The style that a column's values prove, else the likely one."""
    votes = {NumberStyle.COMMA_DECIMAL: 0, NumberStyle.DOT_DECIMAL: 0}
    for value in values:
        style = _evidence(_bare(value)[0], exponent_of(currency))
        if style is not None:
            votes[style] += 1
    comma, dot = votes[NumberStyle.COMMA_DECIMAL], votes[NumberStyle.DOT_DECIMAL]
    if comma != dot:
        return NumberStyle.COMMA_DECIMAL if comma > dot else NumberStyle.DOT_DECIMAL
    return default_style(country)


def _evidence(bare: str, exponent: int) -> NumberStyle | None:
    """What one amount proves, if anything."""
    if not _SHAPE.fullmatch(bare):
        return None
    dots, commas = bare.count("."), bare.count(",")
    if not dots and not commas:
        return None
    last = max(bare.rfind("."), bare.rfind(","))
    decimals = len(bare) - last - 1
    by_last = NumberStyle.DOT_DECIMAL if bare[last] == "." else NumberStyle.COMMA_DECIMAL
    if dots and commas:
        return by_last
    if dots + commas > 1:  # a separator that repeats stands between thousands
        return _OTHER[by_last]
    if decimals != 3:
        return by_last
    # `4.355`: in a currency without minor units the separator can only mean thousands.
    return _OTHER[by_last] if exponent == 0 else None


@lru_cache(maxsize=65536)
def parse_amount(text: str, style: NumberStyle, exponent: int) -> Amount | AmountError:
    """Minor units of an amount written in `style`.

    `exponent` is the currency's number of decimals. Signs before or after, parentheses for
    negatives and currency marks are understood; anything else is told, never guessed.
    """
    bare, negative = _bare(text)
    match = _STRICT[style].fullmatch(bare)
    if match is None:
        if _STRICT[_OTHER[style]].fullmatch(bare):
            return AmountError.OTHER_STYLE
        return AmountError.NOT_A_NUMBER
    whole, decimals = match[1], match[2] or ""
    digits = whole.replace(".", "").replace(",", "")
    if len(digits) > 18:
        return AmountError.TOO_LARGE
    units = int(digits)
    kept, rest = decimals[:exponent], decimals[exponent:]
    rounded = bool(rest.strip("0"))
    if len(decimals) == 3 and exponent < 3 and len(whole) <= 3 and units:
        # `12.345` in a style with decimal points: thousands of the other style, or three decimals?
        return AmountError.AMBIGUOUS
    cents = units * 10**exponent + int(kept.ljust(exponent, "0") or "0")
    if rounded and rest[0] >= "5":
        cents += 1
    if cents > _MAX_CENTS:
        return AmountError.TOO_LARGE
    return Amount(-cents if negative else cents, rounded)


def format_amount(cents: int, style: NumberStyle, exponent: int, *, thousands: bool = True) -> str:
    """The text that `parse_amount` reads back."""
    units, rest = divmod(abs(cents), 10**exponent)
    whole = f"{units:,}" if thousands else str(units)
    text = f"{whole}.{rest:0{exponent}d}" if exponent else whole
    if style is NumberStyle.COMMA_DECIMAL:
        text = text.translate({44: ".", 46: ","})
    return f"-{text}" if cents < 0 else text
