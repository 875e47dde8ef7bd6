"""Whom a pack binds. What is not known makes a condition hold: the gate fails closed."""

from __future__ import annotations

import msgspec

from compliance.context import Context
from compliance.messages import Place
from compliance.schema import AppliesWhen
from compliance.types import CollectorRole, DebtClass, PersonKind, Purpose
from compliance.zones import fold_text


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a contact that decide which packs bind it."""

    residence: Place | None
    """None: not known."""
    number_region: str | None
    """ISO 3166-2 or 3166-1; None: the number does not tell, or no number is called."""
    number_countries: frozenset[str] | None
    """Countries that the number may belong to; None: no number is called."""
    supervised_by: str | None
    contract_laws: tuple[Place | None, ...]
    collector_role: CollectorRole
    debt_classes: tuple[DebtClass, ...]
    purpose: Purpose
    person_kind: PersonKind

    @classmethod
    def of(cls, ctx: Context) -> Scope:
        return cls(
            residence=ctx.place,
            number_region=ctx.region,
            number_countries=ctx.number_countries,
            supervised_by=ctx.facts.collector.supervised_by,
            contract_laws=tuple(debt.contract_law for debt in ctx.debts),
            collector_role=ctx.facts.collector.role,
            debt_classes=tuple(debt.debt_class for debt in ctx.debts),
            purpose=ctx.request.purpose,
            person_kind=ctx.person.kind,
        )


def in_region(place: Place | None, code: str) -> bool:
    """Whether a place lies, or may lie, in `US`, `US-FL` or `US-NY/brooklyn`."""
    if place is None:
        return True
    region, _, locality = code.partition("/")
    if place.country != region[:2]:
        return False
    if region == place.country:
        return True
    if place.subdivision is None:
        return True
    given = place.subdivision
    if "-" not in given:
        given = f"{place.country}-{given}"
    if given != region:
        return False
    return not locality or place.locality is None or fold_text(place.locality) == locality


def _number_in(scope: Scope, code: str) -> bool:
    if scope.number_countries is None:
        return False
    region = code.partition("/")[0]
    if scope.number_countries and region[:2] not in scope.number_countries:
        return False
    if scope.number_region is None or "-" not in scope.number_region:
        return True
    return len(region) == 2 or scope.number_region == region


def countries_of(when: AppliesWhen) -> frozenset[str]:
    """Countries that a pack covers by residence as a whole, not by a part of them."""
    if when.any_of is None:
        return frozenset()
    return frozenset(code for code in when.any_of.residence_in if len(code) == 2)


def applies(when: AppliesWhen, scope: Scope, covered: frozenset[str]) -> bool:
    """Whether a pack binds a contact. `covered` are the countries with a pack of their own."""
    if when.uncovered and scope.residence is not None and scope.residence.country in covered:
        return False
    if when.collector_role and scope.collector_role not in when.collector_role:
        return False
    if when.purpose and scope.purpose not in when.purpose:
        return False
    if when.person_kind and scope.person_kind not in when.person_kind:
        return False
    if when.debt_class and scope.debt_classes:
        known = {*when.debt_class, DebtClass.UNKNOWN}
        if known.isdisjoint(scope.debt_classes):
            return False
    any_of = when.any_of
    if any_of is None:
        return True
    laws = scope.contract_laws or (None,)
    return (
        any(in_region(scope.residence, code) for code in any_of.residence_in)
        or any(_number_in(scope, code) for code in any_of.number_region_in)
        or scope.supervised_by in any_of.creditor_supervised_by
        or any(in_region(law, code) for code in any_of.contract_law for law in laws)
    )
