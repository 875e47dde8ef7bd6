"""The null carrier passes what a carrier without answers can pass."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from telephony_adapters.errors import CarrierUnavailable, DuplicateCall, UnknownCall
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    CallEnded,
    CallId,
    HangupCause,
    LegId,
    Originate,
)
from telephony_adapters.simulator.null import NullCarrier
from tests.adapters.conformance import FactsCases, IdentityCases, PermitCases, RefusalCases
from tests.adapters.lab import PATIENCE_S, FarEnd, Lab
from tests.adapters.simulated_lab import NUMBERS
from tests.support.manual_clock import ManualClock

CAUSES = {
    NUMBERS[FarEnd.BUSY]: HangupCause.BUSY,
    NUMBERS[FarEnd.UNAVAILABLE]: HangupCause.UNAVAILABLE,
    NUMBERS[FarEnd.NOT_IN_SERVICE]: HangupCause.NOT_IN_SERVICE,
    NUMBERS[FarEnd.REJECTS]: HangupCause.REJECTED,
    NUMBERS[FarEnd.CONGESTED]: HangupCause.CONGESTION,
}


def cause_of(command: Originate) -> HangupCause:
    return CAUSES.get(command.to, HangupCause.NO_ANSWER)


class NullLab(Lab):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.carrier = NullCarrier(clock=self.clock, outcome=cause_of)

    @property
    def adapter(self) -> NullCarrier:
        return self.carrier

    def now(self) -> datetime:
        return self.clock.now()

    def number(self, far_end: FarEnd) -> str:
        return NUMBERS[far_end]

    def endpoint(self) -> str:
        return "agent"

    def placed(self) -> int:
        return self.carrier.placed

    async def until(self, condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        await self.clock.run_until(condition, limit_s)

    async def pass_time(self, delay_s: float) -> None:
        await self.clock.advance(delay_s)

    async def callee_hangs_up(self, call_id: CallId) -> None:
        raise UnknownCall(f"nobody ever answers, not {call_id} either")

    async def agent_hangs_up(self, leg_id: LegId) -> None:
        await self.carrier.close_agent_leg(leg_id)


class TestNullCarrier(FactsCases, PermitCases, IdentityCases, RefusalCases):
    @pytest.fixture
    async def lab(self) -> NullLab:
        lab = NullLab()
        await lab.carrier.start(lab.events.append)
        return lab

    async def test_the_end_comes_before_originate_returns(self, lab: NullLab) -> None:
        command = lab.command("+13055550199")
        await lab.originate(command)
        (end,) = lab.of(CallEnded, command.call_id)
        assert end.cause is HangupCause.NO_ANSWER
        assert end.at == lab.now()

    async def test_legs_open_and_close(self, lab: NullLab) -> None:
        leg_id = await lab.open_leg()
        with pytest.raises(DuplicateCall):
            await lab.adapter.open_agent_leg(leg_id, "agent")
        await lab.adapter.close_agent_leg(leg_id)
        assert [type(event) for event in lab.events] == [AgentLegUp, AgentLegDown]
        with pytest.raises(UnknownCall):
            await lab.adapter.close_agent_leg(leg_id)

    async def test_nothing_can_be_played(self, lab: NullLab) -> None:
        call_id = await lab.dial(FarEnd.BUSY)
        with pytest.raises(UnknownCall):
            await lab.adapter.play(call_id, lab.prompt(), "playback-1")

    async def test_it_is_down_unless_started(self, lab: NullLab) -> None:
        await lab.adapter.stop()
        with pytest.raises(CarrierUnavailable):
            await lab.dial(FarEnd.BUSY)
        with pytest.raises(CarrierUnavailable):
            await lab.adapter.list_calls()
        assert lab.placed() == 0


def test_one_outcome_for_all_is_enough() -> None:
    carrier = NullCarrier(clock=ManualClock(), outcome=HangupCause.BUSY)
    assert carrier.facts.simulated
