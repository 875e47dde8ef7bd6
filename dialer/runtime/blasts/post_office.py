"""All of a worker's written messages: who carries them, what comes back, and what is in doubt.

Providers tell news without waiting, and are told when it is durable; nothing that a person wrote is
lost with the program. It is taken from here in lines of their own: neither receipts nor a provider
that is slow to accept an answer keep an opt-out waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog

from compliance.packs import PackSet
from compliance.types import CampaignId, Channel, ContactPointId
from dialer.config import Config
from dialer.core.figures import Tally
from dialer.core.opt_out_links import OptOutLink, read_token, url_of
from dialer.core.records import from_ms, to_ms
from dialer.runtime.blasts.deliveries import ROUND_ITEMS, Deliveries
from dialer.runtime.blasts.inbox import Inbox, ToAnswer
from dialer.runtime.blasts.opt_outs import opt_out_by_link
from dialer.runtime.blasts.replies import Replies
from dialer.runtime.blasts.sender import Messengers, Sender
from dialer.runtime.clock import Clock
from dialer.runtime.recorder import Recorder
from dialer.runtime.safety import check_messenger
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.database import LedgerUnavailable
from dialer.stores.ledger.messages import last_received_ms
from dialer.stores.ledger.streams import EventStore
from dialer.stores.redis.queue import CampaignQueue
from telephony_adapters.errors import TelephonyError
from telephony_adapters.messaging import (
    AnyMessageEvent,
    Kept,
    MessageMoved,
    MessageReceived,
    MessagingAdapter,
)

log = structlog.get_logger()
T = TypeVar("T")
Taking = asyncio.Future[bool]
"""See `Kept`."""

BATCH_MOVES = 256
RETRY_S = 0.5
"""Real seconds before news is taken again while the ledger is away."""
CLOSE_S = 10.0
"""Real seconds that the last news may take to be written when the engine stops."""
CONNECT_RETRY_S = 5.0
"""Real seconds before a provider that is away is tried again."""
LONG_MS = 3_600_000
"""A message in doubt of a campaign that another worker drives is left to it for this long."""


class PostOffice:
    """Messages of one worker, out and in."""

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        store: EventStore,
        recorder: Recorder,
        packs: PackSet,
        messengers: Messengers,
        link_key: bytes,
        queue_of: Callable[[CampaignId], CampaignQueue],
        tally_of: Callable[[CampaignId], Tally | None],
        lookback: timedelta,
        permit_lifetime_s: float,
        unknown_grace: timedelta,
    ) -> None:
        self._config = config
        self._clock = clock
        self._store = store
        self._messengers = messengers
        self._link_key = link_key
        self._unknown_grace = unknown_grace
        self.sender = Sender(
            messengers=messengers,
            recorder=recorder,
            clock=clock,
            queue_of=queue_of,
            tally_of=tally_of,
        )
        self.deliveries = Deliveries(
            recorder=recorder,
            reader=store,
            sender=self.sender,
            clock=clock,
            queue_of=queue_of,
            tally_of=tally_of,
            lookback=lookback,
        )
        self.replies = Replies(
            store=store,
            reader=store,
            recorder=recorder,
            sender=self.sender,
            clock=clock,
            packs=packs,
            lookback=lookback,
            permit_lifetime_s=permit_lifetime_s,
        )
        self.inbox = Inbox(
            recorder=recorder,
            reader=store,
            replies=self.replies,
            clock=clock,
            lookback=lookback,
            tally_of=tally_of,
        )
        self._moves: asyncio.Queue[tuple[MessageMoved, Taking]] = asyncio.Queue()
        self._received: asyncio.Queue[tuple[MessageReceived, Taking]] = asyncio.Queue()
        self._answers: asyncio.Queue[ToAnswer] = asyncio.Queue()
        self._unhandled = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._tasks = TaskSet("post")

    # --- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to listen. A provider that is away is tried until it comes.

        Raises `UnsafeDialing` for one that reaches people without the switch for it.
        """
        for messenger in self._each():
            check_messenger(self._config, messenger)
        self._tasks.start("moves", self._take_moves())
        self._tasks.start("received", self._take_received())
        self._tasks.start("answers", self._give_answers())
        for messenger in self._each():
            self._tasks.start(f"connect:{messenger.facts.name}", self._connect(messenger))

    async def _connect(self, messenger: MessagingAdapter) -> None:
        while True:
            try:
                await messenger.start(self.sink, since=await self._heard_until(messenger))
            except (TelephonyError, LedgerUnavailable) as error:
                log.error("provider_away", provider=messenger.facts.name, error=str(error))
                await asyncio.sleep(CONNECT_RETRY_S)
            else:
                return

    async def _heard_until(self, messenger: MessagingAdapter) -> datetime | None:
        """When the last thing that anybody wrote by this provider's channels became durable."""
        async with self._store.ledger.read() as conn:
            at_ms = await last_received_ms(conn, messenger.facts.channels)
        return None if at_ms is None else from_ms(at_ms)

    async def stop(self) -> None:
        """Break off what is being sent, hear no more, and take in what was heard."""
        await self.sender.close()
        for messenger in self._each():
            await messenger.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.settled()
        await self._tasks.cancel()

    def _each(self) -> list[MessagingAdapter]:
        return list({id(one): one for one in self._messengers.values()}.values())

    # --- news --------------------------------------------------------------------------------

    def sink(self, event: AnyMessageEvent) -> Kept:
        """Take news without waiting. Never raises."""
        self._unhandled += 1
        self._quiet.clear()
        kept: Taking = asyncio.get_running_loop().create_future()
        if isinstance(event, MessageReceived):
            self._received.put_nowait((event, kept))
        else:
            self._moves.put_nowait((event, kept))
        return kept

    async def settled(self) -> None:
        """Return when everything that was told so far is durable."""
        await self._quiet.wait()

    def _handled(self, count: int) -> None:
        self._unhandled -= count
        if self._unhandled == 0:
            self._quiet.set()

    async def _take_moves(self) -> None:
        while True:
            batch = [await self._moves.get()]
            while len(batch) < BATCH_MOVES and not self._moves.empty():
                batch.append(self._moves.get_nowait())
            done = await self._until_done("moves", partial(self._move, [m for m, _ in batch]))
            for _, kept in batch:
                kept.set_result(done is not None)
            self._handled(len(batch))

    async def _move(self, moves: list[MessageMoved]) -> bool:
        await self.deliveries.take(moves)
        return True

    async def _take_received(self) -> None:
        while True:
            event, kept = await self._received.get()
            done = await self._until_done("received", partial(self.inbox.take, event))
            kept.set_result(done is not None)
            if done is not None and done.to_answer is not None:
                self._answers.put_nowait(done.to_answer)
            else:
                self._handled(1)

    async def _give_answers(self) -> None:
        while True:
            to_answer = await self._answers.get()
            try:
                await self.inbox.answer(to_answer)
            except LedgerUnavailable as error:
                log.warning("answer_not_given", error=str(error))
            except Exception:
                log.exception("answer_not_given")
            self._handled(1)

    async def _until_done(self, what: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do it, however long the ledger is away. What cannot be done at all is told, and left:
        None."""
        while True:
            try:
                return await work()
            except LedgerUnavailable as error:
                log.error("ledger_away", waiting=what, error=str(error))
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("news_not_taken", what=what)
                return None

    # --- upkeep ------------------------------------------------------------------------------

    async def sweep(self, owned: Collection[CampaignId]) -> None:
        """Ask the providers for messages whose sending has no end."""
        now = self._clock.now()
        before_ms = to_ms(now - self._unknown_grace)
        rows = await self._store.open_attempts(before_ms, ROUND_ITEMS)
        written = [row for row in rows if row.channel in self._messengers]
        if written:
            await self.deliveries.reconcile(written, owned, to_ms(now) - LONG_MS)

    # --- opt-out links -----------------------------------------------------------------------

    def unsubscribe_url(self, channel: Channel, contact_point_id: ContactPointId) -> str | None:
        link = OptOutLink(channel, contact_point_id)
        return url_of(self._config.http.public_url, self._link_key, link)

    def knows_link(self, token: str) -> bool:
        return read_token(self._link_key, token) is not None

    async def unsubscribe(self, token: str) -> bool:
        """Do what an opt-out link asks for; False for a token that is not ours."""
        link = read_token(self._link_key, token)
        if link is None:
            return False
        await opt_out_by_link(self._store.ledger, self._clock, link)
        return True
