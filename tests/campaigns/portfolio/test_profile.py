"""Profiles: proposed from a file, written as text, read back, and checked with clear words."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.portfolio.columns import Column
from campaigns.portfolio.dates import DateOrder
from campaigns.portfolio.dialect import DELIMITERS, ENCODINGS, Dialect
from campaigns.portfolio.errors import PortfolioError
from campaigns.portfolio.fields import AMOUNTS, DATES, Field
from campaigns.portfolio.model import FlagKind
from campaigns.portfolio.money import NumberStyle
from campaigns.portfolio.profile import (
    ColumnRule,
    ImportProfile,
    bind,
    check_profile,
    dump_profile,
    fingerprint,
    load_profile,
    unique_names,
)
from campaigns.portfolio.proposal import propose_profile
from compliance.types import Channel, ConsentScope, PartyRole, PointLabel

CSV = (
    "id_cuenta;rut;nombre_completo;estado;saldo_total;fecha_vencimiento;telefono_1;cosa rara\n"
    "A1;6139023-5;Ana Soto;vigente;4.355;13/01/2026;939717706;x\n"
    "A2;5297628-6;Eva Paz;judicial;1.000;01/02/2026;939717707;y\n"
).encode("cp1252")


def profile(*columns: ColumnRule) -> ImportProfile:
    return ImportProfile(
        country="CL",
        currency="CLP",
        dialect=Dialect(encoding="utf-8", delimiter=";", header_row=1),
        columns=columns,
    )


GOOD = (
    ColumnRule(column="id", field=Field.EXTERNAL_ID),
    ColumnRule(column="nombre", field=Field.FULL_NAME),
    ColumnRule(column="saldo", field=Field.TOTAL, numbers=NumberStyle.COMMA_DECIMAL),
)


def test_a_proposal_names_what_it_did_not_understand() -> None:
    proposal = propose_profile(CSV, "cl")
    assert proposal.problems == ()
    assert proposal.unmapped == ("cosa rara",)
    rules = {rule.column: rule for rule in proposal.profile.columns}
    assert rules["cosa rara"].field is Field.IGNORE
    assert rules["saldo_total"].numbers is NumberStyle.COMMA_DECIMAL
    assert rules["fecha_vencimiento"].dates is DateOrder.DAY_FIRST
    assert proposal.profile.currency == "CLP"


def test_estado_is_a_state_only_where_its_cells_are_states() -> None:
    fields = {rule.column: rule.field for rule in propose_profile(CSV, "CL").profile.columns}
    assert fields["estado"] is Field.ACCOUNT_STATUS
    mexican = b"id_cuenta,nombre,estado,saldo\n1,Ana Soto,Jalisco,5\n"
    fields = {rule.column: rule.field for rule in propose_profile(mexican, "MX").profile.columns}
    assert fields["estado"] is Field.SUBDIVISION


def test_two_columns_for_one_thing_leave_a_doubt() -> None:
    proposal = propose_profile(b"id;id_cuenta;nombre;saldo;saldo_total\n1;2;Ana Soto;3;4\n", "CL")
    fields = {rule.column: rule.field for rule in proposal.profile.columns}
    assert fields["id_cuenta"] is Field.EXTERNAL_ID
    assert fields["saldo_total"] is Field.TOTAL
    assert fields["id"] is fields["saldo"] is Field.IGNORE
    assert len(proposal.doubts) == 2
    assert '"saldo"' in proposal.doubts[1].es


def test_first_and_last_names_apart() -> None:
    proposal = propose_profile(b"cuenta;nombre;apellido;saldo\n1;Ana;Soto;5\n", "CL")
    fields = {rule.column: rule.field for rule in proposal.profile.columns}
    assert fields["nombre"] is Field.FIRST_NAME
    assert fields["apellido"] is Field.LAST_NAME


def test_a_contact_person_is_not_the_holder() -> None:
    data = b"cuenta;nombre;saldo;nombre_contacto;telefono_contacto\n1;Ana;5;Eva;939717706\n"
    roles = {rule.column: rule.role for rule in propose_profile(data, "CL").profile.columns}
    assert roles["telefono_contacto"] is PartyRole.REFERENCE
    data = b"cuenta;nombre;saldo;telefono_contacto\n1;Ana;5;939717706\n"
    roles = {rule.column: rule.role for rule in propose_profile(data, "CL").profile.columns}
    assert roles["telefono_contacto"] is PartyRole.HOLDER


def test_without_an_account_number_the_document_identifies() -> None:
    proposal = propose_profile(b"rut;nombre;saldo\n6139023-5;Ana;5\n", "CL")
    assert proposal.problems == ()
    assert [rule.field for rule in proposal.profile.columns if rule.column == "rut"] == [
        Field.DOCUMENT_NUMBER,
        Field.EXTERNAL_ID,
    ]
    assert len(proposal.doubts) == 1


def test_a_file_without_header_is_guessed_and_can_be_imported() -> None:
    data = b"A-1;Ana Soto;939717706;ana@example.com;13/01/2026;4.355\n" * 1
    data += b"A-2;Eva Paz;939717707;eva@example.com;14/01/2026;1.000\n"
    proposal = propose_profile(data, "CL")
    assert proposal.profile.dialect.header_row == 0
    assert proposal.problems == ()
    assert {rule.column: rule.field for rule in proposal.profile.columns} == {
        "[1]": Field.EXTERNAL_ID,
        "[2]": Field.FULL_NAME,
        "[3]": Field.PHONE,
        "[4]": Field.EMAIL,
        "[5]": Field.DUE_DATE,
        "[6]": Field.TOTAL,
    }


@pytest.mark.parametrize(("data", "code"), [(b"", "file_empty"), (b"\n\n", "file_empty")])
def test_an_empty_file_is_told(data: bytes, code: str) -> None:
    with pytest.raises(PortfolioError) as caught:
        propose_profile(data, "CL")
    assert caught.value.code == code


def test_unknown_countries_and_currencies_are_told() -> None:
    with pytest.raises(PortfolioError, match="not a country"):
        propose_profile(CSV, "XX")
    with pytest.raises(PortfolioError, match="currency of JP"):
        propose_profile(CSV, "JP")
    assert propose_profile(CSV, "JP", "jpy").profile.currency == "JPY"


def test_a_proposal_survives_as_text() -> None:
    proposal = propose_profile(CSV, "CL")
    assert load_profile(dump_profile(proposal.profile)) == proposal.profile


RULE = st.builds(
    ColumnRule,
    column=st.text(st.characters(codec="utf-8"), max_size=20),
    field=st.sampled_from([f for f in Field if f not in AMOUNTS | DATES]),
    role=st.sampled_from(PartyRole),
    label=st.sampled_from(PointLabel),
    group=st.text("ab_12", max_size=4),
    document_type=st.sampled_from(["", "rut"]),
    scope=st.sampled_from(ConsentScope),
    channel=st.none() | st.sampled_from(Channel),
    flag=st.none() | st.sampled_from(FlagKind),
) | st.builds(
    ColumnRule,
    column=st.text(st.characters(codec="utf-8"), max_size=20),
    field=st.sampled_from(sorted(AMOUNTS)),
    numbers=st.none() | st.sampled_from(NumberStyle),
)


@given(
    rules=st.lists(RULE, max_size=6),
    encoding=st.sampled_from(ENCODINGS),
    delimiter=st.sampled_from(DELIMITERS),
)
def test_any_profile_survives_as_text(
    rules: list[ColumnRule], encoding: str, delimiter: str
) -> None:
    before = msgspec.structs.replace(
        profile(*rules), dialect=Dialect(encoding=encoding, delimiter=delimiter, header_row=3)
    )
    assert load_profile(dump_profile(before)) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("version = 1", "version = 1\nversion = 1"), "Cannot overwrite"),
        (('field = "total"', 'field = "totl"'), "$.columns"),
        (('numbers = "comma"', 'numbers = "comma"\nfoo = 1'), "foo"),
        (('field = "full_name"', 'field = "full_name"\ndates = "dmy"'), "nombre"),
        (("header_row = 1", 'header_row = "x"'), "$.dialect.header_row"),
    ],
)
def test_a_mistake_in_the_text_is_found(change: tuple[str, str], said: str) -> None:
    text = dump_profile(profile(*GOOD))
    assert change[0] in text
    with pytest.raises(PortfolioError) as caught:
        load_profile(text.replace(*change))
    assert said in caught.value.message.en
    assert said in caught.value.message.es
    assert caught.value.mend.es


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (GOOD[1:], "external_id"),
        ((GOOD[0], GOOD[2]), "full_name"),
        (GOOD[:2], "total"),
        ((*GOOD, ColumnRule(column="otro", field=Field.TOTAL)), '"saldo" and "otro"'),
        ((*GOOD, ColumnRule(column="f", field=Field.FLAG)), 'flag = "..."'),
    ],
)
def test_a_profile_that_cannot_work_is_refused(rules: tuple[ColumnRule, ...], said: str) -> None:
    with pytest.raises(PortfolioError) as caught:
        check_profile(profile(*rules))
    assert caught.value.code == "profile_incomplete"
    assert said in caught.value.message.en


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"country": "QQ"}, "country"),
        ({"currency": "pesos"}, "currency"),
        ({"version": 9}, "version"),
        ({"dialect": Dialect(encoding="ebcdic", delimiter=";", header_row=1)}, "encoding"),
        ({"dialect": Dialect(encoding="utf-8", delimiter=":", header_row=1)}, "delimiter"),
        ({"dialect": Dialect(encoding="utf-8", delimiter=";", header_row=-1)}, "header_row"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(PortfolioError, match=said):
        check_profile(msgspec.structs.replace(profile(*GOOD), **change))


def test_a_file_that_lacks_a_mapped_column_is_refused() -> None:
    flag = ColumnRule(column="fallecido", field=Field.FLAG, flag=FlagKind.DECEASED)
    with pytest.raises(PortfolioError, match="fallecido") as caught:
        bind(profile(*GOOD, flag), ["id", "nombre", "saldo", "nueva"])
    assert caught.value.code == "columns_missing"
    assert "nueva" in caught.value.mend.en
    ignored = ColumnRule(column="fallecido", field=Field.IGNORE)
    binding = bind(profile(*GOOD, ignored), ["saldo", " ID ", "Nombre", "nueva"])
    assert binding.unmapped == ("nueva",)
    assert {rule.field: index for index, rule in binding.rules} == {
        Field.EXTERNAL_ID: 1,
        Field.FULL_NAME: 2,
        Field.TOTAL: 0,
    }


def test_names_that_stand_twice_or_not_at_all() -> None:
    assert unique_names(["tel", "", "Tel", " a  b "]) == ("tel", "[2]", "Tel [2]", "a b")
    assert unique_names(["t", "t [2]", "t"]) == ("t", "t [2]", "t [3]")


def test_the_fingerprint_is_of_the_meaning_alone() -> None:
    one = profile(*GOOD)
    other = msgspec.structs.replace(
        one, dialect=Dialect(encoding="cp1252", delimiter=",", header_row=2)
    )
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(one) != fingerprint(profile(*GOOD[:2]))
    assert Column(field=Field.NOTE) != Column(field=Field.IGNORE)
