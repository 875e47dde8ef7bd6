"""How a campaign's runner is put together from the parts of this worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from campaigns.campaign import PreviewSettings
from compliance.packs import PackSet
from compliance.types import CampaignId, CollectorRole, Mode
from dialer.config import Config
from dialer.core.agent import AgentState
from dialer.core.deciding import CampaignContext
from dialer.core.figures import STAFFED, Tally
from dialer.core.records import from_ms
from dialer.core.script import Scripts
from dialer.runtime.abandonment import AbandonmentFigures
from dialer.runtime.batches import PumpSettings
from dialer.runtime.blasts.capacity import ReplyCapacity
from dialer.runtime.blasts.post_office import PostOffice
from dialer.runtime.blasts.pump import BlastPump
from dialer.runtime.blasts.runner import BlastRunner
from dialer.runtime.calls import Calls
from dialer.runtime.campaign_runner import CampaignRunner, RunnerLimits
from dialer.runtime.clock import Clock
from dialer.runtime.collector import collector_of
from dialer.runtime.desk import Desk
from dialer.runtime.flows import FlowRuns
from dialer.runtime.link_check import check_links
from dialer.runtime.outcomes import Outcomes
from dialer.runtime.pacing_memory import PacingMemory
from dialer.runtime.previews import Offers, PreviewPump
from dialer.runtime.pump import Pump, PumpParts
from dialer.runtime.safety import (
    CannotSend,
    check_campaign,
    check_portfolio,
    check_recipients,
    check_written_campaign,
    no_provider,
)
from dialer.runtime.screens import Screens
from dialer.runtime.scripts import ScriptReader
from dialer.runtime.traffic import TrafficFigures
from dialer.stores.ledger.campaigns import Campaign, first_started_ms
from dialer.stores.ledger.content import approved_template
from dialer.stores.ledger.portfolios import Portfolio, get_portfolio
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.streams import EventStore
from dialer.stores.redis.client import RedisClient
from dialer.stores.redis.live import LiveFeed
from dialer.stores.redis.queue import CampaignQueue
from dialer.stores.redis.tokens import TokenBucket
from telephony_adapters.port import Roomy, TelephonyAdapter

MESSAGES_PER_S = 20.0
"""Messages per second to a provider that names no limit of its own."""
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
        post: PostOffice,
        scripts: ScriptReader,
        flows: FlowRuns,
        screens: Screens,
        offers: Offers,
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
        self._post = post
        self._scripts = scripts
        self._flows = flows
        self._screens = screens
        self._offers = offers
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
        scripts = Scripts()
        if campaign.settings.writes:
            await self._check_messages(campaign, portfolio)
        else:
            check_portfolio(portfolio.name, self._adapter, synthetic=portfolio.synthetic)
            check_campaign(campaign.name, self._adapter, amd=campaign.settings.amd)
            scripts = await self._scripts.read(campaign.name, campaign.settings, portfolio)
            await check_links(
                self._reader.ledger,
                self._post.sender.messengers,
                campaign.settings,
                portfolio,
                scripts,
            )
        return CampaignContext(
            campaign_id=campaign.campaign_id,
            name=campaign.name,
            settings=campaign.settings,
            collector=collector_of(portfolio),
            lookback=self._lookback,
            scripts=scripts,
            started_at=None if started_ms is None else from_ms(started_ms),
        )

    async def _check_messages(self, campaign: Campaign, portfolio: Portfolio) -> None:
        """Raises `CannotSend`, `UnsafeDialing`."""
        settings = campaign.settings
        messenger = self._post.sender.messengers.get(settings.channel)
        if messenger is None:
            raise no_provider(settings.channel)
        check_recipients(portfolio.name, messenger, synthetic=portfolio.synthetic)
        role = CollectorRole(portfolio.collector_role)
        check_written_campaign(messenger, settings.channel, portfolio.country, role)
        message = settings.message
        for name in message.templates if message is not None else ():
            async with self._reader.ledger.read() as conn:
                approved = await approved_template(conn, name)
            if approved is None:
                raise CannotSend(
                    es=f"el texto `{name}` no está aprobado; preséntelo y que otra persona lo "
                    "apruebe",
                    en=f"text `{name}` is not approved; submit it and let a second person "
                    "approve it",
                )
            theirs, ours = approved.template.channel.value, settings.channel.value
            if theirs != ours:
                raise CannotSend(
                    es=f"el texto `{name}` es para {theirs} y la campaña escribe por {ours}; "
                    "nombre otro texto",
                    en=f"text `{name}` is for {theirs}, the campaign writes by {ours}; name "
                    "another text",
                )

    async def make(self, campaign: Campaign, tally: Tally) -> CampaignRunner | BlastRunner:
        """A runner that has not begun. Raises as `context` does."""
        context = await self.context(campaign)
        if campaign.settings.writes:
            return self._blast(context, tally)
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
            room=self._adapter.room if isinstance(self._adapter, Roomy) else None,
        )

    def _blast(self, context: CampaignContext, tally: Tally) -> BlastRunner:
        settings, campaign_id = context.settings, context.campaign_id
        if settings.message is None:
            raise LookupError(f"campaign {context.name} has no text to send")
        queue = self._queue_of(campaign_id)
        facts = self._post.sender.messengers[settings.channel].facts
        rate_per_s = facts.max_per_s or MESSAGES_PER_S
        pump = BlastPump(
            campaign=context,
            settings=self._pump_settings(),
            clock=self._clock,
            queue=queue,
            store=self._store,
            reader=self._reader,
            packs=self._packs,
            sender=self._post.sender,
            tally=tally,
            unsubscribe_url=self._post.unsubscribe_url,
        )
        return BlastRunner(
            pump=pump,
            queue=queue,
            reader=self._reader,
            feed=LiveFeed(self._redis, campaign_id),
            bucket=TokenBucket(
                self._redis,
                f"messages-{facts.name}",
                rate_per_s=rate_per_s,
                burst=max(1, round(rate_per_s * TRUNK_BURST_S)),
            ),
            sender=self._post.sender,
            clock=self._clock,
            tally=tally,
            tick_s=self._config.engine.tick_ms / 1000,
            capacity=ReplyCapacity(
                self._reader.ledger, campaign_id, settings.message, self._agents_on_duty
            ),
        )

    def _agents_on_duty(self) -> int:
        return sum(1 for session in self._desk.sessions() if session.state in STAFFED)

    def _pump_settings(self) -> PumpSettings:
        engine = self._config.engine
        return PumpSettings(
            lease_ms=engine.lease_s * 1000,
            batch_size=engine.batch_size,
            permit_lifetime_s=self._permit_lifetime_s,
            trunk=self._config.telephony.trunk,
        )

    def _pump(self, context: CampaignContext, tally: Tally) -> Pump:
        parts = PumpParts(
            campaign=context,
            settings=self._pump_settings(),
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
        if context.settings.mode is not Mode.PREVIEW:
            return Pump(parts)
        return PreviewPump(
            parts,
            offers=self._offers,
            screens=self._screens,
            settings=context.settings.preview or PreviewSettings(),
        )

    def _agent_is_idle(self, campaign_id: CampaignId, agent_id: str | None) -> bool:
        if agent_id is None:
            return self._desk.has_idle(campaign_id)
        seat = self._desk.seat(agent_id)
        return seat is not None and seat.session.state is AgentState.READY
