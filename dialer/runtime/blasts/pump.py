"""Turns "send N messages" into durable intents and then into messages; see `dialer.runtime.pump`.

claim -> facts and values -> text -> gate -> append -> send. What is appended is guarded by the
heads that the facts were read at: an opt-out or a payment that lands meanwhile wins, and the
account is decided again from fresh facts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from campaigns.content.sending import ApprovedTemplate
from compliance.packs import PackSet
from compliance.types import AccountId, Channel, StreamKey
from dialer.core.deciding import CampaignContext
from dialer.core.figures import Tally
from dialer.core.messages_planning import (
    Asked,
    MessagePlan,
    Send,
    UnsubscribeUrl,
    ValuesOf,
    plan_message,
)
from dialer.core.outcome import Place
from dialer.core.records import event_id, to_ms
from dialer.core.snapshots import HOUSE_STREAM, AccountSnapshot, in_house
from dialer.core.writes import OpenAttempt
from dialer.runtime.blasts.sender import Letter, Sender, outbound
from dialer.runtime.clock import Clock
from dialer.runtime.pump import FAULT_RETRY, ROUNDS, PumpReport, PumpSettings, blocked_event, move
from dialer.runtime.recorder import placement
from dialer.stores.ledger.ids import Ids
from dialer.stores.ledger.merge_values import values_of
from dialer.stores.ledger.projections import move_accounts
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.streams import Appended, AppendResult, EventStore, NewEvent
from dialer.stores.redis.queue import READY, CampaignQueue, Claim, Settlement

log = structlog.get_logger()

_KNOWN_PLACES = frozenset({"ledger", "account_gone", "not_enrolled"})
"""Reasons of places that the ledger has already."""


class BlastPump:
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
        self.campaign = campaign
        self._settings = settings
        self._clock = clock
        self._queue = queue
        self._store = store
        self._reader = reader
        self._packs = packs
        self._sender = sender
        self._tally = tally
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
                plans, house_head = await self._plan([AccountId(i) for i in left], templates)
                events, owners = self._events(plans, house_head)
                results = await self._store.append(events) if events else []
                await self._keep_places(plans)
                placed += self._carry_out(plans, owners, results, left, asleep, report)
        finally:
            back = [Settlement(c.item, c.lease_token, READY) for c in left.values()]
            await self._queue.settle([*asleep, *back])
        report.lost += len(left)
        return placed

    async def _plan(
        self, account_ids: list[AccountId], templates: Sequence[ApprovedTemplate]
    ) -> tuple[list[MessagePlan], int]:
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
        plans: list[MessagePlan] = []
        moved: set[StreamKey] = set()
        for account in batch.accounts:
            if any(not moved.isdisjoint(person.heads) for person in account.people):
                continue  # it would lose to a message of this very batch: the next round's turn
            planned = self._plan_one(in_house(account, batch.house), values, asked)
            moved.update(StreamKey(blocked.person_id) for blocked in planned.blocked)
            if planned.send is not None:
                moved.add(StreamKey(planned.send.contact.person_id))
                moved.update(planned.send.contact.links)
            plans.append(planned)
        known = {account.account_id for account in batch.accounts}
        gone = Place("done", 0, "account_gone")
        plans += [MessagePlan(a, (), None, gone) for a in account_ids if a not in known]
        return plans, batch.house.head

    def _plan_one(self, account: AccountSnapshot, values: ValuesOf, asked: Asked) -> MessagePlan:
        """A plan that fails blocks its account, and nobody else's."""
        try:
            return plan_message(account, values, asked)
        except Exception:
            log.exception("planning_failed", account=account.account_id)
            at_ms = to_ms(asked.now + FAULT_RETRY)
            place = Place("waiting", at_ms, "planning_failed")
            return MessagePlan(account.account_id, (), None, place)

    # --- writing -----------------------------------------------------------------------------

    def _events(
        self, plans: Sequence[MessagePlan], house_head: int
    ) -> tuple[list[NewEvent], list[int]]:
        at_ms = to_ms(self._clock.now())
        events: list[NewEvent] = []
        owners: list[int] = []
        for index, planned in enumerate(plans):
            for position, blocked in enumerate(planned.blocked):
                last = planned.send is None and position == len(planned.blocked) - 1
                place = planned.place if last else None
                events.append(
                    blocked_event(
                        self.campaign.campaign_id, planned.account_id, blocked, at_ms, place
                    )
                )
                owners.append(index)
            if planned.send is not None:
                events.append(self._send_event(planned, planned.send, at_ms, house_head))
                owners.append(index)
        return events, owners

    def _send_event(
        self, planned: MessagePlan, send: Send, at_ms: int, house_head: int
    ) -> NewEvent:
        person_id = send.contact.person_id
        own = StreamKey(person_id)
        expected = {key: send.heads.get(key, 0) for key in (own, *send.contact.links)}
        expected[HOUSE_STREAM] = house_head
        # Blocked tries on this person's other addresses are appended just before, in this batch.
        for blocked in planned.blocked:
            expected[own] += blocked.person_id == person_id
        waits = Place("waiting", at_ms, "attempt_open")
        return NewEvent(
            person_id=person_id,
            at_ms=at_ms,
            body=send.body,
            record=send.record,
            expected=expected,
            links=send.contact.links,
            writes=(
                OpenAttempt(),
                *send.overrides,
                send.keep,
                move(self.campaign.campaign_id, planned.account_id, waits, attempts_added=1),
            ),
        )

    async def _keep_places(self, plans: Sequence[MessagePlan]) -> None:
        """Where accounts wait that nobody was asked about: there is no event to tell it."""
        moves = [
            move(self.campaign.campaign_id, planned.account_id, planned.place)
            for planned in plans
            if planned.place is not None and not planned.blocked
            if planned.place.reason not in _KNOWN_PLACES
        ]
        if moves:
            async with self._reader.ledger.write() as conn:
                await move_accounts(conn, moves)

    # --- acting ------------------------------------------------------------------------------

    def _carry_out(
        self,
        plans: Sequence[MessagePlan],
        owners: Sequence[int],
        results: Sequence[AppendResult],
        left: dict[str, Claim],
        asleep: list[Settlement],
        report: PumpReport,
    ) -> int:
        """Send what won, and add to `asleep` what is not for now; what lost stays in `left`."""
        last = dict(zip(owners, results, strict=True))
        placed = 0
        for index, planned in enumerate(plans):
            for blocked in planned.blocked:
                report.blocked += 1
                self._tally.blocked[blocked.body.rule_id] += 1
            if planned.send is not None:
                result = last.get(index)
                if isinstance(result, Appended):
                    self._send(planned.send, left.pop(planned.account_id), result)
                    placed += 1
                continue
            if planned.skipped is not None:
                self._tally.blocked[planned.skipped] += 1
            claim = left.pop(planned.account_id)
            place = planned.place or Place("ready", 0, "")
            to = placement(place.state, place.not_before_ms)
            asleep.append(Settlement(claim.item, claim.lease_token, to))
        return placed

    def _send(self, send: Send, claim: Claim, appended: Appended) -> None:
        message = self.campaign.settings.message
        contact = msgspec.structs.replace(
            send.contact, event_id=event_id(appended.person_id, appended.seq)
        )
        is_mail = contact.channel is Channel.EMAIL
        letter = Letter(
            contact,
            outbound(
                contact,
                text=send.prepared.text,
                subject=send.prepared.subject or None,
                html=send.prepared.html if is_mail else None,
                sender=message.sender if message is not None else None,
                unsubscribe_url=send.unsubscribe_url,
                template=send.provider_template,
                variables=send.variables,
            ),
            send.permit,
            claim,
            asyncio.Event(),
        )
        self._tally.dialed += 1
        self._sender.send_soon(letter)
