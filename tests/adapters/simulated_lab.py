"""The conformance laboratory of the simulated carrier: a fixed far end on a manual clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from telephony_adapters.messages import (
    AmdVerdict,
    CallAnswered,
    CallEnded,
    CallId,
    HangupCause,
    LegId,
    Originate,
)
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.heard import Intent, Speaker
from telephony_adapters.simulator.script import FAIR_WEATHER, Script
from telephony_adapters.simulator.world import NEVER, DialPlan
from tests.adapters.lab import (
    OUR_NUMBER,
    PATIENCE_S,
    BreakableLab,
    CallableLab,
    FarEnd,
    ListeningLab,
)
from tests.support.fixed_world import FixedWorld, PlanMaker, answered
from tests.support.manual_clock import ManualClock

NUMBERS = {far_end: f"+1305555{n:04d}" for n, far_end in enumerate(FarEnd, 100)}


def _refused(cause: HangupCause) -> PlanMaker:
    plan = DialPlan(progress_s=0.2, ringing_s=None, final_s=1.5, cause=cause)
    return lambda _command: plan


def _answers(command: Originate) -> DialPlan:
    return answered(command.call_id, patience_s=120.0, talk_s=120.0)


def _answers_briefly(command: Originate) -> DialPlan:
    return answered(command.call_id, patience_s=2.0)


def _machine(command: Originate) -> DialPlan:
    return answered(
        command.call_id,
        speaker=Speaker.MACHINE,
        intent=Intent.NONE,
        amd_verdict=AmdVerdict.MACHINE,
        patience_s=120.0,
    )


def _presses_keys(command: Originate) -> DialPlan:
    return answered(command.call_id, patience_s=120.0, digits=((1.0, "1"), (2.0, "2")))


PLANS: dict[FarEnd, PlanMaker] = {
    FarEnd.ANSWERS: _answers,
    FarEnd.ANSWERS_BRIEFLY: _answers_briefly,
    FarEnd.RINGS: lambda _: DialPlan(progress_s=0.2, ringing_s=1.0, final_s=NEVER),
    FarEnd.DEAD: lambda _: DialPlan(progress_s=None, ringing_s=None, final_s=NEVER),
    FarEnd.BUSY: _refused(HangupCause.BUSY),
    FarEnd.UNAVAILABLE: _refused(HangupCause.UNAVAILABLE),
    FarEnd.NOT_IN_SERVICE: _refused(HangupCause.NOT_IN_SERVICE),
    FarEnd.REJECTS: _refused(HangupCause.REJECTED),
    FarEnd.CONGESTED: _refused(HangupCause.CONGESTION),
    FarEnd.MACHINE: _machine,
    FarEnd.PRESSES_KEYS: _presses_keys,
}


class SimulatedLab(BreakableLab, CallableLab, ListeningLab):
    """A simulated carrier whose clock the cases move."""

    def __init__(self, script: Script = FAIR_WEATHER, *, max_live_calls: int = 100) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.carrier = SimulatedCarrier(
            clock=self.clock,
            world=FixedWorld({NUMBERS[far_end]: plan for far_end, plan in PLANS.items()}),
            script=script,
            max_live_calls=max_live_calls,
        )
        self._endpoints = 0

    @property
    def adapter(self) -> SimulatedCarrier:
        return self.carrier

    def now(self) -> datetime:
        return self.clock.now()

    def number(self, far_end: FarEnd) -> str:
        return NUMBERS[far_end]

    def endpoint(self) -> str:
        self._endpoints += 1
        return f"agent-{self._endpoints}"

    def placed(self) -> int:
        return self.carrier.placed

    async def until(self, condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        await self.clock.run_until(condition, limit_s)

    async def pass_time(self, delay_s: float) -> None:
        await self.clock.advance(delay_s)

    async def callee_hangs_up(self, call_id: CallId) -> None:
        self.carrier.callee_hangs_up(call_id)

    async def agent_hangs_up(self, leg_id: LegId) -> None:
        self.carrier.agent_hangs_up(leg_id)

    async def somebody_calls(self, caller: str | None, *, patience_s: float = 60.0) -> None:
        call_id = self.carrier.somebody_calls(caller, OUR_NUMBER)

        def gives_up() -> None:
            if not self.of(CallAnswered, call_id) and not self.of(CallEnded, call_id):
                self.carrier.callee_hangs_up(call_id)

        self.clock.call_later(patience_s, gives_up)

    async def until_heard(self, call_id: CallId, keys: str) -> None:
        await self.until(lambda: self.carrier.keys_heard(call_id) == keys)

    async def lose_connection(self) -> None:
        self.carrier.lose_connection()

    async def restore_connection(self) -> None:
        self.carrier.restore_connection()
