"""The benchmark as a whole, on a world small enough for a test."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from load_tests import bench_pacing
from load_tests.pacing.runs import OURS, PEERS, TUNED, Row


def test_our_day_is_held_to_the_goal_and_our_run_beside_peers_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "sys.argv",
        ["bench", "--scenario=steady", "--size=3", "--hours=0.1", "--seeds=2", "--jobs=1"],
    )
    bench_pacing.main()
    figures = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1], type=dict[str, object])
    assert figures["cells"] == figures["worlds_and_sizes"] == 1
    folder = Path(str(figures["folder"]))
    assert (folder / "frontier.png").stat().st_size > 5_000
    rows = msgspec.json.decode((folder / "results.json").read_bytes(), type=list[Row])
    alone, beside = (
        [r for r in rows if r.outcome.beside_peers is peers] for peers in (False, True)
    )
    (ours,) = [r for r in alone if r.goal is not None]
    assert (ours.outcome.contender, ours.outcome.seeds) == (OURS, (1, 2))
    assert {r.outcome.contender for r in beside} >= {OURS, TUNED, *PEERS}
    assert all(r.goal is None and r.outcome.seeds == (1,) for r in beside)
