"""The examples that a pack brings along, put to the gate: `marcador packs validate`."""

from __future__ import annotations

import msgspec

from compliance.messages import DecisionRecord, Message
from compliance.packs import Pack, PackSet
from compliance.schema import RuleTest
from compliance.types import Outcome
from dialer.runtime.asking import completed
from dialer.runtime.checking import BadQuestion, Question, decided


class FailedExample(Message, frozen=True, kw_only=True):
    """An example whose rule says something else than the pack expects."""

    rule_id: str
    name: str
    expected: str
    found: str


def failed_examples(pack: Pack, built_in: PackSet) -> tuple[FailedExample, ...]:
    """Ask every example of a pack; those that come out otherwise. `built_in` goes along."""
    others = [p for p in built_in.packs if p.doc.pack != pack.doc.pack]
    packs = PackSet([*others, pack])
    failed: list[FailedExample] = []
    for rule in pack.doc.rules:
        rule_id = f"{pack.doc.pack}/{rule.id}"
        for test in rule.tests:
            expected = f"{test.expect} {test.code}".strip()
            found = _said(rule_id, test, packs)
            if found != expected:
                failed.append(
                    FailedExample(rule_id=rule_id, name=test.name, expected=expected, found=found)
                )
    return tuple(failed)


def _said(rule_id: str, test: RuleTest, packs: PackSet) -> str:
    """What the rule says about the example, in the words of the expectation."""
    try:
        question = msgspec.convert(completed(test.question), Question)
        record = decided(question, packs)
    except (msgspec.ValidationError, BadQuestion) as error:
        return f"the question cannot be read: {error}"
    return _outcome(rule_id, record, with_code=bool(test.code))


def _outcome(rule_id: str, record: DecisionRecord, *, with_code: bool) -> str:
    if rule_id in record.passed:
        return str(Outcome.PASS)
    for finding in record.findings:
        if finding.rule_id == rule_id:
            return f"{finding.outcome} {finding.code if with_code else ''}".strip()
    return "the rule does not bind this contact"
