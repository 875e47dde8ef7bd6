"""`run`: the whole of it, small."""

from __future__ import annotations

from dialer.cli.exits import ExitCode
from tests.cli.conftest import Cli


def test_a_short_shift(english: Cli) -> None:
    args = ("--accounts", "60", "--agents", "2", "--minutes", "2", "--speed", "60")
    ran = english("run", "--sample", *args, "--set", "http.port=0", "--json")
    assert ran.code == ExitCode.OK, ran.err
    summary = ran.json
    assert summary["portfolio"] == "sample-cl"
    assert summary["queue_conserved"] is True
    assert summary["ledger"]["problem_count"] == 0
    story = english("explain", "CL01-0000001", "--json").json
    assert story["standings"][0]["campaign"] == summary["campaign"]
    assert english("verify-ledger").code == ExitCode.OK
