"""Documents that identify, and states by all their names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.portfolio.documents import (
    Document,
    person_kind,
    read_document,
    rut_check_digit,
)
from campaigns.portfolio.places import subdivision_code
from campaigns.portfolio.points import country_named
from compliance.types import PersonKind


@pytest.mark.parametrize(
    ("raw", "type_text", "column_type", "digit", "country", "expected"),
    [
        ("6.139.023-5", "", "rut", "", "CL", Document("rut", "61390235", True)),
        ("06139023-5", "", "", "", "CL", Document("rut", "61390235", True)),
        ("6139023", "", "rut", "5", "CL", Document("rut", "61390235", True)),
        ("6505860-k", "", "rut", "", "CL", Document("rut", "6505860K", True)),
        ("6139023-4", "", "rut", "", "CL",
         Document("rut", "61390234", False, "document_check_digit")),
        ("11.111.111-1", "", "rut", "", "CL",
         Document("rut", "111111111", False, "document_dummy")),
        ("520551064", "", "", "", "CO", Document("cc", "520551064", True)),
        ("900123456", "NIT", "", "", "CO", Document("nit", "900123456", True)),
        ("123456", "Cédula de Extranjería", "", "", "CO", Document("ce", "123456", True)),
        ("00123456", "", "dni", "", "PE", Document("dni", "00123456", True)),
        ("20512345678", "", "", "", "PE", Document("ruc", "20512345678", True)),
        ("GOMC600101ABC", "", "", "", "MX", Document("rfc", "GOMC600101ABC", True)),
        ("0257", "", "ssn_last4", "", "US", Document("ssn_last4", "0257", False)),
        ("0", "", "", "", "CO", Document("cc", "", False, "document_dummy")),
        ("---", "", "", "", "CO", None),
    ],
)  # fmt: skip
def test_documents(
    raw: str, type_text: str, column_type: str, digit: str, country: str, expected: Document | None
) -> None:
    assert read_document(raw, type_text, column_type, digit, country) == expected


@given(st.integers(1_000_000, 99_999_999))
def test_a_check_digit_catches_every_wrong_digit(body: int) -> None:
    right = rut_check_digit(body)
    for digit in "0123456789K":
        found = read_document(f"{body}-{digit}", "", "rut", "", "CL")
        assert found is not None
        if found.problem != "document_dummy":
            assert found.identifies is (digit == right)


@pytest.mark.parametrize(
    ("name", "document", "country", "kind"),
    [
        ("Ana Soto", None, "CL", PersonKind.NATURAL),
        ("Transportes del Norte SpA", None, "CL", PersonKind.LEGAL),
        ("Textiles Modernos S.A. de C.V.", None, "MX", PersonKind.LEGAL),
        ("Northside Supply LLC", None, "US", PersonKind.LEGAL),
        ("Comercial Andina", None, "PE", PersonKind.LEGAL),
        ("Ana Soto", Document("rut", "761234560", True), "CL", PersonKind.LEGAL),
        ("Ana Soto", Document("rut", "61390235", True), "CL", PersonKind.NATURAL),
        ("X", Document("ruc", "20512345678", True), "PE", PersonKind.LEGAL),
        ("X", Document("ruc", "10512345678", True), "PE", PersonKind.NATURAL),
        ("X", Document("rfc", "ABC600101XYZ", True), "MX", PersonKind.LEGAL),
        ("X", Document("nit", "900123456", True), "CO", PersonKind.LEGAL),
    ],
)
def test_people_and_companies(
    name: str, document: Document | None, country: str, kind: PersonKind
) -> None:
    assert person_kind(name, document, country) is kind


@pytest.mark.parametrize(
    ("text", "country", "code"),
    [
        ("RM", "CL", "CL-RM"), ("Región Metropolitana", "CL", "CL-RM"), ("XIII", "CL", "CL-RM"),
        ("REGION DE LOS LAGOS", "CL", "CL-LL"), ("CL-MA", "CL", "CL-MA"), ("Ñuble", "CL", "CL-NB"),
        ("Región del Biobío", "CL", "CL-BI"), ("Bogotá D.C.", "CO", "CO-DC"),
        ("Valle del Cauca", "CO", "CO-VAC"), ("CDMX", "MX", "MX-CMX"), ("N.L.", "MX", None),
        ("Nuevo León", "MX", "MX-NLE"), ("Estado de México", "MX", "MX-MEX"),
        ("Lima", "PE", "PE-LMA"), ("fl", "US", "US-FL"), ("New York", "US", "US-NY"),
        ("XX", "US", None), ("vigente", "CL", None), ("", "CL", None), ("C", "AR", "AR-C"),
        ("Buenos Aires", "AR", None),
    ],
)  # fmt: skip
def test_states_by_all_their_names(text: str, country: str, code: str | None) -> None:
    assert subdivision_code(text, country) == code


def test_countries_by_name_code_and_calling_code() -> None:
    assert [country_named(text) for text in ("CL", "Perú", "+52", "57", "EEUU", "Narnia")] == [
        "CL", "PE", "MX", "CO", "US", None
    ]  # fmt: skip
