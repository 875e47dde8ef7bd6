"""`verify-ledger` and `export`: proof that nothing was changed."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from dialer.cli.exits import ExitCode
from dialer.config import load_config
from tests.cli.conftest import Cli
from tests.cli.world import CAMPAIGN, PORTFOLIO, Made, decide_some
from tests.support.postgres import PostgresServer

Tamper = Callable[[str], None]


@pytest.fixture
def tamper(made: Made) -> Tamper:
    """Runs SQL as somebody would who has the file."""

    def run(sql: str) -> None:
        with closing(sqlite3.connect(Path(made.folder) / "ledger.db")) as connection:
            changed = connection.execute(sql).rowcount
            connection.commit()
        assert changed > 0

    return run


def _problems(cli: Cli) -> list[dict[str, str]]:
    ran = cli("verify-ledger", "--json")
    assert ran.code == ExitCode.NO
    assert ran.json["holds"] is False
    problems: list[dict[str, str]] = ran.json["report"]["problems"]
    return problems


def test_a_ledger_that_nobody_touched(english: Cli, made: Made) -> None:
    ran = english("verify-ledger", "--json")
    assert ran.code == ExitCode.OK
    assert ran.json["report"]["checkpoints"] >= 1
    assert ran.json["report"]["events_after_checkpoint"] == 0
    assert "no difference" in english("verify-ledger").out


def test_one_flipped_byte(english: Cli, made: Made, tamper: Tamper) -> None:
    tamper(
        "UPDATE ledger_event SET body = '{' || char(unicode(substr(body, 2, 1)) + 1) || "
        f"substr(body, 3) WHERE person_id = '{made.person_id}' AND seq = 1"
    )
    (problem,) = _problems(english)
    assert problem["kind"] == "wrong_hash"
    assert problem["where"] == f"{made.person_id}/1"
    assert f"{made.person_id}/1" in english("verify-ledger").out


def test_one_flipped_byte_of_a_proof(english: Cli, made: Made, tamper: Tamper) -> None:
    tamper(
        "UPDATE ledger_event SET record = replace(record, '\"allowed\":true', '\"allowed\":tRue') "
        f"WHERE decision_id = '{made.dialed_id}'"
    )
    (problem,) = _problems(english)
    assert problem["kind"] == "wrong_hash"
    assert problem["where"].startswith(made.person_id)


def test_one_removed_event(english: Cli, made: Made, tamper: Tamper) -> None:
    tamper(f"DELETE FROM ledger_event WHERE person_id = '{made.person_id}' AND seq = 1")
    assert {p["kind"] for p in _problems(english)} == {"gap"}


def test_a_removed_tail(english: Cli, made: Made, tamper: Tamper) -> None:
    tamper(
        f"DELETE FROM ledger_event WHERE person_id = '{made.person_id}' AND seq = "
        f"(SELECT max(seq) FROM ledger_event WHERE person_id = '{made.person_id}')"
    )
    assert "tail_removed" in {p["kind"] for p in _problems(english)}


def test_one_removed_person(english: Cli, made: Made, tamper: Tamper) -> None:
    tamper(f"DELETE FROM ledger_event WHERE person_id = '{made.person_id}'")
    found = {p["kind"]: p["where"] for p in _problems(english)}
    assert found["person_removed"].startswith(made.person_id)


def test_a_checkpoint_of_another_key(english: Cli, made: Made) -> None:
    (Path(made.folder) / "ledger-key.pem").unlink()
    assert english("init", "--language", "en").code == ExitCode.OK
    assert {p["kind"] for p in _problems(english)} == {"checkpoint_unsigned"}


def test_a_ledger_that_was_rolled_back(english: Cli, made: Made, tamper: Tamper) -> None:
    known = english("verify-ledger", "--json").json["last_checkpoint"]
    (english.folder / "known.json").write_text(json.dumps(known))
    assert english("verify-ledger", "--known", "known.json").code == ExitCode.OK
    (english.folder / "other.json").write_text(json.dumps({**known, "checkpoint_no": 99}))
    ran = english("verify-ledger", "--known", "other.json")
    assert ran.code == ExitCode.NO
    assert "checkpoint 99" in ran.out
    (english.folder / "bad.json").write_text("{}")
    assert english("verify-ledger", "--known", "bad.json").code == ExitCode.BAD_INPUT


def test_one_person_alone(english: Cli, made: Made, tamper: Tamper) -> None:
    assert english("verify-ledger", "--person", made.person_id).code == ExitCode.OK
    assert english("verify-ledger", "--person", "nobody").code == ExitCode.BAD_INPUT
    tamper(f"UPDATE ledger_event SET kind = 'x' WHERE decision_id = '{made.dialed_id}'")
    assert english("verify-ledger", "--person", made.person_id).code == ExitCode.NO


def test_a_file_that_is_no_database(english: Cli, made: Made) -> None:
    (Path(made.folder) / "ledger.db").write_bytes(b"nothing of the kind" * 500)
    ran = english("verify-ledger")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "Traceback" not in ran.err


# --- export -------------------------------------------------------------------------------------


def _export(cli: Cli, made: Made) -> Path:
    ran = cli("export", made.person_id, "--out", "record", "--json")
    assert ran.code == ExitCode.OK
    (export,) = ran.json
    assert export["signed_through"] == export["events"] > 1
    return cli.folder / "record"


def _verify(folder: Path) -> subprocess.CompletedProcess[str]:
    """Does what the README says."""
    program = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert program is not None
    (folder / "verify.py").write_text(program[1])
    return subprocess.run(
        [sys.executable, "-I", "verify.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_record_verifies_without_marcador(english: Cli, made: Made) -> None:
    done = _verify(_export(english, made))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "signed with the key" in done.stdout
    decided = re.search(r"(\d+) decisions; (\d+) with all", done.stdout)
    assert decided is not None
    assert int(decided[1]) == int(decided[2]) > 0
    assert "dialer" not in (english.folder / "record" / "verify.py").read_text()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("events.json", '"at_ms": 1', '"at_ms": 2'),
        ("events.json", "attempt_planned", "attempt_planted"),
        ("checkpoint.json", '"event_no": ', '"event_no": 1'),
        ("packs/*.toml", "version", "Version"),
        ("profiles/*.json", "person_id", "person_ib"),
        ("checkpoint.json", '"signature": "', '"signature": "00'),
    ],
)
def test_a_changed_record_does_not(english: Cli, made: Made, file: str, old: str, new: str) -> None:
    folder = _export(english, made)
    path = next(folder.glob(file))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    done = _verify(folder)
    assert done.returncode == 1
    assert "DOES NOT HOLD" in done.stdout


def test_a_shortened_record_does_not(english: Cli, made: Made) -> None:
    folder = _export(english, made)
    events = json.loads((folder / "events.json").read_text())
    (folder / "events.json").write_text(json.dumps(events[:-1]))
    assert "DOES NOT HOLD" in _verify(folder).stdout


def test_what_is_in_a_record(english: Cli, made: Made) -> None:
    folder = _export(english, made)
    with (folder / "decisions.csv").open(newline="") as file:
        rows = {row["decision_id"]: row for row in csv.DictReader(file)}
    assert rows[made.dialed_id]["allowed"] == "True"
    assert rows[made.dialed_id]["code"] == "NC-NA"
    proofs = json.loads((folder / "decisions.json").read_text())
    assert {proof["decision_id"] for proof in proofs} == set(rows)
    packs = {path.stem: path.read_text() for path in (folder / "packs").iterdir()}
    assert {ref["sha256"] for proof in proofs for ref in proof["packs"]} <= packs.keys()
    assert {proof["pack_set"] for proof in proofs} == set(
        json.loads((folder / "pack_sets.json").read_text())
    )
    person = json.loads((folder / "person.json").read_text())
    assert person.keys() >= {"gate_override", "legal_hold", "erasure"}
    assert made.address in {point["address"] for point in person["contact_point"]}
    with (folder / "events.csv").open(newline="") as file:
        kinds = [row["kind"] for row in csv.DictReader(file)]
    assert kinds[0] == "person_imported"
    assert made.address not in (folder / "events.json").read_text()


def test_an_export_is_on_the_audit_trail(english: Cli, made: Made) -> None:
    _export(english, made)
    with closing(sqlite3.connect(Path(made.folder) / "ledger.db")) as connection:
        query = "SELECT target, actor FROM audit_event WHERE action = 'person.export'"
        ((target, actor),) = connection.execute(query).fetchall()
    assert target == made.person_id
    assert actor.startswith("cli")
    assert english("verify-ledger").code == ExitCode.OK


def test_an_account_exports_its_parties(english: Cli, made: Made) -> None:
    ran = english("export", made.account, "--out", "record", "--json")
    assert made.person_id in {export["person_id"] for export in ran.json}


def test_a_broken_record_is_exported_and_said_to_be(
    english: Cli, made: Made, tamper: Tamper
) -> None:
    tamper(f"UPDATE ledger_event SET at_ms = 5 WHERE decision_id = '{made.dialed_id}'")
    ran = english("export", made.person_id, "--out", "record")
    assert ran.code == ExitCode.NO
    assert "wrong_hash" in ran.out
    assert _verify(english.folder / "record").returncode == 1


def test_a_folder_in_use_and_an_unknown_person(english: Cli, made: Made) -> None:
    folder = english.folder / "record"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    assert english("export", made.person_id, "--out", "record").code == ExitCode.BAD_INPUT
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert english("export", "nobody", "--out", "new").code == ExitCode.BAD_INPUT
    assert not (english.folder / "new").exists()


def test_the_same_on_postgresql(
    english: Cli, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres_server.create_database()
    monkeypatch.setenv("MARCADOR_LEDGER__URL", postgres_server.url(name))
    english("init")
    english("sample", "PE", "--accounts", "60", "--out", "s.csv")
    args = ("import", "s.csv", "--portfolio", PORTFOLIO, "--json")
    assert english(*args).json["accounts"]["new"] > 50
    config = load_config(overrides={"data_dir": str(english.folder / "var")})
    made = asyncio.run(decide_some(config))
    assert english("verify-ledger").code == ExitCode.OK
    for asked in (made.dialed_id, made.address, made.account, made.person_id):
        told = english("explain", asked, "--json").json["decisions"]
        assert made.dialed_id in {decision["decision_id"] for decision in told}
    assert _verify(_export(english, made)).returncode == 0
    for command in ("hours", "blocks", "counters", "opt-outs", "consents", "abandonment"):
        assert english("report", command).code == ExitCode.OK, command
    assert english("replay-decisions", "--json").json["different"] == 0
    assert english("retention").code == ExitCode.OK
    assert english("suppressions", "export", "--out", "s.csv").code == ExitCode.OK
    assert english("campaign", "pause", CAMPAIGN).code == ExitCode.BAD_INPUT
    postgres_server.psql(
        f"UPDATE ledger_event SET at_ms = 1 WHERE decision_id = '{made.dialed_id}'", name
    )
    (problem,) = _problems(english)
    assert problem["where"].startswith(made.person_id)
    postgres_server.drop_database(name)
