"""One campaign's ticks."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from campaigns.campaign import CampaignSettings
from compliance.types import Mode
from dialer.stores.redis import EmbeddedRedis, RedisClient
from dialer.stores.redis.queue import CampaignQueue
from telephony_adapters.messages import HangupCause, Originate
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.world import DialPlan
from tests.support.fixed_world import FixedWorld
from tests.support.house import open_house


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def nobody_is_there(command: Originate) -> DialPlan:
    return DialPlan(progress_s=0.2, ringing_s=None, final_s=1.0, cause=HangupCause.NOT_IN_SERVICE)


async def test_what_happens_while_the_queue_answers_does_not_spoil_the_decision(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = FixedWorld(default=nobody_is_there)
    async with open_house(tmp_path, redis_url, world, accounts=5) as house:
        campaign = await house.campaign()
        runner = house.engine.runner_of(campaign.campaign_id)
        supply = CampaignQueue.supply
        heard = 0

        async def busy(queue: CampaignQueue, now_ms: int) -> int:
            nonlocal heard
            answer = await supply(queue, now_ms)
            heard += 1
            runner.found_machine("a call of yesterday")
            return answer

        monkeypatch.setattr(CampaignQueue, "supply", busy)
        await runner.tick()
        assert heard
        assert "snapshot time" not in (await runner.figures()).pacing_reason


async def test_a_fixed_ratio_calls_so_many_for_each_agent_who_waits(
    tmp_path: Path, redis_url: str
) -> None:
    """Every telephone rings on, so that all calls of one waiting agent are up at once."""
    settings = CampaignSettings(mode=Mode.PROGRESSIVE, lines_per_idle_agent=3.0, ring_timeout_s=60)
    async with open_house(tmp_path, redis_url, FixedWorld(), accounts=12) as house:
        campaign = await house.campaign(settings=settings)
        runner = house.engine.runner_of(campaign.campaign_id)
        agent = await house.agent("ana")
        await agent.ready()
        await house.until("the agent's three calls", lambda: house.carrier.placed >= 3)
        await runner.tick()
        figures = await runner.figures()
        assert (house.carrier.placed, figures.calls_to_place) == (3, 0)
        assert figures.pacing_reason == "1 idle x 3 lines, 3 calls under way"


class NarrowCarrier(SimulatedCarrier):
    """A carrier with nodes, which bear so many calls and no more."""

    bears = 0
    asked = 0

    def room(self) -> int:
        self.asked += 1
        return self.bears - self.placed


async def test_no_more_calls_are_decided_than_the_nodes_have_room_for(
    tmp_path: Path, redis_url: str
) -> None:
    """What no node would take is not taken from the queue in vain."""
    world = FixedWorld()  # everybody rings for long
    async with open_house(
        tmp_path,
        redis_url,
        world,
        make_adapter=lambda clock: NarrowCarrier(clock=clock, world=world),
    ) as house:
        carrier = house.marcador.adapter
        assert isinstance(carrier, NarrowCarrier)
        for name in ("ana", "eva", "mia"):
            await (await house.agent(name)).ready()
        await house.campaign()
        for bears in (0, 2, 3):
            carrier.bears = bears
            await house.until("calls leave", partial(_placed, carrier, bears))
            await house.until("more decisions", partial(_asked, carrier, carrier.asked + 5))
            assert carrier.placed == bears


def _placed(carrier: NarrowCarrier, calls: int) -> bool:
    return carrier.placed == calls


def _asked(carrier: NarrowCarrier, times: int) -> bool:
    return carrier.asked > times
