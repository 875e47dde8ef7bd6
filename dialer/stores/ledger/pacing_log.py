"""Keeps pacing decisions, so that any of them can be explained and graphed later."""

from __future__ import annotations

import msgspec
from sqlalchemy import insert

from compliance.types import CampaignId
from dialer.core.pacing.messages import Clamp, Decision
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import pacing_log

KEPT_UNWRITTEN = 5_000
"""Decisions held while the ledger is away; older ones are dropped first."""


class PacingLog:
    """Collects decisions that did something, or were kept from it, and writes them in batches."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._rows: list[dict[str, object]] = []
        self._said: dict[CampaignId, tuple[int, Clamp]] = {}

    def add(self, campaign_id: CampaignId, decision: Decision) -> None:
        """Remember a decision; one that says again "nothing to do" is not kept."""
        what = (decision.calls_to_place, decision.clamp)
        if decision.calls_to_place == 0 and self._said.get(campaign_id) == what:
            return
        self._said[campaign_id] = what
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
