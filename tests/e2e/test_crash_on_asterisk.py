"""kill -9 over real SIP: nobody is left on a dead line, and no copy of a recording stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from dialer.bootstrap import open_marcador
from dialer.runtime import fleet as fleet_module
from dialer.runtime.clock import SimulatedClock
from dialer.stores.ledger import recordings as rows
from dialer.stores.ledger.callers_schema import inbound_call
from dialer.stores.ledger.verify import verify_ledger
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.lab.network import Network, running_network
from tests.e2e.sip_life import CALLS_NOW, ON_THE_LINE, OWNER_LEASE_MS, SipLife, work
from tests.faults.farm import kill, spawn
from tests.runtime.test_inbound import OUR_NUMBER
from tests.support.house import NOON_IN_CHILE, house_config
from tests.support.redis_server import redis_client, redis_folder, redis_server
from tests.support.sip_house import ANA_HZ, PERSON_HZ, dial_in_to, sip_settings
from tests.support.sip_phones import sip_phones

__all__ = ["redis_client", "redis_folder", "redis_server"]

pytestmark = pytest.mark.xdist_group("telephony")

LIMIT_S = 30.0
POLL_S = 0.02


@pytest.fixture(scope="module")
def sip() -> Iterator[Network]:
    with running_network() as network:
        yield network


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(POLL_S)


async def test_killed_with_a_caller_on_the_line_and_a_recording_at_the_carrier(
    tmp_path: Path,
    redis_server: EmbeddedRedis,
    redis_client: RedisClient,
    sip: Network,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet_module, "OWNER_LEASE_MS", OWNER_LEASE_MS)
    stored = sip.pbx.recordings
    async with sip_phones({"ana": ANA_HZ}, PERSON_HZ) as phones:
        settings = sip_settings(sip, phones, "killed")
        await dial_in_to(settings)
        life = SipLife(
            folder=str(tmp_path),
            redis_url=redis_server.url,
            start=NOON_IN_CHILE,
            asterisk=settings,
        )
        process = spawn(work, life)
        try:
            await until((tmp_path / CALLS_NOW).exists)
            number = (tmp_path / CALLS_NOW).read_text(encoding="utf-8")
            caller = sip.somebody_calls(number, OUR_NUMBER, 60.0)
            await until((tmp_path / ON_THE_LINE).exists)
        finally:
            kill(process)
        assert len(list(stored.iterdir())) == 2, "one is whole, one is being made"
        assert not caller.gone, "whoever is on the line hears nobody now"

        clock = SimulatedClock(NOON_IN_CHILE + timedelta(minutes=5), 1.0)
        config = house_config(tmp_path, redis_server.url, engine__unknown_grace_s=1)
        async with open_marcador(
            config, clock=clock, adapter=AsteriskCarrier(settings, clock)
        ) as marcador:
            engine = marcador.engine
            await engine.start()
            await until(lambda: caller.gone)
            await until(lambda: engine.floor.lost_calls.finished == 1)
            await until(lambda: not list(stored.iterdir()))
            async with marcador.ledger.read() as conn:
                call = (await conn.execute(select(inbound_call))).one()
                kept = await rows.list_recordings(conn)
            assert (call.agent_id, call.ended_ms is None, call.disposed_ms is None) == (
                "ana",
                False,
                False,
            )
            events = [e.kind for e in await engine.reader.read_person(call.person_id)]
            inbound = [kind for kind in events if kind.startswith("inbound")]
            assert inbound == ["inbound_contact", "inbound_ended", "inbound_disposed"]
            assert [row.state for row in kept] == [rows.KEPT, rows.KEPT]
            assert kept[0].attempt_id == call.call_id, "what was being made is whole, too"
            report = await verify_ledger(marcador.ledger)
            assert report.holds, report.problems
            await engine.stop()
