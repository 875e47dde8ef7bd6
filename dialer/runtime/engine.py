"""The engine of one worker: owns campaigns, drives them, heals, and stops without a loss."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import msgspec
import structlog

from campaigns.campaign import CampaignAction, CampaignSettings, CampaignState
from campaigns.effects import AlertKind
from campaigns.next_contact import HISTORY_WINDOW
from compliance.messages import Collector, Place
from compliance.packs import PackSet
from compliance.types import CampaignId, CollectorRole
from dialer.config import Config
from dialer.core.agent import AgentSession, AgentState
from dialer.core.call import Call
from dialer.core.figures import LiveFigures, Tally
from dialer.core.planning import CampaignContext
from dialer.core.records import to_ms
from dialer.runtime.abandonment import AbandonmentFigures
from dialer.runtime.agent_service import AgentService
from dialer.runtime.calls import Calls
from dialer.runtime.campaign_runner import CampaignRunner, RunnerLimits
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.memory import calm_collector
from dialer.runtime.outcomes import Outcomes
from dialer.runtime.pacing_memory import PacingMemory
from dialer.runtime.pump import Pump, PumpSettings
from dialer.runtime.rebuild import QueueAudit, heal_queue
from dialer.runtime.recorder import Recorder
from dialer.runtime.replaying import LOOK_S, NightlyReplay
from dialer.runtime.safety import check_adapter, check_campaign, check_portfolio
from dialer.runtime.sweeps import Sweeps, SweepSettings
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.archive import keep_packs
from dialer.stores.ledger.campaigns import (
    Campaign,
    act_on_campaign,
    enrolment_counts,
    get_campaign,
    list_campaigns,
)
from dialer.stores.ledger.checkpoints import Checkpoints
from dialer.stores.ledger.database import Ledger, LedgerUnavailable
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.portfolios import get_portfolio
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.streams import EventStore
from dialer.stores.redis.client import RedisClient
from dialer.stores.redis.errors import RedisStoreError
from dialer.stores.redis.live import LiveFeed
from dialer.stores.redis.ownership import OwnerLease
from dialer.stores.redis.presence import AgentPool
from dialer.stores.redis.queue import CampaignQueue
from dialer.stores.redis.tokens import TokenBucket
from telephony_adapters.errors import TelephonyError
from telephony_adapters.messages import CallId, CarrierDown, CarrierUp
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()

OWN_S = 1.0
"""Real seconds between two looks at which campaigns run and who owns them."""
OWNER_LEASE_MS = 10_000
PUBLISH_S = 1.0
HANGUP_S = 2.0
"""Real seconds for the last hang-ups of a drain to be heard of."""
PERMIT_LIFETIME_S = 10.0
"""Real seconds between a decision and its dial, at most."""
TRUNK_BURST_S = 1.0
"""A trunk's bucket holds this many seconds of its rate."""
OWNED_STATES = (CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.DRAINING)


class Owned(msgspec.Struct):
    """A campaign that this worker drives, with its lease."""

    runner: CampaignRunner
    queue: CampaignQueue
    lease: OwnerLease
    token: int
    task: asyncio.Task[None]
    audit: QueueAudit


class Engine:
    """Everything that dials in this process."""

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        ledger: Ledger,
        redis: RedisClient,
        adapter: TelephonyAdapter,
        packs: PackSet,
        checkpoints: Checkpoints,
        revive_redis: Callable[[], Awaitable[None]],
    ) -> None:
        self.worker_id = new_id()
        self.config = config
        self.clock = clock
        self.ledger = ledger
        self.redis = redis
        self.adapter = adapter
        self.packs = packs
        self.store = EventStore(ledger)
        self.reader = EventReader(ledger)
        self.recorder = Recorder(self.store, self.queue_of)
        self.desk = Desk(clock=clock, pools=self._pool_of, presence_s=config.engine.presence_s)
        self.calls = Calls(clock=clock, adapter=adapter, desk=self.desk)
        self.outcomes = Outcomes(recorder=self.recorder, clock=clock, tally_of=self._tally_of)
        self.agents = AgentService(
            clock=clock,
            desk=self.desk,
            calls=self.calls,
            outcomes=self.outcomes,
            recorder=self.recorder,
            ledger=ledger,
            adapter=adapter,
            wrap_up_limit_of=self._wrap_up_limit_of,
        )
        self.lookback = max(timedelta(days=packs.lookback_days + 3), HISTORY_WINDOW)
        self._permit_lifetime_s = PERMIT_LIFETIME_S * clock.speed
        self.sweeps = self._make_sweeps()
        self.alerts: dict[AlertKind, int] = {}
        self.draining = False
        self._replay = NightlyReplay(ledger, clock, packs, config.engine)
        self._pacing_memory = PacingMemory(ledger)
        self._checkpoints = checkpoints
        self._revive_redis = revive_redis
        self._owned: dict[CampaignId, Owned] = {}
        self._tallies: dict[CampaignId, Tally] = {}
        self._pools: dict[CampaignId, AgentPool] = {}
        self._queues: dict[CampaignId, CampaignQueue] = {}
        self._tasks = TaskSet("engine")
        self._owning = asyncio.Lock()
        self._ended: frozenset[CampaignId] = frozenset()
        """Campaigns that nobody drives any more."""
        self._carrier_up = True
        self.calls.observe(self)
        self.desk.observe(self)
        self.calls.on_carrier = self._carrier_changed
        self.calls.on_leg = self.agents.leg_changed
        self.outcomes.on_alert = self._alert
        self.outcomes.on_machine = self._found_machine

    def _make_sweeps(self) -> Sweeps:
        engine = self.config.engine
        return Sweeps(
            settings=SweepSettings(
                lease_ms=engine.lease_s * 1000,
                # Not before its permit has lapsed: until then it may still be dialed.
                unknown_grace=timedelta(seconds=engine.unknown_grace_s + self._permit_lifetime_s),
                lookback=self.lookback,
                ring_timeout=timedelta(seconds=90),
                wrap_up_limit=timedelta(seconds=CampaignSettings().wrap_up_limit_s),
            ),
            clock=self.clock,
            reader=self.reader,
            adapter=self.adapter,
            calls=self.calls,
            desk=self.desk,
            outcomes=self.outcomes,
            agents=self.agents,
        )

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect to the carrier and begin.

        Raises `CarrierUnavailable`, `UnsafeDialing`, `LedgerUnavailable`.
        """
        check_adapter(self.config, self.adapter)
        calm_collector()
        self.recorder.start()
        await keep_packs(self.ledger, self.packs, now_ms=to_ms(self.clock.now()))
        await self.adapter.start(self.calls.sink)
        self._tasks.start("own", self._repeat("own", self.own_campaigns, OWN_S))
        self._tasks.start("publish", self._repeat("publish", self._publish, PUBLISH_S))
        self._tasks.start("sweep", self._repeat("sweep", self.sweep, self.config.engine.sweep_s))
        self._tasks.start(
            "checkpoint",
            self._repeat("checkpoint", self.checkpoint, float(self.config.engine.checkpoint_s)),
        )

        self._tasks.start("replay", self._repeat("replay", self._replay.run_if_due, LOOK_S))

    async def drain(self, limit_s: float) -> None:
        """Stop dialing, cancel what rings, let conversations end, for `limit_s` real seconds."""
        self.draining = True
        runners = [owned.runner for owned in self._owned.values()]
        for runner in runners:
            runner.carrier_is_up = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                for runner in runners:
                    await runner.rest()
        self.calls.hang_up_unanswered(None, "drain")
        if not await self._all_disposed(limit_s):
            for call in self.calls.live():
                self.calls.hang_up(call.call_id, "drain")
            await self._all_disposed(HANGUP_S)

    async def _all_disposed(self, limit_s: float) -> bool:
        try:
            async with asyncio.timeout(limit_s):
                await self.outcomes.wait_empty()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """End everything. What is in hand becomes durable first."""
        await self._tasks.cancel()
        for campaign_id in list(self._owned):
            await self._disown(campaign_id)
        await self.recorder.close()
        await self._pacing_memory.write(self.clock.now())
        await self.checkpoint()
        await self.calls.close()
        await self.agents.close()
        await self.adapter.stop()

    async def _repeat(self, name: str, work: Callable[[], object], pause_s: float) -> None:
        """Do `work` for ever; a store that is away is logged and tried again."""
        while True:
            try:
                result = work()
                if asyncio.iscoroutine(result):
                    await result
            except RedisStoreError as error:
                log.warning("loop_failed", loop=name, error=str(error))
                await self._revive()
            except (LedgerUnavailable, TelephonyError) as error:
                log.warning("loop_failed", loop=name, error=str(error))
            except Exception:
                # One campaign or row that nobody thought of must not end what heals all others.
                log.exception("loop_faulted", loop=name)
            await asyncio.sleep(pause_s)

    async def _revive(self) -> None:
        try:
            await self._revive_redis()
        except RedisStoreError as error:
            log.error("redis_not_revived", error=str(error))

    # --- campaigns -----------------------------------------------------------------------------

    async def own_campaigns(self) -> None:
        """Take campaigns that run and nobody drives; follow the state of those we drive."""
        async with self._owning:
            await self._own_campaigns()

    async def _own_campaigns(self) -> None:
        async with self.ledger.read() as conn:
            known = await list_campaigns(conn)
        campaigns = [c for c in known if c.state in OWNED_STATES]
        self._ended = frozenset(c.campaign_id for c in known if c.state.is_final)
        wanted = {campaign.campaign_id: campaign for campaign in campaigns}
        for campaign_id in list(self._owned):
            if campaign_id not in wanted:
                await self._disown(campaign_id)
        for campaign in campaigns:
            await self._own(campaign)
        running = {
            c.campaign_id: c.name
            for c in campaigns
            if c.campaign_id in self._owned and c.state is CampaignState.RUNNING
        }
        self.agents.campaign_names = {c.campaign_id: c.name for c in campaigns}
        await self.desk.assign_campaigns(running)

    async def _own(self, campaign: Campaign) -> None:
        owned = self._owned.get(campaign.campaign_id)
        if owned is None:
            if self.draining:
                return
            lease = OwnerLease(self.redis, campaign.campaign_id, self.worker_id)
            token = await lease.acquire(OWNER_LEASE_MS)
            if token is not None:
                await self._take_over(campaign, lease, token)
            return
        if owned.task.done():
            log.error("campaign_restarted", campaign=campaign.name)
            await self._disown(campaign.campaign_id)
            return
        token = await owned.lease.acquire(OWNER_LEASE_MS)
        if token is None:
            log.warning("ownership_lost", campaign=campaign.name)
            await self._disown(campaign.campaign_id)
            return
        # Another token means that Redis forgot our lease, and that nobody has taken it since.
        owned.token = token
        await self._follow(owned, campaign)

    async def _follow(self, owned: Owned, campaign: Campaign) -> None:
        runner = owned.runner
        if campaign.settings != runner.campaign.settings:
            await self._disown(campaign.campaign_id)
            await self._own(campaign)
            return
        runner.state = campaign.state
        if await owned.queue.generation() is None:
            await runner.prepare_queue()
        if campaign.state is CampaignState.DRAINING and not self._in_hand(campaign.campaign_id):
            await self.act(campaign.campaign_id, CampaignAction.COMPLETE, actor="engine")

    def _in_hand(self, campaign_id: CampaignId) -> int:
        contacts = self.outcomes.contacts.values()
        return sum(1 for c in contacts if c.contact.campaign_id == campaign_id)

    async def _take_over(self, campaign: Campaign, lease: OwnerLease, token: int) -> None:
        context = await self._context(campaign)
        queue = self.queue_of(campaign.campaign_id)
        tally = self._tallies.setdefault(campaign.campaign_id, Tally())
        runner = self._runner(context, queue, tally)
        runner.state = campaign.state
        runner.carrier_is_up = self._carrier_up
        await runner.take_over()
        await self.sweeps.reap(campaign.campaign_id, queue, all_leases=True)
        task = self._tasks.start(f"campaign:{campaign.name}", runner.run())
        audit = QueueAudit(campaign.campaign_id, queue, self.reader, self.clock)
        self._owned[campaign.campaign_id] = Owned(runner, queue, lease, token, task, audit)
        log.info("campaign_owned", campaign=campaign.name, token=token)

    async def _disown(self, campaign_id: CampaignId) -> None:
        owned = self._owned.pop(campaign_id)
        owned.task.cancel()
        (end,) = await asyncio.gather(owned.task, return_exceptions=True)
        if isinstance(end, asyncio.CancelledError):
            await owned.runner.remember(at_once=True)
        try:
            await owned.lease.release(owned.token)
        except RedisStoreError as error:
            log.warning("ownership_not_released", campaign=campaign_id, error=str(error))

    async def _context(self, campaign: Campaign) -> CampaignContext:
        async with self.ledger.read() as conn:
            portfolio = await get_portfolio(conn, campaign.portfolio_id)
        if portfolio is None:
            raise LookupError(f"campaign {campaign.name} has no portfolio")
        check_portfolio(portfolio.name, self.adapter, synthetic=portfolio.synthetic)
        check_campaign(campaign.name, self.adapter, amd=campaign.settings.amd)
        return CampaignContext(
            campaign_id=campaign.campaign_id,
            name=campaign.name,
            settings=campaign.settings,
            collector=Collector(
                collector_id="house",
                role=CollectorRole(portfolio.collector_role),
                name_neutral=portfolio.creditor_name_neutral,
                place=Place(country=portfolio.country),
            ),
            lookback=self.lookback,
        )

    def _runner(
        self, context: CampaignContext, queue: CampaignQueue, tally: Tally
    ) -> CampaignRunner:
        engine = self.config.engine
        telephony = self.config.telephony
        pump = Pump(
            campaign=context,
            settings=PumpSettings(
                lease_ms=engine.lease_s * 1000,
                batch_size=engine.batch_size,
                permit_lifetime_s=self._permit_lifetime_s,
                trunk=telephony.trunk,
            ),
            clock=self.clock,
            queue=queue,
            store=self.store,
            reader=self.reader,
            packs=self.packs,
            calls=self.calls,
            desk=self.desk,
            contacts=self.outcomes.contacts,
            tally=tally,
            agent_is_idle=partial(self._agent_is_idle, context.campaign_id),
        )
        return CampaignRunner(
            pump=pump,
            queue=queue,
            reader=self.reader,
            feed=LiveFeed(self.redis, context.campaign_id),
            bucket=TokenBucket(
                self.redis,
                telephony.trunk,
                rate_per_s=telephony.originates_per_s,
                burst=max(1, round(telephony.originates_per_s * TRUNK_BURST_S)),
            ),
            memory=self._pacing_memory,
            calls=self.calls,
            desk=self.desk,
            clock=self.clock,
            tally=tally,
            limits=RunnerLimits(tick_s=engine.tick_ms / 1000, max_lines=telephony.max_lines),
            abandonment=AbandonmentFigures(self.reader, context.campaign_id, self.packs),
        )

    async def act(self, campaign_id: CampaignId, action: CampaignAction, *, actor: str) -> Campaign:
        """Start, pause, resume, stop ... and act on it at once where this worker drives it.

        Raises `LookupError`, `ImpossibleAction`, `UnsafeDialing`.
        """
        if action in (CampaignAction.START, CampaignAction.RESUME):
            async with self.ledger.read() as conn:
                found = await get_campaign(conn, campaign_id)
            if found is not None:
                await self._context(found)
        async with self.ledger.write() as conn:
            campaign = await act_on_campaign(
                conn, campaign_id, action, actor=actor, now_ms=to_ms(self.clock.now())
            )
        owned = self._owned.get(campaign_id)
        if owned is not None:
            owned.runner.state = campaign.state
            if campaign.state in (CampaignState.DRAINING, CampaignState.ABORTED):
                self.calls.hang_up_unanswered(campaign_id, "stop")
        return campaign

    # --- observers -------------------------------------------------------------------------------

    def call_moved(self, before: Call | None, after: Call) -> None:
        owned = self._owned.get(after.campaign_id)
        if owned is not None:
            owned.runner.call_moved(before, after)

    def call_connected(self, call: Call) -> None:
        self.agents.call_connected(call)

    def call_finished(self, call: Call) -> None:
        self.outcomes.call_finished(call)
        self.agents.call_over(call)

    def agent_changed(self, before: AgentSession | None, after: AgentSession) -> None:
        places = {after.campaign_id, before.campaign_id if before is not None else None}
        for campaign_id in places:
            owned = self._owned.get(campaign_id) if campaign_id is not None else None
            if owned is not None:
                owned.runner.agent_changed(before, after)

    def next_waiting(self, campaign_id: CampaignId) -> CallId | None:
        return self.calls.next_waiting(campaign_id)

    def assign_waiting(self, call_id: CallId, session: AgentSession) -> None:
        self.calls.assign(call_id, session)

    def _carrier_changed(self, event: CarrierDown | CarrierUp) -> None:
        if isinstance(event, CarrierDown):
            log.error("carrier_down", reason=event.reason)
            self._set_carrier(up=False)
        else:
            self._tasks.start("reconcile", self._carrier_back())

    async def _carrier_back(self) -> None:
        try:
            await self.sweeps.reconcile_carrier()
        except TelephonyError as error:
            log.error("carrier_not_reconciled", error=str(error))
            return
        self._set_carrier(up=not self.draining)
        log.info("carrier_up")

    def _set_carrier(self, *, up: bool) -> None:
        self._carrier_up = up
        for owned in self._owned.values():
            owned.runner.carrier_is_up = up

    def _found_machine(self, campaign_id: CampaignId, call_id: str) -> None:
        owned = self._owned.get(campaign_id)
        if owned is not None:
            owned.runner.found_machine(call_id)

    def _alert(self, campaign_id: CampaignId, alert: AlertKind) -> None:
        self.alerts[alert] = self.alerts.get(alert, 0) + 1

    def _agent_is_idle(self, campaign_id: CampaignId, agent_id: str | None) -> bool:
        if agent_id is None:
            sessions = self.desk.sessions(campaign_id)
            return any(session.state is AgentState.READY for session in sessions)
        seat = self.desk.seat(agent_id)
        return seat is not None and seat.session.state is AgentState.READY

    # --- loops -----------------------------------------------------------------------------------

    async def _publish(self) -> None:
        for owned in list(self._owned.values()):
            await owned.runner.publish()

    async def _heal_queues(self) -> None:
        for campaign_id, owned in list(self._owned.items()):
            async with self.ledger.read() as conn:
                total = (await enrolment_counts(conn, campaign_id)).total
            await heal_queue(campaign_id, owned.queue, self.reader, self.clock, total)
            await owned.audit.next_page()

    async def sweep(self) -> None:
        """One round of everything that heals; the engine does it by itself every `sweep_s`."""
        await self._heal_queues()
        queues = {cid: owned.queue for cid, owned in self._owned.items()}
        await self.sweeps.run(queues, self._ended)
        for owned in list(self._owned.values()):
            await owned.runner.remember()
        await self._pacing_memory.write(self.clock.now())

    async def checkpoint(self) -> None:
        await self._checkpoints.make(to_ms(self.clock.now()))

    # --- telling ---------------------------------------------------------------------------------

    async def figures(self, campaign_id: CampaignId) -> LiveFigures | None:
        """Live figures of a campaign that this worker drives."""
        owned = self._owned.get(campaign_id)
        return await owned.runner.figures() if owned is not None else None

    def runner_of(self, campaign_id: CampaignId) -> CampaignRunner:
        """The runner of a campaign that this worker drives. Raises `KeyError`."""
        return self._owned[campaign_id].runner

    def owned(self) -> list[CampaignId]:
        return list(self._owned)

    def queue_of(self, campaign_id: CampaignId) -> CampaignQueue:
        queue = self._queues.get(campaign_id)
        if queue is None:
            queue = self._queues[campaign_id] = CampaignQueue(self.redis, campaign_id)
        return queue

    def _pool_of(self, campaign_id: CampaignId) -> AgentPool:
        pool = self._pools.get(campaign_id)
        if pool is None:
            pool = self._pools[campaign_id] = AgentPool(self.redis, campaign_id)
        return pool

    def _wrap_up_limit_of(self, campaign_id: CampaignId | None) -> int:
        owned = self._owned.get(campaign_id) if campaign_id is not None else None
        settings = owned.runner.campaign.settings if owned is not None else CampaignSettings()
        return settings.wrap_up_limit_s

    def _tally_of(self, campaign_id: CampaignId) -> Tally | None:
        return self._tallies.get(campaign_id)
