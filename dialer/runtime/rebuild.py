"""Fill a campaign's queue from the ledger, which knows where every account stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import msgspec
import structlog

from compliance.types import CampaignId
from dialer.core.records import to_ms
from dialer.runtime.clock import Clock
from dialer.runtime.recorder import placement
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.reads import EnrolmentRow, EventReader
from dialer.stores.ledger.waking import WOKEN, woken_up
from dialer.stores.redis.queue import CampaignQueue, Entry, Place, WaitUntil, Whereabouts

log = structlog.get_logger()

AUDIT_PAGE = 1_000
WOKEN_PAGES = 50
"""Most pages of one round, while each has accounts that were woken."""
OPEN_ATTEMPT_WAIT_MS = 120_000
"""An account whose attempt has no end yet is looked at again after this; the sweep ends it."""


async def ensure_queue(
    campaign_id: CampaignId, queue: CampaignQueue, reader: EventReader, clock: Clock
) -> bool:
    """Rebuild the queue if Redis lost it, a part of it, or never had it; whether that was needed.

    Safe to repeat: a rebuild that was broken off is seen and begun anew. Only the campaign's
    owner may call it.
    """
    if await queue.generation() is not None:
        counts = await queue.counts(to_ms(clock.now()))
        if counts.conserved:
            return False
        # A file of Redis's that was torn in the middle of a script can leave this behind.
        found = msgspec.structs.asdict(counts)
        log.error("queue_not_conserved", campaign=campaign_id, counts=found)
    marker = new_id()
    await queue.begin_rebuild(marker)
    now_ms = to_ms(clock.now())
    loaded = 0
    async for page in reader.iterate_enrolments(campaign_id):
        result = await queue.load([_entry(row, now_ms) for row in page], rebuild=marker)
        loaded += result.added
    await queue.finish_rebuild(marker)
    log.info("queue_rebuilt", campaign=campaign_id, accounts=loaded)
    return True


async def heal_queue(
    campaign_id: CampaignId,
    queue: CampaignQueue,
    reader: EventReader,
    clock: Clock,
    enrolled_in_ledger: int,
) -> int:
    """Load accounts that the ledger has enrolled and the queue does not know; how many.

    A queue whose parts do not add up is rebuilt.
    """
    now_ms = to_ms(clock.now())
    counts = await queue.counts(now_ms)
    if not counts.conserved:
        await ensure_queue(campaign_id, queue, reader, clock)
        return 0
    if counts.enrolled >= enrolled_in_ledger:
        return 0
    added = 0
    async for page in reader.iterate_enrolments(campaign_id):
        added += (await queue.load([_entry(row, now_ms) for row in page])).added
    log.info("queue_healed", campaign=campaign_id, accounts=added)
    return added


class QueueAudit:
    """Goes over a campaign's enrolments, a page a round and then again from the start, and puts
    right what Redis forgot: accounts that it lets sleep longer than the ledger says, or holds for
    done. Where it is merely behind, the next claim finds out.

    Accounts that the ledger has woken (`dialer.stores.ledger.waking`) are given back to the queue;
    while there are any, a round has more pages."""

    def __init__(
        self, campaign_id: CampaignId, queue: CampaignQueue, reader: EventReader, clock: Clock
    ) -> None:
        self._campaign_id = campaign_id
        self._queue = queue
        self._reader = reader
        self._clock = clock
        self._pages: AsyncIterator[list[EnrolmentRow]] | None = None
        self._alone = asyncio.Lock()

    async def next_round(self) -> int:
        """Look at the next page, and at more while accounts were woken; how many accounts were
        put right or given back."""
        total = 0
        async with self._alone:
            for _ in range(WOKEN_PAGES):
                found, woken = await self._next_page()
                total += found + woken
                if woken == 0:
                    break
        return total

    async def _next_page(self) -> tuple[int, int]:
        """How many accounts were put right, and how many given back."""
        if self._pages is None:
            self._pages = self._reader.iterate_enrolments(self._campaign_id, AUDIT_PAGE)
        rows = await anext(self._pages, None)
        if rows is None:
            self._pages = None
            return 0, 0
        now_ms = to_ms(self._clock.now())
        places = await self._queue.look_up([row.account_id for row in rows])
        known = [(row, place) for row, place in zip(rows, places, strict=True) if place is not None]
        woken = [row for row, place in known if _is_woken(row, place)]
        wrong = [
            row for row, place in known if row.reason != WOKEN and _forgotten(row, place, now_ms)
        ]
        if wrong or woken:
            await self._queue.load([_entry(row, now_ms) for row in (*wrong, *woken)], reset=True)
        if wrong:
            log.warning("queue_put_right", campaign=self._campaign_id, accounts=len(wrong))
        if woken:
            ids = [row.account_id for row in woken]
            await self._reader.ledger.transact(partial(woken_up, self._campaign_id, ids))
            log.info("accounts_woken", campaign=self._campaign_id, accounts=len(woken))
        return len(wrong), len(woken)


def _is_woken(row: EnrolmentRow, place: Whereabouts) -> bool:
    """Whether to give an account back. One that somebody holds is being decided about from what
    was known before: its turn comes when it is free."""
    return row.reason == WOKEN and not row.open_attempts and place.place is not Place.LEASED


def _forgotten(row: EnrolmentRow, place: Whereabouts, now_ms: int) -> bool:
    """Whether the queue would never, or too late, come to an account that the ledger offers."""
    if row.open_attempts or row.state == "done" or place.place is Place.LEASED:
        return False
    if place.place is Place.DONE:
        return True
    # An account that is due may sleep for a reason of its own: somebody is on the line, or there
    # is nothing to call. One that the ledger lets sleep has no other reason than the ledger's.
    sleeps_until_ms = place.at_ms or 0
    return now_ms < row.not_before_ms < sleeps_until_ms - OPEN_ATTEMPT_WAIT_MS


def _entry(row: EnrolmentRow, now_ms: int) -> Entry:
    if row.open_attempts and row.state != "done":
        return Entry(row.account_id, row.priority, WaitUntil(now_ms + OPEN_ATTEMPT_WAIT_MS))
    return Entry(row.account_id, row.priority, placement(row.state, row.not_before_ms))
