"""A flow on a call: what to say next, whose keys to wait for, what to have done. Pure.

    step(program, session, input) -> (session, actions)

The interpreter (`campaigns.flows`) says what; this says when: prompts one after the other, keys
with their times, errands one by one. What must be said is said whole; only the question itself may
be interrupted, by the key that answers it. Keys pressed before a question belongs to the step
under way are forgotten: nobody confirms what they have not been asked.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from campaigns.dispositions import DispositionCode
from campaigns.flows.interpreter import begin as begin_flow
from campaigns.flows.interpreter import step as flow_step
from campaigns.flows.messages import (
    Answered,
    AnyCommand,
    AnyEvent,
    Ask,
    AskTerms,
    CheckIdentity,
    Collect,
    Digits,
    FlowState,
    HangUpNow,
    KeepLanguage,
    Note,
    PersonHungUp,
    PromiseRecorded,
    RecordPromise,
    RequestCallback,
    SendLink,
    Silence,
    Speak,
    StopCalls,
    TransferTo,
)
from campaigns.flows.model import Factor, Matter
from campaigns.flows.program import Program

FIRST_KEY_S: Final = 6.0
"""From the end of a question to its first key."""
NEXT_KEY_S: Final = 4.0
"""Between two keys of one answer."""
FINISH_KEY: Final = "#"

Errand = (
    CheckIdentity
    | Ask
    | AskTerms
    | RecordPromise
    | TransferTo
    | SendLink
    | KeepLanguage
    | RequestCallback
    | Note
    | StopCalls
)
"""Commands that the shell has to carry out before the flow goes on."""


class Doing(StrEnum):
    NOTHING = "nothing"
    SPEAKING = "speaking"
    COLLECTING = "collecting"
    ERRAND = "errand"
    OVER = "over"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call stands in its flow."""

    state: FlowState
    doing: Doing = Doing.NOTHING
    todo: tuple[AnyCommand, ...] = ()
    """Commands of the interpreter that are still to come."""
    errand: Errand | None = None
    playback: str = ""
    """What is being said."""
    said: int = 0
    """Prompts begun; numbers their playbacks."""
    question: bool = False
    """What is being said is a question: a key interrupts it."""
    keys: str = ""
    """Pressed since the interpreter's last word."""
    mark: int = 0
    """Number of the timer that counts; an older one rings in vain."""
    stopped: bool = False
    """The person opted out."""
    learned: DispositionCode | None = None
    """What the person has said or promised, should the call end before its flow."""

    def __repr__(self) -> str:
        return f"Session({self.state!r}, {self.doing})"


# --- inputs -----------------------------------------------------------------------------------


class Begin(msgspec.Struct, frozen=True):
    machine: bool = False


class KeyPressed(msgspec.Struct, frozen=True):
    key: str


class Spoken(msgspec.Struct, frozen=True):
    """A prompt is over."""

    playback: str


class TimeOver(msgspec.Struct, frozen=True):
    mark: int


class Done(msgspec.Struct, frozen=True):
    """The errand is carried out; what came of it, where the flow asks."""

    event: AnyEvent | None = None


class Broken(msgspec.Struct, frozen=True):
    """Something that the flow needs cannot be had: it ends here."""


class Gone(msgspec.Struct, frozen=True):
    """The call has ended."""


Input = Begin | KeyPressed | Spoken | TimeOver | Done | Broken | Gone

# --- actions ----------------------------------------------------------------------------------


class Say(msgspec.Struct, frozen=True):
    speak: Speak
    playback: str
    whole: bool


class Hush(msgspec.Struct, frozen=True):
    playback: str


class Wait(msgspec.Struct, frozen=True):
    seconds: float
    mark: int


class Do(msgspec.Struct, frozen=True):
    errand: Errand


class Finish(msgspec.Struct, frozen=True):
    """Hang up. The code is the session's `result`."""


Action = Say | Hush | Wait | Do | Finish
Stepped = tuple[Session, tuple[Action, ...]]


def open_session(
    program: Program,
    language: str,
    askable: tuple[Factor, ...] | None = None,
    *,
    known: bool = True,
) -> Session:
    """Before anything is said. `language`: es or en, of the person; `askable`: factors on file;
    `known`: it is known whose account the call is about."""
    return Session(state=begin_flow(program, language, askable, known=known))


def step(program: Program, session: Session, event: Input) -> Stepped:
    """What follows from an input. One that makes no sense now changes nothing."""
    if session.doing is Doing.OVER:
        return session, ()
    run = _Run(program, session)
    run.hear(event)
    return run.session, tuple(run.actions)


def result(session: Session) -> DispositionCode:
    """What the call came to. What a person achieved outweighs how the call ended."""
    if session.stopped:
        return DispositionCode.OPT_OUT
    code = session.state.code
    if code is None:
        code = DispositionCode.TECHNICAL_ERROR
    if session.learned is not None and code in _INCONCLUSIVE:
        return session.learned
    return code


_INCONCLUSIVE: Final = frozenset(
    {
        DispositionCode.HUNG_UP_BEFORE_TALK,
        DispositionCode.RIGHT_PARTY_HUNG_UP,
        DispositionCode.TECHNICAL_ERROR,
    }
)
"""Ends that say only that the call is over."""

MATTER_CODES: Final = {
    Matter.NOT_AVAILABLE: DispositionCode.HUNG_UP_BEFORE_TALK,
    Matter.WRONG_NUMBER: DispositionCode.WRONG_NUMBER,
    Matter.CLAIMS_PAID: DispositionCode.CLAIMS_PAID,
    Matter.DISPUTE_AMOUNT: DispositionCode.DISPUTES_AMOUNT,
    Matter.DISPUTE_NOT_MINE: DispositionCode.NOT_MINE,
    Matter.DISPUTE_SERVICE: DispositionCode.SERVICE_COMPLAINT,
    Matter.HARDSHIP: DispositionCode.HARDSHIP,
}
"""What a matter that a person told comes to, if they hang up before the flow says so itself."""


class _Run:
    """One step in the making."""

    def __init__(self, program: Program, session: Session) -> None:
        self.program = program
        self.session = session
        self.actions: list[Action] = []

    def hear(self, event: Input) -> None:
        session = self.session
        match event:
            case Begin() if session.doing is Doing.NOTHING:
                self._tell(Answered(machine=event.machine))
            case KeyPressed():
                self._key(event.key)
            case Spoken() if session.playback == event.playback != "":
                self._change(playback="")
                self._go_on()
            case TimeOver() if session.doing is Doing.COLLECTING and event.mark == session.mark:
                self._answer()
            case Done() if session.doing is Doing.ERRAND:
                self._done(event.event)
            case Broken():
                self._broken()
            case Gone():
                self._tell(PersonHungUp())
                self._change(doing=Doing.OVER)
                self.actions.clear()
            case _:
                pass

    # --- the interpreter ---------------------------------------------------------------------

    def _tell(self, event: AnyEvent) -> None:
        state, commands = flow_step(self.program, self.session.state, event)
        self._change(state=state, todo=commands, keys="")
        self._go_on()

    def _go_on(self) -> None:
        """Take the next command; there is always one until the flow is over."""
        todo = self.session.todo
        if not todo:
            if self.session.state.is_over:  # an agent has the call
                self._change(doing=Doing.OVER)
            return
        command, rest = todo[0], todo[1:]
        self._change(todo=rest)
        match command:
            case Speak():
                self._speak(command)
            case Collect():
                self._collect(command)
            case HangUpNow():
                self._change(doing=Doing.OVER)
                self.actions.append(Finish())
            case _:
                self._start(command)

    def _speak(self, command: Speak) -> None:
        question = command.question
        if question and self.session.keys:
            self._go_on()  # answered while what came before it was still being said
            return
        number = self.session.said + 1
        playback = f"p{number}"
        self._change(doing=Doing.SPEAKING, playback=playback, said=number, question=question)
        self.actions.append(Say(command, playback, whole=not question))

    # --- errands -----------------------------------------------------------------------------

    def _start(self, errand: Errand) -> None:
        self._change(doing=Doing.ERRAND, errand=errand)
        match errand:
            case StopCalls():
                self._change(stopped=True)
            case RequestCallback():
                self._change(learned=DispositionCode.CALLBACK)
            case Note() if errand.matter in MATTER_CODES:
                self._change(learned=MATTER_CODES[errand.matter])
            case _:
                pass
        self.actions.append(Do(errand))

    def _done(self, event: AnyEvent | None) -> None:
        if isinstance(event, PromiseRecorded) and event.ok:
            self._change(learned=DispositionCode.PROMISE)
        self._change(doing=Doing.NOTHING, errand=None)
        if event is None:
            self._go_on()
        else:
            self._tell(event)

    def _broken(self) -> None:
        state = msgspec.structs.replace(
            self.session.state, code=DispositionCode.TECHNICAL_ERROR, answers={}, draft=None
        )
        self._change(state=state, doing=Doing.OVER, todo=())
        self.actions.append(Finish())

    # --- keys --------------------------------------------------------------------------------

    def _key(self, key: str) -> None:
        session = self.session
        if session.doing is Doing.COLLECTING:
            self._change(keys=session.keys + key)
            self._collect(self._collecting())
        elif session.doing is Doing.SPEAKING and any(isinstance(c, Collect) for c in session.todo):
            self._change(keys=session.keys + key)
            if session.question:
                self.actions.append(Hush(session.playback))
                self._change(playback="")
                self._go_on()

    def _collecting(self) -> Collect:
        head = self.session.todo[0]
        if not isinstance(head, Collect):
            raise AssertionError("keys are collected for a Collect")
        return head

    def _collect(self, command: Collect) -> None:
        """Wait for keys; the command stays at the head of what is to do until they are there."""
        keys = self.session.keys
        if self.session.doing is not Doing.COLLECTING:
            self._change(doing=Doing.COLLECTING, todo=(command, *self.session.todo))
        if len(keys) >= command.most or FINISH_KEY in keys:
            self._answer()
            return
        mark = self.session.mark + 1
        self._change(mark=mark)
        self.actions.append(Wait(NEXT_KEY_S if keys else FIRST_KEY_S, mark))

    def _answer(self) -> None:
        most, keys = self._collecting().most, self.session.keys
        typed, finish, _ = keys.partition(FINISH_KEY)
        self._change(doing=Doing.NOTHING, mark=self.session.mark + 1)
        self._tell(Digits(digits=typed[:most] + finish) if keys else Silence())

    def _change(self, **fields: object) -> None:
        self.session = msgspec.structs.replace(self.session, **fields)
