"""Simulated people who press keys when a flow asks them something.

What they want is theirs (`Heard.intent`, from the seeded world); which key that is, they know as
anybody does who was read the menu: by where it leads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from campaigns.flows.messages import Draft, FlowState, Waiting
from campaigns.flows.model import (
    AnyNode,
    Callback,
    Disclose,
    Factor,
    Flow,
    Gather,
    Language,
    Link,
    LinkPurpose,
    Matter,
    OptOut,
    Promise,
    Record,
    Transfer,
    Verify,
    edges,
    questions_for,
)
from dialer.core.flow_session import Doing
from dialer.runtime.clock import Clock
from dialer.runtime.flow_run import FlowRun
from dialer.runtime.flows import FlowRuns
from dialer.runtime.tasks import TaskSet
from telephony_adapters.errors import TelephonyError
from telephony_adapters.messages import CallId
from telephony_adapters.prompts import Prompt
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.heard import Heard, Intent, Speaker

log = structlog.get_logger()

Knowledge = Callable[[str], Awaitable[Mapping[str, str]]]
"""What the right party of a call knows of themselves, by factor, and as `LANGUAGE` theirs."""
LANGUAGE: Final = "language"
Press = Callable[[CallId, str], None]

THINKING_S: Final = 1.5
"""From the end of the listening to the first key."""
KEY_S: Final = 0.3
"""Between two keys."""

_MATTERS: Final = {
    Intent.ALREADY_PAID: Matter.CLAIMS_PAID,
    Intent.DISPUTE: Matter.DISPUTE_AMOUNT,
    Intent.HARDSHIP: Matter.HARDSHIP,
}


class Keypads:
    """The telephones of everybody whom a simulated campaign calls."""

    def __init__(self, *, clock: Clock, flows: FlowRuns, knowledge: Knowledge) -> None:
        self._clock = clock
        self._flows = flows
        self._knowledge = knowledge
        self._tasks = TaskSet("keypads")

    def listen_at(self, carrier: SimulatedCarrier) -> None:
        """Hear what this carrier says, and press keys there."""

        def heard(call_id: CallId, prompt: Prompt, who: Heard) -> None:
            self._tasks.start(f"press:{call_id}", self._react(call_id, prompt, who, carrier))

        carrier.on_prompt = heard

    async def _react(
        self, call_id: CallId, prompt: Prompt, who: Heard, carrier: SimulatedCarrier
    ) -> None:
        run = self._flows.run_of(call_id)
        if run is None or prompt.whole or not who.speaker.is_live:
            return  # nothing was asked, or nobody hears it
        said = run.session.said
        await self._clock.sleep(THINKING_S)
        knows = await self._knowledge(call_id)
        for key in keys_for(run.script.program.flow, run.session.state, who, knows):
            if not _still_asked(run, said):
                return
            try:
                carrier.press_keys(call_id, key)
            except TelephonyError:
                return  # hung up meanwhile
            await self._clock.sleep(KEY_S)

    async def close(self) -> None:
        await self._tasks.cancel()


def _still_asked(run: FlowRun, said: int) -> bool:
    return run.session.said == said and run.session.doing in (Doing.SPEAKING, Doing.COLLECTING)


def keys_for(flow: Flow, state: FlowState, who: Heard, knows: Mapping[str, str]) -> str:
    """What somebody presses at the question that is open; empty: nothing."""
    node = flow.nodes[state.node]
    match state.waiting, node:
        case Waiting.MENU, Gather():
            return _choice(flow, node, who)
        case Waiting.LANGUAGE, Language():
            return _own_language(node, knows)
        case Waiting.FACTOR, Verify():
            question = questions_for(node, state.askable)[len(state.answers)]
            return _proof(question.factor, who, knows)
        case ((Waiting.OPTION | Waiting.AMOUNT | Waiting.DATE), Promise()) if state.draft:
            return _promised(state.waiting, state.draft, who)
        case Waiting.METHOD, Promise():
            return next(iter(node.methods))
        case Waiting.CONFIRMATION, Promise():
            return "1"
        case _:
            return ""


def _own_language(node: Language, knows: Mapping[str, str]) -> str:
    """Whoever has no language of their own lets the flow go on in its."""
    own = knows.get(LANGUAGE, "").partition("-")[0].casefold()
    return next((key for key, language in node.choices.items() if language.value == own), "")


def _choice(flow: Flow, node: Gather, who: Heard) -> str:
    """The key that leads where this person wants to go, by the shortest way."""
    for wanted in _wants(who):
        ways = {
            key: steps
            for key, target in node.choices.items()
            if (steps := _steps_to(flow, target, wanted)) is not None
        }
        if ways:
            return min(ways, key=lambda key: (ways[key], key))
    return ""


def _wants(who: Heard) -> list[Callable[[AnyNode], bool]]:
    """What the speaker looks for in a menu, dearest first."""
    match who.speaker, who.intent:
        case Speaker.WRONG_PARTY, _:
            return [_records(Matter.WRONG_NUMBER)]
        case Speaker.THIRD_PARTY, _:
            return [_records(Matter.NOT_AVAILABLE)]
        case _, Intent.CEASE:
            return [_is(OptOut)]
        case _, Intent.HANG_UP:
            return []
        case _, Intent.PROMISE:
            return [_is(Promise), _is(Transfer), _is(Disclose)]
        case _, Intent.WILLING:
            return [_pays, _is(Transfer), _is(Disclose)]
        case _, Intent.CALLBACK:
            return [_is(Callback), _is(Transfer), _is(Disclose)]
        case _, (Intent.ALREADY_PAID | Intent.DISPUTE | Intent.HARDSHIP) as intent:
            return [_records(_MATTERS[intent]), _is(Transfer), _is(Disclose)]
        case _:
            return [_is(Transfer), _is(Disclose)]


def _pays(node: AnyNode) -> bool:
    return isinstance(node, Link) and node.purpose is LinkPurpose.PAY


def _is(kind: type[AnyNode]) -> Callable[[AnyNode], bool]:
    return lambda node: isinstance(node, kind)


def _records(matter: Matter) -> Callable[[AnyNode], bool]:
    return lambda node: isinstance(node, Record) and node.matter is matter


def _steps_to(flow: Flow, start: str, wanted: Callable[[AnyNode], bool]) -> int | None:
    """Nodes on the shortest way to one that is wanted; None: there is no way."""
    steps = {start: 0}
    queue = deque([start])
    while queue:
        key = queue.popleft()
        if wanted(flow.nodes[key]):
            return steps[key]
        for edge in edges(flow.nodes[key]):
            if edge.target not in steps:
                steps[edge.target] = steps[key] + 1
                queue.append(edge.target)
    return None


def _proof(factor: Factor, who: Heard, knows: Mapping[str, str]) -> str:
    truth = knows.get(factor.value, "")
    if not who.verification_answers or not truth:
        return ""
    digits = "".join(character for character in truth if character.isdigit())
    if factor is Factor.DOCUMENT_LAST4:
        return digits[-4:]
    if factor is Factor.BIRTH_DATE:  # YYYYMMDD on file; DDMM is asked
        return digits[6:8] + digits[4:6]
    return f"{digits}#"


def _promised(waiting: Waiting, draft: Draft, who: Heard) -> str:
    terms = draft.terms
    share = who.promise_share or 1.0
    if waiting is Waiting.OPTION:
        return "1" if share >= 1.0 else "3"
    if waiting is Waiting.AMOUNT:
        wanted = max(terms.minimum_cents, round(terms.full_cents * share))
        return f"{min(-(-wanted // terms.unit_cents), terms.full_cents // terms.unit_cents)}#"
    days = (terms.last_date - terms.first_date).days
    day = terms.first_date.toordinal() + min(who.promise_days or 0, days)
    return f"{type(terms.first_date).fromordinal(day):%d%m}"
