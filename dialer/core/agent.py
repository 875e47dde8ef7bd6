"""The life of an agent's session: one table, one pure step function."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from compliance.types import CampaignId
from telephony_adapters.messages import CallId, LegId


class AgentState(StrEnum):
    PAUSED = "paused"
    """Logged in, not taking calls; also the state right after login."""
    READY = "ready"
    RESERVED = "reserved"
    """Taken for a call that is being bridged."""
    ON_CALL = "on_call"
    CONSULTED = "consulted"
    """Speaks with a colleague about the colleague's call, or takes part in it."""
    WRAP_UP = "wrap_up"
    OFFLINE = "offline"


class AgentStep(StrEnum):
    READY = "ready"
    PAUSE = "pause"
    RESERVE = "reserve"
    RELEASE = "release"
    CONNECT = "connect"
    CONSULT = "consult"
    """A colleague asks."""
    HANDED_ON = "handed_on"
    """The call has another agent now, who will dispose of it."""
    CALL_ENDED = "call_ended"
    DISPOSED = "disposed"
    LOGOUT = "logout"


class PauseReason(StrEnum):
    LOGIN = "login"
    BREAK = "break"
    MEAL = "meal"
    TRAINING = "training"
    MEETING = "meeting"
    COACHING = "coaching"
    TECHNICAL = "technical"
    PRESENCE_LOST = "presence_lost"


_A = AgentState
TRANSITIONS: dict[tuple[AgentState, AgentStep], AgentState] = {
    (_A.PAUSED, AgentStep.READY): _A.READY,
    (_A.PAUSED, AgentStep.PAUSE): _A.PAUSED,
    (_A.READY, AgentStep.PAUSE): _A.PAUSED,
    (_A.READY, AgentStep.RESERVE): _A.RESERVED,
    (_A.RESERVED, AgentStep.RELEASE): _A.READY,
    (_A.RESERVED, AgentStep.CONNECT): _A.ON_CALL,
    (_A.RESERVED, AgentStep.CONSULT): _A.CONSULTED,
    (_A.CONSULTED, AgentStep.RELEASE): _A.READY,
    (_A.CONSULTED, AgentStep.CONNECT): _A.ON_CALL,
    (_A.ON_CALL, AgentStep.HANDED_ON): _A.READY,
    (_A.ON_CALL, AgentStep.CALL_ENDED): _A.WRAP_UP,
    (_A.WRAP_UP, AgentStep.DISPOSED): _A.READY,
    **{(state, AgentStep.LOGOUT): _A.OFFLINE for state in _A if state is not _A.OFFLINE},
}
"""Every allowed step. A pause or logout asked for while busy waits until the agent is free."""


BUSY = frozenset({_A.RESERVED, _A.ON_CALL, _A.CONSULTED, _A.WRAP_UP})
"""A pause or logout asked for waits until the agent is free."""


class AgentSession(msgspec.Struct, frozen=True, kw_only=True):
    """An agent from login to logout."""

    agent_id: str
    """The user's id; one session at a time."""
    session_id: str
    name: str
    language: str
    leg_id: LegId
    campaign_id: CampaignId | None
    team: str = ""
    """Campaigns may ask for agents of certain teams."""
    state: AgentState = AgentState.PAUSED
    since: datetime
    pause_reason: PauseReason | None = PauseReason.LOGIN
    pause_wanted: PauseReason | None = None
    """Asked for while busy; takes effect after the wrap-up."""
    logout_wanted: bool = False
    call_id: CallId | None = None
    wrap_up_call_id: CallId | None = None


class ImpossibleStep(Exception):
    """The agent cannot do that now. `state` and `step` say what was tried."""

    def __init__(self, state: AgentState, how: AgentStep) -> None:
        super().__init__(f"an agent who is {state} cannot {how}")
        self.state = state
        self.step = how


def step(
    session: AgentSession,
    how: AgentStep,
    now: datetime,
    *,
    call_id: CallId | None = None,
    reason: PauseReason | None = None,
) -> AgentSession:
    """Advance the session. Raises `ImpossibleStep`; a wish to pause or leave is remembered."""
    busy = session.state in BUSY
    if how is AgentStep.PAUSE and busy:
        return msgspec.structs.replace(session, pause_wanted=reason or PauseReason.BREAK)
    if how is AgentStep.LOGOUT and busy:
        return msgspec.structs.replace(session, logout_wanted=True)
    if how is AgentStep.READY and busy and session.pause_wanted is not None:
        return msgspec.structs.replace(session, pause_wanted=None)
    state = TRANSITIONS.get((session.state, how))
    if state is None:
        raise ImpossibleStep(session.state, how)
    if state is _A.READY and session.pause_wanted is not None:
        return msgspec.structs.replace(
            session,
            state=_A.PAUSED,
            since=now,
            pause_reason=session.pause_wanted,
            pause_wanted=None,
            call_id=None,
            wrap_up_call_id=None,
        )
    return msgspec.structs.replace(
        session,
        state=state,
        since=now,
        pause_reason=(reason or PauseReason.BREAK) if state is _A.PAUSED else None,
        call_id=_call_after(session, how, call_id),
        wrap_up_call_id=session.call_id if how is AgentStep.CALL_ENDED else None,
    )


def _call_after(session: AgentSession, how: AgentStep, call_id: CallId | None) -> CallId | None:
    if how is AgentStep.RESERVE:
        return call_id
    if how in (AgentStep.CONNECT, AgentStep.CONSULT):
        return session.call_id
    return None
