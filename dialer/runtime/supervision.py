"""Supervisors on calls: they listen, whisper to the agent, or barge in, over a leg of their own.

Each of it stands in the audit before a supervisor's telephone rings. A supervisor supervises one
call at a time; it ends with the call, with their telephone, or when they say so.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec
import structlog

from dialer.core.call import Call, CallState
from dialer.core.desk_messages import Supervised, SupervisionMode
from dialer.core.records import to_ms
from dialer.runtime.calls import Calls
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.ids import new_id
from telephony_adapters.errors import NotOffered, TelephonyError
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    CallId,
    CallJoined,
    LegId,
    LegRole,
)
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()


ROLES: Final = {
    SupervisionMode.LISTEN: LegRole.LISTEN,
    SupervisionMode.WHISPER: LegRole.WHISPER,
    SupervisionMode.BARGE: LegRole.TALK,
}


class SupervisionState(StrEnum):
    RINGING = "ringing"
    """The supervisor's telephone rings."""
    JOINING = "joining"
    ACTIVE = "active"


class SupervisionView(msgspec.Struct, frozen=True, kw_only=True):
    """What a supervisor is doing."""

    supervisor_id: str
    call_id: str
    agent_id: str
    mode: SupervisionMode
    state: SupervisionState
    since: datetime


class LiveConversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in hand, without a word about the person."""

    call_id: str
    campaign_id: str
    agent_id: str
    agent_name: str
    state: CallState
    since: datetime
    supervised_by: tuple[str, ...] = ()


class NobodyTalks(Exception):
    """The agent has no conversation that can be supervised."""


class NotSupervising(Exception):
    """The supervisor is on no call."""


class _Supervision(msgspec.Struct):
    view: SupervisionView
    leg_id: LegId


class Supervision:
    """All supervisors of this worker."""

    def __init__(
        self,
        *,
        clock: Clock,
        adapter: TelephonyAdapter,
        calls: Calls,
        desk: Desk,
        ledger: Ledger,
        tell_agents: bool,
    ) -> None:
        self._clock = clock
        self._adapter = adapter
        self._calls = calls
        self._desk = desk
        self._ledger = ledger
        self._tell_agents = tell_agents
        self._by_supervisor: dict[str, _Supervision] = {}
        self._tasks = TaskSet("supervision")

    # --- what supervisors want ---------------------------------------------------------------

    def conversations(self) -> list[LiveConversation]:
        """Conversations of this worker that can be supervised."""
        found = []
        for call in self._calls.live():
            seat = self._desk.seat(call.agent_id or "")
            if not call.state.is_conversation or seat is None:
                continue
            watching = [
                s.view.supervisor_id
                for s in self._by_supervisor.values()
                if s.view.call_id == call.call_id
            ]
            found.append(
                LiveConversation(
                    call_id=call.call_id,
                    campaign_id=call.campaign_id,
                    agent_id=seat.session.agent_id,
                    agent_name=seat.session.name,
                    state=call.state,
                    since=call.bridged_at or call.planned_at,
                    supervised_by=tuple(watching),
                )
            )
        return sorted(found, key=lambda c: (c.agent_name, c.call_id))

    def view(self, supervisor_id: str) -> SupervisionView | None:
        found = self._by_supervisor.get(supervisor_id)
        return found.view if found is not None else None

    async def start(
        self, *, supervisor_id: str, username: str, agent_id: str, mode: SupervisionMode
    ) -> SupervisionView:
        """Ring the supervisor's telephone and join the agent's call.

        Whoever supervises another call already leaves it. Raises `NobodyTalks`, `NotOffered`,
        `TelephonyError`, `LedgerUnavailable`.
        """
        if not self._adapter.facts.control:
            raise NotOffered("this telephone system cannot join calls")
        call = self._call_of(agent_id)
        if supervisor_id in self._by_supervisor:
            await self.stop(supervisor_id)
        await self._audit(supervisor_id, f"call.{mode}", call.call_id, agent_id)
        view = SupervisionView(
            supervisor_id=supervisor_id,
            call_id=call.call_id,
            agent_id=agent_id,
            mode=mode,
            state=SupervisionState.RINGING,
            since=self._clock.now(),
        )
        leg_id = LegId(f"sup-{new_id()}")
        self._by_supervisor[supervisor_id] = _Supervision(view, leg_id)
        try:
            await self._adapter.open_agent_leg(leg_id, f"agent:{username}")
        except TelephonyError:
            self._by_supervisor.pop(supervisor_id, None)
            raise
        self._tell(view, mode)
        return view

    async def change(self, supervisor_id: str, mode: SupervisionMode) -> SupervisionView:
        """Another mode on the same call. Raises `NotSupervising`, and what `start` raises."""
        found = self._by_supervisor.get(supervisor_id)
        if found is None:
            raise NotSupervising
        view = found.view
        await self._audit(supervisor_id, f"call.{mode}", view.call_id, view.agent_id)
        found.view = msgspec.structs.replace(view, mode=mode)
        if view.state is not SupervisionState.RINGING:
            await self._adapter.join(CallId(view.call_id), found.leg_id, ROLES[mode])
        self._tell(found.view, mode)
        return found.view

    async def stop(self, supervisor_id: str) -> None:
        """Leave the call. Raises `NotSupervising`."""
        found = self._by_supervisor.pop(supervisor_id, None)
        if found is None:
            raise NotSupervising
        await self._end(found)

    # --- what happens meanwhile --------------------------------------------------------------

    def leg_changed(self, event: AgentLegUp | AgentLegDown) -> None:
        """The carrier tells of a leg; a supervisor's is picked up, or hung up."""
        for supervisor_id, found in list(self._by_supervisor.items()):
            if found.leg_id != event.leg_id:
                continue
            if isinstance(event, AgentLegUp):
                self._join(found)
            else:
                del self._by_supervisor[supervisor_id]
                self._tasks.start(f"left:{event.leg_id}", self._end(found, closed=True))

    def joined(self, event: CallJoined) -> None:
        """The carrier confirms a supervisor's part."""
        for found in self._by_supervisor.values():
            if found.leg_id == event.leg_id:
                found.view = msgspec.structs.replace(found.view, state=SupervisionState.ACTIVE)

    def call_moved(self, before: Call | None, after: Call) -> None:
        """A hold or a transfer ends every further leg's part: a supervisor joins again."""
        came_back = (
            before is not None
            and after.state is CallState.BRIDGED
            and before.state not in (CallState.BRIDGED, CallState.CONFERENCE)
        )
        if not came_back:
            return
        for found in self._by_supervisor.values():
            if found.view.call_id != after.call_id:
                continue
            if found.view.state is not SupervisionState.RINGING:
                self._join(found)

    def call_finished(self, call: Call) -> None:
        for supervisor_id, found in list(self._by_supervisor.items()):
            if found.view.call_id == call.call_id:
                del self._by_supervisor[supervisor_id]
                self._tasks.start(f"over:{found.leg_id}", self._end(found))

    # --- inside ------------------------------------------------------------------------------

    def _call_of(self, agent_id: str) -> Call:
        for call in self._calls.live():
            if call.agent_id == agent_id and call.state.is_conversation:
                return call
        raise NobodyTalks

    def _join(self, found: _Supervision) -> None:
        found.view = msgspec.structs.replace(found.view, state=SupervisionState.JOINING)
        self._tasks.start(f"join:{found.leg_id}", self._ask_to_join(found))

    async def _ask_to_join(self, found: _Supervision) -> None:
        view = found.view
        try:
            await self._adapter.join(CallId(view.call_id), found.leg_id, ROLES[view.mode])
        except TelephonyError as error:
            # On hold, or on its way to a colleague: joined when the conversation goes on.
            log.info("supervisor_waits", call=view.call_id, error=str(error))

    async def _end(self, found: _Supervision, *, closed: bool = False) -> None:
        view = found.view
        if not closed:
            try:
                await self._adapter.close_agent_leg(found.leg_id)
            except TelephonyError as error:
                log.debug("supervisor_leg_not_closed", leg=found.leg_id, error=str(error))
        self._tell(view, None)
        await self._audit(view.supervisor_id, "call.supervision_end", view.call_id, view.agent_id)

    def _tell(self, view: SupervisionView, mode: SupervisionMode | None) -> None:
        seat = self._desk.seat(view.agent_id)
        if self._tell_agents and seat is not None:
            seat.say(Supervised(call_id=view.call_id, mode=mode))

    async def _audit(self, supervisor_id: str, action: str, call_id: str, agent_id: str) -> None:
        async with self._ledger.write() as conn:
            await record_audit(
                conn,
                at_ms=to_ms(self._clock.now()),
                actor=supervisor_id,
                action=action,
                target=call_id,
                detail={"agent": agent_id},
            )

    async def close(self) -> None:
        for supervisor_id in list(self._by_supervisor):
            await self.stop(supervisor_id)
        await self._tasks.cancel()
