"""Appending: places, guards, links, refusals, and the tables that follow."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from compliance.chain import GENESIS, check_chain, event_hash
from compliance.types import (
    AccountId,
    ContactPointId,
    DebtId,
    DecisionId,
    EventKind,
    PersonId,
    StreamKey,
    Validity,
)
from dialer.core.records import CallbackRequested, DispositionSet, SubjectChanged
from dialer.core.writes import (
    CloseAttempt,
    CloseCallback,
    DisposeAttempt,
    MoveEnrolment,
    OpenAttempt,
    OpenReview,
    SaveCallback,
    SaveNote,
    SavePromise,
    SetValidity,
    Write,
)
from dialer.stores.ledger import schema
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.streams import Appended, EventStore, NewEvent, Refusal
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
    shape,
)

ANA = PersonId("ana")
NUMBER = "number:+12125550100"


async def rows(ledger: Ledger, table: str) -> list[dict[str, object]]:
    async with ledger.read() as conn:
        found_rows = await conn.execute(select(schema.metadata.tables[table]))
        return [dict(row) for row in found_rows.mappings()]


async def test_events_stand_in_order_and_chain(store: EventStore) -> None:
    first = planned("ana", "a1", record='{"why":"«ñ» \\u0000 \\" \\\\ 🎈"}'.encode())
    results = await store.append([first, ended("ana", "a1"), changed("bea", at_ms=5)])
    assert shape(results) == [1, 2, 1]
    more = await append_one(store, changed("ana", at_ms=1))
    assert more.seq == 3

    stream = await store.read_person(ANA)
    assert [event.kind for event in stream] == [
        "attempt_planned",
        "attempt_ended",
        "subject_changed",
    ]
    assert stream[0].record == '{"why":"«ñ» \\u0000 \\" \\\\ 🎈"}'
    assert check_chain(ANA, stream) is None
    assert stream[0].hash == event_hash(
        GENESIS, ANA, 1, NOW_MS, "attempt_planned", stream[0].body.encode(), first.record
    )
    assert [r.hash for r in [*results[:2], more] if isinstance(r, Appended)] == [
        event.hash for event in stream
    ]


async def test_a_guard_wins_at_its_head_and_loses_elsewhere(store: EventStore) -> None:
    await append_one(store, planned("ana", "a1", expected={"ana": 0}))
    assert shape(await store.append([planned("ana", "a2", expected={"ana": 0})])) == [None]
    assert shape(await store.append([planned("ana", "a3", expected={"ana": 2})])) == [None]
    assert shape(await store.append([planned("ana", "a4", expected={"ana": 1})])) == [2]


async def test_the_loser_of_a_batch_leaves_no_trace_and_the_others_go_on(
    store: EventStore, ledger: Ledger
) -> None:
    results = await store.append(
        [
            planned("ana", "a1", expected={"ana": 0}),
            planned("ana", "a2", expected={"ana": 0}),
            changed("ana"),
            planned("bea", "b1", expected={"bea": 0, "ana": 2}),
            planned("bea", "b2", expected={"bea": 1, "ana": 9}),
            planned("bea", "b3", expected={"bea": 1}),
        ]
    )
    assert shape(results) == [1, None, 2, 1, None, 2]
    assert sorted(str(row["attempt_id"]) for row in await rows(ledger, "attempt")) == [
        "a1",
        "b1",
        "b3",
    ]
    assert await store.read_decision(DecisionId("a2")) is None


async def test_a_shared_stream_is_moved_by_links_and_guarded(
    store: EventStore, ledger: Ledger
) -> None:
    at_zero = {NUMBER: 0, "account:x": 0}
    results = await store.append(
        [
            planned("ana", "a1", expected={"ana": 0, **at_zero}, links=(NUMBER, "account:x")),
            planned("bea", "b1", expected={"bea": 0, NUMBER: 0}, links=(NUMBER,)),
            planned("bea", "b2", expected={"bea": 0, NUMBER: 1}, links=(NUMBER, NUMBER)),
            planned("eva", "e1", expected={"eva": 0, NUMBER: 1}),
        ]
    )
    assert shape(results) == [1, None, 1, None]
    assert shape(
        await store.append([planned("eva", "e2", expected={"eva": 0, NUMBER: 2, "account:x": 1})])
    ) == [1]
    links = [tuple(row.values()) for row in await rows(ledger, "stream_link")]
    assert sorted(links) == [
        ("account:x", 1, "ana", 1),
        (NUMBER, 1, "ana", 1),
        (NUMBER, 2, "bea", 1),
    ]


async def test_a_doubled_end_changes_nothing(store: EventStore, ledger: Ledger) -> None:
    await found(ledger)
    await add_person(ledger, "ana", {})
    await add_account(ledger, "account", {"ana": "holder"})
    await append_one(store, planned("ana", "a1"))
    end = ended("ana", "a1", account_id="account")
    late = ended("ana", "a1", outcome=EventKind.CONVERSATION, code="X", account_id="account")
    assert shape(await store.append([end, late])) == [2, Refusal.ALREADY_ENDED]
    before = await rows(ledger, "attempt"), await rows(ledger, "enrolment")
    assert shape(await store.append([late])) == [Refusal.ALREADY_ENDED]
    assert (await rows(ledger, "attempt"), await rows(ledger, "enrolment")) == before
    assert len(await store.read_person(ANA)) == 2


async def test_a_decision_is_recorded_once(store: EventStore) -> None:
    results = await store.append(
        [planned("ana", "a1"), planned("ana", "a1"), blocked("ana", "d1"), blocked("bea", "d1")]
    )
    assert shape(results) == [1, Refusal.ALREADY_RECORDED, 2, Refusal.ALREADY_RECORDED]
    again = await store.append([planned("ana", "a1"), blocked("ana", "d1")])
    assert shape(again) == [Refusal.ALREADY_RECORDED] * 2


async def test_an_outcome_needs_an_intent(store: EventStore) -> None:
    disposed = NewEvent(
        person_id=ANA,
        at_ms=NOW_MS,
        body=DispositionSet(
            attempt_id=DecisionId("never"),
            code="PTP",
            outcome=EventKind.CONVERSATION,
            agent_id="agent",
        ),
        writes=(DisposeAttempt(),),
    )
    results = await store.append([ended("ana", "never"), disposed, ended("ana", "a1")])
    assert shape(results) == [Refusal.UNKNOWN_ATTEMPT] * 3
    assert await store.read_person(ANA) == []


def _contradictions() -> list[tuple[NewEvent, str]]:
    plan, end = planned("ana", "a1"), ended("ana", "a1")

    def copy(event: NewEvent, writes: tuple[Write, ...]) -> NewEvent:
        return NewEvent(person_id=ANA, at_ms=0, body=event.body, writes=writes)

    return [
        (copy(plan, ()), "lacks the write OpenAttempt"),
        (copy(plan, (OpenAttempt(), OpenAttempt())), "must not carry the write OpenAttempt"),
        (copy(end, (OpenAttempt(),)), "must not carry the write OpenAttempt"),
        (copy(changed("ana"), (CloseAttempt(),)), "must not carry the write CloseAttempt"),
        (planned("ana", "a1", expected={NUMBER: 0}), "not by its own person's head"),
        (planned("ana", "a1", links=("bea",)), "links to bea"),
        (changed("number:1"), "must not look like a link stream"),
        (planned("ana", "a1", record=b"{\xff}"), "not UTF-8"),
        (planned("ana", "a1", record=b'"\0"'), "NUL character"),
    ]


@pytest.mark.parametrize(("event", "words"), _contradictions())
async def test_an_event_that_contradicts_itself_is_refused_whole(
    store: EventStore, event: NewEvent, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        await store.append([changed("ana"), event])
    assert await store.read_person(ANA) == []


async def test_an_attempt_is_followed_from_plan_to_disposition(
    store: EventStore, ledger: Ledger
) -> None:
    await append_one(store, planned("ana", "a1", at_ms=10))
    end = ended("ana", "a1", at_ms=30, outcome=EventKind.CONVERSATION, code="CONV")
    said = NewEvent(
        person_id=ANA,
        at_ms=40,
        body=DispositionSet(
            attempt_id=DecisionId("a1"),
            code="PTP",
            outcome=EventKind.CONVERSATION,
            agent_id="agent",
            wrap_ms=900,
        ),
        writes=(DisposeAttempt(),),
    )
    await store.append([end, said])
    [row] = await rows(ledger, "attempt")
    assert row == {
        "attempt_id": "a1",
        "person_id": "ana",
        "account_id": "account",
        "campaign_id": CAMPAIGN,
        "contact_point_id": "ana:+12125550100",
        "channel": "voice",
        "mode": "predictive",
        "planned_ms": 10,
        "ended_ms": 30,
        "outcome": "conversation",
        "code": "PTP",
        "agent_id": "agent",
        "ring_ms": 18_000,
        "connect_ms": None,
        "talk_ms": None,
        "wrap_ms": 900,
        "disposed_ms": 40,
    }


async def test_a_disposition_outweighs_a_later_network_end(
    store: EventStore, ledger: Ledger
) -> None:
    said = NewEvent(
        person_id=ANA,
        at_ms=20,
        body=DispositionSet(
            attempt_id=DecisionId("a1"),
            code="WRONG",
            outcome=EventKind.ANSWERED_WRONG_PARTY,
            agent_id="agent",
        ),
        writes=(DisposeAttempt(),),
    )
    await store.append([planned("ana", "a1", at_ms=10), said])
    await append_one(store, ended("ana", "a1", at_ms=30, outcome=EventKind.CONVERSATION))
    [row] = await rows(ledger, "attempt")
    assert (row["outcome"], row["code"], row["ended_ms"]) == ("answered_wrong_party", "WRONG", 30)


async def test_enrolment_moves_of_a_batch_add_up(store: EventStore, ledger: Ledger) -> None:
    await found(ledger)
    await add_person(ledger, "ana", {})
    await add_account(ledger, "account", {"ana": "holder"})
    await add_account(ledger, "other", {"ana": "holder"})
    await store.append(
        [
            planned("ana", "a1"),
            ended("ana", "a1", account_id="account", code="NA", at_ms=1),
            planned("ana", "a2"),
            ended("ana", "a2", account_id="account", code="BUSY", at_ms=2),
            changed("ana", writes=(_move("account", "done"),)),
        ]
    )
    await append_one(store, changed("ana", writes=(_move("account", "ready", added=3),)))
    enrolments = {row["account_id"]: row for row in await rows(ledger, "enrolment")}
    assert enrolments["account"] == {
        "campaign_id": CAMPAIGN,
        "account_id": "account",
        "priority": 5,
        "state": "ready",
        "not_before_ms": 0,
        "reason": "test",
        "attempts": 5,
        "last_code": "BUSY",
    }
    assert (enrolments["other"]["state"], enrolments["other"]["attempts"]) == ("ready", 0)


def _move(account_id: str, state: str, added: int = 0) -> MoveEnrolment:
    return MoveEnrolment(
        campaign_id=CAMPAIGN,
        account_id=AccountId(account_id),
        state=state,
        not_before_ms=0,
        reason="test",
        attempts_added=added,
    )


async def test_what_a_conversation_leaves_is_saved_with_it(
    store: EventStore, ledger: Ledger
) -> None:
    asked = NewEvent(
        person_id=ANA,
        at_ms=NOW_MS,
        body=CallbackRequested(
            attempt_id=None,
            callback_id="c1",
            contact_point_id=ContactPointId("p"),
            due_ms=NOW_MS + 1,
        ),
        writes=(
            SaveCallback(
                callback_id="c1",
                person_id=ANA,
                account_id=AccountId("account"),
                campaign_id=CAMPAIGN,
                contact_point_id=ContactPointId("p"),
                due_ms=NOW_MS + 1,
                expires_ms=NOW_MS + 2,
                agent_id=None,
            ),
            SavePromise(
                promise_id="pr1",
                person_id=ANA,
                account_id=AccountId("account"),
                debt_id=DebtId("debt"),
                amount_cents=12_345,
                currency="COP",
                due_date="2026-12-24",
                method="transfer",
                captured_by="agent",
                captured_ms=NOW_MS,
                attempt_id=None,
            ),
            OpenReview(
                review_id="r1",
                kind="says_paid",
                person_id=ANA,
                account_id=None,
                text="dice que pagó",
                source="agent",
                created_ms=NOW_MS,
            ),
            SaveNote(
                note_id="n1",
                person_id=ANA,
                account_id=None,
                text="llamar «tarde»",
                author="agent",
                at_ms=NOW_MS,
            ),
        ),
    )
    place = await append_one(store, asked)
    [callback] = await rows(ledger, "callback")
    assert (callback["event_id"], callback["state"]) == (f"ana/{place.seq}", "open")
    [promise] = await rows(ledger, "promise")
    assert (promise["amount_cents"], promise["state"]) == (12_345, "open")
    [review] = await rows(ledger, "review_item")
    assert (review["text"], review["state"]) == ("dice que pagó", "open")
    [note] = await rows(ledger, "note")
    assert note["text"] == "llamar «tarde»"

    for state, stands in (("taken", "taken"), ("done", "done"), ("expired", "done")):
        close = CloseCallback(callback_id="c1", state=state)
        await append_one(store, changed("ana", writes=(close,)))
        [callback] = await rows(ledger, "callback")
        assert callback["state"] == stands


async def test_a_change_of_the_subject_rides_with_its_event(
    store: EventStore, ledger: Ledger
) -> None:
    await found(ledger)
    await add_person(ledger, "ana", {"+12125550100": []})
    write = SetValidity(
        person_id=ANA,
        contact_point_id=point_of("ana", "+12125550100"),
        validity=Validity.WRONG_NUMBER,
        at_ms=NOW_MS,
    )
    await append_one(store, changed("ana", "validity", writes=(write,)))
    [point] = await rows(ledger, "contact_point")
    assert point["validity"] == "wrong_number"
    lost = changed("ana", "validity", expected={"ana": 0}, writes=(write,))
    assert shape(await store.append([lost])) == [None]


async def test_a_failing_write_takes_the_whole_batch_back(
    store: EventStore, ledger: Ledger
) -> None:
    note = SaveNote(
        note_id="n1", person_id=ANA, account_id=None, text="x", author="agent", at_ms=NOW_MS
    )
    await append_one(store, changed("ana", writes=(note,)))
    with pytest.raises(IntegrityError):
        await store.append([planned("bea", "b1"), changed("bea", writes=(note,))])
    assert await store.read_person(PersonId("bea")) == []
    assert await rows(ledger, "attempt") == []
    assert shape(await store.append([planned("bea", "b1")])) == [1]


async def test_an_append_is_part_of_the_callers_transaction(
    store: EventStore, ledger: Ledger
) -> None:
    async def change_twice_and_fail() -> None:
        async with ledger.write() as conn:
            assert shape(await store.append_in(conn, [changed("ana")])) == [1]
            guarded = changed("ana", expected={"ana": 1})
            assert shape(await store.append_in(conn, [guarded])) == [2]
            raise LookupError

    with pytest.raises(LookupError):
        await change_twice_and_fail()
    assert await store.read_person(ANA) == []


async def test_large_batches_and_many_people(store: EventStore) -> None:
    people = [f"person-{number}" for number in range(3000)]
    results = await store.append([changed(person) for person in people * 2])
    assert shape(results) == [1] * 3000 + [2] * 3000


async def test_nothing_appended_is_nothing(store: EventStore) -> None:
    nothing: Sequence[NewEvent] = []
    assert await store.append(nothing) == []
    check = SubjectChanged(change="x")
    EventStore.check(NewEvent(person_id=ANA, at_ms=0, body=check, links=(StreamKey("account:1"),)))
