"""The merge fields that a text may use, and what each one gives away.

A field that tells of a debt may stand only in a text of class `verified` (or in a legal notice).
The catalogue is closed: a field that is not here does not exist.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from compliance.messages import Message
from compliance.types import ContentClass


class FieldKind(StrEnum):
    """What a value is; decides its form in the text and what is checked of it."""

    NAME = "name"
    """Name of a natural person."""
    COMPANY = "company"
    TEXT = "text"
    MONEY = "money"
    DATE = "date"
    INSTANT = "instant"
    """An instant, told as a local date."""
    PHONE = "phone"
    LINK = "link"
    REFERENCE = "reference"
    """An identifier, masked or made by us."""
    COUNT = "count"


class MergeField(Message, frozen=True, kw_only=True):
    name: str
    kind: FieldKind
    needs: ContentClass
    """Lowest class of a text that may use it."""
    es: str
    en: str
    example_es: str
    example_en: str
    limited: bool = False
    """May stand in a limited-content message (12 CFR 1006.2(j))."""
    of_balance: bool = False
    """An amount of the debt as it stood at `balance_as_of`; it ages."""


def _field(
    name: str,
    kind: FieldKind,
    needs: ContentClass,
    words: tuple[str, str],
    examples: tuple[str, str],
    *,
    limited: bool = False,
    of_balance: bool = False,
) -> MergeField:
    return MergeField(
        name=name,
        kind=kind,
        needs=needs,
        es=words[0],
        en=words[1],
        example_es=examples[0],
        example_en=examples[1],
        limited=limited,
        of_balance=of_balance,
    )


_K = FieldKind
_NEUTRAL = ContentClass.NEUTRAL
_VERIFIED = ContentClass.VERIFIED
_MONEY = ("$1.234", "$1,234.00")
_DAY = ("5 de noviembre de 2026", "November 5, 2026")
_PHONE = ("600 555 0100", "1-800-555-0100")

_ALL: Final = (
    _field("first_name", _K.NAME, _NEUTRAL, ("nombre de pila", "first name"), ("Ana", "Mary")),
    _field(
        "person_name", _K.NAME, _NEUTRAL, ("nombre", "full name"), ("Ana Torres", "Mary Jones")
    ),
    _field(
        "company",
        _K.COMPANY,
        _NEUTRAL,
        ("nombre neutro de la empresa", "the firm's neutral name"),
        ("Servicios BP", "BP Services"),
        limited=True,
    ),
    _field(
        "agent_name",
        _K.NAME,
        _NEUTRAL,
        ("persona con quien hablar", "person to talk to"),
        ("Ana Ruiz", "Robin Smith"),
        limited=True,
    ),
    _field(
        "return_number",
        _K.PHONE,
        _NEUTRAL,
        ("teléfono para responder", "number to call back"),
        _PHONE,
        limited=True,
    ),
    _field(
        "other_number",
        _K.PHONE,
        _NEUTRAL,
        ("otro teléfono", "another number"),
        _PHONE,
        limited=True,
    ),
    _field(
        "hours",
        _K.TEXT,
        _NEUTRAL,
        ("horario de atención", "office hours"),
        ("lunes a viernes de 9 a 18 h", "Monday to Friday, 9 am to 6 pm"),
        limited=True,
    ),
    _field(
        "reply_times",
        _K.TEXT,
        _NEUTRAL,
        ("días y horas para responder", "days and times to reply"),
        ("mañana de 9 a 18 h", "tomorrow from 9 am to 6 pm"),
        limited=True,
    ),
    _field(
        "message_date",
        _K.DATE,
        _NEUTRAL,
        ("fecha del mensaje", "date of the message"),
        _DAY,
        limited=True,
    ),
    _field(
        "secure_link",
        _K.LINK,
        _NEUTRAL,
        ("enlace a la página de verificación", "link to the verification page"),
        ("https://portal.example/v/7K2", "https://portal.example/v/7K2"),
    ),
    _field(
        "opt_out_link",
        _K.LINK,
        _NEUTRAL,
        ("enlace de baja", "opt-out link"),
        ("https://portal.example/b/7K2", "https://portal.example/b/7K2"),
    ),
    _field("creditor", _K.COMPANY, _VERIFIED, ("acreedor", "creditor"), ("Banco Uno", "One Bank")),
    _field("product", _K.TEXT, _VERIFIED, ("producto", "product"), ("tarjeta", "credit card")),
    _field(
        "reference",
        _K.REFERENCE,
        _VERIFIED,
        ("referencia enmascarada", "masked reference"),
        ("•••• 4821", "•••• 4821"),
    ),
    _field(
        "invoice",
        _K.REFERENCE,
        _VERIFIED,
        ("número de factura", "invoice number"),
        ("F-21", "F-21"),
    ),
    _field(
        "amount", _K.MONEY, _VERIFIED, ("saldo total", "total balance"), _MONEY, of_balance=True
    ),
    _field(
        "overdue",
        _K.MONEY,
        _VERIFIED,
        ("monto vencido", "overdue amount"),
        _MONEY,
        of_balance=True,
    ),
    _field(
        "minimum",
        _K.MONEY,
        _VERIFIED,
        ("pago mínimo", "minimum payment"),
        _MONEY,
        of_balance=True,
    ),
    _field(
        "balance_as_of", _K.INSTANT, _VERIFIED, ("fecha del saldo", "date of the balance"), _DAY
    ),
    _field("due_date", _K.DATE, _VERIFIED, ("fecha de vencimiento", "due date"), _DAY),
    _field("payment_link", _K.LINK, _VERIFIED, ("enlace de pago", "payment link"),
           ("https://portal.example/p/7K2", "https://portal.example/p/7K2")),
    _field(
        "payment_methods",
        _K.TEXT,
        _VERIFIED,
        ("formas de pago", "ways to pay"),
        ("transferencia o sucursal", "bank transfer or branch"),
    ),
    _field(
        "claim_route",
        _K.TEXT,
        _VERIFIED,
        ("cómo reclamar", "how to dispute"),
        ("escriba a reclamos@portal.example", "write to claims@portal.example"),
    ),
    _field("promise_amount", _K.MONEY, _VERIFIED, ("monto prometido", "amount promised"), _MONEY),
    _field("promise_date", _K.DATE, _VERIFIED, ("fecha prometida", "date promised"), _DAY),
    _field(
        "latest_date", _K.DATE, _VERIFIED, ("última fecha posible", "latest possible date"), _DAY
    ),
    _field(
        "promise_method",
        _K.TEXT,
        _VERIFIED,
        ("forma de pago prometida", "way to pay that was promised"),
        ("transferencia", "bank transfer"),
    ),
    _field("folio", _K.REFERENCE, _VERIFIED, ("folio", "case reference"), ("P-7K2", "P-7K2")),
    _field("plan_total", _K.MONEY, _VERIFIED, ("total del plan", "total of the plan"), _MONEY),
    _field("instalments", _K.COUNT, _VERIFIED, ("número de cuotas", "instalments"), ("6", "6")),
    _field("instalment_amount", _K.MONEY, _VERIFIED, ("cuota", "instalment"), _MONEY),
    _field("offer_expires", _K.DATE, _VERIFIED, ("fin de la oferta", "end of the offer"), _DAY),
    _field(
        "approval_id",
        _K.REFERENCE,
        _VERIFIED,
        ("folio de autorización", "approval reference"),
        ("A-7K2", "A-7K2"),
    ),
    _field("answer_by", _K.DATE, _VERIFIED, ("plazo de respuesta", "answer is due"), _DAY),
    _field("paid_amount", _K.MONEY, _VERIFIED, ("monto pagado", "amount paid"), _MONEY),
    _field("paid_on", _K.DATE, _VERIFIED, ("fecha de pago", "date of payment"), _DAY),
)  # fmt: skip

FIELDS: Final[dict[str, MergeField]] = {field.name: field for field in _ALL}
"""Every merge field, by name."""


def lowest_class(names: frozenset[str]) -> ContentClass:
    """The lowest class that a text with these fields can claim. Unknown names tell of the debt."""
    told = any(name not in FIELDS or FIELDS[name].needs is not _NEUTRAL for name in names)
    return _VERIFIED if told else _NEUTRAL
