"""The importer as a whole: every row ends in exactly one place, with all that it says."""

from __future__ import annotations

import io
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.portfolio.errors import PortfolioError
from campaigns.portfolio.importer import ImportSettings, PortfolioReader, read_portfolio
from campaigns.portfolio.model import (
    FlagAction,
    FlagKind,
    ImportedAccount,
    ImportedParty,
    RejectedRow,
    Stage,
)
from campaigns.portfolio.profile import ImportProfile, dump_profile, load_profile
from campaigns.portfolio.proposal import propose_profile
from compliance.types import (
    Channel,
    ConsentScope,
    ContactPointKind,
    LineType,
    PartyRole,
    PersonKind,
    PointLabel,
)

TODAY = date(2026, 11, 23)


def read(
    text: str | bytes, country: str = "CL", profile: ImportProfile | None = None
) -> tuple[list[ImportedAccount | RejectedRow], PortfolioReader]:
    data = text.encode() if isinstance(text, str) else text
    chosen = profile or propose_profile(data, country).profile
    reader = read_portfolio(io.BytesIO(data), ImportSettings(profile=chosen, today=TODAY))
    return list(reader), reader


def accounts(text: str | bytes, country: str = "CL") -> list[ImportedAccount]:
    results, _ = read(text, country)
    rejects = [result for result in results if isinstance(result, RejectedRow)]
    assert rejects == []
    return [result for result in results if isinstance(result, ImportedAccount)]


def only(text: str | bytes, country: str = "CL") -> ImportedAccount:
    (account,) = accounts(text, country)
    return account


def rejects(text: str | bytes, country: str = "CL") -> list[RejectedRow]:
    return [result for result in read(text, country)[0] if isinstance(result, RejectedRow)]


def phones(party: ImportedParty) -> list[str]:
    return [p.address for p in party.contact_points if p.kind is ContactPointKind.PHONE]


# --- whole rows in the dialects of three countries -----------------------------------------------

CHILE = (
    "id_cuenta;rut;nombre_completo;ciudad;region;producto;saldo_capital;interes;saldo_total;"
    "fecha_vencimiento;dias_mora;telefono_1;telefono_2;telefono_laboral;correo;nombre_referencia;"
    "telefono_referencia;nombre_aval;telefono_aval;consentimiento_sms;observaciones\r\n"
    'C-1;6139023-5;Tomás Ñancupil;Isla de Pascua;VS;Retail;92.319;6.955;99.275;12/06/2026;164;'
    '939717706;S/N;+56 9 7611 3142;T@Example.com;Óscar Ramírez;0948278450;Inés Soto;612282291;S;'
    '"tiene abogado; no contactar"\r\n'
).encode("cp1252")  # fmt: skip


def test_a_chilean_row() -> None:
    account = only(CHILE)
    assert (account.external_id, account.row_number, account.currency) == ("C-1", 2, "CLP")
    assert (account.dpd, account.product, account.stage) == (164, "Retail", None)
    (debt,) = account.debts
    assert (debt.reference, debt.principal_cents, debt.interest_cents, debt.total_cents) == (
        "C-1", 92319, 6955, 99275
    )  # fmt: skip
    assert debt.due_date == date(2026, 6, 12)
    holder, reference, guarantor = account.parties
    assert holder.match_key == "doc:rut:61390235"
    assert holder.name == "Tomás Ñancupil"
    assert holder.zones == ("Pacific/Easter",)
    assert holder.residence is not None
    assert holder.residence.subdivision == "CL-VS"
    assert phones(holder) == ["+56939717706", "+56976113142"]
    mobile, work, email = holder.contact_points
    assert (mobile.line, mobile.label, mobile.rank) == (LineType.MOBILE, PointLabel.UNKNOWN, 0)
    assert (work.label, work.rank, work.raw) == (PointLabel.WORK, 1, "+56 9 7611 3142")
    assert (email.kind, email.address) == (ContactPointKind.EMAIL, "t@example.com")
    assert (reference.role, reference.match_key) == (PartyRole.REFERENCE, "acct:C-1:reference")
    assert reference.contact_points[0].role is PartyRole.REFERENCE
    assert (guarantor.role, guarantor.name) == (PartyRole.GUARANTOR, "Inés Soto")
    assert phones(guarantor) == ["+56612282291"]
    (consent,) = account.consents
    assert (consent.channel, consent.granted, consent.given_on) == (Channel.SMS, True, None)
    assert consent.evidence == "consentimiento_sms=S"
    assert {flag.kind for flag in account.flags} == {FlagKind.ATTORNEY, FlagKind.CEASE}
    assert account.notes[0].text == "tiene abogado; no contactar"
    assert [(w.code, w.column, w.value) for w in account.warnings] == [
        ("phone_dummy", "telefono_2", "S/N")
    ]


@pytest.mark.parametrize(
    "column",
    ["fecha_aviso", "Fecha Carta", "fecha notificación", "validation_notice_date", "letter_date"],
)
def test_when_the_notice_was_sent(column: str) -> None:
    head = f"cuenta,nombre,telefono,saldo_total,{column}\n"
    (debt,) = only(f"{head}A-1,Ana Soto,912345678,1000,2026-10-30\n", "CL").debts
    assert debt.notice_date == date(2026, 10, 30)
    account = only(f"{head}A-1,Ana Soto,912345678,1000,2099-10-30\n", "CL")
    assert account.debts[0].notice_date is None
    assert "date_in_future" in {warning.code for warning in account.warnings}


def test_a_row_of_the_united_states() -> None:
    account = only(
        "account_number,ssn_last4,consumer_name,address,city,state,zip,phone1,phone1_type,phone2,"
        "phone2_type,principal,interest,total_due,itemization_date,charge_off_date,"
        "original_creditor,language,sms_consent,sms_consent_date,cease,attorney\n"
        'U-1,0257,Zoë Miller,7946 Test St,Pensacola,FL,32501,(208) 555-0172,cell,'
        "850-555-0155,work,749.08,236.15,985.23,11/02/2026,12/31/2024,First Example Bank,es,Y,"
        "08/23/2026,Y,\n",
        "US",
    )  # fmt: skip
    assert account.currency == "USD"
    debt = account.debts[0]
    assert (debt.total_cents, debt.itemization_date, debt.charge_off_date) == (
        98523, date(2026, 11, 2), date(2024, 12, 31)
    )  # fmt: skip
    assert debt.original_creditor == "First Example Bank"
    holder = account.holder
    assert holder.match_key == "acct:U-1:holder"  # four digits identify nobody
    assert (holder.document_type, holder.document_number) == ("ssn_last4", "0257")
    assert holder.language == "es"
    assert set(holder.zones) <= {"America/Chicago", "America/New_York"}
    cell, work, postal = holder.contact_points
    assert (cell.label, cell.line) == (PointLabel.MOBILE, LineType.MOBILE)
    assert "America/Boise" in cell.zones
    assert (work.label, work.line, work.rank) == (PointLabel.WORK, LineType.UNKNOWN, 1)
    assert postal.address == "7946 Test St, Pensacola, FL 32501"
    assert account.consents[0].given_on == date(2026, 8, 23)
    assert [(flag.kind, flag.action) for flag in account.flags] == [
        (FlagKind.CEASE, FlagAction.SUPPRESS)
    ]


def test_a_colombian_row_with_decimal_commas() -> None:
    account = accounts(
        "id_cuenta;numero_documento;nombre_completo;ciudad;region;saldo_total;fecha_vencimiento;"
        "telefono_1\nK1;520551064;Ana Luis;Leticia;AMA;724.988,44;04/08/2026;03004989632\n"
        "K2;520551065;Eva Paz;Cali;VAC;1.000,00;25/12/2025;573154378638\n",
        "CO",
    )[0]
    assert account.debts[0].total_cents == 72498844
    assert account.debts[0].due_date == date(2026, 8, 4)
    assert account.dpd == 111  # counted, since no column says it
    assert phones(account.holder) == ["+573004989632"]


# --- people and points ---------------------------------------------------------------------------

HEAD = "id_cuenta;nombre_completo;saldo_total;"


def test_types_countries_areas_and_extensions_of_phones() -> None:
    account = only(
        HEAD + "telefono_1;etiqueta_1;pais_1;ext_telefono_1;telefono_2;etiqueta_2\n"
        "1;Ana;5;11 2345 6780;trabajo;Argentina;44;939717706;referencia\n"
    )
    (work,) = account.holder.contact_points
    assert (work.address, work.label, work.extension) == (
        "+541123456780", PointLabel.WORK, "44"
    )  # fmt: skip
    other = account.parties[1]
    assert (other.role, phones(other)) == (PartyRole.REFERENCE, ["+56939717706"])
    assert other.contact_points[0].role is PartyRole.REFERENCE


def test_area_codes_in_their_own_column() -> None:
    account = only("numero_cuenta;nombre;saldo;lada;telefono\n1;Ana;5;55;12348765\n", "MX")
    assert phones(account.holder) == ["+525512348765"]


def test_whatsapp_as_a_number_and_as_a_yes() -> None:
    account = only(HEAD + "telefono_1;whatsapp\n1;Ana;5;939717706;932717706\n")
    assert [(p.kind, p.address) for p in account.holder.contact_points] == [
        (ContactPointKind.PHONE, "+56939717706"),
        (ContactPointKind.WHATSAPP, "+56932717706"),
    ]
    account = only(HEAD + "telefono_1;telefono_2;whatsapp\n1;Ana;5;612282291;939717706;SI\n")
    assert [(p.kind, p.address) for p in account.holder.contact_points][-1] == (
        ContactPointKind.WHATSAPP,
        "+56939717706",
    )
    account = only(HEAD + "telefono_1;whatsapp\n1;Ana;5;939717706;NO\n")
    assert len(account.holder.contact_points) == 1


def test_the_same_phone_twice_is_one_point_with_the_stricter_label() -> None:
    account = only(HEAD + "telefono_1;telefono_laboral\n1;Ana;5;939717706;+56939717706\n")
    (point,) = account.holder.contact_points
    assert point.label is PointLabel.WORK
    assert [warning.code for warning in account.warnings] == ["phone_repeated"]


def test_two_references_with_their_own_numbers_and_a_guarantor_with_two() -> None:
    account = only(
        HEAD + "nombre_referencia_1;telefono_referencia_1;nombre_referencia_2;"
        "telefono_referencia_2;nombre_aval;telefono_aval_1;telefono_aval_2\n"
        "1;Ana;5;Eva;939717701;Luz;939717702;Paz;939717703;939717704\n"
    )
    people = {party.name: (party.role, phones(party)) for party in account.parties[1:]}
    assert people == {
        "Eva": (PartyRole.REFERENCE, ["+56939717701"]),
        "Luz": (PartyRole.REFERENCE, ["+56939717702"]),
        "Paz": (PartyRole.GUARANTOR, ["+56939717703", "+56939717704"]),
    }
    keys = [party.match_key for party in account.parties]
    assert len(set(keys)) == len(keys)


def test_a_reference_without_a_usable_number_is_not_kept_but_a_guarantor_is() -> None:
    account = only(
        HEAD + "nombre_referencia;telefono_referencia;nombre_aval;telefono_aval\n"
        "1;Ana;5;Eva;S/N;Paz;\n"
    )
    assert [party.role for party in account.parties] == [PartyRole.HOLDER, PartyRole.GUARANTOR]


def test_a_holder_who_guarantees_themselves_is_one_person() -> None:
    account = only(
        HEAD + "rut;telefono_1;nombre_aval;rut_aval;telefono_aval\n"
        "1;Ana;5;6139023-5;939717706;Ana;6.139.023-5;932717706\n"
    )
    assert phones(account.holder) == ["+56939717706", "+56932717706"]
    assert [point.rank for point in account.holder.contact_points] == [0, 1]
    assert len(account.parties) == 1


def test_names_kinds_languages_births_and_zones() -> None:
    account = only(
        "cuenta;nombres;apellido_paterno;apellido_materno;saldo;fecha_nacimiento;idioma;"
        "zona_horaria;ciudad;estado;cp\n"
        "1; ana  maría ;de la Cruz;O'Higgins;5;13/05/1980;Español;America/Tijuana;X;Baja "
        "California;22000\n",
        "MX",
    )
    holder = account.holder
    assert holder.name == "ana maría de la Cruz O'Higgins"
    assert (holder.birth_date, holder.language) == (date(1980, 5, 13), "es")
    assert holder.declared_zone == "America/Tijuana"
    assert holder.zones == ("America/Tijuana",)
    assert holder.kind is PersonKind.NATURAL


def test_what_is_not_understood_of_a_person_is_told() -> None:
    account = only(
        HEAD + "rut;fecha_nacimiento;idioma;zona_horaria;region;correo;tipo_telefono_1;"
        "telefono_1;pais\n1;Ana ?;5;6139023-4;13/05/2080;klingon;Mars/Base;Mordor;a@b;???;"
        "939717706;Narnia\n"
    )
    assert {warning.code for warning in account.warnings} == {
        "name_has_lost_characters", "document_check_digit", "date_in_future", "language_unknown",
        "zone_unknown", "subdivision_unknown", "email_invalid", "phone_type_unknown",
        "country_unknown",
    }  # fmt: skip
    assert account.holder.name == "Ana"
    assert account.holder.match_key == "acct:1:holder"
    assert len(account.holder.zones) > 1  # every zone of Chile


def test_dummy_emails_are_dropped() -> None:
    account = only(HEAD + "correo\n1;Ana;5;no-tiene@x.com\n")
    assert account.holder.contact_points == ()
    assert [warning.code for warning in account.warnings] == ["email_dummy"]


# --- the debt ------------------------------------------------------------------------------------


def test_amounts_that_do_not_add_up_are_told() -> None:
    head = "id_cuenta;nombre;saldo_capital;interes;recargos;saldo_total\n"
    (account,) = accounts(head + "1;Ana;100.000;5.000;1.000;106.001\n")
    assert account.warnings == ()
    (account,) = accounts(head + "1;Ana;100.000;5.000;1.000;206.000\n")
    assert [warning.code for warning in account.warnings] == ["total_differs"]
    (account,) = accounts(head + "1;Ana;100.000;5.000;N/A;\n")
    assert account.debts[0].total_cents == 105_000
    assert [warning.code for warning in account.warnings] == ["total_computed"]


@pytest.mark.parametrize("total", ["0", "-1.500"])
def test_nothing_owed_is_not_asked_for(total: str) -> None:
    account = only(HEAD.rstrip(";") + f"\n1;Ana;{total}\n")
    assert [(flag.kind, flag.action) for flag in account.flags] == [
        (FlagKind.NOTHING_OWED, FlagAction.SUPPRESS)
    ]
    assert [warning.code for warning in account.warnings] == ["balance_not_positive"]


def test_currency_stage_bucket_and_status_of_a_row() -> None:
    head = "id_cuenta;nombre;saldo_total;moneda;etapa;tramo;estado_cuenta\n"
    rows = "1;Ana;10,50;USD;Pre-Judicial;31-60;vigente\n2;Eva;4.355;pesos;Castigada;;retirada\n"
    rows += "3;Luz;10,0021;UF;???;;pagada\n"
    first, second, third = accounts(head + rows)
    assert (first.currency, first.debts[0].total_cents) == ("USD", 1050)
    assert (first.stage, first.bucket, first.recalled) == (Stage.PREJUDICIAL, "31-60", False)
    assert (second.currency, second.debts[0].total_cents) == ("CLP", 4355)
    assert (second.stage, second.recalled) == (Stage.CASTIGO, True)
    assert (third.currency, third.debts[0].total_cents) == ("CLF", 100_021)
    assert [flag.kind for flag in third.flags] == [FlagKind.SETTLED]
    assert third.stage is None
    assert [warning.code for warning in third.warnings] == ["stage_unknown"]


def test_an_unknown_status_stays_a_note_and_a_legal_one_is_a_flag() -> None:
    head = "id_cuenta;nombre;saldo_total;estado_cuenta\n"
    first, second = accounts(head + "1;Ana;5;zona azul\n2;Eva;5;en disputa\n")
    assert (first.flags, first.notes[0].text) == ((), "zona azul")
    assert [flag.kind for flag in second.flags] == [FlagKind.DISPUTE]


def test_days_past_due() -> None:
    head = "id_cuenta;nombre;saldo_total;fecha_vencimiento;dias_mora\n"
    rows = "1;A;5;13/11/2026;10\n2;B;5;13/11/2026;\n3;C;5;13/12/2026;\n4;D;5;13/11/2026;-99\n"
    rows += "5;E;5;13/11/2026;muchos\n6;F;5;;45 días\n7;G;5;;\n"
    found = accounts(head + rows)
    assert [account.dpd for account in found] == [10, 10, -20, -99, 10, 45, None]
    assert [[w.code for w in account.warnings] for account in found] == [
        [], [], [], ["dpd_contradicts_due_date"], ["dpd_unreadable"], [], []
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["S", "12/03/2026", "sí"])
def test_a_recalled_account(value: str) -> None:
    assert only(HEAD + f"retirado\n1;Ana;5;{value}\n").recalled


def test_an_unclear_recall_is_reviewed() -> None:
    account = only(HEAD + "retirado\n1;Ana;5;tal vez\n")
    assert not account.recalled
    assert [(flag.kind, flag.action) for flag in account.flags] == [
        (FlagKind.LEGAL_UNCLEAR, FlagAction.REVIEW)
    ]


def test_consents() -> None:
    head = HEAD + "consentimiento_sms;consentimiento_whatsapp;consentimiento_grabado;"
    text = head + "fecha_consentimiento\n1;Ana;5;SI;NO;tal vez;13/05/2026\n2;Eva;5;;;;\n"
    text += "3;Luz;5;SI;;;13/12/2026\n4;Paz;5;14/05/2026;;;\n"
    first, second, third, fourth = accounts(text)
    assert [(c.scope, c.channel, c.granted, c.given_on) for c in first.consents] == [
        (ConsentScope.CHANNEL, Channel.SMS, True, date(2026, 5, 13)),
        (ConsentScope.CHANNEL, Channel.WHATSAPP, False, None),
        (ConsentScope.RECORDED_VOICE, Channel.VOICE, False, None),
    ]
    assert [warning.code for warning in first.warnings] == ["consent_unclear"]
    assert second.consents == ()
    assert not third.consents[0].granted  # given in the future
    assert fourth.consents[0].given_on == date(2026, 5, 14)


def test_a_legal_remark_in_a_phone_cell_is_not_lost() -> None:
    account = only(HEAD + "telefono_1\n1;Ana;5;NO LLAMAR\n")
    assert [flag.kind for flag in account.flags] == [FlagKind.NO_CALLS]


# --- rows that cannot be imported ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason", "column", "value"),
    [
        (";Ana;5;13/01/2026", "missing_id", "id_cuenta", ""),
        ("N/A;Ana;5;13/01/2026", "missing_id", "id_cuenta", "N/A"),
        ("x" * 300 + ";Ana;5;13/01/2026", "id_too_long", "id_cuenta", "x" * 300),
        ("1; ;5;13/01/2026", "missing_name", "nombre_completo", ""),
        ("1;Ana;;13/01/2026", "missing_amount", "saldo_total", ""),
        ("1;Ana;N/A;13/01/2026", "amount_not_a_number", "saldo_total", "N/A"),
        ("1;Ana;mucho;13/01/2026", "amount_not_a_number", "saldo_total", "mucho"),
        ("1;Ana;1,234.50;13/01/2026", "amount_other_style", "saldo_total", "1,234.50"),
        ("1;Ana;5;31/02/2026", "date_impossible", "fecha_vencimiento", "31/02/2026"),
        ("1;Ana;5;01/13/2026", "date_impossible", "fecha_vencimiento", "01/13/2026"),
        ("1;Ana;5;ayer", "date_not_a_date", "fecha_vencimiento", "ayer"),
        ("1;Ana;5", "row_wrong_field_count", "", "1 Ana 5"),
    ],
)
def test_a_bad_row_is_told_and_the_others_import(
    row: str, reason: str, column: str, value: str
) -> None:
    good = "9;Eva;1.234;13/01/2026\n8;Luz;2.345;14/02/2026\n"
    text = f"{HEAD}fecha_vencimiento\n{row}\n{good}"
    results, reader = read(text)
    reject = results[0]
    assert isinstance(reject, RejectedRow)
    assert (reject.row_number, reject.reason, reject.column, reject.value) == (
        2, reason, column, value
    )  # fmt: skip
    assert ";".join(reject.cells) == row
    assert reject.message.es
    assert reject.message.en
    assert reject.mend.es
    assert (reader.counts.accepted, reader.counts.rejected) == (2, 1)


def test_unknown_currencies_are_refused() -> None:
    (reject,) = rejects(HEAD + "moneda\n1;Ana;5;galleons\n")
    assert (reject.reason, reject.column) == ("currency_unknown", "moneda")


def test_duplicates_within_the_file() -> None:
    row = "1;Ana;5\n"
    results, reader = read(HEAD.rstrip(";") + "\n" + row + "2;Eva;5\n" + row + "1;Ana;6\n")
    found = [r.external_id for r in results if isinstance(r, ImportedAccount)]
    assert found == ["1", "2"]
    counts = reader.counts
    assert (counts.rows, counts.accepted, counts.ignored_duplicates, counts.rejected) == (
        4, 2, 1, 1
    )  # fmt: skip
    reject = next(result for result in results if isinstance(result, RejectedRow))
    assert "2" in reject.message.es


def test_a_rejected_row_does_not_block_its_correction() -> None:
    results, _ = read(HEAD.rstrip(";") + "\n1;Ana;N/A\n1;Ana;5\n")
    assert [type(result) for result in results] == [RejectedRow, ImportedAccount]


# --- accounts of several rows --------------------------------------------------------------------


def test_several_debts_of_one_account() -> None:
    head = "id_cuenta;rut;nombre;operacion;saldo_total;dias_mora;observaciones\n"
    text = head + "1;6139023-5;Ana;A;5;10;\n1;6139023-5;Ana;B;7;40;fallecido\n2;;Eva;C;9;1;\n"
    first, second = accounts(text)
    assert [(debt.reference, debt.total_cents) for debt in first.debts] == [("A", 5), ("B", 7)]
    assert (first.row_number, first.row_count, first.dpd) == (2, 2, 40)
    assert [flag.kind for flag in first.flags] == [FlagKind.DECEASED]
    assert second.row_number == 4
    results, reader = read(text)
    assert (reader.counts.accepted, reader.counts.accounts) == (3, 2)
    assert len(results) == 2


def test_rows_of_one_account_that_contradict_are_refused() -> None:
    head = "id_cuenta;rut;nombre;operacion;saldo_total\n"
    (reject,) = rejects(head + "1;6139023-5;Ana;A;5\n1;5297628-6;Eva;B;7\n")
    assert (reject.reason, reject.row_number) == ("duplicate_account", 3)
    (reject,) = rejects(head + "1;6139023-5;Ana;A;5\n1;6139023-5;Ana;A;6\n")
    assert reject.reason == "duplicate_account"
    results, reader = read(head + "1;6139023-5;Ana;A;5\n1;6139023-5;Ana;B;6\n1;6139023-5;Ana;B;6\n")
    assert len(results) == 1
    assert reader.counts.ignored_duplicates == 1


def test_a_party_a_row() -> None:
    head = "id_cuenta;rol;nombre;saldo_total;telefono_1\n"
    text = head + "1;Titular;Ana;5;939717701\n1;Aval;Eva;5;939717702\n1;Aval;Luz;5;939717703\n"
    (account,) = accounts(text)
    assert [(p.role, p.name, p.match_key) for p in account.parties] == [
        (PartyRole.HOLDER, "Ana", "acct:1:holder"),
        (PartyRole.GUARANTOR, "Eva", "acct:1:guarantor"),
        (PartyRole.GUARANTOR, "Luz", "acct:1:guarantor:2"),
    ]
    assert len(account.debts) == 1
    assert account.parties[1].contact_points[0].role is PartyRole.GUARANTOR
    (reject,) = rejects(head + "1;Aval;Eva;5;939717702\n")
    assert reject.reason == "party_without_holder"


# --- the same file again -------------------------------------------------------------------------


def test_the_hash_is_of_the_cells_and_their_meaning() -> None:
    first = only(CHILE)
    assert only(CHILE).row_sha256 == first.row_sha256
    moved = CHILE.replace(b"C-1;", b"C-1 ;").replace(b"\r\nC-1 ;", b"\r\n\r\nC-1;")
    assert only(moved).row_sha256 == first.row_sha256  # another row number, the same content
    assert only(CHILE.replace(b"99.275", b"99.276")).row_sha256 != first.row_sha256
    profile = propose_profile(CHILE, "CL").profile
    edited = load_profile(dump_profile(profile).replace('field = "note"', 'field = "ignore"'))
    (account,) = [r for r in read(CHILE, profile=edited)[0] if isinstance(r, ImportedAccount)]
    assert account.row_sha256 != first.row_sha256
    assert account.notes == ()


def test_progress_reaches_the_size_of_the_file() -> None:
    rows = "".join(f"{number};Ana Soto;5\n" for number in range(40_000))
    data = (HEAD.rstrip(";") + "\n" + rows).encode()
    profile = propose_profile(data[:10_000], "CL").profile
    seen: list[int] = []
    reader = read_portfolio(
        io.BytesIO(data), ImportSettings(profile=profile, today=TODAY), seen.append
    )
    assert sum(1 for _ in reader) == 40_000
    assert seen == sorted(seen)
    assert len(seen) > 1
    assert seen[-1] == len(data) == reader.bytes_read


def test_unmapped_columns_are_listed_and_missing_ones_refused() -> None:
    data = (HEAD + "cosa\n1;Ana;5;x\n").encode()
    _, reader = read(data)
    assert reader.unmapped_columns == ()  # the proposal ignores it by name
    profile = propose_profile((HEAD.rstrip(";") + "\n1;Ana;5\n").encode(), "CL").profile
    _, reader = read(data, profile=profile)
    assert reader.unmapped_columns == ("cosa",)
    with pytest.raises(PortfolioError, match="saldo_total"):
        read("id_cuenta;nombre_completo\n1;Ana\n", profile=profile)


# --- nothing lost, nothing raised ----------------------------------------------------------------

PROFILE = propose_profile(CHILE, "CL").profile
HEADER = CHILE.split(b"\r\n")[0]
CELLS = st.sampled_from(
    ["", "1", "2", "C-1", "6139023-5", "Ana", "5", "1.234", "N/A", "31/02/2026", "12/06/2026", "-5",
     "939717706", "939717706 / 932717706", "S/N", "x" * 50, '"', '"a;b"', "fallecido", "ñ", "?",
     "no llamar", "a@b.cl", "\0", "\ufffd", "😀", "12", "RM", "SI"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.lists(CELLS, min_size=18, max_size=23), max_size=12)
    | st.lists(
        st.tuples(
            st.sampled_from(["1", "2", "3"]), st.just("6139023-5"), st.sampled_from(["Ana", ""]),
            *[st.just("")] * 3, *[st.sampled_from(["5", "", "x"])] * 3,
            st.sampled_from(["", "31/02/2026"]), *[st.just("")] * 11,
        ).map(list),
        max_size=12,
    )
)  # fmt: skip
def test_every_row_ends_in_exactly_one_place(rows: list[list[str]]) -> None:
    data = HEADER + b"\r\n" + "\r\n".join(";".join(row) for row in rows).encode()
    results, reader = read(data, profile=PROFILE)
    counts = reader.counts
    assert counts.rows == counts.accepted + counts.rejected + counts.ignored_duplicates
    found = [result for result in results if isinstance(result, ImportedAccount)]
    assert counts.accepted == sum(account.row_count for account in found)
    assert counts.rejected == len(results) - len(found)
    assert counts.accounts == len(found)
    ids = [account.external_id for account in found]
    assert len(set(ids)) == len(ids)
    numbers = [result.row_number for result in results]
    assert len(set(numbers)) == len(numbers)
    if '"' not in "".join(map("".join, rows)):
        assert counts.rows + counts.blank_rows == len(rows) or (not rows and counts.rows == 0)
    for account in found:
        keys = [party.match_key for party in account.parties]
        assert len(set(keys)) == len(keys)
        assert account.holder.name


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=400)
    | st.lists(st.sampled_from([b";", b"\n", b'"', b"id_cuenta", b"nombre", b"saldo_total", b"1",
                                b"Ana Soto", b"939717706", b"\xf1", b"\x00", b"5,5"]),
               max_size=60).map(b"".join)
)  # fmt: skip
def test_arbitrary_bytes_import_or_are_refused_in_words(data: bytes) -> None:
    refused: list[PortfolioError] = []
    for profile in (PROFILE, None):
        try:
            _, reader = read(data, profile=profile)
        except PortfolioError as error:
            refused.append(error)
            continue
        counts = reader.counts
        assert counts.rows == counts.accepted + counts.rejected + counts.ignored_duplicates
    assert all(error.message.es and error.mend.en for error in refused)
