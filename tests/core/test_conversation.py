"""The conversation's machine: holds, consultations, third parties and transfers, step by step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.types import AccountId, CampaignId, ContactPointId, PersonId
from dialer.core.call import (
    TRANSITIONS,
    AgentLost,
    Bridge,
    Call,
    CallState,
    CallStep,
    Connected,
    Finished,
    Hangup,
    HangupWanted,
    Party,
    PartyKind,
    PartyWish,
    Vanished,
)
from dialer.core.conversation import (
    AnyCommand,
    BridgeFailed,
    CompleteWanted,
    Consult,
    ConversationInput,
    Hold,
    HoldWanted,
    Join,
    JoinWanted,
    Moved,
    OwnLegLost,
    Part,
    PartWanted,
    PartyCalled,
    PartyGone,
    PartyLost,
    PartyReady,
    ReleaseParty,
    ResumeWanted,
    Shared,
    step,
)
from telephony_adapters.messages import (
    CallBridged,
    CallEnded,
    CallHeld,
    CallId,
    CallJoined,
    CallParted,
    ConsultStarted,
    HangupCause,
    LegId,
    LegRole,
)

T0 = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
CALL = CallId("01JCALL")
OWN, OTHER = LegId("leg-1"), LegId("leg-2")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def talking() -> Call:
    return Call(
        call_id=CALL,
        person_id=PersonId("p"),
        account_id=AccountId("a"),
        contact_point_id=ContactPointId("c"),
        campaign_id=CampaignId("k"),
        segment="31-60",
        lease_token="t",
        planned_at=T0,
        state=CallState.BRIDGED,
        answered_at=at(8),
        live_at=at(8),
        assigned_at=at(8),
        bridged_at=at(8),
        agent_id="ana",
        leg_id=OWN,
    )


def colleague(wish: PartyWish = PartyWish.CONSULT) -> Party:
    return Party(
        kind=PartyKind.AGENT, leg_id=OTHER, name="Eva", wish=wish, agent_id="eva", ready=True
    )


def outside(wish: PartyWish = PartyWish.CONSULT) -> Party:
    return Party(kind=PartyKind.EXTERNAL, leg_id=OTHER, name="legal", wish=wish)


def held(s: float) -> CallHeld:
    return CallHeld(event_id=f"h{s}", at=at(s), call_id=CALL)


def bridged(s: float, leg: LegId = OWN) -> CallBridged:
    return CallBridged(event_id=f"b{s}{leg}", at=at(s), call_id=CALL, leg_id=leg)


def consulting(s: float) -> ConsultStarted:
    return ConsultStarted(event_id=f"c{s}", at=at(s), leg_id=OWN, other_leg_id=OTHER)


def joined(s: float) -> CallJoined:
    return CallJoined(event_id=f"j{s}", at=at(s), call_id=CALL, leg_id=OTHER, role=LegRole.TALK)


def parted(s: float) -> CallParted:
    return CallParted(event_id=f"p{s}", at=at(s), call_id=CALL, leg_id=OTHER)


def ended(s: float) -> CallEnded:
    return CallEnded(event_id=f"e{s}", at=at(s), call_id=CALL, cause=HangupCause.NORMAL_CALLEE)


def play(call: Call, *events: tuple[float, ConversationInput]) -> tuple[Call, list[AnyCommand]]:
    commands: list[AnyCommand] = []
    for seconds, event in events:
        call, new = step(call, event, at(seconds))
        commands += new
    return call, commands


def kinds(commands: list[AnyCommand]) -> list[type]:
    return [type(command) for command in commands]


IN_CONSULT: tuple[tuple[float, ConversationInput], ...] = (
    (10, PartyCalled(colleague())),
    (11, held(11)),
    (12, consulting(12)),
)


def test_a_hold_is_counted_from_the_music_to_the_agents_voice() -> None:
    call, commands = play(
        talking(), (20, HoldWanted()), (21, held(21)), (51, ResumeWanted()), (52, bridged(52))
    )
    assert kinds(commands) == [Hold, Bridge]
    assert (call.state, call.hold_ms, call.held_at) == (CallState.BRIDGED, 31_000, None)
    assert call.bridged_at == at(8), "the talk goes on"


def test_a_blind_transfer_gives_the_call_another_agent() -> None:
    call, commands = play(
        talking(), (20, PartyCalled(colleague(PartyWish.MOVE))), (21, bridged(21, OTHER))
    )
    assert commands == [
        Bridge(OTHER),
        Moved("ana", colleague(PartyWish.MOVE)),
        Connected("eva"),
    ]
    assert (call.state, call.agent_id, call.leg_id) == (CallState.BRIDGED, "eva", OTHER)
    assert call.party is None


def test_a_transfer_to_somebody_outside_waits_until_they_pick_up() -> None:
    party = outside(PartyWish.MOVE)
    call, commands = play(talking(), (20, PartyCalled(party)))
    assert (commands, call.state) == ([], CallState.BRIDGED)
    call, commands = play(call, (25, PartyReady(OTHER)), (26, bridged(26, OTHER)))
    assert kinds(commands) == [Bridge, Moved]
    assert (call.state, call.agent_id) == (CallState.HANDED_OVER, "ana")
    call, commands = play(call, (60, PartyGone(OTHER)))
    assert kinds(commands) == [Hangup, ReleaseParty]
    assert call.given_up_by == "transfer"


def test_an_attended_transfer() -> None:
    call, commands = play(talking(), *IN_CONSULT)
    assert kinds(commands) == [Hold, Consult]
    assert call.state is CallState.CONSULTING
    call, commands = play(call, (30, CompleteWanted()), (31, bridged(31, OTHER)))
    assert kinds(commands) == [Bridge, Moved, Connected]
    assert (call.state, call.agent_id, call.hold_ms) == (CallState.BRIDGED, "eva", 20_000)


def test_a_consultation_that_ends_with_the_person() -> None:
    call, commands = play(talking(), *IN_CONSULT, (30, ResumeWanted()), (31, bridged(31)))
    assert kinds(commands)[2:] == [Bridge, ReleaseParty]
    assert (call.state, call.agent_id, call.party) == (CallState.BRIDGED, "ana", None)


def test_three_speak_and_one_leaves() -> None:
    call, commands = play(
        talking(), *IN_CONSULT, (30, JoinWanted()), (31, bridged(31)), (32, joined(32))
    )
    assert kinds(commands)[2:] == [Bridge, Join, Shared]
    assert call.state is CallState.CONFERENCE
    left, commands = play(call, (40, PartWanted()), (41, parted(41)))
    assert kinds(commands) == [Part, ReleaseParty]
    assert (left.state, left.agent_id, left.party) == (CallState.BRIDGED, "ana", None)
    gone, commands = play(call, (40, CompleteWanted()), (41, bridged(41, OTHER)))
    assert kinds(commands) == [Bridge, Moved, Connected]
    assert gone.agent_id == "eva"


@pytest.mark.parametrize("party", [colleague(), outside()])
def test_the_party_who_goes_leaves_the_call_with_its_agent(party: Party) -> None:
    here = msgspec.structs.replace(party, ready=True)
    call, _ = play(talking(), (10, PartyCalled(here)), (11, held(11)), (12, consulting(12)))
    call, commands = play(call, (20, PartyGone(OTHER)))
    assert kinds(commands) == [ReleaseParty, PartyLost]
    assert (call.state, call.agent_id, call.party) == (CallState.HELD, "ana", None)


def test_a_party_outside_who_never_picks_up_leaves_the_person_where_they_were() -> None:
    call, commands = play(
        talking(), (10, PartyCalled(outside(PartyWish.MOVE))), (40, PartyGone(OTHER))
    )
    assert kinds(commands) == [ReleaseParty, PartyLost]
    assert (call.state, call.party) == (CallState.BRIDGED, None)


def test_what_rings_can_be_called_off() -> None:
    for wish in PartyWish:
        call, commands = play(
            talking(), (10, PartyCalled(outside(wish))), (11, held(11)), (12, ResumeWanted())
        )
        assert ReleaseParty in kinds(commands) or wish is not PartyWish.CONSULT
        call, commands = play(talking(), (10, PartyCalled(outside(wish))), (12, ResumeWanted()))
        assert ReleaseParty in kinds(commands)
        assert call.party is None


def test_a_move_that_the_carrier_does_not_carry_out_goes_back_to_its_agent() -> None:
    call, commands = play(
        talking(), (20, PartyCalled(colleague(PartyWish.MOVE))), (30, BridgeFailed())
    )
    assert commands[1:] == [
        ReleaseParty(colleague(PartyWish.MOVE)),
        PartyLost(colleague(PartyWish.MOVE)),
        Bridge(OWN),
    ]
    call, _ = play(call, (31, bridged(31)))
    assert (call.state, call.agent_id) == (CallState.BRIDGED, "ana")


def test_nobody_is_left_with_music_when_the_agents_telephone_is_gone() -> None:
    call, commands = play(talking(), (20, HoldWanted()), (21, held(21)), (22, OwnLegLost()))
    assert kinds(commands) == [Hold, Hangup]
    assert call.state is CallState.ENDING
    call, commands = play(talking(), *IN_CONSULT, (22, OwnLegLost()))
    assert commands[-1] == Bridge(OTHER), "the colleague who knows of the call takes it"


def test_the_end_of_the_call_frees_everybody() -> None:
    call, commands = play(talking(), *IN_CONSULT, (20, ended(20)))
    assert kinds(commands)[2:] == [Finished, ReleaseParty]
    assert (call.state, call.agent_id, call.hold_ms) == (CallState.ENDED, "ana", 9_000)
    call, commands = play(talking(), *IN_CONSULT, (20, HangupWanted("agent")), (21, ended(21)))
    assert kinds(commands)[2:] == [Hangup, ReleaseParty, Finished]


def test_a_second_party_is_not_taken() -> None:
    call, commands = play(talking(), *IN_CONSULT, (20, PartyCalled(outside())))
    assert commands[-1] == ReleaseParty(outside())
    assert call.party == colleague()


EVENTS: list[ConversationInput] = [
    HoldWanted(),
    ResumeWanted(),
    PartyCalled(colleague()),
    PartyCalled(colleague(PartyWish.MOVE)),
    PartyCalled(outside()),
    PartyCalled(outside(PartyWish.MOVE)),
    PartyReady(OTHER),
    PartyGone(OTHER),
    JoinWanted(),
    PartWanted(),
    CompleteWanted(),
    OwnLegLost(),
    BridgeFailed(),
    held(30),
    bridged(30),
    bridged(30, OTHER),
    consulting(30),
    joined(30),
    parted(30),
    AgentLost(),
    HangupWanted("agent"),
    Vanished(),
    ended(40),
]


@given(st.lists(st.sampled_from(EVENTS), max_size=25))
def test_no_order_of_events_breaks_a_conversation(events: list[ConversationInput]) -> None:
    """Steps are those of the table; one agent owns the call; a party is freed exactly once more
    often than it was taken over or handed to."""
    call = talking()
    taken = freed = 0
    allowed = {(a, b) for (a, _), b in TRANSITIONS.items()}
    for index, event in enumerate(events):
        before = call
        call, commands = step(call, event, at(30 + index))
        if before.state is not call.state:
            assert (before.state, call.state) in allowed
        taken += isinstance(event, PartyCalled)
        freed += sum(isinstance(c, ReleaseParty) for c in commands)
        freed += sum(isinstance(c, Moved) and c.party.kind is PartyKind.AGENT for c in commands)
        assert taken - freed == (call.party is not None)
        if call.state in (CallState.CONSULTING, CallState.CONFERENCE, CallState.MOVING):
            assert call.party is not None
        if call.state is CallState.ENDED:
            assert call.party is None
            assert call.held_at is None
        assert call.agent_id in ("ana", "eva")
        assert kinds(list(commands)).count(Finished) <= 1


def test_a_refusal_of_the_carrier_ends_a_consultation() -> None:
    """The person holds on; nobody consults with a party that is not there."""
    eva = Party(
        kind=PartyKind.AGENT,
        leg_id=LegId("leg-2"),
        name="Eva",
        wish=PartyWish.CONSULT,
        agent_id="eva",
        ready=True,
    )
    events: list[ConversationInput] = [
        PartyCalled(eva),
        CallHeld(event_id="h", at=at(30), call_id=CallId("01JCALL")),
        ConsultStarted(event_id="c", at=at(31), leg_id=LegId("leg-1"), other_leg_id=LegId("leg-2")),
    ]
    call = talking()
    for index, event in enumerate(events):
        call, _ = step(call, event, at(30 + index))
    assert call.state is CallState.CONSULTING
    call, commands = step(call, BridgeFailed(), at(33))
    assert (call.state, call.party) == (CallState.HELD, None)
    assert kinds(list(commands)) == [ReleaseParty, PartyLost]


def test_the_conversation_is_left_only_by_steps_of_its_own() -> None:
    outside_steps = {CallStep.GIVE_UP, CallStep.END, CallStep.HAND_OVER}
    for (state, how), after in TRANSITIONS.items():
        if state.is_conversation and not after.is_conversation:
            assert how in outside_steps
