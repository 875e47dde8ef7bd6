"""A flow over Twilio's documents: the words are said by Twilio, keys come one webhook each."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from campaigns.campaign import CampaignSettings, SpokenSettings
from compliance.types import Mode
from dialer.core.desk_messages import (
    CallConnected,
    CallOver,
    CallView,
    Dispose,
    Disposed,
    HangUp,
)
from dialer.runtime.inbound import UNIDENTIFIED
from dialer.simulation.flows import approve, approve_shipped
from dialer.stores.ledger.schema import attempt, suppression
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import Originate
from telephony_adapters.simulator.world import DialPlan
from telephony_adapters.twilio.codec import CallStatus
from tests.e2e.test_twilio_calls import house_on_twilio
from tests.runtime.flow_house import SPOKEN
from tests.runtime.test_conversations import free
from tests.runtime.test_inbound import OUR_NUMBER
from tests.support.fixed_world import answered
from tests.support.key_flow import key_flow, serve
from tests.support.redis_server import redis_client, redis_folder, redis_server

__all__ = ["redis_client", "redis_folder", "redis_server"]

KEY_AFTER_S = 2.0


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def somebody_presses(command: Originate) -> DialPlan:
    """Even numbers want an agent, odd ones no more calls."""
    key = "1" if int(command.to[-1]) % 2 == 0 else "9"
    return answered(
        command.call_id,
        after_s=0.2,
        talk_s=600.0,
        patience_s=600.0,
        digits=((KEY_AFTER_S, key),),
    )


async def test_keys_reach_an_agent_and_stop_the_calls(tmp_path: Path, redis_url: str) -> None:
    async with house_on_twilio(tmp_path, redis_url, somebody=somebody_presses) as (house, fake):
        agent = await house.agent("ana")
        await agent.ready()
        await approve(house.marcador.ledger, key_flow(), 0)
        settings = CampaignSettings(
            mode=Mode.IVR,
            flow="key-for-agent",
            lines=6,
            spoken=SpokenSettings(return_number="+56225550100"),
        )
        served: list[CallView] = []
        serving = asyncio.create_task(serve(agent, served))
        await house.campaign(settings=settings)
        query = select(suppression).where(suppression.c.created_by == "flow:key-for-agent/1")
        stopped = False
        async with asyncio.timeout(40):
            while not (stopped and served):
                async with house.marcador.ledger.read() as conn:
                    stopped = (await conn.execute(query)).first() is not None
                await asyncio.sleep(0.05)
        house.engine.fleet.carrier_is(up=False)
        await house.until("every call is over", lambda: not house.engine.outcomes.contacts)
        serving.cancel()
        await house.engine.recorder.flush()
        async with house.marcador.ledger.read() as conn:
            codes = set((await conn.execute(select(attempt.c.code))).scalars())
        assert {"DG-OO", "CD-NV"} <= codes
        assert (await verify_ledger(house.marcador.ledger)).problem_count == 0
        assert any("Le llamamos de Servicios BP" in words for words in fake.exchange.said)


async def test_who_calls_us_hears_a_flow_and_reaches_an_agent_by_key(
    tmp_path: Path, redis_url: str
) -> None:
    async with house_on_twilio(tmp_path, redis_url, somebody=somebody_presses) as (house, fake):
        await approve_shipped(house.marcador.ledger, "inbound-return", 0)
        settings = CampaignSettings(
            mode=Mode.PROGRESSIVE,
            inbound_flow="inbound-return",
            spoken=SPOKEN,
            timezone="America/Santiago",
        )
        await house.campaign(settings=settings)
        agent = await house.agent("ana")
        await free(house, agent)
        theirs = fake.exchange.somebody_calls("+56229999999", OUR_NUMBER, patience_s=6_000.0)

        async def said(words: str) -> None:
            what = f"Twilio says {words!r}"
            await house.until(what, lambda: any(words in one for one in fake.exchange.said))

        async def presses(key: str) -> None:
            await house.until("Twilio listens", lambda: theirs.keys is not None)
            fake.exchange.far_end_presses(theirs, key=key)

        await said("For English, press 2")
        await presses("2")
        await said("To go on, press 1")
        await presses("1")
        view = (await agent.hear(CallConnected)).call
        assert (view.person_name, view.language, view.debts) == ("", "en", ())
        assert [code.code for code in view.codes] == [UNIDENTIFIED]
        await agent.say(HangUp(call_id=view.call_id))
        await agent.hear(CallOver)
        await agent.say(Dispose(call_id=view.call_id, code=UNIDENTIFIED))
        await agent.hear(Disposed)
        await house.until("Twilio agrees", lambda: theirs.status is CallStatus.COMPLETED)
