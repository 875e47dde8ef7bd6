"""Questions about how a campaign was paced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec
from sqlalchemy import func, select

from compliance.types import CampaignId, EventKind
from dialer.core.pacing.messages import Decision
from dialer.core.pacing_story import MINUTE_MS, LoggedDecision, PlacedCalls
from dialer.stores.ledger.answers import ANSWERED_LIVE
from dialer.stores.ledger.bulk import JsonQuery
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import pacing_log

PAGE_ROWS: Final = 1_000


class PacingReader:
    """Every method raises `LedgerUnavailable`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def decisions(
        self, campaign_id: CampaignId, from_ms: int, to_ms: int
    ) -> AsyncIterator[list[LoggedDecision]]:
        """The decisions logged from `from_ms` on and before `to_ms`, oldest first, by pages."""
        log = pacing_log.c
        after: tuple[int, int] = (from_ms, -1)
        while True:
            at_ms, number = after
            query = (
                select(log.at_ms, log.pacing_no, log.decision)
                .where(
                    log.campaign_id == campaign_id,
                    log.at_ms >= at_ms,
                    log.at_ms < to_ms,
                    (log.at_ms > at_ms) | (log.pacing_no > number),
                )
                .order_by(log.at_ms, log.pacing_no)
                .limit(PAGE_ROWS)
            )
            async with self._ledger.read() as conn:
                rows = (await conn.execute(query)).all()
            if not rows:
                return
            yield [LoggedDecision(at_ms=row[0], decision=_DECISION.decode(row[2])) for row in rows]
            after = (rows[-1][0], rows[-1][1])

    async def newest_ms(self, campaign_id: CampaignId) -> int | None:
        """When the campaign's newest decision was made; None: there is none."""
        query = select(func.max(pacing_log.c.at_ms)).where(pacing_log.c.campaign_id == campaign_id)
        async with self._ledger.read() as conn:
            found = (await conn.execute(query)).scalar_one()
        return None if found is None else int(found)

    async def placed_calls(
        self, campaign_id: CampaignId, from_ms: int, to_ms: int
    ) -> list[PlacedCalls]:
        """What became of the calls placed in each minute, oldest first."""
        async with self._ledger.read() as conn:
            found = await _PLACED.run(
                conn,
                campaign=campaign_id,
                since=from_ms,
                until=to_ms,
                minute=MINUTE_MS,
                abandoned=EventKind.ABANDONED,
            )
        return sorted(found or (), key=lambda minute: minute.at_ms)


_DECISION: Final = msgspec.json.Decoder(Decision)
_PLACED: Final = JsonQuery(
    """
    SELECT AGG(ARRAY(m.at_ms, m.dialed, m.answered, m.abandoned))
    FROM (
      SELECT a.at_ms, count(*) AS dialed, sum(a.answered) AS answered,
        sum(a.abandoned) AS abandoned
      FROM (
        SELECT planned_ms - planned_ms % :minute AS at_ms,
          CASE WHEN <ANSWERED_LIVE> THEN 1 ELSE 0 END AS answered,
          CASE WHEN outcome = :abandoned THEN 1 ELSE 0 END AS abandoned
        FROM attempt
        WHERE campaign_id = :campaign AND planned_ms >= :since AND planned_ms < :until) AS a
      GROUP BY a.at_ms) AS m
    """.replace("<ANSWERED_LIVE>", ANSWERED_LIVE),
    msgspec.json.Decoder(list[PlacedCalls] | None),
)
