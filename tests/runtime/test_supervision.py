"""Supervisors on real calls: what they hear and who hears them, what ends it, what is on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.core.call import CallState
from dialer.core.desk_messages import (
    BackToCall,
    CallConnected,
    CallOver,
    HangUp,
    Hold,
    Supervised,
    SupervisionMode,
)
from dialer.runtime.supervision import (
    NobodyTalks,
    NotSupervising,
    SupervisionState,
    SupervisionView,
)
from dialer.stores.ledger.audit import list_audit
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import CallId, LegId
from tests.runtime.test_conversations import changed, patient
from tests.support.fixed_world import FixedWorld
from tests.support.house import DeskAgent, House, open_house

SUP = "sup-1"


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


async def talking(house: House) -> tuple[DeskAgent, CallId]:
    await house.campaign()
    ana = await house.agent("ana")
    await ana.ready()
    return ana, CallId((await ana.hear(CallConnected)).call.call_id)


async def start(house: House, mode: SupervisionMode = SupervisionMode.LISTEN) -> SupervisionView:
    await house.engine.floor.supervision.start(
        supervisor_id=SUP, username="jefa", agent_id="ana", mode=mode
    )
    return await active(house)


async def active(house: House) -> SupervisionView:
    def joined() -> bool:
        view = house.engine.floor.supervision.view(SUP)
        return view is not None and view.state is SupervisionState.ACTIVE

    await house.until("the supervisor is on the call", joined)
    view = house.engine.floor.supervision.view(SUP)
    assert view is not None
    return view


def legs(house: House) -> tuple[LegId, LegId]:
    seat = house.engine.desk.seat("ana")
    assert seat is not None
    supervisors = house.carrier.leg_at("agent:jefa")
    assert supervisors is not None
    return seat.session.leg_id, supervisors


async def audited(house: House, call_id: str) -> list[tuple[str, str]]:
    async with house.marcador.ledger.read() as conn:
        entries = await list_audit(conn, target=call_id)
    return [(entry.actor, entry.action) for entry in reversed(entries)]


async def test_listen_whisper_barge_and_stop(tmp_path: Path, redis_url: str) -> None:
    async with open_house(tmp_path, redis_url, FixedWorld(default=patient)) as house:
        ana, call_id = await talking(house)
        supervision = house.engine.floor.supervision
        (talk,) = supervision.conversations()
        assert (talk.agent_id, talk.call_id, talk.supervised_by) == ("ana", call_id, ())
        view = await start(house)
        assert (view.call_id, view.mode) == (call_id, SupervisionMode.LISTEN)
        own, sup = legs(house)
        assert house.carrier.heard_on(sup) == {call_id, own}
        assert house.carrier.heard_by_person(call_id) == {own}
        assert house.carrier.heard_on(own) == {call_id}
        assert supervision.conversations()[0].supervised_by == (SUP,)

        await supervision.change(SUP, SupervisionMode.WHISPER)
        await house.until("whispers", lambda: house.carrier.heard_on(own) == {call_id, sup})
        assert house.carrier.heard_by_person(call_id) == {own}
        await supervision.change(SUP, SupervisionMode.BARGE)
        await house.until("barges", lambda: house.carrier.heard_by_person(call_id) == {own, sup})

        await ana.say(Hold(call_id=call_id))
        await changed(ana, CallState.HELD)
        assert house.carrier.heard_by_person(call_id) == frozenset()
        await ana.say(BackToCall(call_id=call_id))
        await changed(ana, CallState.BRIDGED)
        await house.until("is back", lambda: house.carrier.heard_by_person(call_id) == {own, sup})

        await supervision.stop(SUP)
        await house.until("alone", lambda: house.carrier.heard_by_person(call_id) == {own})
        assert supervision.view(SUP) is None
        with pytest.raises(NotSupervising):
            await supervision.stop(SUP)
        assert await audited(house, call_id) == [
            (SUP, "call.listen"),
            (SUP, "call.whisper"),
            (SUP, "call.barge"),
            (SUP, "call.supervision_end"),
        ]
        assert not any(isinstance(m, Supervised) for m in ana.heard), "told only where it is set"


async def test_it_ends_with_the_call_and_with_the_telephone(tmp_path: Path, redis_url: str) -> None:
    overrides = {"supervision__tell_agents": True}
    world = FixedWorld(default=patient)
    async with open_house(tmp_path, redis_url, world, overrides=overrides) as house:
        ana, call_id = await talking(house)
        await start(house)
        assert (await ana.hear(Supervised)).mode is SupervisionMode.LISTEN
        _, sup = legs(house)
        house.carrier.agent_hangs_up(sup)
        assert (await ana.hear(Supervised)).mode is None
        assert house.engine.floor.supervision.view(SUP) is None
        await start(house, SupervisionMode.WHISPER)
        await ana.hear(Supervised)
        await ana.say(HangUp(call_id=call_id))
        await ana.hear(CallOver)
        await house.until("over", lambda: house.engine.floor.supervision.view(SUP) is None)
        await house.until("hung up", lambda: house.carrier.leg_at("agent:jefa") is None)
        with pytest.raises(NobodyTalks):
            await start(house)
        actions = [action for _, action in await audited(house, call_id)]
        assert actions[:3] == ["call.listen", "call.supervision_end", "call.whisper"]
