"""Flows on live calls: what the pure session orders is played, asked, recorded and answered.

Whatever a person says by keys is durable before the flow goes on: an identity check before the
debt is told, a promise before it is confirmed, an opt-out before anything else is said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Final, Protocol

import structlog

from campaigns.content.render import MergeValues, RenderContext
from campaigns.content.sending import Skipped
from campaigns.flows.messages import (
    AgentTook,
    AnyEvent,
    Ask,
    AskTerms,
    CheckIdentity,
    IdentityChecked,
    IdentityResult,
    KeepLanguage,
    Known,
    LinkSent,
    NoAgent,
    Note,
    NoTerms,
    RecordPromise,
    RequestCallback,
    SendLink,
    Speak,
    StopCalls,
    TransferTo,
)
from campaigns.flows.model import Condition, Factor
from campaigns.flows.speaking import spoken
from campaigns.office import is_open
from compliance.types import CampaignId
from dialer.core.agent import AgentSession
from dialer.core.call import AgentWanted, Call, CallState, FlowOver
from dialer.core.flow_outcome import FlowWord
from dialer.core.flow_session import (
    Action,
    Begin,
    Broken,
    Do,
    Doing,
    Done,
    Errand,
    Finish,
    Gone,
    Hush,
    Input,
    KeyPressed,
    Say,
    Spoken,
    TimeOver,
    Wait,
    open_session,
    result,
    step,
)
from dialer.core.identity import TRIES, by_keys
from dialer.core.script import Script, Scripts, language_of, lines_for_one, names_a_person
from dialer.runtime.blasts.links import Links
from dialer.runtime.calls import Calls
from dialer.runtime.clock import Clock
from dialer.runtime.flow_facts import FlowFacts
from dialer.runtime.flow_records import FlowRecords
from dialer.runtime.flow_run import FlowRun
from dialer.runtime.outcomes import holidays_of
from dialer.runtime.prompting import Prompter
from dialer.runtime.pump import LiveContact
from dialer.runtime.speech import SpeechUnavailable
from dialer.runtime.tasks import TaskSet
from telephony_adapters.errors import TelephonyError
from telephony_adapters.messages import CallId, DtmfReceived, PlaybackFinished
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()

COMPANY: Final = "w"
"""Begins the names of what is said to whoever waits for an agent."""
COMPANY_EVERY_S: Final = 20.0
SPEECH_SLACK_S: Final = 10.0
SPEECH_S_PER_LETTER: Final = 0.2
"""A prompt whose end is not told after this long is taken for over: its event was lost."""


class Callers(Protocol):
    """What flows must know of the people who call us; `dialer.runtime.inbound` tells it."""

    def number_of(self, call_id: str) -> str | None:
        """The caller's number, E.164; None: withheld."""

    def may_wait(self, call: Call) -> bool:
        """Whether an agent may still come for this call: the line has room, somebody works."""

    async def own_agent(self, call: Call) -> AgentSession | None:
        """The agent who spoke with the person last, held for the call; None: any will do."""


class FlowRuns:
    """Every flow that speaks on a call of this worker."""

    def __init__(
        self,
        *,
        clock: Clock,
        adapter: TelephonyAdapter,
        calls: Calls,
        contacts: dict[str, LiveContact],
        facts: FlowFacts,
        records: FlowRecords,
        prompter: Prompter,
        agent_is_idle: Callable[[CampaignId], bool],
        links: Links,
        callers: Callers,
    ) -> None:
        self._clock = clock
        self._adapter = adapter
        self._calls = calls
        self._contacts = contacts
        self._facts = facts
        self._records = records
        self._prompter = prompter
        self._agent_is_idle = agent_is_idle
        self._links = links
        self._callers = callers
        self._runs: dict[CallId, FlowRun] = {}
        self._tasks = TaskSet("flows")
        self.scripts: dict[CampaignId, Scripts] = {}
        """What each campaign of this worker says."""

    def run_of(self, call_id: str) -> FlowRun | None:
        """The flow that speaks on a call now."""
        return self._runs.get(CallId(call_id))

    def chosen_language(self, call_id: str) -> str | None:
        """The language that the person on a call chose by key; None: they chose none."""
        run = self.run_of(call_id)
        chose = run is not None and run.session.state.chose
        return run.session.state.language if run is not None and chose else None

    # --- what the call tells -----------------------------------------------------------------

    def begin(self, call: Call, *, machine: bool) -> None:
        """The call is answered, or no agent came: the flow that it names begins."""
        scripts = self.scripts.get(call.campaign_id, Scripts())
        script = _script_for(call, scripts)
        live = self._contacts.get(call.call_id)
        missing = live is None and not call.inbound
        if script is None or missing or script.label != call.ran:
            # The campaign was given another flow while this call rang: nobody is left in silence.
            log.error("flow_not_at_hand", call=call.call_id, flow=call.ran)
            self._calls.feed(call.call_id, FlowOver())
            return
        own, country = None, script.country or None
        if live is not None:
            own, country = live.contact.subject.person.language, live.contact.country
        language = language_of(script.settings, own, country)
        session = open_session(script.program, language, (), known=live is not None)
        run = FlowRun(call.call_id, call.campaign_id, live, script, session)
        if call.inbound:
            run.caller = self._callers.number_of(call.call_id)
        self._runs[call.call_id] = run
        self._tasks.start(f"begin:{call.call_id}", self._begin(run, machine=machine))

    async def _begin(self, run: FlowRun, *, machine: bool) -> None:
        live = run.live
        person = run.person = await self._facts.person(live.contact) if live is not None else None
        if person is not None and not run.person_is_gone:
            run.on_file = by_keys(person.identity)
            askable = tuple(Factor(factor) for factor in run.on_file.factors())
            language = run.session.state.language
            run.session = open_session(run.script.program, language, askable)
            self._tasks.start(f"warm:{run.call_id}", self._warm(run, verified=False))
        wait_s = float(run.script.settings.message_wait_s) if machine else 0.0
        if wait_s > 0:
            await self._clock.sleep(wait_s)  # until the machine's own greeting is over
        self._feed(run, Begin(machine=machine))

    def hear(self, event: DtmfReceived | PlaybackFinished) -> None:
        """A key, or the end of a prompt."""
        run = self._runs.get(event.call_id)
        if run is None:
            return
        if isinstance(event, DtmfReceived):
            self._feed(run, KeyPressed(event.digit))
        elif event.playback_id.startswith(COMPANY):
            pass  # said while an agent is looked for: nothing hangs on it
        elif event.failed:
            log.warning("prompt_not_played", call=run.call_id, flow=run.script.label)
            self._feed(run, Broken())
        else:
            self._feed(run, Spoken(event.playback_id))

    def agent_comes(self, call_id: CallId) -> None:
        """Whoever waited hears an agent in a moment: nothing else is said."""
        run = self._runs.get(call_id)
        if run is not None and run.playing.startswith(COMPANY):
            self._tasks.start(f"hush:{call_id}", self._hush(run, run.playing))

    def no_agent_came(self, call_id: CallId) -> None:
        self.agent_comes(call_id)
        self._answer(call_id, NoAgent())

    def agent_took(self, call: Call) -> None:
        self._answer(call.call_id, AgentTook())

    def _answer(self, call_id: CallId, event: AnyEvent) -> None:
        run = self._runs.get(call_id)
        if run is not None:
            self._feed(run, Done(event))

    def over(self, call: Call) -> FlowWord | None:
        """The call has ended: what its flow says it was; None where it is another's to say."""
        run = self._runs.pop(call.call_id, None)
        if run is None:
            return None
        self._feed(run, Gone())
        run.stop_timer()
        if call.bridged_at is not None or call.abandoned:
            return None
        return FlowWord(
            code=result(run.session),
            verified=run.live is not None and run.live.verified,
            stopped=run.session.stopped,
            callback=run.callback,
            promise_review_at=run.promise_review_at,
        )

    # --- stepping ------------------------------------------------------------------------------

    def _feed(self, run: FlowRun, event: Input) -> None:
        language = run.session.state.language
        run.session, actions = step(run.script.program, run.session, event)
        if run.live is not None and run.session.state.chose:
            run.live.language = run.session.state.language
        if run.session.state.language != language:
            verified = run.session.state.verified
            self._tasks.start(f"warm:{run.call_id}", self._warm(run, verified=verified))
        for action in actions:
            self._carry_out(run, action)
        if run.session.doing is Doing.OVER:
            run.stop_timer()

    def _carry_out(self, run: FlowRun, action: Action) -> None:
        match action:
            case Say():
                self._tasks.start(f"say:{run.call_id}", self._say(run, action))
            case Hush():
                run.stop_timer()
                self._tasks.start(f"hush:{run.call_id}", self._hush(run, action.playback))
            case Wait():
                run.set_timer(
                    self._clock.call_later(
                        action.seconds, lambda: self._feed(run, TimeOver(action.mark))
                    )
                )
            case Do():
                self._tasks.start(f"errand:{run.call_id}", self._do(run, action.errand))
            case Finish():
                self._calls.feed(run.call_id, FlowOver())

    # --- speaking ------------------------------------------------------------------------------

    async def _say(self, run: FlowRun, action: Say) -> None:
        words = spoken(action.speak, self._values(run), self._context(run))
        if isinstance(words, Skipped):
            log.warning(
                "not_said",
                call=run.call_id,
                flow=run.script.label,
                node=run.session.state.node,
                reason=words.reason,
                fields=words.fields,
                codes=words.codes,
            )
            self._feed(run, Broken())
            return
        try:
            prompt = await self._prompter.prompt(
                words,
                action.speak.language,
                personal=names_a_person(action.speak.text),
                whole=action.whole,
            )
            if run.session.playback != action.playback:
                return  # a key was quicker
            run.playing = action.playback
            await self._adapter.play(run.call_id, prompt, action.playback)
        except (SpeechUnavailable, TelephonyError) as error:
            if run.session.doing is not Doing.OVER:
                log.warning("prompt_not_played", call=run.call_id, error=str(error))
            self._feed(run, Broken())
            return
        if run.session.playback == action.playback:
            limit_s = SPEECH_SLACK_S + SPEECH_S_PER_LETTER * len(words)
            run.set_timer(
                self._clock.call_later(limit_s, lambda: self._feed(run, Spoken(action.playback)))
            )
        else:
            await self._hush(run, action.playback)

    async def _warm(self, run: FlowRun, *, verified: bool) -> None:
        """Make audio of the person's own words while others are still being said."""
        if not self._prompter.makes_audio:
            return
        language = run.session.state.language
        for line in lines_for_one(run.script, language, verified=verified):
            words = spoken(line, self._values(run), self._context(run))
            if isinstance(words, str) and run.session.doing is not Doing.OVER:
                with contextlib.suppress(SpeechUnavailable):  # told when it has to be said
                    await self._prompter.prompt(words, language, personal=True)

    async def _hush(self, run: FlowRun, playback: str) -> None:
        if run.playing != playback:
            return
        run.playing = ""
        try:
            await self._adapter.stop_playing(run.call_id, playback)
        except TelephonyError as error:
            log.debug("prompt_not_stopped", call=run.call_id, error=str(error))

    def _values(self, run: FlowRun) -> MergeValues:
        """What may be told: the person's own data of the debt only once verified."""
        language = run.session.state.language
        values = dict(run.script.house[language])
        if run.is_verified or not run.script.program.flow.inbound:
            # Whom we call we ask for by name; whoever calls us has to say it first.
            values |= self._facts.neutral_values(run.person)
        if run.is_verified:
            values |= run.debt_values
        return values

    def _context(self, run: FlowRun) -> RenderContext:
        now = self._clock.now()
        if run.live is None:
            settings = run.script.settings
            return RenderContext(now=now, country=run.script.country, zone=settings.timezone)
        contact = run.live.contact
        zone = contact.zones[0] if contact.zones else "UTC"
        return RenderContext(now=now, country=contact.country, zone=zone)

    # --- errands -------------------------------------------------------------------------------

    async def _do(self, run: FlowRun, errand: Errand) -> None:
        try:
            await self._do_now(run, errand)
        except Exception:
            # A person is on the line: whatever it was, they are not left in silence.
            log.exception("flow_errand_failed", call=run.call_id, errand=type(errand).__name__)
            self._feed(run, Broken())

    async def _do_now(self, run: FlowRun, errand: Errand) -> None:
        match errand:
            case TransferTo():
                await self._transfer(run, errand)
            case CheckIdentity():
                checked = IdentityChecked(result=await self._check_identity(run, errand))
                self._feed(run, Done(checked))
            case Ask():
                self._feed(run, Done(Known(value=self._known(run, errand.condition))))
            case AskTerms():
                terms = await self._facts.terms(run.known.contact, self._clock.now())
                self._feed(run, Done(terms if terms is not None else NoTerms()))
            case RecordPromise():
                event, run.promise_review_at = await self._records.promise(
                    run, errand, self._clock.now()
                )
                self._feed(run, Done(event))
            case SendLink():
                contact = run.known.contact
                sent = await self._links.send(errand, contact, verified=run.is_verified, by=run.by)
                self._feed(run, Done(LinkSent(ok=sent)))
            case KeepLanguage():
                await self._records.language(run, errand.language, self._clock.now())
                self._feed(run, Done())
            case StopCalls():
                await self._records.stop_calls(run, self._clock.now())
                self._feed(run, Done())
            case RequestCallback():
                now = self._clock.now()
                run.callback = await self._records.callback(run, now + CALLBACK_AFTER, now)
                self._feed(run, Done())
            case Note():
                await self._records.note(run, errand.matter, self._clock.now())
                self._feed(run, Done())

    async def _transfer(self, run: FlowRun, errand: TransferTo) -> None:
        call = self._calls.get(run.call_id)
        if call is not None and call.inbound:
            if not self._callers.may_wait(call):
                self._feed(run, Done(NoAgent()))
                return
            own = await self._callers.own_agent(call)
            if own is not None:
                self._calls.reserve(call.call_id, own)
        self._calls.feed(run.call_id, AgentWanted())
        call = self._calls.get(run.call_id)
        if call is not None and call.state is CallState.IN_FLOW:
            self._feed(run, Done(NoAgent()))  # a machine, or a message: nobody to pass on
        elif errand.waiting is not None:
            keeping = self._keep_company(run, errand.waiting)
            self._tasks.start(f"company:{run.call_id}", keeping)

    async def _keep_company(self, run: FlowRun, speak: Speak) -> None:
        """Nobody waits in silence: say something now and then until an agent comes."""
        for number in count(1):
            await self._clock.sleep(COMPANY_EVERY_S)
            words = spoken(speak, self._values(run), self._context(run))
            if isinstance(words, Skipped) or not self._waits(run):
                return
            personal = names_a_person(speak.text)
            try:
                prompt = await self._prompter.prompt(words, speak.language, personal=personal)
                if not self._waits(run):
                    return
                run.playing = f"{COMPANY}{number}"
                await self._adapter.play(run.call_id, prompt, run.playing)
            except (SpeechUnavailable, TelephonyError) as error:
                log.debug("nobody_kept_company", call=run.call_id, error=str(error))
                return

    def _waits(self, run: FlowRun) -> bool:
        call = self._calls.get(run.call_id)
        passed_on = isinstance(run.session.errand, TransferTo)
        return passed_on and call is not None and call.state is CallState.WAITING

    async def _check_identity(self, run: FlowRun, errand: CheckIdentity) -> IdentityResult:
        live = run.known
        if live.identity_tries >= TRIES:
            return IdentityResult.FAILED
        answers = {factor.value: keys for factor, keys in errand.answers.items()}
        if not await self._records.identity(run, answers, self._clock.now()):
            return IdentityResult.FAILED
        run.debt_values = await self._facts.debt_values(live.contact)
        self._tasks.start(f"warm:{run.call_id}", self._warm(run, verified=True))
        return IdentityResult.PASSED

    def _known(self, run: FlowRun, condition: Condition) -> str | None:
        match condition:
            case Condition.AGENT_READY:
                return _yes(self._agent_is_idle(run.campaign_id))
            case Condition.OFFICE_OPEN:
                settings, holidays = run.script.settings, holidays_of(run.script.country)
                now = self._clock.now()
                return _yes(is_open(settings.office_hours, settings.timezone, now, holidays))
            case Condition.PAYMENT_ALLOWED:
                return _yes(run.script.settings.links is not None)
            case Condition.THIRD_PARTY_COLLECTOR:
                return _yes(run.script.third_party)
            case Condition.POINT_VERIFIED:
                live = run.live
                return _yes(live is not None and self._facts.is_verified(live.contact))
            case _:
                return None  # not known: the flow's `otherwise`

    async def close(self) -> None:
        for run in self._runs.values():
            run.stop_timer()
        await self._tasks.cancel()


CALLBACK_AFTER: Final = timedelta(minutes=30)
"""A callback that a flow promises is due this long after; the gate may make it later."""


def _script_for(call: Call, scripts: Scripts) -> Script | None:
    if call.abandoned:
        return scripts.farewell
    return scripts.inbound if call.inbound else scripts.flow


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"
