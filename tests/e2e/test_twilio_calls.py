"""A person, an agent and the ledger, with Twilio between them: the engine, the SDK and the fake."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from dialer.core.desk_messages import CallConnected, CallOver, Dispose, Disposed, HangUp
from dialer.runtime.clock import Clock
from dialer.stores.ledger.schema import attempt, contact_point
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import Originate
from telephony_adapters.simulator.world import DialPlan
from telephony_adapters.twilio.adapter import TwilioAdapter
from telephony_adapters.twilio.fake.clock import FastClock
from telephony_adapters.twilio.fake.exchange import FakeSettings
from telephony_adapters.twilio.fake.faults import CreateFault, Fault
from telephony_adapters.twilio.fake.server import FakeTwilio
from telephony_adapters.twilio.settings import TwilioSettings
from telephony_adapters.twilio.twiml import Addresses
from tests.support.fixed_world import FixedWorld, PlanMaker, answered
from tests.support.free_port import free_port
from tests.support.house import House, open_house
from tests.support.redis_server import redis_client, redis_folder, redis_server

__all__ = ["redis_client", "redis_folder", "redis_server"]


def somebody_answers(command: Originate) -> DialPlan:
    return answered(command.call_id, after_s=0.2, talk_s=600.0, patience_s=600.0)


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


@asynccontextmanager
async def house_on_twilio(
    folder: Path,
    redis_url: str,
    *,
    request_timeout_s: float = 20.0,
    somebody: PlanMaker = somebody_answers,
    overrides: Mapping[str, object] | None = None,
) -> AsyncIterator[tuple[House, FakeTwilio]]:
    """A Marcador in real time whose carrier is the fake; everybody answers."""
    world = FixedWorld(default=somebody)
    fake = FakeTwilio(FakeSettings(calls_per_s=100.0), FastClock(1.0), world)
    await fake.start()
    port = free_port()
    settings = TwilioSettings(
        account_sid=fake.settings.account_sid,
        auth_token=fake.settings.auth_token,
        public_url=f"http://127.0.0.1:{port}",
        listen_port=port,
        api_url=fake.url,
        caller_ids=("+56221234567",),
        request_timeout_s=request_timeout_s,
    )

    addresses = Addresses(settings.public_url)
    fake.exchange.voice_url = addresses.voice_in
    fake.exchange.voice_status_url = addresses.voice_status

    def make(clock: Clock) -> TwilioAdapter:
        return TwilioAdapter(settings, clock)

    try:
        async with open_house(
            folder, redis_url, world, speed=1.0, make_adapter=make, overrides=overrides
        ) as house:
            yield house, fake
    finally:
        await fake.stop()


async def work_one_call(house: House) -> str:
    """An agent takes a call, ends it, and says what it was; gives the id of the attempt."""
    agent = await house.agent("ana")
    await agent.ready()
    call = (await agent.hear(CallConnected)).call
    await agent.say(HangUp(call_id=call.call_id))
    assert (await agent.hear(CallOver)).call_id == call.call_id
    await agent.say(Dispose(call_id=call.call_id, code=call.codes[0].code))
    assert (await agent.hear(Disposed)).call_id == call.call_id
    return call.call_id


async def test_a_call_from_the_queue_to_the_ledger(tmp_path: Path, redis_url: str) -> None:
    async with house_on_twilio(tmp_path, redis_url) as (house, fake):
        await house.campaign()
        attempt_id = await work_one_call(house)
        await house.engine.recorder.flush()
        async with house.marcador.ledger.read() as conn:
            query = select(attempt).where(attempt.c.attempt_id == attempt_id)
            row = (await conn.execute(query)).one()
        assert row.ended_ms is not None
        assert row.agent_id == "ana"
        assert row.code is not None
        assert (await verify_ledger(house.marcador.ledger)).problem_count == 0
        mine = [c for c in fake.exchange.calls.values() if f"={attempt_id}" in c.status_url]
        assert len(mine) == 1


async def test_a_create_without_an_answer_still_brings_the_person_to_the_agent(
    tmp_path: Path, redis_url: str
) -> None:
    async with house_on_twilio(tmp_path, redis_url, request_timeout_s=2.0) as (house, fake):
        async with house.marcador.ledger.read() as conn:
            addresses = (await conn.execute(select(contact_point.c.address))).scalars().all()
        silent = Fault(create=CreateFault.SILENT_PLACED)
        fake.exchange.faults.update((str(address), silent) for address in addresses)
        await house.campaign()
        attempt_id = await work_one_call(house)
        mine = [c for c in fake.exchange.calls.values() if f"={attempt_id}" in c.status_url]
        assert len(mine) == 1, "it was not placed again"
        await house.until(
            "the create was given up", lambda: house.engine.calls.counters.originate_unknown >= 1
        )
