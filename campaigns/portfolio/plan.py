"""A profile tied to a file's columns, worked out once so that each row only has to be read."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from campaigns.portfolio.dates import DateOrder, default_order
from campaigns.portfolio.fields import AMOUNTS, DATES, PARTY_FIELDS, PHONE_ATTRIBUTES, POINTS, Field
from campaigns.portfolio.model import FlagKind
from campaigns.portfolio.money import NumberStyle, default_style
from campaigns.portfolio.profile import Binding, ColumnRule, ImportProfile
from compliance.types import Channel, ConsentScope, PartyRole, PointLabel


class Cell(msgspec.Struct, frozen=True):
    """Where one thing stands in a row."""

    index: int
    column: str


class AmountCell(Cell, frozen=True):
    field: Field
    style: NumberStyle


class DateCell(Cell, frozen=True):
    field: Field
    order: DateOrder


class ConsentCell(Cell, frozen=True):
    scope: ConsentScope
    channel: Channel | None
    date: DateCell | None


class FlagCell(Cell, frozen=True):
    kind: FlagKind


class PointCell(Cell, frozen=True):
    field: Field
    label: PointLabel
    type: Cell | None = None
    country: Cell | None = None
    area: Cell | None = None
    extension: Cell | None = None


class PartyCells(msgspec.Struct, frozen=True):
    """Everything a row says of one person."""

    role: PartyRole
    number: str
    cells: dict[Field, Cell]
    document_type: str
    birth_date: DateCell | None
    addresses: tuple[Cell, ...]
    points: tuple[PointCell, ...]


class RowPlan(msgspec.Struct, frozen=True):
    country: str
    currency: str
    account: dict[Field, Cell]
    """Fields that an account has once."""
    amounts: tuple[AmountCell, ...]
    dates: tuple[DateCell, ...]
    parties: tuple[PartyCells, ...]
    """The row's main person first."""
    consents: tuple[ConsentCell, ...]
    flags: tuple[FlagCell, ...]
    recalls: tuple[Cell, ...]
    statuses: tuple[Cell, ...]
    notes: tuple[Cell, ...]
    declared_channels: tuple[Channel, ...] = ()

    @property
    def may_join_rows(self) -> bool:
        """Whether an account can have several rows: one a debt, or one a party."""
        return Field.DEBT_REFERENCE in self.account or Field.PARTY_ROLE in self.account


def plan_rows(profile: ImportProfile, binding: Binding) -> RowPlan:
    account: dict[Field, Cell] = {}
    flags, recalls, statuses, notes = [], [], [], []
    for index, rule in binding.rules:
        cell = Cell(index, rule.column)
        match rule.field:
            case Field.FLAG:
                if rule.flag is not None:
                    flags.append(FlagCell(index, rule.column, rule.flag))
            case Field.RECALLED:
                recalls.append(cell)
            case Field.ACCOUNT_STATUS:
                statuses.append(cell)
            case Field.NOTE:
                notes.append(cell)
            case field if field not in AMOUNTS | DATES | PARTY_FIELDS | POINTS | PHONE_ATTRIBUTES:
                account[field] = cell
            case _:
                pass
    dates = [
        DateCell(index, rule.column, rule.field, rule.dates or default_order(profile.country))
        for index, rule in binding.rules
        if rule.field in DATES
    ]
    by_index = {cell.index: cell for cell in dates}
    return RowPlan(
        country=profile.country,
        currency=profile.currency,
        declared_channels=profile.declared_channels,
        account=account,
        amounts=tuple(
            AmountCell(
                index, rule.column, rule.field, rule.numbers or default_style(profile.country)
            )
            for index, rule in binding.rules
            if rule.field in AMOUNTS
        ),
        dates=tuple(
            cell for cell in dates if cell.field not in (Field.BIRTH_DATE, Field.CONSENT_DATE)
        ),
        parties=_parties(binding.rules, by_index),
        consents=_consents(binding.rules, by_index),
        flags=tuple(flags),
        recalls=tuple(recalls),
        statuses=tuple(statuses),
        notes=tuple(notes),
    )


def _consents(
    rules: Sequence[tuple[int, ColumnRule]], dates: dict[int, DateCell]
) -> tuple[ConsentCell, ...]:
    dated = {
        (rule.scope, rule.channel): dates[index]
        for index, rule in rules
        if rule.field is Field.CONSENT_DATE
    }
    general = dated.get((ConsentScope.CHANNEL, None))
    return tuple(
        ConsentCell(
            index,
            rule.column,
            rule.scope,
            rule.channel,
            dated.get((rule.scope, rule.channel), general),
        )
        for index, rule in rules
        if rule.field is Field.CONSENT
    )


def _parties(
    rules: Sequence[tuple[int, ColumnRule]], dates: dict[int, DateCell]
) -> tuple[PartyCells, ...]:
    groups: dict[tuple[PartyRole, str], list[tuple[int, ColumnRule]]] = {(PartyRole.HOLDER, ""): []}
    for index, rule in rules:
        if rule.field in PARTY_FIELDS or rule.field in POINTS:
            groups.setdefault(_party_key(rule), []).append((index, rule))
    _join_nameless(groups)
    attributes = [(index, rule) for index, rule in rules if rule.field in PHONE_ATTRIBUTES]
    parties = []
    for (role, number), members in groups.items():
        own = [(index, rule) for index, rule in attributes if rule.role is role]
        document = next((r for _, r in members if r.field is Field.DOCUMENT_NUMBER), None)
        birth = next((index for index, r in members if r.field is Field.BIRTH_DATE), None)
        points = [(index, rule) for index, rule in members if rule.field in POINTS]
        parties.append(
            PartyCells(
                role=role,
                number=number,
                cells={
                    rule.field: Cell(index, rule.column)
                    for index, rule in members
                    if rule.field in PARTY_FIELDS - {Field.ADDRESS, Field.BIRTH_DATE}
                },
                document_type=document.document_type if document else "",
                birth_date=dates[birth] if birth is not None else None,
                addresses=tuple(
                    Cell(index, rule.column)
                    for index, rule in members
                    if rule.field is Field.ADDRESS
                ),
                points=tuple(_point(index, rule, points, own) for index, rule in points),
            )
        )
    return tuple(parties)


def _party_key(rule: ColumnRule) -> tuple[PartyRole, str]:
    if rule.role is PartyRole.HOLDER:
        return PartyRole.HOLDER, ""
    last = rule.group.rpartition("_")[2]
    return rule.role, last if last.isdigit() else ""


def _join_nameless(groups: dict[tuple[PartyRole, str], list[tuple[int, ColumnRule]]]) -> None:
    """`telefono_aval_2` without a `nombre_aval_2` is the only guarantor's second number."""
    names = {Field.FULL_NAME, Field.FIRST_NAME, Field.LAST_NAME}
    for role in {role for role, _ in groups}:
        keys = [key for key in groups if key[0] is role]
        named = [key for key in keys if any(rule.field in names for _, rule in groups[key])]
        if len(named) == 1:
            for key in keys:
                if key != named[0]:
                    groups[named[0]] += groups.pop(key)


def _point(
    index: int,
    rule: ColumnRule,
    points: Sequence[tuple[int, ColumnRule]],
    attributes: Sequence[tuple[int, ColumnRule]],
) -> PointCell:
    phones = [other for _, other in points if other.field is Field.PHONE]

    def attribute(field: Field) -> Cell | None:
        of_field = [(at, other) for at, other in attributes if other.field is field]
        for at, other in of_field:
            if other.group == rule.group:
                return Cell(at, other.column)
        if len(of_field) == 1 and len(phones) == 1 and rule.field is Field.PHONE:
            return Cell(of_field[0][0], of_field[0][1].column)
        return None

    if rule.field is Field.EMAIL:
        return PointCell(index, rule.column, rule.field, rule.label)
    return PointCell(
        index,
        rule.column,
        rule.field,
        rule.label,
        type=attribute(Field.PHONE_TYPE),
        country=attribute(Field.PHONE_COUNTRY),
        area=attribute(Field.PHONE_AREA),
        extension=attribute(Field.PHONE_EXTENSION),
    )
