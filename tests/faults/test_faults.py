"""Nothing lost, nothing doubled: a campaign that is killed, wiped and cut off at random points.

Every point is really a SIGKILL, or a Redis that dies or forgets, while calls are in every phase.
A judge that shares nothing with the engine recomputes afterwards what must hold.
"""

from __future__ import annotations

from collections import Counter

import pytest

from dialer.core.records import to_ms
from dialer.stores.ledger.database import open_ledger
from dialer.stores.ledger.verify import verify_ledger
from tests.faults.checker import Judgement
from tests.faults.conftest import OpenScene
from tests.faults.prepared import ledger_url
from tests.faults.queue_check import compare
from tests.faults.scene import Blow, Scene
from tests.faults.worker import HealReport, start_of_life

POINTS = 26
"""Points of one ledger in the ordinary run; the four cases make more than a hundred."""
SOAK_POINTS = 125
LOOK_EVERY = 9
"""After so many points the judge looks in between."""

CASES = [("US", 101), ("CL", 102), ("US", 103), ("CL", 104)]
SOAK_CASES = [("US" if seed % 2 else "CL", seed) for seed in range(201, 209)]


async def check_stores(scene: Scene, report: HealReport, *, rebuilt: bool) -> None:
    """The queue's conservation, and that it holds exactly what is enrolled."""
    assert report.conserved, f"{report.queues}: {scene.told()}"
    now_ms = to_ms(start_of_life(scene.folder, scene.country, 0))
    for campaign_id, counts in report.queues.items():
        assert counts["leased"] == 0, f"{counts}: {scene.told()}"
        problems = await compare(
            scene.folder / "ledger.db", scene.redis.url, campaign_id, now_ms, rebuilt=rebuilt
        )
        assert not problems, f"{len(problems)}: {problems[:10]} {scene.told()}"


async def check_chains(scene: Scene) -> None:
    """Every hash, every signed head."""
    ledger = await open_ledger(ledger_url(scene.folder), now_ms=0)
    try:
        verified = await verify_ledger(ledger)
    finally:
        await ledger.close()
    assert verified.holds, f"{[str(problem) for problem in verified.problems]}: {scene.told()}"
    assert verified.checkpoints > 0


async def run_points(scene: Scene, points: int) -> tuple[Judgement, Counter[Blow]]:
    """Strike, heal, and judge."""
    blows: Counter[Blow] = Counter()
    for point in range(1, points + 1):
        blows[await scene.strike()] += 1
        if point % LOOK_EVERY == 0:
            scene.judge()
    for rebuilt in (False, True):
        report = await scene.heal()
        assert (report.open_attempts, report.undisposed) == (0, 0), f"{report} {scene.told()}"
        await check_stores(scene, report, rebuilt=rebuilt)
        await scene.wipe_redis()
    found = scene.judge(healed=True)
    await check_chains(scene)
    return found, blows


def check_load(found: Judgement, blows: Counter[Blow], points: int, scene: Scene) -> None:
    """A test without load, or whose limits never bind, proves nothing."""
    said = f"{found.attempts} attempts, {found.binding}, {blows}: {scene.told()}"
    assert blows.total() == points, said
    assert found.originates > 5 * points, said
    assert found.ended == found.attempts >= found.originates, said
    assert found.conversations > points, said
    assert found.blocked > 0, said
    assert found.binding.total() > 0, said


@pytest.mark.parametrize(("country", "seed"), CASES)
async def test_nothing_is_lost_or_doubled(open_scene: OpenScene, country: str, seed: int) -> None:
    scene = await open_scene(country, seed)
    found, blows = await run_points(scene, POINTS)
    check_load(found, blows, POINTS, scene)


@pytest.mark.soak
@pytest.mark.parametrize(("country", "seed"), SOAK_CASES)
async def test_a_thousand_points(open_scene: OpenScene, country: str, seed: int) -> None:
    scene = await open_scene(country, seed)
    found, blows = await run_points(scene, SOAK_POINTS)
    check_load(found, blows, SOAK_POINTS, scene)
    assert set(blows) == set(Blow)
