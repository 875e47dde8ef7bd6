"""A world without chance: each number has the plan that a test gives it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from telephony_adapters.messages import AmdVerdict, CallId, Originate
from telephony_adapters.simulator.heard import Heard, Intent, Speaker
from telephony_adapters.simulator.world import DialPlan, Past, PickUp

PlanMaker = Callable[[Originate], DialPlan]


def answered(
    call_id: CallId,
    *,
    after_s: float = 3.0,
    speaker: Speaker = Speaker.RIGHT_PARTY,
    intent: Intent = Intent.WILLING,
    talk_s: float = 60.0,
    patience_s: float = 8.0,
    amd_verdict: AmdVerdict = AmdVerdict.HUMAN,
    amd_s: float = 2.0,
    digits: tuple[tuple[float, str], ...] = (),
) -> DialPlan:
    """A plan in which the call is picked up `after_s` seconds after the originate."""
    return DialPlan(
        progress_s=after_s * 0.1,
        ringing_s=after_s * 0.3,
        final_s=after_s,
        pick_up=PickUp(
            heard=Heard(
                call_id=call_id,
                speaker=speaker,
                intent=intent,
                verification_answers=speaker is Speaker.RIGHT_PARTY,
                talk_s=talk_s,
                wrap_up_s=10.0,
            ),
            patience_s=patience_s,
            amd_verdict=amd_verdict,
            amd_s=amd_s,
            digits=digits,
        ),
    )


class FixedWorld:
    """Plans by number; other numbers get the `default`, which rings until our ring timeout."""

    def __init__(
        self, plans: dict[str, PlanMaker] | None = None, default: PlanMaker | None = None
    ) -> None:
        self.plans: dict[str, PlanMaker] = {} if plans is None else plans
        self._default = default

    def dial(self, command: Originate, at: datetime, past: Past) -> DialPlan:
        make = self.plans.get(command.to, self._default)
        if make is not None:
            return make(command)
        return DialPlan(progress_s=0.2, ringing_s=1.0, final_s=120.0)

    def conversation(self, command: Originate, past: Past) -> Heard:
        make = self.plans.get(command.to, self._default)
        plan = make(command) if make is not None else answered(command.call_id)
        if plan.pick_up is None:
            plan = answered(command.call_id)
        assert plan.pick_up is not None
        return plan.pick_up.heard
