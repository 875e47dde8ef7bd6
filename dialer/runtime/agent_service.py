"""What agents ask for, carried out: identity checks, dispositions, hang-ups, coming and going.

A request that cannot be done is refused with a reason in both languages; nothing an agent's
client sends can raise through here, or show debt data before an identity check is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import msgspec
import structlog

from campaigns.dispositions import (
    DispositionCode,
    Field,
    allowed_for_agent,
    disposition,
    missing_fields,
)
from campaigns.retry import MissingFact
from compliance.types import CampaignId
from dialer.core.agent import AgentSession, AgentState, AgentStep, ImpossibleStep
from dialer.core.call import Call
from dialer.core.desk_messages import (
    AnyClientMessage,
    CallView,
    CheckIdentity,
    CodeView,
    DebtView,
    Dispose,
    HangUp,
    Heartbeat,
    IdentityResult,
    Logout,
    PromiseInput,
    Refused,
    Resume,
    SetPause,
    SetReady,
)
from dialer.core.identity import TRIES, IdentityOnFile
from dialer.core.outcome import Contact, Said
from dialer.core.promising import Taken, promise_context, take_promise
from dialer.runtime.agent_legs import AgentLegs
from dialer.runtime.calls import Calls
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk, Seat
from dialer.runtime.outcomes import Outcomes, default_said, holidays_of
from dialer.runtime.pump import LiveContact
from dialer.runtime.recorder import Recorder
from dialer.runtime.tasks import TaskSet
from dialer.runtime.verifying import verify
from dialer.stores.ledger.database import Ledger, LedgerUnavailable
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.screens import PersonOnScreen, read_debts, read_person_on_screen
from telephony_adapters.errors import TelephonyError
from telephony_adapters.messages import AgentLegDown, AgentLegUp, CallId, LegId
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()

UNSUPPORTED_FIELDS = frozenset({Field.INSTALMENTS})
"""Codes that need a payment plan are not offered: plans are not kept yet."""


class CannotDo(Exception):
    """Why a request is refused, for the agent."""

    def __init__(self, code: str, es: str, en: str) -> None:
        super().__init__(code)
        self.refusal = Refused(ref=None, code=code, message_es=es, message_en=en)


NO_AUDIO_LEG = (
    "no_audio_leg",
    "Su teléfono no contesta; revíselo y vuelva a ponerse disponible.",
    "Your telephone does not answer; look at it, and say ready again.",
)
NO_SUCH_CALL = ("no_such_call", "Esa llamada no es suya.", "That call is not yours.")


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
        wrap_up_limit_of: Callable[[CampaignId | None], int],
    ) -> None:
        self._clock = clock
        self._desk = desk
        self._calls = calls
        self._outcomes = outcomes
        self._recorder = recorder
        self._ledger = ledger
        self._legs = AgentLegs(adapter)
        self._wrap_up_limit_of = wrap_up_limit_of
        self._screens: dict[str, PersonOnScreen] = {}
        self._tasks = TaskSet("agents")
        self.campaign_names: dict[str, str] = {}

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
                self._own_call(seat, message.call_id)
                self._calls.hang_up(CallId(message.call_id), "agent")
            case CheckIdentity():
                await self._check_identity(seat, message)
            case Dispose():
                await self._dispose(seat, message)
            case Logout():
                await self.leave(agent_id)

    # --- the call on the screen --------------------------------------------------------------

    def call_connected(self, call: Call) -> None:
        """The person hears the agent: bring the neutral screen."""
        if call.agent_id is not None:
            self._tasks.start(f"screen:{call.call_id}", self._show(call, call.agent_id))

    async def _show(self, call: Call, agent_id: str) -> None:
        live = self._outcomes.contacts.get(call.call_id)
        if live is None:
            return
        person = await self._person(call, live.contact)
        self._screens[call.call_id] = person
        # A flow that passed the person on may have verified them: that is on record.
        debts = await self._debts(live) if live.verified else ()
        view = CallView(
            call_id=call.call_id,
            campaign=self.campaign_names.get(call.campaign_id, ""),
            person_name=person.name,
            number_masked=masked(person.address),
            language=person.language,
            country=person.country,
            person_local_time=self._local_time(live.contact),
            connected_at=call.bridged_at or self._clock.now(),
            factors=tuple(person.identity.factors()) if person.identity.can_verify() else (),
            tries_left=TRIES - live.identity_tries,
            verified=live.verified,
            debts=debts,
            codes=offered_codes(verified=live.verified, country=person.country),
        )
        self._desk.connected(agent_id, view)
        ended = self._calls.get(call.call_id)
        if ended is None:
            self.call_over(call)

    async def _person(self, call: Call, contact: Contact) -> PersonOnScreen:
        """What the screen shows. Without the ledger: a screen on which nothing can be verified."""
        try:
            return await read_person_on_screen(
                self._ledger, call.person_id, call.account_id, call.contact_point_id
            )
        except (LedgerUnavailable, LookupError) as error:
            log.error("screen_without_person", call=call.call_id, error=str(error))
            return PersonOnScreen(
                name="",
                address=contact.point.address,
                language=None,
                country=contact.country,
                identity=IdentityOnFile(),
            )

    async def _debts(self, live: LiveContact) -> tuple[DebtView, ...]:
        try:
            return await read_debts(self._ledger, live.contact.debt_ids)
        except LedgerUnavailable as error:
            log.error("screen_without_debts", call=live.contact.attempt_id, error=str(error))
            return ()

    def call_over(self, call: Call) -> None:
        """The person is gone: the wrap-up runs."""
        if call.agent_id is not None and call.bridged_at is not None:
            limit_s = self._wrap_up_limit_of(call.campaign_id)
            self._desk.call_over(call.agent_id, call.call_id, limit_s)

    def _local_time(self, contact: Contact) -> str | None:
        if not contact.zones:
            return None
        return self._clock.now().astimezone(ZoneInfo(contact.zones[0])).strftime("%H:%M")

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
            codes=offered_codes(verified=live.verified, country=person.country),
        )
        self._desk.update_call(seat.session.agent_id, view)
        seat.say(
            IdentityResult(
                call_id=message.call_id,
                passed=passed,
                tries_left=view.tries_left,
                debts=view.debts,
                codes=view.codes,
            )
        )

    # --- dispositions ------------------------------------------------------------------------

    async def _dispose(self, seat: Seat, message: Dispose) -> None:
        session = seat.session
        live = self._own_call(seat, message.call_id)
        if session.state is not AgentState.WRAP_UP:
            raise ImpossibleStep(session.state, AgentStep.DISPOSED)
        said = await self._said(seat, live, message)
        if live.disposing:
            raise CannotDo(*NO_SUCH_CALL)
        try:
            await self._outcomes.dispose(live, said)
        except MissingFact as error:
            raise CannotDo("missing_fact", str(error), str(error)) from error
        self._screens.pop(message.call_id, None)
        await self._desk.disposed(session.agent_id, message.call_id, said.code, "agent")
        await self._close_if_gone(session.agent_id, session.leg_id)

    async def dispose_overdue(self) -> None:
        """End wrap-ups that took too long, with what is known."""
        for session in list(self._desk.overdue_wrap_ups(self._wrap_up_limit_of)):
            call_id = session.wrap_up_call_id
            live = self._outcomes.contacts.get(call_id or "")
            if call_id is None or live is None or live.disposing:
                continue
            said = default_said(live, session.agent_id, self._clock.now(), session.since)
            await self._outcomes.dispose(live, said)
            self._screens.pop(call_id, None)
            await self._desk.disposed(session.agent_id, call_id, said.code, "limit")
            await self._close_if_gone(session.agent_id, session.leg_id)

    async def _close_if_gone(self, agent_id: str, leg_id: LegId) -> None:
        if self._desk.seat(agent_id) is None:
            await self._legs.close(leg_id)

    async def _said(self, seat: Seat, live: LiveContact, message: Dispose) -> Said:
        contact = live.contact
        codes = {
            view.code for view in offered_codes(verified=live.verified, country=contact.country)
        }
        if message.code not in codes:
            raise CannotDo(
                "code_not_offered",
                f"El código {message.code} no se puede usar en esta llamada.",
                f"Code {message.code} cannot be used on this call.",
            )
        code = DispositionCode(message.code)
        missing = missing_fields(code, _given(message))
        if missing:
            names = ", ".join(missing)
            raise CannotDo("missing_fields", f"Falta: {names}.", f"Missing: {names}.")
        now = self._clock.now()
        promise = review_at = None
        if message.promise is not None and code is DispositionCode.PROMISE:
            promise, review_at = await self._promise(live, message.promise, seat.session.agent_id)
        if message.callback is not None and message.callback.at <= now:
            raise CannotDo(
                "callback_in_the_past",
                "La hora acordada ya pasó; indique una futura.",
                "The agreed time is past; give a later one.",
            )
        return Said(
            code=code,
            agent_id=seat.session.agent_id,
            wrap_ms=round((now - seat.session.since).total_seconds() * 1000),
            note=message.note,
            promise=promise,
            promise_review_at=review_at,
            callback=message.callback if code is DispositionCode.CALLBACK else None,
            preference=message.preference,
            language=message.new_language,
            written=message.written,
        )

    async def _promise(self, live: LiveContact, wish: PromiseInput, agent_id: str) -> Taken:
        contact = live.contact
        debts = await read_debts(self._ledger, contact.debt_ids)
        now = self._clock.now()
        context = promise_context(contact, debts, now)
        if context is None:
            raise CannotDo("no_debt", "No hay deuda que prometer.", "There is no debt to promise.")
        taken = take_promise(
            contact,
            context,
            wish,
            taken_by=agent_id,
            promise_id=new_id(),
            now=now,
            is_holiday=holidays_of(contact.country),
        )
        if not isinstance(taken, Taken):
            raise CannotDo(
                str(taken[0].code), " ".join(p.es for p in taken), " ".join(p.en for p in taken)
            )
        return taken

    def _own_call(self, seat: Seat, call_id: str) -> LiveContact:
        """The contact of a call that is this agent's, live or in wrap-up. Raises `CannotDo`."""
        session = seat.session
        live = self._outcomes.contacts.get(call_id)
        if live is None or call_id not in (session.call_id, session.wrap_up_call_id):
            raise CannotDo(*NO_SUCH_CALL)
        if call_id not in self._screens:
            raise CannotDo(*NO_SUCH_CALL)
        return live

    async def close(self) -> None:
        await self._tasks.cancel()
        await self._legs.close_all()


def offered_codes(*, verified: bool, country: str | None) -> tuple[CodeView, ...]:
    """Codes that an agent may choose now."""
    entries = (
        disposition(code) for code in allowed_for_agent(identity_verified=verified, country=country)
    )
    return tuple(
        CodeView(code=e.code, name_es=e.es, name_en=e.en, needs=tuple(e.requires))
        for e in entries
        if not UNSUPPORTED_FIELDS.intersection(e.requires)
    )


def masked(address: str) -> str:
    """Country code and last two digits: enough to recognise, not enough to call."""
    if len(address) < 8:
        return "***"
    return f"{address[:3]}{'*' * (len(address) - 5)}{address[-2:]}"


def _given(message: Dispose) -> set[Field]:
    given: set[Field] = set()
    if message.promise is not None:
        given |= {Field.AMOUNT, Field.DUE_DATE}
    if message.callback is not None:
        given |= {Field.CALLBACK_AT, Field.CALLBACK_AGENT}
    if message.preference is not None:
        given.add(Field.PREFERENCE)
    if message.new_language is not None:
        given.add(Field.LANGUAGE)
    return given
