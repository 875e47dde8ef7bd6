"""How the files of each country look: columns, delimiter, encoding, numbers and dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import msgspec

from campaigns.portfolio.money import NumberStyle, format_amount
from compliance.messages import Message


class Layout(Message, frozen=True, kw_only=True):
    country: str
    currency: str
    encoding: str
    """For opening the file, with `errors="replace"`: real exports lose characters like this."""
    delimiter: str
    newline: str
    columns: tuple[str, ...]
    style: NumberStyle
    thousands: bool
    exponent: int
    date_format: str
    phones: int
    """Number of wide columns of the holder's phones."""


class SampleRow(msgspec.Struct):
    """One account before it is written down."""

    external_id: str
    document: str
    document_type: str
    first_name: str
    last_name: str
    second_last_name: str
    address: str
    city: str
    subdivision: str
    postal_code: str
    language: str
    product: str
    creditor: str
    stage: str
    principal_cents: int
    interest_cents: int
    total_cents: int
    dpd: int
    due_date: date
    charge_off_date: date | None
    phones: list[str]
    phone_types: list[str]
    work_phone: str
    whatsapp: str
    email: str
    reference_name: str
    reference_phone: str
    guarantor_name: str
    guarantor_document: str
    guarantor_phone: str
    sms_consent: str
    whatsapp_consent: str
    recorded_consent: str
    consent_date: date | None
    flags: frozenset[str]
    note: str

    @property
    def full_name(self) -> str:
        return " ".join(f"{self.first_name} {self.last_name} {self.second_last_name}".split())


_COMMON_TAIL = (
    "correo", "nombre_referencia", "telefono_referencia", "nombre_aval", "{doc}_aval",
    "telefono_aval", "consentimiento_sms", "consentimiento_whatsapp", "consentimiento_grabado",
    "fecha_consentimiento", "idioma", "retirado", "observaciones",
)  # fmt: skip


def _wide(document: str, head: tuple[str, ...]) -> tuple[str, ...]:
    tail = tuple(name.replace("{doc}", document) for name in _COMMON_TAIL)
    phones = tuple(f"telefono_{number}" for number in range(1, 6))
    return (*head, *phones, "telefono_laboral", "whatsapp", *tail)


LAYOUTS: dict[str, Layout] = {
    "CL": Layout(
        country="CL", currency="CLP", encoding="cp1252", delimiter=";", newline="\r\n",
        style=NumberStyle.COMMA_DECIMAL, thousands=True, exponent=0, date_format="%d/%m/%Y",
        phones=5,
        columns=_wide("rut", (
            "id_cuenta", "rut", "nombre_completo", "ciudad", "region", "producto", "etapa",
            "saldo_capital", "interes", "saldo_total", "fecha_vencimiento", "dias_mora",
            "fecha_castigo",
        )),
    ),
    "CO": Layout(
        country="CO", currency="COP", encoding="cp1252", delimiter=";", newline="\r\n",
        style=NumberStyle.COMMA_DECIMAL, thousands=True, exponent=2, date_format="%d/%m/%Y",
        phones=5,
        columns=_wide("documento", (
            "id_cuenta", "tipo_documento", "numero_documento", "nombre_completo", "ciudad",
            "region", "producto", "etapa", "saldo_capital", "interes", "saldo_total",
            "fecha_vencimiento", "dias_mora", "fecha_castigo",
        )),
    ),
    "MX": Layout(
        country="MX", currency="MXN", encoding="utf-8", delimiter=",", newline="\n",
        style=NumberStyle.DOT_DECIMAL, thousands=True, exponent=2, date_format="%Y-%m-%d",
        phones=5,
        columns=_wide("rfc", (
            "numero_cuenta", "rfc", "nombre_completo", "domicilio", "municipio", "estado", "cp",
            "producto", "etapa", "saldo_capital", "interes", "saldo_total", "fecha_vencimiento",
            "dias_vencidos", "fecha_castigo",
        )),
    ),
    "PE": Layout(
        country="PE", currency="PEN", encoding="cp1252", delimiter="|", newline="\r\n",
        style=NumberStyle.DOT_DECIMAL, thousands=False, exponent=2, date_format="%d/%m/%Y",
        phones=5,
        columns=_wide("documento", (
            "numero_credito", "tipo_documento", "numero_documento", "apellido_paterno",
            "apellido_materno", "nombres", "distrito", "departamento", "producto", "etapa",
            "saldo_capital", "interes", "saldo_total", "fecha_vencimiento", "dias_atraso",
            "fecha_castigo",
        )),
    ),
    "US": Layout(
        country="US", currency="USD", encoding="utf-8-sig", delimiter=",", newline="\r\n",
        style=NumberStyle.DOT_DECIMAL, thousands=False, exponent=2, date_format="%m/%d/%Y",
        phones=3,
        columns=(
            "account_number", "ssn_last4", "consumer_name", "address", "city", "state", "zip",
            "phone1", "phone1_type", "phone2", "phone2_type", "phone3", "phone3_type", "email",
            "principal", "interest", "total_due", "due_date", "itemization_date",
            "charge_off_date", "original_creditor", "language", "sms_consent",
            "prerecorded_consent", "consent_date", "cease", "attorney", "bankrupt", "deceased",
            "dispute", "recalled", "notes",
        ),
    ),
}  # fmt: skip


def writer_of(layout: Layout) -> Callable[[SampleRow], list[str]]:
    """A function that turns a row into the layout's cells."""
    style, exponent, thousands = layout.style, layout.exponent, layout.thousands
    date_format = layout.date_format

    def money(cents: int) -> str:
        return format_amount(cents, style, exponent, thousands=thousands)

    written: dict[date, str] = {}

    def day(value: date | None) -> str:
        if value is None:
            return ""
        text = written.get(value)
        if text is None:
            text = written[value] = value.strftime(date_format)
        return text

    def latin(row: SampleRow) -> list[str]:
        return [
            *_head(row, layout.country), row.product, row.stage, money(row.principal_cents),
            money(row.interest_cents), money(row.total_cents), day(row.due_date), str(row.dpd),
            day(row.charge_off_date), *_padded(row.phones, 5), row.work_phone, row.whatsapp,
            row.email, row.reference_name, row.reference_phone, row.guarantor_name,
            row.guarantor_document, row.guarantor_phone, row.sms_consent, row.whatsapp_consent,
            row.recorded_consent, day(row.consent_date), row.language,
            "SI" if "recalled" in row.flags else "", row.note,
        ]  # fmt: skip

    def american(row: SampleRow) -> list[str]:
        phones, types = _padded(row.phones, 3), _padded(row.phone_types, 3)
        return [
            row.external_id, row.document, row.full_name, row.address, row.city, row.subdivision,
            row.postal_code, phones[0], types[0], phones[1], types[1], phones[2], types[2],
            row.email, money(row.principal_cents), money(row.interest_cents),
            money(row.total_cents), day(row.due_date), day(row.due_date), day(row.charge_off_date),
            row.creditor, row.language, row.sms_consent, row.recorded_consent,
            day(row.consent_date),
            *("Y" if name in row.flags else "" for name in _US_FLAGS), row.note,
        ]  # fmt: skip

    return american if layout.country == "US" else latin


_US_FLAGS = ("cease", "attorney", "bankrupt", "deceased", "dispute", "recalled")


def _head(row: SampleRow, country: str) -> list[str]:
    """The columns that differ between the Latin American layouts."""
    if country == "CL":
        return [row.external_id, row.document, row.full_name, row.city, row.subdivision]
    if country == "CO":
        return [row.external_id, row.document_type, row.document, row.full_name, row.city,
                row.subdivision]  # fmt: skip
    if country == "MX":
        return [row.external_id, row.document, row.full_name, row.address, row.city,
                row.subdivision, row.postal_code]  # fmt: skip
    return [row.external_id, row.document_type, row.document, row.last_name, row.second_last_name,
            row.first_name, row.city, row.subdivision]  # fmt: skip


def _padded(cells: list[str], width: int) -> list[str]:
    return cells[:width] + [""] * (width - len(cells))
