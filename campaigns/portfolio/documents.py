"""Identity documents: normal form, plausibility, and what a name or number says of its holder."""

from __future__ import annotations

import re

import msgspec

from campaigns.portfolio.columns import fold
from compliance.types import PersonKind


class Document(msgspec.Struct, frozen=True, gc=False):
    type: str
    number: str
    identifies: bool
    """Good enough to say that two rows speak of the same person."""
    problem: str | None = None
    """Code of a warning: why it does not identify although it should."""


_DEFAULT_TYPES = {"CL": "rut", "CO": "cc", "MX": "curp", "PE": "dni", "US": "ssn", "EC": "ci"}
_TYPE_NAMES = {
    "rut": "rut", "run": "rut", "r.u.t.": "rut", "dni": "dni", "le": "dni", "cc": "cc",
    "c.c.": "cc", "cedula": "cc", "cedula de ciudadania": "cc", "ce": "ce", "c.e.": "ce",
    "cedula de extranjeria": "ce", "carnet de extranjeria": "ce", "nit": "nit", "n.i.t.": "nit",
    "ti": "ti", "ruc": "ruc", "curp": "curp", "rfc": "rfc", "ine": "ine", "ife": "ine",
    "ssn": "ssn", "social security": "ssn", "itin": "itin", "ein": "ein", "pasaporte": "passport",
    "passport": "passport", "pa": "passport", "pas": "passport", "pep": "pep", "ppt": "ppt",
}  # fmt: skip
_LEGAL_TYPES = frozenset({"nit", "ein"})
_NEVER_IDENTIFIES = frozenset({"ssn_last4", ""})
_LEGAL_NAME = re.compile(
    r"\b(?:s\.? ?a\.?(?: de c\.? ?v\.?)?|s\.? ?a\.? ?s\.?|s\.? ?a\.? ?c\.?|s\.? ?r\.? ?l\.?|spa|"
    r"e\.?i\.?r\.?l\.?|ltda\.?|limitada|s\.? de r\.? ?l\.?|cia\.?|sociedad|comercial(?:izadora)?|"
    r"inversiones|constructora|transportes|inc\.?|llc|l\.l\.c\.?|corp\.?|corporation|company)$"
)
_LEGAL_START = re.compile(r"^(?:sociedad|comercial(?:izadora)?|inversiones|constructora|empresa) ")


def document_type(text: str, column_type: str, number: str, country: str) -> str:
    """Type as the cell or the column says it; else what the country's number looks like."""
    if text:
        folded = " ".join(fold(text).split())
        return _TYPE_NAMES.get(folded, folded[:20])
    if column_type:
        return column_type
    if country == "PE" and len(number) == 11:
        return "ruc"
    if country == "MX" and len(number) in (12, 13):
        return "rfc"
    return _DEFAULT_TYPES.get(country, "id")


def read_document(
    raw: str, type_text: str, column_type: str, check_digit: str, country: str
) -> Document | None:
    """The document in a row's cells; None where there is none.

    A number whose check digit is wrong, or that is a filler, is kept as text but identifies
    nobody: joining two people on a typing error would tell one about the other's debts.
    """
    number = re.sub(r"[^0-9A-Za-z]", "", raw).upper()
    if not number:
        return None
    kind = document_type(type_text.strip(), column_type, number, country)
    if kind == "rut" and check_digit.strip():
        number += check_digit.strip().upper()
    if kind != "passport" and number.isdigit():
        number = number if kind in ("ssn", "ssn_last4", "dni", "ein") else number.lstrip("0")
    if kind in _NEVER_IDENTIFIES:
        return Document(kind, number, False)
    if not number.strip("0") or len(set(number)) == 1 or len(number) < 5:
        return Document(kind, number, False, "document_dummy")
    if kind == "rut" and not _rut_is_valid(number):
        return Document(kind, number, False, "document_check_digit")
    return Document(kind, number, True)


def _rut_is_valid(number: str) -> bool:
    body, digit = number[:-1], number[-1]
    return body.isdigit() and digit == rut_check_digit(int(body))


def rut_check_digit(body: int) -> str:
    """Check digit of a Chilean RUT: modulus 11, weights 2 to 7 from the right."""
    total = sum(int(d) * (2 + at % 6) for at, d in enumerate(reversed(str(body))))
    return "0123456789K"[(11 - total % 11) % 11]


def person_kind(name: str, document: Document | None, country: str) -> PersonKind:
    """Natural or legal, from the document's series or the form of the name."""
    if document is not None:
        number = document.number
        if document.type in _LEGAL_TYPES:
            return PersonKind.LEGAL
        if document.type == "rut" and number[:-1].isdigit() and int(number[:-1]) >= 50_000_000:
            return PersonKind.LEGAL  # the tax service numbers companies from 50 million
        if document.type == "ruc" and country == "PE" and number.startswith("20"):
            return PersonKind.LEGAL
        if document.type == "rfc" and len(number) == 12:
            return PersonKind.LEGAL
    folded = " ".join(fold(name).split())
    if _LEGAL_NAME.search(folded) or _LEGAL_START.match(folded):
        return PersonKind.LEGAL
    return PersonKind.NATURAL
