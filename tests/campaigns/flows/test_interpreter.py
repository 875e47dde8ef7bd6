"""The interpreter: what is said, asked and ordered, event by event."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from campaigns.dispositions import DispositionCode as Code
from campaigns.flows.interpreter import begin, step
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
    PromiseRecorded,
    RecordPromise,
    RequestCallback,
    SendLink,
    Silence,
    Speak,
    StopCalls,
    TransferTo,
    Waiting,
)
from campaigns.flows.model import Condition, Factor, LinkPurpose, LinkTemplates, Matter
from campaigns.flows.program import Program, compile_flow
from campaigns.flows.promising import next_date
from campaigns.flows.samples import sample_flows
from compliance.types import ContentClass
from tests.campaigns.flows.build import STOP, TERMS, flow, gather, run, said, verify

PROGRAMS = {f.name: compile_flow(f) for f in sample_flows()}
VERIFIED_CLASS = ContentClass.VERIFIED
PASSED = IdentityChecked(result=IdentityResult.PASSED)
FAILED = IdentityChecked(result=IdentityResult.FAILED)
VERIFIED: list[AnyEvent] = [
    Answered(),
    Digits(digits="1"),
    Digits(digits="4821"),
    Digits(digits="0511"),
    PASSED,
]

SPANISH: list[AnyEvent] = [Answered(), Digits(digits="1")]
IN_SPANISH: list[AnyEvent] = [*SPANISH, *VERIFIED[1:]]
"""Verified in a flow that asks for the language first."""
OURS: list[AnyEvent] = [*IN_SPANISH, Known(value="no")]
"""The same, and the collector is the creditor: no third party's notice is due."""


def keys(*digits: str) -> list[AnyEvent]:
    return [Digits(digits=d) for d in digits]


def last(program: Program, events: list[AnyEvent]) -> AnyCommand:
    return run(program, events)[1][-1]


def test_a_call_to_the_right_party_that_ends_with_an_agent() -> None:
    state, ordered = run(PROGRAMS["locator-agent"], [*VERIFIED, Known(value="yes"), AgentTook()])
    kinds = [type(c) for c in ordered]
    assert kinds == [Speak, Speak, Collect, Speak, Collect, Speak, Collect, CheckIdentity, Ask,
                     Speak, Speak, Speak, TransferTo]  # fmt: skip
    check = ordered[7]
    assert check == CheckIdentity(
        answers={Factor.DOCUMENT_LAST4: "4821", Factor.BIRTH_DATE: "0511"}
    )
    assert "4821" not in repr(check)
    assert ordered[8] == Ask(condition=Condition.THIRD_PARTY_COLLECTOR)
    speaks = [c for c in ordered if isinstance(c, Speak)]
    assert [c.content_class is VERIFIED_CLASS for c in speaks] == [0, 0, 0, 0, 1, 1, 0]
    assert state.is_over
    assert state.code is None, "the agent's disposition is to come"
    assert not any(isinstance(c, Collect) and not c.secret for c in ordered[3:7])


def test_what_is_not_known_takes_the_cautious_way() -> None:
    """An unknown collector's role gets the disclosure that third parties owe."""
    _, ordered = run(PROGRAMS["locator-agent"], [*VERIFIED, Known(value=None)])
    assert any(isinstance(c, Speak) and c.content_class is VERIFIED_CLASS for c in ordered)


def test_nobody_free_means_a_callback() -> None:
    state, ordered = run(PROGRAMS["locator-agent"], [*VERIFIED, Known(value="no"), NoAgent()])
    assert RequestCallback() in ordered
    assert ordered[-1] == HangUpNow(code=Code.CALLBACK)
    assert state.code is Code.CALLBACK


def test_nine_stops_the_calls_before_anything_else_is_said() -> None:
    state, ordered = run(PROGRAMS["locator-agent"], [Answered(), *keys("9")])
    after = ordered[3:]
    assert [type(c) for c in after] == [StopCalls, Speak, HangUpNow]
    assert state.code is Code.OPT_OUT


def test_a_wrong_number_is_noted() -> None:
    state, ordered = run(PROGRAMS["locator-agent"], [Answered(), *keys("3")])
    assert Note(matter=Matter.WRONG_NUMBER) in ordered
    assert state.code is Code.WRONG_NUMBER


@pytest.mark.parametrize("event", [Silence(), Digits(digits="7"), Digits(digits="")])
def test_a_question_is_put_twice_and_no_more(event: AnyEvent) -> None:
    program = PROGRAMS["locator-agent"]
    once, ordered = run(program, [Answered(), event])
    assert once.waiting is Waiting.MENU
    assert len([c for c in ordered if isinstance(c, Collect)]) == 2
    twice, _ = run(program, [Answered(), event, event])
    assert twice.code is Code.HUNG_UP_BEFORE_TALK


def test_a_machine_hears_the_limited_message_or_nothing() -> None:
    left, ordered = run(PROGRAMS["locator-agent"], [Answered(machine=True)])
    assert isinstance(ordered[0], Speak)
    assert left.code is Code.VOICEMAIL_MESSAGE
    silent, ordered = run(PROGRAMS["inbound-return"], [Answered(machine=True)])
    assert ordered == [HangUpNow(code=Code.VOICEMAIL_NO_MESSAGE)]
    assert silent.is_over


# --- verification --------------------------------------------------------------------------------


def test_two_tries_of_verification_in_a_call() -> None:
    program = PROGRAMS["locator-agent"]
    wrong: list[AnyEvent] = [*keys("1111", "0101"), FAILED]
    once, _ = run(program, [Answered(), *keys("1"), *wrong])
    assert once.waiting is Waiting.FACTOR
    assert once.answers == {}
    twice, _ = run(program, [Answered(), *keys("1"), *wrong, *wrong])
    assert twice.code is Code.NOT_VERIFIED
    assert not twice.verified


@pytest.mark.parametrize("bad", [Silence(), *keys("#", "12345", "12*4")])
def test_keys_that_are_no_answer_are_a_failed_try(bad: AnyEvent) -> None:
    state, ordered = run(PROGRAMS["locator-agent"], [Answered(), *keys("1"), bad])
    assert state.identity_tries == 1
    assert not any(isinstance(c, CheckIdentity) for c in ordered)


def test_another_verify_node_gives_no_more_tries() -> None:
    made = flow({"a": gather(k1="v"), "v": verify("bye", "w"), "w": verify("bye", "bye"), **STOP})
    wrong: list[AnyEvent] = [*keys("1111", "0101"), FAILED]
    state, _ = run(compile_flow(made), [Answered(), *keys("1"), *wrong, *wrong])
    assert state.is_over


def test_keys_of_the_identity_do_not_stay_in_the_state() -> None:
    state, _ = run(PROGRAMS["locator-agent"], [Answered(), *keys("1", "4821", "0511")])
    assert state.waiting is Waiting.IDENTITY
    assert state.answers == {}
    half, _ = run(PROGRAMS["locator-agent"], [Answered(), *keys("1", "4821")])
    assert "4821" not in repr(half)


def test_a_result_that_was_not_asked_for_verifies_nobody() -> None:
    state, _ = run(PROGRAMS["locator-agent"], [Answered(), PASSED, *keys("1"), PASSED])
    assert not state.verified
    assert state.waiting is Waiting.FACTOR


# --- promise -------------------------------------------------------------------------------------

PROMISING: list[AnyEvent] = [*OURS, *keys("1")]


def test_a_promise_by_keys() -> None:
    program = PROGRAMS["promise-dtmf"]
    assert last(program, PROMISING) == AskTerms()
    state, ordered = run(
        program,
        [*PROMISING, TERMS, *keys("3", "500#", "0112", "2", "1"), PromiseRecorded(ok=True)],
    )
    assert (
        RecordPromise(
            amount_cents=50_000, currency="MXN", due_date=date(2026, 12, 1), method="branch"
        )
        in ordered
    )
    read_back = [c for c in ordered if isinstance(c, Speak) and "promise_amount" in c.values][-1]
    assert read_back.values["promise_date"] == date(2026, 12, 1)
    assert state.code is Code.PROMISE


@pytest.mark.parametrize(
    "bad",
    [keys("3", "100"), keys("3", "5000"), keys("1", "2412"), keys("1", "3102"), keys("1", "2411")],
)
def test_what_the_policy_does_not_allow_is_refused_with_the_range(bad: list[AnyEvent]) -> None:
    program = PROGRAMS["promise-dtmf"]
    _, ordered = run(program, [*PROMISING, TERMS, *bad])
    said_range = ordered[-3]
    assert isinstance(said_range, Speak)
    assert "{{latest_date}}" in said_range.text
    assert said_range.values["latest_date"] == TERMS.last_date
    assert not any(isinstance(c, RecordPromise) for c in ordered)


def test_errors_of_a_promise_are_counted_over_all_its_questions() -> None:
    state, _ = run(PROGRAMS["promise-dtmf"], [*PROMISING, TERMS, *keys("7", "1", "3102")])
    assert state.waiting is Waiting.AGENT, "two bad answers: a person takes over"


def test_a_promise_can_be_changed_once_before_it_is_confirmed() -> None:
    program = PROGRAMS["promise-dtmf"]
    once, ordered = run(program, [*PROMISING, TERMS, *keys("1", "0112", "1", "2")])
    assert once.waiting is Waiting.OPTION
    state, ordered = run(
        program, [*PROMISING, TERMS, *keys("1", "0112", "1", "2", "2", "0512", "1", "1")]
    )
    promised = [c for c in ordered if isinstance(c, RecordPromise)]
    assert [(p.amount_cents, p.due_date) for p in promised] == [(25_000, date(2026, 12, 5))]
    assert state.waiting is Waiting.RECORDING


@pytest.mark.parametrize("before", [keys(), keys("1", "0112"), keys("1", "0112", "1")])
def test_nine_stops_the_calls_in_the_middle_of_a_promise(before: list[AnyEvent]) -> None:
    state, ordered = run(PROGRAMS["promise-dtmf"], [*PROMISING, TERMS, *before, *keys("9")])
    assert StopCalls() in ordered
    assert state.code is Code.OPT_OUT


def test_a_promise_that_was_not_recorded_is_none() -> None:
    events = [*PROMISING, TERMS, *keys("1", "0112", "1", "1"), PromiseRecorded(ok=False)]
    state, _ = run(PROGRAMS["promise-dtmf"], events)
    assert state.code is None
    assert state.waiting is Waiting.AGENT


@pytest.mark.parametrize(
    ("digits", "day"),
    [
        ("2511", date(2026, 11, 25)),
        ("2411", date(2027, 11, 24)),
        ("0101", date(2027, 1, 1)),
        ("2902", None),
        ("3111", None),
        ("25", None),
        ("٢٥١١", date(2026, 11, 25)),
    ],
)
def test_the_next_day_with_these_keys(digits: str, day: date | None) -> None:
    assert next_date(digits, date(2026, 11, 25)) == day


# --- other ends ----------------------------------------------------------------------------------


def test_a_link_goes_to_the_number_on_file() -> None:
    program = PROGRAMS["self-service"]
    _, ordered = run(program, [*OURS, *keys("1"), Known(value="yes")])
    texts = LinkTemplates(es="link-sms-es", en="link-sms-en")
    assert ordered[-1] == SendLink(purpose=LinkPurpose.PAY, templates=texts, language="es")
    sent, _ = run(program, [*OURS, *keys("1"), Known(value="yes"), LinkSent(ok=True)])
    assert sent.code is Code.WILLING_NO_DATE
    failed, _ = run(program, [*OURS, *keys("1"), Known(value="yes"), LinkSent(ok=False)])
    assert failed.waiting is Waiting.AGENT
    _, ordered = run(program, [*OURS, *keys("1"), Known(value=None)])
    assert not any(isinstance(c, SendLink) for c in ordered), "not known: no payment is asked for"


def test_a_menu_comes_back_once() -> None:
    program = PROGRAMS["self-service"]
    bad = keys("8", "8")
    again, _ = run(program, [*OURS, *bad])
    assert again.waiting is Waiting.MENU
    assert again.taken == {"once_more": 1}
    over, _ = run(program, [*OURS, *bad, *bad])
    assert over.waiting is Waiting.AGENT


@pytest.mark.parametrize(
    ("events", "code"),
    [([Answered()], Code.HUNG_UP_BEFORE_TALK), (IN_SPANISH, Code.RIGHT_PARTY_HUNG_UP)],
)
def test_a_person_may_hang_up_at_any_time(events: list[AnyEvent], code: Code) -> None:
    state, ordered = run(PROGRAMS["self-service"], [*events, PersonHungUp()])
    assert state.code is code
    assert not any(isinstance(c, HangUpNow) for c in ordered)
    assert step(PROGRAMS["self-service"], state, Digits(digits="1")) == (state, ())


def test_the_language_is_the_persons() -> None:
    program = PROGRAMS["locator-agent"]
    _, commands = step(program, begin(program, "en-US"), Answered())
    assert isinstance(commands[0], Speak)
    assert commands[0].text.startswith("Hello")
    assert begin(program, "es-MX").language == "es"


# --- the language by key -------------------------------------------------------------------------

ASKS = flow(
    {
        "a": {"kind": "language", "text": {"es": "Uno.", "en": "Two."}, "choices": {"1": "es",
              "2": "en"}, "next": "b", "on_opt_out": "stop"},
        "b": {**gather(k1="v"), "text": {"es": "Menú.", "en": "Menu."}},
        "v": verify("bye", "bye"),
        **STOP,
    }
)  # fmt: skip


def spoken_in(commands: list[AnyCommand]) -> list[tuple[str, str]]:
    return [(c.language, c.text) for c in commands if isinstance(c, Speak)]


@pytest.mark.parametrize(
    ("own", "pressed", "then"),
    [
        ("es", "2", ("en", "Menu.")),
        ("en", "1", ("es", "Menú.")),
        ("en", "7", ("en", "Menu.")),
        ("es", "", ("es", "Menú.")),
    ],
)
def test_a_key_chooses_the_language_of_the_rest_of_the_call(
    own: str, pressed: str, then: tuple[str, str]
) -> None:
    program = compile_flow(ASKS)
    state, asked = step(program, begin(program, own), Answered())
    both = [("es", "Uno."), ("en", "Two.")]
    assert spoken_in(list(asked)) == (both if own == "es" else both[::-1]), "the own one first"
    assert all(c.question for c in asked if isinstance(c, Speak))
    assert asked[-1] == Collect(most=1)
    state, ordered = step(program, state, Digits(digits=pressed) if pressed else Silence())
    assert spoken_in(list(ordered)) == [then]
    assert state.language == then[0]


def test_nine_stops_the_calls_at_the_question_for_the_language_too() -> None:
    _, ordered = run(compile_flow(ASKS), [Answered(), *keys("9")])
    assert StopCalls() in ordered


def test_the_language_is_asked_for_as_often_as_the_flow_says() -> None:
    nodes = {**ASKS.nodes, "a": msgspec.structs.replace(ASKS.nodes["a"], tries=2)}
    program = compile_flow(msgspec.structs.replace(ASKS, nodes=nodes))
    once, _ = run(program, [Answered(), Silence()])
    assert once.waiting is Waiting.LANGUAGE
    twice, _ = run(program, [Answered(), Silence(), Silence()])
    assert twice.waiting is Waiting.MENU


def test_a_chosen_language_is_kept_once_it_is_known_who_chose() -> None:
    program = compile_flow(ASKS)
    chosen = [Answered(), *keys("2", "1", "4821", "0511")]
    _, before = run(program, chosen)
    assert not any(isinstance(c, KeepLanguage) for c in before)
    _, after = run(program, [*chosen, PASSED])
    assert KeepLanguage(language="en") in after
    _, failed = run(program, [*chosen, FAILED])
    assert not any(isinstance(c, KeepLanguage) for c in failed)
    _, silent = run(program, [Answered(), Silence(), *keys("1", "4821", "0511"), PASSED])
    assert not any(isinstance(c, KeepLanguage) for c in silent), "nobody has chosen"


# --- people who call us --------------------------------------------------------------------------


def calls_in(known: bool, events: list[AnyEvent]) -> tuple[FlowState, list[AnyCommand]]:
    program = PROGRAMS["inbound-return"]
    state = begin(program, "es", known=known)
    ordered: list[AnyCommand] = []
    for event in [Answered(), *keys("1"), *events]:
        state, commands = step(program, state, event)
        ordered += commands
    return state, ordered


OPEN, SHUT = Known(value="yes"), Known(value="no")


def test_a_known_caller_is_verified_before_the_menu_of_the_debt() -> None:
    proof = [OPEN, *keys("1", "4821", "0511")]
    state, _ = calls_in(True, [*proof, PASSED, Known(value="yes")])
    assert (state.node, state.verified) == ("services", True)
    state, ordered = calls_in(True, [*proof, PASSED, Known(value="yes"), *keys("1"), OPEN])
    passed_on = ordered[-1]
    assert isinstance(passed_on, TransferTo)
    assert passed_on.waiting is not None
    assert passed_on.waiting.text.startswith("Siga en la línea")
    state, _ = calls_in(True, [*proof, FAILED, *keys("4821", "0511"), FAILED])
    assert state.code is Code.NOT_VERIFIED


def test_an_unknown_caller_is_asked_for_nothing_and_comes_to_an_agent() -> None:
    state, ordered = calls_in(False, [OPEN, *keys("1"), SHUT])
    assert state.waiting is Waiting.AGENT
    assert not any(isinstance(c, CheckIdentity | RequestCallback | Note) for c in ordered)
    state, ordered = calls_in(False, [OPEN, *keys("1"), SHUT, NoAgent()])
    assert state.code is Code.HUNG_UP_BEFORE_TALK
    assert not any(isinstance(c, RequestCallback) for c in ordered), "nobody to call back"


@pytest.mark.parametrize(
    "events",
    [
        [SHUT, *keys("1")],
        [OPEN, *keys("1", "4821", "0511"), PASSED, Known(value="no"), *keys("1"), SHUT,
         *keys("2")],
        [OPEN, *keys("1", "4821", "0511"), PASSED, Known(value="no"), *keys("1"), OPEN,
         NoAgent()],
    ],
    ids=["closed", "all busy", "nobody came"],
)  # fmt: skip
def test_a_known_caller_is_offered_a_callback(events: list[AnyEvent]) -> None:
    state, ordered = calls_in(True, events)
    assert RequestCallback() in ordered
    assert state.code is Code.CALLBACK


def test_an_unproved_flow_writes_nothing_down_for_nobody() -> None:
    made = flow({"a": {"kind": "callback", "text": said(), "next": "bye"}, **STOP}, inbound=True)
    program = compile_flow(made)
    state, ordered = step(program, begin(program, "es", known=False), Answered())
    assert state.fault is Fault.NOBODY
    assert ordered == (HangUpNow(code=Code.TECHNICAL_ERROR),)


def test_an_unproved_flow_ends_the_call_instead_of_disclosing() -> None:
    made = flow({"a": {"kind": "disclose", "text": said("Su deuda."), "next": "bye"}, **STOP})
    state, ordered = run(compile_flow(made), [Answered()])
    assert state.fault is Fault.DISCLOSURE
    assert ordered == [HangUpNow(code=Code.TECHNICAL_ERROR)]


def test_an_unproved_flow_that_turns_in_a_circle_ends_the_call() -> None:
    made = flow({"a": {"kind": "say", "text": said(), "next": "a"}})
    state, _ = run(compile_flow(made), [Answered()])
    assert state.fault is Fault.ENDLESS


def test_of_three_questions_two_are_put_that_the_file_can_answer() -> None:
    program = PROGRAMS["locator-agent"]
    three = [Factor.DOCUMENT_LAST4, Factor.BIRTH_DATE, Factor.CONTRACT]
    for askable, asked in (
        (None, three[:2]),
        (three, three[:2]),
        ([Factor.DOCUMENT_LAST4, Factor.CONTRACT], [Factor.DOCUMENT_LAST4, Factor.CONTRACT]),
        ([Factor.BIRTH_DATE, Factor.CONTRACT], [Factor.BIRTH_DATE, Factor.CONTRACT]),
    ):
        state = begin(program, "es", None if askable is None else tuple(askable))
        ordered: list[AnyCommand] = []
        for event in (Answered(), Digits(digits="1"), Digits(digits="4821"), Digits(digits="4821")):
            state, commands = step(program, state, event)
            ordered += commands
        (check,) = [c for c in ordered if isinstance(c, CheckIdentity)]
        assert list(check.answers) == asked


@pytest.mark.parametrize("askable", [(), (Factor.DOCUMENT_LAST4,), (Factor.CONTRACT,)])
def test_who_cannot_be_verified_is_not_asked(askable: tuple[Factor, ...]) -> None:
    program = PROGRAMS["locator-agent"]
    state = begin(program, "es", askable)
    for event in (Answered(), Digits(digits="1")):
        state, ordered = step(program, state, event)
    assert not any(isinstance(c, Collect) for c in ordered)
    assert state.code is Code.NOT_VERIFIED
