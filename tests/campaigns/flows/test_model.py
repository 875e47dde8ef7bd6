"""Reading a flow: what cannot be meant is refused with key, line and remedy."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import msgspec
import pytest

from campaigns.content.samples import sample_sources
from campaigns.content.source import ContentError, rule_es
from campaigns.flows.model import (
    ON_THE_LETTER,
    AnyNode,
    Factor,
    Flow,
    Language,
    Link,
    edges,
    flow_hash,
    parse_flow,
    texts,
)
from campaigns.flows.samples import sample_flows
from dialer.core import identity

SAMPLE = sample_sources("flows")["locator-agent.yaml"]


def test_factors_are_those_that_an_identity_check_knows() -> None:
    assert {f.value for f in Factor} == {f.value for f in identity.Factor}
    assert {f.value for f in ON_THE_LETTER} == {f.value for f in identity.ON_THE_LETTER}


def test_a_flow_survives_json() -> None:
    for made in sample_flows():
        again = msgspec.json.decode(msgspec.json.encode(made), type=Flow)
        assert again == made
        assert flow_hash(again) == flow_hash(made)
        assert parse_flow(msgspec.json.encode(made).decode()) == made


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        (("start: greeting", "start: nowhere"), "start", "nowhere"),
        (("next: who", "next: whom"), "nodes.greeting.next", "whom"),
        (("1: identity", "1: x"), "nodes.who.choices.1", "does not exist"),
        (("kind: gather", "kind: ask"), "nodes.who.kind", "gather"),
        (("digits: 4", "digits: many"), "nodes.identity.questions.0.digits", "int"),
        (("    on_invalid: nobody\n", ""), "nodes.who", "on_invalid"),
        (("    on_no_input: nobody\n", ""), "nodes.who", "on_no_input"),
        (("on_no_input: nobody", "on_no_inputs: nobody"), "nodes.who.on_no_inputs", "on_no_input"),
        (("on_invalid: nobody", "on_invalid: nobody\n    tries: 3"), "nodes.who.tries", "2"),
        (("code: DG-OO", "code: XX-YY"), "nodes.stopped.code", "XX-YY"),
        (("factor: birth_date", "factor: document_last4"), "nodes.identity.questions", "two"),
        (("9: stop", "99: stop"), "nodes.who.choices", "99"),
        (("kind: transfer", "kind: transfer\n    name: x"), "nodes.agent.name", "team"),
        (("on: third_party_collector", "on: moon"), "nodes.who_collects.on", "moon"),
        (('"no": rights', "maybe: agent"), "nodes.who_collects.cases", "maybe"),
    ],
)
def test_an_error_names_the_node(change: tuple[str, str], key: str, said: str) -> None:
    assert change[0] in SAMPLE
    with pytest.raises(ContentError) as told:
        parse_flow(SAMPLE.replace(*change, 1))
    error = told.value
    assert error.key == key
    assert said in str(error)
    assert error.line is not None
    line = SAMPLE.replace(*change, 1).splitlines()[error.line - 1]
    assert key.rsplit(".", maxsplit=1)[-1] in line or key.split(".")[1] in line
    assert error.es
    assert error.mend_es


@pytest.mark.parametrize("text", ["name: a", "name: a\nnodes: []", "name: a\nnodes: {}"])
def test_a_flow_has_nodes(text: str) -> None:
    with pytest.raises(ContentError) as told:
        parse_flow(text)
    assert told.value.key == "nodes"


def test_json_from_a_program_is_checked_too() -> None:
    raw = msgspec.json.decode(msgspec.json.encode(sample_flows()[0]))
    raw["start"] = "nowhere"
    with pytest.raises(msgspec.ValidationError, match="nowhere"):
        msgspec.convert(raw, Flow)


@pytest.mark.parametrize("kind", AnyNode.__args__, ids=lambda k: k.__name__)
def test_every_key_that_names_a_node_is_an_edge(kind: type[AnyNode]) -> None:
    """No way out of a node is forgotten by the proof."""
    named = {
        field.name
        for field in msgspec.structs.fields(kind)
        if field.name.startswith("on_") or field.name in ("next", "again", "done", "otherwise")
    }
    found: set[str] = set()
    for made in sample_flows():
        for node in made.nodes.values():
            if isinstance(node, kind):
                found |= {edge.key.partition(".")[0] for edge in edges(node)}
    assert named <= found
    assert found <= named | {"choices", "cases"}


@pytest.mark.parametrize(
    "choices",
    ["{1: es}", "{1: es, 2: es}", "{9: es, 2: en}", "{12: es, 2: en}", "{1: es, 2: fr}"],
)
def test_both_languages_have_a_key_that_is_not_nine(choices: str) -> None:
    source = sample_sources("flows")["inbound-return.yaml"]
    with pytest.raises(ContentError) as caught:
        parse_flow(source.replace("{1: es, 2: en}", choices))
    assert caught.value.key.startswith("nodes.language.choices")
    assert caught.value.line is not None


def test_every_rule_of_flows_and_texts_has_its_spanish() -> None:
    rules: list[str] = []
    for path in ("campaigns/flows/model.py", "campaigns/content/template.py"):
        text = (Path(__file__).parents[3] / path).read_text(encoding="utf-8")
        for call in ast.walk(ast.parse(text)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "ValueError":
                told = call.args[0]
                parts = told.values if isinstance(told, ast.JoinedStr) else [told]
                words = (str(p.value) if isinstance(p, ast.Constant) else "xyz" for p in parts)
                if found := re.fullmatch(r"`\w+` must (.*)", "".join(words)):
                    rules.append(found[1])
    assert len(rules) >= 6
    for rule in rules:
        assert not rule_es(rule).startswith("no cumple"), rule


def test_everything_that_is_said_is_found() -> None:
    for made in sample_flows():
        for node in made.nodes.values():
            spoken = {said.es for _, said in texts(node)}
            raw = msgspec.json.encode(node).decode()
            named = isinstance(node, Language | Link)  # their `es` names a key, or a text
            assert raw.count('"es"') == len(list(texts(node))) + named
            assert all(spoken)
