"""Drives one campaign that this worker owns: pacing ticks, figures, and its queue's health."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import msgspec
import structlog

from campaigns.campaign import CampaignState
from compliance.types import CampaignId
from dialer.core.agent import AgentSession, AgentState
from dialer.core.allocation import Claim
from dialer.core.call import Call
from dialer.core.figures import LiveFigures, Tally
from dialer.core.pacing import make_pacer
from dialer.core.pacing.laws import pacing_config
from dialer.core.pacing.messages import Clamp, Decision, Law
from dialer.core.records import to_ms
from dialer.runtime.abandonment import AbandonmentFigures
from dialer.runtime.batches import PumpReport
from dialer.runtime.calls import Calls
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.pacing_feed import PacingFeed
from dialer.runtime.pacing_memory import PacingMemory
from dialer.runtime.pump import Pump
from dialer.runtime.rebuild import ensure_queue
from dialer.runtime.traffic import TrafficFigures
from dialer.stores.ledger.database import LedgerUnavailable
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.recovery import count_attempts_since
from dialer.stores.redis.errors import QueueNotReady, RedisStoreError
from dialer.stores.redis.live import LiveFeed
from dialer.stores.redis.queue import CampaignQueue
from dialer.stores.redis.tokens import TokenBucket

log = structlog.get_logger()

STORE_RETRY_S = 0.5
"""Real seconds before the next tick when a store was away."""


class RunnerLimits(msgspec.Struct, frozen=True, kw_only=True):
    tick_s: float
    """Real seconds between two decisions."""
    max_lines: int
    """Calls in progress on this worker, over all campaigns."""


class DailyCap:
    """Contacts that a campaign may still start today, in the campaign's own time zone."""

    def __init__(self, reader: EventReader, campaign_id: CampaignId, cap: int, zone: str) -> None:
        self._reader = reader
        self._campaign_id = campaign_id
        self._cap = cap
        self._zone = ZoneInfo(zone)
        self._day: date | None = None
        self._used = 0

    async def left(self, now: datetime) -> int:
        """What is left of today's cap; the ledger is asked once a day."""
        today = now.astimezone(self._zone).date()
        if today != self._day:
            midnight = datetime.combine(today, time(), self._zone)
            self._used = await count_attempts_since(
                self._reader.ledger, self._campaign_id, to_ms(midnight)
            )
            self._day = today
        return max(0, self._cap - self._used)

    def use(self, count: int) -> None:
        self._used += count


class CampaignRunner:
    """One campaign on its owner."""

    def __init__(
        self,
        *,
        pump: Pump,
        queue: CampaignQueue,
        reader: EventReader,
        feed: LiveFeed,
        bucket: TokenBucket,
        memory: PacingMemory,
        calls: Calls,
        desk: Desk,
        clock: Clock,
        tally: Tally,
        limits: RunnerLimits,
        abandonment: AbandonmentFigures,
        traffic: TrafficFigures,
        room: Callable[[], int] | None = None,
    ) -> None:
        self.campaign = pump.campaign
        self.tally = tally
        self.state = CampaignState.RUNNING
        self.carrier_is_up = True
        self.pump = pump
        self._queue = queue
        self._reader = reader
        self._feed = feed
        self._bucket = bucket
        self._memory = memory
        self._calls = calls
        self._desk = desk
        self._clock = clock
        self._limits = limits
        self._abandonment = abandonment
        self._traffic = traffic
        self._room = room
        """Calls that the carrier has room for, where that changes while it runs."""
        self._tokens = 0
        self._dials_left: int | None = None
        """Contacts that may be made now, as of the last tick; None before the first."""
        self._pumping = asyncio.Lock()
        self._queue_counts: dict[str, int] = {}
        self._last = Decision(at_s=0.0, calls_to_place=0, law=Law.PROGRESSIVE)
        settings = self.campaign.settings
        flow = self.campaign.scripts.flow
        self._pacing_config = pacing_config(
            settings, for_agents=flow is not None and flow.transfers
        )
        self._pacer = make_pacer(self._pacing_config)
        self._daily_cap: DailyCap | None = None
        if settings.daily_cap is not None:
            self._daily_cap = DailyCap(
                reader, self.campaign_id, settings.daily_cap, settings.timezone
            )
        self._pacing = PacingFeed(self.campaign_id, self._pacer, calls, desk)

    @property
    def campaign_id(self) -> CampaignId:
        return self.campaign.campaign_id

    def claim(self) -> Claim:
        """What the campaign asks of the agents now: none while it has nobody to call."""
        settings = self.campaign.settings
        most = [n for n in (settings.max_agents, self._dials_left) if n is not None]
        return Claim(
            campaign_id=self.campaign_id,
            weight=settings.weight,
            priority=settings.priority,
            teams=frozenset(settings.teams),
            most=min(most, default=None),
        )

    # --- hearing -----------------------------------------------------------------------------

    def call_moved(self, before: Call | None, after: Call) -> None:
        now = self._clock.now()
        self.tally.call_moved(before, after)
        self._pacing.call_moved(before, after, now)

    def found_machine(self, call_id: str) -> None:
        """Without machine detection only the agent's ear tells: it was no live answer."""
        self.tally.answered -= 1
        self.tally.machines += 1
        self._pacing.found_machine(call_id, self._clock.now())

    def agent_changed(self, before: AgentSession | None, after: AgentSession) -> None:
        now = self._clock.now()
        if after.campaign_id == self.campaign_id:
            self.tally.agent_changed(after, now)
            was_here = before is not None and before.campaign_id == self.campaign_id
            self._pacing.agent_changed(before if was_here else None, after, now)
        elif before is not None and before.campaign_id == self.campaign_id:
            self.tally.agent_left(after.agent_id, now)
            left = msgspec.structs.replace(before, state=AgentState.OFFLINE)
            self._pacing.agent_changed(before, left, now)

    # --- driving -----------------------------------------------------------------------------

    def _may_dial(self) -> bool:
        return self.state is CampaignState.RUNNING and self.carrier_is_up

    async def run(self) -> None:
        """Tick until cancelled. A store that is away stops new calls, never the loop."""
        self._pacing.greet(self._clock.now())
        while True:
            started = asyncio.get_running_loop().time()
            pause_s = self._limits.tick_s
            try:
                await self.tick()
            except (RedisStoreError, LedgerUnavailable) as error:
                log.warning("tick_failed", campaign=self.campaign.name, error=str(error))
                pause_s = STORE_RETRY_S
            spent_s = asyncio.get_running_loop().time() - started
            await asyncio.sleep(max(0.0, pause_s - spent_s))

    async def tick(self) -> int:
        """One pacing decision and its calls; how many were placed."""
        if not self._may_dial():
            self._not_used(await self.pump.withdraw())
            return 0
        async with self._pumping:
            if self._may_dial():
                self._not_used(await self.pump.serve())
        caps = {"supply": await self._supply(self._clock.now())}
        if self._daily_cap is not None:
            caps["daily_cap"] = await self._daily_cap.left(self._clock.now())
        self._dials_left = min(caps.values()) + len(self._calls.live(self.campaign_id))
        # Only now: what was heard while the stores answered must not lie after the snapshot.
        now = self._clock.now()
        caps["lines"] = max(0, self._limits.max_lines - len(self._calls))
        if self._room is not None:
            caps["nodes"] = self._room()
        decision = self._pacer.decide(self._pacing.snapshot(now, caps))
        after_s = self._pacing_config.give_up_after_s
        if decision.give_up and after_s is not None:
            self._calls.give_up(self.campaign_id, after_s)
        granted = await self._take_tokens(decision.calls_to_place, now)
        if granted < decision.calls_to_place:
            decision = msgspec.structs.replace(
                decision, calls_to_place=granted, clamp=Clamp.CAP, cap_name="trunk"
            )
        self._last = decision
        self._memory.log.add(self.campaign_id, decision)
        if granted == 0:
            return 0
        await self.read_figures(now)
        async with self._pumping:
            # Whoever waits in `rest` must not be overtaken by a tick that had begun before.
            report = await self.pump.run(granted) if self._may_dial() else PumpReport()
        if self._daily_cap is not None:
            self._daily_cap.use(report.placed)
        self._tokens += granted - report.placed
        return report.placed

    def _not_used(self, count: int) -> None:
        """What counted against today's cap and came to no call."""
        if self._daily_cap is not None:
            self._daily_cap.use(-count)

    async def read_figures(self, now: datetime) -> None:
        """Give the next decisions the figures of the dialer that rules look at."""
        self.pump.campaign = msgspec.structs.replace(
            self.pump.campaign,
            abandonment=await self._abandonment.read(now),
            traffic=await self._traffic.read(self.campaign_id, now),
        )

    async def rest(self) -> None:
        """Return when no batch is under way. Forbid new ones first (`carrier_is_up`)."""
        async with self._pumping:
            return

    async def _supply(self, now: datetime) -> int:
        try:
            return await self._queue.supply(to_ms(now))
        except QueueNotReady:
            return 0

    async def _take_tokens(self, wanted: int, now: datetime) -> int:
        """Trunk tokens for this batch; what an earlier batch did not use comes first."""
        if wanted <= 0:
            return 0
        missing = wanted - self._tokens
        if missing > 0:
            self._tokens += await self._bucket.take(missing, to_ms(now))
        granted = min(wanted, self._tokens)
        self._tokens -= granted
        return granted

    async def prepare_queue(self) -> None:
        """Rebuild the queue from the ledger when Redis does not have it (any more)."""
        await ensure_queue(self.campaign_id, self._queue, self._reader, self._clock)

    # --- remembering -------------------------------------------------------------------------

    async def take_over(self) -> None:
        """Learn what this campaign's owners before left: its queue, and what its pacer knew.

        To be done before the first tick: abandonments of the last thirty days bind the first
        decision too. Raises what the stores raise.
        """
        await self.prepare_queue()
        now = self._clock.now()
        await self._memory.restore(self.campaign_id, self._pacing_config, self._pacer, now)
        self._pacer.resume(await self._abandonment.history(now))

    async def remember(self, *, at_once: bool = False) -> None:
        """Keep what the pacer has learned, for whoever drives this campaign next."""
        await self._memory.save(
            self.campaign_id,
            self._pacing_config,
            self._pacer,
            self._clock.now(),
            at_once=at_once,
        )

    # --- telling -----------------------------------------------------------------------------

    async def figures(self) -> LiveFigures:
        now = self._clock.now()
        self._queue_counts = await queue_figures(self._queue, now) or self._queue_counts
        agents: dict[str, int] = {}
        for session in self._desk.sessions(self.campaign_id):
            agents[session.state] = agents.get(session.state, 0) + 1
        live = self._calls.live(self.campaign_id)
        tally = self.tally
        return LiveFigures(
            campaign_id=self.campaign_id,
            campaign=self.campaign.name,
            state=self.state,
            at=now,
            dialed=tally.dialed,
            ringing=sum(1 for call in live if call.state.is_before_answer),
            answered=tally.answered,
            machines=tally.machines,
            connected=tally.connected,
            abandoned=tally.abandoned,
            abandoned_pct=round(tally.abandoned_pct, 3),
            waiting=sum(1 for call in live if call.state == "waiting"),
            occupancy_pct=round(tally.occupancy_pct(now), 2),
            right_party=tally.right_party,
            promises=tally.promises,
            blocked=tally.blocked.total(),
            blocked_by_rule=dict(tally.blocked.most_common()),
            outcomes=dict(tally.outcomes.most_common()),
            agents=agents,
            queue=self._queue_counts,
            calls_to_place=self._last.calls_to_place,
            pacing_reason=self._last.reason,
            connect_p99_ms=tally.connect_p99_ms,
        )

    async def publish(self) -> LiveFigures:
        return await send_figures(self._feed, await self.figures())


async def queue_figures(queue: CampaignQueue, now: datetime) -> dict[str, int]:
    """Where a campaign's accounts are; empty while Redis is away."""
    try:
        counts = await queue.counts(to_ms(now))
    except RedisStoreError:
        log.debug("queue_counts_missing")
        return {}
    return {
        "ready": counts.ready,
        "waiting": counts.waiting,
        "leased": counts.leased,
        "done": counts.done,
    }


async def send_figures(feed: LiveFeed, figures: LiveFigures) -> LiveFigures:
    """Figures for whoever watches; while Redis is away nobody does."""
    try:
        await feed.publish(msgspec.json.encode(figures))
    except RedisStoreError:
        log.debug("figures_not_published", campaign=figures.campaign)
    return figures
