"""Who hears whom on the simulated carrier, and how long people hold."""

from __future__ import annotations

import pytest

from telephony_adapters.errors import UnknownCall
from telephony_adapters.messages import (
    CallAnswered,
    CallBridged,
    CallHeld,
    CallId,
    CallJoined,
    CallParted,
    ConsultStarted,
    HangupCause,
    LegId,
    LegRole,
)
from telephony_adapters.simulator.heard import Speaker
from telephony_adapters.simulator.script import CallFault, Rule, Script
from tests.adapters.conformance_control import (
    consult,
    consulting,
    held,
    hold,
    join,
    supervised,
    three_way,
    whispered_to,
)
from tests.adapters.lab import OUR_NUMBER, FarEnd
from tests.adapters.simulated_lab import NUMBERS, SimulatedLab


@pytest.fixture
async def lab() -> SimulatedLab:
    lab = SimulatedLab()
    await lab.carrier.start(lab.events.append)
    return lab


def hears(lab: SimulatedLab, call_id: CallId, *legs: LegId) -> tuple[set[str], list[set[str]]]:
    """What the person hears, and what each leg hears."""
    heard_on = [set[str](lab.carrier.heard_on(leg)) for leg in legs]
    return set[str](lab.carrier.heard_by_person(call_id)), heard_on


async def test_nobody_hears_anybody_before_the_bridge(lab: SimulatedLab) -> None:
    leg_id, call_id = await lab.open_leg(), await lab.dial_and_answer()
    assert hears(lab, call_id, leg_id) == (set(), [set()])
    await lab.bridge(call_id, leg_id)
    assert hears(lab, call_id, leg_id) == ({leg_id}, [{call_id}])


async def test_while_the_person_holds(lab: SimulatedLab) -> None:
    call_id, leg_id, other = await held(lab)
    assert hears(lab, call_id, leg_id, other) == (set(), [set(), set()])
    await consult(lab, leg_id, other)
    assert hears(lab, call_id, leg_id, other) == (set(), [{other}, {leg_id}])
    await lab.bridge(call_id, other)
    assert hears(lab, call_id, leg_id, other) == ({other}, [set(), {call_id}])


async def test_three_who_talk(lab: SimulatedLab) -> None:
    call_id, leg_id, other = await three_way(lab)
    assert hears(lab, call_id, leg_id, other) == (
        {leg_id, other},
        [{call_id, other}, {call_id, leg_id}],
    )


async def test_a_supervisor_who_listens_is_heard_by_nobody(lab: SimulatedLab) -> None:
    call_id, leg_id, other = await supervised(lab)
    assert hears(lab, call_id, leg_id, other) == ({leg_id}, [{call_id}, {call_id, leg_id}])


async def test_a_supervisor_who_whispers_is_heard_by_the_agent(lab: SimulatedLab) -> None:
    call_id, leg_id, other = await whispered_to(lab)
    third = await lab.open_leg()
    await join(lab, call_id, third, LegRole.TALK)
    assert hears(lab, call_id, leg_id, other, third) == (
        {leg_id, third},
        [{call_id, other, third}, {call_id, leg_id, third}, {call_id, leg_id}],
    )
    await join(lab, call_id, other, LegRole.TALK)
    assert hears(lab, call_id, leg_id)[0] == {leg_id, other, third}


async def test_a_leg_that_is_gone_hears_nothing(lab: SimulatedLab) -> None:
    call_id, leg_id, other = await consulting(lab)
    await lab.agent_hangs_up(leg_id)
    assert hears(lab, call_id, other) == (set(), [set()])
    with pytest.raises(UnknownCall):
        lab.carrier.heard_on(leg_id)


async def test_earpieces_follow(lab: SimulatedLab) -> None:
    call_id, leg_id, supervisor = await supervised(lab)
    own, further = lab.carrier.earpiece(leg_id), lab.carrier.earpiece(supervisor)
    assert (await anext(own)).speaker is Speaker.RIGHT_PARTY
    assert (await anext(further)).speaker is Speaker.RIGHT_PARTY
    await hold(lab, call_id)
    assert (await anext(own)).speaker is Speaker.SILENCE
    assert (await anext(further)).speaker is Speaker.SILENCE
    await lab.pass_time(30.0)
    await lab.bridge(call_id, leg_id)
    assert (await anext(own)).talk_s == pytest.approx(120.0, abs=1.0)


async def test_talk_stands_still_while_the_person_holds(lab: SimulatedLab) -> None:
    call_id, leg_id = await lab.converse()
    await lab.pass_time(50.0)
    await hold(lab, call_id)
    await lab.pass_time(100.0)
    await lab.bridge(call_id, leg_id)
    resumed = lab.of(CallBridged, call_id)[-1]
    end = await lab.end(call_id, 100.0)
    assert (end.at - resumed.at).total_seconds() == pytest.approx(70.0, abs=0.1)


async def test_a_person_does_not_hold_for_ever(lab: SimulatedLab) -> None:
    call_id, _, _ = await held(lab)
    end = await lab.end(call_id, 300.0)
    assert end.cause is HangupCause.NORMAL_CALLEE
    assert (end.at - lab.of(CallHeld, call_id)[0].at).total_seconds() == pytest.approx(180.0)


async def test_what_is_on_its_way_when_the_state_changes_does_not_happen(
    lab: SimulatedLab,
) -> None:
    call_id, leg_id = await lab.converse()
    other, third = await lab.open_leg(), await lab.open_leg()
    await lab.adapter.hold(call_id)
    await lab.adapter.join(call_id, other, LegRole.TALK)
    await lab.first(CallHeld, call_id)
    await lab.adapter.consult(leg_id, third)
    await lab.adapter.bridge(call_id, leg_id)
    await lab.until(lambda: len(lab.of(CallBridged, call_id)) == 2)
    await lab.pass_time(1.0)
    assert lab.of(CallJoined, call_id) == []
    assert lab.of(CallParted, call_id) == []
    assert lab.of(ConsultStarted, third) == []
    assert hears(lab, call_id, leg_id, other, third)[0] == {leg_id}
    await lab.dial_and_bridge(other)


async def test_a_bridge_to_a_supervisor_who_goes_leaves_the_conversation(
    lab: SimulatedLab,
) -> None:
    call_id, leg_id, other = await three_way(lab)
    await lab.adapter.bridge(call_id, other)
    await lab.agent_hangs_up(other)
    await lab.pass_time(1.0)
    assert hears(lab, call_id, leg_id) == ({leg_id}, [{call_id}])


async def test_who_calls_us_is_the_number_s_owner_and_patient(lab: SimulatedLab) -> None:
    leg_id = await lab.open_leg()
    machine = lab.carrier.somebody_calls(NUMBERS[FarEnd.MACHINE], OUR_NUMBER)
    waits = lab.carrier.somebody_calls(None, OUR_NUMBER)
    await lab.adapter.answer(machine)
    await lab.first(CallAnswered, machine)
    await lab.bridge(machine, leg_id)
    assert (await anext(lab.carrier.earpiece(leg_id))).speaker is Speaker.MACHINE
    end = await lab.end(waits, 61.0)
    assert end.cause is HangupCause.NORMAL_CALLEE


async def test_an_inbound_call_that_is_not_heard_of_still_rings(lab: SimulatedLab) -> None:
    script = Script(rules=(Rule(fault=CallFault(silent=True), number=OUR_NUMBER[:-1] + "1"),))
    lab = SimulatedLab(script)
    await lab.carrier.start(lab.events.append)
    call_id = lab.carrier.somebody_calls(OUR_NUMBER[:-1] + "1", OUR_NUMBER)
    assert lab.events == []
    assert await lab.report(call_id) is not None
    await lab.pass_time(61.0)
    assert await lab.report(call_id) is None
