"""Names of columns: what creditors call things, in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.portfolio.columns import Column, column_for, role_named, type_named, words_of
from campaigns.portfolio.fields import Field
from campaigns.portfolio.model import FlagKind
from compliance.types import Channel, ConsentScope, PartyRole, PointLabel


@pytest.mark.parametrize(
    ("names", "field"),
    [
        (["id_cuenta", "ID CUENTA", "Nº Cuenta", "account_number", "AccountNumber", "No. Cuenta"],
         Field.EXTERNAL_ID),
        (["nombre_completo", "Nombre Completo", "consumer_name", "NOMBRE TITULAR", "Razón Social"],
         Field.FULL_NAME),
        (["saldo_total", "Saldo Total", "deuda total", "total_due", "BALANCE", "Monto Adeudado"],
         Field.TOTAL),
        (["saldo_capital", "Capital", "principal"], Field.PRINCIPAL),
        (["mora", "recargos", "late_fees"], Field.FEES),
        (["monto_vencido", "Saldo Vencido", "past_due_amount"], Field.OVERDUE),
        (["dias_mora", "Días de Mora", "dias vencidos", "DPD", "days_past_due"], Field.DPD),
        (["fecha_vencimiento", "Fecha Vencimiento", "due_date", "F. Venc"], Field.DUE_DATE),
        (["fecha_castigo", "charge_off_date"], Field.CHARGE_OFF_DATE),
        (["fecha_ultimo_pago", "last_payment_date"], Field.LAST_PAYMENT_DATE),
        (["monto_ultimo_pago"], Field.LAST_PAYMENT_AMOUNT),
        (["fecha_nacimiento", "DOB"], Field.BIRTH_DATE),
        (["tipo_documento"], Field.DOCUMENT_TYPE),
        (["ciudad", "comuna", "municipio", "City"], Field.CITY),
        (["region", "Región", "state", "departamento"], Field.SUBDIVISION),
        (["cp", "Código Postal", "zip"], Field.POSTAL_CODE),
        (["producto"], Field.PRODUCT), (["segmento"], Field.SEGMENT), (["ejecutivo"], Field.OWNER),
        (["idioma", "language"], Field.LANGUAGE), (["zona_horaria"], Field.ZONE),
        (["rol"], Field.PARTY_ROLE), (["moneda", "currency"], Field.CURRENCY),
        (["observaciones", "Comentarios", "notes", "observacion_2"], Field.NOTE),
        (["correo", "E-mail", "correo electrónico", "email_2"], Field.EMAIL),
        (["retirado", "recalled"], Field.RECALLED), (["etapa"], Field.STAGE),
        (["tramo", "bucket"], Field.BUCKET), (["factura", "pagaré"], Field.DEBT_REFERENCE),
    ],
)  # fmt: skip
def test_names_of_the_account(names: list[str], field: Field) -> None:
    for name in names:
        column = column_for(name)
        assert column is not None, name
        assert column.field is field, name


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("telefono_1", Column(field=Field.PHONE, group="1")),
        ("Teléfono 1", Column(field=Field.PHONE, group="1")),
        ("phone1", Column(field=Field.PHONE, group="1")),
        ("phone1_type", Column(field=Field.PHONE_TYPE, group="1")),
        ("tipo_telefono_1", Column(field=Field.PHONE_TYPE, group="1")),
        ("etiqueta_1", Column(field=Field.PHONE_TYPE, group="1")),
        ("pais_1", Column(field=Field.PHONE_COUNTRY, group="1")),
        ("phone_1_ext", Column(field=Field.PHONE_EXTENSION, group="1")),
        ("lada", Column(field=Field.PHONE_AREA)),
        ("cod_area", Column(field=Field.PHONE_AREA)),
        ("celular", Column(field=Field.PHONE, label=PointLabel.MOBILE, group="celular")),
        ("telefono_laboral", Column(field=Field.PHONE, label=PointLabel.WORK, group="laboral")),
        ("work_phone", Column(field=Field.PHONE, label=PointLabel.WORK, group="work")),
        ("telefono casa", Column(field=Field.PHONE, label=PointLabel.HOME, group="casa")),
        ("whatsapp", Column(field=Field.WHATSAPP)),
        ("telefono_referencia", Column(field=Field.PHONE, role=PartyRole.REFERENCE)),
        ("Ref1 Telefono", Column(field=Field.PHONE, role=PartyRole.REFERENCE, group="1")),
        ("nombre_referencia_2",
         Column(field=Field.FULL_NAME, role=PartyRole.REFERENCE, group="2")),
        ("nombre_aval", Column(field=Field.FULL_NAME, role=PartyRole.GUARANTOR)),
        ("telefono_aval", Column(field=Field.PHONE, role=PartyRole.GUARANTOR)),
        ("correo_aval", Column(field=Field.EMAIL, role=PartyRole.GUARANTOR)),
        ("rut_aval",
         Column(field=Field.DOCUMENT_NUMBER, role=PartyRole.GUARANTOR, document_type="rut")),
        ("co_borrower_name", Column(field=Field.FULL_NAME, role=PartyRole.CO_DEBTOR)),
        ("cosigner phone", Column(field=Field.PHONE, role=PartyRole.CO_DEBTOR)),
        ("nombre_conyuge", Column(field=Field.FULL_NAME, role=PartyRole.SPOUSE)),
        ("attorney_phone", Column(field=Field.PHONE, role=PartyRole.ATTORNEY)),
        ("rut", Column(field=Field.DOCUMENT_NUMBER, document_type="rut")),
        ("ssn_last4", Column(field=Field.DOCUMENT_NUMBER, document_type="ssn_last4")),
        ("consentimiento_sms", Column(field=Field.CONSENT, channel=Channel.SMS)),
        ("sms_consent_date", Column(field=Field.CONSENT_DATE, channel=Channel.SMS)),
        ("fecha_consentimiento", Column(field=Field.CONSENT_DATE)),
        ("prerecorded_consent",
         Column(field=Field.CONSENT, scope=ConsentScope.RECORDED_VOICE, channel=Channel.VOICE)),
        ("cease", Column(field=Field.FLAG, flag=FlagKind.CEASE)),
        ("Tiene Abogado", Column(field=Field.FLAG, flag=FlagKind.ATTORNEY)),
        ("fallecido", Column(field=Field.FLAG, flag=FlagKind.DECEASED)),
        ("do_not_call", Column(field=Field.FLAG, flag=FlagKind.NO_CALLS)),
    ],
)  # fmt: skip
def test_names_that_are_put_together(name: str, column: Column) -> None:
    assert column_for(name) == column


@pytest.mark.parametrize(
    "name", ["", "???", "fecha_telefono", "estado_telefono_1", "referencia", "ciudad_2", "foo"]
)
def test_unknown_names_are_not_guessed(name: str) -> None:
    assert column_for(name) is None


def test_roles_and_types_in_cells() -> None:
    assert role_named("AVAL") is PartyRole.GUARANTOR
    assert role_named("Titular") is PartyRole.HOLDER
    assert role_named("xyz") is None
    assert type_named("Cell") == (PointLabel.MOBILE, PartyRole.HOLDER)
    assert type_named("trabajo") == (PointLabel.WORK, PartyRole.HOLDER)
    assert type_named("referencia") == (PointLabel.UNKNOWN, PartyRole.REFERENCE)
    assert type_named("???") == (None, PartyRole.HOLDER)


def test_words_of_a_name() -> None:
    assert words_of("Teléfono_1") == ("telefono", "1")
    assert words_of("primaryPhone2Type") == ("primary", "phone", "2", "type")


@given(st.text(max_size=40))
def test_any_name_has_a_meaning_or_none(name: str) -> None:
    column = column_for(name)
    assert column is None or isinstance(column, Column)
