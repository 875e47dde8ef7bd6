"""Cases of adapters that declare `inbound`: people call us."""

from __future__ import annotations

import pytest

from telephony_adapters.errors import UnknownCall
from telephony_adapters.messages import (
    CallAnswered,
    CallEnded,
    CallPhase,
    CallRinging,
    HangupCause,
    InboundCall,
)
from tests.adapters.lab import OUR_NUMBER, UNKNOWN_CALL, CallableLab, FarEnd

CALLER = "+13055550101"
OTHER_CALLER = "+13055550102"


async def comes_in(lab: CallableLab, caller: str | None = CALLER) -> InboundCall:
    """Somebody calls; returns what the adapter told."""
    before = len(inbound(lab))
    await lab.somebody_calls(caller)
    await lab.until(lambda: len(inbound(lab)) > before)
    return inbound(lab)[-1]


def inbound(lab: CallableLab) -> list[InboundCall]:
    return [event for event in lab.unique() if isinstance(event, InboundCall)]


class InboundCases:
    """From the ring to the end."""

    async def test_somebody_calls_and_talks_with_an_agent(self, lab: CallableLab) -> None:
        leg_id = await lab.open_leg()
        call = await comes_in(lab)
        assert (call.caller, call.called) == (CALLER, OUR_NUMBER)
        ringing = await lab.report(call.call_id)
        assert ringing is not None
        assert ringing.phase is CallPhase.RINGING
        await lab.adapter.answer(call.call_id)
        await lab.first(CallAnswered, call.call_id)
        await lab.bridge(call.call_id, leg_id)
        report = await lab.report(call.call_id)
        assert report is not None
        assert (report.phase, report.bridged_leg) == (CallPhase.ANSWERED, leg_id)
        await lab.callee_hangs_up(call.call_id)
        assert (await lab.end(call.call_id)).cause is HangupCause.NORMAL_CALLEE
        assert await lab.report(call.call_id) is None

    async def test_a_withheld_number(self, lab: CallableLab) -> None:
        call = await comes_in(lab, None)
        assert (call.caller, call.called) == (None, OUR_NUMBER)
        await lab.adapter.answer(call.call_id)
        await lab.first(CallAnswered, call.call_id)

    async def test_nobody_answers_unless_told_to(self, lab: CallableLab) -> None:
        call = await comes_in(lab)
        await lab.pass_time(0.5)
        assert lab.of(CallAnswered, call.call_id) == []
        with pytest.raises(UnknownCall):
            await lab.adapter.bridge(call.call_id, await lab.open_leg())

    async def test_the_caller_gives_up(self, lab: CallableLab) -> None:
        await lab.somebody_calls(CALLER, patience_s=0.5)
        await lab.until(lambda: bool(inbound(lab)))
        call_id = inbound(lab)[0].call_id
        assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLEE
        assert lab.of(CallAnswered, call_id) == []
        with pytest.raises(UnknownCall):
            await lab.adapter.answer(call_id)

    async def test_we_reject(self, lab: CallableLab) -> None:
        call = await comes_in(lab)
        await lab.adapter.hangup(call.call_id)
        assert (await lab.end(call.call_id)).cause is HangupCause.CANCELLED
        assert lab.of(CallAnswered, call.call_id) == []

    async def test_we_hang_up_on_a_caller(self, lab: CallableLab) -> None:
        call = await comes_in(lab)
        await lab.adapter.answer(call.call_id)
        await lab.first(CallAnswered, call.call_id)
        await lab.adapter.hangup(call.call_id)
        assert (await lab.end(call.call_id)).cause is HangupCause.NORMAL_CALLER

    async def test_a_call_is_answered_once(self, lab: CallableLab) -> None:
        call = await comes_in(lab)
        await lab.adapter.answer(call.call_id)
        with pytest.raises(UnknownCall):
            await lab.adapter.answer(call.call_id)
        await lab.first(CallAnswered, call.call_id)
        await lab.pass_time(0.3)
        assert len(lab.of(CallAnswered, call.call_id)) == 1
        assert lab.of(CallEnded, call.call_id) == []

    async def test_only_who_calls_us_can_be_answered(self, lab: CallableLab) -> None:
        with pytest.raises(UnknownCall):
            await lab.adapter.answer(UNKNOWN_CALL)
        ringing = await lab.dial(FarEnd.RINGS)
        await lab.first(CallRinging, ringing)
        with pytest.raises(UnknownCall):
            await lab.adapter.answer(ringing)

    async def test_several_call_and_one_calls_twice(self, lab: CallableLab) -> None:
        calls = [await comes_in(lab, caller) for caller in (CALLER, OTHER_CALLER, CALLER)]
        assert [call.caller for call in calls] == [CALLER, OTHER_CALLER, CALLER]
        assert len({call.call_id for call in calls}) == 3
        assert len({len(call.call_id) for call in calls}) == 1
        await lab.adapter.answer(calls[2].call_id)
        await lab.first(CallAnswered, calls[2].call_id)
        assert lab.of(CallAnswered, calls[0].call_id) == []
        assert len(inbound(lab)) == 3

    async def test_somebody_calls_whom_we_are_dialing(self, lab: CallableLab) -> None:
        """Both calls are told, each by its own id; neither is taken for the other."""
        ours = await lab.dial(FarEnd.RINGS)
        await lab.first(CallRinging, ours)
        theirs = await comes_in(lab, lab.number(FarEnd.RINGS))
        assert theirs.call_id != ours
        assert lab.of(CallAnswered, ours) == []
        await lab.adapter.hangup(ours)
        assert (await lab.end(ours)).cause is HangupCause.CANCELLED
        await lab.adapter.answer(theirs.call_id)
        await lab.first(CallAnswered, theirs.call_id)
        assert lab.of(CallEnded, theirs.call_id) == []
