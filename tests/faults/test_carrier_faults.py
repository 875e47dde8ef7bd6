"""Carriers that fall silent, lose events or vanish for a while; and a stop in good order."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest

from dialer.core.records import to_ms
from dialer.stores.redis.client import connect_url
from dialer.stores.redis.queue import CampaignQueue
from telephony_adapters.simulator.script import CallFault, Doubt, Outage, Rule, Script
from tests.faults.conftest import OpenScene
from tests.faults.journal import read_journal
from tests.faults.scene import Scene
from tests.faults.worker import start_of_life

SILENT = Script(
    rules=(
        Rule(fault=CallFault(doubt=Doubt.PLACED, silent=True), every=5),
        Rule(fault=CallFault(doubt=Doubt.NOT_PLACED), every=7),
        Rule(fault=CallFault(silent=True), every=6),
        Rule(fault=CallFault(loses_end=True), every=4),
    )
)
OUTAGES = Script(
    outages=tuple(Outage(after_s=20.0 + 40.0 * n, for_s=12.0) for n in range(20)),
)
"""In the worker's own seconds, sixty to a real one."""


def ends(scene: Scene) -> list[dict[str, object]]:
    """Bodies of every attempt's end, in the order they were written."""
    with closing(sqlite3.connect(scene.folder / "ledger.db")) as db:
        rows = db.execute(
            "SELECT body FROM ledger_event WHERE kind = 'attempt_ended' ORDER BY event_no"
        )
        return [json.loads(row[0]) for row in rows]


async def check_stopped(scene: Scene) -> list[dict[str, object]]:
    """After a stop in good order there is nothing left to heal."""
    found = scene.judge(healed=True)
    closed = ends(scene)
    called = {line.call_id for line in read_journal(scene.journal)}
    assert len(closed) == found.attempts, scene.told()
    assert called <= {str(body["attempt_id"]) for body in closed}, scene.told()
    now_ms = to_ms(start_of_life(scene.folder, scene.country, 0))
    with closing(sqlite3.connect(scene.folder / "ledger.db")) as db:
        campaign_id = db.execute("SELECT campaign_id FROM campaign").fetchone()[0]
    async with await connect_url(scene.redis.url) as client:
        counts = await CampaignQueue(client, campaign_id).counts(now_ms)
    assert counts.conserved, f"{counts} {scene.told()}"
    return closed


@pytest.mark.parametrize(("country", "seed"), [("US", 401), ("CL", 402)])
async def test_a_stop_leaves_nothing_open(open_scene: OpenScene, country: str, seed: int) -> None:
    scene = await open_scene(country, seed)
    bridged = 0
    for _ in range(3):
        scene.start_worker()
        assert await scene.calls(scene.rng.randint(20, 60)), scene.told()
        assert await scene.stop_worker() == 0, scene.told()
        closed = await check_stopped(scene)
        assert not any(body.get("reconciled") for body in closed), scene.told()
        bridged = sum(1 for body in closed if body.get("talk_ms") is not None)
    assert bridged > 0


async def test_silent_calls_are_closed_and_counted(open_scene: OpenScene) -> None:
    scene = await open_scene("US", 411)
    scene.start_worker(script=SILENT)
    assert await scene.calls(60), scene.told()
    for _ in range(400):
        if sum(1 for body in ends(scene) if body.get("reconciled")) >= 10:
            break
        await asyncio.sleep(0.02)
    reconciled = [body for body in ends(scene) if body.get("reconciled")]
    assert len(reconciled) >= 10, scene.told()
    assert await scene.stop_worker() == 0, scene.told()
    closed = await check_stopped(scene)
    # A call of which nothing was ever heard counts as if it had rung.
    unheard = [b for b in closed if b.get("reconciled") and b.get("talk_ms") is None]
    assert unheard, scene.told()
    assert {b["outcome"] for b in unheard} <= {
        "dial_requested",
        "rang_no_answer",
        "abandoned",
        "answered_dropped",
    }, {b["outcome"] for b in unheard}


async def test_calls_live_on_while_the_carrier_is_away(open_scene: OpenScene) -> None:
    scene = await open_scene("US", 421)
    scene.start_worker(script=OUTAGES)
    for _ in range(4):
        assert await scene.calls(40), f"it did not go on after an outage: {scene.told()}"
    log = (scene.folder / "worker.log").read_text(errors="replace")
    assert log.count("carrier_down") >= 3, scene.told()
    assert await scene.stop_worker() == 0, scene.told()
    closed = await check_stopped(scene)
    assert any(body.get("reconciled") for body in closed), "no event was ever lost"
    assert any(not body.get("reconciled") for body in closed)
