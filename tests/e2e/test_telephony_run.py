"""The main job over real telephones: SIP calls through Asterisk to SIPp people and SIPp phones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from dialer.runtime.shift import ShiftSummary

LIMIT_S = 240.0


def test_a_portfolio_is_worked_over_sip(tmp_path: Path) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "telephony_adapters.lab"),
            *(sys.executable, "-c", "from dialer.cli import main; main()"),
            *("--json", "run", "--adapter", "asterisk", "--sample"),
            *("--accounts", "200", "--agents", "4", "--minutes", "1"),
            *("--set", "engine.drain_s=12", "--set", "http.port=0"),
        ],
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
        env=os.environ | {"CI": "true", "MARCADOR_DATA_DIR": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stderr.decode()[-3000:]
    summary = msgspec.json.decode(ran.stdout, type=ShiftSummary)
    assert summary.figures.dialed >= 5
    assert summary.figures.connected >= 1
    assert summary.queue_conserved
    assert summary.ledger is not None
    assert summary.ledger.problem_count == 0
    assert summary.refused_to_agents == {}
    elapsed_s = (summary.ended_at - summary.started_at).total_seconds()
    assert 60 <= elapsed_s <= LIMIT_S, "telephones ring in real time"
