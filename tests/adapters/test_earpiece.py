"""What a simulated agent hears, and how long people wait and talk."""

from __future__ import annotations

import asyncio

import pytest

from telephony_adapters.errors import DuplicateCall, TelephonyError
from telephony_adapters.messages import (
    AgentLegDown,
    CallBridged,
    CallId,
    HangupCause,
    LegId,
    PlaybackFinished,
)
from telephony_adapters.simulator.earpiece import EARPIECE_LIMIT, Earpiece
from telephony_adapters.simulator.heard import Heard, Intent, Speaker
from tests.adapters.lab import FarEnd
from tests.adapters.simulated_lab import SimulatedLab


@pytest.fixture
async def lab() -> SimulatedLab:
    lab = SimulatedLab()
    await lab.carrier.start(lab.events.append)
    return lab


async def bridged(lab: SimulatedLab, leg_id: LegId, far_end: FarEnd = FarEnd.ANSWERS) -> CallId:
    call_id = await lab.dial_and_answer(far_end)
    await lab.adapter.bridge(call_id, leg_id)
    await lab.first(CallBridged, call_id)
    return call_id


async def test_the_agent_hears_the_person_and_then_silence(lab: SimulatedLab) -> None:
    leg_id = await lab.open_leg()
    earpiece = lab.carrier.earpiece(leg_id)
    call_id = await bridged(lab, leg_id)
    heard = await anext(earpiece)
    assert heard.call_id == call_id
    assert heard.speaker is Speaker.RIGHT_PARTY
    assert heard.intent is Intent.WILLING
    assert heard.verification_answers
    assert heard.talk_s == 120.0
    lab.carrier.callee_hangs_up(call_id)
    assert await anext(earpiece) == Heard(call_id=call_id, speaker=Speaker.SILENCE)


async def test_a_machine_is_heard_as_one(lab: SimulatedLab) -> None:
    leg_id = await lab.open_leg()
    await bridged(lab, leg_id, FarEnd.MACHINE)
    assert (await anext(lab.carrier.earpiece(leg_id))).speaker is Speaker.MACHINE


async def test_the_person_hangs_up_when_all_is_said(lab: SimulatedLab) -> None:
    leg_id = await lab.open_leg()
    call_id = await bridged(lab, leg_id)
    (joined,) = lab.of(CallBridged, call_id)
    end = await lab.end(call_id, 130.0)
    assert end.cause is HangupCause.NORMAL_CALLEE
    assert (end.at - joined.at).total_seconds() == pytest.approx(120.0)


async def test_the_person_hangs_up_when_no_agent_comes(lab: SimulatedLab) -> None:
    call_id = await lab.dial_and_answer(FarEnd.ANSWERS_BRIEFLY)
    answered_at = lab.now()
    end = await lab.end(call_id)
    assert (end.at - answered_at).total_seconds() == pytest.approx(2.0)


async def test_patience_lasts_while_a_prompt_plays(lab: SimulatedLab) -> None:
    call_id = await lab.dial_and_answer(FarEnd.ANSWERS_BRIEFLY)
    await lab.pass_time(1.0)
    await lab.adapter.play(call_id, lab.prompt(), "p1")
    await lab.pass_time(2.5)
    await lab.adapter.play(call_id, lab.prompt(), "p2")
    end = await lab.end(call_id)
    finished = lab.of(PlaybackFinished, call_id)
    assert [event.playback_id for event in finished] == ["p1", "p2"]
    assert (end.at - finished[-1].at).total_seconds() == pytest.approx(2.0)


async def test_a_conversation_goes_on_with_the_next_agent(lab: SimulatedLab) -> None:
    first, second = await lab.open_leg(), await lab.open_leg()
    call_id = await bridged(lab, first)
    await lab.pass_time(50.0)
    await lab.adapter.bridge(call_id, second)
    await lab.until(lambda: len(lab.of(CallBridged, call_id)) == 2)
    old, new = lab.carrier.earpiece(first), lab.carrier.earpiece(second)
    assert (await anext(old)).talk_s == 120.0
    assert (await anext(old)).speaker is Speaker.SILENCE
    assert (await anext(new)).talk_s == pytest.approx(70.0, abs=0.1)
    other = await lab.dial_and_answer()
    await lab.adapter.bridge(other, first)
    assert (await lab.first(CallBridged, other)).leg_id == first


async def test_a_person_left_alone_loses_patience(lab: SimulatedLab) -> None:
    leg_id = await lab.open_leg()
    call_id = await bridged(lab, leg_id, FarEnd.ANSWERS_BRIEFLY)
    await lab.pass_time(30.0)
    lab.carrier.agent_hangs_up(leg_id)
    left_at = lab.now()
    end = await lab.end(call_id)
    assert (end.at - left_at).total_seconds() == pytest.approx(2.0)


async def test_asking_for_the_same_bridge_again_changes_nothing(lab: SimulatedLab) -> None:
    leg_id = await lab.open_leg()
    call_id = await bridged(lab, leg_id)
    await lab.adapter.bridge(call_id, leg_id)
    await lab.until(lambda: len(lab.of(CallBridged, call_id)) == 2)
    earpiece = lab.carrier.earpiece(leg_id)
    assert (await anext(earpiece)).talk_s == 120.0
    lab.carrier.callee_hangs_up(call_id)
    assert (await anext(earpiece)).speaker is Speaker.SILENCE


async def test_a_leg_carries_one_call(lab: SimulatedLab) -> None:
    leg_id = await lab.open_leg()
    first = await bridged(lab, leg_id)
    second = await lab.dial_and_answer()
    with pytest.raises(TelephonyError, match=f"carries call {first}"):
        await lab.adapter.bridge(second, leg_id)


async def test_a_person_who_hangs_up_before_the_bridge_frees_the_leg(lab: SimulatedLab) -> None:
    leg_id = await lab.open_leg()
    gone = await lab.dial_and_answer()
    await lab.adapter.bridge(gone, leg_id)
    lab.carrier.callee_hangs_up(gone)
    await lab.pass_time(1.0)
    assert lab.of(CallBridged, gone) == []
    assert await bridged(lab, leg_id)


async def test_an_agent_who_leaves_before_the_bridge_is_not_joined(lab: SimulatedLab) -> None:
    leg_id = await lab.open_leg()
    call_id = await lab.dial_and_answer()
    await lab.adapter.bridge(call_id, leg_id)
    lab.carrier.agent_hangs_up(leg_id)
    await lab.pass_time(1.0)
    assert lab.of(CallBridged, call_id) == []
    assert len(lab.of(AgentLegDown, leg_id)) == 1


async def test_a_device_that_hangs_up_at_once_is_never_up(lab: SimulatedLab) -> None:
    leg_id = LegId("leg-of-dora")
    await lab.adapter.open_agent_leg(leg_id, "phone-of-dora")
    lab.carrier.agent_hangs_up(leg_id)
    await lab.pass_time(1.0)
    assert [type(event) for event in lab.events] == [AgentLegDown]


async def test_the_last_of_two_bridges_on_their_way_wins(lab: SimulatedLab) -> None:
    first, second = await lab.open_leg(), await lab.open_leg()
    call_id = await lab.dial_and_answer()
    await lab.adapter.bridge(call_id, first)
    await lab.adapter.bridge(call_id, second)
    await lab.pass_time(1.0)
    assert [event.leg_id for event in lab.of(CallBridged, call_id)] == [second]
    assert await bridged(lab, first)


async def test_listening_may_begin_before_the_leg_and_ends_with_it(lab: SimulatedLab) -> None:
    leg_id = LegId("leg-of-carla")
    earpiece = lab.carrier.earpiece(leg_id)

    async def listen() -> list[Speaker]:
        return [heard.speaker async for heard in earpiece]

    listening = asyncio.create_task(listen())
    await lab.adapter.open_agent_leg(leg_id, "phone-of-carla")
    assert lab.carrier.leg_at("phone-of-carla") == leg_id
    with pytest.raises(DuplicateCall):
        await lab.adapter.open_agent_leg(leg_id, "phone-of-carla")
    await lab.pass_time(1.0)
    call_id = await bridged(lab, leg_id)
    lab.carrier.callee_hangs_up(call_id)
    await lab.adapter.close_agent_leg(leg_id)
    await lab.until(listening.done)
    assert listening.result() == [Speaker.RIGHT_PARTY, Speaker.SILENCE]
    assert lab.carrier.leg_at("phone-of-carla") is None
    assert lab.carrier.earpiece(leg_id) is not earpiece


async def test_an_earpiece_that_nobody_listens_to_forgets_the_oldest() -> None:
    earpiece = Earpiece()
    for n in range(EARPIECE_LIMIT + 5):
        earpiece.say(Heard(call_id=CallId(str(n)), speaker=Speaker.MACHINE))
    earpiece.close()
    kept = [heard.call_id async for heard in earpiece]
    assert kept == [str(n) for n in range(5, EARPIECE_LIMIT + 5)]
