"""A stop of a creditor or of the whole house binds every intent that is not yet durable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from compliance.types import SuppressionScope
from dialer.core.records import AttemptPlanned, to_ms
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.ledger.streams import AppendResult, NewEvent
from dialer.stores.ledger.subjects import add_wide_suppression
from tests.faults.prepared import MORNING
from tests.races.conftest import OpenField
from tests.races.racer import WatchedStore
from tests.races.test_between import run_one
from tests.races.test_last_contact import run_workers

SCOPES = [SuppressionScope.TENANT, SuppressionScope.CREDITOR]
UNDER_WAY = 20
"""Attempts after which a race is under way."""


async def stop_everybody(ledger: Ledger, scope: SuppressionScope) -> int:
    """Number of the last event before the stop."""
    async with ledger.write() as conn:
        await add_wide_suppression(
            conn,
            scope=scope,
            reason="legal",
            actor="officer",
            now_ms=to_ms(MORNING),
            target_id="creditor" if scope is SuppressionScope.CREDITOR else None,
        )
        last = await conn.execute(text("SELECT coalesce(max(event_no), 0) FROM ledger_event"))
        return int(last.scalar_one())


async def attempts_since(ledger: Ledger, event_no: int) -> int:
    query = """SELECT count(*) FROM ledger_event
                WHERE kind = 'attempt_planned' AND event_no > :event_no"""
    async with ledger.read() as conn:
        return int((await conn.execute(text(query), {"event_no": event_no})).scalar_one())


class Halted(WatchedStore):
    """Between the facts and the append of the second batch of intents everybody is stopped."""

    def __init__(self, ledger: Ledger, scope: SuppressionScope) -> None:
        super().__init__(ledger)
        self._scope = scope
        self._batches = 0
        self.stopped_at = 0

    async def append(self, events: Sequence[NewEvent]) -> list[AppendResult]:
        if any(isinstance(event.body, AttemptPlanned) for event in events):
            self._batches += 1
            if self._batches == 2:
                self.stopped_at = await stop_everybody(self.ledger, self._scope)
        return await super().append(events)


@pytest.mark.parametrize("scope", SCOPES)
async def test_it_wins_every_time(open_field: OpenField, scope: SuppressionScope) -> None:
    field = await open_field("US", accounts=120, campaigns=1)
    store = Halted(field.ledger, scope)
    report = await run_one(field, store)
    assert report.placed > 0, "the first batch was before the stop"
    assert report.lost > 0, "the second batch was decided before the stop, and must have lost"
    assert report.blocked > 0
    assert await attempts_since(field.ledger, store.stopped_at) == 0
    assert await attempts_since(field.ledger, 0) == report.placed


async def test_it_wins_under_load(open_field: OpenField) -> None:
    field = await open_field("US", accounts=400)
    outside = await open_ledger(field.ledger_url, now_ms=to_ms(MORNING))
    racing = asyncio.create_task(run_workers(field))
    try:
        while await attempts_since(outside, 0) < UNDER_WAY:
            assert not racing.done(), "the race was over before it could be stopped"
            await asyncio.sleep(0.002)
        stopped_at = await stop_everybody(outside, SuppressionScope.TENANT)
        reports = await racing
        assert await attempts_since(outside, stopped_at) == 0
        assert await attempts_since(outside, 0) == sum(report.placed for report in reports)
    finally:
        await outside.close()
    assert sum(report.blocked for report in reports) > 0
