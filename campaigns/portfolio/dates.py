"""Calendar dates as files write them. A column has one order of day and month.

The order comes from the whole sample: a first number above 12 proves day-first, a second one
month-first; where nothing is proven, the country decides. Then parsing is strict: `31/02/2026`
and `02/31/2026` in a day-first column are errors, never a silent swap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from functools import lru_cache


class DateOrder(StrEnum):
    DAY_FIRST = "dmy"
    MONTH_FIRST = "mdy"
    YEAR_FIRST = "ymd"


class DateError(StrEnum):
    """Why a text is not a date; also the reject reason."""

    NOT_A_DATE = "date_not_a_date"
    IMPOSSIBLE = "date_impossible"


_TIME = (
    r"(?:[T\s]\s*\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
    r"\s*(?:[AaPp]\.?[Mm]\.?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_NUMERIC = re.compile(r"(\d{1,2})([/.\- ])(\d{1,2})\2(\d{4}|\d{2})" + _TIME)
_YEAR_FIRST = re.compile(r"(\d{4})([/.\-])(\d{1,2})\2(\d{1,2})" + _TIME)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_NAMED_DAY_FIRST = re.compile(
    r"(\d{1,2})[/.\- ]+(?:de\s+)?([a-záéíóú]{3,10})\.?,?[/.\- ]+(?:del?\s+)?(\d{4}|\d{2})", re.I
)
_NAMED_MONTH_FIRST = re.compile(r"([a-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})", re.I)
_NULL = re.compile(r"0{1,2}([/.\-])0{1,2}\1(?:0{4}|0{2})|0{4}([/.\-])00\2(?:00)|0{8}|0")
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("ene jan", "feb", "mar", "abr apr", "may", "jun", "jul", "ago aug", "sep set", "oct",
         "nov", "dic dec"), 1)
    for name in names.split()
}  # fmt: skip

_MONTH_FIRST_COUNTRIES = frozenset({"US", "PR"})


def default_order(country: str) -> DateOrder:
    return DateOrder.MONTH_FIRST if country in _MONTH_FIRST_COUNTRIES else DateOrder.DAY_FIRST


def looks_like_date(text: str) -> bool:
    """Has the form of a date, whether or not the day exists."""
    text = text.strip()
    return bool(_NUMERIC.fullmatch(text) or _YEAR_FIRST.fullmatch(text))


def detect_order(values: Iterable[str], country: str) -> DateOrder:
    """The order that a column's values prove by majority, else the country's."""
    day_first = month_first = year_first = other = 0
    for value in values:
        text = value.strip()
        match = _NUMERIC.fullmatch(text)
        if match is None:
            year_first += bool(_YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text))
            continue
        other += 1
        first, second = int(match[1]), int(match[3])
        day_first += first > 12 >= second
        month_first += second > 12 >= first
    if day_first != month_first:
        return DateOrder.DAY_FIRST if day_first > month_first else DateOrder.MONTH_FIRST
    if year_first > other:
        return DateOrder.YEAR_FIRST
    return default_order(country)


def is_null_date(text: str) -> bool:
    """`00/00/0000` and the like: how databases export the absence of a date."""
    return bool(_NULL.fullmatch(text.strip()))


@lru_cache(maxsize=65536)
def parse_date(text: str, order: DateOrder, today: date) -> date | DateError:
    """The date written in `text`; years of two digits lie within `today` + 10 years and before.

    A four-digit year in front is read as year-month-day whatever the column's order is, and a
    month's name tells its own order; everything else follows `order`.
    """
    text = text.strip()
    if match := _NUMERIC.fullmatch(text):
        first, second, year = int(match[1]), int(match[3]), match[4]
        if order is DateOrder.MONTH_FIRST:
            return _date(_year(year, today), first, second)
        if order is DateOrder.YEAR_FIRST and len(year) == 2:
            return _date(_year(match[1], today), second, int(year))
        return _date(_year(year, today), second, first)
    if match := _YEAR_FIRST.fullmatch(text):
        return _date(int(match[1]), int(match[3]), int(match[4]))
    if match := _COMPACT.fullmatch(text):
        return _date(int(match[1]), int(match[2]), int(match[3]))
    if match := _NAMED_DAY_FIRST.fullmatch(text):
        month = _MONTHS.get(match[2][:3].lower())
        return _date(_year(match[3], today), month, int(match[1]))
    if match := _NAMED_MONTH_FIRST.fullmatch(text):
        return _date(int(match[3]), _MONTHS.get(match[1][:3].lower()), int(match[2]))
    return DateError.NOT_A_DATE


def _year(digits: str, today: date) -> int:
    if len(digits) > 2:
        return int(digits)
    year = today.year // 100 * 100 + int(digits)
    return year - 100 if year > today.year + 10 else year


def _date(year: int, month: int | None, day: int) -> date | DateError:
    if month is None:
        return DateError.NOT_A_DATE
    try:
        found = date(year, month, day)
    except ValueError:
        return DateError.IMPOSSIBLE
    return found if 1900 <= year <= 2200 else DateError.IMPOSSIBLE
