"""Where a creditor's file is from, told from its beginning: country and currency."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import phonenumbers

from campaigns.portfolio.columns import fold, words_of
from campaigns.portfolio.dialect import decode_sample, sample_rows
from campaigns.portfolio.documents import read_document
from campaigns.portfolio.fields import Field
from campaigns.portfolio.money import CURRENCY_OF_COUNTRY, KNOWN_CURRENCIES
from campaigns.portfolio.phones import Phone, parse_cell
from campaigns.portfolio.places import subdivision_code
from campaigns.portfolio.proposal import propose_profile

ROWS: Final = 300
"""Rows that are looked at."""
LEAST_SCORE: Final = 0.8
LEAST_LEAD: Final = 0.3
"""How far the best country must be ahead of the next one."""

# Names of columns that only one country's files have.
_NATIONAL_WORDS: Final[Mapping[str, str]] = {
    "rut": "CL", "comuna": "CL", "curp": "MX", "rfc": "MX", "cpf": "BR", "cnpj": "BR",
    "cuit": "AR", "cuil": "AR", "ssn": "US", "zip": "US", "distrito": "PE", "cedula": "CO",
    "nit": "CO",
}  # fmt: skip
_COUNTRY_NAMES: Final[Mapping[str, str]] = {
    "argentina": "AR", "bolivia": "BO", "brasil": "BR", "brazil": "BR", "canada": "CA",
    "chile": "CL", "chl": "CL", "col": "CO", "colombia": "CO", "costa rica": "CR",
    "dominican republic": "DO", "ecuador": "EC", "el salvador": "SV", "espana": "ES",
    "estados unidos": "US", "guatemala": "GT", "honduras": "HN", "mex": "MX", "mexico": "MX",
    "nicaragua": "NI", "panama": "PA", "paraguay": "PY", "per": "PE", "peru": "PE",
    "puerto rico": "PR", "republica dominicana": "DO", "spain": "ES", "united states": "US",
    "uruguay": "UY", "usa": "US", "venezuela": "VE",
}  # fmt: skip
_LISTED: Final = ("CL", "CO", "MX", "PE", "US")
"""Countries whose subdivisions are known by name."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a file speaks for one country."""

    country: str
    score: float
    signs: tuple[str, ...]
    """What spoke for it: `phones`, `documents`, `columns`, `places`, `currency`, `country`."""


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """Where a file seems to be from."""

    country: str | None
    """ISO 3166-1 alpha-2; None when the file does not tell."""
    currency: str | None
    candidates: tuple[Evidence, ...] = ()
    """The likeliest first."""


def guess_place(sample: bytes) -> Guess:
    """Guess from the file's first bytes. Raises `PortfolioError` for a file without a row."""
    profile = propose_profile(sample, "US").profile
    text = decode_sample(sample, profile.dialect.encoding)
    header_row = profile.dialect.header_row
    rows = sample_rows(text, profile.dialect.delimiter, limit=ROWS, skip=header_row)
    names = [rule.column for rule in profile.columns]
    cells: defaultdict[Field, list[str]] = defaultdict(list)
    for rule in profile.columns:
        at = names.index(rule.column)
        cells[rule.field] += [row[at] for row in rows if at < len(row) and row[at].strip()]
    found = sorted(
        (_weigh(country, names, cells) for country in CURRENCY_OF_COUNTRY),
        key=lambda evidence: (-evidence.score, evidence.country),
    )
    best, second = found[0], found[1]
    named = _most_common(cells[Field.CURRENCY])
    sure = best.score >= LEAST_SCORE and best.score - second.score >= LEAST_LEAD
    country = best.country if sure else None
    currency = named if named in KNOWN_CURRENCIES else None
    if currency is None and country is not None:
        currency = CURRENCY_OF_COUNTRY[country]
    return Guess(country=country, currency=currency, candidates=tuple(found[:3]))


def _weigh(country: str, names: Sequence[str], cells: Mapping[Field, list[str]]) -> Evidence:
    signs = {
        "phones": _share(_is_phone(cell, country) for cell in cells.get(Field.PHONE, ())),
        "documents": _documents(country, names, cells),
        "columns": float(any(_says(name, country) for name in names)),
        "places": _places(country, cells),
        "currency": _share(
            cell.strip().upper() == CURRENCY_OF_COUNTRY[country]
            for cell in cells.get(Field.CURRENCY, ())
        ),
        "country": 2 * _share(_is_country(c, country) for c in cells.get(Field.COUNTRY, ())),
    }
    return Evidence(
        country=country,
        score=round(sum(signs.values()), 3),
        signs=tuple(name for name, weight in signs.items() if weight >= 0.5),
    )


def _is_phone(cell: str, country: str) -> bool:
    code = f"+{phonenumbers.country_code_for_region(country)}"
    return any(
        isinstance(found, Phone) and found.e164.startswith(code)
        for found in parse_cell(cell, country)
    )


def _says(name: str, country: str) -> bool:
    return any(_NATIONAL_WORDS.get(word) == country for word in words_of(name))


def _documents(country: str, names: Sequence[str], cells: Mapping[Field, list[str]]) -> float:
    """Only a document with a check digit tells where it is from."""
    if country != "CL":
        return 0.0
    found = [read_document(c, "", "rut", "", "CL") for c in cells.get(Field.DOCUMENT_NUMBER, ())]
    return _share(document is not None and document.identifies for document in found)


def _places(country: str, cells: Mapping[Field, list[str]]) -> float:
    if country not in _LISTED:
        return 0.0
    return _share(
        subdivision_code(cell, country) is not None for cell in cells.get(Field.SUBDIVISION, ())
    )


def _is_country(cell: str, country: str) -> bool:
    text = " ".join(fold(cell).split())
    return text.upper() == country or _COUNTRY_NAMES.get(text) == country


def _share(tests: Iterable[bool]) -> float:
    results = list(tests)
    return sum(results) / len(results) if results else 0.0


def _most_common(cells: Sequence[str]) -> str | None:
    counted = Counter(cell.strip().upper() for cell in cells).most_common(1)
    return counted[0][0] if counted else None
