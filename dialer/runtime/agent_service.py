"""What agents ask for, carried out: identity checks, dispositions, hang-ups, coming and going.

A request that cannot be done is refused with a reason in both languages; nothing an agent's
client sends can raise through here, or show debt data before an identity check is recorded.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from campaigns.retry import MissingFact
from compliance.types import CampaignId
from dialer.core.agent import AgentSession, AgentState, AgentStep, ImpossibleStep
from dialer.core.call import Call
from dialer.core.desk_messages import (
    AnyClientMessage,
    CheckIdentity,
    DebtView,
    DialPreview,
    Dispose,
    HangUp,
    Heartbeat,
    IdentifyCaller,
    IdentityResult,
    Logout,
    PauseRecording,
    RecordingAnswer,
    Refused,
    Resume,
    ResumeRecording,
    SensitiveEntry,
    SetPause,
    SetReady,
    SkipPreview,
)
from dialer.core.identity import TRIES
from dialer.runtime.agent_legs import AgentLegs
from dialer.runtime.calls import Calls
from dialer.runtime.clock import Clock
from dialer.runtime.conversations import Conversations
from dialer.runtime.desk import Desk
from dialer.runtime.inbound import Inbound
from dialer.runtime.outcomes import Outcomes, default_said
from dialer.runtime.previews import Offers
from dialer.runtime.pump import LiveContact
from dialer.runtime.recorded_calls import RecordedCalls
from dialer.runtime.recorder import Recorder
from dialer.runtime.refusals import NO_AUDIO_LEG, NO_SUCH_CALL, CannotDo, missing_fact
from dialer.runtime.saying import Saying, codes_of
from dialer.runtime.screens import Screens
from dialer.runtime.seats import TAKEN, Seat
from dialer.runtime.tasks import TaskSet
from dialer.runtime.verifying import verify
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.screens import read_debts
from telephony_adapters.errors import TelephonyError
from telephony_adapters.messages import AgentLegDown, AgentLegUp, CallId, LegId
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()


class AgentService:
    """One for all agents of this worker."""

    def __init__(
        self,
        *,
        clock: Clock,
        desk: Desk,
        calls: Calls,
        outcomes: Outcomes,
        recorder: Recorder,
        ledger: Ledger,
        adapter: TelephonyAdapter,
        screens: Screens,
        conversations: Conversations,
        inbound: Inbound,
        recordings: RecordedCalls,
        offers: Offers,
        wrap_up_limit_of: Callable[[CampaignId | None], int],
    ) -> None:
        self._clock = clock
        self._desk = desk
        self._calls = calls
        self._outcomes = outcomes
        self._recorder = recorder
        self._ledger = ledger
        self._legs = AgentLegs(adapter)
        self._saying = Saying(ledger=ledger, clock=clock)
        self._wrap_up_limit_of = wrap_up_limit_of
        self._screens = screens
        self._conversations = conversations
        self._inbound = inbound
        self._recordings = recordings
        self._offers = offers
        self._tasks = TaskSet("agents")
        desk.on_left = self._close_leg

    # --- coming and going --------------------------------------------------------------------

    async def join(
        self, *, agent_id: str, username: str, name: str, language: str, team: str = ""
    ) -> Seat:
        """Sit an agent down and open his audio leg. Raises `TelephonyError`."""
        seat = self._desk.seat(agent_id)
        if seat is None:
            seat = self._desk.join(
                agent_id=agent_id,
                session_id=new_id(),
                name=name,
                language=language,
                team=team,
            )
            try:
                await self._legs.open(seat.session.leg_id, agent_id, f"agent:{username}")
            except TelephonyError:
                await self._desk.logout(agent_id)
                raise
        return seat

    async def leave(self, agent_id: str) -> None:
        """Log out now, or after the call in hand."""
        if self._desk.seat(agent_id) is None:
            return
        leg_id = await self._desk.logout(agent_id)
        if leg_id is not None:
            await self._legs.close(leg_id)

    def _close_leg(self, leg_id: LegId) -> None:
        self._tasks.start(f"close:{leg_id}", self._legs.close(leg_id))

    # --- the telephone -----------------------------------------------------------------------

    async def _ready(self, session: AgentSession) -> None:
        """Ready at once, or as soon as the agent's device is picked up."""
        try:
            if await self._legs.is_ready(session.leg_id):
                await self._desk.ready(session.agent_id)
        except TelephonyError as error:
            log.warning("agent_leg_not_opened", agent=session.agent_id, error=str(error))
            raise CannotDo(*NO_AUDIO_LEG) from error

    def leg_changed(self, event: AgentLegUp | AgentLegDown) -> None:
        """The carrier tells of an agent's leg."""
        line = self._legs.changed(event)
        if line is None:
            return
        wanted, line.ready_wanted = line.ready_wanted, False
        if isinstance(event, AgentLegDown):
            self._tasks.start(f"leg:{event.leg_id}", self._leg_lost(line.agent_id, told=wanted))
        elif wanted:
            self._tasks.start(f"leg:{event.leg_id}", self.handle(line.agent_id, SetReady()))

    async def _leg_lost(self, agent_id: str, *, told: bool) -> None:
        """An agent without a telephone takes no calls until he is ready with an open leg."""
        await self._desk.pause_for_leg(agent_id)
        seat = self._desk.seat(agent_id)
        if told and seat is not None:
            seat.say(CannotDo(*NO_AUDIO_LEG).refusal)

    # --- messages ----------------------------------------------------------------------------

    async def handle(self, agent_id: str, message: AnyClientMessage) -> None:
        """Do what an agent's client asks, or say why not."""
        seat = self._desk.seat(agent_id)
        if seat is None:
            return
        try:
            await self._do(seat, message)
        except ImpossibleStep as error:
            seat.say(
                Refused(
                    ref=message.ref,
                    code="impossible_now",
                    message_es=f"No es posible en el estado {error.state}.",
                    message_en=f"Not possible while {error.state}.",
                )
            )
        except CannotDo as error:
            seat.say(msgspec.structs.replace(error.refusal, ref=message.ref))

    async def _do(self, seat: Seat, message: AnyClientMessage) -> None:
        agent_id = seat.session.agent_id
        match message:
            case Heartbeat() | Resume():
                await self._desk.heartbeat(agent_id)
            case SetReady():
                await self._ready(seat.session)
            case SetPause():
                self._legs.not_ready(seat.session.leg_id)
                await self._desk.pause(agent_id, message.reason)
            case HangUp():
                if not self._inbound.is_unidentified(message.call_id):
                    self._own_call(seat, message.call_id)
                elif seat.session.call_id != message.call_id:
                    raise CannotDo(*NO_SUCH_CALL)
                self._calls.hang_up(CallId(message.call_id), "agent")
            case IdentifyCaller():
                await self._inbound.identify(seat, message)
            case DialPreview() | SkipPreview():
                self._offers.choose(agent_id, message)
            case PauseRecording() | ResumeRecording() | RecordingAnswer() | SensitiveEntry():
                await self._recordings.handle(seat, message)
            case CheckIdentity():
                await self._check_identity(seat, message)
            case Dispose():
                await self._dispose(seat, message)
            case Logout():
                await self.leave(agent_id)
            case _:
                await self._conversations.handle(seat, message)

    # --- the call on the screen --------------------------------------------------------------

    def call_connected(self, call: Call) -> None:
        """The person hears the agent: bring the neutral screen."""
        if call.agent_id is not None:
            self._tasks.start(f"screen:{call.call_id}", self._show(call, call.agent_id))

    async def _show(self, call: Call, agent_id: str) -> None:
        live = self._outcomes.contacts.get(call.call_id)
        if live is None:
            return
        view = await self._screens.view(call, live)
        recording = self._recordings.state_of(call.call_id)
        view = msgspec.structs.replace(view, recording=recording)
        self._desk.connected(agent_id, view)
        if self._calls.get(call.call_id) is None:
            self.call_over(call)

    def call_over(self, call: Call) -> None:
        """The person is gone: the wrap-up runs."""
        if call.agent_id is not None and call.bridged_at is not None:
            limit_s = self._wrap_up_limit_of(call.campaign_id)
            self._desk.call_over(call.agent_id, call.call_id, limit_s)

    # --- identity ----------------------------------------------------------------------------

    async def _check_identity(self, seat: Seat, message: CheckIdentity) -> None:
        live = self._own_call(seat, message.call_id)
        person = self._screens[message.call_id]
        view = seat.call
        if view is None or live.verified:
            return
        if live.identity_tries >= TRIES:
            raise CannotDo(
                "no_tries_left",
                "Se agotaron los intentos de verificación en esta llamada.",
                "No verification tries are left on this call.",
            )
        by, now = seat.session.agent_id, self._clock.now()
        passed = await verify(
            self._recorder, live, message.answers, person.identity, by=by, now=now
        )
        debts: tuple[DebtView, ...] = ()
        if passed:
            debts = await read_debts(self._ledger, live.contact.debt_ids)
        view = msgspec.structs.replace(
            seat.call or view,
            tries_left=TRIES - live.identity_tries,
            verified=live.verified,
            debts=debts,
            codes=codes_of(live, person.country),
        )
        if passed:
            view = msgspec.structs.replace(view, person_name=person.name)
        self._desk.update_call(seat.session.agent_id, view)
        seat.say(
            IdentityResult(
                call_id=message.call_id,
                passed=passed,
                tries_left=view.tries_left,
                person_name=view.person_name,
                debts=view.debts,
                codes=view.codes,
            )
        )

    # --- dispositions ------------------------------------------------------------------------

    async def _dispose(self, seat: Seat, message: Dispose) -> None:
        session = seat.session
        if self._inbound.is_unidentified(message.call_id):
            await self._inbound.close_unidentified(seat, message)
            return
        live = self._own_call(seat, message.call_id)
        if session.state is not AgentState.WRAP_UP:
            raise ImpossibleStep(session.state, AgentStep.DISPOSED)
        said = await self._saying.said(seat.session, live, message)
        if live.disposing:
            raise CannotDo(*NO_SUCH_CALL)
        try:
            await self._outcomes.dispose(live, said)
        except MissingFact as error:
            raise CannotDo(*missing_fact(error)) from error
        self._screens.forget(message.call_id)
        await self._desk.disposed(session.agent_id, message.call_id, said.code, "agent")

    async def dispose_overdue(self) -> None:
        """End wrap-ups that took too long, with what is known."""
        for session in list(self._desk.overdue_wrap_ups(self._wrap_up_limit_of)):
            call_id = session.wrap_up_call_id
            if call_id is not None and self._inbound.is_unidentified(call_id):
                await self._inbound.close_overdue(session)
                continue
            live = self._outcomes.contacts.get(call_id or "")
            if call_id is None or live is None or live.disposing:
                continue
            said = default_said(live, session.agent_id, self._clock.now(), session.since)
            await self._outcomes.dispose(live, said)
            self._screens.forget(call_id)
            await self._desk.disposed(session.agent_id, call_id, said.code, "limit")

    def _own_call(self, seat: Seat, call_id: str) -> LiveContact:
        """The contact of a call that is this agent's, live or in wrap-up. Raises `CannotDo`."""
        session = seat.session
        live = self._outcomes.contacts.get(call_id)
        helps = session.state in TAKEN
        if live is None or helps or call_id not in (session.call_id, session.wrap_up_call_id):
            raise CannotDo(*NO_SUCH_CALL)
        if call_id not in self._screens:
            raise CannotDo(*NO_SUCH_CALL)
        return live

    async def close(self) -> None:
        await self._tasks.cancel()
        await self._legs.close_all()
