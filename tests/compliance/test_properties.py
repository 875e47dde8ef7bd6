"""Properties of the gate, for any facts that hypothesis can think of.

An independent checker recounts what the gate allowed with plain local-date arithmetic; it
shares no code with the rules.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.context import Context
from compliance.gate import decide
from compliance.hours import local_date
from compliance.messages import (
    ContactPointFacts,
    ContactRequest,
    Facts,
    HistoryEvent,
    Place,
)
from compliance.packs import Pack, PackSet, parse_pack
from compliance.permit import Allowed
from compliance.types import (
    EventKind,
)
from compliance.zones import zone
from tests.compliance.build import (
    debt,
    dialed,
    event,
    facts,
    judge,
    packs,
    phone,
    rule,
    stops,
)
from tests.compliance.strategies import instants, questions
from tests.compliance.test_packs import EXAMPLE

SECOND = timedelta(seconds=1)
HOUSE = re.sub(r"(?ms)^\[applies_when\].*?^\[\[", "[[", EXAMPLE.read_text("utf-8"), count=1)
WITH_HOUSE = PackSet([*packs().packs, parse_pack(HOUSE, name="house of every kind")])
slow = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(questions(), st.lists(st.floats(0, 1), max_size=4))
@slow
def test_first_allowed_is_the_first_allowed(
    question: tuple[ContactRequest, Facts, datetime], fractions: list[float]
) -> None:
    asked, known, now = question
    record = judge(known, now, asked)
    first = record.first_allowed
    if record.allowed:
        assert first == now
        return
    if first is None:
        assert record.releasing_event
        for days in (1, 8, 40):
            later = now + timedelta(days=days)
            after = judge(known, later, asked)
            if after.allowed:
                assert record.releasing_event == "nothing_within_horizon"
        return
    assert first.microsecond == 0
    assert judge(known, first, asked).allowed
    if first - SECOND >= now:
        assert not judge(known, first - SECOND, asked).allowed
    for fraction in fractions:
        between = now + (first - now) * fraction
        if between < first - SECOND:
            assert not judge(known, between, asked).allowed


@given(questions(), st.integers(0, 2**32))
@slow
def test_the_order_of_packs_and_rules_changes_nothing(
    question: tuple[ContactRequest, Facts, datetime], seed: int
) -> None:
    asked, known, now = question
    chance = random.Random(seed)
    shuffled = [
        Pack(pack.doc, pack.ref, tuple(chance.sample(pack.rules, len(pack.rules))))
        for pack in chance.sample(packs().packs, len(packs().packs))
    ]
    assert judge(known, now, asked, PackSet(shuffled)) == judge(known, now, asked)


EXTRA = [
    rule(
        "frequency_cap",
        'max = 2\nwindow = { unit = "calendar_week" }\n'
        'count = { events = ["rang_no_answer", "conversation", "abandoned"] }',
    ),
    rule("cooldown", 'length = 3\ncount = { events = ["message_sent", "conversation"] }'),
    rule(
        "contact_window",
        'weekly = [{ days = ["mon", "wed", "fri"], open = 10:15:30, close = 16:00:00 }]',
    ),
    rule("content_rule", 'allow = ["neutral"]'),
]


@given(questions(), st.sampled_from(EXTRA))
@slow
def test_adding_a_rule_never_allows_more(
    question: tuple[ContactRequest, Facts, datetime], extra: str
) -> None:
    asked, known, now = question
    text = (
        'pack = "extra"\nversion = "2026.1.1"\nkind = "house_policy"\n'
        f'status = "machine_checked"\ntitle = "Extra"\n{extra}'
    )
    more = PackSet([*packs().packs, parse_pack(text, name="extra.toml")])
    before, after = judge(known, now, asked), judge(known, now, asked, more)
    assert before.allowed or not after.allowed
    if after.first_allowed is not None:
        assert before.first_allowed is not None
        assert before.first_allowed <= after.first_allowed


@given(questions())
@slow
def test_a_house_policy_of_any_kind_never_allows_more(
    question: tuple[ContactRequest, Facts, datetime],
) -> None:
    """A pack with a rule of every kind, as house policy and for everybody: nothing it can say
    lifts what a law says, and no lawful moment comes earlier."""
    asked, known, now = question
    before, after = judge(known, now, asked), judge(known, now, asked, WITH_HOUSE)
    assert set(stops(before)) <= set(stops(after))
    assert before.allowed or not after.allowed
    if after.first_allowed is not None:
        assert before.first_allowed is not None
        assert before.first_allowed <= after.first_allowed


@given(questions(), st.sets(st.sampled_from([p.doc.pack for p in packs().packs])))
@slow
def test_fewer_packs_never_stop_more(
    question: tuple[ContactRequest, Facts, datetime], left_out: set[str]
) -> None:
    """But for the strict default, which is there for countries that have no pack."""
    asked, known, now = question
    every = PackSet([p for p in packs().packs if p.doc.pack != "default"])
    some = PackSet([p for p in every.packs if p.doc.pack not in left_out])
    assert set(stops(judge(known, now, asked, some))) <= set(stops(judge(known, now, asked, every)))


@given(questions())
@slow
def test_rules_that_are_not_asked_would_have_passed(
    question: tuple[ContactRequest, Facts, datetime],
) -> None:
    """The short way of `Plan.shape` gives what asking every rule gives."""
    asked, known, now = question
    ctx = Context(asked, known, now.astimezone(UTC))
    plan = packs().plan(ctx, now)
    active = plan.shape(ctx.signals)
    rules_asked = {index for index, _ in active}
    for index, each in enumerate(plan.rules):
        if index not in rules_asked:
            for later in (now, now + timedelta(days=9)):
                assert each.evaluate(ctx, later) is each.passed, each.head.id


@given(questions())
@slow
def test_each_rule_alone_passes_first_at_its_own_first_ok(
    question: tuple[ContactRequest, Facts, datetime],
) -> None:
    asked, known, now = question
    ctx = Context(asked, known, now.astimezone(UTC))
    millisecond = timedelta(milliseconds=1)
    for each in packs().plan(ctx, now).rules:
        said = each.evaluate(ctx, now)
        if not said.outcome.stops or said.first_ok is None:
            continue
        assert said.first_ok > now, each.head.id
        assert not each.evaluate(ctx, said.first_ok).outcome.stops, each.head.id
        if said.first_ok - millisecond > now:
            assert each.evaluate(ctx, said.first_ok - millisecond).outcome.stops, each.head.id


@given(questions())
@slow
def test_the_record_is_reproducible_and_survives_json(
    question: tuple[ContactRequest, Facts, datetime],
) -> None:
    asked, known, now = question
    record = judge(known, now, asked)
    copy = msgspec.json.decode(msgspec.json.encode(known), type=Facts)
    assert judge(copy, now, asked, PackSet(packs().packs)) == record


# --- independent recount ------------------------------------------------------------------------

COUNTED = {
    EventKind.DIAL_REQUESTED,
    EventKind.RANG_NO_ANSWER,
    EventKind.MACHINE_MESSAGE,
    EventKind.ABANDONED,
    EventKind.CONVERSATION,
}


def clock(at: datetime, name: str) -> datetime:
    return at.astimezone(zone(name))


def check_us(placed: list[HistoryEvent], zones: tuple[str, ...]) -> None:
    """Reg F by hand: hours, seven in seven dates, silence after a conversation."""
    for index, call in enumerate(placed):
        for name in zones:
            wall = clock(call.at, name)
            assert 8 <= wall.hour < 21, (call.at, name)
            for owed in call.debt_ids:
                before = [e for e in placed[:index] if owed in e.debt_ids]
                dates = [(local_date(e.at, name), e) for e in before]
                today = wall.date()
                week = [
                    e
                    for day, e in dates
                    if e.kind in COUNTED and (today - day).days < 7
                    and (e.kind is EventKind.CONVERSATION or e.debt_ids[0] == owed)
                ]  # fmt: skip
                assert len(week) <= 6, (call.at, name, owed)
                talks = [day for day, e in dates if e.kind is EventKind.CONVERSATION]
                assert all((today - day).days >= 7 for day in talks), (call.at, name, owed)


def check_cl(placed: list[HistoryEvent], zones: tuple[str, ...]) -> None:
    """Chile by hand: Monday to Saturday 8-20, one counted call a calendar week."""
    for name in zones:
        weeks: dict[tuple[int, int], int] = {}
        for call in placed:
            wall = clock(call.at, name)
            assert wall.isoweekday() != 7
            assert 8 <= wall.hour < 20
            week = wall.date().isocalendar()[:2]
            assert weeks.get(week, 0) == 0, (call.at, name)
            if call.kind in COUNTED:
                weeks[week] = weeks.get(week, 0) + 1


def check_pe(placed: list[HistoryEvent], zones: tuple[str, ...]) -> None:
    """Peru by hand: Monday to Friday 7-20, not at Christmas."""
    for call in placed:
        wall = clock(call.at, "America/Lima")
        assert wall.isoweekday() <= 5
        assert 7 <= wall.hour < 20
        assert wall.date() != date(2026, 12, 25)


@pytest.mark.parametrize(
    ("place", "points", "check", "step_h"),
    [
        (
            Place(country="US", subdivision="US-FL"),
            [phone("+18505550123"), phone("+12125550123", "point-2")],
            check_us,
            5,
        ),
        (Place(country="US", subdivision="US-NJ"), [phone()], check_us, 3),
        (Place(country="CL", subdivision="CL-AI"), [phone("+56221234567")], check_cl, 20),
        (Place(country="PE"), [phone("+51999888777")], check_pe, 7),
    ],
)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_sequence_of_allowed_calls_breaks_a_rule(
    place: Place,
    points: list[ContactPointFacts],
    check: Callable[[list[HistoryEvent], tuple[str, ...]], None],
    step_h: int,
    data: st.DataObject,
) -> None:
    """Ask at random instants, place what is allowed, and recount everything by hand."""
    seed = data.draw(st.integers(0, 2**32), label="seed")
    chance = random.Random(seed)
    at = data.draw(instants(330), label="start")
    law = packs("us", "us-fl", "us-tcpa", "cl", "pe")
    placed: list[HistoryEvent] = []
    kinds = [*COUNTED, EventKind.NOT_CONNECTED_BUSY, EventKind.RANG_NO_ANSWER]
    zones: tuple[str, ...] = ()
    for n in range(150):
        at += timedelta(seconds=chance.randrange(1, step_h * 7200))
        named = chance.choice([("debt-1",), ("debt-2",), ("debt-2", "debt-1")])
        known = facts(place, points=points, debts=[debt(), debt("debt-2")], history=placed[-60:])
        verdict = decide(dialed(debt_ids=named), known, law, at)
        zones = verdict.record.zones
        if isinstance(verdict, Allowed):
            placed.append(event(f"e{n}", at, chance.choice(kinds), debts=named))
        elif verdict.first_allowed is not None and chance.random() < 0.3:
            at = verdict.first_allowed
            placed.append(event(f"e{n}", at, chance.choice(kinds), debts=named))
    assert placed, seed
    check(placed, zones)
