"""kill -9 between a message's intent and the provider's answer: nobody is written to twice."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from campaigns.campaign import CampaignAction
from dialer.bootstrap import open_marcador
from dialer.core.records import to_ms
from dialer.runtime.clock import SimulatedClock
from dialer.stores.ledger.campaigns import act_on_campaign
from dialer.stores.ledger.messages_schema import message
from dialer.stores.ledger.schema import attempt
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.simulator.carrier import SimulatedCarrier
from tests.faults.blaster import Blast, Moment, books, live
from tests.faults.farm import finish, spawn
from tests.support.fixed_world import FixedWorld
from tests.support.house import NOON_IN_CHILE, House, house_config, import_sample
from tests.support.letters import blast, contact_request

KILLED = -9


async def prepare(folder: Path, redis_url: str) -> None:
    """A campaign of messages in the ledger that nobody drives yet."""
    clock = SimulatedClock(NOON_IN_CHILE, 1.0)
    carrier = SimulatedCarrier(clock=clock, world=FixedWorld())
    config = house_config(folder, redis_url)
    async with open_marcador(config, clock=clock, adapter=carrier) as marcador:
        portfolio, _ = await import_sample(marcador, folder, 30)
        house = House(marcador, portfolio)
        await house.approve(contact_request())
        campaign = await house.campaign(settings=blast(), start=False)
        async with marcador.ledger.write() as conn:
            await act_on_campaign(
                conn,
                campaign.campaign_id,
                CampaignAction.START,
                actor="test",
                now_ms=to_ms(NOON_IN_CHILE),
            )


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_killed_sending_is_asked_for_before_anything_is_tried_again(
    tmp_path: Path, redis_server: EmbeddedRedis, redis_client: RedisClient, moment: Moment
) -> None:
    await prepare(tmp_path, redis_server.url)
    start = NOON_IN_CHILE
    for kill_at in (2, 4, 1):
        one = Blast(
            folder=str(tmp_path),
            redis_url=redis_server.url,
            start=start,
            kill_at=kill_at,
            moment=moment,
        )
        assert finish(spawn(live, one)) == KILLED
        start += timedelta(minutes=10)
    last = Blast(folder=str(tmp_path), redis_url=redis_server.url, start=start)
    assert finish(spawn(live, last)) == 0
    took = books(tmp_path / "post.txt")
    assert len(took) > 3
    assert set(Counter(message_id for message_id, _ in took).values()) == {1}
    assert set(Counter(address for _, address in took).values()) == {1}
    clock = SimulatedClock(start, 1.0)
    carrier = SimulatedCarrier(clock=clock, world=FixedWorld())
    config = house_config(tmp_path, redis_server.url)
    async with open_marcador(config, clock=clock, adapter=carrier) as marcador:
        async with marcador.ledger.read() as conn:
            rows = (await conn.execute(select(message.c.message_id, message.c.state))).all()
            ends = (await conn.execute(select(attempt.c.ended_ms))).scalars().all()
        states = {row.message_id: row.state for row in rows}
        assert {m for m, state in states.items() if state == "sent"} == {m for m, _ in took}
        assert set(states.values()) <= {"sent", "not_sent"}
        if moment is Moment.BEFORE_TAKEN:
            assert "not_sent" in states.values()
        assert None not in ends
        report = await verify_ledger(marcador.ledger)
        assert report.holds, report.problems
