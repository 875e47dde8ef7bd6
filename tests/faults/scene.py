"""One broken campaign: a prepared ledger, a Redis of its own, a worker, and ways to hurt them."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from enum import StrEnum
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import msgspec

from dialer.stores.redis.client import connect_url
from dialer.stores.redis.embedded import EmbeddedRedis
from telephony_adapters.simulator.script import FAIR_WEATHER, Script, rough_weather
from tests.faults.checker import Judgement, judge
from tests.faults.farm import finish, kill, spawn
from tests.faults.journal import read_journal
from tests.faults.worker import SPEED, HealReport, LifeOptions, run_heal, run_life

POLL_S = 0.005
LOAD_TIMEOUT_S = 20.0
"""Real seconds in which a worker must get to work, on a machine with much else to do."""
LOST_BYTES_MOST = 32_768
"""How much of the end of its file Redis loses when it dies, at most: its last moments."""

LONGEST_JUMP_S = {"CL": 36 * 3600, "US": 5 * 3600}
"""Between two lives; with one call a week, people must be given weeks."""


class Blow(StrEnum):
    """What happens at a point."""

    KILL_ENGINE = "kill_engine"
    KILL_STARTING = "kill_starting"
    """The engine dies while it opens, takes over, or rebuilds."""
    KILL_REDIS = "kill_redis"
    """Redis dies and comes back; the engine lives on."""
    WIPE_REDIS = "wipe_redis"
    """Redis forgets everything; the engine lives on."""
    KILL_BOTH = "kill_both"
    WIPE_AND_KILL = "wipe_and_kill"


WEIGHTS = {
    Blow.KILL_ENGINE: 38,
    Blow.KILL_STARTING: 10,
    Blow.KILL_REDIS: 14,
    Blow.WIPE_REDIS: 14,
    Blow.KILL_BOTH: 14,
    Blow.WIPE_AND_KILL: 10,
}
ENDS_A_LIFE = frozenset(Blow) - {Blow.KILL_REDIS, Blow.WIPE_REDIS}


class Scene:
    """Everything that a series of faults happens to. `seed` decides where and what."""

    def __init__(self, folder: Path, redis_folder: Path, country: str, seed: int) -> None:
        self.folder = folder
        self.country = country
        self.seed = seed
        self.rng = random.Random(seed)
        self.redis = EmbeddedRedis(redis_folder)
        self.points: list[str] = []
        self._worker: ForkServerProcess | None = None
        self._lives = 0

    # --- a worker's life ---------------------------------------------------------------------

    def start_worker(self, script: Script = FAIR_WEATHER) -> None:
        self._lives += 1
        self._worker = spawn(run_life, self._options(script=script))

    def _options(self, *, script: Script = FAIR_WEATHER, quiet: bool = False) -> LifeOptions:
        return LifeOptions(
            folder=str(self.folder),
            redis_url=self.redis.url,
            life=str(self._lives),
            seed=self.rng.randrange(2**31),
            country=self.country,
            jump_s=self.rng.uniform(600, LONGEST_JUMP_S[self.country]),
            script=script,
            quiet=quiet,
        )

    @property
    def worker(self) -> ForkServerProcess:
        if self._worker is None:
            rough = self.rng.random() < 0.3
            seed = self.rng.randrange(2**31)
            self.start_worker(rough_weather(seed, 0.02) if rough else FAIR_WEATHER)
        assert self._worker is not None
        return self._worker

    def kill_worker(self) -> None:
        kill(self.worker)
        self._worker = None

    async def stop_worker(self, timeout_s: float = 60.0) -> int:
        """SIGTERM; the exit status."""
        assert self.worker.pid is not None
        os.kill(self.worker.pid, signal.SIGTERM)
        status = await asyncio.to_thread(finish, self.worker, timeout_s)
        self._worker = None
        return status

    async def calls(self, more: int, timeout_s: float = LOAD_TIMEOUT_S) -> bool:
        """Wait until `more` further calls were asked for; False when none came for so long."""
        worker = self.worker
        wanted = len(read_journal(self.journal)) + more
        deadline_s = time.monotonic() + timeout_s
        while len(read_journal(self.journal)) < wanted:
            if not worker.is_alive():
                raise AssertionError(f"the worker ended by itself: {self.said()}")
            if time.monotonic() > deadline_s:
                return False
            await asyncio.sleep(POLL_S)
        return True

    # --- blows -------------------------------------------------------------------------------

    async def strike(self) -> Blow:
        """One point: load, then a blow at a moment that the seed chooses."""
        blow = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        calls, delay_s = self.rng.randint(1, 40), self.rng.uniform(0, 0.08)
        self.points.append(f"{blow} after {calls} calls and {delay_s * 1000:.0f} ms")
        if blow is Blow.KILL_STARTING:
            if self._worker is not None:
                self.kill_worker()
            assert self.worker.is_alive()
            await asyncio.sleep(delay_s * 6)
        else:
            busy = await self.calls(calls)
            assert busy, f"nothing was dialed for {LOAD_TIMEOUT_S:g} s: {self.told()}"
            await asyncio.sleep(delay_s)
        if blow in (Blow.WIPE_REDIS, Blow.WIPE_AND_KILL):
            await self.wipe_redis()
        if blow in ENDS_A_LIFE:
            self.kill_worker()
        if blow in (Blow.KILL_REDIS, Blow.KILL_BOTH):
            await self.kill_redis()
        return blow

    async def wipe_redis(self) -> None:
        async with await connect_url(self.redis.url) as client:
            await client.execute("FLUSHALL")

    async def kill_redis(self) -> None:
        """SIGKILL; it may have lost its last moments; it comes back a little later."""
        assert self.redis.pid is not None
        os.kill(self.redis.pid, signal.SIGKILL)
        # Long enough to be missed; `start` waits for the end of a server that still dies.
        await asyncio.sleep(self.rng.uniform(0.02, 0.3))
        if self.rng.random() < 0.5:
            file = self.redis.data_dir / "appendonly.aof"
            size = file.stat().st_size
            os.truncate(file, max(0, size - self.rng.randint(0, LOST_BYTES_MOST)))
        await self.redis.start()

    # --- judging -----------------------------------------------------------------------------

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    async def heal(self) -> HealReport:
        """Kill the worker, and let another one sweep up what it left."""
        if self._worker is not None:
            self.kill_worker()
        self._lives += 1
        healer = spawn(run_heal, self._options(quiet=True))
        status = await asyncio.to_thread(finish, healer)
        assert status == 0, f"healing failed: {self.told()}"
        report = (self.folder / "heal.json").read_bytes()
        return msgspec.json.decode(report, type=HealReport)

    def judge(self, *, healed: bool = False) -> Judgement:
        """The independent judgement; raises `AssertionError` with everything that is wrong."""
        found = judge(
            self.folder / "ledger.db",
            read_journal(self.journal),
            self.country,
            speed=SPEED,
            healed=healed,
        )
        if found.problems:
            some = "\n".join(found.problems[:20])
            raise AssertionError(f"{len(found.problems)} problems:\n{some}\n{self.told()}")
        return found

    def told(self) -> str:
        """What makes a failure repeatable, and what the workers said."""
        return f"seed {self.seed}, {self.country}, points {self.points[-5:]}\n{self.said()}"

    def said(self) -> str:
        log = self.folder / "worker.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""

    async def close(self) -> None:
        if self._worker is not None:
            self.kill_worker()
        await self.redis.stop()
