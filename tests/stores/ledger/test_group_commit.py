"""Single events, many to a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from compliance.chain import check_chain
from compliance.types import PersonId
from dialer.core.writes import SaveNote
from dialer.stores.ledger.database import Ledger, LedgerUnavailable, Trouble
from dialer.stores.ledger.group_commit import (
    WAITING_BATCHES_MOST,
    GroupCommit,
    GroupCommitClosed,
)
from dialer.stores.ledger.streams import Appended, AppendResult, EventStore, NewEvent, Refusal
from tests.stores.ledger.world import NOW_MS, changed, ended, planned, shape

ANA = PersonId("ana")


class WatchedStore(EventStore):
    """Tells the sizes of transactions, holds them up, and fails on demand."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.sizes: list[int] = []
        self.may_run = asyncio.Event()
        self.may_run.set()
        self.failure: Exception | None = None

    async def append(self, events: Sequence[NewEvent]) -> list[AppendResult]:
        self.sizes.append(len(events))
        await self.may_run.wait()
        if self.failure is not None:
            raise self.failure
        return await super().append(events)


@pytest.fixture
def watched(ledger: Ledger) -> WatchedStore:
    return WatchedStore(ledger)


async def submitted(
    commits: GroupCommit, events: Sequence[NewEvent]
) -> list[asyncio.Task[AppendResult]]:
    """Submit in order, and return once all that can wait inside do."""
    tasks = [asyncio.create_task(commits.submit(event)) for event in events]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_what_arrives_together_is_one_transaction_in_order(watched: WatchedStore) -> None:
    async with GroupCommit(watched, max_wait_ms=0) as commits:
        results = await asyncio.gather(*(commits.submit(changed("ana")) for _ in range(40)))
    assert shape(list(results)) == list(range(1, 41))
    assert sum(watched.sizes) == 40
    assert len(watched.sizes) <= 2
    assert check_chain(ANA, await watched.read_person(ANA)) is None


async def test_what_arrives_meanwhile_is_the_next_transaction(watched: WatchedStore) -> None:
    watched.may_run.clear()
    async with GroupCommit(watched, max_batch=8, max_wait_ms=0) as commits:
        first = await submitted(commits, [changed("ana")])
        rest = await submitted(commits, [changed("ana") for _ in range(20)])
        assert commits.waiting == 20
        watched.may_run.set()
        await asyncio.gather(*first, *rest)
    assert watched.sizes == [1, 8, 8, 4]


async def test_the_first_waits_for_company_but_not_for_a_full_batch(watched: WatchedStore) -> None:
    async with GroupCommit(watched, max_batch=3, max_wait_ms=60_000) as commits:
        tasks = await submitted(commits, [changed("ana") for _ in range(3)])
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        alone = await submitted(commits, [changed("ana")])
        assert commits.waiting == 1
    assert (await alone[0]) is not None
    assert watched.sizes == [3, 1]


async def test_each_gets_its_own_result(watched: WatchedStore) -> None:
    async with GroupCommit(watched) as commits:
        results = await asyncio.gather(
            commits.submit(planned("ana", "a1", expected={"ana": 0})),
            commits.submit(planned("ana", "a2", expected={"ana": 0})),
            commits.submit(ended("ana", "a1")),
            commits.submit(ended("ana", "a1")),
        )
    assert shape(list(results)) == [1, None, 2, Refusal.ALREADY_ENDED]


async def test_a_full_queue_makes_callers_wait(watched: WatchedStore) -> None:
    watched.may_run.clear()
    room = 2 * WAITING_BATCHES_MOST
    async with GroupCommit(watched, max_batch=2, max_wait_ms=0) as commits:
        tasks = await submitted(commits, [changed("ana") for _ in range(room + 5)])
        assert commits.waiting == room - 2
        watched.may_run.set()
        results = await asyncio.gather(*tasks)
    assert shape(list(results)) == list(range(1, room + 6))


async def test_a_failure_reaches_everybody_and_the_next_go_on(watched: WatchedStore) -> None:
    watched.failure = LedgerUnavailable(Trouble.FULL, "here", "full")
    async with GroupCommit(watched, max_wait_ms=0) as commits:
        tasks = await submitted(commits, [changed("ana"), changed("bea")])
        for task in tasks:
            with pytest.raises(LedgerUnavailable):
                await task
        watched.failure = None
        assert shape([await commits.submit(changed("ana"))]) == [1]


async def test_one_bad_event_fails_alone(watched: WatchedStore) -> None:
    note = SaveNote(note_id="n", person_id=ANA, account_id=None, text="", author="", at_ms=NOW_MS)
    events = [changed("ana"), *(changed("ana", writes=(note,)) for _ in range(2)), changed("ana")]
    async with GroupCommit(watched, max_wait_ms=0) as commits:
        tasks = await submitted(commits, events)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(ValueError, match="lacks the write"):
            await commits.submit(NewEvent(person_id=ANA, at_ms=0, body=planned("ana", "x").body))
    assert [type(result) for result in results].count(Appended) == 3
    assert len(await watched.read_person(ANA)) == 3


async def test_a_caller_that_gives_up_does_not_take_its_event_back(watched: WatchedStore) -> None:
    watched.may_run.clear()
    async with GroupCommit(watched, max_wait_ms=0) as commits:
        tasks = await submitted(commits, [changed("ana"), changed("ana"), changed("ana")])
        tasks[1].cancel()
        watched.may_run.set()
        await asyncio.gather(tasks[0], tasks[2])
    assert len(await watched.read_person(ANA)) == 3


async def test_drain_writes_what_waits_and_takes_no_more(watched: WatchedStore) -> None:
    watched.may_run.clear()
    commits = GroupCommit(watched, max_batch=2, max_wait_ms=60_000)
    async with commits:
        tasks = await submitted(commits, [changed("ana") for _ in range(5)])
        watched.may_run.set()
    assert all(task.done() for task in tasks)
    assert len(await watched.read_person(ANA)) == 5
    with pytest.raises(GroupCommitClosed):
        await commits.submit(changed("ana"))
    await commits.drain()


def test_sizes_must_make_sense(watched: WatchedStore) -> None:
    with pytest.raises(ValueError, match="max_batch"):
        GroupCommit(watched, max_batch=0)
