"""Cases of adapters whose control connection a laboratory can cut."""

from __future__ import annotations

import pytest

from telephony_adapters.errors import CarrierUnavailable
from telephony_adapters.messages import (
    AgentLegDown,
    CallEnded,
    CallPhase,
    CarrierDown,
    CarrierUp,
    HangupCause,
)
from tests.adapters.lab import BreakableLab, FarEnd


class OutageCases:
    """The control connection is lost and comes back."""

    async def test_nothing_is_placed_while_the_connection_is_lost(self, lab: BreakableLab) -> None:
        await lab.lose_connection()
        await lab.until(lambda: any(isinstance(event, CarrierDown) for event in lab.events))
        command = lab.command(lab.number(FarEnd.BUSY))
        with pytest.raises(CarrierUnavailable):
            await lab.originate(command)
        with pytest.raises(CarrierUnavailable):
            await lab.adapter.list_calls()
        assert lab.placed() == 0

    async def test_calls_live_on_and_are_listed_after_it(self, lab: BreakableLab) -> None:
        answered = await lab.dial_and_answer()
        await lab.lose_connection()
        await lab.restore_connection()
        await lab.until(lambda: any(isinstance(event, CarrierUp) for event in lab.events))
        report = await lab.report(answered)
        assert report is not None
        assert report.phase is CallPhase.ANSWERED
        await lab.adapter.hangup(answered)
        assert (await lab.end(answered)).cause is HangupCause.NORMAL_CALLER

    async def test_a_call_that_ends_meanwhile_is_not_listed_after_it(
        self, lab: BreakableLab
    ) -> None:
        answered = await lab.dial_and_answer()
        await lab.lose_connection()
        await lab.callee_hangs_up(answered)
        await lab.restore_connection()
        await lab.until(lambda: any(isinstance(event, CarrierUp) for event in lab.events))
        assert await lab.report(answered) is None

    async def test_a_leg_that_ends_meanwhile_is_told_after_it(self, lab: BreakableLab) -> None:
        leg_id = await lab.open_leg()
        await lab.lose_connection()
        await lab.agent_hangs_up(leg_id)
        await lab.restore_connection()
        down = await lab.first(AgentLegDown, leg_id)
        order = [type(event) for event in lab.unique()]
        assert order.index(CarrierUp) < lab.unique().index(down)

    async def test_calls_are_placed_again_after_it(self, lab: BreakableLab) -> None:
        await lab.lose_connection()
        await lab.restore_connection()
        await lab.until(lambda: any(isinstance(event, CarrierUp) for event in lab.events))
        call_id = await lab.dial(FarEnd.BUSY)
        assert (await lab.end(call_id)).cause is HangupCause.BUSY

    async def test_a_stopped_adapter_places_nothing_and_is_silent(self, lab: BreakableLab) -> None:
        call_id = await lab.dial_and_answer(FarEnd.ANSWERS_BRIEFLY)
        await lab.adapter.stop()
        told = len(lab.events)
        with pytest.raises(CarrierUnavailable):
            await lab.originate(lab.command(lab.number(FarEnd.BUSY)))
        await lab.pass_time(8.0)
        assert len(lab.events) == told
        assert lab.of(CallEnded, call_id) == []
