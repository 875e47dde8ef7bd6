"""The campaigns of this worker: which it owns, and what each does while it owns it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import structlog

from campaigns.campaign import CampaignAction, CampaignState
from compliance.types import CampaignId
from dialer.core.figures import Tally
from dialer.core.records import to_ms
from dialer.runtime.allocator import Allocator
from dialer.runtime.blasts.runner import BlastRunner
from dialer.runtime.calls import Calls
from dialer.runtime.campaign_runner import CampaignRunner
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.outcomes import Outcomes
from dialer.runtime.rebuild import QueueAudit, heal_queue
from dialer.runtime.runners import RunnerMaker
from dialer.runtime.safety import UnsafeDialing
from dialer.runtime.sweeps import Sweeps
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.campaigns import (
    Campaign,
    act_on_campaign,
    enrolment_counts,
    get_campaign,
    list_campaigns,
)
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.reads import EventReader
from dialer.stores.redis.client import RedisClient
from dialer.stores.redis.errors import RedisStoreError
from dialer.stores.redis.ownership import OwnerLease
from dialer.stores.redis.queue import CampaignQueue

log = structlog.get_logger()

OWNER_LEASE_MS = 10_000
OWNED_STATES = (CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.DRAINING)


AnyRunner = CampaignRunner | BlastRunner


class Owned(msgspec.Struct):
    """A campaign that this worker drives, with its lease."""

    runner: AnyRunner
    queue: CampaignQueue
    lease: OwnerLease
    token: int
    task: asyncio.Task[None]
    audit: QueueAudit


class Queues:
    """The queue of each campaign, one object each."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._queues: dict[CampaignId, CampaignQueue] = {}

    def of(self, campaign_id: CampaignId) -> CampaignQueue:
        queue = self._queues.get(campaign_id)
        if queue is None:
            queue = self._queues[campaign_id] = CampaignQueue(self._redis, campaign_id)
        return queue


class Fleet:
    """Takes campaigns that run and nobody drives, follows their state, and lets them go."""

    def __init__(
        self,
        *,
        worker_id: str,
        clock: Clock,
        ledger: Ledger,
        redis: RedisClient,
        queues: Queues,
        reader: EventReader,
        runners: RunnerMaker,
        calls: Calls,
        desk: Desk,
        outcomes: Outcomes,
        sweeps: Sweeps,
        allocator: Allocator,
        tallies: dict[CampaignId, Tally],
        tasks: TaskSet,
    ) -> None:
        """`tallies` is shared with whoever counts; it outlives an ownership."""
        self.draining = False
        self.ended: frozenset[CampaignId] = frozenset()
        """Campaigns that nobody drives any more."""
        self._worker_id = worker_id
        self._clock = clock
        self._ledger = ledger
        self._redis = redis
        self._queues = queues
        self._reader = reader
        self._runners = runners
        self._calls = calls
        self._desk = desk
        self._outcomes = outcomes
        self._sweeps = sweeps
        self._allocator = allocator
        self._tallies = tallies
        self._tasks = tasks
        self._owned: dict[CampaignId, Owned] = {}
        self._refused: dict[CampaignId, str] = {}
        """Why a campaign is not driven here, as it was last told."""
        self._changing = asyncio.Lock()
        self._carrier_up = True

    # --- looking ------------------------------------------------------------------------------

    def ids(self) -> list[CampaignId]:
        return list(self._owned)

    def runner(self, campaign_id: CampaignId | None) -> AnyRunner | None:
        """The runner of a campaign, where this worker drives it."""
        owned = self._owned.get(campaign_id) if campaign_id is not None else None
        return owned.runner if owned is not None else None

    def runners(self) -> Iterator[AnyRunner]:
        """Runners of all that are owned now, whatever becomes of them meanwhile."""
        return iter([owned.runner for owned in self._owned.values()])

    def queues(self) -> dict[CampaignId, CampaignQueue]:
        return {campaign_id: owned.queue for campaign_id, owned in self._owned.items()}

    # --- owning -------------------------------------------------------------------------------

    async def look(self) -> None:
        """Take campaigns that run and nobody drives; follow the state of those we drive."""
        async with self._changing:
            await self._look()

    async def _look(self) -> None:
        async with self._ledger.read() as conn:
            known = await list_campaigns(conn)
        campaigns = [c for c in known if c.state in OWNED_STATES]
        self.ended = frozenset(c.campaign_id for c in known if c.state.is_final)
        wanted = {campaign.campaign_id: campaign for campaign in campaigns}
        for campaign_id in list(self._owned):
            if campaign_id not in wanted:
                await self._let_go(campaign_id)
        for campaign in campaigns:
            await self._own(campaign)
        self._desk.campaign_names = {c.campaign_id: c.name for c in campaigns}
        await self.allot()

    async def allot(self) -> None:
        """Give the agents to the campaigns that run here."""
        running = [
            runner
            for runner in self.runners()
            if isinstance(runner, CampaignRunner) and runner.state is CampaignState.RUNNING
        ]
        await self._allocator.allot([runner.claim() for runner in running])

    async def _own(self, campaign: Campaign) -> None:
        owned = self._owned.get(campaign.campaign_id)
        if owned is None:
            if self.draining:
                return
            lease = OwnerLease(self._redis, campaign.campaign_id, self._worker_id)
            token = await lease.acquire(OWNER_LEASE_MS)
            if token is not None:
                await self._try_to_take_over(campaign, lease, token)
            return
        if owned.task.done():
            log.error("campaign_restarted", campaign=campaign.name)
            await self._let_go(campaign.campaign_id)
            return
        token = await owned.lease.acquire(OWNER_LEASE_MS)
        if token is None:
            log.warning("ownership_lost", campaign=campaign.name)
            await self._let_go(campaign.campaign_id)
            return
        # Another token means that Redis forgot our lease, and that nobody has taken it since.
        owned.token = token
        await self._follow(owned, campaign)

    async def _follow(self, owned: Owned, campaign: Campaign) -> None:
        runner = owned.runner
        if campaign.settings != runner.campaign.settings:
            await self._let_go(campaign.campaign_id)
            await self._own(campaign)
            return
        runner.state = campaign.state
        if await owned.queue.generation() is None:
            await runner.prepare_queue()
        if campaign.state is CampaignState.DRAINING and not self._in_hand(campaign.campaign_id):
            await self.act(campaign.campaign_id, CampaignAction.COMPLETE, actor="engine")

    def _in_hand(self, campaign_id: CampaignId) -> int:
        runner = self.runner(campaign_id)
        if isinstance(runner, BlastRunner):
            return runner.in_hand
        contacts = self._outcomes.contacts.values()
        return sum(1 for c in contacts if c.contact.campaign_id == campaign_id)

    async def _try_to_take_over(self, campaign: Campaign, lease: OwnerLease, token: int) -> None:
        """One that cannot be driven here is told once, and keeps no other from being driven."""
        try:
            await self._take_over(campaign, lease, token)
        except (LookupError, UnsafeDialing) as error:
            await lease.release(token)
            if self._refused.get(campaign.campaign_id) != str(error):
                log.error("campaign_not_driven", campaign=campaign.name, error=str(error))
            self._refused[campaign.campaign_id] = str(error)
        else:
            self._refused.pop(campaign.campaign_id, None)

    async def _take_over(self, campaign: Campaign, lease: OwnerLease, token: int) -> None:
        tally = self._tallies.setdefault(campaign.campaign_id, Tally())
        runner = await self._runners.make(campaign, tally)
        runner.state = campaign.state
        runner.carrier_is_up = self._carrier_up or isinstance(runner, BlastRunner)
        await runner.take_over()
        queue = self._queues.of(campaign.campaign_id)
        await self._sweeps.reap(campaign.campaign_id, queue, all_leases=True)
        task = self._tasks.start(f"campaign:{campaign.name}", runner.run())
        audit = QueueAudit(campaign.campaign_id, queue, self._reader, self._clock)
        self._owned[campaign.campaign_id] = Owned(runner, queue, lease, token, task, audit)
        log.info("campaign_owned", campaign=campaign.name, token=token)

    async def let_all_go(self) -> None:
        for campaign_id in list(self._owned):
            await self._let_go(campaign_id)

    async def _let_go(self, campaign_id: CampaignId) -> None:
        owned = self._owned.pop(campaign_id)
        owned.task.cancel()
        (end,) = await asyncio.gather(owned.task, return_exceptions=True)
        if isinstance(end, asyncio.CancelledError):
            await owned.runner.remember(at_once=True)
        try:
            if isinstance(owned.runner, CampaignRunner):
                await owned.runner.pump.withdraw()
            await owned.lease.release(owned.token)
        except RedisStoreError as error:
            log.warning("ownership_not_released", campaign=campaign_id, error=str(error))

    # --- acting -------------------------------------------------------------------------------

    async def act(self, campaign_id: CampaignId, action: CampaignAction, *, actor: str) -> Campaign:
        """Start, pause, resume, stop ... and act on it at once where this worker drives it.

        Raises `LookupError`, `ImpossibleAction`, `UnsafeDialing`.
        """
        if action in (CampaignAction.START, CampaignAction.RESUME):
            async with self._ledger.read() as conn:
                found = await get_campaign(conn, campaign_id)
            if found is not None:
                await self._runners.context(found)
        async with self._ledger.write() as conn:
            campaign = await act_on_campaign(
                conn, campaign_id, action, actor=actor, now_ms=to_ms(self._clock.now())
            )
        owned = self._owned.get(campaign_id)
        if owned is not None:
            owned.runner.state = campaign.state
            if campaign.state in (CampaignState.DRAINING, CampaignState.ABORTED):
                self._calls.hang_up_unanswered(campaign_id, "stop")
        return campaign

    def carrier_is(self, *, up: bool) -> None:
        """Dial on, or dial nothing more."""
        self._carrier_up = up
        for runner in self.runners():
            # Messages do not leave by the carrier of calls.
            if isinstance(runner, CampaignRunner) or self.draining:
                runner.carrier_is_up = up

    # --- upkeep -------------------------------------------------------------------------------

    async def publish(self) -> None:
        for runner in self.runners():
            await runner.publish()

    async def heal_queues(self) -> None:
        for campaign_id, owned in list(self._owned.items()):
            async with self._ledger.read() as conn:
                total = (await enrolment_counts(conn, campaign_id)).total
            await heal_queue(campaign_id, owned.queue, self._reader, self._clock, total)
            await owned.audit.next_round()
