"""Simulated people who missed a call call back, once, and hear the flow for callers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from campaigns.campaign import CampaignSettings
from compliance.types import Mode
from dialer.core.records import InboundContact
from dialer.simulation.flows import approve_shipped
from dialer.simulation.returns import ReturnCalls
from dialer.stores.ledger.schema import ledger_event
from dialer.stores.redis import EmbeddedRedis, RedisClient
from tests.runtime.flow_house import SPOKEN
from tests.support.fixed_world import FixedWorld
from tests.support.house import House, open_house
from tests.support.redis_server import redis_client, redis_folder, redis_server

__all__ = ["redis_client", "redis_folder", "redis_server"]

FAST = 200.0


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


async def callers(house: House) -> list[str]:
    """Whose calls came in."""
    query = select(ledger_event).where(ledger_event.c.kind == "inbound_contact")
    async with house.marcador.ledger.read() as conn:
        rows = (await conn.execute(query)).all()
    bodies = [msgspec.json.decode(row.body, type=InboundContact) for row in rows]
    return [str(body.contact_point_id) for body in bodies]


async def test_who_missed_a_call_returns_it_once(tmp_path: Path, redis_url: str) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(), accounts=10, speed=FAST) as house:
        returns = ReturnCalls(
            clock=house.marcador.clock,
            ledger=house.marcador.ledger,
            carrier=house.carrier,
            our_number=str(SPOKEN.return_number),
            share=1.0,
            after_s=(1.0, 5.0),
        )
        house.engine.calls.observe(returns)
        await approve_shipped(house.marcador.ledger, "inbound-return", 0)
        await (await house.agent("ana")).ready()
        await house.campaign(
            settings=CampaignSettings(
                mode=Mode.PROGRESSIVE, inbound_flow="inbound-return", spoken=SPOKEN
            )
        )
        inbound = house.engine.floor.inbound
        await house.until("two call back", lambda: inbound.figures().received >= 2)
        house.engine.fleet.carrier_is(up=False)
        await house.until("all have ended", lambda: not house.engine.calls.live())
        await returns.close()
        await house.engine.recorder.flush()
        found = await callers(house)
        assert found
        assert len(found) == len(set(found))
        assert inbound.figures().turned_away == 0
