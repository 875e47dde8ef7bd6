"""One row of cells to one account with its debt, people, contact points, flags and notes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from campaigns.portfolio.cells import Reject, read_date, read_past_date
from campaigns.portfolio.columns import fold
from campaigns.portfolio.dates import (
    looks_like_date,
)
from campaigns.portfolio.fields import Field
from campaigns.portfolio.flags import flags_in_cell, flags_in_note, read_bool
from campaigns.portfolio.model import (
    Flag,
    FlagAction,
    FlagKind,
    ImportedAccount,
    ImportedConsent,
    ImportedDebt,
    ImportedNote,
    ImportWarning,
    Stage,
)
from campaigns.portfolio.money import KNOWN_CURRENCIES, AmountError, exponent_of, parse_amount
from campaigns.portfolio.people import PeopleBuilder
from campaigns.portfolio.phones import is_filler
from campaigns.portfolio.plan import AmountCell, ConsentCell, RowPlan
from compliance.types import ConsentScope

MAX_ID_CHARS = 200
_MAX_NAME_CHARS = 100
_MAX_DPD = 36_500

_STAGES = (
    ("extrajudicial", Stage.EXTRAJUDICIAL), ("prejudicial", Stage.PREJUDICIAL),
    ("judicial", Stage.JUDICIAL), ("legal", Stage.JUDICIAL), ("prevent", Stage.PREVENTIVA),
    ("predue", Stage.PREVENTIVA), ("administrativ", Stage.ADMINISTRATIVA),
    ("tempran", Stage.ADMINISTRATIVA), ("early", Stage.ADMINISTRATIVA),
    ("castig", Stage.CASTIGO), ("chargeoff", Stage.CASTIGO), ("chargedoff", Stage.CASTIGO),
    ("writeoff", Stage.CASTIGO), ("cerrad", Stage.CERRADA), ("closed", Stage.CERRADA),
)  # fmt: skip
_CURRENCY_NAMES = {
    "PESO": "", "PESOS": "", "$": "", "US$": "USD", "USD$": "USD", "DOLAR": "USD",
    "DOLARES": "USD", "DOLLARS": "USD", "UF": "CLF", "SOLES": "PEN", "SOL": "PEN", "S/": "PEN",
    "S/.": "PEN", "EUROS": "EUR", "€": "EUR", "MN": "", "M.N.": "", "MXP": "MXN",
}  # fmt: skip
_RECALLED = re.compile(r"\b(?:recall|retir|devuel|devolu|withdrawn|returned to)")
_SETTLED = re.compile(r"\b(?:pagad|paid|settled|saldad|liquidad|cancelad)")
_ORDINARY_STATUS = re.compile(
    r"\b(?:activ|vigent|vencid|mora|open|abiert|current|overdue|delinquent|past due|al dia|"
    r"castig|charge|asignad|assigned|new|nuev|default|normal|pendient|pending|gestion)"
)
_NUMBER = re.compile(r"[-+]?\d{1,7}(?:[.,]0+)?")
_PAST = frozenset({Field.LAST_PAYMENT_DATE, Field.NOTICE_DATE})
"""Dates of what must have happened: one in the future is not used."""


class RowBuilder:
    """Builds accounts from rows of one file. Raises `Reject` for a row that cannot be used."""

    def __init__(self, plan: RowPlan, today: date) -> None:
        self._plan = plan
        self._today = today
        self._people = PeopleBuilder(plan, today)

    def external_id(self, cells: Sequence[str]) -> str:
        """The row's account number. Raises `Reject` where there is none."""
        cell = self._plan.account[Field.EXTERNAL_ID]
        value = cells[cell.index].strip()
        if not value or is_filler(value):
            raise Reject("missing_id", cell, value)
        if len(value) > MAX_ID_CHARS:
            raise Reject("id_too_long", cell, value)
        return value

    def build(self, cells: Sequence[str], row_number: int, row_sha256: str) -> ImportedAccount:
        external_id = self.external_id(cells)
        warnings: list[ImportWarning] = []
        flags: list[Flag] = []
        currency = self._currency(cells)
        dates = self._dates(cells, warnings)
        debt = self._debt(cells, external_id, currency, dates, warnings, flags)
        parties = self._people.build(cells, external_id, warnings, flags)
        notes = self._meaning(cells, flags)
        recalled = self._recalled(cells, flags, notes)
        return ImportedAccount(
            external_id=external_id,
            row_number=row_number,
            row_sha256=row_sha256,
            currency=currency,
            stage=self._stage(cells, warnings),
            bucket=self._text(cells, Field.BUCKET, 20, warnings),
            dpd=self._dpd(cells, debt.due_date, warnings),
            product=self._text(cells, Field.PRODUCT, _MAX_NAME_CHARS, warnings),
            segment=self._text(cells, Field.SEGMENT, _MAX_NAME_CHARS, warnings),
            owner=self._text(cells, Field.OWNER, _MAX_NAME_CHARS, warnings),
            recalled=recalled,
            debts=(debt,),
            parties=parties,
            consents=self._consents(cells, warnings),
            flags=strongest(flags),
            notes=tuple(notes),
            warnings=tuple(warnings),
        )

    # --- the account ---------------------------------------------------------------------------

    def _cell(self, cells: Sequence[str], field: Field) -> str:
        cell = self._plan.account.get(field)
        return cells[cell.index].strip() if cell is not None else ""

    def _text(
        self, cells: Sequence[str], field: Field, limit: int, warnings: list[ImportWarning]
    ) -> str | None:
        value = self._cell(cells, field)
        if len(value) > limit:
            column = self._plan.account[field].column
            warnings.append(ImportWarning(code="text_clipped", column=column, value=value))
            value = value[:limit]
        return value or None

    def _currency(self, cells: Sequence[str]) -> str:
        value = self._cell(cells, Field.CURRENCY).upper()
        if not value:
            return self._plan.currency
        named = _CURRENCY_NAMES.get(fold(value).upper(), value)
        if not named:
            return self._plan.currency
        if named not in KNOWN_CURRENCIES and named != self._plan.currency:
            raise Reject("currency_unknown", self._plan.account[Field.CURRENCY], value)
        return named

    def _stage(self, cells: Sequence[str], warnings: list[ImportWarning]) -> Stage | None:
        value = self._cell(cells, Field.STAGE)
        if not value:
            return None
        folded = re.sub(r"[^a-z]", "", fold(value))
        for word, stage in _STAGES:
            if word in folded:
                return stage
        column = self._plan.account[Field.STAGE].column
        warnings.append(ImportWarning(code="stage_unknown", column=column, value=value))
        return None

    def _dpd(
        self, cells: Sequence[str], due_date: date | None, warnings: list[ImportWarning]
    ) -> int | None:
        counted = (self._today - due_date).days if due_date is not None else None
        value = self._cell(cells, Field.DPD)
        if not value or (is_filler(value) and not value.isdigit()):
            return counted
        column = self._plan.account[Field.DPD].column
        bare = re.sub(r"\s*(?:d[ií]as?|days?|d)\.?$", "", value, flags=re.I)
        if _NUMBER.fullmatch(bare):
            stated = int(re.split(r"[.,]", bare)[0])
            if abs(stated) <= _MAX_DPD:
                if counted is not None and (stated > 0 > counted or counted > 0 > stated):
                    warnings.append(
                        ImportWarning(code="dpd_contradicts_due_date", column=column, value=value)
                    )
                return stated
        warnings.append(ImportWarning(code="dpd_unreadable", column=column, value=value))
        return counted

    # --- the debt ------------------------------------------------------------------------------

    def _amount(
        self, cells: Sequence[str], cell: AmountCell, exponent: int, warnings: list[ImportWarning]
    ) -> int | None:
        value = cells[cell.index].strip()
        if not value:
            return None
        amount = parse_amount(value, cell.style, exponent)
        if isinstance(amount, AmountError):
            if cell.field is not Field.TOTAL and is_filler(value):
                return None
            raise Reject(amount, cell, value)
        if amount.rounded:
            warnings.append(ImportWarning(code="amount_rounded", column=cell.column, value=value))
        return amount.cents

    def _dates(self, cells: Sequence[str], warnings: list[ImportWarning]) -> dict[Field, date]:
        found: dict[Field, date] = {}
        for cell in self._plan.dates:
            read = read_past_date if cell.field in _PAST else read_date
            value = read(cells, cell, cell.order, self._today, warnings)
            if value is not None:
                found[cell.field] = value
        return found

    def _debt(
        self,
        cells: Sequence[str],
        external_id: str,
        currency: str,
        dates: dict[Field, date],
        warnings: list[ImportWarning],
        flags: list[Flag],
    ) -> ImportedDebt:
        exponent = exponent_of(currency)
        amounts = {
            cell.field: self._amount(cells, cell, exponent, warnings) for cell in self._plan.amounts
        }
        total = self._total(amounts, warnings)
        if total <= 0:
            column = next(
                (cell.column for cell in self._plan.amounts if cell.field is Field.TOTAL), ""
            )
            text = str(total)
            warnings.append(ImportWarning(code="balance_not_positive", column=column, value=text))
            flags.append(
                Flag(
                    kind=FlagKind.NOTHING_OWED,
                    action=FlagAction.SUPPRESS,
                    column=column,
                    text=text,
                )
            )
        reference = self._text(cells, Field.DEBT_REFERENCE, MAX_ID_CHARS, warnings)
        return ImportedDebt(
            reference=reference or external_id,
            principal_cents=amounts.get(Field.PRINCIPAL),
            interest_cents=amounts.get(Field.INTEREST),
            fees_cents=amounts.get(Field.FEES),
            total_cents=total,
            overdue_cents=amounts.get(Field.OVERDUE),
            due_date=dates.get(Field.DUE_DATE),
            itemization_date=dates.get(Field.ITEMIZATION_DATE),
            charge_off_date=dates.get(Field.CHARGE_OFF_DATE),
            limitation_date=dates.get(Field.LIMITATION_DATE),
            last_payment_date=dates.get(Field.LAST_PAYMENT_DATE),
            notice_date=dates.get(Field.NOTICE_DATE),
            last_payment_cents=amounts.get(Field.LAST_PAYMENT_AMOUNT),
            original_creditor=self._cell(cells, Field.ORIGINAL_CREDITOR) or None,
        )

    def _total(self, amounts: dict[Field, int | None], warnings: list[ImportWarning]) -> int:
        total = amounts.get(Field.TOTAL)
        principal = amounts.get(Field.PRINCIPAL)
        others = [amounts.get(field) for field in (Field.INTEREST, Field.FEES)]
        known = [amount for amount in others if amount is not None]
        if total is None:
            if principal is None:
                overdue = amounts.get(Field.OVERDUE)
                if overdue is None:
                    cell = next((c for c in self._plan.amounts if c.field is Field.TOTAL), None)
                    raise Reject("missing_amount", cell)
                return overdue
            total = principal + sum(known)
            warnings.append(ImportWarning(code="total_computed", column="", value=str(total)))
        elif principal is not None and known and abs(total - principal - sum(known)) > 2:
            # Two minor units: what rounding three columns apart can make.
            warnings.append(ImportWarning(code="total_differs", column="", value=str(total)))
        return total

    # --- what has a legal meaning ----------------------------------------------------------------

    def _meaning(self, cells: Sequence[str], flags: list[Flag]) -> list[ImportedNote]:
        for cell in self._plan.flags:
            value = cells[cell.index].strip()
            if value:
                flags += flags_in_cell(value, cell.kind, cell.column)
        notes = []
        for note in self._plan.notes:
            value = cells[note.index].strip()
            if value and not is_filler(value):
                notes.append(ImportedNote(column=note.column, text=value))
                flags += flags_in_note(value, note.column)
        return notes

    def _recalled(self, cells: Sequence[str], flags: list[Flag], notes: list[ImportedNote]) -> bool:
        recalled = False
        for cell in self._plan.recalls:
            value = cells[cell.index].strip()
            answer = True if looks_like_date(value) else read_bool(value)
            recalled = recalled or bool(answer)
            if answer is None:
                flags.append(_review(FlagKind.LEGAL_UNCLEAR, cell.column, value))
        for cell in self._plan.statuses:
            value = cells[cell.index].strip()
            folded = fold(value)
            if not folded:
                continue
            if _RECALLED.search(folded):
                recalled = True
            elif found := flags_in_note(value, cell.column):
                flags += found
            elif _SETTLED.search(folded):
                flags.append(
                    Flag(
                        kind=FlagKind.SETTLED,
                        action=FlagAction.SUPPRESS,
                        column=cell.column,
                        text=value,
                    )
                )
            elif not _ORDINARY_STATUS.search(folded):
                notes.append(ImportedNote(column=cell.column, text=value))
        return recalled

    def _consents(
        self, cells: Sequence[str], warnings: list[ImportWarning]
    ) -> tuple[ImportedConsent, ...]:
        stated = [
            consent
            for cell in self._plan.consents
            if (consent := self._consent(cells, cell, warnings)) is not None
        ]
        spoken_of = {c.channel for c in stated if c.scope is ConsentScope.CHANNEL}
        declared = [
            ImportedConsent(
                scope=ConsentScope.CHANNEL,
                channel=channel,
                granted=True,
                evidence="import profile: declared_channels, on the creditor's word",
            )
            for channel in self._plan.declared_channels
            if channel not in spoken_of
        ]
        return (*stated, *declared)

    def _consent(
        self, cells: Sequence[str], cell: ConsentCell, warnings: list[ImportWarning]
    ) -> ImportedConsent | None:
        value = cells[cell.index].strip()
        if not value:
            return None
        granted = read_bool(value)
        given_on = None
        evidence = f"{cell.column}={value}"
        if granted is None and looks_like_date(value):
            order = cell.date.order if cell.date else None
            given_on = read_date(cells, cell, order, self._today, warnings) if order else None
            granted = given_on is not None
        if granted is None:
            warnings.append(ImportWarning(code="consent_unclear", column=cell.column, value=value))
            granted = False
        if granted and given_on is None and cell.date is not None:
            given_on = read_date(cells, cell.date, cell.date.order, self._today, warnings)
            if given_on is not None:
                evidence += f" {cell.date.column}={cells[cell.date.index].strip()}"
        if given_on is not None and given_on > self._today:
            warnings.append(
                ImportWarning(code="date_in_future", column=cell.column, value=str(given_on))
            )
            granted, given_on = False, None
        return ImportedConsent(
            scope=cell.scope,
            channel=cell.channel,
            granted=granted,
            given_on=given_on,
            evidence=evidence,
        )


def _review(kind: FlagKind, column: str, text: str) -> Flag:
    return Flag(kind=kind, action=FlagAction.REVIEW, column=column, text=text)


def strongest(flags: Sequence[Flag]) -> tuple[Flag, ...]:
    """Each kind once: what suppresses before what is to be reviewed."""
    if len(flags) < 2:
        return tuple(flags)
    chosen: dict[FlagKind, Flag] = {}
    for flag in flags:
        before = chosen.get(flag.kind)
        if before is None or (
            before.action is FlagAction.REVIEW and flag.action is FlagAction.SUPPRESS
        ):
            chosen[flag.kind] = flag
    return tuple(chosen.values())
