"""A queue whose filler died says so, serves nothing, and is filled anew."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from compliance.types import CampaignId
from dialer.core.records import to_ms
from dialer.runtime.clock import SimulatedClock
from dialer.runtime.rebuild import QueueAudit, ensure_queue, heal_queue
from dialer.stores.ledger.database import open_ledger
from dialer.stores.ledger.reads import EnrolmentRow, EventReader
from dialer.stores.redis.client import RedisClient
from dialer.stores.redis.embedded import EmbeddedRedis, connect
from dialer.stores.redis.errors import QueueNotReady
from dialer.stores.redis.queue import DONE, CampaignQueue, Entry, Settlement, WaitUntil
from tests.faults.prepared import MORNING, copy_of, ledger_url
from tests.faults.queue_check import compare, enrolments

NOW_MS = to_ms(MORNING)
LEASE_MS = 60_000


class Dies(Exception):
    """Stands for the end of the process."""


class DyingReader(EventReader):
    """Ends in the middle of the enrolments."""

    async def iterate_enrolments(
        self, campaign_id: CampaignId, page: int = 5000
    ) -> AsyncIterator[list[EnrolmentRow]]:
        pages = super().iterate_enrolments(campaign_id, 200)
        yield await anext(pages)
        yield await anext(pages)
        raise Dies


class Stage:
    """A prepared campaign with its queue."""

    def __init__(self, folder: Path, reader: EventReader, redis: RedisClient, url: str) -> None:
        self.ledger_file = folder / "ledger.db"
        with closing(sqlite3.connect(self.ledger_file)) as db:
            made = db.execute("SELECT campaign_id FROM campaign").fetchone()[0]
        self.campaign_id = CampaignId(made)
        self.reader = reader
        self.redis = redis
        self.redis_url = url
        self.queue = CampaignQueue(redis, self.campaign_id)
        self.clock = SimulatedClock(MORNING, 1.0)
        self.items = [row.account_id for row in enrolments(self.ledger_file, self.campaign_id)]

    async def rebuild(self, reader: EventReader | None = None) -> bool:
        return await ensure_queue(self.campaign_id, self.queue, reader or self.reader, self.clock)

    async def heal(self) -> int:
        total = len(self.items)
        return await heal_queue(self.campaign_id, self.queue, self.reader, self.clock, total)

    async def differences(self) -> list[str]:
        return await compare(
            self.ledger_file, self.redis_url, self.campaign_id, NOW_MS, rebuilt=True
        )


@pytest_asyncio.fixture
async def stage(
    prepared: Callable[[str], Path], tmp_path: Path, redis_folder: Path
) -> AsyncIterator[Stage]:
    folder = copy_of(await asyncio.to_thread(prepared, "US"), tmp_path / "data")
    ledger = await open_ledger(ledger_url(folder), now_ms=0)
    async with EmbeddedRedis(redis_folder) as server, await connect(server) as redis:
        yield Stage(folder, EventReader(ledger), redis, server.url)
    await ledger.close()


async def test_a_broken_off_rebuild_is_seen_and_done_again(stage: Stage) -> None:
    with pytest.raises(Dies):
        await stage.rebuild(DyingReader(stage.reader.ledger))
    assert (await stage.queue.counts(NOW_MS)).enrolled == 400
    assert await stage.queue.generation() is None
    with pytest.raises(QueueNotReady):
        await stage.queue.claim(1, now_ms=NOW_MS, lease_ms=LEASE_MS, token="t1")
    assert await stage.rebuild()
    assert await stage.differences() == []
    assert not await stage.rebuild()


async def test_a_rebuild_ends_the_leases_that_were_out(stage: Stage) -> None:
    await stage.rebuild()
    claim = (await stage.queue.claim(1, now_ms=NOW_MS, lease_ms=LEASE_MS, token="t1"))[0]
    await stage.redis.execute("FLUSHALL")
    assert await stage.rebuild()
    refused = await stage.queue.settle([Settlement(claim.item, claim.lease_token, DONE)])
    assert len(refused) == 1
    assert await stage.differences() == []


async def test_lost_accounts_come_back(stage: Stage) -> None:
    await stage.rebuild()
    await stage.queue.remove(stage.items[:7])
    assert await stage.heal() == 7
    assert await stage.differences() == []


async def test_a_queue_whose_parts_do_not_add_up_is_rebuilt(stage: Stage) -> None:
    await stage.rebuild()
    ready = f"marcador:queue:{{{stage.campaign_id}}}:ready"
    assert await stage.redis.execute("ZREMRANGEBYRANK", ready, 0, 3) == 4
    assert not (await stage.queue.counts(NOW_MS)).conserved
    await stage.heal()
    assert (await stage.queue.counts(NOW_MS)).conserved
    assert await stage.differences() == []


async def test_the_audit_wakes_what_sleeps_too_long(stage: Stage) -> None:
    await stage.rebuild()
    soon_ms, late_ms = NOW_MS + 3_600_000, NOW_MS + 30 * 86_400_000
    asleep, finished, behind = stage.items[3], stage.items[1500], stage.items[9]
    with closing(sqlite3.connect(stage.ledger_file)) as db:
        db.execute(
            "UPDATE enrolment SET state = 'waiting', not_before_ms = ? WHERE account_id IN (?, ?)",
            (soon_ms, asleep, finished),
        )
        db.execute("UPDATE enrolment SET state = 'done' WHERE account_id = ?", (behind,))
        db.commit()
    await stage.queue.load(
        [Entry(asleep, 1, WaitUntil(late_ms)), Entry(finished, 1, DONE)], reset=True
    )
    audit = QueueAudit(stage.campaign_id, stage.queue, stage.reader, stage.clock)
    righted = [await audit.next_round() for _ in range(5)]
    assert sum(righted) == 2
    assert len([n for n in righted if n]) == 2, "both pages were looked at"
    left = await stage.differences()
    assert len(left) == 1, left
    assert behind in left[0], "what is merely behind is left to the next claim"
