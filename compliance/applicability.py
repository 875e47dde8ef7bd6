"""Whom a pack binds. What is not known makes a condition hold: the gate fails closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from compliance.context import Context
from compliance.messages import Place
from compliance.remembered import Remembered
from compliance.schema import AnyOf, AppliesWhen
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


class Applicability:
    """Which of some packs bind a contact. Every place, number, law and role is looked at once.

    Sets of packs are bits of an integer: a contact's packs are then a few unions and
    intersections, however many packs there are.
    """

    def __init__(self, whens: Sequence[AppliesWhen], covered: frozenset[str]) -> None:
        """`covered` are the countries with a law of their own: an `uncovered` pack leaves them."""
        self._whens = tuple(whens)
        self._covered = covered
        self._everywhere = self._bits(lambda when: when.any_of is None)
        self._known = Remembered[tuple[object, ...], int](_KNOWN_MOST)

    def of(self, scope: Scope) -> int:
        """The packs that bind a contact: bit n for the n-th."""
        laws = scope.contract_laws or (None,)
        somewhere = self._everywhere | self._of_number(scope) | self._of_supervisor(scope)
        somewhere |= self._of_residence(scope.residence)
        for law in laws:
            somewhere |= self._of_law(law)
        return somewhere & self._of_kind(scope)

    def _bits(self, holds: Callable[[AppliesWhen], bool]) -> int:
        return sum(1 << place for place, when in enumerate(self._whens) if holds(when))

    def _once(self, key: tuple[object, ...], holds: Callable[[AppliesWhen], bool]) -> int:
        found = self._known.get(key)
        if found is None:
            found = self._known.keep(key, self._bits(holds))
        return found

    def _of_residence(self, place: Place | None) -> int:
        return self._once(
            ("residence", *_place_key(place)),
            lambda when: any(in_region(place, code) for code in _any_of(when).residence_in),
        )

    def _of_law(self, law: Place | None) -> int:
        return self._once(
            ("law", *_place_key(law)),
            lambda when: any(in_region(law, code) for code in _any_of(when).contract_law),
        )

    def _of_number(self, scope: Scope) -> int:
        return self._once(
            ("number", scope.number_region, scope.number_countries),
            lambda when: any(_number_in(scope, code) for code in _any_of(when).number_region_in),
        )

    def _of_supervisor(self, scope: Scope) -> int:
        return self._once(
            ("supervisor", scope.supervised_by),
            lambda when: scope.supervised_by in _any_of(when).creditor_supervised_by,
        )

    def _of_kind(self, scope: Scope) -> int:
        country = scope.residence.country if scope.residence is not None else None
        return self._once(
            (
                "kind",
                country,
                scope.collector_role,
                scope.debt_classes,
                scope.purpose,
                scope.person_kind,
            ),
            lambda when: _of_this_kind(when, scope, self._covered),
        )


_KNOWN_MOST: Final = 20_000
_NOWHERE: Final = AnyOf()


def _any_of(when: AppliesWhen) -> AnyOf:
    return when.any_of or _NOWHERE


def _place_key(place: Place | None) -> tuple[str | None, ...]:
    """All that `in_region` looks at."""
    return () if place is None else (place.country, place.subdivision, place.locality)


def _of_this_kind(when: AppliesWhen, scope: Scope, covered: frozenset[str]) -> bool:
    """Whether a pack is about such collectors, debts, purposes and people, wherever they are."""
    if when.uncovered and scope.residence is not None and scope.residence.country in covered:
        return False
    if when.collector_role and scope.collector_role not in when.collector_role:
        return False
    if when.purpose and scope.purpose not in when.purpose:
        return False
    if when.person_kind and scope.person_kind not in when.person_kind:
        return False
    if when.debt_class and scope.debt_classes:
        return not {*when.debt_class, DebtClass.UNKNOWN}.isdisjoint(scope.debt_classes)
    return True
