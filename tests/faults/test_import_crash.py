"""An import that is killed anywhere and run again ends as one that was never disturbed."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from dialer.stores.ledger.database import open_ledger
from dialer.stores.ledger.verify import verify_ledger
from tests.faults.farm import finish, kill, spawn
from tests.faults.importer import ImportOptions, run_import
from tests.faults.prepared import ledger_url, sample_file

ACCOUNTS = 1500
TABLES = (
    "person",
    "account",
    "account_party",
    "debt",
    "contact_point",
    "consent",
    "preference",
    "person_status",
    "suppression",
    "review_item",
    "person_profile",
)
OWN_IDS = frozenset(
    {"consent_id", "preference_id", "status_id", "suppression_id", "review_id", "job_id"}
)
"""Made anew in every import, and meaning nothing by themselves."""
ULID = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")


def contents(ledger: Path) -> dict[str, Counter[str]]:
    """Every row of every table, with ids replaced by what they stand for."""
    with closing(sqlite3.connect(ledger)) as db:
        db.row_factory = sqlite3.Row
        names = {row[0]: f"person {row[1]}" for row in db.execute(_PEOPLE)}
        names |= {row[0]: f"account {row[1]}" for row in db.execute(_ACCOUNTS)}
        names |= {row[0]: f"debt {row[1]}" for row in db.execute(_DEBTS)}
        points = db.execute("SELECT contact_point_id, kind, address, person_id FROM contact_point")
        names |= {row[0]: f"{row[1]} {row[2]} of {names[row[3]]}" for row in points}
        found = {
            table: Counter(_spelled(row, names) for row in db.execute(f"SELECT * FROM {table}"))
            for table in TABLES
        }
        found["kinds"] = Counter(
            f"{names[row[0]]} {row[1]}"
            for row in db.execute("SELECT DISTINCT person_id, kind FROM ledger_event")
        )
    return found


_PEOPLE = "SELECT person_id, match_key FROM person"
_ACCOUNTS = "SELECT account_id, external_id FROM account"
_DEBTS = """SELECT d.debt_id, a.external_id || '/' || d.reference FROM debt AS d
            JOIN account AS a ON a.account_id = d.account_id"""


def _spelled(row: sqlite3.Row, names: dict[str, str]) -> str:
    values = {name: _plain(row[name], names) for name in row.keys() if name not in OWN_IDS}  # noqa: SIM118  # a Row is no dict
    return json.dumps(values, sort_keys=True)


def _plain(value: object, names: dict[str, str]) -> object:
    """A value without ids; JSON is opened, and lists that have no order are sorted."""
    if isinstance(value, str):
        if value[:1] in ("[", "{"):
            return _plain(json.loads(value), names)
        return ULID.sub(lambda found: names.get(found[0], "another id"), value)
    if isinstance(value, list):
        return sorted((_plain(item, names) for item in value), key=json.dumps)
    if isinstance(value, dict):
        return {k: _plain(v, names) for k, v in value.items() if k not in OWN_IDS}
    return value


async def check(folder: Path, clean: dict[str, Counter[str]], where: str) -> None:
    found = contents(folder / "ledger.db")
    for table, rows in clean.items():
        missing, extra = rows - found[table], found[table] - rows
        assert not missing, f"{table} lacks {missing.total()}: {list(missing)[:3]} {where}"
        assert not extra, f"{table} has {extra.total()} too many: {list(extra)[:3]} {where}"
    ledger = await open_ledger(ledger_url(folder), now_ms=0)
    try:
        report = await verify_ledger(ledger)
    finally:
        await ledger.close()
    assert report.holds, f"{report.problems} {where}"


async def run_kills(tmp_path: Path, country: str, seed: int, ledgers: int, kills: int) -> None:
    rng = random.Random(seed)
    file = sample_file(tmp_path / "portfolio.csv", country, accounts=ACCOUNTS, seed=seed)
    whole = tmp_path / "whole"
    whole.mkdir()
    options = ImportOptions(folder=str(whole), file=str(file), country=country)
    started_s = time.monotonic()
    assert await asyncio.to_thread(finish, spawn(run_import, options)) == 0
    whole_s = time.monotonic() - started_s
    clean = contents(whole / "ledger.db")
    assert clean["account"].total() > ACCOUNTS * 0.9
    interrupted = 0
    for number in range(ledgers):
        folder = tmp_path / f"ledger-{number}"
        folder.mkdir()
        options = ImportOptions(folder=str(folder), file=str(file), country=country)
        for _ in range(kills):
            process = spawn(run_import, options)
            await asyncio.sleep(rng.uniform(0.02, whole_s / 2))
            interrupted += process.is_alive()
            kill(process)
        assert await asyncio.to_thread(finish, spawn(run_import, options)) == 0
        await check(folder, clean, f"(seed {seed}, ledger {number})")
    # Each try goes on where the last one was killed, so later ones may be done in time.
    assert interrupted >= ledgers, f"{interrupted} kills came in time, seed {seed}"


@pytest.mark.parametrize(("country", "seed"), [("US", 1), ("CL", 2)])
async def test_killed_imports_end_like_whole_ones(tmp_path: Path, country: str, seed: int) -> None:
    await run_kills(tmp_path, country, seed, ledgers=2, kills=4)


@pytest.mark.soak
@pytest.mark.parametrize(("country", "seed"), [("US", 11), ("CL", 12)])
async def test_many_killed_imports(tmp_path: Path, country: str, seed: int) -> None:
    await run_kills(tmp_path, country, seed, ledgers=10, kills=8)
