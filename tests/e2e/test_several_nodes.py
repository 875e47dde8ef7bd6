"""A campaign over two Asterisks, one of which is killed in the middle of conversations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from campaigns.campaign import CampaignSettings
from compliance.types import Mode
from dialer.core.call import CallState
from dialer.core.desk_messages import CallConnected, CallOver, Dispose, Disposed, HangUp
from dialer.runtime.clock import Clock
from dialer.stores.ledger.schema import attempt, ledger_event
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.asterisk.nodes import AsteriskNode, carrier
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.lab.network import Network, running_network
from telephony_adapters.lab.pbx import USER, Pbx
from telephony_adapters.lab.scenario import Behaviour
from telephony_adapters.messages import CallId, LegId
from telephony_adapters.nodes.carrier import NodesCarrier
from telephony_adapters.nodes.settings import NodeLimits, NodesSettings
from tests.support.fixed_world import FixedWorld
from tests.support.house import DeskAgent, House, open_house
from tests.support.redis_server import redis_client, redis_folder, redis_server

__all__ = ["redis_client", "redis_folder", "redis_server"]

pytestmark = pytest.mark.xdist_group("telephony")

NAMES = ("north", "south")
SETTINGS = NodesSettings(down_s=0.5, lost_s=3.0, link_s=15.0)


def people_who_stay(folder: Path) -> tuple[Behaviour, ...]:
    return (Behaviour(name="person", users="[^@]*"),)


@pytest.fixture
def network() -> Iterator[Network]:
    """Of its own: one of its Asterisks dies."""
    with running_network(behaviours=people_who_stay, nodes=2) as started:
        yield started


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def node_at(network: Network, name: str, pbx: Pbx) -> AsteriskNode:
    return AsteriskNode(
        limits=NodeLimits(name=name, max_originates_per_s=10.0, max_lines=4),
        settings=AsteriskSettings(
            url=pbx.url,
            user=USER,
            password=pbx.password,
            app="marcador",
            dial=network.dial,
            agent_dial=network.agent_dial,
            laboratory=True,
        ),
        link_dial=pbx.link_dial,
    )


def carrier_at(network: Network, clock: Clock) -> NodesCarrier:
    nodes = [node_at(network, name, pbx) for name, pbx in zip(NAMES, network.nodes, strict=True)]
    return carrier(nodes, SETTINGS, clock)


async def talking(agent: DeskAgent) -> CallId:
    """The next call of an agent."""
    await agent.ready()
    return CallId((await agent.hear(CallConnected)).call.call_id)


def leg_of(house: House, agent: DeskAgent) -> LegId:
    seat = house.engine.desk.seat(agent.name)
    assert seat is not None
    return seat.session.leg_id


async def ends(house: House) -> dict[str, dict[str, object]]:
    """What the ledger has of ended attempts, by attempt."""
    await house.engine.recorder.flush()
    query = select(ledger_event.c.body).where(ledger_event.c.kind == "attempt_ended")
    async with house.marcador.ledger.read() as conn:
        bodies = [json.loads(row.body) for row in await conn.execute(query)]
    return {str(body["attempt_id"]): body for body in bodies}


async def test_a_node_dies_in_the_middle_of_conversations(
    tmp_path: Path, redis_url: str, network: Network
) -> None:
    async with open_house(
        tmp_path,
        redis_url,
        FixedWorld(),
        accounts=40,
        speed=1.0,
        make_adapter=lambda clock: carrier_at(network, clock),
    ) as house:
        nodes = house.marcador.adapter
        assert isinstance(nodes, NodesCarrier)
        ana, eva = await house.agent("ana"), await house.agent("eva")
        await house.campaign(settings=CampaignSettings(mode=Mode.PROGRESSIVE))
        homes = {"ana": "north", "eva": "south"}
        call_of = {agent.name: await talking(agent) for agent in (ana, eva)}
        for agent in (ana, eva):
            assert nodes.home_of(leg_of(house, agent)) == homes[agent.name]
        house.engine.fleet.carrier_is(up=False)  # nobody else is called for the moment
        await house.until(
            "two conversations and nothing else", lambda: len(house.engine.calls) == 2
        )
        lost = {call for call in call_of.values() if nodes.node_of(call) == "south"}
        kept = set(call_of.values()) - lost
        assert (len(lost), len(kept)) == (1, 1)
        network.nodes[1].kill()
        await house.until("the node is given up", lambda: nodes.figures()[1].given_up == len(lost))
        await house.until("ends are on record", lambda: len(house.engine.calls) == len(kept))
        for call_id in kept:
            call = house.engine.calls.get(call_id)
            assert call is not None
            assert call.state is CallState.BRIDGED

        # Eva's telephone is gone with the node: she ends what she has, and the other one rings her.
        if call_of["eva"] in kept:
            await eva.say(HangUp(call_id=call_of["eva"]))
        await eva.hear(CallOver)
        await eva.say(Dispose(call_id=call_of["eva"], code="CD-NV"))
        await eva.hear(Disposed)
        house.engine.fleet.carrier_is(up=True)
        again = await talking(eva)
        assert nodes.node_of(again) == nodes.home_of(leg_of(house, eva)) == "north"

        found = await ends(house)
        for call_id in lost:
            assert found[call_id]["reconciled"]
            assert found[call_id]["outcome"] == "conversation"
        async with house.marcador.ledger.read() as conn:
            rows = (await conn.execute(select(attempt.c.account_id))).all()
        assert set(Counter(row.account_id for row in rows).values()) == {1}, "nobody twice"
        report = await verify_ledger(house.marcador.ledger)
        assert report.holds, report.problems
