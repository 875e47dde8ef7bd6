"""Adding up what counters stood at, and what rules stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from compliance.messages import DecisionRecord
from compliance.types import Outcome
from dialer.core.counters import BlockTotals, CounterTotals, CounterUse, counters_of
from tests.compliance.build import NEW_JERSEY, event, facts, judge

NOON = datetime(2026, 11, 24, 17, tzinfo=UTC)
RULE = "us-reg-f/calls_7_in_7"


def decided(calls: int) -> DecisionRecord:
    """A decision after so many calls about the debt, one a day, some days ago."""
    history = [event(f"e-{n}", NOON - timedelta(days=6, hours=-n)) for n in range(calls)]
    return judge(facts(NEW_JERSEY, history=history), NOON)


def seven_in_seven(*records: DecisionRecord) -> CounterUse:
    totals = CounterTotals()
    for record in records:
        totals.add(record)
    (use,) = [use for use in totals.sorted() if use.limit == 7]
    return use


def test_the_counters_of_a_decision() -> None:
    (counter,) = [c for c in counters_of(decided(4)) if c.limit == 7]
    assert counter.before == 4
    assert counter.event_ids == ("e-0", "e-1", "e-2", "e-3")
    assert counter.window_start is not None


def test_near_misses_and_what_was_stopped() -> None:
    use = seven_in_seven(decided(4), decided(5), decided(6), decided(7))
    assert (use.decisions, use.near, use.at_limit, use.stopped, use.exceeded) == (4, 1, 1, 1, 0)
    assert (use.most, use.pack.startswith("us")) == (7, True)


def test_a_contact_beyond_the_limit_is_told_unless_lifted() -> None:
    """Cannot come from the gate: a record like this means that something is broken."""
    seventh = decided(7)
    for outcome, exceeded, lifted in ((Outcome.PASS, 1, 0), (Outcome.LIFTED, 0, 1)):
        findings = tuple(
            msgspec.structs.replace(f, outcome=outcome) if f.limit == 7 else f
            for f in seventh.findings
        )
        forged = msgspec.structs.replace(seventh, allowed=True, findings=findings)
        use = seven_in_seven(forged)
        assert (use.exceeded, use.lifted, use.most) == (exceeded, lifted, 8)


def test_headlines_add_up() -> None:
    totals = BlockTotals()
    totals.add(NOON, "a", ["a", "b"])
    totals.add(NOON - timedelta(days=1), "b", ["b"])
    totals.add(NOON, "b", ["b", "a", "a"])
    rules = {rule.rule_id: rule for rule in totals.sorted()}
    assert list(rules) == ["b", "a"]
    assert (rules["b"].headline, rules["b"].any, rules["a"].headline, rules["a"].any) == (
        2,
        3,
        1,
        2,
    )
    assert rules["b"].by_day == {"2026-11-23": 1, "2026-11-24": 1}
    assert (rules["b"].first_at, rules["b"].last_at) == (NOON - timedelta(days=1), NOON)
