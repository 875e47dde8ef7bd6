"""`explain`: from any id to the recorded reasons."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dialer.cli.exits import ExitCode
from tests.cli.conftest import Cli
from tests.cli.world import CAMPAIGN, Made


def test_a_contact_that_was_not_made(cli: Cli, made: Made) -> None:
    story = cli("explain", made.blocked_id, "--json").json
    assert story["kind"] == "decision"
    (told,) = story["decisions"]
    assert told["allowed"] is False
    assert told["end"] is None
    explanation = told["explanation"]
    reasons = {line["rule_id"]: line for line in explanation["lines"] if line["outcome"] == "deny"}
    assert reasons["cl/hours"]["citation"]["instrument"].startswith("Ley 19.496")
    # In every candidate zone at once: where the clock is farthest behind, it is opening time.
    assert min(explanation["first_allowed_local"]).startswith("2026-11-24 08:00:00")
    assert max(explanation["local_times"]).startswith("2026-11-24 04:00:00")


def test_a_contact_that_was_made(cli: Cli, made: Made) -> None:
    (told,) = cli("explain", made.dialed_id, "--json", "--language", "en").json["decisions"]
    assert told["allowed"] is True
    assert told["campaign"] == CAMPAIGN
    assert told["account"] == made.account
    assert told["end"]["code"] == "NC-NA"
    assert told["end"]["outcome"] == "rang_no_answer"
    counters = [line for line in told["explanation"]["lines"] if "counter" in line]
    assert counters
    assert all(line["counter"] < line["limit"] for line in counters)


def test_both_languages_in_words(cli: Cli, made: Made) -> None:
    spanish = cli("explain", made.blocked_id, "--language", "es").out
    english = cli("explain", made.blocked_id, "--language", "en").out
    assert "No se llamó." in spanish
    assert "No call was made." in english
    for text in (spanish, english):
        assert "cl/hours" in text
        assert "Ley 19.496" in text
        assert "2026-11-24 08:00:00" in text


def test_rules_that_passed_are_told_when_asked(cli: Cli, made: Made) -> None:
    short = cli("explain", made.dialed_id).out
    long = cli("explain", made.dialed_id, "--passes").out
    assert "(cl/hours)" not in short
    assert "(cl/hours)" in long


def test_an_outcome_that_nobody_knows_yet(english: Cli, made: Made) -> None:
    assert "Outcome: not known yet" in english("explain", made.open_id).out


@pytest.mark.parametrize(
    ("what", "kind"), [("address", "address"), ("account", "account"), ("person_id", "person")]
)
def test_other_ids_tell_their_newest_decisions(cli: Cli, made: Made, what: str, kind: str) -> None:
    story = cli("explain", getattr(made, what), "--json").json
    assert story["kind"] == kind
    assert made.dialed_id in [told["decision_id"] for told in story["decisions"]]
    assert story["decisions"] == sorted(story["decisions"], key=lambda d: d["at"], reverse=True)
    assert {standing["campaign"] for standing in story["standings"]} == {CAMPAIGN}


def test_a_phone_as_people_write_it(cli: Cli, made: Made) -> None:
    national = made.address.removeprefix("+56")
    written = f"{national[0]} {national[1:5]}-{national[5:]}"
    story = cli("explain", written, "--json").json
    assert made.person_id in story["person_ids"]


def test_an_event_leads_to_its_decision(cli: Cli, made: Made) -> None:
    with closing(sqlite3.connect(Path(made.folder) / "ledger.db")) as connection:
        query = "SELECT seq FROM ledger_event WHERE kind = 'attempt_ended' AND body LIKE ?"
        ((seq,),) = connection.execute(query, (f"%{made.dialed_id}%",)).fetchall()
    story = cli("explain", f"{made.person_id}/{seq}", "--json").json
    assert story["kind"] == "event"
    assert [d["decision_id"] for d in story["decisions"]] == [made.dialed_id]


def test_the_limit(cli: Cli, made: Made) -> None:
    assert len(cli("explain", made.person_id, "--limit", "1", "--json").json["decisions"]) == 1


def test_an_account_that_nobody_decided_on(english: Cli, made: Made) -> None:
    listed = english("explain", "CL01-0000149").out
    assert "No contact has been decided on yet." in listed
    assert "enrolled" in listed


@pytest.mark.parametrize("asked", ["nothing", "01H/1", "+5699", "", "a@b.c"])
def test_what_the_ledger_does_not_know(english: Cli, made: Made, asked: str) -> None:
    ran = english("explain", asked)
    assert ran.code == ExitCode.BAD_INPUT
    assert ran.out == ""
