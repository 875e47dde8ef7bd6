"""The one interpreter of flows: a state and an event give a state and commands. Pure.

Adapters render the commands (a prompt and a key pad, whatever the carrier calls them). An event
that nobody waits for changes nothing, so a repeat or a late word of the network is harmless.

A flow that was proved never comes near a fault. The interpreter checks all the same, at the door
of every node that tells of a debt: without verification it ends the call instead of speaking.
"""

from __future__ import annotations

from typing import Final

import msgspec

from campaigns.content.template import TextLanguage
from campaigns.dispositions import DispositionCode
from campaigns.flows.messages import (
    AgentTook,
    Answered,
    AnyCommand,
    AnyEvent,
    Ask,
    AskTerms,
    CheckIdentity,
    Collect,
    Digits,
    Fault,
    FlowState,
    HangUpNow,
    IdentityChecked,
    IdentityResult,
    KeepLanguage,
    Known,
    LinkSent,
    NoAgent,
    Note,
    PersonHungUp,
    RequestCallback,
    SendLink,
    Silence,
    Speak,
    StopCalls,
    TransferTo,
    Waiting,
)
from campaigns.flows.model import (
    MOST_TRIES,
    OPT_OUT_KEY,
    AnyNode,
    Branch,
    Callback,
    Condition,
    Disclose,
    Factor,
    Gather,
    HangUp,
    Language,
    Link,
    OptOut,
    Promise,
    Record,
    Repeat,
    Say,
    Texts,
    Transfer,
    Verify,
    questions_for,
)
from campaigns.flows.program import Program
from campaigns.flows.promising import PROMISING, Left, promise_step
from compliance.types import ContentClass

MOST_NODES_AT_ONCE: Final = 1_000
"""Nodes that one event walks through; a proved flow has no more than its own number."""

Step = tuple[FlowState, tuple[AnyCommand, ...]]


def begin(
    program: Program,
    language: str,
    askable: tuple[Factor, ...] | None = None,
    *,
    known: bool = True,
) -> FlowState:
    """The state before the call is answered. `language`: es or en, of the person.

    `askable`: factors of the person that are on file; None: all are taken to be. `known`: it is
    known whose account the call is about.
    """
    own = "es" if language.startswith("es") else "en"
    return FlowState(node=program.flow.start, language=own, askable=askable, known=known)


def step(program: Program, state: FlowState, event: AnyEvent) -> Step:
    """What follows from an event."""
    if state.is_over:
        return state, ()
    walk = _Walk(program, state)
    if isinstance(event, PersonHungUp):
        codes = program.flow.person_hangs_up
        walk.end(codes.verified if state.verified else codes.unverified, hang_up=False)
    elif state.waiting is Waiting.ANSWER:
        if isinstance(event, Answered):
            walk.answered(machine=event.machine)
    elif state.waiting in PROMISING:
        walk.promising(event)
    else:
        walk.hear(event)
    return walk.state, tuple(walk.commands)


class _Walk:
    """One step in the making."""

    def __init__(self, program: Program, state: FlowState) -> None:
        self.program = program
        self.state = state
        self.commands: list[AnyCommand] = []

    # --- events ----------------------------------------------------------------------------------

    def answered(self, *, machine: bool) -> None:
        if not machine:
            self.enter(self.state.node)
            return
        message = self.program.flow.machine.text
        if message is None:
            self.end(DispositionCode.VOICEMAIL_NO_MESSAGE)
            return
        language = self.state.language
        limited = ContentClass.VOICEMAIL_LIMITED
        self.commands.append(
            Speak(text=message.of(language), language=language, content_class=limited)
        )
        self.end(DispositionCode.VOICEMAIL_MESSAGE)

    def hear(self, event: AnyEvent) -> None:
        node = self.program.flow.nodes[self.state.node]
        match self.state.waiting, node, event:
            case Waiting.MENU, Gather(), Digits() | Silence():
                self._menu(node, event)
            case Waiting.LANGUAGE, Language(), Digits() | Silence():
                self._language(node, event)
            case Waiting.FACTOR, Verify(), Digits() | Silence():
                self._factor(node, event)
            case Waiting.IDENTITY, Verify(), IdentityChecked():
                self._identity(node, event.result)
            case Waiting.CONDITION, Branch(), Known():
                self.enter(node.cases.get(event.value or "", node.otherwise))
            case Waiting.AGENT, Transfer(), AgentTook():
                self._change(waiting=Waiting.NOTHING)
            case Waiting.AGENT, Transfer(), NoAgent():
                self.enter(node.on_no_agent)
            case Waiting.LINK, Link(), LinkSent():
                self.enter(node.on_sent if event.ok else node.on_failed)
            case _:
                pass

    def _menu(self, node: Gather, event: Digits | Silence) -> None:
        key = event.digits[:1] if isinstance(event, Digits) else ""
        if key in node.choices:
            self.enter(node.choices[key])
            return
        errors = self.state.errors + 1
        if errors >= node.tries:
            self.enter(node.on_invalid if key else node.on_no_input)
            return
        self._change(errors=errors)
        self._ask_menu(node)

    def _language(self, node: Language, event: Digits | Silence) -> None:
        key = event.digits[:1] if isinstance(event, Digits) else ""
        if key == OPT_OUT_KEY:
            self.enter(node.on_opt_out)
        elif key in node.choices:
            self._change(language=node.choices[key].value, chose=True)
            if self.state.verified:
                self._keep_language()
            self.enter(node.next)
        elif self.state.errors + 1 < node.tries:
            self._change(errors=self.state.errors + 1)
            self._ask_language(node)
        else:
            self.enter(node.next)

    def _keep_language(self) -> None:
        self.commands.append(KeepLanguage(language=self.state.language))

    def _factor(self, node: Verify, event: Digits | Silence) -> None:
        questions = questions_for(node, self.state.askable)
        question = questions[len(self.state.answers)]
        keys = event.digits.rstrip("#") if isinstance(event, Digits) else ""
        if not keys or not keys.isdigit() or len(keys) > question.digits:
            self._failed_try(node)
            return
        answers = {**self.state.answers, question.factor: keys}
        self._change(answers=answers)
        if len(answers) < len(questions):
            self._ask_factor(node)
            return
        self._change(waiting=Waiting.IDENTITY, answers={})
        self.commands.append(CheckIdentity(answers=answers))

    def _identity(self, node: Verify, result: IdentityResult) -> None:
        if result is IdentityResult.PASSED:
            self._change(verified=True)
            if self.state.chose:
                self._keep_language()
            self.enter(node.on_verified)
        elif result is IdentityResult.UNAVAILABLE:
            self.enter(node.on_unavailable)
        else:
            self._failed_try(node)

    def _failed_try(self, node: Verify) -> None:
        """Two tries in the whole call, and no more here than the node allows."""
        tries, here = self.state.identity_tries + 1, self.state.identity_tries_here + 1
        self._change(identity_tries=tries, identity_tries_here=here, answers={})
        if tries >= MOST_TRIES or here >= node.tries:
            self.enter(node.on_failed)
        else:
            self._ask_factor(node)

    def promising(self, event: AnyEvent) -> None:
        node = self.program.flow.nodes[self.state.node]
        if not isinstance(node, Promise):
            raise AssertionError(f"{self.state.waiting} belongs to a promise node")
        self.state, commands, left = promise_step(node, self.state, event)
        self.commands += commands
        if left is Left.PROMISED:
            self.enter(node.on_promised)
        elif left is Left.DECLINED:
            self.enter(node.on_declined)
        elif left is Left.OPTED_OUT:
            self.enter(node.on_opt_out)

    # --- nodes -----------------------------------------------------------------------------------

    def enter(self, key: str) -> None:
        """Go to a node and on, until one waits for something or the flow ends."""
        following: str | None = key
        for _ in range(MOST_NODES_AT_ONCE):
            if following is None:
                return
            node = self.program.flow.nodes[following]
            if following in self.program.disclosing and not self.state.verified:
                self.fault(Fault.DISCLOSURE)
                return
            if following in self.program.personal and not self.state.known:
                self.fault(Fault.NOBODY)
                return
            self._change(node=following, errors=0, answers={}, draft=None, identity_tries_here=0)
            following = self._arrive(following, node)
        self.fault(Fault.ENDLESS)

    def _arrive(self, key: str, node: AnyNode) -> str | None:
        """Do what the node is for; the node to go on to, None to wait."""
        match node:
            case Say() | Disclose():
                self._speak(node.text)
                return node.next
            case Callback():
                self.commands.append(RequestCallback())
                self._speak(node.text)
                return node.next
            case OptOut():
                self.commands.append(StopCalls())
                self._speak(node.text)
                return node.next
            case Record():
                self.commands.append(Note(matter=node.matter))
                return node.next
            case Repeat():
                taken = self.state.taken.get(key, 0)
                if taken >= node.max:
                    return node.done
                self._change(taken={**self.state.taken, key: taken + 1})
                return node.again
            case Branch() if node.on is Condition.IDENTITY:
                known = "verified" if self.state.verified else "not_verified"
                return node.cases.get(known, node.otherwise)
            case Branch() if node.on is Condition.PERSON_KNOWN:
                return node.cases.get("yes" if self.state.known else "no", node.otherwise)
            case Verify() if self.state.verified:
                return node.on_verified
            case Verify() if not self.state.known:
                return node.on_unavailable
            case Verify() if self.state.identity_tries >= MOST_TRIES:
                return node.on_failed
            case Verify() if not questions_for(node, self.state.askable):
                return node.on_unavailable
            case _:
                self._wait_at(node)
                return None

    def _wait_at(self, node: AnyNode) -> None:
        match node:
            case Gather():
                self._change(waiting=Waiting.MENU)
                self._ask_menu(node)
            case Language():
                self._change(waiting=Waiting.LANGUAGE)
                self._ask_language(node)
            case Verify():
                self._ask_factor(node)
            case Branch():
                self._change(waiting=Waiting.CONDITION)
                self.commands.append(Ask(condition=node.on))
            case Promise():
                self._change(waiting=Waiting.TERMS)
                self.commands.append(AskTerms())
            case Transfer():
                self._change(waiting=Waiting.AGENT)
                self._speak(node.text)
                company = None if node.waiting is None else self._speech(node.waiting)
                self.commands.append(TransferTo(team=node.team, waiting=company))
            case Link():
                self._change(waiting=Waiting.LINK)
                self.commands.append(
                    SendLink(
                        purpose=node.purpose,
                        templates=node.templates,
                        language=self.state.language,
                    )
                )
            case HangUp():
                if node.text is not None:
                    self._speak(node.text)
                self.end(node.code)
            case _:
                raise AssertionError(f"nothing to wait for at {node}")

    def _ask_menu(self, node: Gather) -> None:
        self._speak(node.text, question=True)
        self.commands.append(Collect(most=1))

    def _ask_language(self, node: Language) -> None:
        own = self.state.language
        for language in sorted(TextLanguage, key=lambda one: one.value != own):
            self._speak(node.text, question=True, language=language.value)
        self.commands.append(Collect(most=1))

    def _ask_factor(self, node: Verify) -> None:
        question = questions_for(node, self.state.askable)[len(self.state.answers)]
        self._change(waiting=Waiting.FACTOR)
        self._speak(question.text, question=True)
        self.commands.append(Collect(most=question.digits, secret=True))

    # --- ends ------------------------------------------------------------------------------------

    def end(self, code: DispositionCode, *, hang_up: bool = True) -> None:
        self._change(waiting=Waiting.NOTHING, code=code, answers={}, draft=None)
        if hang_up:
            self.commands.append(HangUpNow(code=code))

    def fault(self, fault: Fault) -> None:
        self._change(fault=fault)
        self.end(DispositionCode.TECHNICAL_ERROR)

    def _speak(self, text: Texts, *, question: bool = False, language: str = "") -> None:
        self.commands.append(self._speech(text, question=question, language=language))

    def _speech(self, text: Texts, *, question: bool = False, language: str = "") -> Speak:
        language = language or self.state.language
        tells = self.state.node in self.program.disclosing
        claimed = ContentClass.VERIFIED if tells else ContentClass.NEUTRAL
        return Speak(
            text=text.of(language), language=language, content_class=claimed, question=question
        )

    def _change(self, **fields: object) -> None:
        self.state = msgspec.structs.replace(self.state, **fields)
