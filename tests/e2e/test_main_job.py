"""The main job as a user starts it: one command, from an empty folder to a summary."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from dialer.runtime.oversight import HoursProof
from dialer.runtime.replaying import ReplayReport
from dialer.runtime.shift import ShiftSummary

LIMIT_S = 240.0


async def marcador(*arguments: str, data_dir: Path) -> tuple[int, bytes, bytes]:
    environment = os.environ | {"CI": "true", "MARCADOR_DATA_DIR": str(data_dir)}
    environment |= {"MARCADOR_HTTP__PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from dialer.cli import main; main()",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
    except TimeoutError:
        process.kill()
        raise
    return process.returncode or 0, out, err


async def test_a_generated_portfolio_is_worked_by_agents_over_their_websocket(
    tmp_path: Path,
) -> None:
    run = ("--json", "run", "--sample", "--accounts", "600", "--agents", "6")
    code, out, err = await marcador(*run, "--minutes", "8", "--speed", "20", data_dir=tmp_path)
    assert code == 0, err.decode()[-3000:]
    summary = msgspec.json.decode(out, type=ShiftSummary)
    figures = summary.figures
    assert figures.dialed > 50
    assert figures.connected > 0
    assert 0 < figures.occupancy_pct <= 100
    enrolled = sum(figures.queue.values())
    assert 570 <= enrolled <= 600, "all but the few rows that the sample's dirt spoils"
    assert summary.queue_conserved
    assert summary.ledger is not None
    assert summary.ledger.problem_count == 0
    assert summary.refused_to_agents == {}
    reports = list((tmp_path / "reports").glob("*/summary.json"))
    assert len(reports) == 1
    code, out, err = await marcador(
        "replay-decisions", "--sample", "5000", "--json", data_dir=tmp_path
    )
    replayed = msgspec.json.decode(out, type=ReplayReport)
    assert code == 0, err.decode()[-3000:]
    assert replayed.same == replayed.decisions > 50
    code, out, err = await marcador("report", "hours", "--json", data_dir=tmp_path)
    proof = msgspec.json.decode(out, type=HoursProof)
    assert code == 0, err.decode()[-3000:]
    assert proof.attempts == figures.dialed
