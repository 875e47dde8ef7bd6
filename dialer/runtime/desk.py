"""The agents' desk: sessions, presence, and the longest-idle rule.

A session outlives its WebSocket: a client that reconnects within the presence time gets what it
missed. Redis keeps who is idle (one atomic take), the sessions here are what this worker serves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec
import structlog

from compliance.types import CampaignId
from dialer.core import agent as agent_core
from dialer.core.agent import AgentSession, AgentState, AgentStep, PauseReason
from dialer.core.desk_messages import (
    AgentChanged,
    CallConnected,
    CallOver,
    CallView,
    Consulted,
    ConsultOver,
    Disposed,
    HandedOn,
    PartyView,
    PreviewEnd,
    PreviewOffered,
    PreviewOver,
    PreviewView,
    Snapshot,
)
from dialer.runtime.clock import Clock
from dialer.runtime.seats import TAKEN, TALKING_OR_AFTER, DeskObserver, Guide, Outbox, Seat, Stay
from dialer.stores.redis.errors import RedisUnavailable
from dialer.stores.redis.presence import AgentPool
from telephony_adapters.messages import CallId, LegId

log = structlog.get_logger()


class Desk:
    """All agents of this worker."""

    def __init__(
        self, *, clock: Clock, pools: Callable[[CampaignId], AgentPool], presence_s: int
    ) -> None:
        self._clock = clock
        self._pool_of = pools
        self._presence_s = presence_s
        self._seats: dict[str, Seat] = {}
        self._observer: DeskObserver | None = None
        self.guide: Guide = Stay()
        self.campaign_names: Mapping[CampaignId, str] = {}
        self.on_left: Callable[[LegId], None] | None = None
        """Told of the audio leg of an agent who leaves after the last call."""

    def observe(self, observer: DeskObserver) -> None:
        self._observer = observer

    # --- sessions ----------------------------------------------------------------------------

    def seat(self, agent_id: str) -> Seat | None:
        return self._seats.get(agent_id)

    def sessions(self, campaign_id: CampaignId | None = None) -> list[AgentSession]:
        return [
            seat.session
            for seat in self._seats.values()
            if campaign_id is None or seat.session.campaign_id == campaign_id
        ]

    def join(
        self, *, agent_id: str, session_id: str, name: str, language: str, team: str = ""
    ) -> Seat:
        """Sit an agent down (or find the seat again), paused until ready is said."""
        seat = self._seats.get(agent_id)
        if seat is None:
            session = AgentSession(
                agent_id=agent_id,
                session_id=session_id,
                name=name,
                language=language,
                team=team,
                leg_id=LegId(f"leg-{session_id}"),
                campaign_id=None,
                since=self._clock.now(),
            )
            seat = self._seats[agent_id] = Seat(session)
            self._tell(None, session)
        return seat

    def connect(self, agent_id: str, outbox: Outbox, last_seq: int) -> None:
        """Attach a WebSocket; replay what was missed, or send a snapshot."""
        seat = self._seats[agent_id]
        seat.outbox = None
        seat.last_seen_s = time.monotonic()
        missed = [m for m in seat.replay if m.seq > last_seq]
        seat.outbox = outbox
        whole = last_seq > 0 and len(missed) == seat.seq - last_seq
        if not whole:
            seat.say(self.snapshot(seat))
            return
        for message in missed:
            outbox(message)

    def disconnect(self, agent_id: str, outbox: Outbox) -> None:
        seat = self._seats.get(agent_id)
        if seat is not None and seat.outbox is outbox:
            seat.outbox = None

    def snapshot(self, seat: Seat) -> Snapshot:
        session = seat.session
        return Snapshot(
            agent_id=session.agent_id,
            name=session.name,
            state=session.state,
            since=session.since,
            campaign=self.campaign_name(session.campaign_id),
            pause_reason=session.pause_reason,
            pause_wanted=session.pause_wanted,
            call=seat.call,
            preview=seat.preview,
            server_time=self._clock.now(),
            presence_s=self._presence_s,
        )

    async def heartbeat(self, agent_id: str) -> None:
        seat = self._seats.get(agent_id)
        if seat is None:
            return
        seat.last_seen_s = time.monotonic()
        if seat.session.campaign_id is not None:
            await self._quietly_renew(seat.session)

    def has_idle(self, campaign_id: CampaignId) -> bool:
        """Whether some agent of the campaign could be taken now."""
        sessions = self.sessions(campaign_id)
        return any(session.state is AgentState.READY for session in sessions)

    # --- what agents want --------------------------------------------------------------------

    async def ready(self, agent_id: str) -> None:
        """Raises `ImpossibleStep`."""
        seat = self._seats[agent_id]
        self._move(seat, AgentStep.READY)
        await self._became_idle(seat)

    async def pause(self, agent_id: str, reason: PauseReason) -> None:
        """Raises `ImpossibleStep`; while busy the wish is kept until the wrap-up is over."""
        seat = self._seats[agent_id]
        was_ready = seat.session.state is AgentState.READY
        self._move(seat, AgentStep.PAUSE, reason=reason)
        if was_ready:
            await self._leave_pool(seat.session)

    async def pause_for_leg(self, agent_id: str) -> None:
        """The agent's telephone is gone: pause now, or after the call in hand."""
        seat = self._seats.get(agent_id)
        if seat is not None and seat.session.state is not AgentState.OFFLINE:
            await self.pause(agent_id, PauseReason.TECHNICAL)

    async def logout(self, agent_id: str) -> LegId | None:
        """End the session now, or after the call; gives the leg to close when it ended."""
        seat = self._seats[agent_id]
        self._move(seat, AgentStep.LOGOUT)
        if seat.session.state is not AgentState.OFFLINE:
            return None
        await self._leave_pool(seat.session)
        del self._seats[agent_id]
        return seat.session.leg_id

    # --- calls -------------------------------------------------------------------------------

    async def take(self, campaign_id: CampaignId, call_id: CallId) -> AgentSession | None:
        """Reserve the longest-idle agent of the campaign for a call, or None."""
        while True:
            agent_id = await self._take_id(campaign_id)
            if agent_id is None:
                return None
            seat = self._seats.get(agent_id)
            if seat is not None and seat.session.state is AgentState.READY:
                self._move(seat, AgentStep.RESERVE, call_id=call_id)
                return seat.session

    async def borrow(self, campaign_id: CampaignId, call_id: CallId) -> AgentSession | None:
        """Reserve an agent whom another campaign of the team can spare, or None."""
        for lender in self.guide.lenders(campaign_id):
            seat = self._seats.get(lender.agent_id)
            if seat is None or seat.session.state is not AgentState.READY:
                continue
            if await self._claim_for(seat, campaign_id, call_id):
                return seat.session
        return None

    async def _claim_for(self, seat: Seat, campaign_id: CampaignId, call_id: CallId) -> bool:
        """False when a call of the agent's own campaign took them meanwhile."""
        await self._leave_pool(seat.session)
        if seat.session.state is not AgentState.READY:
            return False
        self._set_home(seat, campaign_id)
        self._move(seat, AgentStep.RESERVE, call_id=call_id)
        seat.say(self.snapshot(seat))
        return True

    async def take_own(self, agent_id: str, call_id: CallId) -> AgentSession | None:
        """Reserve one particular agent, if idle."""
        seat = self._seats.get(agent_id)
        if seat is None or seat.session.state is not AgentState.READY:
            return None
        self._move(seat, AgentStep.RESERVE, call_id=call_id)
        await self._leave_pool(seat.session)
        return seat.session

    async def release(self, agent_id: str) -> None:
        """The reservation is not needed: the agent waits on, as if never taken."""
        seat = self._seats.get(agent_id)
        if seat is None or seat.session.state not in TAKEN:
            return
        helped, seat.call = seat.call, None
        self._move(seat, AgentStep.RELEASE)
        if helped is not None:
            seat.say(ConsultOver(call_id=helped.call_id))
        await self._free(seat)

    def offered(self, agent_id: str, view: PreviewView) -> None:
        """An agent who was reserved looks at an account before it is called."""
        seat = self._seats.get(agent_id)
        if seat is None or seat.session.call_id != view.offer_id:
            return
        seat.preview = view
        seat.say(PreviewOffered(preview=view))

    async def offer_over(self, agent_id: str, offer_id: str, why: PreviewEnd) -> None:
        """It comes to no call: the agent is free for the next one."""
        seat = self._seats.get(agent_id)
        if seat is None or seat.session.state is not AgentState.RESERVED:
            return
        if seat.session.call_id == offer_id:
            seat.preview = None
            seat.say(PreviewOver(offer_id=offer_id, why=why))
            await self.release(agent_id)

    def dials(self, agent_id: str, offer_id: str, call_id: CallId) -> AgentSession | None:
        """The agent who looked at an account is held for the call to it; None: not there now."""
        seat = self._seats.get(agent_id)
        if seat is None or seat.session.state is not AgentState.RESERVED:
            return None
        if seat.session.call_id != offer_id:
            return None
        seat.preview = None
        seat.session = msgspec.structs.replace(seat.session, call_id=call_id)
        return seat.session

    def connected(self, agent_id: str, view: CallView) -> None:
        seat = self._seats.get(agent_id)
        if seat is None or seat.session.state not in TAKEN:
            return
        seat.call = view
        self._move(seat, AgentStep.CONNECT)
        seat.say(CallConnected(call=view))

    def consulted(self, agent_id: str, view: CallView) -> None:
        """A colleague speaks with this agent about the call."""
        seat = self._seats.get(agent_id)
        if seat is None or seat.session.state is not AgentState.RESERVED:
            return
        seat.call = view
        self._move(seat, AgentStep.CONSULT)
        seat.say(Consulted(call=view))

    async def handed_on(self, agent_id: str, call_id: CallId, to: PartyView) -> None:
        """The call has another agent: this one is free."""
        seat = self._seats.get(agent_id)
        if seat is None or seat.session.call_id != call_id:
            return
        if seat.session.state is not AgentState.ON_CALL:
            return
        seat.call = None
        self._move(seat, AgentStep.HANDED_ON)
        seat.say(HandedOn(call_id=call_id, to=to))
        await self._free(seat)

    def update_call(self, agent_id: str, view: CallView) -> None:
        seat = self._seats.get(agent_id)
        if seat is not None:
            seat.call = view

    def call_over(self, agent_id: str, call_id: CallId, wrap_up_limit_s: int) -> None:
        """The person is gone: the agent wraps up."""
        seat = self._seats.get(agent_id)
        if seat is None or seat.session.call_id != call_id:
            return
        if seat.session.state is not AgentState.ON_CALL:
            return
        now = self._clock.now()
        if seat.call is not None:
            seat.call = msgspec.structs.replace(seat.call, ended_at=now)
        self._move(seat, AgentStep.CALL_ENDED)
        seat.say(CallOver(call_id=call_id, ended_at=now, wrap_up_limit_s=wrap_up_limit_s))

    async def disposed(self, agent_id: str, call_id: str, code: str, by: str) -> None:
        """The outcome is durable: the wrap-up ends."""
        seat = self._seats.get(agent_id)
        if seat is None or seat.session.wrap_up_call_id != call_id:
            return
        seat.call = None
        self._move(seat, AgentStep.DISPOSED)
        seat.say(Disposed(call_id=call_id, code=code, by=by))
        await self._free(seat)

    async def _free(self, seat: Seat) -> None:
        """The agent has no call any more: goes, if that was asked for, or waits for the next."""
        if seat.session.logout_wanted:
            leg_id = await self.logout(seat.session.agent_id)
            if leg_id is not None and self.on_left is not None:
                self.on_left(leg_id)
        elif seat.session.state is AgentState.READY:
            self._set_home(seat, self.guide.home_of(seat.session))
            await self._became_idle(seat)

    # --- upkeep ------------------------------------------------------------------------------

    async def move_home(self, agent_id: str, campaign_id: CampaignId | None) -> None:
        """Let an agent who is in no call work for another campaign from now on."""
        seat = self._seats.get(agent_id)
        if seat is None or seat.session.campaign_id == campaign_id:
            return
        if seat.session.state not in (AgentState.READY, AgentState.PAUSED):
            return
        await self._leave_pool(seat.session)
        self._set_home(seat, campaign_id)
        seat.say(self.snapshot(seat))
        await self._became_idle(seat)

    def _set_home(self, seat: Seat, campaign_id: CampaignId | None) -> None:
        before = seat.session
        if before.campaign_id == campaign_id:
            return
        seat.session = msgspec.structs.replace(before, campaign_id=campaign_id)
        self._tell(before, seat.session)

    async def lapse(self) -> list[str]:
        """Pause agents who have been silent too long; gives their ids."""
        limit_s = time.monotonic() - self._presence_s
        lapsed = []
        for agent_id, seat in list(self._seats.items()):
            if seat.last_seen_s > limit_s:
                continue
            if seat.session.state is AgentState.READY:
                await self.pause(agent_id, PauseReason.PRESENCE_LOST)
                lapsed.append(agent_id)
            elif seat.session.state in TALKING_OR_AFTER:
                self._move(seat, AgentStep.PAUSE, reason=PauseReason.PRESENCE_LOST)
        return lapsed

    def overdue_wrap_ups(
        self, limit_of: Callable[[CampaignId | None], int]
    ) -> Iterable[AgentSession]:
        now = self._clock.now()
        for session in self.sessions():
            waited_s = (now - session.since).total_seconds()
            limit_s = limit_of(session.campaign_id)
            if session.state is AgentState.WRAP_UP and waited_s > limit_s:
                yield session

    async def refill_pools(self) -> None:
        """Put every idle agent in line again, with the wait they already have.

        Heals a pool that Redis lost, and a reservation whose reply never came.
        """
        for seat in list(self._seats.values()):
            if seat.session.state is AgentState.READY:
                await self._became_idle(seat)

    # --- inside ------------------------------------------------------------------------------

    def _move(
        self,
        seat: Seat,
        how: AgentStep,
        *,
        call_id: CallId | None = None,
        reason: PauseReason | None = None,
    ) -> None:
        before = seat.session
        now = self._clock.now()
        seat.session = agent_core.step(before, how, now, call_id=call_id, reason=reason)
        if how in (AgentStep.READY, AgentStep.DISPOSED, AgentStep.HANDED_ON) or (
            before.state is AgentState.CONSULTED
        ):
            seat.idle_since = now
        self._tell(before, seat.session)
        after = seat.session
        seat.say(
            AgentChanged(
                state=after.state,
                since=after.since,
                pause_reason=after.pause_reason,
                pause_wanted=after.pause_wanted,
            )
        )

    def _tell(self, before: AgentSession | None, after: AgentSession) -> None:
        if self._observer is not None:
            self._observer.agent_changed(before, after)

    async def _became_idle(self, seat: Seat) -> None:
        """First serve a person who already waits; else join the pool, and look again."""
        session = seat.session
        if session.state is not AgentState.READY or session.campaign_id is None:
            return
        if self._serve_waiting(seat):
            return
        await self._enter_pool(session, seat.idle_since)
        if self._observer is None or seat.session.state is not AgentState.READY:
            return
        if self._serve_waiting(seat):
            await self._leave_pool(session)

    def _serve_waiting(self, seat: Seat) -> bool:
        if self._observer is None:
            return False
        for campaign_id in self.guide.may_help(seat.session):
            call_id = self._observer.next_waiting(campaign_id)
            if call_id is not None:
                if campaign_id != seat.session.campaign_id:
                    self._set_home(seat, campaign_id)
                self._move(seat, AgentStep.RESERVE, call_id=call_id)
                self._observer.assign_waiting(call_id, seat.session)
                return True
        return False

    def campaign_name(self, campaign_id: CampaignId | None) -> str | None:
        """Name of a campaign that runs; None: there is none of that id."""
        return None if campaign_id is None else self.campaign_names.get(campaign_id)

    # Redis may be away for a moment: the desk goes on with what it knows, and a sweep refills.

    async def _take_id(self, campaign_id: CampaignId) -> str | None:
        try:
            return await self._pool_of(campaign_id).take_longest_idle(_wall_ms())
        except RedisUnavailable:
            idle = [s for s in self.sessions(campaign_id) if s.state is AgentState.READY]
            return min(idle, key=lambda s: s.since).agent_id if idle else None

    async def _enter_pool(self, session: AgentSession, since: datetime) -> None:
        if session.campaign_id is None:
            return
        until_ms = _wall_ms() + self._presence_s * 1000
        since_ms = round(since.timestamp() * 1000)
        try:
            pool = self._pool_of(session.campaign_id)
            await pool.set_idle(session.agent_id, since_ms, until_ms)
        except RedisUnavailable:
            log.warning("presence_not_recorded", agent=session.agent_id)

    async def _leave_pool(self, session: AgentSession) -> None:
        if session.campaign_id is None:
            return
        try:
            await self._pool_of(session.campaign_id).remove(session.agent_id)
        except RedisUnavailable:
            log.warning("presence_not_removed", agent=session.agent_id)

    async def _quietly_renew(self, session: AgentSession) -> None:
        if session.campaign_id is None:
            return
        try:
            until_ms = _wall_ms() + self._presence_s * 1000
            await self._pool_of(session.campaign_id).renew(session.agent_id, until_ms)
        except RedisUnavailable:
            log.warning("presence_not_renewed", agent=session.agent_id)


def _wall_ms() -> int:
    """Presence is about real people at real desks: the wall's time, whatever the clock."""
    return round(time.time() * 1000)
