"""What the counters stood at when a contact was decided, from its record. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from compliance.messages import DecisionRecord
from compliance.types import Outcome, ReasonGroup

NEAR: int = 1
"""A counter this far below its limit, or nearer, is a near miss."""


class CounterAt(msgspec.Struct, frozen=True, kw_only=True):
    """One counter at the moment of one decision."""

    rule_id: str
    before: int
    """Contacts counted in the window, this one not among them."""
    limit: int | None
    outcome: Outcome
    window_start: datetime | None
    window_end: datetime | None
    event_ids: tuple[str, ...]
    """The contacts that were counted."""


def counters_of(record: DecisionRecord) -> tuple[CounterAt, ...]:
    """The counters of a decision: 7 in 7 days, one a week ..., by rule."""
    return tuple(
        CounterAt(
            rule_id=finding.rule_id,
            before=finding.counter,
            limit=finding.limit,
            outcome=finding.outcome,
            window_start=finding.window_start,
            window_end=finding.window_end,
            event_ids=finding.event_ids,
        )
        for finding in record.findings
        if finding.counter is not None and finding.group is ReasonGroup.COUNTERS
    )


class CounterUse(msgspec.Struct, kw_only=True):
    """How far one counter was used in a period."""

    rule_id: str
    pack: str
    """Names the jurisdiction: `us-reg-f`, `us-ma`, `cl` ..."""
    limit: int | None = None
    decisions: int = 0
    most: int = 0
    """Highest count reached, the contacts that were made included."""
    at_limit: int = 0
    """Contacts that were made as the last one allowed."""
    near: int = 0
    """Contacts that were made with one more left."""
    stopped: int = 0
    """Contacts that were not made because the limit was reached."""
    exceeded: int = 0
    """Contacts that were made beyond the limit and that nothing lifted. Must be 0."""
    lifted: int = 0
    most_decision_id: str = ""
    """A decision with the highest count."""


class CounterTotals:
    """Adds decisions up, one after the other."""

    def __init__(self) -> None:
        self.uses: dict[str, CounterUse] = {}

    def add(self, record: DecisionRecord) -> None:
        for counter in counters_of(record):
            use = self.uses.get(counter.rule_id)
            if use is None:
                use = self.uses[counter.rule_id] = CounterUse(
                    rule_id=counter.rule_id, pack=counter.rule_id.partition("/")[0]
                )
            self._count(use, counter, record)

    def _count(self, use: CounterUse, counter: CounterAt, record: DecisionRecord) -> None:
        use.limit = counter.limit
        use.decisions += 1
        reached = counter.before + record.allowed
        if reached > use.most or not use.most_decision_id:
            use.most, use.most_decision_id = reached, record.decision_id
        if counter.outcome is Outcome.LIFTED:
            use.lifted += 1
        elif counter.outcome.stops:
            use.stopped += 1
        if counter.limit is None or not record.allowed:
            return
        if reached == counter.limit:
            use.at_limit += 1
        elif reached == counter.limit - NEAR:
            use.near += 1
        elif reached > counter.limit and counter.outcome is not Outcome.LIFTED:
            use.exceeded += 1

    def sorted(self) -> list[CounterUse]:
        return [self.uses[rule_id] for rule_id in sorted(self.uses)]


class BlockedBy(msgspec.Struct, kw_only=True):
    """Contacts that one rule stopped in a period."""

    rule_id: str
    headline: int = 0
    """Contacts whose first reason it was: these add up to all that were blocked."""
    any: int = 0
    """Contacts that it stopped, alone or with other rules."""
    first_at: datetime | None = None
    last_at: datetime | None = None
    by_day: dict[str, int] = {}
    """Headlines by date (UTC)."""


class BlockTotals:
    """Adds blocked contacts up, one after the other, in the order of their instants or not."""

    def __init__(self) -> None:
        self.blocked = 0
        self._rules: dict[str, BlockedBy] = {}

    def add(self, at: datetime, headline: str, stops: Iterable[str]) -> None:
        self.blocked += 1
        for rule_id in dict.fromkeys((headline, *stops)):
            rule = self._rules.get(rule_id)
            if rule is None:
                rule = self._rules[rule_id] = BlockedBy(rule_id=rule_id)
            rule.any += 1
            rule.first_at = at if rule.first_at is None else min(rule.first_at, at)
            rule.last_at = at if rule.last_at is None else max(rule.last_at, at)
        rule = self._rules[headline]
        rule.headline += 1
        day = at.date().isoformat()
        rule.by_day[day] = rule.by_day.get(day, 0) + 1

    def sorted(self) -> list[BlockedBy]:
        """The rule that stopped most first."""
        return sorted(self._rules.values(), key=lambda r: (-r.headline, -r.any, r.rule_id))
