"""Tells a campaign's pacer what calls and agents do, and shows it the present."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from compliance.types import CampaignId
from dialer.core.agent import AgentSession, AgentState
from dialer.core.call import Call, CallState
from dialer.core.figures import STAFFED
from dialer.core.pacing import Pacer
from dialer.core.pacing.messages import (
    Abandoned,
    AgentOff,
    AgentOn,
    Connected,
    DialPlaced,
    Failed,
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
from dialer.runtime.calls import Calls
from dialer.runtime.desk import Desk
from telephony_adapters.messages import AmdVerdict, HangupCause

RANG_OUT = frozenset({HangupCause.NO_ANSWER, HangupCause.UNAVAILABLE, HangupCause.CANCELLED})
MIX_CALLS = 1_000
"""How many recent dials stand for the segments of the next ones."""


class PacingFeed:
    """One campaign's ears: turns moves of calls and agents into pacing events."""

    def __init__(self, campaign_id: CampaignId, pacer: Pacer, calls: Calls, desk: Desk) -> None:
        self._campaign_id = campaign_id
        self._pacer = pacer
        self._calls = calls
        self._desk = desk
        self._mix: Counter[str] = Counter()
        self._in_talk: set[str] = set()
        """Agents with a call that this campaign dialed, as the pacer was told."""
        self._elsewhere: set[str] = set()
        """Staffed agents whose call is another: a colleague's, or somebody's who called us."""
        self.answered = 0
        self.abandoned = 0
        self.dialed = 0

    # --- calls -----------------------------------------------------------------------------

    def call_moved(self, before: Call | None, after: Call, now: datetime) -> None:
        at_s = now.timestamp()
        call_id = after.call_id
        if before is None:
            self._dialed(after, at_s)
            return
        if before.answered_at is None and after.answered_at is not None and after.amd:
            self._tell(Pickup(at_s=at_s, call_id=call_id))
        if after.state is CallState.ENDING and after.amd_verdict in (
            AmdVerdict.MACHINE,
            AmdVerdict.FAX,
        ):
            self._tell(MachineDetected(at_s=at_s, call_id=call_id))
        if before.live_at is None and after.live_at is not None:
            self.answered += 1
            self._tell(LiveAnswer(at_s=at_s, call_id=call_id))
        if before.bridged_at is None and after.bridged_at is not None and after.agent_id:
            self._in_talk.add(after.agent_id)
            self._tell(Connected(at_s=at_s, call_id=call_id, agent_id=after.agent_id))
        if after.abandoned and not before.abandoned:
            self._abandoned(after, at_s)
        elif after.state is CallState.ENDED and after.bridged_at is None:
            self._over_without_agent(after, at_s)

    def _dialed(self, call: Call, at_s: float) -> None:
        self.dialed += 1
        has_agent = self._calls.has_its_agent(call.call_id)
        if not has_agent:
            self._mix[call.segment] += 1
        if self._mix.total() > MIX_CALLS:
            self._mix = Counter({k: n // 2 for k, n in self._mix.items() if n > 1})
        self._tell(
            DialPlaced(at_s=at_s, call_id=call.call_id, segment=call.segment, has_agent=has_agent)
        )

    def _over_without_agent(self, call: Call, at_s: float) -> None:
        call_id = call.call_id
        if call.abandoned or call.flow:
            return  # told when it was abandoned; and whoever a flow served did not wait for agents
        if call.live_at is not None:
            # Whoever gave up first, a person waited and heard nobody: the pacer must learn it.
            self._abandoned(call, at_s)
        elif call.answered_at is not None:
            if call.amd_verdict is None:
                self._tell(MachineDetected(at_s=at_s, call_id=call_id))
        elif call.cause in RANG_OUT:
            self._tell(NoAnswer(at_s=at_s, call_id=call_id))
        else:
            self._tell(Failed(at_s=at_s, call_id=call_id, cause=str(call.cause)))

    def _abandoned(self, call: Call, at_s: float) -> None:
        self.abandoned += 1
        self._tell(Abandoned(at_s=at_s, call_id=call.call_id))

    def found_machine(self, call_id: str, now: datetime) -> None:
        """An agent's ear: the answer was a machine's."""
        self.answered -= 1
        self._tell(FoundMachine(at_s=now.timestamp(), call_id=call_id))

    # --- agents ----------------------------------------------------------------------------

    def greet(self, now: datetime) -> None:
        """Tell a new pacer of the agents who are here already."""
        for session in self._desk.sessions(self._campaign_id):
            if session.state in STAFFED:
                self._tell(AgentOn(at_s=now.timestamp(), agent_id=session.agent_id))

    def agent_changed(
        self, before: AgentSession | None, after: AgentSession, now: datetime
    ) -> None:
        at_s = now.timestamp()
        agent_id = after.agent_id
        was = before.state if before is not None else AgentState.OFFLINE
        lasted_s = (now - before.since).total_seconds() if before is not None else 0.0
        gone = after.state in (AgentState.PAUSED, AgentState.OFFLINE)
        if was is after.state:
            return
        if self._is_elsewhere(agent_id, after.state, at_s):
            return
        if was is AgentState.ON_CALL and after.state is not AgentState.WRAP_UP:
            # Handed on to a colleague: neither a whole talk nor a wrap-up that could teach.
            self._in_talk.discard(agent_id)
            self._tell(AgentOff(at_s=at_s, agent_id=agent_id))
            if not gone:
                self._tell(AgentOn(at_s=at_s, agent_id=agent_id))
        elif was is AgentState.ON_CALL:
            self._in_talk.discard(agent_id)
            self._tell(TalkEnded(at_s=at_s, agent_id=agent_id, talk_s=lasted_s))
        elif was is AgentState.WRAP_UP:
            self._tell(
                WrapUpEnded(at_s=at_s, agent_id=agent_id, wrap_up_s=lasted_s, stays=not gone)
            )
        elif was in (AgentState.PAUSED, AgentState.OFFLINE) and after.state is AgentState.READY:
            self._tell(AgentOn(at_s=at_s, agent_id=agent_id))
        elif was in (AgentState.READY, AgentState.RESERVED) and gone:
            self._tell(AgentOff(at_s=at_s, agent_id=agent_id))

    def _is_elsewhere(self, agent_id: str, state: AgentState, at_s: float) -> bool:
        """Whether a call that the pacer knows nothing of is what moves this agent. While it lasts
        the agent is off for the pacer; the snapshot still shows that he will be free again."""
        if agent_id in self._elsewhere:
            if state in (AgentState.READY, AgentState.PAUSED, AgentState.OFFLINE):
                self._elsewhere.discard(agent_id)
                if state is AgentState.READY:
                    self._tell(AgentOn(at_s=at_s, agent_id=agent_id))
            return True
        busy = state in (AgentState.ON_CALL, AgentState.CONSULTED)
        if not busy or agent_id in self._in_talk:
            return False
        self._elsewhere.add(agent_id)
        self._tell(AgentOff(at_s=at_s, agent_id=agent_id))
        return True

    def _tell(self, event: PacingEvent) -> None:
        self._pacer.observe(event)

    # --- the present -----------------------------------------------------------------------

    def snapshot(self, now: datetime, caps: dict[str, int]) -> Snapshot:
        by_state: dict[AgentState, list[float]] = {state: [] for state in AgentState}
        for session in self._desk.sessions(self._campaign_id):
            by_state[session.state].append(session.since.timestamp())
        ringing: dict[str, list[float]] = {}
        screening: list[float] = []
        waiting: list[float] = []
        in_flow = 0
        for call in self._calls.live(self._campaign_id):
            if call.inbound and call.state.is_before_answer:
                continue
            if self._calls.has_its_agent(call.call_id):
                continue
            if call.state.is_before_answer:
                ringing.setdefault(call.segment, []).append(call.planned_at.timestamp())
            elif call.state is CallState.SCREENING and call.answered_at is not None:
                screening.append(call.answered_at.timestamp())
            elif call.state is CallState.IN_FLOW:
                in_flow += not call.abandoned
            elif call.state is CallState.WAITING and call.live_at is not None:
                waiting.append(call.live_at.timestamp())
        talking = [
            since
            for state in (AgentState.ON_CALL, AgentState.CONSULTED, AgentState.RESERVED)
            for since in by_state[state]
        ]
        idle, wrapping = by_state[AgentState.READY], by_state[AgentState.WRAP_UP]
        total = self._mix.total()
        return Snapshot(
            at_s=now.timestamp(),
            staffed=len(idle) + len(talking) + len(wrapping),
            idle_since_s=tuple(idle),
            talking_since_s=tuple(talking),
            wrapping_since_s=tuple(wrapping),
            ringing_since_s={segment: tuple(since) for segment, since in ringing.items()},
            in_amd_since_s=tuple(screening),
            waiting_since_s=tuple(waiting),
            in_flow=in_flow,
            upcoming={k: n / total for k, n in self._mix.items()} if total else {},
            caps=caps,
            # A tick ends when its calls are placed or refused, and each was told of meanwhile.
            settled=True,
            dialed=self.dialed,
            answered=self.answered,
            abandoned=self.abandoned,
        )
