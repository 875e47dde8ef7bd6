"""What the gate remembers between decisions changes none of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance import context, gate, hours, zones
from compliance.context import Context
from compliance.declared import Declared
from compliance.messages import Collector, ContactRequest, DecisionRecord, Facts, Finding
from compliance.packs import Pack, PackSet, parse_pack
from compliance.plan import Plan
from compliance.rules.base import PackRule, Rule
from compliance.rules.structure import structural_heads
from compliance.types import ContentClass
from tests.compliance.build import NEW_JERSEY, dialed, facts, judge, local, packs
from tests.compliance.strategies import STATEMENTS, declarations, questions
from tests.compliance.test_packs import EXAMPLE
from tests.compliance.test_properties import slow

Question = tuple[ContactRequest, Facts, datetime]
IDENTITY = {
    "decision_id",
    "person_id",
    "contact_point_id",
    "debt_ids",
    "campaign_id",
    "agent_id",
    "template_hash",
    "answers_event_id",
}
"""Fields of a request that say whom or what it is about."""
OF_THE_PLAN = {"channel", "mode", "purpose", "prerecorded", "autodialed"}
"""Fields of a request that choose the plan."""
KEPT = PackSet([*packs().packs, parse_pack(EXAMPLE.read_text("utf-8"), name="of every kind")])


def _new(rule: Rule) -> Rule:
    assert isinstance(rule, PackRule)
    return type(rule)(rule.head, rule.params, rule.calendars)


def afresh(asked: ContactRequest, known: Facts, now: datetime) -> DecisionRecord:
    """The decision of a gate that remembers nothing."""
    for module in (context, gate, hours, zones):
        for name, each in vars(module).items():
            if name.startswith("_") and hasattr(each, "cache_clear") and name not in _TABLES:
                each.cache_clear()
    loaded = [Pack(p.doc, p.ref, tuple(_new(rule) for rule in p.rules)) for p in KEPT.packs]
    return judge(known, now, asked, PackSet(loaded))


_TABLES = {"_tables", "_area_codes"}


@st.composite
def turns(draw: st.DrawFn) -> list[Question]:
    """A question, and others that differ from it in what is declared, when, or about whom."""
    asked, known, now = draw(questions())
    made = [(asked, known, now)]
    for _ in range(draw(st.integers(1, 3))):
        other, others, _ = draw(questions())
        declared = draw(declarations())
        one = draw(st.sampled_from(sorted(declared))) if declared else None
        if one is not None and draw(st.booleans()):
            declared = {one: declared[one]}
        said = msgspec.structs.replace(asked, **declared)
        named = draw(st.sampled_from(["", "Cobros Sur"]))
        collector = msgspec.structs.replace(known.collector, name_neutral=named, languages=("es",))
        made.append(
            draw(
                st.sampled_from(
                    [
                        (said, known, now),
                        (asked, msgspec.structs.replace(known, collector=collector), now),
                        (asked, known, now + timedelta(minutes=draw(st.integers(-900, 900)))),
                        (said, msgspec.structs.replace(known, history=others.history), now),
                        (other, others, now),
                    ]
                )
            )
        )
    return made


@given(turns())
@settings(slow, max_examples=80)
def test_a_gate_that_remembers_decides_like_one_that_does_not(asked: list[Question]) -> None:
    remembered = [judge(known, now, request, KEPT) for request, known, now in [*asked, *asked]]
    assert remembered == 2 * [afresh(*question) for question in asked]


@given(questions())
@slow
def test_what_is_settled_is_what_is_said_when_asked(question: Question) -> None:
    asked, known, now = question
    ctx = Context(asked, known, now.astimezone(UTC))
    for rule in KEPT.plan(ctx, now).rules:
        settled = rule.settled(ctx.declared)
        if settled is not None:
            for later in (now, now + timedelta(days=9)):
                assert rule.evaluate(ctx, later) == settled, rule.head.id


def test_everything_that_a_request_declares_is_in_the_key() -> None:
    declared = set(Declared._fields) - {"name_neutral"}
    assert declared | IDENTITY | OF_THE_PLAN == set(ContactRequest.__struct_fields__)


@pytest.mark.parametrize("field", Declared._fields)
def test_declared_takes_each_field_from_its_own(field: str) -> None:
    told = {name: f"{name} told" for name in Declared._fields}
    asked = msgspec.structs.replace(
        dialed(), **{name: text for name, text in told.items() if name != "name_neutral"}
    )
    collector = msgspec.structs.replace(
        facts(NEW_JERSEY).collector, name_neutral=told["name_neutral"]
    )
    assert isinstance(collector, Collector)
    assert getattr(Declared.of(asked, collector), field) == told[field]


class Echo(Rule):
    """Says what was declared."""

    def settled(self, declared: Declared) -> Finding:
        return self.stop(repr(declared))

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        return self.settled(ctx.declared)


@pytest.mark.parametrize("field", Declared._fields)
def test_what_differs_in_one_field_is_settled_apart(field: str) -> None:
    head = msgspec.structs.replace(structural_heads()[0], id="test/echo")
    plan = Plan((), {}, (Echo(head),), dialed())
    one = Declared.of(dialed(), facts(NEW_JERSEY).collector)
    values = zip(Declared._fields, one, strict=True)
    other = Declared._make("another" if name == field else value for name, value in values)
    for _ in range(2):
        for declared in (one, other):
            said = [step.settled for step in plan.steps(0, declared) if step.settled]
            assert [finding.code for finding in said] == [repr(declared)]


def test_what_cannot_be_a_key_is_decided_all_the_same() -> None:
    """A list where a tuple belongs: nothing is remembered of it, nothing fails."""
    now = local("America/New_York", 2026, 11, 24, 12)
    said = list(STATEMENTS)
    asked = msgspec.structs.replace(dialed(), statements=said, content_class=ContentClass.NEUTRAL)
    proper = msgspec.structs.replace(asked, statements=tuple(said))
    wrong, right = (judge(facts(NEW_JERSEY), now, each) for each in (asked, proper))
    assert wrong.findings == right.findings
    assert wrong.passed == right.passed
