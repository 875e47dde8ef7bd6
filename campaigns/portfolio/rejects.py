"""What is told to people about rows and cells that could not be imported, and the reject file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Protocol

from campaigns.portfolio.model import ImportedAccount, RejectedRow, Text


class TextSink(Protocol):
    """Where the reject file goes: a text file opened with `newline=""`."""

    def write(self, text: str, /) -> object: ...


class _Sentence:
    """Message and mend of a code, in both languages."""

    def __init__(self, es: str, en: str, mend_es: str, mend_en: str) -> None:
        self.message = Text(es=es, en=en)
        self.mend = Text(es=mend_es, en=mend_en)


_AMOUNT_MEND = (
    "Escriba el monto con cifras y el mismo separador decimal que el resto de la columna.",
    "Write the amount in digits, with the decimal separator of the rest of the column.",
)
_DATE_MEND = (
    "Escriba la fecha como el resto de la columna, por ejemplo en formato AAAA-MM-DD.",
    "Write the date like the rest of the column, for instance as YYYY-MM-DD.",
)
_PHONE_MEND = (
    "Corrija el número, con código de área y, si es de otro país, con + y código de país.",
    "Correct the number, with area code and, if foreign, with + and the country code.",
)

_ROWS: dict[str, _Sentence] = {
    "row_unclosed_quote": _Sentence(
        "La fila tiene una comilla que no se cierra.",
        "The row has a quotation mark that is never closed.",
        "Cierre o quite la comilla; dentro de una celda entre comillas se escribe doble.",
        "Close or remove the quotation mark; inside a quoted cell it is written twice.",
    ),
    "row_unreadable": _Sentence(
        "La fila no se puede leer.",
        "The row cannot be read.",
        "Revise la fila en el archivo original.",
        "Check the row in the original file.",
    ),
    "row_wrong_field_count": _Sentence(
        "La fila no tiene tantas celdas como los títulos.",
        "The row has another number of cells than the header.",
        "Ponga entre comillas la celda que contiene el separador, o complete las que faltan.",
        "Quote the cell that contains the separator, or add the missing cells.",
    ),
    "missing_id": _Sentence(
        "Falta el número de cuenta.",
        "The account number is missing.",
        "Complete el número de cuenta.",
        "Fill in the account number.",
    ),
    "id_too_long": _Sentence(
        "El número de cuenta tiene más de 200 caracteres.",
        "The account number is longer than 200 characters.",
        "Revise si la fila está corrida una columna.",
        "Check whether the row is shifted by a column.",
    ),
    "missing_name": _Sentence(
        "Falta el nombre del titular.",
        "The holder's name is missing.",
        "Complete el nombre: sin él nadie puede verificar con quién habla.",
        "Fill in the name: without it nobody can verify whom they speak to.",
    ),
    "missing_amount": _Sentence(
        "Falta el monto adeudado.",
        "The amount owed is missing.",
        "Complete el saldo total.",
        "Fill in the total balance.",
    ),
    "amount_not_a_number": _Sentence(
        "El monto no es un número.", "The amount is not a number.", *_AMOUNT_MEND
    ),
    "amount_other_style": _Sentence(
        "El monto usa otro separador decimal que el resto de la columna.",
        "The amount uses another decimal separator than the rest of the column.",
        *_AMOUNT_MEND,
    ),
    "amount_ambiguous": _Sentence(
        "El monto se puede leer como miles o como tres decimales.",
        "The amount can be read as thousands or as three decimals.",
        *_AMOUNT_MEND,
    ),
    "amount_too_large": _Sentence(
        "El monto es imposible de tan grande.",
        "The amount is impossibly large.",
        "Revise si se unieron dos celdas.",
        "Check whether two cells ran together.",
    ),
    "date_not_a_date": _Sentence(
        "La celda no es una fecha.", "The cell is not a date.", *_DATE_MEND
    ),
    "date_impossible": _Sentence("La fecha no existe.", "There is no such date.", *_DATE_MEND),
    "currency_unknown": _Sentence(
        "La moneda no es un código conocido.",
        "The currency is not a known code.",
        "Use tres letras ISO 4217, por ejemplo CLP, COP, USD.",
        "Use three letters of ISO 4217, for instance CLP, COP, USD.",
    ),
    "duplicate_account": _Sentence(
        "La cuenta ya vino en la fila {detail}, con otros datos.",
        "The account already came in row {detail}, with other data.",
        "Deje una sola fila por cuenta, la que vale.",
        "Keep one row per account, the one that holds.",
    ),
    "party_without_holder": _Sentence(
        "La fila es de otro participante y la anterior no es de la misma cuenta.",
        "The row is of another party and the row before it is not of the same account.",
        "Ponga la fila justo después de la del titular.",
        "Put the row right after the holder's.",
    ),
}

WARNINGS: dict[str, Text] = {
    "phone_dummy": Text(
        es="El teléfono es de relleno; no se usa.", en="The phone is a filler; it is not used."
    ),
    "phone_not_a_number": Text(
        es="El teléfono no es un número; no se usa.", en="The phone is no number; it is not used."
    ),
    "phone_too_short": Text(
        es="Al teléfono le faltan dígitos; no se usa.",
        en="The phone lacks digits; it is not used.",
    ),
    "phone_too_long": Text(
        es="Al teléfono le sobran dígitos; no se usa.",
        en="The phone has too many digits; it is not used.",
    ),
    "phone_not_assigned": Text(
        es="No existe esa serie de teléfonos en el país; no se usa.",
        en="The country has no such range of phone numbers; it is not used.",
    ),
    "phone_premium": Text(
        es="El teléfono es de tarifa especial; no se usa.",
        en="The phone is a special-rate number; it is not used.",
    ),
    "phone_completed": Text(
        es="Al teléfono antiguo se le completaron los dígitos.",
        en="Digits were added to a phone of the old numbering.",
    ),
    "phone_repeated": Text(
        es="El teléfono está repetido en la fila.", en="The phone stands twice in the row."
    ),
    "phone_type_unknown": Text(
        es="No se conoce ese tipo de teléfono.", en="That type of phone is not known."
    ),
    "email_invalid": Text(
        es="El correo no es válido; no se usa.", en="The e-mail is not valid; it is not used."
    ),
    "email_dummy": Text(
        es="El correo es de relleno; no se usa.", en="The e-mail is a filler; it is not used."
    ),
    "amount_rounded": Text(
        es="El monto traía más decimales que la moneda; se redondeó.",
        en="The amount had more decimals than the currency; it was rounded.",
    ),
    "total_differs": Text(
        es="El total no es la suma de capital, interés y cargos; vale el total.",
        en="The total is not the sum of principal, interest and fees; the total holds.",
    ),
    "total_computed": Text(
        es="No venía el total; se sumaron sus partes.",
        en="The total was missing; its parts were added up.",
    ),
    "balance_not_positive": Text(
        es="El saldo es cero o negativo: no hay qué cobrar.",
        en="The balance is zero or negative: there is nothing to collect.",
    ),
    "date_null": Text(
        es="La fecha vacía de una base de datos no se usa.",
        en="A database's empty date; it is not used.",
    ),
    "date_in_future": Text(
        es="La fecha es futura; no se usa.", en="The date is in the future; it is not used."
    ),
    "dpd_unreadable": Text(
        es="Los días de mora no son un número; se cuentan desde el vencimiento.",
        en="The days past due are no number; they are counted from the due date.",
    ),
    "dpd_contradicts_due_date": Text(
        es="Los días de mora contradicen el vencimiento.",
        en="The days past due contradict the due date.",
    ),
    "stage_unknown": Text(es="No se conoce esa etapa.", en="That stage is not known."),
    "language_unknown": Text(es="No se conoce ese idioma.", en="That language is not known."),
    "zone_unknown": Text(es="No se conoce esa zona horaria.", en="That time zone is not known."),
    "country_unknown": Text(
        es="No se conoce ese país; vale el de la cartera.",
        en="That country is not known; the portfolio's holds.",
    ),
    "subdivision_unknown": Text(
        es="No se conoce esa región; se usan todas las zonas horarias del país.",
        en="That state or region is not known; all time zones of the country are used.",
    ),
    "document_dummy": Text(
        es="El documento es de relleno; no identifica a nadie.",
        en="The document is a filler; it identifies nobody.",
    ),
    "document_check_digit": Text(
        es="El dígito verificador está mal; el documento no se usa para unir personas.",
        en="The check digit is wrong; the document is not used to match people.",
    ),
    "name_has_lost_characters": Text(
        es="El nombre traía caracteres perdidos por la codificación.",
        en="The name had characters that its encoding lost.",
    ),
    "role_unknown": Text(
        es="No se conoce ese rol; la persona no se usa como titular.",
        en="That role is not known; the person is not taken for a holder.",
    ),
    "consent_unclear": Text(
        es="No se entiende si consiente; se toma como no.",
        en="It is not clear whether they consent; it is taken for a no.",
    ),
    "text_clipped": Text(
        es="El texto era demasiado largo y se cortó.", en="The text was too long and was cut."
    ),
}
"""Sentences of `ImportWarning.code`."""

REASONS = frozenset(_ROWS)
"""Codes of `RejectedRow.reason`."""


def rejected(
    row_number: int, reason: str, cells: tuple[str, ...], *, column: str = "", value: str = "",
    detail: str = "",
) -> RejectedRow:  # fmt: skip
    """A rejected row with the sentences of its reason."""
    sentence = _ROWS[reason]
    return RejectedRow(
        row_number=row_number,
        column=column,
        value=value,
        reason=reason,
        message=Text(
            es=sentence.message.es.replace("{detail}", detail),
            en=sentence.message.en.replace("{detail}", detail),
        ),
        mend=sentence.mend,
        cells=cells,
    )


_COLUMNS = ("row", "what", "column", "value", "code", "mensaje", "message", "solución", "mend")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class RejectWriter:
    """Writes the reject file: rejected rows with all their cells, and cells that were not used.

    The file is made to be opened in a spreadsheet by whoever sent the portfolio: cells that a
    spreadsheet would run as a formula get an apostrophe in front.
    """

    def __init__(self, sink: TextSink) -> None:
        self._csv = csv.writer(sink)
        self._csv.writerow((*_COLUMNS, "cells ->"))
        self.rows = 0
        self.cells = 0

    def write(self, item: ImportedAccount | RejectedRow) -> None:
        """Add what there is to say about one result of the import; of a clean row, nothing."""
        if isinstance(item, RejectedRow):
            self.rows += 1
            self._row(
                (item.row_number, "row", item.column, item.value, item.reason, item.message.es,
                 item.message.en, item.mend.es, item.mend.en, *item.cells)
            )  # fmt: skip
            return
        for warning in item.warnings:
            self.cells += 1
            text = WARNINGS[warning.code]
            mend = _PHONE_MEND if warning.code.startswith("phone_") else ("", "")
            self._row(
                (item.row_number, "cell", warning.column, warning.value, warning.code, text.es,
                 text.en, *mend)
            )  # fmt: skip

    def write_all(self, items: Iterable[ImportedAccount | RejectedRow]) -> None:
        for item in items:
            self.write(item)

    def _row(self, cells: tuple[str | int, ...]) -> None:
        self._csv.writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in cells])


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
