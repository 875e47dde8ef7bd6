"""`check`: compliance questions in JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from compliance.messages import ContactRequest, Place
from compliance.types import Channel, DebtId, DecisionId, Mode
from dialer.cli.exits import ExitCode
from tests.cli.conftest import Cli
from tests.compliance.build import PERSON, POINT, debt, facts, phone

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
