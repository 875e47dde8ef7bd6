"""One call that is up in the simulated network."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from telephony_adapters.clock import TimerHandle
from telephony_adapters.messages import CallId, CallPhase, LegId, LegRole
from telephony_adapters.simulator.script import CallFault
from telephony_adapters.simulator.world import DialPlan, PickUp

Step = tuple[float, Callable[["LiveCall"], None]]
"""Something that happens to a call, so many seconds after its originate."""


class LiveCall:
    """State of a call between its originate, or its ringing at ours, and its end."""

    __slots__ = (
        "amd",
        "call_id",
        "events",
        "fault",
        "held",
        "joined_at",
        "keys_heard",
        "leg_id",
        "main_timer",
        "parts",
        "phase",
        "plan",
        "playing",
        "position",
        "side_timers",
        "steps",
        "talk_left_s",
        "waits_for_us",
        "wanted_leg",
    )

    def __init__(
        self,
        call_id: CallId,
        plan: DialPlan,
        fault: CallFault | None,
        steps: tuple[Step, ...] = (),
        *,
        amd: bool = False,
    ) -> None:
        self.call_id = call_id
        self.amd = amd
        self.plan = plan
        self.fault = fault
        self.steps = steps
        self.position = 0
        """The next of `steps`."""
        self.phase = CallPhase.DIALING
        self.waits_for_us = False
        """An inbound call that we have not answered."""
        self.leg_id: LegId | None = None
        """The agent's leg that hears the call."""
        self.wanted_leg: LegId | None = None
        """The leg that a bridge on its way will join it with."""
        self.held = False
        """The person hears music."""
        self.parts: dict[LegId, LegRole | None] = {}
        """Further legs and how they take part; None: they are about to."""
        self.keys_heard = ""
        """Keys that we have pressed."""
        self.joined_at: datetime | None = None
        self.talk_left_s = plan.pick_up.heard.talk_s if plan.pick_up is not None else 0.0
        self.playing: dict[str, TimerHandle] = {}
        """Prompts under way, and when each is over."""
        self.events = 0
        """Events told so far."""
        self.main_timer: TimerHandle | None = None
        """The next step, or the far end's patience or talk."""
        self.side_timers: list[TimerHandle] = []

    @property
    def answered(self) -> PickUp | None:
        """Who picked up; None before the answer."""
        return self.plan.pick_up if self.phase is CallPhase.ANSWERED else None

    def wait(self, timer: TimerHandle) -> None:
        """Replace the main timer."""
        if self.main_timer is not None:
            self.main_timer.cancel()
        self.main_timer = timer

    def stop_waiting(self) -> None:
        """Cancel the main timer."""
        if self.main_timer is not None:
            self.main_timer.cancel()
            self.main_timer = None

    def cancel_timers(self) -> None:
        """Nothing more will happen to this call."""
        self.stop_waiting()
        for timer in (*self.side_timers, *self.playing.values()):
            timer.cancel()
        self.side_timers.clear()
        self.playing.clear()
