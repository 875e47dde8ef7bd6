"""`check`: compliance questions in JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.messages import ContactRequest, Place
from compliance.types import Channel, DebtId, DecisionId, Mode
from dialer.cli.exits import ExitCode
from dialer.console.openapi import document
from dialer.console.routes import ROUTES
from dialer.runtime.checking import BadQuestion, answer, read_question
from tests.cli.conftest import Cli
from tests.compliance.build import PERSON, POINT, debt, facts, packs, phone
from tests.console.test_openapi import at
from tests.support.json_schema import Json, breaks

NOON = "2026-11-24T12:00:00-03:00"
NIGHT = "2026-11-24T04:00:00-03:00"


def _question(now: str = NOON, **more: object) -> dict[str, Any]:
    request = ContactRequest(
        decision_id=DecisionId("d-1"),
        person_id=PERSON,
        contact_point_id=POINT,
        channel=Channel.VOICE,
        mode=Mode.MANUAL,
        debt_ids=(DebtId("debt-1"),),
        ring_timeout_s=25,
    )
    known = facts(
        Place(country="CL", subdivision="CL-RM"),
        points=[phone("+56912345678")],
        debts=[debt()],
        declared_zone="America/Santiago",
    )
    asked = {"request": request, "facts": known, "now": now}
    return {**msgspec.to_builtins(asked), **more}


def test_allowed(cli: Cli) -> None:
    ran = cli("check", "-", stdin=json.dumps(_question()))
    assert ran.code == ExitCode.OK, ran.out
    assert ran.json["allowed"] is True
    assert ran.json["record"]["decision_id"] == "d-1"


def test_blocked_until_opening(cli: Cli) -> None:
    (cli.folder / "q.json").write_text(json.dumps(_question(NIGHT)))
    ran = cli("check", "q.json")
    assert ran.code == ExitCode.NO
    assert ran.json["allowed"] is False
    assert ran.json["first_allowed"] == "2026-11-24T11:00:00Z"
    reasons = [line for line in ran.json["es"]["lines"] if line["outcome"] == "deny"]
    assert "cl/hours" in {line["rule_id"] for line in reasons}
    assert ran.json["es"]["headline"] != ran.json["en"]["headline"]


def test_only_some_packs(cli: Cli) -> None:
    ran = cli("check", stdin=json.dumps(_question(NIGHT, packs=["mx"])))
    assert {ref["pack"] for ref in ran.json["record"]["packs"]} <= {"marcador", "mx"}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{", "JSON"),
        ("[1]", "$"),
        ('{"request": {', "JSON"),
        ("{}", "$"),
        (json.dumps({**_question(), "now": 3}), "$.now"),
        (json.dumps({**_question(), "now": "2026-11-24T12:00:00"}), "$.now"),
        (json.dumps({**_question(), "now": "9999-12-31T12:00:00Z"}), "$.now"),
        (json.dumps({**_question(), "now": "0001-01-01T00:00:00Z"}), "$.now"),
        (json.dumps({**_question(), "extra": 1}), "extra"),
        (json.dumps({**_question(), "packs": ["nowhere"]}), "$.packs[0]"),
        (json.dumps({**_question(), "facts": {"subject": {}}}), "$.facts.subject"),
    ],
)
def test_a_question_that_cannot_be_read(english: Cli, text: str, where: str) -> None:
    ran = english("check", "-", stdin=text)
    assert ran.code == ExitCode.BAD_INPUT
    assert where in ran.err
    assert "--schema" in ran.err


PAGE = (Path(__file__).parents[2] / "docs/check.md").read_text("utf-8")
_, *PARTS = re.split(r"(?m)^## (?=\d+\. )", PAGE)


def test_the_page_has_twenty_examples() -> None:
    assert [int(part.partition(".")[0]) for part in PARTS] == list(range(1, 21))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.partition("\n")[0])
def test_an_example_of_the_page(cli: Cli, part: str) -> None:
    """The question is asked as it stands there; the answer beside it is what comes out."""
    asked, told = re.findall(r"(?s)```json\n(.*?)```", part)
    expected = json.loads(told)
    ran = cli("check", "-", stdin=asked)
    assert ran.code == (ExitCode.OK if expected["allowed"] else ExitCode.NO), ran.err
    found = ran.json
    outcomes = {f["rule_id"]: f["outcome"] for f in found["record"]["findings"]}
    stops = [name for name, outcome in outcomes.items() if outcome in ("deny", "hold")]
    lifted = [name for name, outcome in outcomes.items() if outcome == "lifted"]
    assert found["allowed"] is expected["allowed"]
    assert found["first_allowed"] == expected.get("first_allowed")
    assert found["releasing_event"] == expected.get("releasing_event")
    assert stops == expected["stops"]
    assert lifted == expected.get("lifted", [])
    told_rules = {line["rule_id"]: line for line in found["en"]["lines"]}
    for name in stops:
        assert told_rules[name]["citation"]["instrument"]
        assert told_rules[name]["kind"]


SHORT: dict[str, Any] = {
    "now": NOON,
    "request": {"channel": "voice", "mode": "manual"},
    "facts": {
        "subject": {
            "person": {"residence": {"country": "CL"}, "statuses": [{"kind": "elderly"}]},
            "contact_points": [{"address": "+56912345678"}, {"address": "a@example.com"}],
            "debts": [{}, {"debt_id": "mine"}],
            "consents": [{"scope": "channel", "given_at": NOON}],
            "preferences": [{"forbidden_labels": ["work"]}],
            "suppressions": [{"scope": "debt", "reason": "r", "target_id": "other"}],
            "number_checks": [{"kind": "portability", "checked_at": NOON, "answer": "no"}],
        },
        "collector": {"role": "third_party"},
        "history": [{"at": NIGHT, "kind": "not_connected_busy"}],
    },
}


def test_what_a_question_may_leave_out(cli: Cli) -> None:
    asked = {**SHORT}
    record = cli("check", "-", stdin=json.dumps(asked)).json["record"]
    assert record["allowed"] is True
    request = record["request"]
    assert request["contact_point_id"] == "point-1"
    assert request["debt_ids"] == ["debt-1", "mine"]
    asked["request"] = {"channel": "email", "mode": "blast", "contact_point_id": "point-2"}
    findings = cli("check", "-", stdin=json.dumps(asked)).json["record"]["findings"]
    assert "point_of_other_kind" not in {f.get("code") for f in findings}


def test_the_schema_does_not_ask_for_what_may_be_left_out(cli: Cli) -> None:
    shapes = cli("check", "--schema").json["$defs"]
    assert shapes["AskedContactRequest"]["required"] == ["channel", "mode"]
    assert shapes["AskedCollector"]["required"] == ["role"]
    assert shapes["AskedDebtFacts"].get("required", []) == []
    assert "decision_id" in shapes["ContactRequest"]["required"]


OPENAPI: Json = document(ROUTES)


def _body_schema() -> tuple[Json, Json]:
    """The schema of the route's body, and of its answer."""
    found = at(OPENAPI, "paths", "/api/v1/compliance/check", "post")
    body = at(found, "requestBody", "content", "application/json", "schema")
    told = at(found, "responses", "200", "content", "application/json", "schema")
    return body, told


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.partition("\n")[0])
def test_an_example_fits_the_schema_of_the_command_and_of_the_api(cli: Cli, part: str) -> None:
    asked, _ = re.findall(r"(?s)```json\n(.*?)```", part)
    question = json.loads(asked)
    told = cli("check", "-", stdin=asked).json
    shapes = cli("check", "--schema").json
    body, answered = _body_schema()
    for value, schema, whole in (
        (question, shapes["question"], shapes),
        (told, shapes["answer"], shapes),
        (question, body, OPENAPI),
        (told, answered, OPENAPI),
    ):
        assert breaks(value, schema, whole) == []


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("request",), {"mode": "manual"}, "$.request: channel is missing"),
        (("request", "channel"), "pigeon", "$.request.channel"),
        (("facts", "collector"), {}, "$.facts.collector: role is missing"),
        (("facts", "subject", "debts"), [{"colour": "red"}], "$.facts.subject.debts[0]: colour"),
        (("facts", "history"), [{"at": NOON, "kind": "telepathy"}], "$.facts.history[0].kind"),
    ],
)
def test_what_a_question_needs_is_in_both_schemas(
    cli: Cli, path: tuple[str, ...], value: Json, where: str
) -> None:
    asked: Any = json.loads(json.dumps(SHORT))
    here = asked
    for name in path[:-1]:
        here = here[name]
    here[path[-1]] = value
    shapes = cli("check", "--schema").json
    for schema, whole in ((shapes["question"], shapes), (_body_schema()[0], OPENAPI)):
        found = breaks(asked, schema, whole)
        assert len(found) == 1
        assert found[0].startswith(where)


def test_what_is_wrong_is_told_in_spanish(cli: Cli) -> None:
    asked = _question()
    asked["request"]["channel"] = "pigeon"
    ran = cli("check", "-", "--language", "es", stdin=json.dumps(asked))
    assert ran.code == ExitCode.BAD_INPUT
    assert "$.request.channel: 'pigeon' no es un valor posible" in ran.err


SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
JUNK = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=3), SCALARS)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_question_is_refused_where_it_is_damaged(data: st.DataObject) -> None:
    """Whatever is put in whatever place: an answer, or a `BadQuestion`, and nothing else."""
    asked: Any = json.loads(json.dumps(SHORT))
    here, key = asked, data.draw(st.sampled_from(sorted(asked)))
    while isinstance(here[key], dict | list) and here[key] and data.draw(st.integers(0, 3)):
        here = here[key]
        keys = range(len(here)) if isinstance(here, list) else sorted(here)
        key = data.draw(st.sampled_from(keys))
    here[key] = data.draw(JUNK)
    text = json.dumps(asked).encode()
    cut = data.draw(st.sampled_from([None, None, len(text) // 2]))
    try:
        found = answer(read_question(text[:cut]), packs("us"))
    except BadQuestion as refused:
        problem = refused.problem
    else:
        problem = "none"
        assert found.allowed or found.first_allowed or found.releasing_event
    assert problem


def test_a_missing_file(english: Cli) -> None:
    ran = english("check", "none.json")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "none.json" in ran.err


def test_the_schema_names_every_part(cli: Cli) -> None:
    schema = cli("check", "--schema").json
    text = json.dumps(schema)
    for name in ("Question", "Answer", "ContactRequest", "Facts", "DecisionRecord"):
        assert name in schema["$defs"]
    for reference in {part.split('"')[0] for part in text.split("#/$defs/")[1:]}:
        assert reference in schema["$defs"]
