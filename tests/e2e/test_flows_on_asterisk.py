"""A flow on real SIP calls: Asterisk plays what espeak-ng says, SIPp people press keys."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from campaigns.campaign import CampaignSettings, SpokenSettings
from compliance.types import Mode
from dialer.core.desk_messages import (
    CallView,
)
from dialer.runtime.clock import Clock
from dialer.simulation.flows import approve
from dialer.stores.ledger.schema import attempt, contact_point, suppression
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.lab.network import Network, running_network
from telephony_adapters.lab.pbx import USER
from telephony_adapters.lab.scenario import Behaviour
from telephony_adapters.lab.speech import espeak_program
from tests.support.fixed_world import FixedWorld
from tests.support.house import House, open_house
from tests.support.key_flow import key_flow, serve
from tests.support.redis_server import redis_client, redis_folder, redis_server

__all__ = ["redis_client", "redis_folder", "redis_server"]

pytestmark = pytest.mark.xdist_group("telephony")

PRESSES_1 = "[02468]"
"""Last digits of the numbers whose people press 1; all others press 9."""


def people_at_keys(folder: Path) -> tuple[Behaviour, ...]:
    return (
        Behaviour(name="agent", users=f"[^@]*{PRESSES_1}", keys="1"),
        Behaviour(name="stop", users="[^@]*", keys="9"),
    )


@pytest.fixture(scope="module")
def keypads() -> Iterator[Network]:
    with running_network(behaviours=people_at_keys) as network:
        yield network


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def carrier_at(network: Network, clock: Clock) -> AsteriskCarrier:
    settings = AsteriskSettings(
        url=network.pbx.url,
        user=USER,
        password=network.pbx.password,
        app="flows",
        dial=network.dial,
        agent_dial=network.agent_dial,
        prompts_media=f"sound:{network.prompts}/{{audio}}",
        laboratory=True,
    )
    return AsteriskCarrier(settings, clock)


async def keys_of(house: House) -> dict[str, list[tuple[str, str]]]:
    """Outcome and code of ended attempts, by the key that the person pressed."""
    query = select(attempt.c.outcome, attempt.c.code, contact_point.c.address).join(
        contact_point, contact_point.c.contact_point_id == attempt.c.contact_point_id
    )
    found: dict[str, list[tuple[str, str]]] = {"1": [], "9": []}
    async with house.marcador.ledger.read() as conn:
        for outcome, code, address in await conn.execute(query):
            if outcome is not None:
                found["1" if address[-1] in PRESSES_1 else "9"].append((outcome, code))
    return found


async def test_a_key_reaches_an_agent_and_another_stops_the_calls(
    tmp_path: Path, redis_url: str, keypads: Network
) -> None:
    async with open_house(
        tmp_path,
        redis_url,
        FixedWorld(),
        accounts=30,
        speed=1.0,
        make_adapter=lambda clock: carrier_at(keypads, clock),
        overrides={
            "prompts__folder": str(keypads.prompts),
            "prompts__command": espeak_program(tmp_path),
        },
    ) as house:
        agent = await house.agent("ana")
        await agent.ready()
        await approve(house.marcador.ledger, key_flow(), 0)
        settings = CampaignSettings(
            mode=Mode.IVR,
            flow="key-for-agent",
            lines=2,
            spoken=SpokenSettings(return_number="+56225550100"),
        )
        await house.campaign(settings=settings)
        assert list(keypads.prompts.glob("*.wav")), "what everybody hears is ready before the start"
        served: list[CallView] = []
        serving = asyncio.create_task(serve(agent, served))
        contacts = house.engine.outcomes.contacts
        stopped: list[str] = []

        async def look() -> None:
            query = select(suppression).where(suppression.c.created_by == "flow:key-for-agent/1")
            async with house.marcador.ledger.read() as conn:
                stopped[:] = [f"{r.reason}:{r.channel}" for r in await conn.execute(query)]

        async with asyncio.timeout(60):
            while not (stopped and served):
                await look()
                await asyncio.sleep(0.1)
        assert set(stopped) == {"opt_out:voice"}
        assert not served[0].verified
        assert served[0].debts == ()
        house.engine.fleet.carrier_is(up=False)
        await house.until("every call is over", lambda: not contacts)
        serving.cancel()
        await house.engine.recorder.flush()
        found = await keys_of(house)
        assert ("conversation", "CD-NV") in found["1"]
        assert found["9"]
        assert set(found["9"]) == {("consent_revoked", "DG-OO")}
        report = await verify_ledger(house.marcador.ledger)
        assert report.holds, report.problems
