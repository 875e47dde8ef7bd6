"""Small flows for tests, and every event that could come."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import date

import msgspec

from campaigns.flows.interpreter import begin, step
from campaigns.flows.messages import (
    AgentTook,
    Answered,
    AnyCommand,
    AnyEvent,
    Digits,
    Fault,
    FlowState,
    IdentityChecked,
    IdentityResult,
    Known,
    LinkSent,
    NoAgent,
    NoTerms,
    PersonHungUp,
    PromiseRecorded,
    Silence,
    Terms,
)
from campaigns.flows.model import Flow
from campaigns.flows.program import Program

TERMS = Terms(
    full_cents=100_000,
    minimum_cents=25_000,
    currency="MXN",
    unit_cents=100,
    first_date=date(2026, 11, 25),
    last_date=date(2026, 12, 10),
)
EVENTS: tuple[AnyEvent, ...] = (
    Answered(),
    Answered(machine=True),
    Digits(digits="1"),
    Digits(digits="2"),
    Digits(digits="3"),
    Digits(digits="9"),
    Digits(digits="500"),
    Digits(digits="0112"),
    Digits(digits="3102"),
    Digits(digits="#"),
    Silence(),
    *(IdentityChecked(result=result) for result in IdentityResult),
    Known(value="yes"),
    Known(value="no"),
    Known(value=None),
    TERMS,
    NoTerms(),
    PromiseRecorded(ok=True),
    PromiseRecorded(ok=False),
    AgentTook(),
    NoAgent(),
    LinkSent(ok=True),
    LinkSent(ok=False),
    PersonHungUp(),
)


def said(text: str = "Hola.") -> dict[str, str]:
    return {"es": text, "en": "Hello." if text == "Hola." else text}


def question(factor: str) -> dict[str, object]:
    return {"factor": factor, "digits": 4, "text": said()}


def verify(on_verified: str, on_failed: str, **more: object) -> dict[str, object]:
    return {
        "kind": "verify",
        "questions": [question("document_last4"), question("birth_date")],
        "on_verified": on_verified,
        "on_failed": on_failed,
        "on_unavailable": on_failed,
        **more,
    }


def promise(on_promised: str, on_declined: str, on_opt_out: str = "stop") -> dict[str, object]:
    prompts = ("options", "ask_amount", "ask_date", "out_of_range", "ask_method", "read_back")
    return {
        "kind": "promise",
        **{name: said() for name in prompts},
        "methods": {"1": "transfer", "2": "branch"},
        "on_promised": on_promised,
        "on_declined": on_declined,
        "on_opt_out": on_opt_out,
    }


def flow(nodes: Mapping[str, Mapping[str, object]], start: str = "a", **more: object) -> Flow:
    return msgspec.convert(
        {"name": "test", "title": said(), "start": start, "nodes": nodes, **more}, Flow
    )


def end(code: str = "SY-CU") -> dict[str, object]:
    return {"kind": "hang_up", "code": code}


def gather(**choices: str) -> dict[str, object]:
    keys = {key.removeprefix("k"): target for key, target in choices.items()}
    return {
        "kind": "gather",
        "text": said(),
        "choices": {"9": "stop", **keys},
        "on_no_input": "bye",
        "on_invalid": "bye",
    }


STOP: dict[str, dict[str, object]] = {
    "stop": {"kind": "opt_out", "text": said(), "next": "stopped"},
    "stopped": end("DG-OO"),
    "bye": end(),
}
"""What every menu needs."""


class Explored(msgspec.Struct, frozen=True):
    """What all possible runs of the interpreter came to."""

    states: int
    faults: frozenset[Fault]
    endless: bool
    """Some run never ends."""


def explore(program: Program, limit: int = 60_000, *, known: bool = True) -> Explored:
    """Every state that any sequence of events can lead to: nothing is assumed of the flow."""
    first = begin(program, "es", known=known)
    seen: dict[bytes, int] = {_key(first): 0}
    states = [first]
    after: list[set[int]] = [set()]
    queue = deque([0])
    faults: set[Fault] = set()
    while queue:
        number = queue.popleft()
        for event in EVENTS:
            state, commands = step(program, states[number], event)
            if state.fault is not None:
                faults.add(state.fault)
            key = _key(state)
            if key not in seen:
                assert len(states) < limit, "the flow has too many runs for this test"
                seen[key] = len(states)
                states.append(state)
                after.append(set())
                queue.append(seen[key])
            if seen[key] != number or commands:  # an event that is ignored is no step
                after[number].add(seen[key])
    return Explored(len(states), frozenset(faults), Fault.ENDLESS in faults or _circle(after))


def _key(state: FlowState) -> bytes:
    return msgspec.json.encode(state, order="deterministic")


def _circle(after: list[set[int]]) -> bool:
    """Whether a graph has a circle: nodes without ways in are taken away until none is left."""
    ways_in = [0] * len(after)
    for targets in after:
        for target in targets:
            ways_in[target] += 1
    free = [n for n, count in enumerate(ways_in) if count == 0]
    taken = 0
    while free:
        taken += 1
        for target in after[free.pop()]:
            ways_in[target] -= 1
            if ways_in[target] == 0:
                free.append(target)
    return taken < len(after)


def run(program: Program, events: list[AnyEvent]) -> tuple[FlowState, list[AnyCommand]]:
    """One call, and everything that was ordered in it."""
    state = begin(program, "es")
    ordered: list[AnyCommand] = []
    for event in events:
        state, commands = step(program, state, event)
        ordered += commands
    return state, ordered
