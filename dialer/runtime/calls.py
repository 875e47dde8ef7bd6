"""Live calls: takes what carriers and agents say, steps the pure machine, carries out commands."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import structlog

from compliance.permit import ContactPermit, PermitRefused
from compliance.types import CampaignId
from dialer.core import conversation as call_core
from dialer.core.agent import AgentSession
from dialer.core.call import (
    AgentAssigned,
    AgentLost,
    Bridge,
    Call,
    CallState,
    Connected,
    ConnectTimeout,
    FindAgent,
    Finished,
    Hangup,
    HangupWanted,
    NoAgentCame,
    Originated,
    OriginateFailed,
    ReleaseAgent,
    RunFlow,
    Vanished,
)
from dialer.core.conversation import (
    AnyCommand,
    BridgeFailed,
    ConversationCommand,
    ConversationInput,
    OwnLegLost,
)
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.tasks import TaskSet
from telephony_adapters.clock import TimerHandle
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    OriginateRejected,
    OutcomeUnknown,
    TelephonyError,
    UnknownCall,
)
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    AnyCarrierEvent,
    CallEvent,
    CallId,
    CallJoined,
    CarrierDown,
    CarrierUp,
    ConsultStarted,
    DtmfReceived,
    HangupCause,
    InboundCall,
    LegId,
    Originate,
    PlaybackFinished,
    RecordingFinished,
)
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()

CONTROL_TIMEOUT_S = 5.0
"""Longest wait for the carrier to take a command (real time)."""


_MAY_NEED_AN_AGENT = frozenset(
    state
    for state in CallState
    if state.is_before_answer or state in (CallState.SCREENING, CallState.WAITING)
)


class CallObserver(Protocol):
    """Who must know how calls move: pacing, figures, and the record of outcomes."""

    def call_moved(self, before: Call | None, after: Call) -> None: ...

    def call_connected(self, call: Call) -> None: ...

    def call_finished(self, call: Call) -> None:
        """The call is over; its outcome must become durable."""


class FlowDriver(Protocol):
    """Who runs flows on calls."""

    def begin(self, call: Call, *, machine: bool) -> None: ...

    def no_agent_came(self, call_id: CallId) -> None: ...

    def agent_comes(self, call_id: CallId) -> None:
        """The person is about to be joined with an agent."""

    def hear(self, event: DtmfReceived | PlaybackFinished) -> None: ...


class Counters:
    """Things that should be rare; metrics read them."""

    __slots__ = ("late_events", "originate_unknown", "repeated_events")

    def __init__(self) -> None:
        self.late_events = 0
        self.repeated_events = 0
        self.originate_unknown = 0


class LiveCall:
    """A call with what belongs to its life only."""

    __slots__ = ("call", "reserved", "seen", "timer")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.seen: set[str] = set()
        self.timer: TimerHandle | None = None
        self.reserved: AgentSession | None = None
        """An agent held for this call from the start."""


class Calls:
    """Every call of this worker between intent and outcome."""

    def __init__(self, *, clock: Clock, adapter: TelephonyAdapter, desk: Desk) -> None:
        self._clock = clock
        self._adapter = adapter
        self._desk = desk
        self._live: dict[CallId, LiveCall] = {}
        self._waiting: dict[CampaignId, deque[CallId]] = {}
        self._callers_waiting: dict[CampaignId, deque[CallId]] = {}
        """People who called us: they come before those whom we called."""
        self._tasks = TaskSet("calls")
        self._observers: list[CallObserver] = []
        self.counters = Counters()
        self.on_carrier: Callable[[CarrierDown | CarrierUp], None] | None = None
        self.on_leg: Callable[[AgentLegUp | AgentLegDown | ConsultStarted], None] | None = None
        self.on_inbound: Callable[[InboundCall], None] | None = None
        self.on_played: Callable[[PlaybackFinished], None] | None = None
        self.on_recorded: Callable[[RecordingFinished], None] | None = None
        """Told of every finished recording; its call may be over."""
        self.on_joined: Callable[[CallJoined], None] | None = None
        """Told of every further leg that takes part in a call."""
        self.on_conversation: Callable[[Call, ConversationCommand], None] | None = None
        """Carries out what a conversation asks for beside bridges and ends."""
        self.flows: FlowDriver | None = None

    def observe(self, observer: CallObserver) -> None:
        self._observers.append(observer)

    def __len__(self) -> int:
        return len(self._live)

    def get(self, call_id: str) -> Call | None:
        live = self._live.get(CallId(call_id))
        return live.call if live is not None else None

    def live(self, campaign_id: CampaignId | None = None) -> list[Call]:
        return [
            live.call
            for live in self._live.values()
            if campaign_id is None or live.call.campaign_id == campaign_id
        ]

    # --- placing -----------------------------------------------------------------------------

    def place(
        self,
        call: Call,
        command: Originate,
        permit: ContactPermit,
        reserved: AgentSession | None = None,
    ) -> None:
        """Dial a call whose decision and intent are durable. Does not wait for the carrier.

        `reserved` is an agent held for this call from the start.
        """
        live = self._live[call.call_id] = LiveCall(call)
        live.reserved = reserved
        self._moved(None, call)
        self._tasks.start(f"originate:{call.call_id}", self._originate(command, permit))

    async def _originate(self, command: Originate, permit: ContactPermit) -> None:
        call_id = command.call_id
        try:
            await self._adapter.originate(command, permit)
        except (OriginateRejected, CarrierUnavailable) as error:
            cause = HangupCause.FAILED
            self.feed(call_id, OriginateFailed(cause, error.provider_code or error.code))
        except PermitRefused as error:
            self.feed(call_id, OriginateFailed(HangupCause.FAILED, f"permit_{error.problem}"))
        except DuplicateCall:
            log.warning("originate_repeated", call=call_id)
        except OutcomeUnknown:
            # It may be ringing: only the sweep, by asking the carrier, may close it.
            self.counters.originate_unknown += 1
            log.warning("originate_unknown", call=call_id)
        else:
            self.feed(call_id, Originated())

    # --- events ------------------------------------------------------------------------------

    def sink(self, event: AnyCarrierEvent) -> None:
        """Where the adapter delivers. Never raises."""
        if isinstance(event, RecordingFinished):
            if self.on_recorded is not None:
                self.on_recorded(event)
        elif isinstance(event, CallEvent):
            live = self._live.get(event.call_id)
            if live is None:
                self._unknown(event)
            elif event.event_id in live.seen:
                self.counters.repeated_events += 1
            else:
                live.seen.add(event.event_id)
                self.feed(event.call_id, event)
                if isinstance(event, DtmfReceived | PlaybackFinished) and self.flows is not None:
                    self.flows.hear(event)
                if isinstance(event, CallJoined) and self.on_joined is not None:
                    self.on_joined(event)
                elif isinstance(event, PlaybackFinished) and self.on_played is not None:
                    self.on_played(event)
        elif isinstance(event, CarrierDown | CarrierUp):
            if self.on_carrier is not None:
                self.on_carrier(event)
        elif self.on_leg is not None:
            self.on_leg(event)

    def _unknown(self, event: CallEvent) -> None:
        if isinstance(event, InboundCall) and self.on_inbound is not None:
            self.on_inbound(event)
        else:
            self.counters.late_events += 1

    def adopt(self, call: Call, reserved: AgentSession | None = None) -> None:
        """Take over a call that began outside. `reserved` is an agent held for it."""
        live = self._live[call.call_id] = LiveCall(call)
        live.reserved = reserved
        self._moved(None, call)

    def feed(self, call_id: CallId, event: ConversationInput) -> None:
        """Step one call. An unknown call is ignored: it has ended."""
        live = self._live.get(call_id)
        if live is None:
            return
        before = live.call
        live.call, commands = call_core.step(before, event, self._clock.now())
        if live.call is not before:
            self._moved(before, live.call)
        for command in commands:
            self._carry_out(live, command)

    def _carry_out(self, live: LiveCall, command: AnyCommand) -> None:
        call = live.call
        match command:
            case FindAgent():
                self._start_timer(live, command.deadline)
                self._look_for_agent(live)
            case RunFlow() | NoAgentCame():
                self._stop_timer(live)
                self._drive_flow(call, command)
            case Bridge():
                self._stop_timer(live)
                if self.flows is not None:
                    self.flows.agent_comes(call.call_id)
                self._tasks.start(f"bridge:{call.call_id}", self._bridge(call, command.leg_id))
            case Hangup():
                self._stop_timer(live)
                self._tasks.start(f"hangup:{call.call_id}", self._hangup(call.call_id))
            case Connected():
                for observer in self._observers:
                    observer.call_connected(call)
            case ReleaseAgent():
                self._tasks.start(f"release:{call.call_id}", self._desk.release(command.agent_id))
            case Finished():
                self._stop_timer(live)
                del self._live[call.call_id]
                if live.reserved is not None:
                    self.release(live.reserved.agent_id)
                for observer in self._observers:
                    observer.call_finished(call)
            case _:
                if self.on_conversation is not None:
                    self.on_conversation(call, command)

    def _drive_flow(self, call: Call, command: RunFlow | NoAgentCame) -> None:
        if self.flows is None:
            raise AssertionError(f"nobody runs flows, and call {call.call_id} has one")
        if isinstance(command, RunFlow):
            self.flows.begin(call, machine=command.machine)
        else:
            self.flows.no_agent_came(call.call_id)

    def _moved(self, before: Call | None, after: Call) -> None:
        for observer in self._observers:
            observer.call_moved(before, after)

    # --- agents ------------------------------------------------------------------------------

    def has_its_agent(self, call_id: CallId) -> bool:
        """Whether an agent is held for the call, so that it competes for no other."""
        live = self._live.get(call_id)
        return live is not None and live.reserved is not None

    def is_waiting(self, campaign_id: CampaignId) -> bool:
        """Whether a live person waits for an agent of the campaign."""
        return any(call.state is CallState.WAITING for call in self.live(campaign_id))

    def without_agent(self, campaign_id: CampaignId) -> int:
        """Calls in progress that may yet need an agent."""
        return sum(1 for call in self.live(campaign_id) if call.state in _MAY_NEED_AN_AGENT)

    def next_waiting(self, campaign_id: CampaignId) -> CallId | None:
        """The live person who has waited longest, taken off the line; callers come first."""
        for line in (self._callers_waiting.get(campaign_id), self._waiting.get(campaign_id)):
            while line:
                call_id = line.popleft()
                live = self._live.get(call_id)
                if live is not None and live.call.state is CallState.WAITING:
                    return call_id
        return None

    def assign(self, call_id: CallId, session: AgentSession) -> None:
        """Give a waiting call its agent; one who is not needed any more is released."""
        live = self._live.get(call_id)
        if live is None:
            self.release(session.agent_id)
            return
        self.feed(call_id, AgentAssigned(session.agent_id, session.leg_id))

    def _look_for_agent(self, live: LiveCall) -> None:
        if live.reserved is not None:
            session, live.reserved = live.reserved, None
            self.assign(live.call.call_id, session)
            return
        self._tasks.start(f"find_agent:{live.call.call_id}", self._find_agent(live.call))

    def reserve(self, call_id: CallId, session: AgentSession) -> None:
        """Hold an agent for a call that will soon want one; released when it ends before."""
        live = self._live.get(call_id)
        if live is None or live.reserved is not None:
            self.release(session.agent_id)
        else:
            live.reserved = session

    def release(self, agent_id: str) -> None:
        """An agent held for a call is not needed."""
        self._tasks.start(f"release:{agent_id}", self._desk.release(agent_id))

    async def _find_agent(self, call: Call) -> None:
        session = await self._desk.take(call.campaign_id, call.call_id)
        if session is None:
            session = await self._desk.borrow(call.campaign_id, call.call_id)
        if session is not None:
            self.assign(call.call_id, session)
            return
        live = self._live.get(call.call_id)
        if live is not None and live.call.state is CallState.WAITING:
            lines = self._callers_waiting if call.inbound else self._waiting
            lines.setdefault(call.campaign_id, deque()).append(call.call_id)

    async def _bridge(self, call: Call, leg_id: LegId) -> None:
        try:
            await self._adapter.bridge(call.call_id, leg_id)
        except TelephonyError as error:
            log.warning("bridge_failed", call=call.call_id, error=str(error))
            if call.state is CallState.BRIDGING and call.agent_id is not None:
                await self._desk.release(call.agent_id)
                self.feed(call.call_id, AgentLost())
            elif call.state is CallState.MOVING:
                self.feed(call.call_id, BridgeFailed())
            elif isinstance(error, UnknownCall):
                self.feed(call.call_id, OwnLegLost())

    # --- endings -----------------------------------------------------------------------------

    def hang_up(self, call_id: CallId, by: str) -> None:
        self.feed(call_id, HangupWanted(by))

    async def _hangup(self, call_id: CallId) -> None:
        try:
            await self._adapter.hangup(call_id)
        except UnknownCall:
            # The carrier has forgotten it: its end was lost on the way.
            self.feed(call_id, Vanished())
        except TelephonyError as error:
            log.warning("hangup_failed", call=call_id, error=str(error))

    def insist(self, call_id: CallId) -> None:
        """Ask once more for a hang-up that the carrier has not carried out."""
        live = self._live.get(call_id)
        if live is not None and live.call.state is CallState.ENDING:
            self._tasks.start(f"hangup:{call_id}", self._hangup(call_id))

    def vanish(self, call_id: CallId) -> None:
        """Reconciliation found that the carrier has no such call."""
        self.feed(call_id, Vanished())

    def hang_up_unanswered(self, campaign_id: CampaignId | None, by: str) -> None:
        """Cancel everything that has not been answered (stop, drain)."""
        for call in self.live(campaign_id):
            if call.state.is_before_answer:
                self.hang_up(call.call_id, by)

    def give_up(self, campaign_id: CampaignId, after_s: float) -> None:
        """Cancel what has rung for so long, unless an agent was reserved for it. A call
        that was never seen to ring is left alone: nobody knows for how long it has."""
        now = self._clock.now()
        for live in list(self._live.values()):
            call = live.call
            if call.campaign_id != campaign_id or call.state is not CallState.RINGING:
                continue
            if call.inbound or live.reserved is not None or call.ringing_at is None:
                continue
            if (now - call.ringing_at).total_seconds() >= after_s:
                self.hang_up(call.call_id, "pacing")

    async def close(self) -> None:
        await self._tasks.cancel()

    def _start_timer(self, live: LiveCall, deadline: datetime) -> None:
        self._stop_timer(live)
        delay_s = (deadline - self._clock.now()).total_seconds()
        call_id = live.call.call_id
        live.timer = self._clock.call_later(delay_s, lambda: self.feed(call_id, ConnectTimeout()))

    def _stop_timer(self, live: LiveCall) -> None:
        if live.timer is not None:
            live.timer.cancel()
            live.timer = None
