"""Many writers over the same people: the last allowed contact is taken once, and chains hold."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import PersonId
from dialer.stores.ledger.bulk import Dialect
from dialer.stores.ledger.database import Ledger, open_ledger, sqlstate_of
from dialer.stores.ledger.locks import STREAM_LOCKS_MOST
from dialer.stores.ledger.streams import Appended, EventStore, NewEvent
from dialer.stores.ledger.verify import verify_ledger
from tests.stores.ledger.conftest import OPENED_MS
from tests.stores.ledger.world import append_one, changed, ended, planned, shape
from tests.support.postgres import running_postgres

WORKERS = 4
PEOPLE = 12
ROUNDS = 15
CAP = 20
NUMBER = "number:+12125550100"


async def _worker(url: str, seed: int, taken: Counter[str]) -> None:
    """Takes contacts under a cap that it counts itself, as a gate would, from what it read."""
    rng = random.Random(seed)
    ledger = await open_ledger(url, now_ms=OPENED_MS)
    store = EventStore(ledger)
    for round_no in range(ROUNDS):
        people = rng.sample([f"p{number}" for number in range(PEOPLE)], 6)
        events: list[NewEvent] = []
        for position, person in enumerate(people):
            stream = await store.read_person(PersonId(person))
            count = sum(event.kind == "attempt_planned" for event in stream)
            if count < CAP:
                attempt = f"{seed}-{round_no}-{position}"
                expected = {person: stream[-1].seq if stream else 0}
                events.append(planned(person, attempt, expected=expected))
        events.append(changed(rng.choice(people), "payment"))
        results = await store.append(events)
        for event, result in zip(events, results, strict=True):
            if isinstance(result, Appended) and event.record is not None:
                taken[event.person_id] += 1
        won = [
            ended(event.person_id, f"{seed}-{round_no}-{position}")
            for position, event in enumerate(events[:-1])
            if isinstance(results[position], Appended) and rng.random() < 0.5
        ]
        for end in won:
            await store.append([end, end])
    await ledger.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_last_allowed_contact_is_taken_once(
    ledger_url: str, store: EventStore, seed: int
) -> None:
    """Guards make check-then-act safe: nobody exceeds the cap that each worker checked alone."""
    taken: Counter[str] = Counter()
    await asyncio.gather(
        *(_worker(ledger_url, 1000 * seed + number, taken) for number in range(WORKERS))
    )
    report = await verify_ledger(store.ledger)
    assert report.holds, [str(problem) for problem in report.problems]
    for number in range(PEOPLE):
        person = PersonId(f"p{number}")
        stream = await store.read_person(person)
        count = sum(event.kind == "attempt_planned" for event in stream)
        assert count == taken[person] <= CAP
    assert sum(taken.values()) > 100


async def test_one_of_many_takes_a_shared_number(ledger_url: str) -> None:
    """Different people, one number: exactly one of those that saw its head at 0 wins."""
    ledgers = [await open_ledger(ledger_url, now_ms=0) for _ in range(4)]
    stores = [EventStore(ledger) for ledger in ledgers]
    results = await asyncio.gather(
        *(
            stores[number % 4].append(
                [
                    changed(f"extra-{number}"),
                    planned(
                        f"p{number}",
                        f"a{number}",
                        expected={f"p{number}": 0, NUMBER: 0},
                        links=(NUMBER,),
                    ),
                ]
            )
            for number in range(24)
        )
    )
    assert Counter(shape(result)[1] for result in results) == {1: 1, None: 23}
    assert all(shape(result)[0] == 1 for result in results)
    for ledger in ledgers:
        await ledger.close()


async def test_a_stream_that_is_only_guarded_is_guarded_too(ledger_url: str) -> None:
    """Two who each depend on the other's stream and move only their own: one must lose."""
    ledgers = [await open_ledger(ledger_url, now_ms=0) for _ in range(2)]
    stores = [EventStore(ledger) for ledger in ledgers]
    for round_no in range(10):
        expected = {"ana": round_no, "bea": 0} if round_no == 0 else None
        if expected is None:
            expected = {
                person: len(await stores[0].read_person(PersonId(person)))
                for person in ("ana", "bea")
            }
        both = await asyncio.gather(
            stores[0].append([changed("ana", expected=expected)]),
            stores[1].append([changed("bea", expected=expected)]),
        )
        assert sorted(result[0] is None for result in both) == [False, True]
    for ledger in ledgers:
        await ledger.close()


async def test_batches_in_opposite_order_do_not_wait_for_each_other(ledger_url: str) -> None:
    people = [f"p{number}" for number in range(60)]
    ledgers = [await open_ledger(ledger_url, now_ms=0) for _ in range(4)]
    orders = [people, people[::-1], people[30:] + people[:30], people[::2] + people[1::2]]

    async def work(ledger: Ledger, order: list[str]) -> None:
        for _ in range(5):
            results = await EventStore(ledger).append([changed(person) for person in order])
            assert all(isinstance(result, Appended) for result in results)

    await asyncio.gather(*(work(ledger, o) for ledger, o in zip(ledgers, orders, strict=True)))
    report = await verify_ledger(ledgers[0])
    assert (report.events, report.people, report.problems) == (60 * 20, 60, [])
    for ledger in ledgers:
        await ledger.close()


async def test_a_broken_deadlock_is_tried_again(dialect: Dialect, ledger: Ledger) -> None:
    """Two transactions lock streams one after another in opposite orders."""
    store = EventStore(ledger)
    met = [asyncio.Event(), asyncio.Event()]
    tries = Counter[str]()

    async def both(first: str, second: str, mine: int) -> None:
        async def work(conn: AsyncConnection) -> None:
            tries[first] += 1
            await store.append_in(conn, [changed(first)])
            met[mine].set()
            if dialect is Dialect.POSTGRESQL and tries[first] == 1:
                await met[1 - mine].wait()
            await store.append_in(conn, [changed(second)])

        await ledger.transact(work)

    await asyncio.gather(both("ana", "bea", 0), both("bea", "ana", 1))
    assert sum(tries.values()) == (3 if dialect is Dialect.POSTGRESQL else 2)
    for person in ("ana", "bea"):
        assert len(await store.read_person(PersonId(person))) == 2


async def test_more_streams_than_postgresql_has_locks_for() -> None:
    with running_postgres(
        "fsync=off", "max_locks_per_transaction=10", "max_connections=12"
    ) as server:
        ledger = await open_ledger(server.url(), now_ms=0)
        store = EventStore(ledger)
        people = [f"p{number}" for number in range(STREAM_LOCKS_MOST)]
        with pytest.raises(DBAPIError) as caught:
            async with ledger.write() as conn:
                await store.append_in(conn, [changed(person) for person in people])
        assert sqlstate_of(caught.value) == "53200"
        results = await store.append([changed(person) for person in people])
        assert shape(results) == [1] * len(people)
        await ledger.close()


async def test_a_writer_that_ignores_the_locks_cannot_fork_a_stream(
    ledger: Ledger, store: EventStore
) -> None:
    place = await append_one(store, changed("ana"))
    with pytest.raises(DBAPIError):
        async with ledger.write() as conn:
            await conn.execute(
                text(
                    "INSERT INTO ledger_event (person_id, seq, at_ms, kind, hash, body)"
                    " VALUES ('ana', :seq, 0, 'subject_changed', '', '{}')"
                ),
                {"seq": place.seq},
            )
