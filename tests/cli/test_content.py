"""`content`: lint, prove, list, show, and how a document comes into use."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.content.samples import sample_sources
from dialer.cli.exits import ExitCode
from tests.cli.conftest import Cli, Ran

TEXTS = sample_sources("templates")
FLOWS = sample_sources("flows")


def written(cli: Cli, text: str) -> Path:
    path = cli.folder / "document.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_text(english: Cli) -> None:
    path = written(english, TEXTS["contact-request.es.yaml"])
    ran = english("content", "lint", path)
    assert ran.code == ExitCode.OK
    assert "good" in ran.out
    assert "neutral" in ran.out
    answer = english("content", "lint", path, "--json").json
    assert answer["report"]["ok"] is True
    assert answer["report"]["segments"]["parts"] == 1


def test_a_bad_text_is_told_with_place_and_remedy(english: Cli) -> None:
    path = written(english, TEXTS["contact-request.es.yaml"].replace("hola", "por su d3uda"))
    ran = english("content", "lint", path)
    assert ran.code == ExitCode.NO
    assert "body:1:21: debt_word" in ran.out
    assert "To mend it" in ran.out
    spanish = english("content", "lint", path, "--language", "es")
    assert "Palabra de deuda" in spanish.out
    answer = english("content", "lint", path, "--json")
    assert answer.code == ExitCode.NO
    assert [f["code"] for f in answer.json["report"]["findings"]] == ["debt_word"]


def test_a_good_flow(english: Cli) -> None:
    path = written(english, FLOWS["promise-dtmf.yaml"])
    ran = english("content", "prove", path)
    assert ran.code == ExitCode.OK
    assert "states walked" in ran.out
    answer = english("content", "prove", path, "--json").json
    assert "promise" in answer["proof"]["disclosing"]


def test_a_flow_that_discloses_is_told_with_its_path(english: Cli) -> None:
    path = written(english, FLOWS["promise-dtmf.yaml"].replace("1: identity", "1: debt"))
    ran = english("content", "prove", path)
    assert ran.code == ExitCode.NO
    told = ran.out
    assert "disclosure_before_verification" in told
    assert "2. who (asks; 1 is pressed)" in told
    assert "3. debt (tells of the debt)" in told
    spanish = english("content", "prove", path, "--language", "es").out
    assert "2. who (pregunta; se marca 1)" in spanish


@pytest.mark.parametrize("command", ["lint", "prove"])
@pytest.mark.parametrize(
    ("text", "said"), [("a: [1", "line 1"), ("- a", "object"), ("name: x\n", "To mend it")]
)
def test_what_cannot_be_read(english: Cli, command: str, text: str, said: str) -> None:
    ran = english("content", command, written(english, text))
    assert ran.code == ExitCode.BAD_INPUT
    assert said in ran.err


def test_no_such_file_and_no_text(english: Cli) -> None:
    missing = english("content", "lint", english.folder / "none.yaml")
    assert missing.code == ExitCode.BAD_INPUT
    assert "none.yaml" in missing.err
    binary = english.folder / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in english("content", "prove", binary).err


def test_what_there_is(english: Cli) -> None:
    found = english("content", "list", "--json").json
    assert "promise-dtmf" in found["shipped"]["flow"]
    assert len(found["shipped"]["template"]) == 28
    assert found["versions"] == []
    assert "locator-agent" in english("content", "list").out


def test_a_shipped_document_is_a_beginning(english: Cli) -> None:
    shown = english("content", "show", "promise-dtmf")
    assert shown.out == FLOWS["promise-dtmf.yaml"]
    assert english("content", "prove", written(english, shown.out)).code == ExitCode.OK
    unknown = english("content", "show", "nothing")
    assert unknown.code == ExitCode.BAD_INPUT
    assert "promise-dtmf" in unknown.err


PASSWORD = "a long enough password"


@pytest.fixture
def staffed(english: Cli) -> Cli:
    """A ledger with a manager and two compliance officers."""
    english("init")
    for name, role in (("eva", "manager"), ("luz", "compliance"), ("sol", "compliance")):
        add = ("users", "add", name, "--role", role, "--password-stdin")
        assert english(*add, stdin=f"{PASSWORD}\n").code == ExitCode.OK
    return english


def ordered(cli: Cli, *args: str | Path, by: str, password: str = PASSWORD) -> Ran:
    more = ("--user", by, "--password-stdin", "--json")
    return cli("content", *args, *more, stdin=f"{password}\n")


def test_two_people_bring_a_flow_into_use(staffed: Cli) -> None:
    made = ordered(staffed, "add", "promise-dtmf", by="eva").json
    assert (made["kind"], made["version"], made["state"]) == ("flow", 1, "draft")
    assert made["possible"] == ["submit", "retire"]
    submitted = ordered(staffed, "submit", "promise-dtmf", by="eva")
    assert submitted.json["state"] == "submitted"
    again = ordered(staffed, "submit", "promise-dtmf", by="eva")
    assert again.code == ExitCode.BAD_INPUT
    assert "it can: approve, return, retire" in again.err
    returned = ordered(staffed, "return", "promise-dtmf", "--comment", "shorter", by="sol")
    assert returned.json["state"] == "draft"
    assert ordered(staffed, "submit", "promise-dtmf", by="eva").code == ExitCode.OK
    assert ordered(staffed, "approve", "promise-dtmf", by="eva").code == ExitCode.BAD_INPUT
    approved = ordered(staffed, "approve", "promise-dtmf", "--version", "1", by="luz")
    assert approved.json["state"] == "approved"
    (version,) = staffed("content", "list", "--json").json["versions"]
    assert (version["name"], version["comment"]) == ("promise-dtmf", "")
    assert ordered(staffed, "add", "promise-dtmf", by="eva").json["version"] == 2
    retired = ordered(staffed, "retire", "promise-dtmf", "--version", "1", by="luz")
    assert (retired.json["version"], retired.json["state"]) == (1, "retired")


def test_who_wrote_a_text_does_not_approve_it(staffed: Cli) -> None:
    add = ("users", "add", "ada", "--role", "admin", "--password-stdin")
    assert staffed(*add, stdin=f"{PASSWORD}\n").code == ExitCode.OK
    text = written(staffed, TEXTS["contact-request.es.yaml"])
    name = ordered(staffed, "add", text, by="ada").json["name"]
    assert ordered(staffed, "submit", str(name), by="ada").code == ExitCode.OK
    refused = ordered(staffed, "approve", str(name), by="ada")
    assert refused.code == ExitCode.BAD_INPUT
    assert "needed: compliance" in refused.err


def test_orders_that_cannot_be(staffed: Cli) -> None:
    wrong = ordered(staffed, "add", "promise-dtmf", by="eva", password="another password")
    assert wrong.code == ExitCode.BAD_INPUT
    unknown = ordered(staffed, "submit", "nothing", by="eva")
    assert (unknown.code, "content add" in unknown.err) == (ExitCode.BAD_INPUT, True)
    missing = ordered(staffed, "add", "no-such-file.yaml", by="eva")
    assert (missing.code, "no-such-file.yaml" in missing.err) == (ExitCode.BAD_INPUT, True)
    leaky = FLOWS["promise-dtmf.yaml"].replace("start: ", "start: nowhere # ", 1)
    broken = ordered(staffed, "add", written(staffed, leaky), by="eva")
    assert (broken.code, "nowhere" in broken.err) == (ExitCode.BAD_INPUT, True)
