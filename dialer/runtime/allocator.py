"""Gives the agents of this worker to its campaigns, and lends an idle one where a person waits.

`dialer.core.allocation` says who should work where; here it is carried out without harm to calls
that ring already. An agent changes campaigns after a wrap-up, or on a pause. An idle one moves, or
is lent, only while his campaign has more idle agents than calls that may yet need one: what one
campaign dials too much, another does not pay for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from compliance.types import CampaignId
from dialer.core.agent import AgentSession, AgentState
from dialer.core.allocation import Claim, Member, allocate, may_serve
from dialer.runtime.desk import Desk

_BUSY = (AgentState.RESERVED, AgentState.ON_CALL, AgentState.CONSULTED)
"""An agent in wrap-up is free in a moment, and moves then."""


class Floor(Protocol):
    """What the allocator must know of calls; `dialer.runtime.calls.Calls` tells it."""

    def is_waiting(self, campaign_id: CampaignId) -> bool: ...

    def without_agent(self, campaign_id: CampaignId) -> int: ...


class Allocator:
    """Satisfies `dialer.runtime.desk.Guide`."""

    def __init__(self, desk: Desk, calls: Floor) -> None:
        self._desk = desk
        self._calls = calls
        self._claims: dict[CampaignId, Claim] = {}
        self._homes: dict[str, CampaignId | None] = {}

    async def allot(self, claims: Sequence[Claim]) -> None:
        """Look anew at who works where, and move whoever can move now."""
        self._claims = {claim.campaign_id: claim for claim in claims}
        sessions = self._desk.sessions()
        self._homes = allocate(claims, [_member(session) for session in sessions])
        for session in sessions:
            home = self._homes.get(session.agent_id)
            if home != session.campaign_id and self._may_leave(session):
                await self._desk.move_home(session.agent_id, home)

    # --- the desk's guide ---------------------------------------------------------------------

    def home_of(self, session: AgentSession) -> CampaignId | None:
        return self._homes.get(session.agent_id, session.campaign_id)

    def may_help(self, session: AgentSession) -> Iterable[CampaignId]:
        own = session.campaign_id
        if own is not None:
            yield own
        for claim in self._others(own):
            if not may_serve(claim, session.team) or not self._calls.is_waiting(claim.campaign_id):
                continue
            if own is None or self._spare(own) > 0:
                yield claim.campaign_id

    def lenders(self, campaign_id: CampaignId) -> Iterable[AgentSession]:
        claim = self._claims.get(campaign_id)
        if claim is None:
            return
        for other in self._others(campaign_id):
            if self._spare(other.campaign_id) <= 0:
                continue
            idle = self._idle(other.campaign_id)
            for session in sorted(idle, key=lambda s: s.since):
                if may_serve(claim, session.team):
                    yield session

    # --- inside -------------------------------------------------------------------------------

    def _others(self, campaign_id: CampaignId | None) -> list[Claim]:
        others = [claim for claim in self._claims.values() if claim.campaign_id != campaign_id]
        return sorted(others, key=lambda claim: -claim.priority)

    def _may_leave(self, session: AgentSession) -> bool:
        if session.state is AgentState.PAUSED:
            return True
        if session.state is not AgentState.READY:
            return False
        home = session.campaign_id
        return home is None or home not in self._claims or self._spare(home) > 0

    def _spare(self, campaign_id: CampaignId) -> int:
        return len(self._idle(campaign_id)) - self._calls.without_agent(campaign_id)

    def _idle(self, campaign_id: CampaignId) -> list[AgentSession]:
        return [s for s in self._desk.sessions(campaign_id) if s.state is AgentState.READY]


def _member(session: AgentSession) -> Member:
    return Member(
        agent_id=session.agent_id,
        team=session.team,
        home=session.campaign_id,
        busy=session.state in _BUSY,
    )
