"""Cases of every adapter: agents' legs, and bridges of one call with one leg."""

from __future__ import annotations

import pytest

from telephony_adapters.errors import UnknownCall
from telephony_adapters.messages import AgentLegDown, AgentLegUp, CallBridged, HangupCause
from tests.adapters.lab import UNKNOWN_CALL, UNKNOWN_LEG, Lab


class LegCases:
    """Agents' legs and bridges."""

    async def test_a_leg_opens_and_closes(self, lab: Lab) -> None:
        leg_id = await lab.open_leg()
        await lab.adapter.close_agent_leg(leg_id)
        await lab.first(AgentLegDown, leg_id)
        assert len(lab.of(AgentLegUp, leg_id)) == 1
        with pytest.raises(UnknownCall):
            await lab.adapter.close_agent_leg(leg_id)

    async def test_a_call_is_bridged(self, lab: Lab) -> None:
        leg_id = await lab.open_leg()
        call_id = await lab.dial_and_answer()
        await lab.adapter.bridge(call_id, leg_id)
        bridged = await lab.first(CallBridged, call_id)
        assert bridged.leg_id == leg_id
        report = await lab.report(call_id)
        assert report is not None
        assert report.bridged_leg == leg_id

    async def test_a_leg_outlives_the_callee_and_takes_the_next_call(self, lab: Lab) -> None:
        leg_id = await lab.open_leg()
        first = await lab.dial_and_answer()
        await lab.adapter.bridge(first, leg_id)
        await lab.first(CallBridged, first)
        await lab.callee_hangs_up(first)
        assert (await lab.end(first)).cause is HangupCause.NORMAL_CALLEE
        assert lab.of(AgentLegDown, leg_id) == []
        second = await lab.dial_and_answer()
        await lab.adapter.bridge(second, leg_id)
        assert (await lab.first(CallBridged, second)).leg_id == leg_id

    async def test_a_leg_outlives_our_hangup_of_the_call(self, lab: Lab) -> None:
        leg_id = await lab.open_leg()
        call_id = await lab.dial_and_answer()
        await lab.adapter.bridge(call_id, leg_id)
        await lab.first(CallBridged, call_id)
        await lab.adapter.hangup(call_id)
        assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLER
        assert lab.of(AgentLegDown, leg_id) == []

    async def test_a_call_outlives_the_agent(self, lab: Lab) -> None:
        leg_id = await lab.open_leg()
        call_id = await lab.dial_and_answer()
        await lab.adapter.bridge(call_id, leg_id)
        await lab.first(CallBridged, call_id)
        await lab.agent_hangs_up(leg_id)
        await lab.first(AgentLegDown, leg_id)
        report = await lab.report(call_id)
        assert report is not None
        assert report.bridged_leg is None
        await lab.adapter.hangup(call_id)
        assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLER

    async def test_a_call_moves_to_another_agent(self, lab: Lab) -> None:
        first, second = await lab.open_leg(), await lab.open_leg()
        call_id = await lab.dial_and_answer()
        await lab.adapter.bridge(call_id, first)
        await lab.first(CallBridged, call_id)
        await lab.adapter.bridge(call_id, second)
        await lab.until(lambda: len(lab.of(CallBridged, call_id)) == 2)
        assert lab.of(CallBridged, call_id)[1].leg_id == second
        report = await lab.report(call_id)
        assert report is not None
        assert report.bridged_leg == second

    async def test_no_bridge_without_call_and_leg(self, lab: Lab) -> None:
        leg_id = await lab.open_leg()
        call_id = await lab.dial_and_answer()
        with pytest.raises(UnknownCall):
            await lab.adapter.bridge(call_id, UNKNOWN_LEG)
        with pytest.raises(UnknownCall):
            await lab.adapter.bridge(UNKNOWN_CALL, leg_id)
        await lab.adapter.close_agent_leg(leg_id)
        await lab.first(AgentLegDown, leg_id)
        with pytest.raises(UnknownCall):
            await lab.adapter.bridge(call_id, leg_id)
        assert lab.of(CallBridged, call_id) == []
