"""Fill a campaign's queue from the ledger, which knows where every account stands."""

from __future__ import annotations

import msgspec
import structlog

from compliance.types import CampaignId
from dialer.core.records import to_ms
from dialer.runtime.clock import Clock
from dialer.runtime.recorder import placement
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.reads import EnrolmentRow, EventReader
from dialer.stores.redis.queue import CampaignQueue, Entry, WaitUntil

log = structlog.get_logger()

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


def _entry(row: EnrolmentRow, now_ms: int) -> Entry:
    if row.open_attempts and row.state != "done":
        return Entry(row.account_id, row.priority, WaitUntil(now_ms + OPEN_ATTEMPT_WAIT_MS))
    return Entry(row.account_id, row.priority, placement(row.state, row.not_before_ms))
