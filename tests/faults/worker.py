"""A worker to be killed: opens Marcador on a folder and an outside Redis, and dials until it dies.

It runs in processes of its own (see `farm`), with a fast world and a fast clock, so that a second
of life holds many calls in every phase.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import uvloop

from campaigns.campaign import CampaignState
from compliance.types import CampaignId
from dialer.bootstrap import Marcador, open_marcador, set_up_logging
from dialer.config import Config, LogConfig, load_config
from dialer.core.records import from_ms, to_ms
from dialer.runtime import engine as engine_module
from dialer.runtime import fleet as fleet_module
from dialer.runtime.clock import SimulatedClock
from dialer.stores.ledger.campaigns import list_campaigns
from dialer.stores.ledger.recovery import undisposed
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.rates import STAGES, StageRates, WorldRates
from telephony_adapters.simulator.script import FAIR_WEATHER, Script
from telephony_adapters.simulator.world import SeededWorld
from tests.faults.agents import Agent
from tests.faults.checker import CHILEAN_HOLIDAYS_2026
from tests.faults.journal import JournallingCarrier

SPEED: Final = 60.0
"""Clock seconds in a real one."""
AGENTS: Final = 12
ZONES: Final = {"CL": "America/Santiago", "US": "America/Denver"}
FIRST_HOUR, LAST_HOUR = 11, 16
"""Lives begin between these local hours, so that everybody may be called."""
LEAST_ROUNDS, MOST_ROUNDS = 5, 15
"""Sweeps of a healing life; the fewest are enough to go over the whole queue."""
DRAIN_S: Final = 1.0
NEVER_S: Final = 86_400.0
OWNER_LEASE_MS: Final = 400
OWN_S: Final = 0.1
"""A campaign is without an owner no longer than this after a kill."""


class LifeOptions(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    redis_url: str
    life: str
    seed: int
    country: str
    """`CL` or `US`."""
    jump_s: float
    """How long after the ledger's newest event this life begins, at least."""
    script: Script = FAIR_WEATHER
    """What goes wrong at the carrier."""
    quiet: bool = False
    """No sweep runs by itself."""


class HealReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the sweeps left behind, as the engine itself sees it."""

    rounds: int
    closed: int
    disposed: int
    reaped: int
    open_attempts: int
    undisposed: int
    queues: dict[str, dict[str, int]]
    conserved: bool


def worker_config(options: LifeOptions) -> Config:
    return load_config(
        environ={},
        overrides={
            "data_dir": options.folder,
            "house_packs": str(Path(options.folder) / "packs"),
            "redis.url": options.redis_url,
            "telephony.originates_per_s": 50,
            "telephony.max_lines": 120,
            "engine.tick_ms": 15,
            "engine.batch_size": 32,
            "engine.sweep_s": NEVER_S if options.quiet else 0.2,
            "engine.lease_s": 240,
            "engine.unknown_grace_s": 5,
            "engine.presence_s": 3600,
            "engine.checkpoint_s": 1,
        },
    )


def fast_world(seed: int) -> SeededWorld:
    """Short rings and talks, and more people who pick up than anywhere."""
    stages = {
        name: StageRates(
            live=0.55,
            right_numbers=rates.right_numbers,
            right_party_answers=rates.right_party_answers,
            promise=rates.promise,
            promise_horizon_days=rates.promise_horizon_days,
        )
        for name, rates in STAGES.items()
    }
    return SeededWorld(
        seed,
        WorldRates(
            stages=stages,
            machine=0.2,
            answer_delay_s=3.0,
            network_ring_limit_s=12.0,
            talk_other_s=6.0,
            talk_right_s=12.0,
            talk_promise_s=15.0,
        ),
    )


def start_of_life(folder: Path, country: str, jump_s: float) -> datetime:
    """An instant at which people may be called, `jump_s` or more after the newest event."""
    with contextlib.closing(sqlite3.connect(folder / "ledger.db")) as ledger:
        newest_ms = ledger.execute("SELECT max(at_ms) FROM ledger_event").fetchone()[0]
    zone = ZoneInfo(ZONES[country])
    local = (from_ms(newest_ms) + timedelta(seconds=jump_s)).astimezone(zone)
    if local.hour >= LAST_HOUR:
        local = (local + timedelta(days=1)).replace(hour=FIRST_HOUR)
    if local.hour < FIRST_HOUR:
        local = local.replace(hour=FIRST_HOUR)
    while local.isoweekday() > 5 or (country == "CL" and local.date() in CHILEAN_HOLIDAYS_2026):
        local = (local + timedelta(days=1)).replace(hour=FIRST_HOUR)
    return local.astimezone(UTC)


@contextlib.asynccontextmanager
async def opened(options: LifeOptions) -> AsyncIterator[Marcador]:
    """Marcador, put together as the command line does it but for clock, world and journal."""
    folder = Path(options.folder)
    config = worker_config(options)
    clock = SimulatedClock(start_of_life(folder, options.country, options.jump_s), SPEED)
    carrier = JournallingCarrier(
        SimulatedCarrier(clock=clock, world=fast_world(options.seed), script=options.script),
        clock,
        journal=folder / "journal",
        ledger=folder / "ledger.db",
        life=options.life,
    )
    async with open_marcador(config, clock=clock, adapter=carrier) as marcador:
        yield marcador


async def dial(options: LifeOptions) -> None:
    """Dial with agents until SIGTERM; then drain and stop."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    rng = random.Random(options.seed)
    async with opened(options) as marcador:
        engine = marcador.engine
        await engine.start()
        agents = [Agent(marcador, f"agent-{n:02d}", rng) for n in range(AGENTS)]
        for agent in agents:
            await agent.sit_down()
        tasks = [asyncio.create_task(agent.work()) for agent in agents]
        tasks.append(asyncio.create_task(_until(over)))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
        await engine.drain(DRAIN_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await engine.stop()


async def _until(over: asyncio.Event) -> None:
    await over.wait()


async def heal(options: LifeOptions) -> HealReport:
    """Start on what other lives left behind, sweep it clean with nobody dialing, and stop."""
    async with opened(options) as marcador:
        engine = marcador.engine
        await engine.start()
        async with marcador.ledger.read() as conn:
            running = [
                c.campaign_id
                for c in await list_campaigns(conn)
                if c.state is CampaignState.RUNNING
            ]
        while set(engine.owned()) != set(running):
            # Whoever was killed owns them until their lease runs out.
            await asyncio.sleep(OWN_S)
            await engine.own_campaigns()
        rounds = 0
        while rounds < LEAST_ROUNDS or (
            rounds < MOST_ROUNDS and await _unfinished(marcador, running) != (0, 0)
        ):
            rounds += 1
            await engine.sweep()
            await engine.recorder.flush()
        await engine.drain(DRAIN_S)
        report = await _report(marcador, running, rounds)
        await engine.stop()
    return report


async def _unfinished(marcador: Marcador, campaigns: list[CampaignId]) -> tuple[int, int]:
    """Attempts without an end, and conversations of which nobody has said what they were."""
    far_ms = to_ms(marcador.clock.now() + timedelta(days=365))
    without_end = await marcador.engine.reader.open_attempts(far_ms, 1_000_000)
    unsaid = await undisposed(marcador.ledger, campaigns, far_ms, 1_000_000)
    return len(without_end), len(unsaid)


async def _report(marcador: Marcador, campaigns: list[CampaignId], rounds: int) -> HealReport:
    engine = marcador.engine
    open_attempts, unsaid = await _unfinished(marcador, campaigns)
    queues = {c: await engine.queue_of(c).counts(to_ms(marcador.clock.now())) for c in campaigns}
    return HealReport(
        rounds=rounds,
        closed=engine.sweeps.counts.attempts_closed,
        disposed=engine.sweeps.counts.dispositions_completed,
        reaped=engine.sweeps.counts.leases_reaped,
        open_attempts=open_attempts,
        undisposed=unsaid,
        queues={c: msgspec.structs.asdict(counts) for c, counts in queues.items()},
        conserved=all(counts.conserved for counts in queues.values()),
    )


def run_life(options: LifeOptions) -> None:
    """Entry of a process that is going to be killed."""
    _set_up(options)
    uvloop.run(dial(options))


def run_heal(options: LifeOptions) -> None:
    """Entry of a process that heals; writes its report beside the ledger."""
    _set_up(options)
    report = uvloop.run(heal(options))
    (Path(options.folder) / "heal.json").write_bytes(msgspec.json.encode(report))


def _set_up(options: LifeOptions) -> None:
    """Standard error of this process goes to a file, which tests show when they fail."""
    fleet_module.OWNER_LEASE_MS = OWNER_LEASE_MS
    engine_module.OWN_S = OWN_S
    log = os.open(Path(options.folder) / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    os.close(log)
    set_up_logging(LogConfig(level="warning", format="json"))
