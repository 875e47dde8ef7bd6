"""Turns "send N messages" into durable intents and then into messages; see `dialer.runtime.pump`.

claim -> facts and values -> text -> gate -> append -> send. What is appended is guarded by the
heads that the facts were read at: an opt-out or a payment that lands meanwhile wins, and the
account is decided again from fresh facts.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from campaigns.content.sending import ApprovedTemplate
from compliance.packs import PackSet
from compliance.types import AccountId
from dialer.core.deciding import CampaignContext
from dialer.core.figures import Tally
from dialer.core.messages_planning import (
    Asked,
    MessagePlan,
    Send,
    UnsubscribeUrl,
    plan_message,
)
from dialer.core.outcome import Place
from dialer.core.records import to_ms
from dialer.core.writes import Write
from dialer.runtime.batches import ROUNDS, Batches, Decided, PumpReport, PumpSettings
from dialer.runtime.blasts.sender import Sender, letter_of
from dialer.runtime.clock import Clock
from dialer.stores.ledger.ids import Ids
from dialer.stores.ledger.merge_values import values_of
from dialer.stores.ledger.projections import move_accounts
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.streams import Appended, EventStore
from dialer.stores.redis.queue import READY, CampaignQueue, Claim, Settlement

log = structlog.get_logger()

_KNOWN_PLACES = frozenset({"ledger", "account_gone", "not_enrolled"})
"""Reasons of places that the ledger has already."""


class BlastPump(Batches[MessagePlan, Send]):
    """The pump of one campaign; its owner calls `run` and nothing else sends for it."""

    def __init__(
        self,
        *,
        campaign: CampaignContext,
        settings: PumpSettings,
        clock: Clock,
        queue: CampaignQueue,
        store: EventStore,
        reader: EventReader,
        packs: PackSet,
        sender: Sender,
        tally: Tally,
        unsubscribe_url: UnsubscribeUrl,
    ) -> None:
        super().__init__(campaign.campaign_id, tally)
        self.campaign = campaign
        self._settings = settings
        self._clock = clock
        self._queue = queue
        self._store = store
        self._reader = reader
        self._packs = packs
        self._sender = sender
        self._unsubscribe_url = unsubscribe_url
        self._new_id = Ids()

    async def run(self, want: int, templates: Sequence[ApprovedTemplate]) -> PumpReport:
        """Send up to `want` messages. Raises what the stores raise; nothing is half done then."""
        report = PumpReport()
        while (missing := want - report.placed) > 0:
            size = min(self._settings.batch_size, missing)
            claims = await self._queue.claim(
                size,
                now_ms=to_ms(self._clock.now()),
                lease_ms=self._settings.lease_ms,
                token=self._new_id(),
            )
            if not claims:
                break
            report.claimed += len(claims)
            placed = await self._batch(claims, templates, report)
            report.placed += placed
            if placed == 0:
                break
        return report

    async def _batch(
        self, claims: Sequence[Claim], templates: Sequence[ApprovedTemplate], report: PumpReport
    ) -> int:
        """Decide the claimed accounts; how many messages leave.

        What was not decided goes back to the queue, also when a store fails on the way.
        """
        left = {claim.item: claim for claim in claims}
        asleep: list[Settlement] = []
        placed = 0
        try:
            for _ in range(ROUNDS):
                if not left:
                    break
                decided = await self._plan([AccountId(i) for i in left], templates)
                plans, at_ms = decided.plans, to_ms(self._clock.now())
                events, owners = self._events(plans, decided.house_head, at_ms)
                results = await self._store.append(events) if events else []
                await self._keep_places(plans)
                self._count_skipped(plans)
                placed += self._carry_out(plans, owners, results, left, asleep, report)
        finally:
            back = [Settlement(c.item, c.lease_token, READY) for c in left.values()]
            await self._queue.settle([*asleep, *back])
        report.lost += len(left)
        return placed

    async def _plan(
        self, account_ids: list[AccountId], templates: Sequence[ApprovedTemplate]
    ) -> Decided[MessagePlan]:
        now = self._clock.now()
        since_ms = to_ms(now - self.campaign.lookback)
        batch = await self._reader.read_batch(self.campaign.campaign_id, account_ids, since_ms)
        # Read after the heads: a balance that changes meanwhile moves a head, and the append loses.
        async with self._reader.ledger.read() as conn:
            values = await values_of(conn, account_ids)
        asked = Asked(
            self.campaign,
            templates,
            self._packs,
            now,
            self._new_id,
            self._settings.permit_lifetime_s,
            self._unsubscribe_url,
        )
        return self._decide(
            batch, account_ids, lambda account: plan_message(account, values, asked), to_ms(now)
        )

    async def _keep_places(self, plans: Sequence[MessagePlan]) -> None:
        """Where accounts wait that nobody was asked about: there is no event to tell it."""
        moves = [
            self._move(planned.account_id, planned.place)
            for planned in plans
            if planned.place is not None and not planned.blocked
            if planned.place.reason not in _KNOWN_PLACES
        ]
        if moves:
            async with self._reader.ledger.write() as conn:
                await move_accounts(conn, moves)

    # --- a message, as every pump's batches know it -------------------------------------------

    def _act(self, planned: MessagePlan) -> Send | None:
        return planned.send

    def _record(self, act: Send) -> bytes:
        return act.record

    def _writes(self, act: Send, at_ms: int) -> tuple[Write, ...]:
        return (*act.overrides, act.keep)

    def _stand_still(self, account_id: AccountId, place: Place) -> MessagePlan:
        return MessagePlan(account_id, (), None, place)

    def _go(self, planned: MessagePlan, act: Send, claim: Claim, appended: Appended) -> None:
        self._send(act, claim, appended)

    def _count_skipped(self, plans: Sequence[MessagePlan]) -> None:
        """Whose text could not be filled was held back as a rule would hold them back."""
        for planned in plans:
            if planned.send is None and planned.skipped is not None:
                self._tally.blocked[planned.skipped] += 1

    def _send(self, send: Send, claim: Claim, appended: Appended) -> None:
        message = self.campaign.settings.message
        self._tally.dialed += 1
        sender = message.sender if message is not None else None
        self._sender.send_soon(letter_of(send, appended, sender, claim))
