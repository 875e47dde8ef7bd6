"""Campaigns of messages on a whole engine: real SQLite, real Redis, a simulated provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.stores.ledger.messages import campaign_messages
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from tests.support.fixed_world import FixedWorld
from tests.support.house import open_house
from tests.support.letters import FixedLetters, blast, contact_request


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


async def test_a_campaign_of_sms_runs_to_its_end(tmp_path: Path, redis_url: str) -> None:
    async with open_house(
        tmp_path, redis_url, FixedWorld(), letters=FixedLetters(), accounts=30
    ) as house:
        await house.approve(contact_request())
        campaign = await house.campaign(settings=blast())
        figures = lambda: house.engine.fleet.runner(campaign.campaign_id).tally
        await house.until("some are sent", lambda: figures().outcomes["DG-ET"] > 10)
        await house.engine.post.settled()
        async with house.marcador.ledger.read() as conn:
            said = await campaign_messages(conn, campaign.campaign_id)
        print(said, figures().blocked, figures().outcomes)
        report = await verify_ledger(house.marcador.ledger)
        assert report.holds
