"""The agent's machine: every pair of state and step, and wishes kept until the wrap-up is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from compliance.types import CampaignId
from dialer.core.agent import (
    BUSY,
    TRANSITIONS,
    AgentSession,
    AgentState,
    AgentStep,
    ImpossibleStep,
    PauseReason,
    step,
)
from telephony_adapters.messages import CallId, LegId

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
CALL = CallId("01JCALL")


def session(state: AgentState = AgentState.PAUSED) -> AgentSession:
    return AgentSession(
        agent_id="agent-1",
        session_id="s",
        name="Ana",
        language="es",
        leg_id=LegId("leg-1"),
        campaign_id=CampaignId("k"),
        state=state,
        since=NOW,
    )


@pytest.mark.parametrize("state", AgentState)
@pytest.mark.parametrize("how", AgentStep)
def test_every_pair_is_in_the_table_or_refused(state: AgentState, how: AgentStep) -> None:
    kept = state in BUSY and how in (AgentStep.PAUSE, AgentStep.LOGOUT)
    if kept:
        assert step(session(state), how, NOW).state is state
    elif (state, how) in TRANSITIONS:
        assert step(session(state), how, NOW, call_id=CALL).state is TRANSITIONS[state, how]
    else:
        with pytest.raises(ImpossibleStep) as refused:
            step(session(state), how, NOW)
        assert (refused.value.state, refused.value.step) == (state, how)


def test_a_call_from_ready_to_ready() -> None:
    later = NOW + timedelta(minutes=3)
    agent = step(session(), AgentStep.READY, NOW)
    agent = step(agent, AgentStep.RESERVE, NOW, call_id=CALL)
    assert agent.call_id == CALL
    agent = step(agent, AgentStep.CONNECT, NOW)
    agent = step(agent, AgentStep.CALL_ENDED, later)
    assert (agent.state, agent.wrap_up_call_id, agent.call_id) == (
        AgentState.WRAP_UP,
        CALL,
        None,
    )
    agent = step(agent, AgentStep.DISPOSED, later)
    assert (agent.state, agent.wrap_up_call_id, agent.since) == (AgentState.READY, None, later)


def test_a_pause_asked_for_on_a_call_comes_after_the_wrap_up() -> None:
    agent = step(session(AgentState.ON_CALL), AgentStep.PAUSE, NOW, reason=PauseReason.MEAL)
    assert agent.state is AgentState.ON_CALL
    agent = step(agent, AgentStep.CALL_ENDED, NOW)
    agent = step(agent, AgentStep.DISPOSED, NOW)
    assert (agent.state, agent.pause_reason, agent.pause_wanted) == (
        AgentState.PAUSED,
        PauseReason.MEAL,
        None,
    )


def test_a_pause_asked_for_while_reserved_is_kept_when_the_person_hangs_up_first() -> None:
    agent = step(session(AgentState.RESERVED), AgentStep.PAUSE, NOW)
    assert step(agent, AgentStep.RELEASE, NOW).state is AgentState.PAUSED


def test_ready_takes_a_wish_to_pause_back() -> None:
    agent = step(session(AgentState.ON_CALL), AgentStep.PAUSE, NOW)
    assert step(agent, AgentStep.READY, NOW).pause_wanted is None


def test_a_logout_on_a_call_waits() -> None:
    agent = step(session(AgentState.ON_CALL), AgentStep.LOGOUT, NOW)
    assert agent.state is AgentState.ON_CALL
    assert agent.logout_wanted


def test_whoever_handed_a_call_on_is_free_at_once_or_pauses_as_asked() -> None:
    agent = step(session(AgentState.ON_CALL), AgentStep.HANDED_ON, NOW)
    assert (agent.state, agent.wrap_up_call_id) == (AgentState.READY, None)
    tired = step(session(AgentState.ON_CALL), AgentStep.PAUSE, NOW, reason=PauseReason.MEAL)
    tired = step(tired, AgentStep.HANDED_ON, NOW)
    assert (tired.state, tired.pause_reason) == (AgentState.PAUSED, PauseReason.MEAL)


def test_a_consulted_agent_takes_the_call_over_or_goes_back_to_waiting() -> None:
    agent = step(session(AgentState.READY), AgentStep.RESERVE, NOW, call_id=CALL)
    helping = step(agent, AgentStep.CONSULT, NOW)
    assert helping.call_id == CALL
    assert step(helping, AgentStep.CONNECT, NOW).call_id == CALL
    assert step(helping, AgentStep.RELEASE, NOW).call_id is None
