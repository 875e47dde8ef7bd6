"""Keeps pacing decisions, so that any of them can be explained and graphed later."""

from __future__ import annotations

import msgspec
from sqlalchemy import delete, insert, select

from compliance.types import CampaignId
from dialer.core.pacing.messages import Clamp, Decision
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import pacing_log

SAMPLE_EVERY_S = 15.0
"""A decision that says again "nothing to do" is kept this often, so that graphs have no holes."""
KEPT_UNWRITTEN = 5_000
"""Decisions held while the ledger is away; older ones are dropped first."""


class PacingLog:
    """Collects decisions that did something, or were kept from it, and writes them in batches."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._rows: list[dict[str, object]] = []
        self._said: dict[CampaignId, tuple[Clamp, float]] = {}
        """Where the last one kept placed nothing: what clamped it, and when."""

    def add(self, campaign_id: CampaignId, decision: Decision) -> None:
        """Remember a decision; one that says again "nothing to do" only now and then."""
        if decision.calls_to_place:
            self._said.pop(campaign_id, None)
        else:
            clamp, at_s = self._said.get(campaign_id, (None, 0.0))
            if clamp is decision.clamp and 0.0 <= decision.at_s - at_s < SAMPLE_EVERY_S:
                return
            self._said[campaign_id] = (decision.clamp, decision.at_s)
        self._rows.append(
            {
                "campaign_id": campaign_id,
                "at_ms": round(decision.at_s * 1000),
                "decision": msgspec.json.encode(decision).decode(),
            }
        )
        if len(self._rows) > KEPT_UNWRITTEN:
            del self._rows[: len(self._rows) - KEPT_UNWRITTEN]

    async def write(self) -> int:
        """Write what was collected; how many rows. Raises `LedgerUnavailable`, and keeps them."""
        rows = self._rows
        if not rows:
            return 0
        async with self._ledger.write() as conn:
            await conn.execute(insert(pacing_log), rows)
        self._rows = self._rows[len(rows) :]
        return len(rows)

    async def drop(self, before_ms: int, most: int) -> int:
        """Forget the oldest decisions, of before an instant; how many. Raises as `write`."""
        oldest = select(pacing_log.c.pacing_no).order_by(pacing_log.c.pacing_no).limit(most)
        command = delete(pacing_log).where(
            pacing_log.c.pacing_no.in_(oldest.scalar_subquery()), pacing_log.c.at_ms < before_ms
        )
        async with self._ledger.write() as conn:
            return (await conn.execute(command)).rowcount
