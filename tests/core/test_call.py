"""The call's machine: every pair of state and step, and the stories that calls really have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.types import AccountId, CampaignId, ContactPointId, PersonId
from dialer.core.call import (
    TRANSITIONS,
    AgentAssigned,
    AgentLost,
    Bridge,
    Call,
    CallInput,
    CallState,
    CallStep,
    Command,
    Connected,
    ConnectTimeout,
    FindAgent,
    Finished,
    Hangup,
    HangupWanted,
    Originated,
    OriginateFailed,
    ReleaseAgent,
    Vanished,
    step,
)
from telephony_adapters.messages import (
    AmdResult,
    AmdVerdict,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallId,
    CallRinging,
    HangupCause,
    LegId,
)

T0 = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
CALL = CallId("01JCALL")
LEG = LegId("leg-1")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def planned(*, amd: bool = False) -> Call:
    return Call(
        call_id=CALL,
        person_id=PersonId("p"),
        account_id=AccountId("a"),
        contact_point_id=ContactPointId("c"),
        campaign_id=CampaignId("k"),
        segment="31-60",
        lease_token="t",
        planned_at=T0,
        amd=amd,
    )


def ring(s: float) -> CallRinging:
    return CallRinging(event_id=f"r{s}", at=at(s), call_id=CALL)


def answer(s: float) -> CallAnswered:
    return CallAnswered(event_id=f"a{s}", at=at(s), call_id=CALL)


def ended(s: float, cause: HangupCause = HangupCause.NORMAL_CALLEE) -> CallEnded:
    return CallEnded(event_id=f"e{s}", at=at(s), call_id=CALL, cause=cause)


def bridged(s: float) -> CallBridged:
    return CallBridged(event_id=f"b{s}", at=at(s), call_id=CALL, leg_id=LEG)


def amd(s: float, verdict: AmdVerdict) -> AmdResult:
    return AmdResult(event_id=f"m{s}", at=at(s), call_id=CALL, verdict=verdict, took_ms=1800)


def play(call: Call, *events: tuple[float, CallInput]) -> tuple[Call, list[Command]]:
    commands: list[Command] = []
    for seconds, event in events:
        call, new = step(call, event, at(seconds))
        commands += new
    return call, commands


def test_every_state_has_a_way_out_and_ended_has_none() -> None:
    for state in CallState:
        steps = [how for (where, how) in TRANSITIONS if where is state]
        assert (CallStep.END in steps) is (state is not CallState.ENDED)
        assert bool(steps) is (state is not CallState.ENDED)


def test_a_call_is_bridged_to_its_agent() -> None:
    call, commands = play(
        planned(),
        (0, Originated()),
        (1, ring(1)),
        (8, answer(8)),
        (8.01, AgentAssigned("agent-1", LEG)),
        (8.05, bridged(8.05)),
        (128.05, ended(128.05)),
    )
    assert [type(c) for c in commands] == [FindAgent, Bridge, Connected, Finished]
    assert call.state is CallState.ENDED
    assert call.ring_ms == 7_000
    assert call.connect_ms == 10
    assert call.talk_ms == 120_000
    assert not call.abandoned


def test_nobody_came_within_the_limit() -> None:
    call, commands = play(planned(), (1, ring(1)), (8, answer(8)))
    assert commands == [FindAgent(deadline=at(10))]
    call, commands = play(call, (10, ConnectTimeout()), (10.1, ended(10.1)))
    assert [type(c) for c in commands] == [Hangup, Finished]
    assert call.abandoned
    assert call.agent_id is None


def test_a_late_timer_does_not_abandon_a_call_that_has_an_agent() -> None:
    call, _ = play(planned(), (8, answer(8)), (8.5, AgentAssigned("agent-1", LEG)))
    after, commands = play(call, (10, ConnectTimeout()))
    assert after is call
    assert commands == []


def test_the_person_hangs_up_while_waiting() -> None:
    call, commands = play(planned(), (8, answer(8)), (9, ended(9)))
    assert [type(c) for c in commands] == [FindAgent, Finished]
    assert not call.abandoned, "he left before the limit: it is counted as his hang-up"


def test_an_agent_who_comes_too_late_is_given_back() -> None:
    call, _ = play(planned(), (8, answer(8)), (9, ended(9)))
    after, commands = play(call, (9.1, AgentAssigned("agent-1", LEG)))
    assert after is call
    assert commands == [ReleaseAgent("agent-1")]


def test_the_person_hangs_up_between_reservation_and_bridge() -> None:
    call, commands = play(
        planned(), (8, answer(8)), (8.1, AgentAssigned("agent-1", LEG)), (8.2, ended(8.2))
    )
    assert commands[-2:] == [ReleaseAgent("agent-1"), Finished()]
    assert call.agent_id is None


def test_a_lost_agent_puts_the_person_back_in_line_with_the_first_deadline() -> None:
    call, commands = play(
        planned(), (8, answer(8)), (8.1, AgentAssigned("agent-1", LEG)), (8.4, AgentLost())
    )
    assert call.state is CallState.WAITING
    assert commands[-1] == FindAgent(deadline=at(10))


@pytest.mark.parametrize("screened", [False, True])
@pytest.mark.parametrize("by", ["pacing", "stop", "drain"])
def test_whoever_picks_up_while_we_hang_up_is_abandoned(by: str, screened: bool) -> None:
    call, commands = play(
        planned(amd=screened), (1, ring(1)), (16, HangupWanted(by)), (16.1, answer(16.1))
    )
    assert commands == [Hangup()]
    assert (call.state, call.abandoned, call.given_up_by) == (CallState.ENDING, True, by)
    assert (call.answered_at, call.live_at) == (at(16.1), at(16.1))
    over, _ = play(call, (16.2, ended(16.2, HangupCause.NORMAL_CALLER)))
    assert (over.state, over.abandoned) == (CallState.ENDED, True)


def test_an_answer_told_again_while_we_hang_up_is_no_second_one() -> None:
    call, _ = play(
        planned(amd=True), (8, answer(8)), (9.8, amd(9.8, AmdVerdict.MACHINE)), (9.9, answer(9.9))
    )
    assert (call.answered_at, call.abandoned) == (at(8), False)


@pytest.mark.parametrize("verdict", [AmdVerdict.MACHINE, AmdVerdict.FAX])
def test_a_machine_is_hung_up_on(verdict: AmdVerdict) -> None:
    call, commands = play(planned(amd=True), (8, answer(8)), (9.8, amd(9.8, verdict)))
    assert [type(c) for c in commands] == [Hangup]
    assert call.state is CallState.ENDING
    assert not call.abandoned


@pytest.mark.parametrize("verdict", [AmdVerdict.HUMAN, AmdVerdict.UNSURE])
def test_a_doubtful_answer_is_a_person(verdict: AmdVerdict) -> None:
    call, commands = play(planned(amd=True), (8, answer(8)), (9.8, amd(9.8, verdict)))
    assert commands == [FindAgent(deadline=at(11.8))]
    assert call.live_at == at(9.8)


def test_hanging_up_on_a_waiting_person_is_an_abandonment() -> None:
    call, _ = play(planned(), (8, answer(8)), (8.5, HangupWanted("stop")))
    assert call.abandoned


def test_cancelling_before_an_answer_is_not() -> None:
    call, commands = play(planned(), (1, ring(1)), (2, HangupWanted("drain")))
    assert not call.abandoned
    assert [type(c) for c in commands] == [Hangup]


@pytest.mark.parametrize("end", [OriginateFailed(HangupCause.CONGESTION, "sip:503"), Vanished()])
def test_ends_without_a_carrier_event(end: CallInput) -> None:
    call, commands = play(planned(), (1, end))
    assert commands == [Finished()]
    assert call.state is CallState.ENDED


EVENTS: list[CallInput] = [
    Originated(),
    ring(1),
    answer(2),
    amd(3, AmdVerdict.HUMAN),
    amd(3, AmdVerdict.MACHINE),
    AgentAssigned("agent-1", LEG),
    AgentLost(),
    bridged(4),
    ConnectTimeout(),
    HangupWanted("agent"),
    ended(5),
    Vanished(),
]


@given(st.booleans(), st.lists(st.sampled_from(EVENTS), max_size=30))
def test_no_order_of_events_breaks_a_call(screened: bool, events: list[CallInput]) -> None:
    call = planned(amd=screened)
    commands: list[Command] = []
    held: str | None = None
    for event in events:
        before = call
        call, new = step(call, event, at(6))
        assert call is before or before.state is not CallState.ENDED
        commands += new
        for command in new:
            if isinstance(command, Bridge):
                assert held is None, "a second agent while one is held"
                held = call.agent_id
            elif isinstance(command, ReleaseAgent) and call is not before:
                assert held == command.agent_id
                held = None
        if isinstance(event, AgentLost) and call is not before:
            held = None
    assert commands.count(Finished()) == (1 if call.state is CallState.ENDED else 0)
    if call.state is CallState.ENDED:
        assert (held is None) is (call.agent_id is None), "an agent is neither kept nor freed"
        assert call.agent_id is None or call.bridged_at is not None
    assert not (call.abandoned and call.bridged_at is not None)
