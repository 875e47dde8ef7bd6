"""Decisions and calls of a period, on both engines."""

from __future__ import annotations

import pytest

from compliance.types import CampaignId, EventKind
from dialer.core.pacing import Decision, Law
from dialer.core.pacing_story import PlacedCalls
from dialer.runtime.pacing_report import report_pacing
from dialer.stores.ledger import pacing_reads
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.pacing_log import PacingLog
from dialer.stores.ledger.pacing_reads import PacingReader
from dialer.stores.ledger.streams import EventStore
from tests.stores.ledger.world import (
    CAMPAIGN,
    NOW_MS,
    add_account,
    add_person,
    append_one,
    ended,
    found,
    planned,
)

MINUTE_MS = 60_000
OTHER = CampaignId("other")


@pytest.fixture
async def calls(ledger: Ledger, store: EventStore) -> None:
    await found(ledger)
    await add_person(ledger, "eva", {"+12125550102": []})
    await add_account(ledger, "single", {"eva": "holder"})
    outcomes = [
        (NOW_MS, EventKind.CONVERSATION),
        (NOW_MS + 1, EventKind.ABANDONED),
        (NOW_MS + 59_999, EventKind.RANG_NO_ANSWER),
        (NOW_MS + MINUTE_MS, EventKind.MACHINE_NO_MESSAGE),
    ]
    for number, (at_ms, outcome) in enumerate(outcomes):
        await append_one(store, planned("eva", f"a{number}", at_ms=at_ms))
        await append_one(store, ended("eva", f"a{number}", outcome=outcome))
    await append_one(store, planned("eva", "open", at_ms=NOW_MS + MINUTE_MS + 5))


async def log_some(ledger: Ledger, *at_ms: int, campaign_id: CampaignId = CAMPAIGN) -> None:
    log = PacingLog(ledger)
    for number, one_ms in enumerate(at_ms):
        decision = Decision(at_s=one_ms / 1000, calls_to_place=number + 1, law=Law.PREDICTIVE)
        log.add(campaign_id, decision)
    await log.write()


@pytest.mark.usefixtures("calls")
async def test_calls_are_counted_in_the_minute_they_were_placed_in(ledger: Ledger) -> None:
    reader = PacingReader(ledger)
    assert await reader.placed_calls(CAMPAIGN, NOW_MS, NOW_MS + 2 * MINUTE_MS) == [
        PlacedCalls(NOW_MS, 3, 2, 1),
        PlacedCalls(NOW_MS + MINUTE_MS, 2, 0, 0),
    ]
    assert await reader.placed_calls(CAMPAIGN, NOW_MS, NOW_MS + 1) == [PlacedCalls(NOW_MS, 1, 1, 0)]
    assert await reader.placed_calls(OTHER, 0, NOW_MS * 2) == []


async def test_decisions_come_in_order_page_by_page_and_each_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing_reads, "PAGE_ROWS", 2)
    same = [NOW_MS + 20] * 3
    await log_some(ledger, NOW_MS + 30, *same, NOW_MS + 10, NOW_MS - 1, NOW_MS + 40)
    await log_some(ledger, NOW_MS + 15, campaign_id=OTHER)
    reader = PacingReader(ledger)
    pages = [page async for page in reader.decisions(CAMPAIGN, NOW_MS, NOW_MS + 40)]
    told = [logged for page in pages for logged in page]
    assert [logged.at_ms - NOW_MS for logged in told] == [10, 20, 20, 20, 30]
    assert [logged.decision.calls_to_place for logged in told] == [5, 2, 3, 4, 1]
    assert await reader.newest_ms(CAMPAIGN) == NOW_MS + 40
    assert await reader.newest_ms(CampaignId("none")) is None


@pytest.mark.usefixtures("calls")
async def test_a_report_keeps_the_newest_decisions_and_counts_all(ledger: Ledger) -> None:
    await log_some(ledger, *(NOW_MS + second * 1_000 for second in range(5)))
    report = await report_pacing(ledger, CAMPAIGN, NOW_MS, NOW_MS + MINUTE_MS, limit=2)
    assert [logged.decision.calls_to_place for logged in report.decisions] == [4, 5]
    assert report.decisions_left_off == 3
    (minute,) = report.minutes
    assert (minute.calls_asked, minute.dialed, minute.abandoned_pct) == (15, 3, 50.0)
