"""Drives one campaign of messages that this worker owns: how many leave at each tick."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from campaigns.campaign import CampaignState
from campaigns.content.sending import ApprovedTemplate
from compliance.types import CampaignId
from dialer.core.figures import LiveFigures, Tally
from dialer.core.records import to_ms
from dialer.runtime.blasts.capacity import ReplyCapacity
from dialer.runtime.blasts.pump import BlastPump
from dialer.runtime.blasts.sender import Sender
from dialer.runtime.campaign_runner import STORE_RETRY_S, DailyCap, queue_figures, send_figures
from dialer.runtime.clock import Clock
from dialer.runtime.rebuild import ensure_queue
from dialer.stores.ledger.content import approved_template
from dialer.stores.ledger.database import LedgerUnavailable
from dialer.stores.ledger.reads import EventReader
from dialer.stores.redis.errors import QueueNotReady, RedisStoreError
from dialer.stores.redis.live import LiveFeed
from dialer.stores.redis.queue import CampaignQueue
from dialer.stores.redis.tokens import TokenBucket

log = structlog.get_logger()

IN_HAND_MOST = 64
"""Messages of a campaign that wait for the provider's answer at the same time, at most."""


class BlastRunner:
    """One campaign of messages on its owner."""

    def __init__(
        self,
        *,
        pump: BlastPump,
        queue: CampaignQueue,
        reader: EventReader,
        feed: LiveFeed,
        bucket: TokenBucket,
        sender: Sender,
        clock: Clock,
        tally: Tally,
        tick_s: float,
        capacity: ReplyCapacity,
    ) -> None:
        self.campaign = pump.campaign
        self.tally = tally
        self.state = CampaignState.RUNNING
        self.carrier_is_up = True
        """Whether anything new may leave."""
        self.pump = pump
        self._queue = queue
        self._reader = reader
        self._feed = feed
        self._bucket = bucket
        self._sender = sender
        self._clock = clock
        self._tick_s = tick_s
        self._capacity = capacity
        self._pumping = asyncio.Lock()
        self._tokens = 0
        self._reason = ""
        self._daily_cap: DailyCap | None = None
        settings = self.campaign.settings
        if settings.daily_cap is not None:
            self._daily_cap = DailyCap(
                reader, self.campaign_id, settings.daily_cap, settings.timezone
            )

    @property
    def campaign_id(self) -> CampaignId:
        return self.campaign.campaign_id

    @property
    def in_hand(self) -> int:
        """Messages that the provider has not answered for yet."""
        return self._sender.in_hand_of(self.campaign_id)

    # --- driving -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Tick until cancelled. A store that is away stops new messages, never the loop."""
        while True:
            started = asyncio.get_running_loop().time()
            pause_s = self._tick_s
            try:
                await self.tick()
            except (RedisStoreError, LedgerUnavailable) as error:
                log.warning("tick_failed", campaign=self.campaign.name, error=str(error))
                pause_s = STORE_RETRY_S
            spent_s = asyncio.get_running_loop().time() - started
            await asyncio.sleep(max(0.0, pause_s - spent_s))

    async def tick(self) -> int:
        """Send what may leave now; how many."""
        if self.state is not CampaignState.RUNNING or not self.carrier_is_up:
            return 0
        sent, self._reason = await self._tick()
        return sent

    async def _tick(self) -> tuple[int, str]:
        """How many left, and what kept more from leaving."""
        now = self._clock.now()
        if not self._sender.is_up(self.campaign.settings.channel):
            return 0, "provider_away"
        caps = await self._caps()
        bound = min(caps, key=lambda name: caps[name])
        if caps[bound] <= 0:
            return 0, bound
        templates = await self._templates()
        if templates is None:
            return 0, "template_not_approved"
        granted = await self._take_tokens(caps[bound], to_ms(now))
        if granted == 0:
            return 0, "provider_rate"
        async with self._pumping:
            report = await self.pump.run(granted, templates)
        self._capacity.use(report.placed, now)
        if self._daily_cap is not None:
            self._daily_cap.use(report.placed)
        self._tokens += granted - report.placed
        return report.placed, bound

    async def _caps(self) -> dict[str, int]:
        """What may leave now, by what limits it."""
        now = self._clock.now()
        caps = {
            "supply": await self._supply(to_ms(now)),
            "in_hand": IN_HAND_MOST - self.in_hand,
        }
        left = await self._capacity.left(now)
        if left is not None:
            caps["reply_capacity"] = left
        if self._daily_cap is not None:
            caps["daily_cap"] = await self._daily_cap.left(now)
        return caps

    async def _supply(self, now_ms: int) -> int:
        try:
            return await self._queue.supply(now_ms)
        except QueueNotReady:
            return 0

    async def _take_tokens(self, wanted: int, now_ms: int) -> int:
        """Tokens of the provider's rate; what an earlier batch did not use comes first."""
        missing = wanted - self._tokens
        if missing > 0:
            self._tokens += await self._bucket.take(missing, now_ms)
        granted = min(wanted, self._tokens)
        self._tokens -= granted
        return granted

    async def _templates(self) -> Sequence[ApprovedTemplate] | None:
        """The texts as they are approved now; None: one is not, and nothing is sent."""
        message = self.campaign.settings.message
        found: list[ApprovedTemplate] = []
        async with self._reader.ledger.read() as conn:
            for name in message.templates if message is not None else ():
                approved = await approved_template(conn, name)
                if approved is None:
                    log.error("template_not_approved", campaign=self.campaign.name, template=name)
                    return None
                found.append(approved)
        return found or None

    async def rest(self) -> None:
        """Return when no batch is under way and nothing is being sent. Forbid new ones first."""
        async with self._pumping:
            pass
        await self._sender.wait()

    async def take_over(self) -> None:
        await self.prepare_queue()

    async def prepare_queue(self) -> None:
        """Rebuild the queue from the ledger when Redis does not have it (any more)."""
        await ensure_queue(self.campaign_id, self._queue, self._reader, self._clock)

    async def remember(self, *, at_once: bool = False) -> None:
        """Nothing is learned here."""

    # --- telling -----------------------------------------------------------------------------

    async def figures(self) -> LiveFigures:
        now = self._clock.now()
        tally = self.tally
        return LiveFigures(
            campaign_id=self.campaign_id,
            campaign=self.campaign.name,
            state=self.state,
            at=now,
            channel=self.campaign.settings.channel,
            dialed=tally.dialed,
            waiting=self.in_hand,
            replies=tally.replies,
            opt_outs=tally.opt_outs,
            blocked=tally.blocked.total(),
            blocked_by_rule=dict(tally.blocked.most_common()),
            outcomes={code: n for code, n in tally.outcomes.most_common() if n > 0},
            queue=await queue_figures(self._queue, now),
            pacing_reason=self._reason,
        )

    async def publish(self) -> LiveFigures:
        return await send_figures(self._feed, await self.figures())
