"""What simulated people press, by where it leads."""

from __future__ import annotations

import pytest

from campaigns.flows.interpreter import begin, step
from campaigns.flows.messages import (
    Answered,
    AnyEvent,
    Digits,
    IdentityChecked,
    IdentityResult,
    Known,
)
from campaigns.flows.program import compile_flow
from campaigns.flows.samples import sample_flows
from dialer.simulation.keypads import LANGUAGE, keys_for
from telephony_adapters.messages import CallId
from telephony_adapters.simulator.heard import Heard, Intent, Speaker

FLOWS = {flow.name: flow for flow in sample_flows()}
PASSED = IdentityChecked(result=IdentityResult.PASSED)


def key(value: str) -> Digits:
    return Digits(digits=value)


OPEN, OURS = Known(value="yes"), Known(value="no")
TO_SERVICES: list[AnyEvent] = [key("1"), key("1"), key("4821"), key("0511"), PASSED, OURS]
CALLER: list[AnyEvent] = [key("1"), OPEN, key("1"), key("4821"), key("0511"), PASSED, OURS]


def pressed(
    flow: str,
    events: list[AnyEvent],
    intent: Intent,
    speaker: Speaker = Speaker.RIGHT_PARTY,
    language: str | None = None,
) -> str:
    program = compile_flow(FLOWS[flow])
    state = begin(program, "es")
    for event in [Answered(), *events]:
        state, _ = step(program, state, event)
    who = Heard(call_id=CallId("c"), speaker=speaker, intent=intent, verification_answers=True)
    knows = {} if language is None else {LANGUAGE: language}
    return keys_for(FLOWS[flow], state, who, knows)


@pytest.mark.parametrize(
    ("language", "expected"), [("es-CL", "1"), ("en", "2"), ("pt", ""), (None, "")]
)
def test_everybody_chooses_their_own_language(language: str | None, expected: str) -> None:
    assert pressed("self-service", [], Intent.WILLING, language=language) == expected


@pytest.mark.parametrize(
    ("intent", "expected"),
    [
        (Intent.WILLING, "1"),
        (Intent.ALREADY_PAID, "2"),
        (Intent.HARDSHIP, "4"),
        (Intent.CEASE, "9"),
    ],
)
def test_who_is_willing_asks_for_the_link(intent: Intent, expected: str) -> None:
    assert pressed("self-service", TO_SERVICES, intent) == expected


@pytest.mark.parametrize(
    ("intent", "expected"),
    [(Intent.WILLING, "1"), (Intent.PROMISE, "2"), (Intent.CALLBACK, "3"), (Intent.CEASE, "9")],
)
def test_callers_press_what_they_called_for(intent: Intent, expected: str) -> None:
    assert pressed("inbound-return", CALLER, intent) == expected


def test_whoever_knows_nobody_of_that_name_says_so() -> None:
    events: list[AnyEvent] = [key("1"), OPEN]
    stranger = pressed("inbound-return", events, Intent.WRONG_NUMBER, Speaker.WRONG_PARTY)
    assert stranger == "3"
