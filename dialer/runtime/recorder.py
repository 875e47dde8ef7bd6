"""Makes what happened durable, many at a time, and only then moves the queues.

While the ledger is away nothing is forgotten: what waits here is tried again until it is
written. If the process dies first, the attempt is still open in the ledger and the sweep closes
it; so no outcome is invented and none is counted too low.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
import structlog

from compliance.types import CampaignId
from dialer.core.outcome import Contact, Outcome
from dialer.core.records import to_ms
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.database import LedgerUnavailable
from dialer.stores.ledger.streams import Appended, AppendResult, EventStore, NewEvent
from dialer.stores.redis.errors import RedisStoreError
from dialer.stores.redis.queue import (
    DONE,
    READY,
    CampaignQueue,
    Placement,
    Settlement,
    WaitUntil,
)

log = structlog.get_logger()

BATCH_EVENTS = 512
CLOSE_S = 15.0
"""Real seconds that the last outcomes may take to be written when the engine stops."""
RETRY_S = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Real seconds between tries while the ledger is away; the last one repeats."""


class Job(msgspec.Struct):
    """Events that are written together, and what follows when they are."""

    events: tuple[NewEvent, ...]
    campaign_id: CampaignId | None = None
    settlement: Settlement | None = None
    done: asyncio.Future[list[AppendResult]] | None = None


def placement(state: str, not_before_ms: int) -> Placement:
    if state == "done":
        return DONE
    return READY if state == "ready" else WaitUntil(not_before_ms)


def outcome_job(contact: Contact, lease_token: str, outcome: Outcome, now: datetime) -> Job:
    """The job that records an outcome judged at `now` and lets its account go on."""
    at_ms = to_ms(now)
    events = tuple(
        NewEvent(
            person_id=contact.person_id,
            at_ms=at_ms,
            body=recorded.body,
            links=contact.links if index == 0 else (),
            writes=recorded.writes,
        )
        for index, recorded in enumerate(outcome.recorded)
    )
    settlement = None
    if outcome.place is not None:
        settlement = Settlement(
            contact.account_id,
            lease_token,
            placement(outcome.place.state, outcome.place.not_before_ms),
        )
    return Job(events, contact.campaign_id, settlement)


class Recorder:
    """One writer of everything that is not a dial decision."""

    def __init__(self, store: EventStore, queue_of: Callable[[CampaignId], CampaignQueue]) -> None:
        self._store = store
        self._queue_of = queue_of
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()
        self._tasks = TaskSet("recorder")
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.ledger_is_away = False

    def start(self) -> None:
        self._tasks.start("write", self._run())

    async def record(self, events: Sequence[NewEvent]) -> list[AppendResult]:
        """Write events and wait until they are durable."""
        return await self.run(Job(tuple(events)))

    async def run(self, job: Job) -> list[AppendResult]:
        """Do a job and wait until it is durable."""
        job.done = asyncio.get_running_loop().create_future()
        self.submit(job)
        return await job.done

    def submit(self, job: Job) -> None:
        """Hand a job over; it will be written."""
        self._busy += 1
        self._idle.clear()
        self._jobs.put_nowait(job)

    @property
    def pending(self) -> int:
        """Jobs handed over and not durable yet."""
        return self._busy

    async def flush(self) -> None:
        """Wait until everything handed over is written."""
        await self._idle.wait()

    async def close(self) -> None:
        """Write what is left and end. A ledger that stays away is not waited for for ever: the
        attempts are open in it, and the next start closes them."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.flush()
        except TimeoutError:
            log.error("not_recorded_at_the_end", jobs=self._busy)
        await self._tasks.cancel()

    async def _run(self) -> None:
        while True:
            jobs = [await self._jobs.get()]
            count = len(jobs[0].events)
            while count < BATCH_EVENTS and not self._jobs.empty():
                jobs.append(self._jobs.get_nowait())
                count += len(jobs[-1].events)
            await self._write(jobs)
            self._busy -= len(jobs)
            if self._busy == 0:
                self._idle.set()

    async def _write(self, jobs: list[Job]) -> None:
        try:
            results = await self._append(jobs)
        except Exception as error:
            # One event that no table can hold must not take the others with it.
            if len(jobs) == 1:
                _give_up(jobs[0], error)
                return
            for job in jobs:
                await self._write([job])
            return
        await self._settle(jobs)
        start = 0
        for job in jobs:
            own = results[start : start + len(job.events)]
            start += len(job.events)
            for event, result in zip(job.events, own, strict=True):
                if not isinstance(result, Appended):
                    log.warning("not_recorded", body=type(event.body).__name__, why=str(result))
            if job.done is not None and not job.done.done():
                job.done.set_result(own)

    async def _append(self, jobs: list[Job]) -> list[AppendResult]:
        """Append the jobs' events, however long the ledger is away."""
        tries = 0
        while True:
            try:
                results = await self._store.append([e for job in jobs for e in job.events])
            except LedgerUnavailable as error:
                self.ledger_is_away = True
                if tries == 0:
                    log.error("ledger_away", error=str(error), waiting=self._busy)
                await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
                tries += 1
            else:
                self.ledger_is_away = False
                return results

    async def _settle(self, jobs: list[Job]) -> None:
        by_campaign: dict[CampaignId, list[Settlement]] = defaultdict(list)
        for job in jobs:
            if job.settlement is not None and job.campaign_id is not None:
                by_campaign[job.campaign_id].append(job.settlement)
        for campaign_id, settlements in by_campaign.items():
            try:
                await self._queue_of(campaign_id).settle(settlements)
            except RedisStoreError as error:
                # The ledger has it; the reaper will settle from there.
                log.warning("queue_not_settled", campaign=campaign_id, error=str(error))


def _give_up(job: Job, error: Exception) -> None:
    """What cannot be recorded is told; an attempt it was to end is closed by the sweep."""
    kinds = [type(event.body).__name__ for event in job.events]
    log.error("not_recordable", bodies=kinds, exc_info=error)
    if job.done is not None and not job.done.done():
        job.done.set_exception(error)
