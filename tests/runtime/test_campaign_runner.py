"""One campaign's ticks."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.stores.redis import EmbeddedRedis, RedisClient
from dialer.stores.redis.queue import CampaignQueue
from telephony_adapters.messages import HangupCause, Originate
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
