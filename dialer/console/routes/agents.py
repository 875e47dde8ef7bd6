"""Agents: their WebSocket, their own state, and who is at work."""

from __future__ import annotations

from datetime import datetime

import msgspec
from aiohttp import web

from dialer.console.errors import BAD_ORIGIN
from dialer.console.table import API, FLOOR, Call, Nothing, Route, not_found, route, stream
from dialer.core.agent import AgentSession, AgentState, PauseReason
from dialer.stores.ledger.users import Role

AGENTS = frozenset({Role.AGENT})


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    agent_id: str
    name: str
    state: AgentState
    since: datetime
    """Engine time."""
    campaign_id: str | None
    pause_reason: PauseReason | None
    pause_wanted: PauseReason | None
    logout_wanted: bool
    connected: bool
    """The agent's client has an open connection to this worker."""


class AgentList(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    agents: list[AgentView]


async def socket(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    return await call.console.sockets.serve(call.request, call.caller)


async def list_agents(call: Call[Nothing, Nothing]) -> AgentList:
    sessions = sorted(call.services.desk.sessions(), key=lambda session: session.name)
    return AgentList(
        at=call.services.clock.now(), agents=[_view(call, session) for session in sessions]
    )


async def my_state(call: Call[Nothing, Nothing]) -> AgentView:
    seat = call.services.desk.seat(call.user.user_id)
    if seat is None:
        raise not_found("una sesión de agente suya", "an agent session of yours")
    return _view(call, seat.session)


def _view(call: Call[Nothing, Nothing], session: AgentSession) -> AgentView:
    return AgentView(
        agent_id=session.agent_id,
        name=session.name,
        state=session.state,
        since=session.since,
        campaign_id=session.campaign_id,
        pause_reason=session.pause_reason,
        pause_wanted=session.pause_wanted,
        logout_wanted=session.logout_wanted,
        connected=call.console.sockets.is_connected(session.agent_id),
    )


ROUTES: tuple[Route, ...] = (
    stream(
        "GET",
        f"{API}/agent/socket",
        socket,
        query=Nothing,
        media_type="application/json",
        roles=AGENTS,
        status=101,
        tag="agents",
        en="The agent's WebSocket; see the schemas ClientMessage and ServerMessage",
        es="El WebSocket del agente; vea los esquemas ClientMessage y ServerMessage",
        errors=(BAD_ORIGIN,),
    ),
    route(
        "GET",
        f"{API}/agent",
        my_state,
        body=Nothing,
        query=Nothing,
        answer=AgentView,
        roles=AGENTS,
        tag="agents",
        en="My own state",
        es="Mi propio estado",
    ),
    route(
        "GET",
        f"{API}/agents",
        list_agents,
        body=Nothing,
        query=Nothing,
        answer=AgentList,
        roles=FLOOR,
        tag="agents",
        en="Agents of this worker",
        es="Agentes de este proceso",
    ),
)
