"""People who call us: whose call it may be, who takes it, and what becomes of it when nobody does.

A number prepares a screen, and proves nothing. Callers wait in a line of their own and get a free
agent before any call that we dialed; first the agent who last spoke with them, if free. Whoever
waits too long hears a short neutral message, if one is configured, and is called back as far as
the gate lets. Where the campaign has a flow for them, they hear that first, and come to the line
when it passes them on. The identity check comes first, as on every call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import msgspec
import structlog

from compliance.types import AccountId, CampaignId, ContactPointId, PersonId
from dialer.config import InboundConfig
from dialer.core.agent import AgentSession, AgentState
from dialer.core.call import Call, CallState
from dialer.core.deciding import CampaignContext
from dialer.core.desk_messages import (
    CallerIdentified,
    CallView,
    CodeView,
    Dispose,
    IdentifyCaller,
)
from dialer.core.flow_outcome import FlowWord
from dialer.core.inbound import (
    Candidate,
    MissedCall,
    by_number,
    by_reference,
    contact_of_call,
    flow_served,
    missed,
    received,
)
from dialer.core.masking import masked
from dialer.core.outcome import Contact, Place
from dialer.core.records import event_id, to_ms
from dialer.runtime.announcing import Announcer
from dialer.runtime.calls import Calls
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.outcomes import Outcomes
from dialer.runtime.pump import LiveContact
from dialer.runtime.recorder import Job, Recorder, placement
from dialer.runtime.refusals import NO_SUCH_CALL, CannotDo
from dialer.runtime.screens import Screens
from dialer.runtime.seats import Seat
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.callers import (
    agent_took,
    find_by_number,
    find_by_reference,
    last_agent,
)
from dialer.stores.ledger.database import LedgerUnavailable
from dialer.stores.ledger.ids import Ids
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.streams import Appended, NewEvent
from dialer.stores.redis.errors import RedisStoreError
from dialer.stores.redis.queue import CampaignQueue, Claim, Entry
from telephony_adapters.errors import TelephonyError, UnknownCall
from telephony_adapters.messages import CallId, InboundCall, PlaybackFinished
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()

FAREWELL_S = 20.0
"""Longest time for the message to whoever has waited too long."""
REFERENCE_TRIES = 3
"""References that a caller may name on one call."""
UNIDENTIFIED = "IN-NI"
"""What is said of a call whose caller nobody got to know; no disposition of a person."""
UNIDENTIFIED_CODE = CodeView(
    code=UNIDENTIFIED, name_es="Llamada entrante sin identificar", name_en="Caller not identified"
)


class InboundFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Calls to us, since this worker started."""

    waiting: int
    received: int
    identified: int
    """The number, or a reference, told whose account it is about."""
    connected: int
    in_flow: int
    """Callers who hear a flow now."""
    served: int
    """What the caller wanted a flow did, without an agent."""
    missed: int
    """Hung up on after the limit, or by a caller who had waited."""
    turned_away: int
    """Not answered: the line was full, or nobody works."""
    longest_wait_s: float


class Inbound:
    """All calls to this worker."""

    def __init__(
        self,
        *,
        config: InboundConfig,
        clock: Clock,
        adapter: TelephonyAdapter,
        announcer: Announcer,
        calls: Calls,
        desk: Desk,
        outcomes: Outcomes,
        screens: Screens,
        recorder: Recorder,
        reader: EventReader,
        queue_of: Callable[[CampaignId], CampaignQueue],
        lookback: timedelta,
    ) -> None:
        self._config = config
        self._clock = clock
        self._adapter = adapter
        self._announcer = announcer
        self._calls = calls
        self._desk = desk
        self._outcomes = outcomes
        self._screens = screens
        self._recorder = recorder
        self._reader = reader
        self._queue_of = queue_of
        self._lookback = lookback
        self._callers: dict[str, str | None] = {}
        """Numbers of calls in hand, by call."""
        self._tries: dict[str, int] = {}
        self._arriving: set[CallId] = set()
        """Calls that are being looked up, and are no calls of ours yet."""
        self._tasks = TaskSet("inbound")
        self._new_id = Ids()
        self.on_identified: Callable[[Call], None] | None = None
        """Told when a conversation under way has found its person."""
        self.running: Callable[[], Sequence[CampaignId]] = tuple
        """Campaigns that this worker drives now."""
        self.campaign_of: Callable[[CampaignId], CampaignContext | None] = lambda _: None
        """One of them."""
        self.language_of: Callable[[str], str | None] = lambda _: None
        """The language that a caller chose by key in the flow of a call."""
        self.received = self.identified = self.connected = self.missed = self.turned_away = 0
        self.served = 0

    def figures(self) -> InboundFigures:
        now = self._clock.now()
        waits = [
            (now - call.live_at).total_seconds()
            for call in self._calls.live()
            if call.inbound and call.state is CallState.WAITING and call.live_at is not None
        ]
        return InboundFigures(
            waiting=len(waits),
            received=self.received,
            identified=self.identified,
            connected=self.connected,
            in_flow=self._in_flow(),
            served=self.served,
            missed=self.missed,
            turned_away=self.turned_away,
            longest_wait_s=round(max(waits, default=0.0), 1),
        )

    # --- arriving ----------------------------------------------------------------------------

    def arrived(self, event: InboundCall) -> None:
        """Somebody calls. Does not wait."""
        self.received += 1
        self._arriving.add(event.call_id)
        self._tasks.start(f"inbound:{event.call_id}", self._arrive(event))

    def takes(self, call_id: CallId) -> bool:
        """Whether it has just come in."""
        return call_id in self._arriving

    async def _arrive(self, event: InboundCall) -> None:
        try:
            await self._take(event)
        finally:
            self._arriving.discard(event.call_id)

    async def _take(self, event: InboundCall) -> None:
        contact = await self._contact(event)
        campaign_id = contact.campaign_id if contact is not None else None
        campaign_id = campaign_id or self._campaign_called(event.called)
        flow = self._flow_of(campaign_id)
        if campaign_id is None or not self._has_room(flow):
            await self._turn_away(event, contact)
            return
        call = self._call(event, contact, campaign_id, flow)
        self._callers[call.call_id] = event.caller
        if contact is not None:
            await self._begin(contact, number_proven=True)
        sticky = None if flow else await self._sticky(call, contact)
        self._calls.adopt(call, sticky)
        try:
            await self._adapter.answer(call.call_id)
        except UnknownCall:
            self._calls.vanish(call.call_id)
        except TelephonyError as error:
            log.warning("inbound_not_answered", call=call.call_id, error=str(error))
            self._calls.hang_up(call.call_id, "inbound")
        else:
            if not flow:
                self._clock.call_later(self._config.wait_s, partial(self._waited, call.call_id))

    def _flow_of(self, campaign_id: CampaignId | None) -> str:
        """NAME/VERSION of the flow that callers hear first; empty: they wait for an agent."""
        campaign = self.campaign_of(campaign_id) if campaign_id is not None else None
        script = campaign.scripts.inbound if campaign is not None else None
        return script.label if script is not None else ""

    def _in_flow(self) -> int:
        return sum(1 for call in self._calls.live() if call.inbound and _hears_flow(call))

    def _waiting(self) -> int:
        return sum(
            1
            for call in self._calls.live()
            if call.inbound and not call.state.is_conversation and not _hears_flow(call)
        )

    def _has_room(self, flow: str) -> bool:
        if flow:
            return self._in_flow() < self._config.max_in_flow
        return self._waiting() < self._config.max_waiting

    def _call(
        self, event: InboundCall, contact: Contact | None, campaign_id: CampaignId, flow: str
    ) -> Call:
        # Without a flow it is `_waited` that ends the wait.
        limit_s = self._config.wait_s + (0.0 if flow else FAREWELL_S * 2)
        return Call(
            call_id=event.call_id,
            person_id=contact.person_id if contact is not None else PersonId(""),
            account_id=contact.account_id if contact is not None else AccountId(""),
            contact_point_id=(
                contact.point.contact_point_id if contact is not None else ContactPointId("")
            ),
            campaign_id=campaign_id,
            segment="",
            lease_token="",
            planned_at=event.at,
            inbound=True,
            connect_limit_ms=round(limit_s * 1000),
            flow=flow,
            state=CallState.RINGING,
            ringing_at=event.at,
        )

    async def _contact(self, event: InboundCall) -> Contact | None:
        """Whose call it may be, by the number; nobody's when the ledger is away."""
        if event.caller is None:
            return None
        try:
            found = by_number(
                await find_by_number(self._reader.ledger, event.caller, self.running())
            )
            return await self._contact_of(found, event.call_id, event.called)
        except LedgerUnavailable as error:
            log.warning("caller_not_looked_up", call=event.call_id, error=str(error))
            return None

    async def _contact_of(
        self, found: Candidate | None, call_id: str, called: str = ""
    ) -> Contact | None:
        campaign_id = self._campaign_called(called)
        if found is not None and found.campaign_id is not None:
            campaign_id = found.campaign_id
        if found is None or campaign_id is None:
            return None
        since_ms = to_ms(self._clock.now() - self._lookback)
        accounts = await self._reader.read_accounts(campaign_id, [found.account_id], since_ms)
        if not accounts:
            return None
        return contact_of_call(accounts[0], found, call_id, campaign_id)

    def _campaign_called(self, called: str) -> CampaignId | None:
        """The campaign that shows the number called, or tells people to call it; else the
        configured one, or the one with most agents."""
        running = self.running()
        shown = [c for c in running if called in self._numbers_of(c)]
        if shown:
            return shown[0]
        named = [c for c in running if self._desk.campaign_name(c) == self._config.campaign]
        if named:
            return named[0]
        staffed = [(len(self._desk.sessions(c)), c) for c in running]
        return max(staffed)[1] if staffed else None

    def _numbers_of(self, campaign_id: CampaignId) -> tuple[str, ...]:
        campaign = self.campaign_of(campaign_id)
        if campaign is None:
            return ()
        settings = campaign.settings
        told = settings.spoken.return_number
        return settings.caller_ids if told is None else (*settings.caller_ids, told)

    async def _begin(
        self, contact: Contact, *, number_proven: bool, agent_id: str | None = None
    ) -> LiveContact:
        """Put on record that this person's account is what the call is about."""
        self.identified += 1
        now_ms = to_ms(self._clock.now())
        recorded = received(contact, agent_id)
        event = NewEvent(
            person_id=contact.person_id,
            at_ms=now_ms,
            body=recorded.body,
            links=contact.links,
            writes=recorded.writes,
        )
        (result,) = await self._recorder.record([event])
        if isinstance(result, Appended):
            number = event_id(contact.person_id, result.seq)
            contact = msgspec.structs.replace(contact, event_id=number)
        live = LiveContact(contact, Claim(contact.account_id, 0, ""))
        live.inbound = True
        live.number_proven = number_proven
        self._outcomes.contacts[contact.attempt_id] = live
        return live

    async def _sticky(self, call: Call, contact: Contact | None) -> AgentSession | None:
        if contact is None or not self._config.sticky:
            return None
        try:
            agent_id = await last_agent(self._reader.ledger, contact.person_id)
        except LedgerUnavailable:
            return None
        return await self._desk.take_own(agent_id, call.call_id) if agent_id else None

    async def _turn_away(self, event: InboundCall, contact: Contact | None) -> None:
        """Not answered at all: it goes on ringing out, or is busy, as the network has it."""
        self.turned_away += 1
        if contact is not None:
            live = await self._begin(contact, number_proven=True)
            await self.missed_call(live.contact, MissedCall(began_at=event.at, waited_ms=0))
        try:
            await self._adapter.hangup(event.call_id)
        except TelephonyError as error:
            log.debug("inbound_not_turned_away", call=event.call_id, error=str(error))

    # --- waiting -----------------------------------------------------------------------------

    def _waited(self, call_id: CallId) -> None:
        """Nobody came within the limit."""
        call = self._calls.get(call_id)
        if call is not None and call.state is CallState.WAITING:
            self._tasks.start(f"farewell:{call_id}", self._say_farewell(call_id))

    async def _say_farewell(self, call_id: CallId) -> None:
        words = self._config.busy_prompt
        said = False
        if words is not None:
            try:
                said = await self._announcer.say(call_id, words, f"farewell-{call_id}")
            except TelephonyError as error:
                log.warning("farewell_not_played", call=call_id, error=str(error))
        if said:
            self._clock.call_later(FAREWELL_S, partial(self._leave, call_id))
        else:
            self._leave(call_id)

    def played(self, event: PlaybackFinished) -> None:
        if event.playback_id == f"farewell-{event.call_id}":
            self._leave(event.call_id)

    def _leave(self, call_id: CallId) -> None:
        call = self._calls.get(call_id)
        if call is not None and call.state is CallState.WAITING:
            self._calls.hang_up(call_id, "inbound_wait")

    # --- in a flow ---------------------------------------------------------------------------

    def number_of(self, call_id: str) -> str | None:
        """The caller's number; None: withheld."""
        return self._callers.get(call_id)

    def may_wait(self, call: Call) -> bool:
        """Whether an agent may still come for somebody whom a flow passes on."""
        return bool(self._desk.sessions()) and self._waiting() < self._config.max_waiting

    async def own_agent(self, call: Call) -> AgentSession | None:
        """The agent who spoke with the person last, held for the call."""
        live = self._outcomes.contacts.get(call.call_id)
        return await self._sticky(call, live.contact if live is not None else None)

    # --- with an agent -----------------------------------------------------------------------

    def is_unidentified(self, call_id: str) -> bool:
        """Whether nobody knows whose call it is (yet)."""
        return call_id in self._callers and call_id not in self._outcomes.contacts

    def agent_took(self, call: Call) -> None:
        """An agent speaks with a caller who is known, or a colleague does from now on.

        On record, so that a crash makes no missed call of a conversation.
        """
        if call.agent_id is not None and call.call_id in self._outcomes.contacts:
            noting = self._note_agent(call.call_id, call.agent_id)
            self._tasks.start(f"took:{call.call_id}", noting)

    async def _note_agent(self, call_id: CallId, agent_id: str) -> None:
        try:
            noted = partial(agent_took, call_id=call_id, agent_id=agent_id)
            await self._reader.ledger.transact(noted)
        except LedgerUnavailable as error:
            log.warning("agent_not_noted", call=call_id, error=str(error))

    def call_connected(self, call: Call) -> None:
        """An agent has a caller whom nobody knows: a screen without a word."""
        if call.agent_id is None:
            return
        caller = self._callers.get(call.call_id)
        view = CallView(
            call_id=call.call_id,
            campaign=self._desk.campaign_name(call.campaign_id) or "",
            person_name="",
            number_masked=masked(caller) if caller else "",
            language=self.language_of(call.call_id),
            country=None,
            person_local_time=None,
            connected_at=call.bridged_at or self._clock.now(),
            inbound=True,
            codes=(UNIDENTIFIED_CODE,),
        )
        self._desk.connected(call.agent_id, view)

    async def identify(self, seat: Seat, message: IdentifyCaller) -> None:
        """The caller named an account. Raises `CannotDo`, `LedgerUnavailable`."""
        session, call_id = seat.session, message.call_id
        call = self._calls.get(call_id)
        mine = session.call_id == call_id and session.state is AgentState.ON_CALL
        if call is None or not mine or not self.is_unidentified(call_id):
            raise CannotDo(*NO_SUCH_CALL)
        tries = self._tries[call_id] = self._tries.get(call_id, 0) + 1
        if tries > REFERENCE_TRIES:
            raise CannotDo(
                "no_tries_left",
                "Se agotaron las referencias que se pueden probar en esta llamada.",
                "No more references can be tried on this call.",
            )
        found = by_reference(
            await find_by_reference(self._reader.ledger, message.reference.strip(), self.running())
        )
        contact = await self._contact_of(found, call_id)
        if contact is None:
            raise CannotDo(
                "no_such_reference",
                "No hay una cuenta activa con esa referencia.",
                "There is no active account with that reference.",
            )
        proven = contact.point.address == self._callers.get(call_id)
        live = await self._begin(contact, number_proven=proven, agent_id=session.agent_id)
        view = await self._screens.view(call, live)
        self._desk.update_call(session.agent_id, view)
        seat.say(CallerIdentified(call=view))
        if self.on_identified is not None:
            self.on_identified(call)

    async def close_unidentified(self, seat: Seat, message: Dispose) -> None:
        """The wrap-up of a call whose caller nobody got to know. Raises `CannotDo`."""
        session = seat.session
        if session.wrap_up_call_id != message.call_id:
            raise CannotDo(*NO_SUCH_CALL)
        if message.code != UNIDENTIFIED:
            raise CannotDo(
                "code_not_offered",
                f"Sin saber quién llamó, el único código es {UNIDENTIFIED}.",
                f"Without knowing who called, the only code is {UNIDENTIFIED}.",
            )
        await self._close(session, "agent")

    async def close_overdue(self, session: AgentSession) -> None:
        await self._close(session, "limit")

    async def _close(self, session: AgentSession, by: str) -> None:
        call_id = session.wrap_up_call_id or ""
        self._forget(call_id)
        await self._desk.disposed(session.agent_id, call_id, UNIDENTIFIED, by)

    # --- ends --------------------------------------------------------------------------------

    def call_finished(self, call: Call, word: FlowWord | None = None) -> None:
        """A call to us is over. `word`: what the flow that served it says it was."""
        if call.bridged_at is not None:
            self.connected += 1
            if call.call_id in self._outcomes.contacts:
                self._forget(call.call_id)
            return
        self._forget(call.call_id)
        if word is not None and flow_served(call, word):
            self.served += 1
            self._tasks.start(f"served:{call.call_id}", self._outcomes.served(call, word))
            return
        self.missed += 1
        live = self._outcomes.contacts.get(call.call_id)
        if live is not None:
            began = call.answered_at or call.planned_at
            waited_ms = round((self._clock.now() - began).total_seconds() * 1000)
            told = MissedCall(began_at=call.planned_at, waited_ms=waited_ms)
            self._tasks.start(f"missed:{call.call_id}", self.missed_call(live.contact, told))

    async def missed_call(self, contact: Contact, call: MissedCall) -> None:
        """Put on record that nobody spoke with the caller, and call back if the house does."""
        now = self._clock.now()
        call_back = self._config.callback and bool(contact.event_id)
        recorded, place = missed(contact, call, now, self._new_id, call_back=call_back)
        event = NewEvent(
            person_id=contact.person_id,
            at_ms=to_ms(now),
            body=recorded.body,
            writes=recorded.writes,
        )
        try:
            await self._recorder.run(Job((event,)))
        finally:
            self._outcomes.drop(contact.attempt_id)
        if place is not None:
            await self.put(contact, place)

    async def put(self, contact: Contact, place: Place) -> None:
        """Tell the queue where the ledger has put an account that nobody had claimed."""
        held = {c.contact.account_id for c in self._outcomes.contacts.values()}
        if contact.account_id in held:
            return
        found = await self._reader.read_accounts(
            contact.campaign_id, [contact.account_id], to_ms(self._clock.now())
        )
        standing = found[0].enrolment if found else None
        if standing is None:
            return
        to = placement(place.state, place.not_before_ms)
        entry = Entry(contact.account_id, standing.priority, to)
        try:
            await self._queue_of(contact.campaign_id).load([entry], reset=True)
        except RedisStoreError as error:
            # The ledger has it; the audit of the queue will find the difference.
            log.warning("queue_not_told", account=contact.account_id, error=str(error))

    def _forget(self, call_id: str) -> None:
        self._callers.pop(call_id, None)
        self._tries.pop(call_id, None)

    async def close(self) -> None:
        await self._tasks.cancel()


def _hears_flow(call: Call) -> bool:
    """Whether a caller is not in line for an agent yet: a flow speaks, or is about to."""
    return bool(call.flow) and call.state in (CallState.RINGING, CallState.IN_FLOW)
