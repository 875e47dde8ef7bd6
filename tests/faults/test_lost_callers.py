"""kill -9 in the middle of a call to us, and after its end: it is accounted for, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from compliance.types import AccountId, PersonId
from dialer.bootstrap import Marcador, open_marcador
from dialer.core.deciding import in_flight
from dialer.core.records import InboundDisposed, InboundEnded, to_ms
from dialer.core.snapshots import PersonSnapshot
from dialer.runtime import fleet as fleet_module
from dialer.runtime.clock import SimulatedClock
from dialer.runtime.outcomes import default_code
from dialer.stores.ledger.callers_schema import inbound_call
from dialer.stores.ledger.schema import callback, enrolment
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.simulator.carrier import SimulatedCarrier
from tests.faults.called import OWNER_LEASE_MS, TOLD, Called, Caller, Moment, be_called
from tests.faults.farm import finish, spawn
from tests.support.fixed_world import FixedWorld
from tests.support.house import NOON_IN_CHILE, PATIENCE_S, SPEED, house_config

KILLED = -9
LATER = timedelta(minutes=30)


@asynccontextmanager
async def next_life(folder: Path, redis_url: str) -> AsyncIterator[Marcador]:
    """The same house half an hour later, with nobody at the desk."""
    clock = SimulatedClock(NOON_IN_CHILE + LATER, SPEED)
    carrier = SimulatedCarrier(clock=clock, world=FixedWorld())
    async with open_marcador(
        house_config(folder, redis_url), clock=clock, adapter=carrier
    ) as marcador:
        await marcador.engine.start()
        try:
            yield marcador
        finally:
            await marcador.engine.stop()


async def person_of(marcador: Marcador, caller: Caller) -> PersonSnapshot:
    accounts = await marcador.engine.reader.read_accounts(None, [AccountId(caller.account_id)], 0)
    return next(p for p in accounts[0].people if p.person_id == caller.person_id)


async def until(what: str, condition: Callable[[], Awaitable[bool]]) -> None:
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline_s, what
        await asyncio.sleep(0.02)


async def kinds_of(marcador: Marcador, caller: Caller) -> list[str]:
    events = await marcador.engine.reader.read_person(PersonId(caller.person_id))
    return [e.kind for e in events if e.kind.startswith(("inbound", "identity"))]


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_call_that_lost_its_end_or_its_agent_is_brought_to_an_end(
    tmp_path: Path,
    redis_server: EmbeddedRedis,
    redis_client: RedisClient,
    monkeypatch: pytest.MonkeyPatch,
    moment: Moment,
) -> None:
    monkeypatch.setattr(fleet_module, "OWNER_LEASE_MS", OWNER_LEASE_MS)
    called = Called(folder=str(tmp_path), redis_url=redis_server.url, moment=moment)
    assert await asyncio.to_thread(finish, spawn(be_called, called)) == KILLED
    caller = msgspec.json.decode((tmp_path / TOLD).read_bytes(), type=Caller)
    async with next_life(tmp_path, redis_server.url) as marcador:
        now = marcador.clock.now()
        on_the_line = in_flight(await person_of(marcador, caller), now)
        assert on_the_line is (moment is not Moment.WRAPPING_UP)

        async def finished() -> bool:
            return marcador.engine.floor.lost_calls.finished == 1

        await until("it is found", finished)
        person = await person_of(marcador, caller)
        assert not in_flight(person, now), "and may be called again"
        talked = moment is not Moment.WAITING
        checked = moment in (Moment.VERIFIED, Moment.WRAPPING_UP)
        assert await kinds_of(marcador, caller) == [
            "inbound_contact",
            *(["identity_checked"] if checked else []),
            "inbound_ended",
            *(["inbound_disposed"] if talked else []),
        ]
        (ended,) = [r.body for r in person.rows if isinstance(r.body, InboundEnded)]
        said = [r.body for r in person.rows if isinstance(r.body, InboundDisposed)]
        assert ended.missed is not talked
        assert ended.agent_id == ("ana" if talked else None)
        if moment is not Moment.WRAPPING_UP:
            assert ended.cause == "unknown"
        assert [(b.code, b.agent_id) for b in said] == (
            [(default_code(verified=checked), "ana")] if talked else []
        )
        async with marcador.ledger.read() as conn:
            asked = (await conn.execute(select(callback))).all()
            standing = (
                await conn.execute(
                    select(enrolment).where(enrolment.c.account_id == caller.account_id)
                )
            ).one()
        assert [c.person_id for c in asked] == ([] if talked else [caller.person_id])
        assert standing.state == "waiting"
        assert standing.not_before_ms > to_ms(now)
        assert talked or standing.reason == "missed_inbound"

        for _ in range(3):
            await marcador.engine.sweep()
        assert marcador.engine.floor.lost_calls.finished == 1, "once"
        async with marcador.ledger.read() as conn:
            row = (await conn.execute(select(inbound_call))).one()
        assert row.call_id == caller.call_id
        report = await verify_ledger(marcador.ledger)
        assert report.holds, report.problems
