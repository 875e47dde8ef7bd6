"""A writer killed in the middle of its work leaves a ledger that is whole."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text

from dialer.stores.ledger.checkpoints import Checkpoints, load_or_create_key
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.ledger.verify import verify_ledger
from tests.stores.ledger.world import CAMPAIGN, add_account, add_person, found

ROOT = Path(__file__).parents[3]


async def killed_writer(path: Path, run: int, lines_before: int) -> Counter[str]:
    """Start a writer, kill it after some lines, and return what it was promised, by kind."""
    writer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.stores.ledger.crash_writer", str(path), str(run)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert writer.stdout is not None
    lines: list[bytes] = []
    async for line in writer.stdout:
        lines.append(line)
        if len(lines) == lines_before:
            writer.kill()
    await writer.wait()
    assert len(lines) >= lines_before, "the writer died by itself"
    # The last line may be cut; what is whole was promised.
    return Counter(line.decode().split()[1] for line in lines if line.endswith(b"\n"))


async def count(ledger: Ledger, sql: str) -> int:
    async with ledger.read() as conn:
        return int((await conn.execute(text(sql))).scalar_one())


async def run_kills(folder: Path, seed: int, kills: int) -> None:
    rng = random.Random(seed)
    path = folder / "ledger.db"
    url = f"sqlite+aiosqlite:///{path}"
    ledger = await open_ledger(url, now_ms=0)
    await found(ledger)
    await add_person(ledger, "p0", {})
    await add_account(ledger, "account", {"p0": "holder"})
    await ledger.close()
    key = load_or_create_key(folder / "key.pem")
    promised: Counter[str] = Counter()
    for run in range(kills):
        promised += await killed_writer(path, run, rng.randrange(5, 400))
        ledger = await open_ledger(url, now_ms=0)
        report = await verify_ledger(ledger)
        where = f"seed {seed}, kill {run}"
        assert report.holds, f"{where}: {[str(problem) for problem in report.problems]}"
        kinds = {
            kind: await count(ledger, f"SELECT count(*) FROM ledger_event WHERE kind = '{kind}'")
            for kind in ("attempt_planned", "attempt_ended")
        }
        # What was promised is there; and events, attempts and enrolment tell one story.
        assert kinds["attempt_planned"] >= promised["AttemptPlanned"], where
        assert kinds["attempt_ended"] >= promised["AttemptEnded"], where
        assert kinds["attempt_planned"] == await count(ledger, "SELECT count(*) FROM attempt")
        assert kinds["attempt_planned"] == await count(ledger, "SELECT count(*) FROM stream_link")
        assert kinds["attempt_ended"] == await count(
            ledger, "SELECT count(*) FROM attempt WHERE ended_ms IS NOT NULL"
        )
        assert kinds["attempt_ended"] == await count(
            ledger, f"SELECT attempts FROM enrolment WHERE campaign_id = '{CAMPAIGN}'"
        )
        await Checkpoints(ledger, key).make(run)
        await ledger.close()
    assert promised.total() > 5 * kills


async def test_a_killed_writer_leaves_no_half_transaction(tmp_path: Path) -> None:
    await run_kills(tmp_path, seed=20261123, kills=6)


@pytest.mark.soak
async def test_many_killed_writers(tmp_path: Path) -> None:
    await run_kills(tmp_path, seed=7, kills=100)
