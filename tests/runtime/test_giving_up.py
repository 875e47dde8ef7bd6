"""Calls that ring for long are hung up when the pacer finds no agent for them, and count."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from campaigns.campaign import CampaignSettings
from compliance.types import EventKind
from dialer.core.call import CallState
from dialer.core.pacing import Decision, Law, Snapshot
from dialer.stores.ledger.schema import attempt
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import HangupCause, Originate
from telephony_adapters.simulator.world import DialPlan
from tests.support.fixed_world import FixedWorld
from tests.support.house import open_house

SETTINGS = CampaignSettings(ring_timeout_s=80, give_up_after_s=15)


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def rings_on(command: Originate) -> DialPlan:
    return DialPlan(progress_s=0.2, ringing_s=0.5, final_s=75.0, cause=HangupCause.NO_ANSWER)


class NobodyIsLeft:
    """Wants no call, and none that rings for long."""

    def decide(self, snapshot: Snapshot) -> Decision:
        return Decision(at_s=snapshot.at_s, calls_to_place=0, law=Law.PREDICTIVE, give_up=True)


async def test_a_call_that_has_rung_for_long_is_given_up_and_counts_as_rung(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(default=rings_on), accounts=5) as house:
        campaign = await house.campaign(settings=SETTINGS)
        runner = house.engine.runner_of(campaign.campaign_id)
        assert (await runner.pump.run(1)).placed == 1
        calls = house.engine.calls
        await house.until(
            "ringing", lambda: any(c.state is CallState.RINGING for c in calls.live())
        )
        (call,) = calls.live()
        assert call.ringing_at is not None
        monkeypatch.setattr(runner._pacer, "decide", NobodyIsLeft().decide)
        calls.give_up(campaign.campaign_id, 60.0)
        assert calls.live() == [call], "it has not rung for long enough"
        due = call.ringing_at + timedelta(seconds=15)
        await house.until("15 s of ringing", lambda: house.engine.clock.now() >= due)
        await runner.tick()
        await house.until("the end", lambda: not house.engine.outcomes.contacts)
        await house.engine.recorder.flush()
        async with house.marcador.ledger.read() as conn:
            row = (await conn.execute(select(attempt))).one()
        assert row.outcome == EventKind.RANG_NO_ANSWER
        assert 15_000 <= row.ring_ms < 75_000


def test_the_gate_is_told_the_shortest_ring() -> None:
    assert SETTINGS.least_ring_s == 15
    assert CampaignSettings(ring_timeout_s=30).least_ring_s == 30
    assert CampaignSettings(ring_timeout_s=20, give_up_after_s=40).least_ring_s == 20
    with pytest.raises(msgspec.ValidationError, match=">= 15"):
        msgspec.convert({"give_up_after_s": 14}, CampaignSettings)
