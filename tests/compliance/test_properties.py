"""Properties of the gate, for any facts that hypothesis can think of.

An independent checker recounts what the gate allowed with plain local-date arithmetic; it
shares no code with the rules.
"""

from __future__ import annotations

import random
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
    ConsentFact,
    ContactPointFacts,
    ContactRequest,
    Facts,
    HistoryEvent,
    Place,
    PreferenceFact,
    StatusFact,
    SuppressionFact,
)
from compliance.packs import Pack, PackSet, parse_pack
from compliance.permit import Allowed
from compliance.types import (
    Channel,
    CollectorRole,
    ConsentScope,
    ContentClass,
    DebtStatus,
    EventKind,
    Mode,
    PartyRole,
    PersonId,
    PointLabel,
    StatusKind,
    SuppressionScope,
    Validity,
)
from compliance.zones import zone
from tests.compliance.build import (
    consent,
    debt,
    dialed,
    event,
    facts,
    judge,
    packs,
    phone,
    request,
    rule,
)

SECOND = timedelta(seconds=1)
START = datetime(2026, 1, 5, tzinfo=UTC)
PLACES = [
    (Place(country="US", subdivision="US-FL"), "+18505550123"),
    (Place(country="US", subdivision="US-NJ"), "+12015550123"),
    (Place(country="US", subdivision="US-DC"), "+12025550123"),
    (Place(country="US", subdivision="US-WA"), "+12065550123"),
    (Place(country="US"), "+13105550123"),
    (Place(country="CL", subdivision="CL-RM"), "+56221234567"),
    (Place(country="CL", subdivision="CL-AI"), "+56912345678"),
    (Place(country="CL"), "+56322100000"),
    (Place(country="CO", subdivision="CO-DC"), "+573001234567"),
    (Place(country="PE", subdivision="PE-LIM"), "+51999888777"),
    (Place(country="MX", subdivision="MX-CHH"), "+526141234567"),
    (Place(country="PY"), "+595981234567"),
    (Place(country="PA"), "+50761234567"),
    (None, "+56221234567"),
]
OUTCOMES = [
    EventKind.DIAL_REQUESTED,
    EventKind.RANG_NO_ANSWER,
    EventKind.MACHINE_MESSAGE,
    EventKind.NOT_CONNECTED_BUSY,
    EventKind.ABANDONED,
    EventKind.CONVERSATION,
    EventKind.INBOUND_CALL,
    EventKind.INBOUND_MESSAGE,
    EventKind.MESSAGE_SENT,
    EventKind.CALLBACK_REQUESTED,
    EventKind.LETTER_MAILED,
]


def instants(days: int = 400) -> st.SearchStrategy[datetime]:
    """Instants to the millisecond, over every change of clocks of a year."""
    return st.integers(0, days * 86_400_000).map(lambda ms: START + timedelta(milliseconds=ms))


@st.composite
def histories(draw: st.DrawFn, now: datetime) -> list[HistoryEvent]:
    made: list[HistoryEvent] = []
    for n in range(draw(st.integers(0, 10))):
        ago = timedelta(minutes=draw(st.integers(1, 12 * 24 * 60)))
        kind = draw(st.sampled_from(OUTCOMES))
        inbound = kind in (EventKind.INBOUND_CALL, EventKind.INBOUND_MESSAGE)
        made.append(
            event(
                f"e{n}",
                now - ago,
                kind,
                channel=draw(st.sampled_from([Channel.VOICE, Channel.SMS, None])),
                debts=draw(st.sampled_from([(), ("debt-1",), ("debt-2", "debt-1")])),
                mode=None if inbound else draw(st.sampled_from([Mode.PREDICTIVE, Mode.MANUAL])),
                label=draw(st.sampled_from([None, PointLabel.WORK, PointLabel.HOME])),
                misdirected=draw(st.integers(0, 9)) == 0,
            )
        )
    return made


@st.composite
def subjects(draw: st.DrawFn, now: datetime) -> Facts:
    place, number = draw(st.sampled_from(PLACES))
    rare = st.sampled_from([False] * 7 + [True])
    points: list[ContactPointFacts] = [
        phone(
            number,
            label=draw(st.sampled_from(list(PointLabel))),
            validity=draw(st.sampled_from([Validity.UNVERIFIED, Validity.VERIFIED_RIGHT_PARTY])),
            shared_with=(PersonId("another"),) if draw(rare) else (),
            role=PartyRole.REFERENCE if draw(rare) else PartyRole.HOLDER,
            opted_out_at=now if draw(rare) else None,
        )
    ]
    if draw(rare):
        points.append(phone("+18085550123", "point-2"))
    later = now + timedelta(minutes=draw(st.integers(1, 30 * 24 * 60)))
    statuses = [StatusFact(kind=StatusKind.CEASE, since=now, until=later)] if draw(rare) else []
    suppressions = [
        SuppressionFact(
            suppression_id="s",
            scope=draw(st.sampled_from(list(SuppressionScope))),
            reason="manual",
            starts_at=now,
            ends_at=draw(st.sampled_from([None, later])),
        )
    ]
    preferences = [
        PreferenceFact(
            preference_id="p",
            at=now,
            forbidden_labels=(PointLabel.HOME,),
            expires_at=draw(st.sampled_from([None, later])),
        )
    ]
    consents: list[ConsentFact] = [consent(ConsentScope.CHANNEL, now - timedelta(days=20))]
    if draw(rare):
        shift = timedelta(hours=draw(st.integers(-200, 200)))
        consents.append(consent(ConsentScope.FREQUENCY, now + shift))
        consents.append(consent(ConsentScope.HOURS, now + shift, expires_at=later))
    return facts(
        place,
        points=points,
        debts=[
            debt(status=DebtStatus.DISPUTED if draw(rare) else DebtStatus.OVERDUE),
            debt("debt-2", account_number_key="k" if draw(rare) else None),
        ],
        history=draw(histories(now)),
        consents=consents,
        statuses=statuses,
        suppressions=suppressions if draw(rare) else [],
        preferences=preferences if draw(rare) else [],
        role=draw(st.sampled_from(list(CollectorRole))),
        complete_from=now - timedelta(days=3) if draw(rare) else None,
    )


@st.composite
def questions(draw: st.DrawFn) -> tuple[ContactRequest, Facts, datetime]:
    now = draw(instants())
    known = draw(subjects(now))
    channel = draw(st.sampled_from([Channel.VOICE, Channel.VOICE, Channel.SMS]))
    answers = None
    mode = draw(st.sampled_from([Mode.PREDICTIVE, Mode.MANUAL, Mode.REPLY, Mode.CALLBACK]))
    if mode in (Mode.REPLY, Mode.CALLBACK) and known.history:
        answers = draw(st.sampled_from([e.event_id for e in known.history]))
    asked = request(
        channel,
        mode,
        debts=draw(st.sampled_from([("debt-1",), ("debt-2",), ("debt-1", "debt-2")])),
        content=draw(st.sampled_from([ContentClass.NEUTRAL, ContentClass.VERIFIED])),
        prerecorded=draw(st.booleans()),
        answers=answers,
    )
    return asked, known, now


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
def test_rules_that_are_not_asked_would_have_passed(
    question: tuple[ContactRequest, Facts, datetime],
) -> None:
    """The short way of `Plan.shape` gives what asking every rule gives."""
    asked, known, now = question
    ctx = Context(asked, known, now.astimezone(UTC))
    plan = packs().plan(ctx, now)
    _, active = plan.shape(ctx.signals)
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
