"""The sweeps that heal: each finds one kind of disagreement and ends it, bounded in every round.

leases        an account leased to nobody who lives       -> back to where the ledger has it
open          an attempt without an end, not live here     -> closed as unknown; it counts
undisposed    a conversation whose agent never said        -> disposed with what is known
silence       a live call of which nothing is heard        -> hung up, or found to be gone
presence      an agent who gives no sign                   -> paused
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

import msgspec
import structlog

from compliance.types import AccountId, CampaignId, Channel
from dialer.core.call import CallState
from dialer.core.outcome import Contact, Place
from dialer.core.records import DispositionSet, to_ms
from dialer.core.reopening import contact_of_attempt
from dialer.core.snapshots import AccountSnapshot
from dialer.runtime.agent_service import AgentService
from dialer.runtime.calls import Calls
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.outcomes import Outcomes, default_said
from dialer.runtime.previews import Offers
from dialer.runtime.pump import LiveContact
from dialer.runtime.recorder import placement
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.reads import EventReader, OpenAttemptRow
from dialer.stores.ledger.recovery import UndisposedRow, undisposed, was_verified
from dialer.stores.redis.errors import QueueNotReady
from dialer.stores.redis.queue import CampaignQueue, Claim, Entry, Settlement
from telephony_adapters.errors import TelephonyError
from telephony_adapters.messages import CallId
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()

ROUND_ITEMS = 500
"""Most items that one sweep handles in one round."""
RING_SLACK = timedelta(seconds=20)
"""A carrier that has said nothing this long after the ring timeout has forgotten the call."""
HANGUP_PATIENCE = timedelta(seconds=15)
"""How long the carrier may take to confirm a hang-up."""
PASSING = frozenset({CallState.SCREENING, CallState.BRIDGING})
"""Answered calls pass through these in seconds: one that stays has lost an event on the way."""
LAST_CALLS_MS = 3_600_000
"""The worker that drove a campaign to its end has this long to end its last calls by itself."""


class SweepSettings(msgspec.Struct, frozen=True, kw_only=True):
    lease_ms: int
    unknown_grace: timedelta
    lookback: timedelta
    ring_timeout: timedelta
    wrap_up_limit: timedelta


class SweepCounts(msgspec.Struct):
    """What was healed since the start; metrics read it."""

    leases_reaped: int = 0
    attempts_closed: int = 0
    dispositions_completed: int = 0
    silent_calls_ended: int = 0
    agents_lapsed: int = 0


class Sweeps:
    """All sweeps of one worker, over the campaigns that it owns."""

    def __init__(
        self,
        *,
        settings: SweepSettings,
        clock: Clock,
        reader: EventReader,
        adapter: TelephonyAdapter,
        calls: Calls,
        desk: Desk,
        outcomes: Outcomes,
        agents: AgentService,
        offers: Offers,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._reader = reader
        self._adapter = adapter
        self._calls = calls
        self._desk = desk
        self._outcomes = outcomes
        self._agents = agents
        self._offers = offers
        self.counts = SweepCounts()

    async def run(
        self,
        queues: Mapping[CampaignId, CampaignQueue],
        ended: Collection[CampaignId] = (),
    ) -> None:
        """One round of everything. Raises what the stores raise; the next round goes on.

        `ended` are campaigns that nobody drives any more; what they left behind is finished too.
        """
        self.counts.agents_lapsed += len(await self._desk.lapse())
        await self._desk.refill_pools()
        await self._agents.dispose_overdue()
        await self._end_silent_calls()
        for campaign_id, queue in queues.items():
            await self._keep_leases(campaign_id, queue)
            await self.reap(campaign_id, queue)
        await self.close_open_attempts(queues, ended)
        await self._dispose_forgotten(queues, ended)

    # --- leases ------------------------------------------------------------------------------

    async def _keep_leases(self, campaign_id: CampaignId, queue: CampaignQueue) -> None:
        """The accounts of our live contacts, and those that agents look at, stay ours."""
        claims = [
            live.claim
            for live in self._outcomes.contacts.values()
            if live.contact.campaign_id == campaign_id
        ]
        claims += [offer.claim for offer in self._offers.of(campaign_id)]
        await queue.extend(
            claims, now_ms=to_ms(self._clock.now()), lease_ms=self._settings.lease_ms
        )

    async def reap(
        self, campaign_id: CampaignId, queue: CampaignQueue, *, all_leases: bool = False
    ) -> int:
        """Send accounts whose lease ran out back to where the ledger has them.

        With `all_leases`, every one: only right for a new owner, since nobody else claims.
        """
        now_ms = to_ms(self._clock.now())
        if all_leases:
            now_ms += self._settings.lease_ms + 1
        reaped = 0
        while True:
            try:
                claims = await queue.reap(
                    ROUND_ITEMS, now_ms=now_ms, lease_ms=self._settings.lease_ms, token=new_id()
                )
            except QueueNotReady:
                return reaped
            if claims:
                await self._send_back(campaign_id, queue, claims)
                reaped += len(claims)
            if len(claims) < ROUND_ITEMS:
                self.counts.leases_reaped += reaped
                return reaped

    async def _send_back(
        self, campaign_id: CampaignId, queue: CampaignQueue, claims: Sequence[Claim]
    ) -> None:
        live = {c.contact.account_id for c in self._outcomes.contacts.values()}
        accounts = await self._accounts(campaign_id, [AccountId(c.item) for c in claims])
        settlements = []
        for claim in claims:
            account = accounts.get(AccountId(claim.item))
            if claim.item in live:
                continue
            standing = account.enrolment if account is not None else None
            state = standing.state if standing is not None else "done"
            at_ms = standing.not_before_ms if standing is not None else 0
            settlements.append(Settlement(claim.item, claim.lease_token, placement(state, at_ms)))
        await queue.settle(settlements)

    # --- attempts without an end -----------------------------------------------------------------

    async def close_open_attempts(
        self, queues: Mapping[CampaignId, CampaignQueue], ended: Collection[CampaignId] = ()
    ) -> int:
        """Close attempts of our campaigns that are live nowhere. Their outcome is unknown."""
        before = to_ms(self._clock.now() - self._settings.unknown_grace)
        long_before = before - LAST_CALLS_MS
        rows = [
            row
            for row in await self._reader.open_attempts(before, ROUND_ITEMS)
            if row.channel is Channel.VOICE
            and row.attempt_id not in self._outcomes.contacts
            and (
                row.campaign_id in queues
                or (row.campaign_id in ended and row.planned_ms < long_before)
            )
        ]
        if not rows:
            return 0
        try:
            alive = {report.call_id for report in await self._adapter.list_calls()}
        except TelephonyError:
            return 0
        closed = 0
        by_campaign: dict[CampaignId, list[OpenAttemptRow]] = defaultdict(list)
        for row in rows:
            if row.campaign_id is not None:
                by_campaign[row.campaign_id].append(row)
        for campaign_id, group in by_campaign.items():
            accounts = await self._accounts(campaign_id, [row.account_id for row in group])
            for row in group:
                if CallId(row.attempt_id) in alive:
                    await self._hang_up_orphan(CallId(row.attempt_id))
                    continue
                contact = self._contact(accounts, row, campaign_id)
                if contact is not None:
                    said = _was_disposed(accounts[row.account_id], row.attempt_id)
                    verified = await was_verified(
                        self._reader.ledger, row.person_id, row.attempt_id
                    )
                    place = await self._outcomes.lost(
                        contact, "", "swept", verified=verified, disposed=said
                    )
                    await self._put(queues.get(campaign_id), accounts[row.account_id], place)
                    closed += 1
        self.counts.attempts_closed += closed
        return closed

    async def _hang_up_orphan(self, call_id: CallId) -> None:
        """A call of another life: nobody here can serve it; end it, and close it next round."""
        log.warning("orphan_call", call=call_id)
        try:
            await self._adapter.hangup(call_id)
        except TelephonyError as error:
            log.warning("orphan_not_hung_up", call=call_id, error=str(error))

    async def _dispose_forgotten(
        self, queues: Mapping[CampaignId, CampaignQueue], ended: Collection[CampaignId]
    ) -> None:
        limit = self._settings.wrap_up_limit + self._settings.unknown_grace
        before = to_ms(self._clock.now() - limit)
        campaigns = [*queues, *ended]
        rows = await undisposed(self._reader.ledger, campaigns, before, ROUND_ITEMS)
        for row in rows:
            if row.attempt_id in self._outcomes.contacts:
                continue
            accounts = await self._accounts(row.campaign_id, [row.account_id])
            contact = self._contact(accounts, row, row.campaign_id)
            if contact is None:
                continue
            verified = await was_verified(self._reader.ledger, row.person_id, row.attempt_id)
            live = LiveContact(contact, Claim(row.account_id, 0, ""), verified=verified)
            now = self._clock.now()
            said = default_said(live, row.agent_id, now, now)
            place = await self._outcomes.dispose(live, said)
            await self._put(queues.get(row.campaign_id), accounts[row.account_id], place)
            self.counts.dispositions_completed += 1

    async def _put(
        self, queue: CampaignQueue | None, account: AccountSnapshot, place: Place | None
    ) -> None:
        """Tell the queue where the ledger has put an account that nobody held."""
        held = {live.contact.account_id for live in self._outcomes.contacts.values()}
        if queue is None or place is None or account.enrolment is None:
            return
        if account.account_id not in held:
            to = placement(place.state, place.not_before_ms)
            entry = Entry(account.account_id, account.enrolment.priority, to)
            await queue.load([entry], reset=True)

    # --- calls that fell silent ------------------------------------------------------------------

    async def _end_silent_calls(self) -> None:
        now = self._clock.now()
        limit = self._settings.ring_timeout + RING_SLACK
        old = []
        for call in self._calls.live():
            age = now - call.planned_at
            if call.state.is_before_answer and age > limit:
                self._hang_up_silent(call.call_id)
            elif not call.state.is_before_answer and age > limit + HANGUP_PATIENCE:
                old.append(call.call_id)
        if not old:
            return
        try:
            alive = {report.call_id for report in await self._adapter.list_calls()}
        except TelephonyError:
            return
        for call_id in old:
            known = self._calls.get(call_id)
            if call_id not in alive:
                self._calls.vanish(call_id)
            elif known is not None and known.state in PASSING:
                self._hang_up_silent(call_id)
            else:
                self._calls.insist(call_id)

    def _hang_up_silent(self, call_id: CallId) -> None:
        self._calls.hang_up(call_id, "silence")
        self.counts.silent_calls_ended += 1

    async def reconcile_carrier(self) -> None:
        """After a reconnect: calls whose end we missed have vanished; the others go on.

        A call that the carrier has not confirmed yet may be on its way to it: that it is not in
        the list says nothing.
        """
        confirmed = [c.call_id for c in self._calls.live() if c.state is not CallState.PLANNED]
        alive = {report.call_id for report in await self._adapter.list_calls()}
        for call_id in confirmed:
            if call_id not in alive:
                self._calls.vanish(call_id)
            else:
                self._calls.insist(call_id)

    # --- helpers ---------------------------------------------------------------------------------

    async def _accounts(
        self, campaign_id: CampaignId, account_ids: Sequence[AccountId]
    ) -> dict[AccountId, AccountSnapshot]:
        since_ms = to_ms(self._clock.now() - self._settings.lookback)
        accounts = await self._reader.read_accounts(campaign_id, account_ids, since_ms)
        return {account.account_id: account for account in accounts}

    @staticmethod
    def _contact(
        accounts: Mapping[AccountId, AccountSnapshot],
        row: OpenAttemptRow | UndisposedRow,
        campaign_id: CampaignId,
    ) -> Contact | None:
        account = accounts.get(row.account_id)
        if account is None:
            return None
        return contact_of_attempt(
            account, row.person_id, row.contact_point_id, row.attempt_id, campaign_id
        )


def _was_disposed(account: AccountSnapshot, attempt_id: str) -> bool:
    """Whether an agent has said what an attempt was whose end is not on record."""
    return any(
        isinstance(row.body, DispositionSet) and row.body.attempt_id == attempt_id
        for person in account.people
        for row in person.rows
    )
