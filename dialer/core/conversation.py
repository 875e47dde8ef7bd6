"""What can happen to a call between its bridge and its end: hold, consult, join, move. Pure.

    step(call, event, now) -> (call, commands)

Every call is stepped here; what is no matter of a conversation goes on to `dialer.core.call`,
whose table holds these steps too. A call has one agent, who owns its wrap-up and disposition,
and at most one other party: a colleague or somebody outside. Carriers confirm; nothing is taken
for done before they do. A wish that makes no sense in the present state changes nothing.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from dialer.core import call as core
from dialer.core.call import (
    Bridge,
    Call,
    CallInput,
    CallState,
    CallStep,
    Command,
    Connected,
    Hangup,
    Party,
    PartyKind,
    PartyWish,
    move,
)
from telephony_adapters.messages import (
    CallBridged,
    CallHeld,
    CallJoined,
    CallParted,
    ConsultStarted,
    LegId,
)

_S = CallState

# --- what agents want, and what happens to legs --------------------------------------------------


class HoldWanted(msgspec.Struct, frozen=True):
    """The agent lets the person wait with music."""


class ResumeWanted(msgspec.Struct, frozen=True):
    """The agent goes back to the person; a consultation ends."""


class PartyCalled(msgspec.Struct, frozen=True):
    """Another party is reserved or rings; `party.wish` is what for."""

    party: Party


class PartyReady(msgspec.Struct, frozen=True):
    """The other party's leg is up."""

    leg_id: LegId


class PartyGone(msgspec.Struct, frozen=True):
    """The other party's leg is down, or never came up."""

    leg_id: LegId


class JoinWanted(msgspec.Struct, frozen=True):
    """The agent brings the consulted party into the conversation."""


class PartWanted(msgspec.Struct, frozen=True):
    """The agent sends the other party away and stays with the person."""


class CompleteWanted(msgspec.Struct, frozen=True):
    """The agent leaves the person with the other party."""


class OwnLegLost(msgspec.Struct, frozen=True):
    """The telephone of the call's agent is gone."""


class BridgeFailed(msgspec.Struct, frozen=True):
    """The carrier refused to bridge, hold, consult or join."""


ConversationInput = (
    CallInput
    | HoldWanted
    | ResumeWanted
    | PartyCalled
    | PartyReady
    | PartyGone
    | JoinWanted
    | PartWanted
    | CompleteWanted
    | OwnLegLost
    | BridgeFailed
)

# --- commands -------------------------------------------------------------------------------------


class Hold(msgspec.Struct, frozen=True):
    pass


class Consult(msgspec.Struct, frozen=True):
    leg_id: LegId
    other_leg_id: LegId


class Join(msgspec.Struct, frozen=True):
    leg_id: LegId


class Part(msgspec.Struct, frozen=True):
    leg_id: LegId


class ReleaseParty(msgspec.Struct, frozen=True):
    """The other party is not needed (any more): free the colleague, or hang up outside."""

    party: Party


class PartyLost(msgspec.Struct, frozen=True):
    """Tell the agent: the other party is not there."""

    party: Party


class Moved(msgspec.Struct, frozen=True):
    """The call has another agent, or none: `agent_id` has done their part."""

    agent_id: str
    party: Party


class Shared(msgspec.Struct, frozen=True):
    """The other party hears the person from now on."""

    party: Party


ConversationCommand = Hold | Consult | Join | Part | ReleaseParty | PartyLost | Moved | Shared
AnyCommand = Command | ConversationCommand
Stepped = tuple[Call, tuple[AnyCommand, ...]]


def step(call: Call, event: ConversationInput, now: datetime) -> Stepped:
    """Advance `call` by one event. Unknown or impossible steps return it unchanged."""
    match event:
        case CallBridged() if call.state is not _S.BRIDGING:
            return _bridged(call, event)
        case CallHeld():
            return _held(call, event)
        case ConsultStarted():
            return _consulting(call, event)
        case CallJoined():
            return _joined(call, event)
        case CallParted():
            return _parted(call, event)
        case PartyReady():
            return _party_ready(call, event)
        case PartyGone():
            return _party_gone(call, event.leg_id, now)
        case OwnLegLost():
            return _own_leg_lost(call)
        case BridgeFailed():
            return _bridge_failed(call)
        case (
            HoldWanted()
            | ResumeWanted()
            | PartyCalled()
            | JoinWanted()
            | PartWanted()
            | CompleteWanted()
        ):
            return _wanted(call, event)
        case _:
            return _beside(call, event, now)


def _beside(call: Call, event: CallInput, now: datetime) -> Stepped:
    """What is no matter of the conversation; when the call ends, so does the other's part."""
    after, commands = core.step(call, event, now)
    over = after.state in (_S.ENDING, _S.ENDED) and after is not call
    if not over:
        return after, commands
    after = _hold_over(after, now)
    if after.party is None:
        return after, commands
    gone = msgspec.structs.replace(after, party=None)
    return gone, (*commands, ReleaseParty(after.party))


# --- wishes ---------------------------------------------------------------------------------------


def _wanted(
    call: Call,
    event: HoldWanted | ResumeWanted | PartyCalled | JoinWanted | PartWanted | CompleteWanted,
) -> Stepped:
    party = call.party
    match event:
        case HoldWanted():
            return call, (Hold(),) if call.state is _S.BRIDGED else ()
        case ResumeWanted():
            return _resume(call)
        case PartyCalled():
            if party is not None or call.state not in (_S.BRIDGED, _S.HELD):
                return call, (ReleaseParty(event.party),)
            return _advance(msgspec.structs.replace(call, party=event.party))
        case JoinWanted():
            if party is None or call.state is not _S.CONSULTING:
                return call, ()
            return _advance(_with_wish(call, party, PartyWish.JOIN))
        case PartWanted():
            if party is None or call.state is not _S.CONFERENCE:
                return call, ()
            return call, (Part(party.leg_id),)
        case CompleteWanted():
            if party is None or call.state not in (_S.CONSULTING, _S.CONFERENCE):
                return call, ()
            return _advance(_with_wish(call, party, PartyWish.MOVE))


def _resume(call: Call) -> Stepped:
    ringing = call.party if call.party is not None and not call.party.ready else None
    if call.state is _S.BRIDGED and ringing is not None:
        return msgspec.structs.replace(call, party=None), (ReleaseParty(ringing),)
    if call.state not in (_S.HELD, _S.CONSULTING) or call.leg_id is None:
        return call, ()
    party = call.party
    if call.state is _S.HELD and party is not None and party.wish is PartyWish.CONSULT:
        # The colleague is not there yet, and is not wanted any more.
        alone = msgspec.structs.replace(call, party=None)
        return alone, (ReleaseParty(party), Bridge(call.leg_id))
    return call, (Bridge(call.leg_id),)


def _with_wish(call: Call, party: Party, wish: PartyWish) -> Call:
    return msgspec.structs.replace(call, party=msgspec.structs.replace(party, wish=wish))


def _advance(call: Call) -> Stepped:
    """The next command towards what the other party is wanted for."""
    party = call.party
    if party is None or call.leg_id is None:
        return call, ()
    if party.wish is PartyWish.CONSULT and call.state is _S.BRIDGED:
        # At once, so that the person hears music and not how a telephone rings.
        return call, (Hold(),)
    if not party.ready:
        return call, ()
    if party.wish is PartyWish.MOVE:
        return move(call, CallStep.MOVE), (Bridge(party.leg_id),)
    if party.wish is PartyWish.JOIN:
        if call.state is _S.BRIDGED:
            return call, (Join(party.leg_id),)
        return call, (Bridge(call.leg_id),)
    return call, (Consult(call.leg_id, party.leg_id),)


# --- the carrier's word ---------------------------------------------------------------------------


def _held(call: Call, event: CallHeld) -> Stepped:
    after = move(call, CallStep.HOLD, held_at=event.at)
    if after is call:
        return call, ()
    if after.party is not None and after.party.wish is PartyWish.CONSULT:
        return _advance(after)
    return after, ()


def _consulting(call: Call, event: ConsultStarted) -> Stepped:
    party = call.party
    if party is None or party.leg_id not in (event.leg_id, event.other_leg_id):
        return call, ()
    return move(call, CallStep.CONSULT), ()


def _bridged(call: Call, event: CallBridged) -> Stepped:
    party = call.party
    if call.state is _S.MOVING and party is not None and event.leg_id == party.leg_id:
        return _moved(call, party, event.at)
    if event.leg_id != call.leg_id or call.state not in (_S.HELD, _S.CONSULTING):
        return call, ()
    after = _hold_over(move(call, CallStep.BRIDGE), event.at)
    if party is None:
        return after, ()
    if party.wish is PartyWish.JOIN:
        return _advance(after)
    if call.state is _S.CONSULTING:
        return msgspec.structs.replace(after, party=None), (ReleaseParty(party),)
    return after, ()


def _moved(call: Call, party: Party, at: datetime) -> Stepped:
    """The call has reached the other party."""
    done: tuple[AnyCommand, ...] = (Moved(call.agent_id, party),) if call.agent_id else ()
    if party.kind is PartyKind.EXTERNAL:
        return _hold_over(move(call, CallStep.HAND_OVER), at), done
    after = move(
        _hold_over(call, at),
        CallStep.BRIDGE,
        agent_id=party.agent_id,
        leg_id=party.leg_id,
        party=None,
    )
    return after, (*done, Connected(party.agent_id)) if party.agent_id else done


def _joined(call: Call, event: CallJoined) -> Stepped:
    party = call.party
    if party is None or event.leg_id != party.leg_id:
        return call, ()
    after = move(call, CallStep.JOIN)
    return after, (Shared(party),) if after is not call else ()


def _parted(call: Call, event: CallParted) -> Stepped:
    party = call.party
    if party is None or event.leg_id != party.leg_id:
        return call, ()
    after = move(call, CallStep.PART, party=None)
    return after, (ReleaseParty(party),) if after is not call else ()


def _hold_over(call: Call, at: datetime) -> Call:
    if call.held_at is None:
        return call
    held_ms = max(0, round((at - call.held_at).total_seconds() * 1000))
    return msgspec.structs.replace(call, held_at=None, hold_ms=call.hold_ms + held_ms)


# --- legs -----------------------------------------------------------------------------------------


def _party_ready(call: Call, event: PartyReady) -> Stepped:
    party = call.party
    if party is None or party.leg_id != event.leg_id or party.ready:
        return call, ()
    ready = msgspec.structs.replace(party, ready=True)
    after = msgspec.structs.replace(call, party=ready)
    if ready.wish is PartyWish.CONSULT and call.state is not _S.HELD:
        return after, ()  # the hold is on its way, and goes on from there
    return _advance(after)


def _party_gone(call: Call, leg_id: LegId, now: datetime) -> Stepped:
    party = call.party
    if party is None or party.leg_id != leg_id:
        return call, ()
    if call.state is _S.HANDED_OVER:
        return _beside(call, core.HangupWanted("transfer"), now)
    return _without(call, party)


def _without(call: Call, party: Party) -> Stepped:
    """The other takes part no longer; the agent is left with the person, or with the hold."""
    told: tuple[AnyCommand, ...] = (ReleaseParty(party), PartyLost(party))
    if call.state is _S.MOVING:
        return _back(call, told)
    how = {_S.CONSULTING: CallStep.STOP_CONSULT, _S.CONFERENCE: CallStep.PART}.get(call.state)
    after = move(call, how) if how is not None else call
    return msgspec.structs.replace(after, party=None), told


def _own_leg_lost(call: Call) -> Stepped:
    """Nobody may be left with music for ever, or alone with somebody outside."""
    party = call.party
    if call.state not in (_S.HELD, _S.CONSULTING, _S.CONFERENCE):
        return call, ()
    if (
        party is not None
        and party.kind is PartyKind.AGENT
        and call.state in (_S.CONSULTING, _S.CONFERENCE)
    ):
        return _advance(_with_wish(call, party, PartyWish.MOVE))
    after = move(call, CallStep.GIVE_UP, given_up_by="leg_lost", party=None)
    if party is None:
        return after, (Hangup(),)
    return after, (ReleaseParty(party), Hangup())


def _bridge_failed(call: Call) -> Stepped:
    party = call.party
    return (call, ()) if party is None else _without(call, party)


def _back(call: Call, told: tuple[AnyCommand, ...]) -> Stepped:
    """A move that failed: the person goes back to the agent who wanted it."""
    after = move(call, CallStep.MOVE_FAILED, party=None)
    if call.leg_id is None:
        return after, told
    return after, (*told, Bridge(call.leg_id))
