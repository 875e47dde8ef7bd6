"""The engine of one worker: owns campaigns, drives them, heals, and stops without a loss."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from campaigns.campaign import CampaignAction, CampaignSettings, CampaignState
from campaigns.effects import AlertKind
from campaigns.next_contact import HISTORY_WINDOW
from compliance.packs import PackSet
from compliance.types import CampaignId
from dialer.config import Config
from dialer.core.agent import AgentSession
from dialer.core.call import Call
from dialer.core.deciding import CampaignContext
from dialer.core.figures import LiveFigures, Tally
from dialer.core.records import to_ms
from dialer.runtime.allocator import Allocator
from dialer.runtime.blasts.links import Links
from dialer.runtime.blasts.post_office import PostOffice
from dialer.runtime.blasts.sender import Messengers
from dialer.runtime.calls import Calls
from dialer.runtime.campaign_runner import CampaignRunner
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.fleet import Fleet, Queues
from dialer.runtime.floor import Floor, Parts
from dialer.runtime.flow_facts import FlowFacts
from dialer.runtime.flow_records import FlowRecords
from dialer.runtime.flows import FlowRuns
from dialer.runtime.memory import calm_collector
from dialer.runtime.outcomes import Outcomes
from dialer.runtime.pacing_memory import PacingMemory
from dialer.runtime.prompting import Prompter
from dialer.runtime.recorder import Recorder
from dialer.runtime.replaying import LOOK_S, NightlyReplay
from dialer.runtime.runners import RunnerMaker
from dialer.runtime.safety import check_adapter
from dialer.runtime.scripts import ScriptReader
from dialer.runtime.speech import engine_of
from dialer.runtime.sweeps import Sweeps, SweepSettings
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.archive import keep_packs
from dialer.stores.ledger.campaigns import (
    Campaign,
)
from dialer.stores.ledger.checkpoints import Checkpoints
from dialer.stores.ledger.database import Ledger, LedgerUnavailable
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.streams import EventStore
from dialer.stores.redis.client import RedisClient
from dialer.stores.redis.errors import RedisStoreError
from dialer.stores.redis.presence import AgentPool
from dialer.stores.redis.queue import CampaignQueue
from telephony_adapters.errors import TelephonyError
from telephony_adapters.messages import (
    CallId,
    CarrierDown,
    CarrierUp,
)
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()

OWN_S = 1.0
"""Real seconds between two looks at which campaigns run and who owns them."""
PUBLISH_S = 1.0
RECORDINGS_S = 60.0
"""Real seconds between two looks for recordings to fetch, or to let go."""
HANGUP_S = 2.0
"""Real seconds for the last hang-ups of a drain to be heard of."""
PERMIT_LIFETIME_S = 10.0
"""Real seconds between a decision and its dial, at most."""


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
        messengers: Messengers,
        link_key: bytes,
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
        self._queues = Queues(redis)
        self._pools: dict[CampaignId, AgentPool] = {}
        self._tallies: dict[CampaignId, Tally] = {}
        self._tasks = TaskSet("engine")
        self.recorder = Recorder(self.store, self._queues.of)
        self.desk = Desk(clock=clock, pools=self._pool_of, presence_s=config.engine.presence_s)
        self.calls = Calls(clock=clock, adapter=adapter, desk=self.desk)
        self.outcomes = Outcomes(recorder=self.recorder, clock=clock, tally_of=self._tallies.get)
        self.lookback = max(timedelta(days=packs.lookback_days + 3), HISTORY_WINDOW)
        self.prompter = Prompter(
            config.prompts_path,
            engine_of(config.prompts),
            carrier_speaks=adapter.facts.voice,
        )
        self.floor = self._make_floor()
        self.agents = self.floor.agents
        self._permit_lifetime_s = PERMIT_LIFETIME_S * clock.speed
        self.sweeps = self._make_sweeps()
        self.alerts: dict[AlertKind, int] = {}
        self._replay = NightlyReplay(ledger, clock, packs, config.engine)
        self._pacing_memory = PacingMemory(ledger)
        self._checkpoints = checkpoints
        self._revive_redis = revive_redis
        self.post = self._make_post(messengers, link_key)
        self.flows = self._make_flows()
        self.fleet = self._make_fleet()
        self.calls.observe(self)
        self.desk.observe(self)
        self.calls.flows = self.flows
        self.calls.on_carrier = self._carrier_changed
        self.floor.inbound.running = self._running
        self.floor.inbound.campaign_of = self._campaign_of
        self.floor.inbound.language_of = self.flows.chosen_language
        self.floor.recordings.campaign_of = self._campaign_of
        self.outcomes.on_alert = self._alert
        self.outcomes.on_machine = self._found_machine

    def _make_floor(self) -> Floor:
        return Floor(
            Parts(
                config=self.config,
                clock=self.clock,
                adapter=self.adapter,
                calls=self.calls,
                desk=self.desk,
                outcomes=self.outcomes,
                recorder=self.recorder,
                ledger=self.ledger,
                reader=self.reader,
                packs=self.packs,
                prompter=self.prompter,
                queue_of=self._queues.of,
                lookback=self.lookback,
                wrap_up_limit_of=self._wrap_up_limit_of,
            )
        )

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
            offers=self.floor.offers,
        )

    def _make_post(self, messengers: Messengers, link_key: bytes) -> PostOffice:
        grace_s = self.config.engine.unknown_grace_s + self._permit_lifetime_s
        return PostOffice(
            config=self.config,
            clock=self.clock,
            store=self.store,
            recorder=self.recorder,
            packs=self.packs,
            messengers=messengers,
            link_key=link_key,
            queue_of=self._queues.of,
            tally_of=self._tallies.get,
            lookback=self.lookback,
            permit_lifetime_s=self._permit_lifetime_s,
            unknown_grace=timedelta(seconds=grace_s),
        )

    def _make_flows(self) -> FlowRuns:
        links = Links(
            store=self.store,
            recorder=self.recorder,
            sender=self.post.sender,
            clock=self.clock,
            packs=self.packs,
            campaign_of=self._campaign_of,
            lookback=self.lookback,
            permit_lifetime_s=self._permit_lifetime_s,
            unsubscribe_url=self.post.unsubscribe_url,
        )
        return FlowRuns(
            clock=self.clock,
            adapter=self.adapter,
            calls=self.calls,
            contacts=self.outcomes.contacts,
            facts=FlowFacts(self.ledger),
            records=FlowRecords(self.ledger, self.recorder),
            prompter=self.prompter,
            agent_is_idle=self.desk.has_idle,
            links=links,
            callers=self.floor.inbound,
        )

    def _make_fleet(self) -> Fleet:
        runners = RunnerMaker(
            config=self.config,
            clock=self.clock,
            redis=self.redis,
            adapter=self.adapter,
            packs=self.packs,
            store=self.store,
            reader=self.reader,
            calls=self.calls,
            desk=self.desk,
            outcomes=self.outcomes,
            memory=self._pacing_memory,
            post=self.post,
            scripts=ScriptReader(
                ledger=self.ledger,
                clock=self.clock,
                facts=self.adapter.facts,
                prompter=self.prompter,
            ),
            flows=self.flows,
            screens=self.floor.screens,
            offers=self.floor.offers,
            queue_of=self._queues.of,
            lookback=self.lookback,
            permit_lifetime_s=self._permit_lifetime_s,
        )
        allocator = Allocator(self.desk, self.calls)
        self.desk.guide = allocator
        return Fleet(
            worker_id=self.worker_id,
            clock=self.clock,
            ledger=self.ledger,
            redis=self.redis,
            queues=self._queues,
            reader=self.reader,
            runners=runners,
            calls=self.calls,
            desk=self.desk,
            outcomes=self.outcomes,
            sweeps=self.sweeps,
            allocator=allocator,
            tallies=self._tallies,
            tasks=self._tasks,
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
        await self.post.start()
        self._tasks.start("own", self._repeat("own", self.own_campaigns, OWN_S))
        self._tasks.start("publish", self._repeat("publish", self.fleet.publish, PUBLISH_S))
        self._tasks.start("sweep", self._repeat("sweep", self.sweep, self.config.engine.sweep_s))
        self._tasks.start(
            "recordings", self._repeat("recordings", self.floor.recordings.sweep, RECORDINGS_S)
        )
        self._tasks.start(
            "checkpoint",
            self._repeat("checkpoint", self.checkpoint, float(self.config.engine.checkpoint_s)),
        )

        self._tasks.start("replay", self._repeat("replay", self._replay.run_if_due, LOOK_S))

    async def drain(self, limit_s: float) -> None:
        """Stop dialing, cancel what rings, let conversations end, for `limit_s` real seconds."""
        self.fleet.draining = True
        self.fleet.carrier_is(up=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                for runner in self.fleet.runners():
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
        await self.floor.supervision.close()
        await self.fleet.let_all_go()
        await self.post.stop()
        await self.recorder.close()
        await self._pacing_memory.write(self.clock.now())
        await self.checkpoint()
        await self.calls.close()
        await self.flows.close()
        await self.floor.close()
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
        await self.fleet.look()

    async def act(self, campaign_id: CampaignId, action: CampaignAction, *, actor: str) -> Campaign:
        """See `Fleet.act`."""
        return await self.fleet.act(campaign_id, action, actor=actor)

    # --- observers -------------------------------------------------------------------------------

    def call_moved(self, before: Call | None, after: Call) -> None:
        runner = self.fleet.runner(after.campaign_id)
        if isinstance(runner, CampaignRunner) and not after.inbound:
            runner.call_moved(before, after)
        self.floor.call_moved(before, after)

    def call_connected(self, call: Call) -> None:
        self.flows.agent_took(call)
        self.floor.call_connected(call)

    def call_finished(self, call: Call) -> None:
        self.floor.call_finished(call, self.flows.over(call))

    def agent_changed(self, before: AgentSession | None, after: AgentSession) -> None:
        places = {after.campaign_id, before.campaign_id if before is not None else None}
        for campaign_id in places:
            runner = self.fleet.runner(campaign_id)
            if isinstance(runner, CampaignRunner):
                runner.agent_changed(before, after)

    def next_waiting(self, campaign_id: CampaignId) -> CallId | None:
        return self.calls.next_waiting(campaign_id)

    def assign_waiting(self, call_id: CallId, session: AgentSession) -> None:
        self.calls.assign(call_id, session)

    def _carrier_changed(self, event: CarrierDown | CarrierUp) -> None:
        if isinstance(event, CarrierDown):
            log.error("carrier_down", reason=event.reason)
            self.fleet.carrier_is(up=False)
        else:
            self._tasks.start("reconcile", self._carrier_back())

    async def _carrier_back(self) -> None:
        try:
            await self.sweeps.reconcile_carrier()
        except TelephonyError as error:
            log.error("carrier_not_reconciled", error=str(error))
            return
        self.fleet.carrier_is(up=not self.draining)
        log.info("carrier_up")

    def _found_machine(self, campaign_id: CampaignId, call_id: str) -> None:
        runner = self.fleet.runner(campaign_id)
        if isinstance(runner, CampaignRunner):
            runner.found_machine(call_id)

    def _alert(self, campaign_id: CampaignId, alert: AlertKind) -> None:
        self.alerts[alert] = self.alerts.get(alert, 0) + 1

    # --- upkeep --------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """One round of everything that heals; the engine does it by itself every `sweep_s`."""
        await self.fleet.heal_queues()
        await self.sweeps.run(self.fleet.queues(), self.fleet.ended)
        await self.floor.lost_calls.run([*self.fleet.ids(), *self.fleet.ended])
        await self.post.sweep(self.fleet.ids())
        for runner in self.fleet.runners():
            await runner.remember()
        await self._pacing_memory.write(self.clock.now())

    async def checkpoint(self) -> None:
        await self._checkpoints.make(to_ms(self.clock.now()))

    # --- telling ---------------------------------------------------------------------------------

    @property
    def draining(self) -> bool:
        """Whether nothing new is dialed because this worker is about to stop."""
        return self.fleet.draining

    async def figures(self, campaign_id: CampaignId) -> LiveFigures | None:
        """Live figures of a campaign that this worker drives."""
        runner = self.fleet.runner(campaign_id)
        return await runner.figures() if runner is not None else None

    def runner_of(self, campaign_id: CampaignId) -> CampaignRunner:
        """The runner of a campaign of calls that this worker drives. Raises `KeyError`."""
        runner = self.fleet.runner(campaign_id)
        if not isinstance(runner, CampaignRunner):
            raise KeyError(campaign_id)
        return runner

    def _campaign_of(self, campaign_id: CampaignId) -> CampaignContext | None:
        runner = self.fleet.runner(campaign_id)
        return runner.campaign if runner is not None else None

    def _running(self) -> list[CampaignId]:
        if self.draining:
            return []
        return [
            runner.campaign_id
            for runner in self.fleet.runners()
            if runner.state is CampaignState.RUNNING
        ]

    def owned(self) -> list[CampaignId]:
        return self.fleet.ids()

    def queue_of(self, campaign_id: CampaignId) -> CampaignQueue:
        return self._queues.of(campaign_id)

    def _pool_of(self, campaign_id: CampaignId) -> AgentPool:
        pool = self._pools.get(campaign_id)
        if pool is None:
            pool = self._pools[campaign_id] = AgentPool(self.redis, campaign_id)
        return pool

    def _wrap_up_limit_of(self, campaign_id: CampaignId | None) -> int:
        runner = self.fleet.runner(campaign_id)
        settings = runner.campaign.settings if runner is not None else CampaignSettings()
        return settings.wrap_up_limit_s
