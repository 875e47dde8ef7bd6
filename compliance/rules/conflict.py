"""Laws that contradict each other: what one demands, another forbids.

Some rules are about something that the caller chooses: a statement, the class of content, the
language. Where two rules in force leave no choice that passes both, no machine can make the
contact lawful: the denial becomes *hold for review* and names the other rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import combinations
from typing import Final

import msgspec

from compliance.context import Context
from compliance.declared import Declared
from compliance.messages import ContactRequest, Finding
from compliance.rules.base import Rule
from compliance.rules.conduct import speaks
from compliance.types import ContentClass, Outcome

CONFLICT: Final = "conflicts_with"
"""Key of a finding's detail: the id of the rule that demands the opposite."""


class Demands(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule leaves to the choice of whoever makes the contact."""

    requires: frozenset[str] = frozenset()
    """Statements that must be made."""
    forbids: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    """Where given, no other statements than these may be made."""
    classes: frozenset[ContentClass] | None = None
    """Classes of content that pass; None: any."""
    languages: tuple[str, ...] = ()
    """Languages that pass; empty: any."""

    def permits(self, statement: str) -> bool:
        return statement not in self.forbids and (self.only is None or statement in self.only)

    def contradicts(self, other: Demands) -> bool:
        """Whether no contact at all could meet both."""
        for one, two in ((self, other), (other, self)):
            if any(not two.permits(statement) for statement in one.requires):
                return True
        if self.classes is not None and other.classes is not None:
            return self.classes.isdisjoint(other.classes)
        if self.languages and other.languages:
            return not any(speaks(a, b) for a in self.languages for b in other.languages)
        return False


class Demanding:
    """A rule that demands something of what the caller chooses."""

    demands: Demands = Demands()

    def is_due(self, ctx: Context) -> bool:
        """Whether the demand binds this contact at all."""
        return True


class Contested(Rule):
    """A rule whose demands others in force may contradict."""

    def __init__(self, rule: Rule, rivals: tuple[Rule, ...]) -> None:
        super().__init__(rule.head)
        self.rule, self.rivals = rule, rivals
        self.passed = rule.passed
        self.signals = rule.signals
        self.lookback_days = rule.lookback_days
        self.counts_number = rule.counts_number
        self.counts_account = rule.counts_account

    def is_inert(self, request: ContactRequest) -> bool:
        return self.rule.is_inert(request)

    def settled(self, declared: Declared) -> Finding | None:
        finding = self.rule.settled(declared)
        if finding is None or finding.outcome is Outcome.DENY:
            return None  # whether a rival is due depends on the person
        return finding

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        finding = self.rule.evaluate(ctx, at)
        if finding.outcome is not Outcome.DENY:
            return finding
        for rival in self.rivals:
            if isinstance(rival, Demanding) and rival.is_due(ctx):
                return msgspec.structs.replace(
                    finding,
                    outcome=Outcome.HOLD,
                    releasing_event="reviewed" if finding.first_ok is None else None,
                    detail=finding.detail | {CONFLICT: rival.head.id},
                )
        return finding


def contested(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules of a plan, with those that contradict one another made `Contested`."""
    found = tuple(rules)
    demanding = [rule for rule in found if isinstance(rule, Demanding)]
    rivals: dict[int, tuple[Rule, ...]] = {}
    for one, two in combinations(demanding, 2):
        if one.demands.contradicts(two.demands):
            for rule, rival in ((one, two), (two, one)):
                rivals[id(rule)] = (*rivals.get(id(rule), ()), rival)
    return tuple(
        Contested(rule, rivals[id(rule)]) if id(rule) in rivals else rule for rule in found
    )
