"""The rules that bind one kind of contact, in order, and which of them must still be asked.

A plan is made once for all contacts that the same packs bind in the same way. What its rules make
of a contact's signals, and of what the contact declares, is found once and remembered.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from compliance.declared import Declared
from compliance.messages import ContactRequest, Finding, PackRef
from compliance.overrides import overridable
from compliance.remembered import Remembered
from compliance.rules.base import Rule
from compliance.rules.conflict import contested
from compliance.rules.structure import structural_rules
from compliance.types import ReasonGroup

_SHAPES_LIMIT: Final = 4_096
_GROUP_ORDER: Final = {group: index for index, group in enumerate(ReasonGroup)}


class Passed:
    """Ids of the rules of a plan, for records that name those which passed with nothing to add."""

    __slots__ = ("_ids", "_without")

    def __init__(self, ids: tuple[str, ...]) -> None:
        self._ids = ids
        self._without = Remembered[tuple[int, ...], tuple[str, ...]](_SHAPES_LIMIT)

    def without(self, places: tuple[int, ...]) -> tuple[str, ...]:
        """All ids but those at these places."""
        found = self._without.get(places)
        if found is None:
            left = tuple(name for index, name in enumerate(self._ids) if index not in places)
            found = self._without.keep(places, left)
        return found


class Step(NamedTuple):
    """One rule of a plan that has something to say."""

    place: int
    """Of the rule in the plan."""
    rule: Rule
    settled: Finding | None
    """What it says of all contacts that declare the same; None: it must be asked."""


class Plan:
    """The rules that bind one kind of contact during one span of time, in fixed order."""

    __slots__ = (
        "_passed",
        "_shapes",
        "_steps",
        "_watched",
        "calendars",
        "counts_account",
        "counts_number",
        "inert",
        "refs",
        "rules",
    )

    def __init__(
        self,
        refs: tuple[PackRef, ...],
        calendars: dict[str, str],
        rules: tuple[Rule, ...],
        request: ContactRequest,
    ) -> None:
        self.refs = refs
        """The packs that bind."""
        self.calendars = calendars
        """Country -> release that the packs' dates come from."""
        lookback = max((rule.lookback_days for rule in rules), default=0)
        structure = structural_rules(lookback)
        self.rules = tuple(
            sorted(
                contested((*structure, *rules)),
                key=lambda r: (_GROUP_ORDER[r.head.group], r.head.id),
            )
        )
        self.inert = frozenset(i for i, rule in enumerate(self.rules) if rule.is_inert(request))
        self.counts_number = any(rule.counts_number for rule in rules)
        self.counts_account = any(rule.counts_account for rule in rules)
        self._passed = Passed(tuple(rule.head.id for rule in self.rules))
        self._watched = 0
        for rule in self.rules:
            self._watched |= rule.signals
        self._shapes = Remembered[int, tuple[tuple[int, Rule], ...]](_SHAPES_LIMIT)
        self._steps = Remembered[tuple[int, Declared], tuple[Step, ...]](_SHAPES_LIMIT)

    def shape(self, signals: int) -> tuple[tuple[int, Rule], ...]:
        """Rules that must be asked of a context that shows these signals, with their places.

        A rule is not asked when it is inert for this kind of contact, or when the context shows
        none of the signals without which it passes.
        """
        signals &= self._watched
        found = self._shapes.get(signals)
        if found is None:
            asked = tuple(
                (index, rule)
                for index, rule in enumerate(self.rules)
                if index not in self.inert and (not rule.signals or rule.signals & signals)
            )
            found = self._shapes.keep(signals, asked)
        return found

    def steps(self, signals: int, declared: Declared) -> tuple[Step, ...]:
        """What is left to do for a context that shows these signals and declares this, in order.

        Rules that pass by what is declared alone are left out; what others make of it alone
        is found once.
        """
        key = (signals & self._watched, declared)
        try:
            found = self._steps.get(key)
        except TypeError:  # something declared is of a type that it should not be
            return self._find_steps(signals, declared)
        if found is None:
            found = self._find_steps(signals, declared)
            if declared.text is None:  # a text is often one person's: not worth keeping
                self._steps.keep(key, found)
        return found

    def _find_steps(self, signals: int, declared: Declared) -> tuple[Step, ...]:
        steps = [Step(place, rule, _settled(rule, declared)) for place, rule in self.shape(signals)]
        return tuple(step for step in steps if step.settled is not step.rule.passed)

    def passed(self, told: tuple[int, ...]) -> tuple[str, ...]:
        """Ids of all rules but those at these places."""
        return self._passed.without(told)


def _settled(rule: Rule, declared: Declared) -> Finding | None:
    """What a rule makes of what is declared alone; None where more must be looked at."""
    try:
        finding = rule.settled(declared)
    except Exception:
        return None  # it fails again when it is asked, and closes the gate
    if finding is None or not finding.outcome.stops:
        return finding
    if rule.head.can_lift or overridable(rule.head):
        return None
    return finding
