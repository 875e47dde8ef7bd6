"""Questions to the ledger."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from compliance.messages import Subject
from compliance.types import (
    AccountId,
    CampaignId,
    DecisionId,
    EventKind,
    PartyRole,
    PersonId,
)
from dialer.core.records import AttemptEnded, AttemptPlanned, CallbackRequested, fold_history
from dialer.core.snapshots import AccountSnapshot, EnrolmentState, PersonSnapshot
from dialer.core.writes import CloseCallback, MoveEnrolment, SaveCallback
from dialer.stores.ledger.accounts import STATEMENTS
from dialer.stores.ledger.bulk import Dialect, JsonQuery
from dialer.stores.ledger.database import Ledger, LedgerUnavailable, Trouble, open_ledger
from dialer.stores.ledger.reads import (
    _ABANDONMENT,
    _ENROLMENTS,
    _SPELLS,
    AnswerCounts,
    AnsweredSpell,
    EnrolmentRow,
)
from dialer.stores.ledger.streams import _STANDING, EventStore, NewEvent
from tests.stores.ledger.world import (
    CAMPAIGN,
    NOW_MS,
    add_account,
    add_person,
    append_one,
    blocked,
    changed,
    ended,
    found,
    planned,
    point_of,
)

SHARED = "+12125550100"
NUMBER = f"number:{SHARED}"
HOUR_MS = 3_600_000


@pytest.fixture
async def family(ledger: Ledger) -> None:
    """Ana and Bea share a number and an account; Eva shares nothing."""
    await found(ledger)
    await add_person(ledger, "ana", {SHARED: ["bea"], "+12125550101": []})
    await add_person(ledger, "bea", {SHARED: ["ana"]})
    await add_person(ledger, "eva", {"+12125550102": []})
    await add_account(ledger, "joint", {"ana": "holder", "bea": "guarantor"})
    await add_account(ledger, "single", {"eva": "holder"})


async def one(
    store: EventStore, account_id: str, campaign_id: CampaignId | None = CAMPAIGN, since_ms: int = 0
) -> AccountSnapshot:
    [snapshot] = await store.read_accounts(campaign_id, [AccountId(account_id)], since_ms)
    return snapshot


def guard(person: PersonSnapshot) -> dict[str, int]:
    return {str(stream): seq for stream, seq in person.heads.items()}


@pytest.mark.usefixtures("family")
async def test_an_untouched_account(store: EventStore) -> None:
    snapshot = await one(store, "single")
    assert snapshot.state == "active"
    assert snapshot.enrolment == EnrolmentState("ready", 0, 5, 0, None)
    assert snapshot.callbacks == []
    [eva] = snapshot.people
    assert (eva.person_id, eva.role, eva.head_seq) == ("eva", PartyRole.HOLDER, 0)
    assert isinstance(eva.subject, Subject)
    assert eva.subject.contact_points[0].address == "+12125550102"
    assert (eva.heads, eva.rows, eva.related) == ({"eva": 0}, [], [])


@pytest.mark.usefixtures("family")
async def test_accounts_come_in_the_order_asked_and_unknown_ones_not_at_all(
    store: EventStore,
) -> None:
    asked = [AccountId(a) for a in ("single", "nobody", "joint")]
    assert [s.account_id for s in await store.read_accounts(None, asked, 0)] == ["single", "joint"]
    assert await store.read_accounts(CAMPAIGN, [], 0) == []
    snapshot = await one(store, "single", None)
    assert snapshot.enrolment is None
    assert (await one(store, "single", CampaignId("other"))).enrolment is None


@pytest.mark.usefixtures("family")
async def test_heads_name_every_stream_that_is_shared(store: EventStore) -> None:
    ana, bea = sorted((await one(store, "joint")).people, key=lambda person: person.person_id)
    assert ana.heads == {"ana": 0, NUMBER: 0, "account:joint": 0}
    assert bea.heads == {"bea": 0, NUMBER: 0, "account:joint": 0}
    assert bea.role is PartyRole.GUARANTOR
    await append_one(store, planned("ana", "a1", links=(NUMBER, "account:joint")))
    await append_one(store, ended("ana", "a1", links=(NUMBER,)))
    ana, bea = sorted((await one(store, "joint")).people, key=lambda person: person.person_id)
    assert ana.heads == {"ana": 2, NUMBER: 2, "account:joint": 1}
    assert bea.heads == {"bea": 0, NUMBER: 2, "account:joint": 1}
    won = await append_one(store, planned("bea", "b1", expected=guard(bea), links=(NUMBER,)))
    assert won.seq == 1
    assert await store.append([planned("bea", "b2", expected=guard(bea))]) == [None]


@pytest.mark.usefixtures("family")
async def test_what_others_did_on_shared_streams_is_related_and_counted_once(
    store: EventStore,
) -> None:
    both = (NUMBER, "account:joint")
    await append_one(store, planned("ana", "a1", at_ms=NOW_MS, links=both))
    await append_one(store, planned("ana", "a2", at_ms=NOW_MS + 5))
    await append_one(store, planned("bea", "b1", at_ms=NOW_MS - 5, links=both))
    await append_one(
        store, ended("ana", "a1", at_ms=NOW_MS + 9, outcome=EventKind.CONVERSATION, links=both)
    )
    ana, bea = sorted((await one(store, "joint")).people, key=lambda person: person.person_id)
    assert [(row.person_id, row.seq) for row in ana.related] == [("bea", 1)]
    assert sorted((row.person_id, row.seq) for row in bea.related) == [("ana", 1), ("ana", 3)]
    assert [(row.person_id, row.seq) for row in bea.history()] == [
        ("bea", 1),
        ("ana", 1),
        ("ana", 3),
    ]
    events = fold_history(bea.history())
    assert [(event.event_id, event.kind) for event in events] == [
        ("bea/1", EventKind.DIAL_REQUESTED),
        ("ana/1", EventKind.CONVERSATION),
    ]


@pytest.mark.usefixtures("family")
async def test_history_goes_back_as_far_as_asked_and_leaves_blocked_decisions_out(
    store: EventStore,
) -> None:
    await store.append(
        [
            planned("eva", "old", at_ms=NOW_MS - HOUR_MS),
            blocked("eva", "d1", at_ms=NOW_MS),
            planned("eva", "new", at_ms=NOW_MS),
            ended("eva", "new", at_ms=NOW_MS + 1),
        ]
    )
    [eva] = (await one(store, "single", since_ms=NOW_MS)).people
    assert [type(row.body) for row in eva.rows] == [AttemptPlanned, AttemptEnded]
    assert [row.seq for row in eva.rows] == [3, 4]
    assert eva.head_seq == 4


@pytest.mark.usefixtures("family")
async def test_enrolment_and_callbacks_are_part_of_the_facts(store: EventStore) -> None:
    asked = NewEvent(
        person_id=PersonId("eva"),
        at_ms=NOW_MS,
        body=CallbackRequested(
            attempt_id=None,
            callback_id="c1",
            contact_point_id=point_of("eva", "+12125550102"),
            due_ms=NOW_MS + HOUR_MS,
        ),
        writes=(
            SaveCallback(
                callback_id="c1",
                person_id=PersonId("eva"),
                account_id=AccountId("single"),
                campaign_id=CAMPAIGN,
                contact_point_id=point_of("eva", "+12125550102"),
                due_ms=NOW_MS + HOUR_MS,
                expires_ms=NOW_MS + 2 * HOUR_MS,
                agent_id="agent",
            ),
            MoveEnrolment(
                campaign_id=CAMPAIGN,
                account_id=AccountId("single"),
                state="waiting",
                not_before_ms=NOW_MS + HOUR_MS,
                reason="callback",
                attempts_added=2,
                code="CB",
            ),
        ),
    )
    await append_one(store, asked)
    snapshot = await one(store, "single")
    assert snapshot.enrolment == EnrolmentState("waiting", NOW_MS + HOUR_MS, 5, 2, "CB")
    [callback] = snapshot.callbacks
    assert (callback.callback_id, callback.event_id, callback.agent_id) == ("c1", "eva/1", "agent")
    close = CloseCallback(callback_id="c1", state="done")
    await append_one(store, changed("eva", writes=(close,)))
    assert (await one(store, "single")).callbacks == []


@pytest.mark.usefixtures("family")
async def test_a_decision_is_found_by_its_id(store: EventStore) -> None:
    await store.append([planned("ana", "a1"), blocked("bea", "d1")])
    allowed = await store.read_decision(DecisionId("a1"))
    refused = await store.read_decision(DecisionId("d1"))
    assert allowed is not None
    assert refused is not None
    assert (allowed.person_id, allowed.kind) == ("ana", "attempt_planned")
    assert (refused.person_id, refused.record) == ("bea", '{"why":"blocked"}')
    assert await store.read_decision(DecisionId("nothing")) is None
    assert await store.read_person(PersonId("nobody")) == []


@pytest.mark.usefixtures("family")
async def test_open_attempts_come_oldest_first(store: EventStore) -> None:
    for number, at_ms in enumerate((30, 10, 20, 40)):
        await append_one(store, planned("eva", f"a{number}", at_ms=at_ms))
    await append_one(store, ended("eva", "a2"))
    assert [row.attempt_id for row in await store.open_attempts(40, 10)] == ["a1", "a0"]
    [row] = await store.open_attempts(100, 1)
    assert (row.attempt_id, row.person_id, row.planned_ms) == ("a1", "eva", 10)
    assert await store.open_attempts(10, 10) == []


@pytest.mark.usefixtures("family")
async def test_enrolments_page_by_page(store: EventStore, ledger: Ledger) -> None:
    for number in range(7):
        await add_account(ledger, f"Ä{number}" if number % 2 else f"a{number}", {"eva": "holder"})
    await append_one(store, planned("eva", "a1", account_id="a2"))
    await append_one(store, planned("eva", "a2", account_id="single"))
    await append_one(store, ended("eva", "a2", account_id="single"))
    pages = [page async for page in store.iterate_enrolments(CAMPAIGN, page=4)]
    assert [len(page) for page in pages] == [4, 4, 1]
    every = {row.account_id: row for page in pages for row in page}
    assert len(every) == 9
    assert {a for a, row in every.items() if row.open_attempts} == {"a2"}
    assert every[AccountId("single")] == EnrolmentRow(
        AccountId("single"), 5, "waiting", NOW_MS + 20_000 + HOUR_MS, "retry", 1, "NA", 0
    )
    assert [page async for page in store.iterate_enrolments(CampaignId("other"))] == []


@pytest.mark.usefixtures("family")
async def test_live_answers_are_told_in_spells_by_when_they_came(store: EventStore) -> None:
    calls = [
        (NOW_MS - 50_000, EventKind.CONVERSATION),
        (NOW_MS - 4_000, EventKind.ABANDONED),
        (NOW_MS + 1, EventKind.CONVERSATION),
        (NOW_MS + 2, EventKind.MACHINE_NO_MESSAGE),
        (NOW_MS + 90_000, EventKind.ABANDONED),
    ]
    for number, (at_ms, outcome) in enumerate(calls):
        await append_one(store, planned("eva", f"a{number}", at_ms=at_ms))
        await append_one(store, ended("eva", f"a{number}", outcome=outcome))
    await append_one(store, planned("eva", "open", at_ms=NOW_MS + 3))
    # All of them rang for 18 s, so the second was answered in the spell before the third's.
    spell = NOW_MS - NOW_MS % 15_000

    async def told(since_ms: int, until_ms: int) -> list[AnsweredSpell]:
        return await store.answered_spells(CAMPAIGN, since_ms, until_ms, 15_000)

    assert await told(spell, NOW_MS + 40_000) == [
        AnsweredSpell(spell, 1, 1),
        AnsweredSpell(spell + 15_000, 1, 0),
    ]
    assert sum(s.answered for s in await told(0, NOW_MS + 150_000)) == 4
    assert sum(s.abandoned for s in await told(spell, NOW_MS + 150_000)) == 2
    other = await store.answered_spells(CampaignId("other"), 0, NOW_MS * 2, 15_000)
    assert other == []


@pytest.mark.usefixtures("family")
async def test_outcomes_are_counted(store: EventStore) -> None:
    outcomes = [
        EventKind.CONVERSATION,
        EventKind.ABANDONED,
        EventKind.RANG_NO_ANSWER,
        EventKind.RANG_NO_ANSWER,
        EventKind.ANSWERED_WRONG_PARTY,
    ]
    for number, outcome in enumerate(outcomes):
        await append_one(store, planned("eva", f"a{number}", at_ms=number))
        await append_one(store, ended("eva", f"a{number}", outcome=outcome))
    await append_one(store, planned("eva", "open", at_ms=9))
    assert await store.attempt_counts(CAMPAIGN) == {
        EventKind.CONVERSATION: 1,
        EventKind.ABANDONED: 1,
        EventKind.RANG_NO_ANSWER: 2,
        EventKind.ANSWERED_WRONG_PARTY: 1,
        EventKind.DIAL_REQUESTED: 1,
    }
    assert await store.abandonment(CAMPAIGN, 0) == AnswerCounts(3, 1, 2)
    assert await store.abandonment(CAMPAIGN, 2) == AnswerCounts(1, 0, 1)
    assert await store.abandonment(CampaignId("other"), 0) == AnswerCounts(0, 0, 0)
    assert await store.attempt_counts(CampaignId("other")) == {}


@pytest.mark.usefixtures("family")
async def test_a_damaged_body_is_told_and_not_passed_over(
    store: EventStore, behind_its_back: Callable[[str], None]
) -> None:
    await append_one(store, planned("eva", "a1"))
    behind_its_back("UPDATE ledger_event SET body = replace(body, 'voice', 'v0ice')")
    with pytest.raises(LedgerUnavailable, match=r"v0ice.*verify-ledger") as caught:
        await store.read_accounts(CAMPAIGN, [AccountId("single")], 0)
    assert caught.value.trouble is Trouble.DAMAGED


async def test_no_question_reads_a_table_from_end_to_end(tmp_path: Path) -> None:
    """SQLite's plan is fixed by the schema; on PostgreSQL `prefer_indexes` sees to it.

    What may be read whole is the list asked for (`k`), what was found through an index, and the few
    emergencies that were ever declared.
    """
    ledger = await open_ledger(f"sqlite:///{tmp_path}/ledger.db", now_ms=0)
    async with ledger.read() as conn:
        for query, allowed in (
            (_STANDING, {"CONSTANT", "k", "emergency"}),
            *((statement, {"k"}) for statement in STATEMENTS),
            (_ENROLMENTS, {"e"}),
        ):
            sql = query.sql[Dialect.SQLITE]
            bound = dict.fromkeys(re.findall(r":(\w+)", sql), "[]")
            plan = await conn.execute(text("EXPLAIN QUERY PLAN " + sql), bound)
            steps = [str(row.detail) for row in plan]
            scanned = {step.split()[1] for step in steps if step.startswith("SCAN")}
            assert scanned <= allowed, steps
    await ledger.close()


@pytest.mark.parametrize("query", [_ABANDONMENT, _SPELLS], ids=["counts", "spells"])
async def test_abandonment_is_counted_from_an_index_alone(
    tmp_path: Path, query: JsonQuery[object]
) -> None:
    """It is counted every few seconds, over the millions of attempts of thirty days."""
    ledger = await open_ledger(f"sqlite:///{tmp_path}/ledger.db", now_ms=0)
    sql = query.sql[Dialect.SQLITE]
    bound = dict.fromkeys(re.findall(r":(\w+)", sql), 1)
    async with ledger.read() as conn:
        plan = await conn.execute(text("EXPLAIN QUERY PLAN " + sql), bound)
        steps = [str(row.detail) for row in plan]
    await ledger.close()
    assert any("attempt USING COVERING INDEX ix_attempt_answered" in step for step in steps), steps
