"""`explain --replay` and `replay-decisions`: what was decided comes out again, or is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dialer.cli.exits import ExitCode
from tests.cli.conftest import Cli
from tests.cli.world import Made

Sql = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def sql(made: Made) -> Sql:
    """Runs SQL behind the ledger's back."""

    def run(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(Path(made.folder) / "ledger.db")) as connection:
            rows = connection.execute(statement).fetchall()
            connection.commit()
            return rows

    return run


@pytest.mark.parametrize("which", ["blocked_id", "dialed_id", "open_id"])
def test_a_decision_comes_out_again(english: Cli, made: Made, which: str) -> None:
    ran = english("explain", getattr(made, which), "--replay", "--json")
    assert ran.code == ExitCode.OK
    (replay,) = ran.json["replays"]
    assert replay["outcome"] == "same"
    assert replay["allowed"] is (which != "blocked_id")
    assert {ref["pack"] for ref in replay["packs"]} >= {"cl", "marcador"}
    assert "same verdict" in english("explain", getattr(made, which), "--replay").out


def test_all_decisions_come_out_again(english: Cli, made: Made) -> None:
    report = english("replay-decisions", "--sample", "1000", "--json").json
    assert report["decisions"] == report["replayed"] == report["same"] > 12
    assert report["not_replayable"] == {}


def test_a_sample_is_drawn_by_its_seed(english: Cli, made: Made) -> None:
    one = english("replay-decisions", "--sample", "3", "--seed", "4", "--json").json
    assert (one["replayed"], one["same"]) == (3, 3)
    none = english("replay-decisions", "--since", "2026-12-01", "--json").json
    assert none["decisions"] == 0
    bad = english("replay-decisions", "--since", "yesterday")
    assert bad.code == ExitCode.BAD_INPUT
    assert "2026-11-24T09:00:00-03:00" in bad.err


def test_a_changed_profile_is_still_the_old_one(english: Cli, made: Made, sql: Sql) -> None:
    """An import that changes everybody keeps what decisions were made from."""
    text = english.folder / "again.csv"
    assert english("sample", "CL", "--accounts", "150", "--seed", "2", "--out", text).code == 0
    assert english("import", text, "--portfolio", "demo").code == ExitCode.OK
    replaced = sql(
        "SELECT p.person_id FROM subject_snapshot AS s JOIN person_profile AS p "
        f"ON p.person_id = s.person_id WHERE s.person_id = '{made.person_id}' "
        "AND s.subject <> p.subject AND s.sha256 = (SELECT json_extract(record, "
        f"'$.subject_sha256') FROM ledger_event WHERE decision_id = '{made.dialed_id}')"
    )
    assert replaced == [(made.person_id,)]
    report = english("replay-decisions", "--sample", "1000", "--json").json
    assert report["same"] == report["decisions"]


def test_a_tampered_person_is_not_replayed(english: Cli, made: Made, sql: Sql) -> None:
    sql(
        "UPDATE person_profile SET subject = replace(subject, 'Santiago', 'Arica') "
        f"WHERE person_id = '{made.person_id}'"
    )
    ran = english("explain", made.dialed_id, "--replay", "--json")
    assert ran.code == ExitCode.NO
    (replay,) = ran.json["replays"]
    assert (replay["outcome"], replay["missing"]) == ("not_replayable", "no_subject")
    assert english("replay-decisions", "--sample", "1000").code == ExitCode.NO
    assert sql("SELECT count(*) > 0 FROM review_item WHERE text LIKE '%no_subject'") == [(1,)]


def test_tampered_packs_are_not_replayed(english: Cli, made: Made, sql: Sql) -> None:
    sql("UPDATE rule_pack SET text = replace(text, '08:00', '06:00') WHERE pack = 'cl'")
    (replay,) = english("explain", made.dialed_id, "--replay", "--json").json["replays"]
    assert replay["missing"] == "no_packs"


def test_a_difference_rings_the_alarm(english: Cli, made: Made, sql: Sql) -> None:
    """Somebody takes an earlier contact out of the ledger: the record counted it."""
    sql(
        "UPDATE ledger_event SET record = replace(record, '\"allowed\":false', '\"allowed\":true') "
        f"WHERE decision_id = '{made.blocked_id}'"
    )
    ran = english("explain", made.blocked_id, "--replay", "--json")
    assert ran.code == ExitCode.NO
    (replay,) = ran.json["replays"]
    assert [d["field"] for d in replay["differences"]] == ["allowed"]
    for _ in range(2):
        ran = english("replay-decisions", "--sample", "1000", "--json")
        assert ran.code == ExitCode.NO
        assert [found["decision_id"] for found in ran.json["findings"]] == [made.blocked_id]
    reviews = sql("SELECT person_id, text FROM review_item WHERE kind = 'replay_difference'")
    assert len(reviews) == 1
    assert made.blocked_id in reviews[0][1]
    assert "DIFFERENTLY" in english("replay-decisions", "--sample", "1000").out
