"""The life of one call: one table, one pure step function up to the conversation.

    step(call, event, now) -> (call, commands)

What can happen between the bridge and the end is stepped by `dialer.core.conversation`.

Events come from the carrier, from the agents' desk, or from timers; commands are carried out by
the runtime. A repeat, a late event or one that makes no sense in the present phase changes
nothing: carriers repeat themselves and tell things out of order.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from compliance.types import AccountId, CampaignId, ContactPointId, PersonId
from telephony_adapters.messages import (
    AmdResult,
    AmdVerdict,
    AnyCarrierEvent,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallId,
    CallProgress,
    CallRinging,
    HangupCause,
    LegId,
)


class CallState(StrEnum):
    PLANNED = "planned"
    """Durable in the ledger; nothing has left yet."""
    DIALING = "dialing"
    RINGING = "ringing"
    SCREENING = "screening"
    """Answered; a machine is not excluded yet."""
    IN_FLOW = "in_flow"
    """A flow speaks with whoever answered: the campaign's own, or the message that a person hears
    when no agent came in time."""
    WAITING = "waiting"
    """A live person waits for an agent."""
    BRIDGING = "bridging"
    """An agent is taken; the bridge is asked for."""
    BRIDGED = "bridged"
    """Person and agent hear each other."""
    HELD = "held"
    """The person hears music; the call is still its agent's."""
    CONSULTING = "consulting"
    """The person hears music while the agent speaks with another party."""
    CONFERENCE = "conference"
    """Another party takes part in the conversation."""
    MOVING = "moving"
    """The call is on its way to another party."""
    HANDED_OVER = "handed_over"
    """The person speaks with somebody outside; none of our agents is there."""
    ENDING = "ending"
    """We asked for the hang-up and wait for the carrier's word."""
    ENDED = "ended"

    @property
    def is_before_answer(self) -> bool:
        return self in (CallState.PLANNED, CallState.DIALING, CallState.RINGING)

    @property
    def is_conversation(self) -> bool:
        """An agent of ours has the call and a person."""
        return self in CONVERSATION


CONVERSATION = frozenset(
    {
        CallState.BRIDGED,
        CallState.HELD,
        CallState.CONSULTING,
        CallState.CONFERENCE,
        CallState.MOVING,
    }
)


class CallStep(StrEnum):
    """What can happen to a call, as the table names it."""

    ORIGINATED = "originated"
    RING = "ring"
    ANSWER = "answer"
    ANSWER_SCREENED = "answer_screened"
    ANSWER_TO_FLOW = "answer_to_flow"
    ANSWER_TOO_LATE = "answer_too_late"
    HUMAN = "human"
    HUMAN_TO_FLOW = "human_to_flow"
    MACHINE = "machine"
    MACHINE_TO_FLOW = "machine_to_flow"
    TRANSFER = "transfer"
    BACK_TO_FLOW = "back_to_flow"
    FLOW_OVER = "flow_over"
    ASSIGN = "assign"
    UNASSIGN = "unassign"
    BRIDGE = "bridge"
    HOLD = "hold"
    CONSULT = "consult"
    STOP_CONSULT = "stop_consult"
    JOIN = "join"
    PART = "part"
    MOVE = "move"
    MOVE_FAILED = "move_failed"
    HAND_OVER = "hand_over"
    GIVE_UP = "give_up"
    END = "end"


_S = CallState
TRANSITIONS: dict[tuple[CallState, CallStep], CallState] = {
    (_S.PLANNED, CallStep.ORIGINATED): _S.DIALING,
    (_S.PLANNED, CallStep.RING): _S.RINGING,
    (_S.DIALING, CallStep.RING): _S.RINGING,
    (_S.PLANNED, CallStep.ANSWER): _S.WAITING,
    (_S.DIALING, CallStep.ANSWER): _S.WAITING,
    (_S.RINGING, CallStep.ANSWER): _S.WAITING,
    (_S.PLANNED, CallStep.ANSWER_SCREENED): _S.SCREENING,
    (_S.DIALING, CallStep.ANSWER_SCREENED): _S.SCREENING,
    (_S.RINGING, CallStep.ANSWER_SCREENED): _S.SCREENING,
    (_S.PLANNED, CallStep.ANSWER_TO_FLOW): _S.IN_FLOW,
    (_S.DIALING, CallStep.ANSWER_TO_FLOW): _S.IN_FLOW,
    (_S.RINGING, CallStep.ANSWER_TO_FLOW): _S.IN_FLOW,
    (_S.ENDING, CallStep.ANSWER_TOO_LATE): _S.ENDING,
    (_S.SCREENING, CallStep.HUMAN): _S.WAITING,
    (_S.SCREENING, CallStep.HUMAN_TO_FLOW): _S.IN_FLOW,
    (_S.SCREENING, CallStep.MACHINE): _S.ENDING,
    (_S.SCREENING, CallStep.MACHINE_TO_FLOW): _S.IN_FLOW,
    (_S.IN_FLOW, CallStep.TRANSFER): _S.WAITING,
    (_S.WAITING, CallStep.BACK_TO_FLOW): _S.IN_FLOW,
    (_S.IN_FLOW, CallStep.FLOW_OVER): _S.ENDING,
    (_S.WAITING, CallStep.ASSIGN): _S.BRIDGING,
    (_S.BRIDGING, CallStep.UNASSIGN): _S.WAITING,
    (_S.BRIDGING, CallStep.BRIDGE): _S.BRIDGED,
    (_S.BRIDGED, CallStep.HOLD): _S.HELD,
    (_S.HELD, CallStep.BRIDGE): _S.BRIDGED,
    (_S.HELD, CallStep.CONSULT): _S.CONSULTING,
    (_S.CONSULTING, CallStep.BRIDGE): _S.BRIDGED,
    (_S.CONSULTING, CallStep.STOP_CONSULT): _S.HELD,
    (_S.BRIDGED, CallStep.JOIN): _S.CONFERENCE,
    (_S.CONFERENCE, CallStep.PART): _S.BRIDGED,
    (_S.BRIDGED, CallStep.MOVE): _S.MOVING,
    (_S.HELD, CallStep.MOVE): _S.MOVING,
    (_S.CONSULTING, CallStep.MOVE): _S.MOVING,
    (_S.CONFERENCE, CallStep.MOVE): _S.MOVING,
    (_S.MOVING, CallStep.MOVE_FAILED): _S.HELD,
    (_S.MOVING, CallStep.BRIDGE): _S.BRIDGED,
    (_S.MOVING, CallStep.HAND_OVER): _S.HANDED_OVER,
    **{(state, CallStep.GIVE_UP): _S.ENDING for state in _S if state not in (_S.ENDING, _S.ENDED)},
    **{(state, CallStep.END): _S.ENDED for state in _S if state is not _S.ENDED},
}
"""Every allowed step; what is not here changes nothing."""


# --- events beside the carrier's -------------------------------------------------------------


class Originated(msgspec.Struct, frozen=True):
    """The carrier took our originate."""


class AgentAssigned(msgspec.Struct, frozen=True):
    agent_id: str
    leg_id: LegId


class AgentLost(msgspec.Struct, frozen=True):
    """The agent taken for this call vanished before the bridge."""


class ConnectTimeout(msgspec.Struct, frozen=True):
    """The time in which an agent had to come is over."""


class AgentWanted(msgspec.Struct, frozen=True):
    """The flow passes the person on to an agent."""


class FlowOver(msgspec.Struct, frozen=True):
    """The flow has nothing more to say."""


class HangupWanted(msgspec.Struct, frozen=True):
    """An agent or the engine ends the call."""

    by: str
    """`agent`, `drain`, `stop`, `screening`, `supervisor`, `pacing`."""


class OriginateFailed(msgspec.Struct, frozen=True):
    """The carrier certainly did not place it."""

    cause: HangupCause
    provider_code: str = ""


class Vanished(msgspec.Struct, frozen=True):
    """Reconciliation: the carrier does not know the call (any more); its end was missed."""


CallInput = (
    AnyCarrierEvent
    | Originated
    | AgentAssigned
    | AgentLost
    | ConnectTimeout
    | AgentWanted
    | FlowOver
    | HangupWanted
    | OriginateFailed
    | Vanished
)


# --- commands --------------------------------------------------------------------------------


class FindAgent(msgspec.Struct, frozen=True):
    """A live person waits: take the longest-idle agent; `deadline` is when it is too late."""

    deadline: datetime


class RunFlow(msgspec.Struct, frozen=True):
    """Begin the flow that `Call.ran` names."""

    machine: bool = False
    """A machine is on the line."""


class NoAgentCame(msgspec.Struct, frozen=True):
    """Tell the flow: the person whom it passed on found no agent in time."""


class Bridge(msgspec.Struct, frozen=True):
    leg_id: LegId


class Hangup(msgspec.Struct, frozen=True):
    pass


class Connected(msgspec.Struct, frozen=True):
    """Tell the agent: the person hears you."""

    agent_id: str


class ReleaseAgent(msgspec.Struct, frozen=True):
    """The agent taken for this call is not needed: the person hung up before the bridge."""

    agent_id: str


class Finished(msgspec.Struct, frozen=True):
    """The call is over: record the outcome."""


Command = FindAgent | RunFlow | NoAgentCame | Bridge | Hangup | Connected | ReleaseAgent | Finished


# --- the call --------------------------------------------------------------------------------


class PartyKind(StrEnum):
    AGENT = "agent"
    EXTERNAL = "external"
    """Somebody outside, at an endpoint of the configuration."""


class PartyWish(StrEnum):
    """What the agent wants the other party for."""

    CONSULT = "consult"
    JOIN = "join"
    MOVE = "move"


class Party(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The other party of a conversation: a colleague, or somebody outside."""

    kind: PartyKind
    leg_id: LegId
    name: str
    """The colleague's name, or the destination's name in the configuration."""
    wish: PartyWish
    agent_id: str | None = None
    ready: bool = False
    """The leg is up."""


class Call(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All that is known of a call. Instants are None until they happen."""

    call_id: CallId
    person_id: PersonId
    account_id: AccountId
    contact_point_id: ContactPointId
    campaign_id: CampaignId
    segment: str
    lease_token: str
    planned_at: datetime
    inbound: bool = False
    """The person called us."""
    amd: bool = False
    connect_limit_ms: int = 2_000
    flow: str = ""
    """NAME/VERSION of the flow that takes the call when it is answered; empty: an agent does."""
    machine_flow: bool = False
    """The flow has something to leave on a machine."""
    farewell: str = ""
    """NAME/VERSION of the flow that a person hears when no agent came in time."""
    ran: str = ""
    """NAME/VERSION of the flow that was begun."""
    state: CallState = CallState.PLANNED
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    live_at: datetime | None = None
    """A live person is known to be there."""
    assigned_at: datetime | None = None
    bridged_at: datetime | None = None
    ended_at: datetime | None = None
    agent_id: str | None = None
    leg_id: LegId | None = None
    amd_verdict: AmdVerdict | None = None
    amd_ms: int | None = None
    party: Party | None = None
    """Whom the agent consults, has joined, or moves the call to."""
    held_at: datetime | None = None
    """Since when the person hears music."""
    hold_ms: int = 0
    """All holds that are over."""
    abandoned: bool = False
    given_up_by: str | None = None
    cause: HangupCause | None = None
    provider_code: str = ""
    reconciled: bool = False

    @property
    def ring_ms(self) -> int | None:
        if self.ringing_at is None:
            return None
        end = self.answered_at or self.ended_at
        return None if end is None else _ms(end - self.ringing_at)

    @property
    def connect_ms(self) -> int | None:
        """From the live answer to the bridge command."""
        if self.live_at is None or self.assigned_at is None:
            return None
        return _ms(self.assigned_at - self.live_at)

    @property
    def talk_ms(self) -> int | None:
        if self.bridged_at is None or self.ended_at is None:
            return None
        return _ms(self.ended_at - self.bridged_at)


def step(call: Call, event: CallInput, now: datetime) -> tuple[Call, tuple[Command, ...]]:
    """Advance `call` by one event. Unknown or impossible steps return it unchanged."""
    match event:
        case CallAnswered():
            return _answered(call, event.at)
        case CallRinging():
            return move(call, CallStep.RING, ringing_at=event.at), ()
        case AmdResult():
            return _screened(call, event)
        case CallBridged():
            return _bridged(call, event)
        case CallEnded():
            return _ended(call, event.at, event.cause, event.provider_code)
        case Originated() | CallProgress():
            return move(call, CallStep.ORIGINATED), ()
        case AgentAssigned():
            return _assigned(call, event, now)
        case AgentLost():
            return _unassigned(call)
        case ConnectTimeout():
            return _too_late(call)
        case HangupWanted():
            return _give_up(call, event.by)
        case OriginateFailed():
            return _ended(call, now, event.cause, event.provider_code)
        case Vanished():
            after, commands = _ended(call, now, HangupCause.FAILED, "reconciled")
            if after is not call:
                after = msgspec.structs.replace(after, reconciled=True)
            return after, commands
        case _:
            return _of_the_flow(call, event, now)


def move(call: Call, how: CallStep, **changes: object) -> Call:
    """Take one step of the table with what it changes; a step that is not there changes nothing."""
    state = TRANSITIONS.get((call.state, how))
    if state is None:
        return call
    return msgspec.structs.replace(call, state=state, **changes)


def _answered(call: Call, at: datetime) -> tuple[Call, tuple[Command, ...]]:
    if call.state is CallState.ENDING and call.answered_at is None:
        # Somebody picked up while we hung up, and heard nobody.
        late = {"answered_at": at, "live_at": at, "abandoned": True}
        return move(call, CallStep.ANSWER_TOO_LATE, **late), ()
    if call.amd:
        return move(call, CallStep.ANSWER_SCREENED, answered_at=at), ()
    if call.flow:
        return _to_flow(
            call, CallStep.ANSWER_TO_FLOW, RunFlow(), call.flow, {"answered_at": at, "live_at": at}
        )
    after = move(call, CallStep.ANSWER, answered_at=at, live_at=at)
    return after, (_find_agent(after, at),) if after is not call else ()


def _find_agent(call: Call, live_at: datetime) -> FindAgent:
    return FindAgent(deadline=live_at + timedelta(milliseconds=call.connect_limit_ms))


def _to_flow(
    call: Call, how: CallStep, run: RunFlow, flow: str, facts: Mapping[str, object]
) -> tuple[Call, tuple[Command, ...]]:
    after = move(call, how, ran=flow, **facts)
    return after, (run,) if after is not call else ()


def _of_the_flow(call: Call, event: CallInput, now: datetime) -> tuple[Call, tuple[Command, ...]]:
    if isinstance(event, AgentWanted):
        after = move(call, CallStep.TRANSFER, live_at=now)
        return after, (_find_agent(after, now),) if after is not call else ()
    if not isinstance(event, FlowOver):
        return call, ()
    after = move(call, CallStep.FLOW_OVER, given_up_by=call.given_up_by or "flow")
    return after, (Hangup(),) if after is not call else ()


def _screened(call: Call, event: AmdResult) -> tuple[Call, tuple[Command, ...]]:
    """A doubtful verdict is a person: silence to a human is an abandoned call."""
    machine = event.verdict in (AmdVerdict.MACHINE, AmdVerdict.FAX)
    facts: dict[str, object] = {"amd_verdict": event.verdict, "amd_ms": event.took_ms}
    if machine and call.machine_flow:
        return _to_flow(call, CallStep.MACHINE_TO_FLOW, RunFlow(machine=True), call.flow, facts)
    if machine:
        after = move(call, CallStep.MACHINE, given_up_by="screening", **facts)
        return after, (Hangup(),) if after is not call else ()
    if call.flow:
        live = facts | {"live_at": event.at}
        return _to_flow(call, CallStep.HUMAN_TO_FLOW, RunFlow(), call.flow, live)
    after = move(call, CallStep.HUMAN, live_at=event.at, **facts)
    return after, (_find_agent(after, event.at),) if after is not call else ()


def _assigned(call: Call, event: AgentAssigned, now: datetime) -> tuple[Call, tuple[Command, ...]]:
    after = move(
        call, CallStep.ASSIGN, agent_id=event.agent_id, leg_id=event.leg_id, assigned_at=now
    )
    if after is call:
        return call, (ReleaseAgent(event.agent_id),)
    return after, (Bridge(event.leg_id),)


def _unassigned(call: Call) -> tuple[Call, tuple[Command, ...]]:
    after = move(call, CallStep.UNASSIGN, agent_id=None, leg_id=None, assigned_at=None)
    if after is call or after.live_at is None:
        return after, ()
    return after, (_find_agent(after, after.live_at),)


def _bridged(call: Call, event: CallBridged) -> tuple[Call, tuple[Command, ...]]:
    if call.state is not CallState.BRIDGING:
        return call, ()
    after = move(call, CallStep.BRIDGE, bridged_at=event.at)
    if after is call or after.agent_id is None:
        return after, ()
    return after, (Connected(after.agent_id),)


def _too_late(call: Call) -> tuple[Call, tuple[Command, ...]]:
    if call.state is not CallState.WAITING:
        return call, ()
    if call.flow:
        return move(call, CallStep.BACK_TO_FLOW), (NoAgentCame(),)
    if call.farewell:
        gave_up = {"abandoned": True, "given_up_by": "abandon"}
        return _to_flow(call, CallStep.BACK_TO_FLOW, RunFlow(), call.farewell, gave_up)
    return move(call, CallStep.GIVE_UP, abandoned=True, given_up_by="abandon"), (Hangup(),)


def _give_up(call: Call, by: str) -> tuple[Call, tuple[Command, ...]]:
    abandoned = call.abandoned or call.state in (CallState.WAITING, CallState.BRIDGING)
    after = move(call, CallStep.GIVE_UP, given_up_by=by, abandoned=abandoned)
    if after is call:
        return call, ()
    if call.state is CallState.BRIDGING and call.agent_id is not None:
        freed = msgspec.structs.replace(after, agent_id=None, leg_id=None)
        return freed, (ReleaseAgent(call.agent_id), Hangup())
    return after, (Hangup(),)


def _ended(
    call: Call, at: datetime, cause: HangupCause, provider_code: str
) -> tuple[Call, tuple[Command, ...]]:
    after = move(call, CallStep.END, ended_at=at, cause=cause, provider_code=provider_code)
    if after is call:
        return call, ()
    if call.state is CallState.BRIDGING and call.agent_id is not None:
        return msgspec.structs.replace(after, agent_id=None), (
            ReleaseAgent(call.agent_id),
            Finished(),
        )
    return after, (Finished(),)


def _ms(delta: timedelta) -> int:
    return round(delta.total_seconds() * 1000)
