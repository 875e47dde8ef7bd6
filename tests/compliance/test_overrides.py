"""Overrides lift what the house made for itself, once or for a while; law they never touch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from compliance.messages import DecisionRecord, Facts, OverrideFact
from compliance.overrides import overridable
from compliance.rules.base import Head
from compliance.types import Basis, ContactPointId, Outcome, ReasonGroup, RuleKind
from tests.compliance.build import event, facts, finding, judge, packs, stops

NOON = datetime(2026, 11, 24, 17, tzinfo=UTC)
RULE = "house/no_rapid_succession"
HOUSE = packs("house")
HOUR = timedelta(hours=1)


def override(**fields: object) -> OverrideFact:
    usual = OverrideFact(
        override_id="o-1", rule_id=RULE, starts_at=NOON - HOUR, ends_at=NOON + 6 * HOUR
    )
    return msgspec.structs.replace(usual, **fields)


def called_just_now(*overrides: OverrideFact) -> Facts:
    known = facts(history=(event("e-1", NOON - timedelta(minutes=5)),))
    subject = msgspec.structs.replace(known.subject, overrides=overrides)
    return msgspec.structs.replace(known, subject=subject)


def decided(*overrides: OverrideFact, at: datetime = NOON) -> DecisionRecord:
    return judge(called_just_now(*overrides), at, rules=HOUSE)


def test_without_one_the_rule_stops() -> None:
    assert stops(decided()) == [RULE]


def test_the_finding_names_it() -> None:
    record = decided(override())
    assert record.allowed
    lifted = finding(record, RULE)
    assert (lifted.outcome, lifted.lifted_by) == (Outcome.LIFTED, "override:o-1")


@pytest.mark.parametrize(
    "fields",
    [
        {"rule_id": "house/three_dials_a_day"},
        {"starts_at": NOON + timedelta(seconds=1)},
        {"ends_at": NOON},
        {"used_at": NOON - HOUR},
        {"contact_point_id": ContactPointId("another")},
    ],
    ids=["another rule", "not yet", "no more", "used up", "another number"],
)
def test_what_does_not_fit_lifts_nothing(fields: dict[str, object]) -> None:
    assert stops(decided(override(**fields))) == [RULE]


def test_the_first_lawful_moment_is_its_start() -> None:
    starts = NOON + timedelta(minutes=10)
    assert decided(override(starts_at=starts)).first_allowed == starts
    late = decided(override(starts_at=NOON + 2 * HOUR))
    assert late.first_allowed == NOON + timedelta(minutes=55)


@pytest.mark.parametrize("head", packs().heads.values(), ids=lambda head: head.id)
def test_no_law_and_no_right_of_a_person_can_be_overridden(head: Head) -> None:
    if overridable(head):
        assert head.basis is Basis.POLICY
        assert head.group in (ReasonGroup.HOURS, ReasonGroup.COUNTERS)
        assert head.pack != "marcador"
    if head.kind in (RuleKind.STATUS_GATE, RuleKind.OPT_OUT, RuleKind.RECIPIENT_RULE):
        assert not overridable(head)


def test_the_house_has_rules_that_can_be() -> None:
    assert {head.id for head in HOUSE.heads.values() if overridable(head)} == {
        "house/no_rapid_succession",
        "house/rest_after_abandoned",
        "house/three_dials_a_day",
    }


def test_an_override_of_law_that_got_into_the_facts_lifts_nothing() -> None:
    """Whoever wrote it there: the gate asks the rule itself."""
    night = datetime(2026, 11, 24, 4, tzinfo=UTC)
    stopped = judge(facts(), night)
    laws = [f.rule_id for f in stopped.findings if f.outcome.stops and f.basis is Basis.LAW]
    assert laws
    forged = tuple(
        override(override_id=f"o-{i}", rule_id=rule, starts_at=night - HOUR, ends_at=night + HOUR)
        for i, rule in enumerate(stops(stopped))
    )
    known = facts()
    subject = msgspec.structs.replace(known.subject, overrides=forged)
    again = judge(msgspec.structs.replace(known, subject=subject), night)
    assert set(laws) <= set(stops(again))
