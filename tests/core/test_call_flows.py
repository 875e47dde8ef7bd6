"""Calls that a flow serves, or bids farewell to: the way through the call's machine."""

from __future__ import annotations

import msgspec
import pytest

from dialer.core.call import (
    AgentAssigned,
    AgentWanted,
    Bridge,
    Call,
    CallState,
    Connected,
    ConnectTimeout,
    FindAgent,
    Finished,
    FlowOver,
    Hangup,
    HangupWanted,
    NoAgentCame,
    RunFlow,
)
from telephony_adapters.messages import AmdVerdict, HangupCause
from tests.core.test_call import LEG, amd, answer, at, bridged, ended, planned, play


def flow_call(**changes: object) -> Call:
    return msgspec.structs.replace(planned(), flow="f/1", **changes)


def test_an_answer_goes_to_the_flow_and_its_end_hangs_up() -> None:
    call, commands = play(
        flow_call(),
        (3, answer(3)),
        (40, FlowOver()),
        (40.1, ended(40.1, HangupCause.NORMAL_CALLER)),
    )
    assert commands == [RunFlow(), Hangup(), Finished()]
    assert (call.ran, call.live_at, call.abandoned) == ("f/1", at(3), False)


@pytest.mark.parametrize(
    ("verdict", "leaves", "state"),
    [
        (AmdVerdict.HUMAN, False, CallState.IN_FLOW),
        (AmdVerdict.UNSURE, False, CallState.IN_FLOW),
        (AmdVerdict.MACHINE, True, CallState.IN_FLOW),
        (AmdVerdict.MACHINE, False, CallState.ENDING),
        (AmdVerdict.FAX, False, CallState.ENDING),
    ],
)
def test_a_machine_gets_the_message_only_where_there_is_one(
    verdict: AmdVerdict, leaves: bool, state: CallState
) -> None:
    call, commands = play(
        flow_call(amd=True, machine_flow=leaves), (3, answer(3)), (5, amd(5, verdict))
    )
    assert call.state is state
    machine = verdict is AmdVerdict.MACHINE
    assert (call.live_at is None) is (machine or verdict is AmdVerdict.FAX)
    assert commands == ([RunFlow(machine=machine)] if state is CallState.IN_FLOW else [Hangup()])


def test_a_transfer_takes_an_agent_within_the_limit_from_the_key() -> None:
    call, commands = play(
        flow_call(),
        (3, answer(3)),
        (30, AgentWanted()),
        (30.4, AgentAssigned("ana", LEG)),
        (30.5, bridged(30.5)),
    )
    assert [type(c) for c in commands] == [RunFlow, FindAgent, Bridge, Connected]
    assert commands[1] == FindAgent(deadline=at(32))
    assert call.connect_ms == 400


def test_nobody_in_time_gives_the_person_back_to_the_flow() -> None:
    call, commands = play(flow_call(), (3, answer(3)), (30, AgentWanted()), (32, ConnectTimeout()))
    assert call.state is CallState.IN_FLOW
    assert isinstance(commands[-1], NoAgentCame)
    assert not call.abandoned


def test_whoever_no_agent_came_for_is_abandoned_and_hears_the_farewell() -> None:
    waiting = msgspec.structs.replace(planned(), farewell="bye/1")
    call, commands = play(
        waiting,
        (3, answer(3)),
        (5, ConnectTimeout()),
        (5.1, AgentAssigned("late", LEG)),
        (15, FlowOver()),
        (15.1, ended(15.1, HangupCause.NORMAL_CALLER)),
    )
    assert RunFlow() in commands
    assert not any(isinstance(c, Bridge) for c in commands), "an agent who comes late is released"
    assert (call.abandoned, call.ran, call.given_up_by) == (True, "bye/1", "abandon")
    assert call.state is CallState.ENDED


def test_a_drain_ends_a_flow_too() -> None:
    call, commands = play(flow_call(), (3, answer(3)), (9, HangupWanted("drain")))
    assert (call.state, commands[-1]) == (CallState.ENDING, Hangup())


def test_an_agent_or_an_end_of_a_flow_means_nothing_to_other_calls() -> None:
    for event in (AgentWanted(), FlowOver()):
        call, commands = play(planned(), (3, event))
        assert (call, commands) == (planned(), [])
