"""Follows calls and agents through their events, and lets only sound facts reach a pacer.

One transition table for calls and one for agents. An event that does not fit is counted as a
fault and teaches nothing; a doubtful abandonment is charged all the same, and a doubtful answer
is never credited, so that bad input can only lead to fewer calls.
"""

from __future__ import annotations

from enum import StrEnum
from math import isfinite
from typing import Protocol

import msgspec

from dialer.core.pacing.messages import (
    Abandoned,
    AgentOff,
    AgentOn,
    Connected,
    DialPlaced,
    Failed,
    FaultKind,
    FoundMachine,
    LiveAnswer,
    MachineDetected,
    NoAnswer,
    PacingEvent,
    Pickup,
    Snapshot,
    TalkEnded,
    WrapUpEnded,
)

MAX_AHEAD_S = 600.0
"""An event this far ahead of everything seen is a wrong clock, not a quiet hour: while a pacer
is in use, its snapshots carry the time along."""
MAX_CALL_AGE_S = 180.0
"""No call goes on for so long without an agent."""
MAX_DURATION_S = 4 * 3600.0
REMEMBERED_IDS = 4000
"""Ended calls whose repeated events are recognised; half a minute of a thousand agents."""
UNSEEN_S = 1.5
"""Calls asked for this long ago, and not heard of, are taken to be on their way."""
STALE_S = 3.0
"""A snapshot may lag behind the events by this much: calls dialed since count as ringing."""
BACKWARD_SNAPSHOTS_TO_REBASE = 5
"""So many snapshots in order among themselves, but behind the clock: the clock was wrong."""


class CallState(StrEnum):
    """Where a call is, as far as pacing minds. Ended calls are forgotten."""

    RINGING = "ringing"
    IN_AMD = "in_amd"
    WAITING = "waiting"


class AgentState(StrEnum):
    """Where an agent is. Agents that are off are forgotten."""

    IDLE = "idle"
    TALKING = "talking"
    WRAPPING = "wrapping"


CALL_TRANSITIONS: dict[tuple[CallState, type], CallState | None] = {
    (CallState.RINGING, NoAnswer): None,
    (CallState.RINGING, Failed): None,
    (CallState.RINGING, Pickup): CallState.IN_AMD,
    (CallState.RINGING, MachineDetected): None,
    (CallState.RINGING, LiveAnswer): CallState.WAITING,
    (CallState.IN_AMD, MachineDetected): None,
    (CallState.IN_AMD, LiveAnswer): CallState.WAITING,
    (CallState.IN_AMD, NoAnswer): None,
    (CallState.IN_AMD, Failed): None,
    (CallState.IN_AMD, Abandoned): None,
    (CallState.WAITING, Connected): None,
    (CallState.WAITING, Abandoned): None,
}
"""State and event to the next state; None: the call is over for pacing. No entry: a fault."""

AGENT_TRANSITIONS: dict[tuple[AgentState, type], AgentState | None] = {
    (AgentState.IDLE, Connected): AgentState.TALKING,
    (AgentState.IDLE, AgentOff): None,
    (AgentState.TALKING, TalkEnded): AgentState.WRAPPING,
    (AgentState.TALKING, AgentOff): None,
    (AgentState.WRAPPING, WrapUpEnded): AgentState.IDLE,
    (AgentState.WRAPPING, AgentOff): None,
}
"""As for calls; `WrapUpEnded` with `stays` false ends in None instead."""


class Listener(Protocol):
    """What a pacer learns from. Every call has been checked; ages and durations are >= 0."""

    def on_dial(self, segment: str) -> None: ...
    def on_pickup(self, segment: str, ring_s: float) -> None: ...
    def on_unanswered(self, segment: str, ring_s: float) -> None: ...
    def on_lost(self, segment: str) -> None:
        """A pickup, or what must be taken for one, at a time that is not known."""

    def on_detected(self, live: bool, amd_s: float) -> None: ...
    def on_answer(self) -> None: ...
    def on_abandonment(self) -> None: ...
    def on_found_machine(self) -> None: ...
    def on_talk(self, talk_s: float) -> None: ...
    def on_wrap_up(self, wrap_up_s: float, stays: bool) -> None: ...
    def on_idle_off(self) -> None:
        """An idle agent went: on a break, or into a call that this campaign did not dial."""


class TrackedCall(msgspec.Struct, array_like=True):
    segment: str
    state: CallState
    placed_at_s: float
    since_s: float
    has_agent: bool = False
    """It teaches nothing but that it was answered, or abandoned."""


class TrackerState(msgspec.Struct):
    """Everything a tracker remembers, for `save` and `restore`."""

    clock_s: float | None = None
    calls: dict[str, TrackedCall] = {}
    agents: dict[str, AgentState] = {}
    ended_ids: dict[str, None] = {}
    abandoned_ids: dict[str, None] = {}
    machine_ids: dict[str, None] = {}
    faults: dict[str, int] = {}
    asked: list[tuple[float, int]] = []
    """When and how many calls were asked for that no dial has been heard of."""
    backward_snapshots: int = 0
    last_snapshot_s: float | None = None


class Tracker:
    """Checks events in order and passes on what can be learned from them."""

    def __init__(
        self, state: TrackerState | None = None, lost_after_s: float = MAX_CALL_AGE_S
    ) -> None:
        self.state = state or TrackerState()
        self._lost_after_s = lost_after_s
        """A call older than this, without an agent, has lost its end."""

    def fault(self, kind: FaultKind) -> None:
        faults = self.state.faults
        faults[kind.value] = faults.get(kind.value, 0) + 1

    def observe(self, event: PacingEvent, listener: Listener) -> None:
        """Take one event. Never raises."""
        timely = self._advance(event.at_s)
        match event:
            case DialPlaced():
                self._dial(event, timely, listener)
            case Connected():
                if self._call(event, timely, listener):
                    self._agent(event.agent_id, event)
            case FoundMachine():
                self._found_machine(event.call_id, listener)
            case TalkEnded():
                known = self._agent(event.agent_id, event)
                if known and timely and self._duration(event.talk_s):
                    listener.on_talk(event.talk_s)
            case WrapUpEnded():
                known = self._agent(event.agent_id, event)
                if known and timely and self._duration(event.wrap_up_s):
                    listener.on_wrap_up(event.wrap_up_s, event.stays)
            case AgentOn():
                if event.agent_id in self.state.agents:
                    self.fault(FaultKind.DUPLICATE)
                else:
                    self.state.agents[event.agent_id] = AgentState.IDLE
            case AgentOff():
                was = self.state.agents.get(event.agent_id)
                if self._agent(event.agent_id, event) and was is AgentState.IDLE:
                    listener.on_idle_off()
            case _:
                self._call(event, timely, listener)

    def asked(self, at_s: float, calls: int) -> None:
        """So many calls were just asked for."""
        if calls > 0:
            self.state.asked.append((at_s, calls))

    def on_their_way(self, snapshot: Snapshot, shown_s: list[float]) -> int:
        """Calls that a snapshot does not show because it, or news of a dial, comes late.

        `shown_s`: ages of the ringing calls that it does show.
        """
        state, now_s = self.state, snapshot.at_s
        if snapshot.settled:
            state.asked.clear()
        state.asked = [a for a in state.asked if 0.0 <= now_s - a[0] < UNSEEN_S]
        dialed = 0
        for call in reversed(state.calls.values()):
            if now_s - call.placed_at_s >= STALE_S:
                break
            dialed += call.state is CallState.RINGING and not call.has_agent
        # Half a second wider: a dial and what is shown of it may differ by a moment.
        shown = sum([age_s < STALE_S + 0.5 for age_s in shown_s])
        told = max(0, snapshot.pending) + max(0, shown - dialed)
        unheard = sum(calls for _, calls in state.asked) - told
        return max(0, unheard) + max(0, dialed - shown)

    def snapshot_at(self, at_s: float, listener: Listener) -> bool:
        """Carry the clock to a snapshot's time. False: the time cannot be used."""
        state = self.state
        if not isfinite(at_s):
            self.fault(FaultKind.BAD_NUMBER)
            return False
        if state.clock_s is None or at_s >= state.clock_s:
            if state.calls and at_s - (state.last_snapshot_s or at_s) > MAX_CALL_AGE_S:
                # Nobody was listening meanwhile (a restart): these ends are not lost, only unheard.
                state.calls.clear()
            state.backward_snapshots = 0
            state.clock_s = state.last_snapshot_s = at_s
            self._forget_lost_calls(at_s, listener)
            return True
        self.fault(FaultKind.TIME_BACKWARDS)
        in_order = state.last_snapshot_s is not None and at_s >= state.last_snapshot_s
        state.backward_snapshots = state.backward_snapshots + 1 if in_order else 1
        state.last_snapshot_s = at_s
        if state.backward_snapshots < BACKWARD_SNAPSHOTS_TO_REBASE:
            return False
        state.clock_s = at_s
        state.backward_snapshots = 0
        state.calls.clear()
        return True

    def resume(self) -> None:
        """Go on where nobody listened for a while, perhaps on another clock.

        Calls and agents of before are not believed to be there still, and how they ended teaches
        nothing. Calls that had ended stay known.
        """
        state = self.state
        state.calls.clear()
        state.agents.clear()
        state.asked.clear()
        state.clock_s = state.last_snapshot_s = None
        state.backward_snapshots = 0

    # --- one event at a time ------------------------------------------------------------------

    def _advance(self, at_s: float) -> bool:
        """Carry the clock to an event's time. False: the event's time teaches nothing."""
        clock_s = self.state.clock_s
        if not isfinite(at_s):
            self.fault(FaultKind.BAD_NUMBER)
            return False
        if clock_s is None:
            self.state.clock_s = at_s
            return True
        if at_s < clock_s:
            # A driver that stamps a tick's events before its snapshot is in order.
            if at_s >= clock_s - 1e-6:
                return True
            self.fault(FaultKind.TIME_BACKWARDS)
            return False
        if at_s > clock_s + MAX_AHEAD_S:
            self.fault(FaultKind.TIME_AHEAD)
            return False
        self.state.clock_s = at_s
        return True

    def _duration(self, value_s: float) -> bool:
        if 0 <= value_s <= MAX_DURATION_S:
            return True
        self.fault(FaultKind.BAD_NUMBER)
        return False

    def _dial(self, event: DialPlaced, timely: bool, listener: Listener) -> None:
        if event.call_id in self.state.calls or event.call_id in self.state.ended_ids:
            self.fault(FaultKind.DUPLICATE)
            return
        at_s = event.at_s if timely else (self.state.clock_s or 0.0)
        self.state.calls[event.call_id] = TrackedCall(
            event.segment, CallState.RINGING, at_s, at_s, event.has_agent
        )
        if self.state.asked:
            asked_s, calls = self.state.asked[0]
            self.state.asked[:1] = [(asked_s, calls - 1)] if calls > 1 else []
        # An untimely dial counts too: its answer will come, and must have been expected.
        if not event.has_agent:
            listener.on_dial(event.segment)

    def _call(
        self,
        event: NoAnswer | Failed | Pickup | MachineDetected | LiveAnswer | Connected | Abandoned,
        timely: bool,
        listener: Listener,
    ) -> bool:
        """Take an event about a call. False: it was a fault."""
        state = self.state
        call = state.calls.get(event.call_id)
        kind = type(event)
        if kind is Abandoned and not self._charge(event.call_id, listener):
            return False
        if call is None:
            ended = event.call_id in state.ended_ids
            self.fault(FaultKind.DUPLICATE if ended else FaultKind.UNKNOWN_CALL)
            return False
        if (call.state, kind) not in CALL_TRANSITIONS:
            repeated = (kind is Pickup and call.state is CallState.IN_AMD) or (
                kind is LiveAnswer and call.state is CallState.WAITING
            )
            self.fault(FaultKind.DUPLICATE if repeated else FaultKind.OUT_OF_ORDER)
            return False
        before = call.state
        after = CALL_TRANSITIONS[call.state, kind]
        if timely:
            _teach(event, before, call, listener)
        elif before is CallState.RINGING and isinstance(event, Pickup | LiveAnswer):
            # When it came is not known, but that it came must not be missing from the rate.
            _lost(call, listener)
        if after is None:
            del state.calls[event.call_id]
            _remember(state.ended_ids, event.call_id)
        else:
            call.state = after
            call.since_s = event.at_s if timely else call.since_s
        return True

    def _charge(self, call_id: str, listener: Listener) -> bool:
        """Count an abandonment once, whatever is known of the call."""
        seen = self.state.abandoned_ids
        if call_id in seen:
            self.fault(FaultKind.DUPLICATE)
            return False
        _remember(seen, call_id)
        listener.on_abandonment()
        return True

    def _found_machine(self, call_id: str, listener: Listener) -> None:
        """Take back, once, what a call had counted for."""
        seen = self.state.machine_ids
        if call_id in seen:
            self.fault(FaultKind.DUPLICATE)
        elif call_id not in self.state.ended_ids:
            self.fault(FaultKind.UNKNOWN_CALL)
        else:
            _remember(seen, call_id)
            listener.on_found_machine()

    def _agent(self, agent_id: str, event: Connected | TalkEnded | WrapUpEnded | AgentOff) -> bool:
        agents = self.state.agents
        before = agents.get(agent_id)
        if before is None:
            self.fault(FaultKind.UNKNOWN_AGENT)
            return False
        if (before, type(event)) not in AGENT_TRANSITIONS:
            self.fault(FaultKind.STATE_CONFLICT)
            if isinstance(event, Connected):
                # The call is real, so the agent's earlier end was lost: go on from here.
                agents[agent_id] = AgentState.TALKING
            return False
        after = AGENT_TRANSITIONS[before, type(event)]
        if after is None or (isinstance(event, WrapUpEnded) and not event.stays):
            del agents[agent_id]
        else:
            agents[agent_id] = after
        return True

    def _forget_lost_calls(self, now_s: float, listener: Listener) -> None:
        """Calls are kept in the order they were placed, so only the oldest need a look.

        Nobody knows how a lost call ended. One that was still ringing is taken to have been
        picked up: the answer rate comes out too high, which dials less.
        """
        calls = self.state.calls
        while calls:
            call_id = next(iter(calls))
            call = calls[call_id]
            if now_s - call.placed_at_s <= self._lost_after_s:
                return
            if call.state is CallState.RINGING:
                _lost(call, listener)
            del calls[call_id]
            _remember(self.state.ended_ids, call_id)
            self.fault(FaultKind.MISSING_END)


def _remember(ids: dict[str, None], call_id: str) -> None:
    ids[call_id] = None
    if len(ids) > REMEMBERED_IDS:
        del ids[next(iter(ids))]


def _lost(call: TrackedCall, listener: Listener) -> None:
    if not call.has_agent:
        listener.on_lost(call.segment)


def _teach(
    event: NoAnswer | Failed | Pickup | MachineDetected | LiveAnswer | Connected | Abandoned,
    before: CallState,
    call: TrackedCall,
    listener: Listener,
) -> None:
    age_s = max(0.0, event.at_s - call.since_s)
    if call.has_agent:
        if isinstance(event, LiveAnswer):
            listener.on_answer()
        return
    match event:
        case NoAnswer() | Failed() if before is CallState.RINGING:
            listener.on_unanswered(call.segment, age_s)
        case NoAnswer() | Failed():
            listener.on_detected(False, age_s)
        case Pickup():
            listener.on_pickup(call.segment, age_s)
        case MachineDetected():
            if before is CallState.RINGING:
                # Detection is not told of: its time is part of the ring delay, as for answers.
                listener.on_pickup(call.segment, age_s)
                age_s = 0.0
            listener.on_detected(False, age_s)
        case LiveAnswer():
            if before is CallState.RINGING:
                listener.on_pickup(call.segment, age_s)
                listener.on_detected(True, 0.0)
            else:
                listener.on_detected(True, age_s)
            listener.on_answer()
        case _:
            pass
