"""An engine over real SIP, in a process of its own, that is killed in the middle of a call."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy import select

from campaigns.campaign import CampaignSettings, RecordPolicy
from compliance.types import Mode
from dialer.core.agent import AgentState
from dialer.core.desk_messages import (
    CallConnected,
    CallOver,
    Dispose,
    Disposed,
    HangUp,
    RecordingState,
)
from dialer.runtime import fleet as fleet_module
from dialer.stores.ledger.callers_schema import inbound_call
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.asterisk.settings import AsteriskSettings
from tests.runtime.test_conversations import state
from tests.runtime.test_inbound import somebody
from tests.runtime.test_recorded_calls import told
from tests.support.fixed_world import FixedWorld
from tests.support.house import DeskAgent, House, open_house

OWNER_LEASE_MS = 400
"""A campaign is without an owner no longer than this after a kill."""
CALLS_NOW, ON_THE_LINE = "calls-now", "on-the-line"
"""Files by which it tells how far it is: whom to call from, and that it may be killed."""
RECORDED = CampaignSettings(mode=Mode.PROGRESSIVE, record=RecordPolicy.ALL)
TALK_S = 0.5
NOTED_WITHIN_S, POLL_S = 30.0, 0.02


class SipLife(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    redis_url: str
    start: datetime
    asterisk: AsteriskSettings


def work(life: SipLife) -> None:
    """Entry of a process that works until it is killed."""
    fleet_module.OWNER_LEASE_MS = OWNER_LEASE_MS
    asyncio.run(_work(life))


async def _work(life: SipLife) -> None:
    folder = Path(life.folder)
    async with open_house(
        folder,
        life.redis_url,
        FixedWorld(),
        speed=1.0,
        start=life.start,
        make_adapter=lambda clock: AsteriskCarrier(life.asterisk, clock),
    ) as house:
        carrier = house.marcador.adapter
        assert isinstance(carrier, AsteriskCarrier)
        asked: list[str] = []

        async def never(recording_id: str) -> None:
            asked.append(recording_id)
            await asyncio.Event().wait()

        carrier.delete_recording = never  # type: ignore[method-assign]  # it dies before
        await house.campaign(settings=RECORDED)
        ana = await house.agent("ana")
        await _a_recorded_call(house, ana)
        await house.until("the copy is to go", lambda: bool(asked))
        known = await somebody(house)
        (folder / CALLS_NOW).write_text(known.number, encoding="utf-8")
        ana.heard.clear()
        await ana.hear(CallConnected)
        await told(ana, RecordingState.RECORDING)
        await house.engine.recorder.flush()
        await _is_noted(house, "ana")
        (folder / ON_THE_LINE).touch()
        await asyncio.Event().wait()


async def _is_noted(house: House, agent_id: str) -> None:
    """Who took the call is written beside what the recorder writes."""
    async with asyncio.timeout(NOTED_WITHIN_S):
        while True:
            async with house.marcador.ledger.read() as conn:
                if (await conn.execute(select(inbound_call.c.agent_id))).scalar() == agent_id:
                    return
            await asyncio.sleep(POLL_S)


async def _a_recorded_call(house: House, ana: DeskAgent) -> None:
    await ana.ready()
    call_id = (await ana.hear(CallConnected)).call.call_id
    await told(ana, RecordingState.RECORDING)
    await asyncio.sleep(TALK_S)
    for runner in house.engine.fleet.runners():
        runner.carrier_is_up = False  # nothing more is dialed
    await ana.say(HangUp(call_id=call_id))
    await ana.hear(CallOver)
    await ana.say(Dispose(call_id=call_id, code="CD-NV"))
    await ana.hear(Disposed)
    await state(house, ana, AgentState.READY)
