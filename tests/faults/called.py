"""A worker that is called, and dies in the middle of the call or right after it."""

from __future__ import annotations

import asyncio
import os
import signal
from enum import StrEnum
from pathlib import Path

import msgspec
from sqlalchemy import select

from dialer.core.desk_messages import (
    CallConnected,
    CallOver,
    CheckIdentity,
    HangUp,
    IdentityResult,
)
from dialer.runtime import fleet as fleet_module
from dialer.stores.ledger.callers_schema import inbound_call
from tests.runtime.test_conversations import patient
from tests.runtime.test_engine import truth
from tests.runtime.test_inbound import OUR_NUMBER, quiet_house, somebody
from tests.support.fixed_world import FixedWorld
from tests.support.house import House, open_house

OWNER_LEASE_MS = 400
"""A campaign is without an owner no longer than this after a kill."""
TOLD = "called.json"


class Moment(StrEnum):
    """When the process dies."""

    WAITING = "waiting"
    """Nobody has taken the call."""
    TALKING = "talking"
    VERIFIED = "verified"
    WRAPPING_UP = "wrapping_up"
    """The call is over, and the agent has not said what it was."""


class Called(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    redis_url: str
    moment: Moment


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who called."""

    call_id: str
    person_id: str
    account_id: str


def be_called(called: Called) -> None:
    """Entry of a process that kills itself."""
    fleet_module.OWNER_LEASE_MS = OWNER_LEASE_MS
    asyncio.run(_be_called(called))


async def _be_called(called: Called) -> None:
    folder = Path(called.folder)
    world = FixedWorld(default=patient)
    async with open_house(folder, called.redis_url, world) as house:
        agents = await quiet_house(house, *([] if called.moment is Moment.WAITING else ["ana"]))
        known = await somebody(house)
        call_id = house.carrier.somebody_calls(known.number, OUR_NUMBER)
        told = Caller(call_id=call_id, person_id=known.person_id, account_id=known.account_id)
        (folder / TOLD).write_bytes(msgspec.json.encode(told))
        if not agents:
            inbound = house.engine.floor.inbound
            await house.until("the caller waits", lambda: inbound.figures().waiting == 1)
        else:
            (ana,) = agents
            await ana.hear(CallConnected)
            if called.moment is not Moment.TALKING:
                answers = await truth(house, call_id)
                await ana.say(CheckIdentity(call_id=call_id, answers=answers))
                assert (await ana.hear(IdentityResult)).passed
            if called.moment is Moment.WRAPPING_UP:
                await ana.say(HangUp(call_id=call_id))
                await ana.hear(CallOver)
            await _noted(house, ended=called.moment is Moment.WRAPPING_UP)
        os.kill(os.getpid(), signal.SIGKILL)


async def _noted(house: House, *, ended: bool) -> None:
    """Wait until the ledger has it."""
    column = inbound_call.c.ended_ms if ended else inbound_call.c.agent_id
    found: object = None
    while found is None:
        async with house.marcador.ledger.read() as conn:
            found = (await conn.execute(select(column))).scalar()
        await asyncio.sleep(0.01)
