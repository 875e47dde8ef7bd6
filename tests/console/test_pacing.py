"""Pacing over HTTP: who may ask, for what period, and what it tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from compliance.types import CampaignId
from dialer.core.pacing import Clamp, Decision, Estimates, Law
from dialer.core.records import to_ms
from dialer.runtime.pacing_report import PacingReport
from dialer.stores.ledger.pacing_log import PacingLog
from dialer.stores.ledger.users import Role
from tests.console.test_campaigns import campaign
from tests.console.world import World

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


async def logged(world: World, campaign_id: str, *, at: datetime = NOON) -> Decision:
    decision = Decision(
        at_s=at.timestamp(),
        calls_to_place=2,
        law=Law.PREDICTIVE,
        clamp=Clamp.CAP,
        cap_name="trunk",
        asked=7,
        reason="7 more",
        estimates=Estimates(idle=1, staffed=4, tolerance=0.0125, pickup_rate=0.2),
    )
    log = PacingLog(world.ledger)
    log.add(CampaignId(campaign_id), decision)
    await log.write()
    return decision


async def test_a_decision_is_told_with_what_explains_it_and_graphed(world: World) -> None:
    campaign_id = await campaign(world)
    decision = await logged(world, campaign_id)
    path = (
        f"campaigns/{campaign_id}/pacing?from=2026-11-24T13:00:00%2B02:00&to=2026-11-24T12:30:00Z"
    )
    for role in (Role.SUPERVISOR, Role.MANAGER, Role.COMPLIANCE, Role.ADMIN):
        reply = await world.call("GET", path, role=role)
        assert reply.status == 200, reply.raw
    report = msgspec.json.decode(reply.raw, type=PacingReport)
    assert [told.decision for told in report.decisions] == [decision]
    (minute,) = report.minutes
    assert (minute.at_ms, minute.calls_asked) == (to_ms(NOON), 2)
    assert (minute.occupancy_pct, minute.tolerance) == (75.0, 0.0125)
    assert report.decisions_left_off == 0
    assert (await world.call("GET", path, role=Role.AGENT)).status == 403


async def test_the_last_hour_is_told_by_default(world: World) -> None:
    campaign_id = await campaign(world)
    now = datetime.now(UTC)
    await logged(world, campaign_id, at=now - timedelta(minutes=59))
    await logged(world, campaign_id, at=now - timedelta(minutes=61))
    reply = await world.call("GET", f"campaigns/{campaign_id}/pacing", role=Role.MANAGER)
    report = msgspec.json.decode(reply.raw, type=PacingReport)
    assert len(report.decisions) == 1
    assert report.to_ms - report.from_ms == 3_600_000


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("from=2026-11-24T12:00:00Z&to=2026-11-24T12:00:00Z", "from"),
        ("from=2026-11-24T12:00:00Z&to=2026-11-25T12:00:01Z", "from"),
        ("from=2026-11-24T12:00:00", "from"),
        ("to=yesterday", "to"),
        ("limit=0", "limit"),
        ("since=2026-11-24T12:00:00Z", "since"),
    ],
)
async def test_a_bad_period_is_named(world: World, query: str, where: str) -> None:
    campaign_id = await campaign(world)
    reply = await world.call("GET", f"campaigns/{campaign_id}/pacing?{query}", role=Role.ADMIN)
    assert (reply.status, reply.error["where"]) == (400, where), reply.raw


async def test_a_campaign_that_is_not_there(world: World) -> None:
    reply = await world.call("GET", "campaigns/none/pacing", role=Role.ADMIN)
    assert reply.status == 404
