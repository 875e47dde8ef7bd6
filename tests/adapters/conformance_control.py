"""Cases of adapters that declare `control`: hold, consult, join and part."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from telephony_adapters.errors import TelephonyError, UnknownCall
from telephony_adapters.messages import (
    AgentLegDown,
    AnyCarrierEvent,
    CallEnded,
    CallHeld,
    CallId,
    CallJoined,
    CallParted,
    CallRinging,
    ConsultStarted,
    HangupCause,
    LegId,
    LegRole,
)
from tests.adapters.lab import UNKNOWN_CALL, UNKNOWN_LEG, FarEnd, Lab


async def hold(lab: Lab, call_id: CallId) -> None:
    before = len(lab.of(CallHeld, call_id))
    await lab.adapter.hold(call_id)
    await lab.until(lambda: len(lab.of(CallHeld, call_id)) > before)


async def join(lab: Lab, call_id: CallId, leg_id: LegId, role: LegRole) -> None:
    before = len(lab.of(CallJoined, call_id))
    await lab.adapter.join(call_id, leg_id, role)
    await lab.until(lambda: len(lab.of(CallJoined, call_id)) > before)
    joined = lab.of(CallJoined, call_id)[-1]
    assert (joined.leg_id, joined.role) == (leg_id, role)


async def consult(lab: Lab, leg_id: LegId, other_leg_id: LegId) -> None:
    before = len(lab.of(ConsultStarted, leg_id))
    await lab.adapter.consult(leg_id, other_leg_id)
    await lab.until(lambda: len(lab.of(ConsultStarted, leg_id)) > before)
    assert lab.of(ConsultStarted, leg_id)[-1].other_leg_id == other_leg_id


async def bridged_leg(lab: Lab, call_id: CallId) -> LegId | None:
    """By the carrier's own list."""
    report = await lab.report(call_id)
    assert report is not None
    return report.bridged_leg


async def is_free(lab: Lab, leg_id: LegId) -> None:
    """A leg is open, and carries the next call at once."""
    assert lab.of(AgentLegDown, leg_id) == []
    await lab.dial_and_bridge(leg_id)


# What a conversation can be in; each ends with the call, its own leg, and another leg.


async def held(lab: Lab) -> tuple[CallId, LegId, LegId]:
    call_id, leg_id = await lab.converse()
    other = await lab.open_leg()
    await hold(lab, call_id)
    return call_id, leg_id, other


async def consulting(lab: Lab) -> tuple[CallId, LegId, LegId]:
    call_id, leg_id, other = await held(lab)
    await consult(lab, leg_id, other)
    return call_id, leg_id, other


async def three_way(lab: Lab) -> tuple[CallId, LegId, LegId]:
    call_id, leg_id = await lab.converse()
    other = await lab.open_leg()
    await join(lab, call_id, other, LegRole.TALK)
    return call_id, leg_id, other


async def supervised(lab: Lab) -> tuple[CallId, LegId, LegId]:
    call_id, leg_id = await lab.converse()
    other = await lab.open_leg()
    await join(lab, call_id, other, LegRole.LISTEN)
    return call_id, leg_id, other


async def whispered_to(lab: Lab) -> tuple[CallId, LegId, LegId]:
    call_id, leg_id = await lab.converse()
    other = await lab.open_leg()
    await join(lab, call_id, other, LegRole.WHISPER)
    return call_id, leg_id, other


Situation = Callable[[Lab], Awaitable[tuple[CallId, LegId, LegId]]]
EVERY_SITUATION = [held, consulting, three_way, supervised, whispered_to]
every_situation = pytest.mark.parametrize("situation", EVERY_SITUATION)


def in_order(lab: Lab, *events: AnyCarrierEvent) -> bool:
    told = lab.unique()
    places = [told.index(event) for event in events]
    return places == sorted(places)


class ControlCases:
    """Hold, move, consult, three-way, supervision."""

    async def test_hold_and_resume(self, lab: Lab) -> None:
        call_id, leg_id = await lab.converse()
        await hold(lab, call_id)
        assert await bridged_leg(lab, call_id) is None
        assert lab.of(AgentLegDown, leg_id) == []
        await lab.bridge(call_id, leg_id)
        assert await bridged_leg(lab, call_id) == leg_id
        await hold(lab, call_id)
        assert lab.of(CallEnded, call_id) == []

    async def test_only_a_bridged_call_can_be_held(self, lab: Lab) -> None:
        with pytest.raises(UnknownCall):
            await lab.adapter.hold(UNKNOWN_CALL)
        ringing = await lab.dial(FarEnd.RINGS)
        await lab.first(CallRinging, ringing)
        with pytest.raises(UnknownCall):
            await lab.adapter.hold(ringing)
        call_id = await lab.dial_and_answer()
        with pytest.raises(UnknownCall):
            await lab.adapter.hold(call_id)
        await lab.bridge(call_id, await lab.open_leg())
        await hold(lab, call_id)
        with pytest.raises(UnknownCall):
            await lab.adapter.hold(call_id)

    async def test_an_agent_takes_another_call_while_one_holds(self, lab: Lab) -> None:
        first, leg_id = await lab.converse()
        await hold(lab, first)
        second = await lab.dial_and_bridge(leg_id)
        with pytest.raises(TelephonyError):
            await lab.adapter.bridge(first, leg_id)
        await lab.adapter.hangup(second)
        await lab.end(second)
        await lab.bridge(first, leg_id)

    async def test_a_call_that_moves_frees_its_leg(self, lab: Lab) -> None:
        call_id, leg_id = await lab.converse()
        other = await lab.open_leg()
        await lab.bridge(call_id, other)
        assert await bridged_leg(lab, call_id) == other
        assert lab.of(CallHeld, call_id) == []
        await is_free(lab, leg_id)
        assert await bridged_leg(lab, call_id) == other

    async def test_a_held_call_moves(self, lab: Lab) -> None:
        call_id, leg_id, other = await held(lab)
        await lab.bridge(call_id, other)
        assert await bridged_leg(lab, call_id) == other
        await is_free(lab, leg_id)

    async def test_a_consultation_and_back(self, lab: Lab) -> None:
        call_id, leg_id, other = await consulting(lab)
        assert await bridged_leg(lab, call_id) is None
        await lab.bridge(call_id, leg_id)
        assert await bridged_leg(lab, call_id) == leg_id
        await is_free(lab, other)

    async def test_a_consultation_and_a_move(self, lab: Lab) -> None:
        call_id, leg_id, other = await consulting(lab)
        await lab.bridge(call_id, other)
        assert await bridged_leg(lab, call_id) == other
        await is_free(lab, leg_id)

    async def test_a_consultation_that_becomes_a_three_way_conversation(self, lab: Lab) -> None:
        call_id, leg_id, other = await consulting(lab)
        await lab.bridge(call_id, leg_id)
        await join(lab, call_id, other, LegRole.TALK)
        assert await bridged_leg(lab, call_id) == leg_id

    async def test_a_second_consultation_ends_the_first(self, lab: Lab) -> None:
        call_id, leg_id, other = await consulting(lab)
        third = await lab.open_leg()
        await consult(lab, leg_id, third)
        await is_free(lab, other)
        await lab.bridge(call_id, third)
        await is_free(lab, leg_id)

    async def test_legs_in_conversation_cannot_consult(self, lab: Lab) -> None:
        call_id, leg_id, other = await three_way(lab)
        third = await lab.open_leg()
        for busy in (leg_id, other):
            with pytest.raises(TelephonyError):
                await lab.adapter.consult(busy, third)
            with pytest.raises(TelephonyError):
                await lab.adapter.consult(third, busy)
        with pytest.raises(TelephonyError):
            await lab.adapter.consult(third, third)
        assert await bridged_leg(lab, call_id) == leg_id

    async def test_join_and_part(self, lab: Lab) -> None:
        call_id, leg_id, other = await three_way(lab)
        assert await bridged_leg(lab, call_id) == leg_id
        await lab.adapter.part(call_id, other)
        assert (await lab.first(CallParted, call_id)).leg_id == other
        with pytest.raises(UnknownCall):
            await lab.adapter.part(call_id, other)
        assert await bridged_leg(lab, call_id) == leg_id
        await is_free(lab, other)

    async def test_the_agent_leaves_a_three_way_conversation(self, lab: Lab) -> None:
        call_id, leg_id, other = await three_way(lab)
        await lab.bridge(call_id, other)
        assert await bridged_leg(lab, call_id) == other
        assert [event.leg_id for event in lab.of(CallParted, call_id)] == [other]
        await is_free(lab, leg_id)

    async def test_a_supervisor_changes_roles(self, lab: Lab) -> None:
        call_id, leg_id = await lab.converse()
        supervisor = await lab.open_leg()
        for role in (LegRole.LISTEN, LegRole.WHISPER, LegRole.TALK, LegRole.LISTEN):
            await join(lab, call_id, supervisor, role)
        assert lab.of(CallParted, call_id) == []
        assert await bridged_leg(lab, call_id) == leg_id
        await lab.adapter.part(call_id, supervisor)
        await lab.first(CallParted, call_id)
        await is_free(lab, supervisor)

    async def test_several_take_part(self, lab: Lab) -> None:
        call_id, _, other = await three_way(lab)
        supervisor = await lab.open_leg()
        await join(lab, call_id, supervisor, LegRole.WHISPER)
        await hold(lab, call_id)
        parted = lab.of(CallParted, call_id)
        assert {event.leg_id for event in parted} == {other, supervisor}
        assert in_order(lab, *parted, lab.of(CallHeld, call_id)[0])

    @pytest.mark.parametrize("situation", [three_way, supervised, whispered_to])
    async def test_hold_and_move_end_the_part_of_others(
        self, lab: Lab, situation: Situation
    ) -> None:
        call_id, leg_id, other = await situation(lab)
        await hold(lab, call_id)
        assert [event.leg_id for event in lab.of(CallParted, call_id)] == [other]
        await lab.bridge(call_id, leg_id)
        await join(lab, call_id, other, LegRole.LISTEN)
        third = await lab.open_leg()
        await lab.bridge(call_id, third)
        assert [event.leg_id for event in lab.of(CallParted, call_id)] == [other, other]
        await is_free(lab, other)

    async def test_only_a_bridged_call_can_be_joined(self, lab: Lab) -> None:
        call_id, leg_id, other = await held(lab)
        for refused in (call_id, UNKNOWN_CALL):
            with pytest.raises(UnknownCall):
                await lab.adapter.join(refused, other, LegRole.LISTEN)
        await lab.bridge(call_id, leg_id)
        with pytest.raises(UnknownCall):
            await lab.adapter.join(call_id, UNKNOWN_LEG, LegRole.LISTEN)
        with pytest.raises(TelephonyError):
            await lab.adapter.join(call_id, leg_id, LegRole.LISTEN)
        assert lab.of(CallJoined, call_id) == []

    async def test_a_leg_takes_part_in_one_conversation(self, lab: Lab) -> None:
        first, _, supervisor = await supervised(lab)
        second, leg_id = await lab.converse()
        with pytest.raises(TelephonyError):
            await lab.adapter.join(second, supervisor, LegRole.LISTEN)
        with pytest.raises(TelephonyError):
            await lab.adapter.join(first, leg_id, LegRole.LISTEN)
        waiting = await lab.dial_and_answer()
        with pytest.raises(TelephonyError):
            await lab.adapter.bridge(waiting, supervisor)

    async def test_unknown_legs_and_calls(self, lab: Lab) -> None:
        call_id, leg_id = await lab.converse()
        with pytest.raises(UnknownCall):
            await lab.adapter.part(UNKNOWN_CALL, leg_id)
        with pytest.raises(UnknownCall):
            await lab.adapter.part(call_id, UNKNOWN_LEG)
        with pytest.raises(UnknownCall):
            await lab.adapter.part(call_id, leg_id)
        await hold(lab, call_id)
        with pytest.raises(UnknownCall):
            await lab.adapter.consult(leg_id, UNKNOWN_LEG)
        with pytest.raises(UnknownCall):
            await lab.adapter.consult(UNKNOWN_LEG, leg_id)

    @every_situation
    async def test_the_person_hangs_up(self, lab: Lab, situation: Situation) -> None:
        call_id, leg_id, other = await situation(lab)
        await lab.callee_hangs_up(call_id)
        assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLEE
        assert lab.of(CallParted, call_id) == []
        await is_free(lab, leg_id)
        await is_free(lab, other)

    @every_situation
    async def test_we_hang_up_in_the_middle_of_it(self, lab: Lab, situation: Situation) -> None:
        call_id, leg_id, other = await situation(lab)
        await lab.adapter.hangup(call_id)
        assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLER
        assert lab.of(AgentLegDown, leg_id) + lab.of(AgentLegDown, other) == []

    @every_situation
    async def test_the_conversation_s_own_leg_goes(self, lab: Lab, situation: Situation) -> None:
        call_id, leg_id, other = await situation(lab)
        joined = bool(lab.of(CallJoined, call_id))
        await lab.agent_hangs_up(leg_id)
        down = await lab.first(AgentLegDown, leg_id)
        if joined:
            parted = await lab.first(CallParted, call_id)
            assert parted.leg_id == other
            assert in_order(lab, down, parted)
        assert await bridged_leg(lab, call_id) is None
        await lab.bridge(call_id, other)
        assert await bridged_leg(lab, call_id) == other

    @every_situation
    async def test_the_other_leg_goes(self, lab: Lab, situation: Situation) -> None:
        call_id, leg_id, other = await situation(lab)
        joined = bool(lab.of(CallJoined, call_id))
        await lab.agent_hangs_up(other)
        down = await lab.first(AgentLegDown, other)
        if joined:
            parted = await lab.first(CallParted, call_id)
            assert parted.leg_id == other
            assert in_order(lab, down, parted)
            assert await bridged_leg(lab, call_id) == leg_id
        else:
            await lab.bridge(call_id, leg_id)
        assert lab.of(CallEnded, call_id) == []
