"""One worker of a race: a pump on a campaign that others pump too, until nothing is left to dial.

It claims, decides, appends and dials as the engine does, over a carrier on which every call ends
at once. Ownership is left out on purpose: the ledger alone must keep the workers apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import uvloop

from campaigns.campaign import CampaignSettings
from compliance.messages import Collector, Place
from compliance.packs import BUNDLED, load_packs
from compliance.permit import ContactPermit
from compliance.types import CampaignId, CollectorRole
from dialer.core.call import Call
from dialer.core.deciding import CampaignContext
from dialer.core.figures import Tally
from dialer.core.records import to_ms
from dialer.runtime.batches import PumpSettings
from dialer.runtime.calls import Calls
from dialer.runtime.clock import SimulatedClock
from dialer.runtime.desk import Desk
from dialer.runtime.outcomes import Outcomes
from dialer.runtime.pump import Pump, PumpParts
from dialer.runtime.rebuild import ensure_queue
from dialer.runtime.recorder import Recorder
from dialer.stores.ledger.campaigns import get_campaign
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.ledger.streams import AppendResult, EventStore, NewEvent
from dialer.stores.redis.client import RedisClient, connect_url
from dialer.stores.redis.presence import AgentPool
from dialer.stores.redis.queue import CampaignQueue
from telephony_adapters.messages import Originate
from telephony_adapters.simulator.null import NullCarrier
from tests.faults.prepared import MORNING

LOOKBACK = timedelta(days=40)
BATCH = 24
LEASE_MS = 60_000
READY_S = 60.0


class RaceOptions(msgspec.Struct, frozen=True, kw_only=True):
    ledger_url: str
    redis_url: str
    campaign_id: str
    country: str
    packs: str
    """Folder of house packs."""
    result: str
    """File that the racer's report is written to."""
    racers: int
    """How many start together, reporting into the same folder."""


class RaceReport(msgspec.Struct, kw_only=True):
    """What one racer did."""

    originated: list[str] = []
    placed: int = 0
    blocked: int = 0
    lost: int = 0
    """Appends that lost to somebody who was faster."""


class WatchedStore(EventStore):
    """Counts the guarded appends that lost."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.lost = 0

    async def append(self, events: Sequence[NewEvent]) -> list[AppendResult]:
        results = await super().append(events)
        self.lost += sum(1 for result in results if result is None)
        return results


class WatchedCarrier(NullCarrier):
    """Remembers what it was asked for."""

    def __init__(self, clock: SimulatedClock) -> None:
        super().__init__(clock=clock)
        self.originated: list[str] = []

    async def originate(self, command: Originate, permit: ContactPermit) -> None:
        self.originated.append(command.call_id)
        await super().originate(command, permit)


class _Ends:
    """Passes finished calls on to where outcomes are recorded."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    def call_moved(self, before: Call | None, after: Call) -> None:
        pass

    def call_connected(self, call: Call) -> None:
        raise AssertionError("nobody answers on the null carrier")

    def call_finished(self, call: Call) -> None:
        self._outcomes.call_finished(call)


class Racer:
    """The parts of an engine that dial, and nothing else."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        redis: RedisClient,
        context: CampaignContext,
        packs: Path,
        store: WatchedStore,
    ) -> None:
        self.clock = SimulatedClock(MORNING, 1.0)
        self.carrier = WatchedCarrier(self.clock)
        self.store = store
        self.queue = CampaignQueue(redis, context.campaign_id)
        self.recorder = Recorder(store, lambda campaign_id: self.queue)
        desk = Desk(clock=self.clock, pools=lambda c: AgentPool(redis, c), presence_s=60)
        self.calls = Calls(clock=self.clock, adapter=self.carrier, desk=desk)
        self.outcomes = Outcomes(
            recorder=self.recorder, clock=self.clock, tally_of=lambda campaign_id: None
        )
        self.calls.observe(_Ends(self.outcomes))
        self.pump = Pump(
            PumpParts(
                campaign=context,
                settings=PumpSettings(
                    lease_ms=LEASE_MS, batch_size=BATCH, permit_lifetime_s=30.0, trunk="main"
                ),
                clock=self.clock,
                queue=self.queue,
                store=store,
                reader=store,
                packs=load_packs([BUNDLED, packs], production=False),
                calls=self.calls,
                desk=desk,
                contacts=self.outcomes.contacts,
                tally=Tally(),
                agent_is_idle=lambda agent_id: False,
            )
        )

    async def start(self) -> None:
        self.recorder.start()
        await self.carrier.start(self.calls.sink)

    async def run(self) -> RaceReport:
        """Dial until nothing can be claimed and every outcome is recorded."""
        report = RaceReport()
        while True:
            done = await self.pump.run(BATCH)
            report.placed += done.placed
            report.blocked += done.blocked
            await self.outcomes.wait_empty()
            if done.claimed == 0:
                break
        await self.recorder.flush()
        report.originated = self.carrier.originated
        report.lost = self.store.lost
        return report

    async def close(self) -> None:
        await self.recorder.close()
        await self.calls.close()


async def context_of(ledger: Ledger, campaign_id: CampaignId, country: str) -> CampaignContext:
    async with ledger.read() as conn:
        campaign = await get_campaign(conn, campaign_id)
    settings = campaign.settings if campaign is not None else CampaignSettings()
    return CampaignContext(
        campaign_id=campaign_id,
        name="race",
        settings=settings,
        collector=Collector(
            collector_id="house",
            role=CollectorRole.THIRD_PARTY,
            place=Place(country=country),
        ),
        lookback=LOOKBACK,
    )


async def all_ready(result: Path, racers: int) -> None:
    """Start with the others: on a busy machine the first would be home before the last is up."""
    result.with_suffix(".ready").touch()
    async with asyncio.timeout(READY_S):
        while True:
            if len(list(result.parent.glob("*.ready"))) >= racers:
                return
            await asyncio.sleep(0.005)


async def race(options: RaceOptions) -> RaceReport:
    ledger = await open_ledger(options.ledger_url, now_ms=to_ms(MORNING))
    try:
        async with await connect_url(options.redis_url) as redis:
            context = await context_of(ledger, CampaignId(options.campaign_id), options.country)
            racer = Racer(
                ledger=ledger,
                redis=redis,
                context=context,
                packs=Path(options.packs),
                store=WatchedStore(ledger),
            )
            await racer.start()
            await all_ready(Path(options.result), options.racers)
            report = await racer.run()
            await racer.close()
            return report
    finally:
        await ledger.close()


def run_race(options: RaceOptions) -> None:
    """Entry of a process."""
    report = uvloop.run(race(options))
    Path(options.result).write_bytes(msgspec.json.encode(report))


async def fill_queue(ledger: Ledger, redis: RedisClient, campaign_id: CampaignId) -> CampaignQueue:
    """Load a campaign's queue, as its owner would."""
    queue = CampaignQueue(redis, campaign_id)
    await ensure_queue(campaign_id, queue, EventStore(ledger), SimulatedClock(MORNING, 1.0))
    return queue
