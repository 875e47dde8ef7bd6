"""The timing of a flow on a call: what is said, which keys count, what waits for what."""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.dispositions import DispositionCode as Code
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
    PromiseRecorded,
    RecordPromise,
    RequestCallback,
    SendLink,
    StopCalls,
    TransferTo,
)
from campaigns.flows.program import Program, compile_flow
from campaigns.flows.samples import sample_flows
from compliance.types import ContentClass
from dialer.core.flow_session import (
    FIRST_KEY_S,
    NEXT_KEY_S,
    Action,
    Begin,
    Broken,
    Do,
    Doing,
    Done,
    Finish,
    Gone,
    Hush,
    Input,
    KeyPressed,
    Say,
    Session,
    Spoken,
    TimeOver,
    Wait,
    open_session,
    result,
    step,
)

PROGRAMS: Final = {flow.name: compile_flow(flow) for flow in sample_flows()}
LOCATOR: Final = PROGRAMS["locator-agent"]


class Call:
    """Plays a flow with a carrier that says everything at once, unless a test holds it back."""

    def __init__(self, program: Program = LOCATOR, *, known: bool = True) -> None:
        self.program = program
        self.session: Session = open_session(program, "es", known=known)
        self.done: list[Action] = []

    def tell(self, *inputs: Input) -> list[Action]:
        made: list[Action] = []
        for event in inputs:
            self.session, actions = step(self.program, self.session, event)
            made += actions
        self.done += made
        return made

    def say_all(self) -> None:
        """Let prompts end until something else is awaited."""
        while self.session.playback:
            self.tell(Spoken(self.session.playback))

    def errand(self) -> object:
        return self.session.errand


def answered(program: Program = LOCATOR) -> Call:
    call = Call(program)
    call.tell(Begin())
    return call


def test_prompts_are_said_one_after_the_other_and_only_the_question_can_be_interrupted() -> None:
    call = Call()
    (greeting,) = call.tell(Begin())
    assert isinstance(greeting, Say)
    assert greeting.whole
    (question,) = call.tell(Spoken(greeting.playback))
    assert isinstance(question, Say)
    assert not question.whole
    assert call.tell(Spoken(question.playback)) == [Wait(FIRST_KEY_S, 1)]


def test_a_key_in_the_question_ends_it_and_answers_it() -> None:
    call = answered()
    call.tell(Spoken("p1"))
    hush, say = call.tell(KeyPressed("1"))
    assert hush == Hush("p2")
    assert isinstance(say, Say)
    assert call.session.state.node == "identity"
    assert call.tell(Spoken("p2")) == [], "the end of what was hushed says nothing"


def test_a_key_in_what_must_be_said_whole_waits_and_spares_the_question() -> None:
    call = answered()
    assert call.tell(KeyPressed("1")) == []
    call.tell(Spoken("p1"))
    assert call.session.state.node == "identity"
    assert not any("¿Hablo con" in a.speak.text for a in call.done if isinstance(a, Say))


def test_keys_of_one_step_are_not_taken_for_the_next() -> None:
    call = answered()
    call.say_all()
    call.tell(KeyPressed("1"))
    assert call.session.state.node == "identity"
    assert call.session.keys == ""


def test_digits_wait_for_each_other_and_the_last_one_is_enough() -> None:
    call = answered()
    call.say_all()
    call.tell(KeyPressed("1"))
    call.say_all()
    waits = call.tell(*(KeyPressed(key) for key in "482"))
    assert [w.seconds for w in waits if isinstance(w, Wait)] == [NEXT_KEY_S] * 3
    call.tell(KeyPressed("1"))
    assert call.session.state.answers


def test_a_timer_of_an_older_question_rings_in_vain() -> None:
    call = answered()
    call.say_all()
    mark = call.session.mark
    call.tell(KeyPressed("1"))
    call.say_all()
    before = call.session
    assert call.tell(TimeOver(mark)) == []
    assert call.session == before


def test_silence_is_an_answer_and_the_question_is_put_again() -> None:
    call = answered()
    call.say_all()
    (again,) = call.tell(TimeOver(call.session.mark))
    assert isinstance(again, Say)
    call.say_all()
    call.tell(TimeOver(call.session.mark))
    call.say_all()
    assert call.done[-1] == Finish()
    assert result(call.session) is Code.HUNG_UP_BEFORE_TALK


def test_nothing_is_said_before_an_opt_out_is_on_record() -> None:
    call = answered()
    call.say_all()
    assert call.tell(KeyPressed("9")) == [Do(StopCalls())]
    assert call.session.doing is Doing.ERRAND
    (bye,) = call.tell(Done())
    assert isinstance(bye, Say)
    call.tell(Gone())
    assert result(call.session) is Code.OPT_OUT


def test_what_cannot_be_had_ends_the_call_as_a_fault() -> None:
    call = answered()
    assert call.tell(Broken()) == [Finish()]
    assert result(call.session) is Code.TECHNICAL_ERROR
    assert call.tell(KeyPressed("1"), Spoken("p1"), Done()) == []


def test_a_promise_stands_when_the_person_hangs_up_before_the_goodbye() -> None:
    session = open_session(LOCATOR, "es")
    session, _ = step(LOCATOR, session, Begin())
    kept = msgspec.structs.replace(session, learned=Code.PROMISE)
    ended, _ = step(LOCATOR, kept, Gone())
    assert result(ended) is Code.PROMISE


def test_an_agent_who_takes_the_call_ends_the_flow_without_a_word() -> None:
    call = answered()
    call.say_all()
    call.tell(KeyPressed("1"))
    for keys in ("4821", "0511"):
        call.say_all()
        call.tell(*(KeyPressed(key) for key in keys))
    assert isinstance(call.errand(), CheckIdentity)
    call.tell(Done(IdentityChecked(result=IdentityResult.PASSED)))
    call.tell(Done(Known(value="yes")))
    call.say_all()
    assert isinstance(call.errand(), TransferTo)
    assert call.tell(Done(AgentTook())) == []
    assert call.session.doing is Doing.OVER


# --- the language by key -------------------------------------------------------------------------

SELF_SERVICE: Final = PROGRAMS["self-service"]


def asked_for_the_language() -> Call:
    call = answered(SELF_SERVICE)
    call.tell(Spoken("p1"))
    return call


def spoken(call: Call) -> list[tuple[str, str]]:
    return [(a.speak.language, a.speak.text) for a in call.done if isinstance(a, Say)]


def test_both_languages_are_said_and_either_text_can_be_interrupted() -> None:
    call = asked_for_the_language()
    assert spoken(call)[1:] == [("es", "Para español, marque 1.")]
    call.tell(Spoken("p2"))
    assert spoken(call)[2:] == [("en", "For English, press 2.")]
    assert [a.whole for a in call.done if isinstance(a, Say)] == [True, False, False]
    early = asked_for_the_language()
    hush, say = early.tell(KeyPressed("2"))
    assert hush == Hush("p2")
    assert isinstance(say, Say)
    assert say.speak.language == "en"
    assert say.speak.text.startswith("Am I speaking with"), "the other voice is spared"


def test_whoever_presses_nothing_goes_on_in_the_language_of_the_call() -> None:
    call = asked_for_the_language()
    call.say_all()
    (say,) = call.tell(TimeOver(call.session.mark))
    assert isinstance(say, Say)
    assert say.speak.language == "es"


def test_a_text_that_leaves_during_the_call_is_waited_for() -> None:
    call = asked_for_the_language()
    call.tell(KeyPressed("2"))
    call.say_all()
    call.tell(KeyPressed("1"))
    for keys in ("4821", "0511"):
        call.say_all()
        call.tell(*(KeyPressed(key) for key in keys))
    call.tell(Done(IdentityChecked(result=IdentityResult.PASSED)))
    assert call.errand() == KeepLanguage(language="en")
    call.tell(Done(), Done(Known(value="no")))
    call.say_all()
    call.tell(KeyPressed("1"), Done(Known(value="yes")))
    errand = call.errand()
    assert isinstance(errand, SendLink)
    assert errand.language == "en"
    (sent,) = call.tell(Done(LinkSent(ok=True)))
    assert isinstance(sent, Say)
    assert sent.speak.text.startswith("We sent the link")


# --- invariants ----------------------------------------------------------------------------------

ANSWERS: Final[dict[type, list[AnyEvent | None]]] = {
    CheckIdentity: [IdentityChecked(result=r) for r in IdentityResult],
    Ask: [Known(value=v) for v in ("yes", "no", None)],
    AskTerms: [NoTerms()],
    RecordPromise: [PromiseRecorded(ok=True), PromiseRecorded(ok=False)],
    TransferTo: [AgentTook(), NoAgent()],
    SendLink: [LinkSent(ok=True), LinkSent(ok=False)],
}
"""What the shell may answer to an errand; nothing, where it only has to be done."""
FOR_ONE: Final = (CheckIdentity, RequestCallback, Note, SendLink, KeepLanguage, RecordPromise)
"""Errands that concern one person."""


@pytest.mark.parametrize("name", sorted(PROGRAMS))
@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_whatever_happens_the_call_ends_and_no_debt_is_told_unverified(
    name: str, seed: int
) -> None:
    chance = Random(seed)
    known = not PROGRAMS[name].flow.inbound or chance.random() < 0.5
    call = Call(PROGRAMS[name], known=known)
    call.tell(Begin(machine=chance.random() < 0.2))
    for turn in range(1_000):
        if call.session.doing is Doing.OVER:
            break
        # Time goes on, whatever the person does.
        events = due(call.session) if turn % 2 else noise(call.session)
        for action in call.tell(chance.choice(events)):
            if isinstance(action, Say) and action.speak.content_class is ContentClass.VERIFIED:
                assert call.session.state.verified
            if isinstance(action, Do) and isinstance(action.errand, FOR_ONE):
                assert known, "nothing is done for nobody"
    else:
        raise AssertionError("the flow does not end")
    assert isinstance(result(call.session), Code)


def due(session: Session) -> list[Input]:
    """What the carrier and the shell owe now."""
    if session.playback:
        return [Spoken(session.playback)]
    if session.errand is not None:
        return [Done(answer) for answer in ANSWERS.get(type(session.errand), [None])]
    return [TimeOver(session.mark), *(KeyPressed(key) for key in "1239")]


def noise(session: Session) -> list[Input]:
    """Keys, and words that come late or twice."""
    late: list[Input] = [Spoken("p0"), Spoken("p1"), TimeOver(session.mark - 1)]
    return [*late, *(KeyPressed(key) for key in "1239#")]
