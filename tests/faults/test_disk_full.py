"""The ledger's disk is full: nothing is half written, nobody is dialed, and all goes on after."""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path

import pytest

from tests.faults.conftest import OpenScene
from tests.faults.journal import read_journal
from tests.faults.scene import Scene

NO_LIMIT = resource.RLIM_INFINITY
TIMEOUT_S = 20.0


def limit_files(pid: int, most_bytes: int) -> None:
    """From now on the process can make no file longer than this: writing fails, as on a full
    disk, until the limit is lifted."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most_bytes, NO_LIMIT))


async def until_away(scene: Scene) -> None:
    """Until the worker has noticed, and what was under way has ended: a tick has failed, or, where
    no agent is free to dial for (their conversations cannot be recorded), two checkpoints have."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while True:
        said = (scene.folder / "worker.log").read_text(errors="replace")
        ended = "tick_failed" in said or said.count("loop_failed") >= 2
        if "ledger_away" in said and ended:
            return
        assert time.monotonic() < deadline_s, f"the worker never noticed: {scene.told()}"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(("country", "seed"), [("US", 301)])
async def test_a_full_disk_stops_the_dialing_and_loses_nothing(
    open_scene: OpenScene, country: str, seed: int
) -> None:
    scene = await open_scene(country, seed)
    scene.start_worker()
    for _ in range(3):
        assert await scene.calls(20), scene.told()
        pid = scene.worker.pid
        assert pid is not None
        (scene.folder / "worker.log").write_text("")
        limit_files(pid, _size(scene.folder))
        await until_away(scene)
        quiet_from = len(read_journal(scene.journal))
        # Several ticks and retries of the recorder pass; a judge reads the ledger meanwhile.
        await asyncio.sleep(0.4)
        assert len(read_journal(scene.journal)) == quiet_from, scene.told()
        scene.judge()
        limit_files(pid, NO_LIMIT)
        assert await scene.calls(10), f"it did not go on: {scene.told()}"
    assert await scene.stop_worker() == 0, scene.told()
    found = scene.judge(healed=True)
    assert found.conversations > 0
    assert found.ended == found.attempts


def _size(folder: Path) -> int:
    return (folder / "ledger.db-wal").stat().st_size
