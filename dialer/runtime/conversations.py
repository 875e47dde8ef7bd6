"""Conversations in hand: what agents want of them, and what the pure machine asks for.

An agent holds, consults, brings in a third party, or gives the call away. Whoever has the person
last owns the wrap-up and the disposition; an agent who gave the call to a colleague is free at
once, and one who gave it to somebody outside wraps up while the person still speaks. Somebody
outside is reached at endpoints of the configuration only, and the system tells them nothing.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Literal

import msgspec
import structlog

from compliance.types import CampaignId, DecisionId
from dialer.core.agent import AgentSession, AgentState
from dialer.core.call import Call, CallState, Party, PartyKind, PartyWish
from dialer.core.conversation import (
    BridgeFailed,
    CompleteWanted,
    Consult,
    ConversationCommand,
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
)
from dialer.core.desk_messages import (
    BackToCall,
    CallChanged,
    ColleagueView,
    CompleteTransfer,
    ConversationMessage,
    DropParty,
    HandedOn,
    JoinParty,
    LeaveConsult,
    ListTargets,
    SendDigits,
    Target,
    TargetKind,
    Targets,
    Transfer,
)
from dialer.core.desk_messages import Consult as ConsultMessage
from dialer.core.desk_messages import Hold as HoldMessage
from dialer.core.records import ConversationShared, to_ms
from dialer.core.writes import SaveNote
from dialer.runtime.calls import Calls
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.outcomes import Outcomes
from dialer.runtime.recorder import Job, Recorder
from dialer.runtime.refusals import (
    NO_AGENT_FREE,
    NO_SUCH_AGENT,
    NO_SUCH_CALL,
    NO_SUCH_DESTINATION,
    NOT_OFFERED,
    PARTY_LOST,
    TELEPHONY_FAILED,
    CannotDo,
    not_now,
)
from dialer.runtime.screens import Handover, Screens, party_view
from dialer.runtime.seats import Seat
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.streams import NewEvent
from telephony_adapters.errors import TelephonyError
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    CallId,
    ConsultStarted,
    LegId,
    LegRole,
)
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()

PARTY_RING_S = 30.0
"""How long somebody outside may ring."""
MOVE_LIMIT_S = 10.0
"""Longest that a carrier may take to move a call; then it goes back to its agent."""
DIGITS = re.compile(r"[0-9*#]{1,32}")

WISHES: Mapping[type[ConversationMessage], tuple[ConversationInput, frozenset[CallState]]] = {
    HoldMessage: (HoldWanted(), frozenset({CallState.BRIDGED})),
    BackToCall: (
        ResumeWanted(),
        frozenset({CallState.BRIDGED, CallState.HELD, CallState.CONSULTING}),
    ),
    CompleteTransfer: (
        CompleteWanted(),
        frozenset({CallState.CONSULTING, CallState.CONFERENCE}),
    ),
    JoinParty: (JoinWanted(), frozenset({CallState.CONSULTING})),
    DropParty: (PartWanted(), frozenset({CallState.CONFERENCE})),
}
"""What a client's message means to the machine, and in which states of the call."""


class Conversations:
    """One for all conversations of this worker."""

    def __init__(
        self,
        *,
        clock: Clock,
        adapter: TelephonyAdapter,
        calls: Calls,
        desk: Desk,
        outcomes: Outcomes,
        recorder: Recorder,
        screens: Screens,
        destinations: Mapping[str, str],
        wrap_up_limit_of: Callable[[CampaignId | None], int],
    ) -> None:
        self._clock = clock
        self._adapter = adapter
        self._calls = calls
        self._desk = desk
        self._outcomes = outcomes
        self._recorder = recorder
        self._screens = screens
        self._destinations = destinations
        self._wrap_up_limit_of = wrap_up_limit_of
        self._tasks = TaskSet("conversations")

    # --- what agents want --------------------------------------------------------------------

    async def handle(self, seat: Seat, message: ConversationMessage) -> None:
        """Raises `CannotDo`."""
        if isinstance(message, ListTargets):
            seat.say(self._targets(seat.session))
            return
        if isinstance(message, LeaveConsult):
            self._leave_consult(seat.session, message)
            return
        call = self._own_call(seat.session, message.call_id)
        if isinstance(message, SendDigits):
            await self._send_digits(call, message)
            return
        if not self._adapter.facts.control:
            raise CannotDo(*NOT_OFFERED)
        if isinstance(message, Transfer | ConsultMessage):
            await self._call_party(seat.session, call, message)
            return
        wish, states = WISHES[type(message)]
        if call.state not in states:
            raise not_now(call.state)
        self._calls.feed(call.call_id, wish)

    def _own_call(self, session: AgentSession, call_id: str) -> Call:
        call = self._calls.get(call_id)
        if call is None or session.call_id != call_id or call.agent_id != session.agent_id:
            raise CannotDo(*NO_SUCH_CALL)
        if session.state is not AgentState.ON_CALL:
            raise CannotDo(*NO_SUCH_CALL)
        return call

    def _targets(self, own: AgentSession) -> Targets:
        others = [s for s in self._desk.sessions() if s.agent_id != own.agent_id]
        return Targets(
            agents=tuple(
                ColleagueView(
                    agent_id=s.agent_id, name=s.name, free=s.state is AgentState.READY, team=s.team
                )
                for s in sorted(others, key=lambda s: s.name)
            ),
            destinations=tuple(sorted(self._destinations)),
        )

    def _leave_consult(self, session: AgentSession, message: LeaveConsult) -> None:
        if session.state is not AgentState.CONSULTED or session.call_id != message.call_id:
            raise CannotDo(*NO_SUCH_CALL)
        self._calls.feed(CallId(message.call_id), PartyGone(session.leg_id))

    async def _send_digits(self, call: Call, message: SendDigits) -> None:
        if not self._adapter.facts.dtmf_out:
            raise CannotDo(*NOT_OFFERED)
        if call.state not in (CallState.BRIDGED, CallState.CONFERENCE):
            raise not_now(call.state)
        if not DIGITS.fullmatch(message.digits):
            raise CannotDo(
                "bad_digits",
                "Las teclas son de 1 a 32: 0-9, * y #.",
                "Keys are 1 to 32 of 0-9, * and #.",
            )
        await self._adapter.send_dtmf(call.call_id, message.digits)

    # --- other parties -----------------------------------------------------------------------

    async def _call_party(
        self, session: AgentSession, call: Call, message: Transfer | ConsultMessage
    ) -> None:
        if call.state not in (CallState.BRIDGED, CallState.HELD) or call.party is not None:
            raise not_now(call.state)
        wish = PartyWish.MOVE if isinstance(message, Transfer) else PartyWish.CONSULT
        party = await self._reserve(session, call, message.to, wish)
        self._screens.handovers[call.call_id] = Handover(session.name, message.note)
        self._calls.feed(call.call_id, PartyCalled(party))
        after = self._calls.get(call.call_id)
        if after is None or after.party is None or after.party.leg_id != party.leg_id:
            return  # the person is gone, and the screen says so
        if party.kind is PartyKind.EXTERNAL:
            self._clock.call_later(PARTY_RING_S, partial(self._rang_out, call.call_id, party))
            await self._ring(call.call_id, party, self._destinations[party.name])

    async def _reserve(
        self, session: AgentSession, call: Call, to: Target, wish: PartyWish
    ) -> Party:
        """A free colleague, held for this call, or a leg that is still to be opened."""
        if to.kind is TargetKind.DESTINATION:
            if to.name not in self._destinations:
                raise CannotDo(*NO_SUCH_DESTINATION)
            leg_id = LegId(f"out-{new_id()}")
            return Party(kind=PartyKind.EXTERNAL, leg_id=leg_id, name=to.name, wish=wish)
        if to.kind is TargetKind.TEAM:
            found = await self._of_team(call, to.name)
        else:
            found = await self._desk.take_own(self._colleague(session, to.name), call.call_id)
        if found is None:
            raise CannotDo(*NO_AGENT_FREE)
        return Party(
            kind=PartyKind.AGENT,
            leg_id=found.leg_id,
            name=found.name,
            wish=wish,
            agent_id=found.agent_id,
            ready=True,
        )

    async def _of_team(self, call: Call, team: str) -> AgentSession | None:
        """The longest ready of a team, or of the call's campaign."""
        if not team:
            return await self._desk.take(call.campaign_id, call.call_id)
        ready = [s for s in self._desk.sessions() if s.state is AgentState.READY]
        for session in sorted(ready, key=lambda s: s.since):
            if session.team == team.strip().casefold():
                found = await self._desk.take_own(session.agent_id, call.call_id)
                if found is not None:
                    return found
        return None

    def _colleague(self, own: AgentSession, name: str) -> str:
        """The id of one colleague by id or shown name. Raises `CannotDo`."""
        wanted = name.strip().casefold()
        found = [
            s.agent_id
            for s in self._desk.sessions()
            if s.agent_id != own.agent_id and wanted in (s.agent_id.casefold(), s.name.casefold())
        ]
        if len(found) != 1:
            raise CannotDo(*NO_SUCH_AGENT)
        return found[0]

    async def _ring(self, call_id: CallId, party: Party, endpoint: str) -> None:
        try:
            await self._adapter.open_agent_leg(party.leg_id, endpoint)
        except TelephonyError as error:
            log.warning("party_not_called", call=call_id, to=party.name, error=str(error))
            self._calls.feed(call_id, PartyGone(party.leg_id))

    def _rang_out(self, call_id: CallId, party: Party) -> None:
        call = self._calls.get(call_id)
        if call is None or call.party is None or call.party.leg_id != party.leg_id:
            return
        if not call.party.ready:
            self._calls.feed(call_id, PartyGone(party.leg_id))

    def leg_changed(self, event: AgentLegUp | AgentLegDown | ConsultStarted) -> None:
        """The carrier tells of a leg: an agent's, or one outside."""
        legs = {event.leg_id}
        if isinstance(event, ConsultStarted):
            legs.add(event.other_leg_id)
        for call in self._calls.live():
            party = call.party
            if party is not None and party.leg_id in legs:
                self._calls.feed(call.call_id, _of_party(event, party.leg_id))
            elif call.leg_id == event.leg_id and isinstance(event, AgentLegDown):
                self._calls.feed(call.call_id, OwnLegLost())

    # --- what the machine asks for -----------------------------------------------------------

    def carry_out(self, call: Call, command: ConversationCommand) -> None:
        """Do what a step of the machine asks for, without waiting."""
        call_id = call.call_id
        match command:
            case Hold():
                self._ask(call, "hold", self._adapter.hold(call_id))
            case Consult():
                consulting = self._adapter.consult(command.leg_id, command.other_leg_id)
                self._ask(call, "consult", consulting)
            case Join():
                joining = self._adapter.join(call_id, command.leg_id, LegRole.TALK)
                self._ask(call, "join", joining)
            case Part():
                self._ask(call, "part", self._adapter.part(call_id, command.leg_id))
            case ReleaseParty():
                self._tasks.start(f"release:{call_id}", self._release(command.party))
            case PartyLost():
                self._refuse(call, PARTY_LOST)
            case Moved():
                self._tasks.start(f"moved:{call_id}", self._moved(call, command))
            case Shared():
                self._record(call, "joined", call.agent_id or "", command.party)

    def _ask(self, call: Call, what: str, asking: Awaitable[None]) -> None:
        self._tasks.start(f"{what}:{call.call_id}", self._asked(call, what, asking))

    async def _asked(self, call: Call, what: str, asking: Awaitable[None]) -> None:
        try:
            await asking
        except TelephonyError as error:
            log.warning("conversation_refused", call=call.call_id, what=what, error=str(error))
            if call.party is None:
                self._refuse(call, TELEPHONY_FAILED)
            self._calls.feed(call.call_id, BridgeFailed())

    async def _release(self, party: Party) -> None:
        if party.agent_id is not None:
            await self._desk.release(party.agent_id)
            return
        try:
            await self._adapter.close_agent_leg(party.leg_id)
        except TelephonyError as error:
            log.debug("party_not_hung_up", leg=party.leg_id, error=str(error))

    async def _moved(self, call: Call, command: Moved) -> None:
        party, agent_id = command.party, command.agent_id
        self._record(call, "transferred", agent_id, party)
        view = party_view(party)
        if view is None:
            return
        if party.kind is PartyKind.AGENT:
            await self._desk.handed_on(agent_id, call.call_id, view)
            return
        limit_s = self._wrap_up_limit_of(call.campaign_id)
        seat = self._desk.seat(agent_id)
        if seat is not None:
            seat.say(HandedOn(call_id=call.call_id, to=view, wrap_up_limit_s=limit_s))
        self._desk.call_over(agent_id, call.call_id, limit_s)

    def _refuse(self, call: Call, reason: tuple[str, str, str]) -> None:
        seat = self._desk.seat(call.agent_id or "")
        if seat is not None:
            seat.say(CannotDo(*reason).refusal)

    # --- telling -----------------------------------------------------------------------------

    def call_moved(self, before: Call | None, after: Call) -> None:
        """Bring agents' screens up to date."""
        if before is None or not (before.state.is_conversation and after.state.is_conversation):
            return
        if after.state is CallState.MOVING and before.state is not CallState.MOVING:
            self._clock.call_later(MOVE_LIMIT_S, partial(self._not_moved, after))
        party = after.party
        if after.state is CallState.CONSULTING and party is not None and party.agent_id:
            self._tasks.start(f"consulted:{after.call_id}", self._show_to(after, party.agent_id))
        if before.agent_id == after.agent_id and after.agent_id is not None:
            self._tell(after, after.agent_id)

    def _not_moved(self, call: Call) -> None:
        now = self._calls.get(call.call_id)
        if now is not None and now.state is CallState.MOVING and now.party == call.party:
            self._calls.feed(call.call_id, BridgeFailed())

    async def _show_to(self, call: Call, agent_id: str) -> None:
        live = self._outcomes.contacts.get(call.call_id)
        if live is not None:
            self._desk.consulted(agent_id, await self._screens.view(call, live))

    def _tell(self, call: Call, agent_id: str) -> None:
        seat = self._desk.seat(agent_id)
        if seat is None or seat.call is None or seat.call.call_id != call.call_id:
            return
        party = party_view(call.party)
        if (seat.call.state, seat.call.party) == (call.state, party):
            return
        seat.call = msgspec.structs.replace(
            seat.call, state=call.state, held_at=call.held_at, party=party
        )
        seat.say(
            CallChanged(call_id=call.call_id, state=call.state, held_at=call.held_at, party=party)
        )

    # --- recording ---------------------------------------------------------------------------

    def _record(
        self, call: Call, step: Literal["transferred", "joined"], by: str, party: Party
    ) -> None:
        live = self._outcomes.contacts.get(call.call_id)
        if live is None:
            return
        body = ConversationShared(
            attempt_id=DecisionId(call.call_id),
            step=step,
            by=by,
            agent_id=party.agent_id,
            destination=party.name if party.kind is PartyKind.EXTERNAL else None,
            verified=live.verified,
        )
        at_ms = to_ms(self._clock.now())
        handover = self._screens.handovers.get(call.call_id)
        note: tuple[SaveNote, ...] = ()
        if step == "transferred" and handover is not None and handover.note:
            note = (
                SaveNote(
                    note_id=new_id(),
                    person_id=live.contact.person_id,
                    account_id=live.contact.account_id,
                    text=handover.note,
                    author=by,
                    at_ms=at_ms,
                ),
            )
        event = NewEvent(person_id=live.contact.person_id, at_ms=at_ms, body=body, writes=note)
        self._recorder.submit(Job((event,)))

    async def close(self) -> None:
        await self._tasks.cancel()


def _of_party(
    event: AgentLegUp | AgentLegDown | ConsultStarted, leg_id: LegId
) -> ConversationInput:
    if isinstance(event, AgentLegUp):
        return PartyReady(leg_id)
    if isinstance(event, AgentLegDown):
        return PartyGone(leg_id)
    return event
