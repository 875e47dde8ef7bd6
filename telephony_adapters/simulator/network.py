"""The simulated telephone network: the life of every call from its first ring to its end."""

from __future__ import annotations

from functools import partial
from typing import Final

from telephony_adapters.call_ids import inbound_call_id
from telephony_adapters.clock import Clock
from telephony_adapters.errors import UnknownCall
from telephony_adapters.messages import (
    AmdResult,
    AmdVerdict,
    CallAnswered,
    CallEnded,
    CallId,
    CallPhase,
    CallProgress,
    CallReport,
    CallRinging,
    DtmfReceived,
    HangupCause,
    InboundCall,
    Originate,
    PlaybackFinished,
)
from telephony_adapters.simulator.agent_legs import AgentLegs
from telephony_adapters.simulator.conversations import Conversations
from telephony_adapters.simulator.delivery import Delivery
from telephony_adapters.simulator.heard import Heard
from telephony_adapters.simulator.live_call import LiveCall, Step
from telephony_adapters.simulator.number_memory import NumberMemory
from telephony_adapters.simulator.recordings import Recordings
from telephony_adapters.simulator.script import CallFault
from telephony_adapters.simulator.timings import CarrierTimings
from telephony_adapters.simulator.world import NEVER, DialPlan, Past, PickUp, World

_NO_LINE: Final = DialPlan(
    progress_s=None,
    ringing_s=None,
    final_s=0.1,
    cause=HangupCause.CONGESTION,
    provider_code="sip:503 q850:34",
)
_RINGS_FOREVER: Final = DialPlan(progress_s=0.2, ringing_s=1.0, final_s=NEVER)


class Network:
    """Live calls and what happens to them. It does not know whether anybody listens."""

    def __init__(
        self,
        *,
        clock: Clock,
        world: World,
        wire: Delivery,
        legs: AgentLegs,
        timings: CarrierTimings,
        max_live_calls: int,
    ) -> None:
        self._clock = clock
        self._world = world
        self._wire = wire
        self._timings = timings
        self._max_live_calls = max_live_calls
        self._calls: dict[CallId, LiveCall] = {}
        self.recordings = Recordings(clock, wire)
        self.conversations = Conversations(
            clock=clock,
            wire=wire,
            legs=legs,
            timings=timings,
            calls=self._calls,
            alone=self._alone,
            talks=self._talks,
        )
        self._numbers = NumberMemory()
        self.placed = 0
        """Calls that have reached the network."""

    def place(self, command: Originate, fault: CallFault | None) -> None:
        """Dial. When every line is taken the call ends in congestion."""
        now = self._clock.now()
        past = self._numbers.record(command.to, now)
        self.placed += 1
        limit_s = float(command.ring_timeout_s)
        if len(self._calls) >= self._max_live_calls:
            plan = _NO_LINE
        elif fault is not None and fault.rings_forever:
            plan = _RINGS_FOREVER
            limit_s = NEVER
        else:
            plan = self._world.dial(command, now, past)
        steps = self._steps(plan, limit_s)
        call = LiveCall(command.call_id, plan, fault, steps, amd=command.amd)
        self._calls[command.call_id] = call
        self._await_step(call, 0.0)

    def hang_up(self, call_id: CallId) -> None:
        """Our side ends the call. Raises `UnknownCall`."""
        call = self._require(call_id)
        call.side_timers.append(
            self._clock.call_later(self._timings.hangup_s, partial(self._hung_up, call))
        )

    def comes_in(self, caller: str | None, called: str, fault: CallFault | None) -> CallId:
        """Somebody calls us; it rings until we answer or he loses patience."""
        event_id = self._wire.event_id()
        call_id = inbound_call_id(event_id)
        dial = Originate(
            call_id=call_id, to=caller or "", caller_id=None, trunk="", ring_timeout_s=0
        )
        who = PickUp(
            heard=self._world.conversation(dial, Past()),
            patience_s=self._timings.caller_patience_s,
            amd_verdict=AmdVerdict.HUMAN,
            amd_s=0.0,
        )
        plan = DialPlan(progress_s=None, ringing_s=None, final_s=NEVER, pick_up=who)
        call = self._calls[call_id] = LiveCall(call_id, plan, fault)
        call.phase = CallPhase.RINGING
        call.waits_for_us = True
        self._wire.of_call(
            call,
            InboundCall(
                event_id=event_id,
                at=self._clock.now(),
                call_id=call_id,
                caller=caller,
                called=called,
            ),
        )
        self._await_patience(call, who)
        return call_id

    def answer(self, call_id: CallId) -> None:
        """Take an inbound call. Raises `UnknownCall`."""
        call = self._require(call_id)
        if not call.waits_for_us:
            raise UnknownCall(f"call {call_id} does not wait for an answer")
        call.waits_for_us = False
        call.side_timers.append(
            self._clock.call_later(self._timings.bridge_s, partial(self._answer, call))
        )

    def callee_hangs_up(self, call_id: CallId) -> None:
        """Their side ends the answered or inbound call now. Raises `UnknownCall`."""
        call = self._require(call_id)
        if not call.waits_for_us:
            self.require_answered(call_id)
        self._end(call, HangupCause.NORMAL_CALLEE)

    def play(self, call_id: CallId, playback_id: str) -> Heard:
        """Play a prompt; a person who hears something does not lose patience. Gives who hears."""
        call, pick_up = self.require_answered(call_id)
        if call.leg_id is None:
            call.stop_waiting()
        call.playing[playback_id] = self._clock.call_later(
            self._timings.playback_s, partial(self._played, call, playback_id)
        )
        return pick_up.heard

    def stop_playing(self, call_id: CallId, playback_id: str) -> None:
        """Fall silent. Raises `UnknownCall`."""
        call, _ = self.require_answered(call_id)
        timer = call.playing.get(playback_id)
        if timer is not None:
            timer.cancel()
            self._played(call, playback_id)

    def press(self, call_id: CallId, digits: str) -> None:
        """The person presses keys now. Raises `UnknownCall`."""
        call, _ = self.require_answered(call_id)
        for digit in digits:
            self._pressed(call, digit)

    def press_to(self, call_id: CallId, digits: str) -> None:
        """Our keys reach the person. Raises `UnknownCall`."""
        call, _ = self.require_answered(call_id)
        call.keys_heard += digits

    def keys_heard(self, call_id: CallId) -> str:
        """What `press_to` has let the person hear. Raises `UnknownCall`."""
        return self._require(call_id).keys_heard

    def reports(self) -> list[CallReport]:
        """Every live call."""
        return [
            CallReport(call_id=call.call_id, phase=call.phase, bridged_leg=call.leg_id)
            for call in self._calls.values()
        ]

    # --- before the answer ----------------------------------------------------------------------

    def _steps(self, plan: DialPlan, limit_s: float) -> tuple[Step, ...]:
        """What happens until the answer or the end, in order; the ring timeout cuts it short."""
        steps: list[Step] = []
        if plan.progress_s is not None and plan.progress_s < limit_s:
            steps.append((plan.progress_s, self._progress))
        if plan.ringing_s is not None and plan.ringing_s < limit_s:
            steps.append((plan.ringing_s, self._ring))
        if plan.final_s < limit_s:
            steps.append((plan.final_s, self._answer if plan.pick_up else self._refuse))
        elif limit_s < NEVER:
            steps.append((limit_s, self._time_out))
        return tuple(steps)

    def _await_step(self, call: LiveCall, now_s: float) -> None:
        if call.position < len(call.steps):
            delay_s = call.steps[call.position][0] - now_s
            call.main_timer = self._clock.call_later(delay_s, partial(self._take_step, call))

    def _take_step(self, call: LiveCall) -> None:
        offset_s, act = call.steps[call.position]
        call.position += 1
        self._await_step(call, offset_s)
        act(call)

    def _progress(self, call: LiveCall) -> None:
        self._wire.of_call(
            call,
            CallProgress(
                event_id=self._wire.event_id(), at=self._clock.now(), call_id=call.call_id
            ),
        )

    def _ring(self, call: LiveCall) -> None:
        call.phase = CallPhase.RINGING
        self._wire.of_call(
            call,
            CallRinging(event_id=self._wire.event_id(), at=self._clock.now(), call_id=call.call_id),
        )

    def _refuse(self, call: LiveCall) -> None:
        self._end(call, call.plan.cause, call.plan.provider_code)

    def _time_out(self, call: LiveCall) -> None:
        dead = call.plan.progress_s is None
        self._end(call, HangupCause.ROUTE_DOWN if dead else HangupCause.NO_ANSWER)

    # --- after the answer -----------------------------------------------------------------------

    def _answer(self, call: LiveCall) -> None:
        call.phase = CallPhase.ANSWERED
        self._wire.of_call(
            call,
            CallAnswered(
                event_id=self._wire.event_id(), at=self._clock.now(), call_id=call.call_id
            ),
        )
        pick_up = call.answered
        if pick_up is None:
            raise AssertionError(f"call {call.call_id} was answered by nobody")
        if call.amd:
            call.side_timers.append(
                self._clock.call_later(pick_up.amd_s, partial(self._detected, call, pick_up))
            )
        for after_s, digit in pick_up.digits:
            call.side_timers.append(
                self._clock.call_later(after_s, partial(self._pressed, call, digit))
            )
        self._await_patience(call, pick_up)

    def _await_patience(self, call: LiveCall, pick_up: PickUp) -> None:
        self._ends_after(call, self._timings.hold_patience_s if call.held else pick_up.patience_s)

    def _alone(self, call: LiveCall) -> None:
        if call.answered is not None and not call.playing:
            self._await_patience(call, call.answered)

    def _talks(self, call: LiveCall) -> None:
        self._ends_after(call, call.talk_left_s)

    def _ends_after(self, call: LiveCall, delay_s: float) -> None:
        """The person hangs up so much later."""
        call.wait(
            self._clock.call_later(delay_s, partial(self._end, call, HangupCause.NORMAL_CALLEE))
        )

    def _detected(self, call: LiveCall, pick_up: PickUp) -> None:
        self._wire.of_call(
            call,
            AmdResult(
                event_id=self._wire.event_id(),
                at=self._clock.now(),
                call_id=call.call_id,
                verdict=pick_up.amd_verdict,
                took_ms=round(pick_up.amd_s * 1000),
            ),
        )

    def _pressed(self, call: LiveCall, digit: str) -> None:
        self._wire.of_call(
            call,
            DtmfReceived(
                event_id=self._wire.event_id(),
                at=self._clock.now(),
                call_id=call.call_id,
                digit=digit,
            ),
        )

    def _played(self, call: LiveCall, playback_id: str) -> None:
        del call.playing[playback_id]
        self._wire.of_call(
            call,
            PlaybackFinished(
                event_id=self._wire.event_id(),
                at=self._clock.now(),
                call_id=call.call_id,
                playback_id=playback_id,
            ),
        )
        if call.leg_id is None and not call.playing and call.answered is not None:
            self._await_patience(call, call.answered)

    # --- ends -----------------------------------------------------------------------------------

    def _hung_up(self, call: LiveCall) -> None:
        answered = call.phase is CallPhase.ANSWERED
        self._end(call, HangupCause.NORMAL_CALLER if answered else HangupCause.CANCELLED)

    def _end(self, call: LiveCall, cause: HangupCause, provider_code: str = "") -> None:
        del self._calls[call.call_id]
        call.cancel_timers()
        self.conversations.call_ended(call)
        self._wire.of_call(
            call,
            CallEnded(
                event_id=self._wire.event_id(),
                at=self._clock.now(),
                call_id=call.call_id,
                cause=cause,
                provider_code=provider_code,
            ),
            last=True,
        )
        self.recordings.finish(call)

    def _require(self, call_id: CallId) -> LiveCall:
        call = self._calls.get(call_id)
        if call is None:
            raise UnknownCall(f"there is no live call {call_id}")
        return call

    def require_answered(self, call_id: CallId) -> tuple[LiveCall, PickUp]:
        """An answered call, and who answered. Raises `UnknownCall`."""
        call = self._require(call_id)
        pick_up = call.answered
        if pick_up is None:
            raise UnknownCall(f"call {call_id} is not answered yet")
        return call, pick_up
