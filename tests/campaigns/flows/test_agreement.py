"""The proof and the interpreter are of one mind: what is proved of a flow holds in every run."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.content.lint import text_class
from campaigns.flows.interpreter import begin, step
from campaigns.flows.messages import (
    AnyEvent,
    CheckIdentity,
    Fault,
    IdentityChecked,
    IdentityResult,
    RecordPromise,
    Speak,
)
from campaigns.flows.model import Flow
from campaigns.flows.program import compile_flow
from campaigns.flows.proof import prove
from campaigns.flows.samples import sample_flows
from compliance.types import ContentClass
from tests.campaigns.flows.build import EVENTS, end, explore, flow, promise, said, verify

NAMES: Final = "abcdefg"


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """Graphs of all kinds of nodes, with edges to anywhere: most of them are bad.

    Some are for people who call us.
    """
    names = list(NAMES[: draw(st.integers(2, len(NAMES)))])
    target = st.sampled_from([*names, "end"])
    nodes: dict[str, dict[str, object]] = {"end": end()}
    for name in names:
        nodes[name] = draw(node(target))
    return flow(nodes, inbound=draw(st.booleans()))


def node(target: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, object]]:
    text = st.sampled_from([said(), said(), said("Su deuda es de {{amount}}.")])
    say = st.fixed_dictionaries({"kind": st.just("say"), "text": text, "next": target})
    gather = st.fixed_dictionaries(
        {
            "kind": st.just("gather"),
            "text": text,
            "choices": st.fixed_dictionaries({"1": target, "9": target}),
            "on_no_input": target,
            "on_invalid": target,
            "tries": st.integers(1, 2),
        }
    )
    branch = st.one_of(
        st.fixed_dictionaries(
            {
                "kind": st.just("branch"),
                "on": st.just("identity"),
                "cases": st.fixed_dictionaries({"verified": target}),
                "otherwise": target,
            }
        ),
        st.fixed_dictionaries(
            {
                "kind": st.just("branch"),
                "on": st.sampled_from(["agent_ready", "office_open", "person_known"]),
                "cases": st.fixed_dictionaries({"yes": target}),
                "otherwise": target,
            }
        ),
    )
    language = st.fixed_dictionaries(
        {
            "kind": st.just("language"),
            "text": text,
            "choices": st.just({"1": "es", "2": "en"}),
            "next": target,
            "on_opt_out": target,
            "tries": st.integers(1, 2),
        }
    )
    callback = st.fixed_dictionaries({"kind": st.just("callback"), "text": text, "next": target})
    repeat = st.fixed_dictionaries(
        {
            "kind": st.just("repeat"),
            "max": st.integers(1, 2),
            "again": target,
            "done": target,
        }
    )
    record = st.fixed_dictionaries(
        {
            "kind": st.just("record"),
            "matter": st.sampled_from(["not_available", "hardship"]),
            "next": target,
        }
    )
    link = st.fixed_dictionaries(
        {
            "kind": st.just("link"),
            "purpose": st.sampled_from(["verify", "pay"]),
            "on_sent": target,
            "on_failed": target,
        }
    )
    checks = st.builds(
        lambda a, b, c, tries: {**verify(a, b, tries=tries), "on_unavailable": c},
        target,
        target,
        target,
        st.integers(1, 2),
    )
    promising = st.builds(promise, target, target, target)
    transfer = st.fixed_dictionaries(
        {"kind": st.just("transfer"), "text": text, "on_no_agent": target}
    )
    return st.one_of(
        say, gather, checks, checks, branch, repeat, record, link, promising, transfer, language,
        callback,
    )  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows())
def test_the_proof_agrees_with_all_runs(made: Flow) -> None:
    """No run reaches a disclosure unverified iff that is proved; every run ends iff that is.

    Of calls to us the same holds whether it is known who calls or not, and nothing is done for
    nobody.
    """
    codes = {finding.code for finding in prove(made).findings}
    program = compile_flow(made)
    runs = [explore(program)]
    if made.inbound:
        runs.append(explore(program, known=False))
    faults = frozenset[Fault]().union(*(run.faults for run in runs))
    assert ("disclosure_before_verification" in codes) is (Fault.DISCLOSURE in faults)
    assert ("nobody_known" in codes) is (Fault.NOBODY in faults)
    assert ("endless_loop" in codes) is any(run.endless for run in runs)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows(), st.lists(st.sampled_from(EVENTS), max_size=40))
def test_even_a_bad_flow_discloses_nothing(made: Flow, events: list[AnyEvent]) -> None:
    """The door of every disclosing node is watched at run time too."""
    _nothing_is_told_before_a_check(made, events)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sample_flows()), st.lists(st.sampled_from(EVENTS), max_size=60))
def test_no_sequence_of_inputs_makes_a_sample_disclose(made: Flow, events: list[AnyEvent]) -> None:
    assert _nothing_is_told_before_a_check(made, events) is None


def _nothing_is_told_before_a_check(made: Flow, events: list[AnyEvent]) -> Fault | None:
    program = compile_flow(made)
    state = begin(program, "es")
    asked = passed = False
    for event in events:
        if isinstance(event, IdentityChecked) and event.result is IdentityResult.PASSED:
            passed = passed or (asked and not state.is_over)
        state, commands = step(program, state, event)
        for command in commands:
            asked = asked or isinstance(command, CheckIdentity)
            neutral = (
                not isinstance(command, Speak) or text_class(command.text) is ContentClass.NEUTRAL
            )
            assert neutral or passed, command
            assert passed or not isinstance(command, RecordPromise)
        assert passed or not state.verified
    return state.fault


@pytest.mark.parametrize("made", sample_flows(), ids=lambda f: f.name)
def test_every_run_of_a_sample_ends_and_discloses_nothing(made: Flow) -> None:
    for known in {True, not made.inbound}:
        found = explore(compile_flow(made), known=known)
        assert found.faults == frozenset()
        assert not found.endless
