"""No person is ever given to an agent whose telephone is not up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from campaigns.campaign import CampaignAction
from compliance.types import CampaignId
from dialer.core.agent import AgentState
from dialer.core.desk_messages import AnyServerMessage, CallConnected, Refused
from dialer.runtime.desk import LegState, Seat
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import CallId, LegId, Originate
from telephony_adapters.simulator.world import NEVER, DialPlan
from tests.support.fixed_world import FixedWorld, answered
from tests.support.house import House, open_house


def rings(command: Originate) -> DialPlan:
    return DialPlan(progress_s=0.2, ringing_s=1.0, final_s=NEVER)


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


async def test_a_ready_agent_gets_no_call_until_the_telephone_is_up(
    tmp_path: Path, redis_url: str
) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(default=rings)) as house:
        campaign_id = (await house.campaign()).campaign_id
        desk = house.engine.desk
        seat = desk.join(agent_id="bea", session_id="bea-1", name="Bea", language="es")
        await house.engine.own_campaigns()
        await desk.ready("bea")
        assert await desk.take(campaign_id, CallId("1")) is None
        assert await desk.take_own("bea", CallId("1")) is None
        await desk.leg_changed(LegId("leg-bea-1"), up=True)
        taken = await desk.take(campaign_id, CallId("1"))
        assert taken is not None
        assert taken.agent_id == "bea"
        assert seat.session.state is AgentState.RESERVED


async def test_who_lost_the_telephone_is_rung_again_when_ready(
    tmp_path: Path, redis_url: str
) -> None:
    talks = FixedWorld(default=lambda command: answered(command.call_id))
    async with open_house(tmp_path, redis_url, talks) as house:
        campaign_id = await _stopped_campaign(house)
        agent = await house.agent("ana")
        seat = _seat(house, "ana")
        await house.until("the telephone is up", lambda: seat.leg is LegState.UP)
        house.carrier.agent_hangs_up(seat.session.leg_id)
        await house.until("it is gone", lambda: seat.leg is LegState.DOWN)
        assert await house.engine.desk.take(campaign_id, CallId("1")) is None
        house.carrier.lose_connection()
        await agent.ready()
        refused = [m for m in _said(agent.inbox) if isinstance(m, Refused)]
        assert [m.code for m in refused] == ["no_telephone"]
        assert seat.session.state is AgentState.PAUSED
        house.carrier.restore_connection()
        await agent.ready()
        await house.engine.act(campaign_id, CampaignAction.RESUME, actor="test")
        await agent.hear(CallConnected)


def _seat(house: House, agent_id: str) -> Seat:
    seat = house.engine.desk.seat(agent_id)
    assert seat is not None
    return seat


async def _stopped_campaign(house: House) -> CampaignId:
    campaign = await house.campaign()
    await house.engine.act(campaign.campaign_id, CampaignAction.PAUSE, actor="test")
    return campaign.campaign_id


def _said(inbox: asyncio.Queue[AnyServerMessage]) -> list[AnyServerMessage]:
    return [inbox.get_nowait() for _ in range(inbox.qsize())]
