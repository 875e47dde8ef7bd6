"""Tells how a campaign was paced, for the console and the command line."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from compliance.types import CampaignId
from dialer.core.pacing_story import LoggedDecision, MinuteSeries, PacingMinute
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.pacing_reads import PacingReader

LONGEST_MS: Final = 24 * 3_600_000
"""Longest period that is told at once."""
DECISIONS_MOST: Final = 2_000


class PacingReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a campaign was paced in a period. Decisions are kept for 35 days."""

    campaign_id: str
    from_ms: int
    to_ms: int
    """The period ends before this."""
    decisions: list[LoggedDecision]
    """The newest of the period, oldest first. Logged are those that asked for calls, and a
    sample of those that did not."""
    decisions_left_off: int
    """Earlier ones of the period, for which there was no room; they are in the minutes."""
    minutes: list[PacingMinute]


async def report_pacing(
    ledger: Ledger, campaign_id: CampaignId, from_ms: int, to_ms: int, limit: int
) -> PacingReport:
    """Read it from the ledger; at most `limit` decisions. Raises `LedgerUnavailable`."""
    reader = PacingReader(ledger)
    newest: deque[LoggedDecision] = deque(maxlen=limit)
    series, count = MinuteSeries(), 0
    async for page in reader.decisions(campaign_id, from_ms, to_ms):
        count += len(page)
        newest.extend(page)
        for logged in page:
            series.add(logged.decision)
    calls = await reader.placed_calls(campaign_id, from_ms, to_ms)
    return PacingReport(
        campaign_id=campaign_id,
        from_ms=from_ms,
        to_ms=to_ms,
        decisions=list(newest),
        decisions_left_off=count - len(newest),
        minutes=series.minutes(calls),
    )
