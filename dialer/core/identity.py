"""Right-party verification: compare what a person answered with what is on file.

Two factors must match, at least one of them something a letter does not show; two tries a call.
The caller's number is never a factor, and nothing on file is ever read out.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum

import msgspec

FACTORS_NEEDED = 2
TRIES = 2
LEAST_DIGITS = 4
"""Fewer digits are too easy to guess on a telephone."""


class Factor(StrEnum):
    DOCUMENT_LAST4 = "document_last4"
    BIRTH_DATE = "birth_date"
    """Day and month, or the whole date, in ISO or day-first digits."""
    POSTAL_CODE = "postal_code"
    CONTRACT = "contract"


ON_THE_LETTER = frozenset({Factor.POSTAL_CODE, Factor.CONTRACT})
"""What anybody who opens the person's post can read."""


class IdentityOnFile(msgspec.Struct, frozen=True, kw_only=True):
    """The true values; empty where the file has none."""

    document_number: str | None = None
    birth_date: str | None = None
    postal_code: str | None = None
    contract: str | None = None

    def factors(self) -> tuple[Factor, ...]:
        """Factors that can be asked of this person."""
        known = {
            Factor.DOCUMENT_LAST4: self.document_number,
            Factor.BIRTH_DATE: self.birth_date,
            Factor.POSTAL_CODE: self.postal_code,
            Factor.CONTRACT: self.contract,
        }
        return tuple(factor for factor, value in known.items() if value)

    def can_verify(self) -> bool:
        """Whether enough is on file for a verification to pass at all."""
        factors = self.factors()
        return len(factors) >= FACTORS_NEEDED and any(f not in ON_THE_LETTER for f in factors)


def by_keys(on_file: IdentityOnFile) -> IdentityOnFile:
    """What of it a telephone's keys can answer: digits."""
    document = _plain(on_file.document_number)
    return IdentityOnFile(
        document_number=document if document[-4:].isdecimal() else None,
        birth_date=on_file.birth_date,
        postal_code=_digits(on_file.postal_code),
        contract=_digits(on_file.contract),
    )


def _digits(text: str | None) -> str | None:
    digits = "".join(c for c in text or "" if c.isdecimal())
    return digits if len(digits) >= LEAST_DIGITS else None


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    passed: bool
    matched: tuple[Factor, ...]


def check(answers: dict[str, str], on_file: IdentityOnFile) -> CheckResult:
    """Judge one try. A wrong answer fails the try even when two others match."""
    matched: list[Factor] = []
    wrong = False
    for name, answer in answers.items():
        if name not in Factor.__members__.values() or not answer.strip():
            continue
        factor = Factor(name)
        if _matches(factor, answer, on_file):
            matched.append(factor)
        else:
            wrong = True
    enough = len(matched) >= FACTORS_NEEDED and any(f not in ON_THE_LETTER for f in matched)
    return CheckResult(passed=enough and not wrong, matched=tuple(matched))


def _matches(factor: Factor, answer: str, on_file: IdentityOnFile) -> bool:
    given = _plain(answer)
    match factor:
        case Factor.DOCUMENT_LAST4:
            return len(given) >= 4 and given[-4:] == _plain(on_file.document_number)[-4:]
        case Factor.BIRTH_DATE:
            return _birth_date_matches(given, on_file.birth_date)
        case Factor.POSTAL_CODE:
            return bool(given) and given == _plain(on_file.postal_code)
        case Factor.CONTRACT:
            return bool(given) and given == _plain(on_file.contract)


def _birth_date_matches(given: str, birth_date: str | None) -> bool:
    """Accepts YYYYMMDD, DDMMYYYY and DDMM (the person may keep the year to himself)."""
    if birth_date is None or len(birth_date) != len("YYYY-MM-DD"):
        return False
    year, month, day = birth_date.split("-")
    return given in (year + month + day, day + month + year, day + month)


def _plain(text: str | None) -> str:
    """Letters and digits only, lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text or "")
    return "".join(c for c in decomposed.casefold() if c.isalnum())
