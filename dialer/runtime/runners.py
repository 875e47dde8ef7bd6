"""How a campaign's runner is put together from the parts of this worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from compliance.messages import Collector, Place
from compliance.packs import PackSet
from compliance.types import CampaignId, CollectorRole
from dialer.config import Config
from dialer.core.agent import AgentState
from dialer.core.figures import Tally
from dialer.core.planning import CampaignContext
from dialer.core.records import from_ms
from dialer.runtime.abandonment import AbandonmentFigures
from dialer.runtime.calls import Calls
from dialer.runtime.campaign_runner import CampaignRunner, RunnerLimits
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.flows import FlowRuns
from dialer.runtime.outcomes import Outcomes
from dialer.runtime.pacing_memory import PacingMemory
from dialer.runtime.pump import Pump, PumpSettings
from dialer.runtime.safety import check_campaign, check_portfolio
from dialer.runtime.scripts import ScriptReader
from dialer.runtime.traffic import TrafficFigures
from dialer.stores.ledger.campaigns import Campaign, first_started_ms
from dialer.stores.ledger.portfolios import get_portfolio
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.streams import EventStore
from dialer.stores.redis.client import RedisClient
from dialer.stores.redis.live import LiveFeed
from dialer.stores.redis.queue import CampaignQueue
from dialer.stores.redis.tokens import TokenBucket
from telephony_adapters.port import TelephonyAdapter

TRUNK_BURST_S = 1.0
"""A trunk's bucket holds this many seconds of its rate."""


class RunnerMaker:
    """Makes runners. It holds what all campaigns of a worker share."""

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        redis: RedisClient,
        adapter: TelephonyAdapter,
        packs: PackSet,
        store: EventStore,
        reader: EventReader,
        calls: Calls,
        desk: Desk,
        outcomes: Outcomes,
        memory: PacingMemory,
        scripts: ScriptReader,
        flows: FlowRuns,
        queue_of: Callable[[CampaignId], CampaignQueue],
        lookback: timedelta,
        permit_lifetime_s: float,
    ) -> None:
        self._config = config
        self._clock = clock
        self._redis = redis
        self._adapter = adapter
        self._packs = packs
        self._store = store
        self._reader = reader
        self._calls = calls
        self._desk = desk
        self._outcomes = outcomes
        self._memory = memory
        self._scripts = scripts
        self._flows = flows
        self._queue_of = queue_of
        self._lookback = lookback
        self._permit_lifetime_s = permit_lifetime_s
        self._traffic = TrafficFigures(reader.ledger, packs)

    async def context(self, campaign: Campaign) -> CampaignContext:
        """What decisions need to know of a campaign.

        Raises `LookupError` without a portfolio, and `UnsafeDialing` for one that this carrier
        may not dial, or where what it would say by machine is not ready.
        """
        async with self._reader.ledger.read() as conn:
            portfolio = await get_portfolio(conn, campaign.portfolio_id)
            started_ms = await first_started_ms(conn, campaign.campaign_id)
        if portfolio is None:
            raise LookupError(f"campaign {campaign.name} has no portfolio")
        check_portfolio(portfolio.name, self._adapter, synthetic=portfolio.synthetic)
        check_campaign(campaign.name, self._adapter, amd=campaign.settings.amd)
        scripts = await self._scripts.read(campaign.name, campaign.settings, portfolio)
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
            lookback=self._lookback,
            scripts=scripts,
            started_at=None if started_ms is None else from_ms(started_ms),
        )

    async def make(self, campaign: Campaign, tally: Tally) -> CampaignRunner:
        """A runner that has not begun. Raises as `context` does."""
        context = await self.context(campaign)
        self._flows.scripts[context.campaign_id] = context.scripts
        telephony = self._config.telephony
        return CampaignRunner(
            pump=self._pump(context, tally),
            queue=self._queue_of(context.campaign_id),
            reader=self._reader,
            feed=LiveFeed(self._redis, context.campaign_id),
            bucket=TokenBucket(
                self._redis,
                telephony.trunk,
                rate_per_s=telephony.originates_per_s,
                burst=max(1, round(telephony.originates_per_s * TRUNK_BURST_S)),
            ),
            memory=self._memory,
            calls=self._calls,
            desk=self._desk,
            clock=self._clock,
            tally=tally,
            limits=RunnerLimits(
                tick_s=self._config.engine.tick_ms / 1000, max_lines=telephony.max_lines
            ),
            abandonment=AbandonmentFigures(self._reader, context.campaign_id, self._packs),
            traffic=self._traffic,
        )

    def _pump(self, context: CampaignContext, tally: Tally) -> Pump:
        engine = self._config.engine
        return Pump(
            campaign=context,
            settings=PumpSettings(
                lease_ms=engine.lease_s * 1000,
                batch_size=engine.batch_size,
                permit_lifetime_s=self._permit_lifetime_s,
                trunk=self._config.telephony.trunk,
            ),
            clock=self._clock,
            queue=self._queue_of(context.campaign_id),
            store=self._store,
            reader=self._reader,
            packs=self._packs,
            calls=self._calls,
            desk=self._desk,
            contacts=self._outcomes.contacts,
            tally=tally,
            agent_is_idle=partial(self._agent_is_idle, context.campaign_id),
        )

    def _agent_is_idle(self, campaign_id: CampaignId, agent_id: str | None) -> bool:
        if agent_id is None:
            return self._desk.has_idle(campaign_id)
        seat = self._desk.seat(agent_id)
        return seat is not None and seat.session.state is AgentState.READY
