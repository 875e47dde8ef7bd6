"""Calls to us that another life of the engine took, and did not finish.

A person who has called us is not dialed while they are on the line; one whose call lost its end in
a crash would never be called again, and nobody would know that they had called. So every such call
is brought to its end: somebody spoke with the caller as far as is on record, and the conversation
is closed and disposed of with what is known; or nobody did, and it is a missed call like any other.
Callers who are still on a line that nobody serves are hung up.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from compliance.types import CampaignId, PartyRole
from dialer.core.inbound import UNKNOWN, Candidate, MissedCall, cut_off, taken_up_again
from dialer.core.outcome import Contact
from dialer.core.records import from_ms, to_ms
from dialer.runtime.calls import Calls
from dialer.runtime.clock import Clock
from dialer.runtime.inbound import Inbound
from dialer.runtime.outcomes import Outcomes, default_said
from dialer.runtime.pump import LiveContact
from dialer.runtime.recorder import Recorder
from dialer.stores.ledger.callers import UnfinishedCall, give_up_call, unfinished_calls
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.recovery import was_verified
from dialer.stores.ledger.streams import NewEvent
from dialer.stores.redis.queue import Claim
from telephony_adapters.errors import TelephonyError
from telephony_adapters.messages import CallId
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()

ROUND_ITEMS: Final = 200
"""Most calls that one round handles."""
LOOK_EVERY: Final = timedelta(seconds=30)
"""Between two looks at the carrier's list for callers whom nobody serves."""


class LostCallSettings(msgspec.Struct, frozen=True, kw_only=True):
    grace: timedelta
    """A call that is live nowhere is left alone for so long."""
    wrap_up_limit: timedelta
    """So long an agent may take to say what a call was."""
    lookback: timedelta


class LostCalls:
    """Finishes what was left behind, over the campaigns that this worker owns."""

    def __init__(
        self,
        *,
        settings: LostCallSettings,
        clock: Clock,
        adapter: TelephonyAdapter,
        calls: Calls,
        outcomes: Outcomes,
        inbound: Inbound,
        recorder: Recorder,
        reader: EventReader,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._adapter = adapter
        self._calls = calls
        self._outcomes = outcomes
        self._inbound = inbound
        self._recorder = recorder
        self._reader = reader
        self._strangers: dict[CallId, datetime] = {}
        """Calls of the carrier's that nobody here knows, and since when."""
        self._looked_at: datetime | None = None
        self.finished = 0
        """Since the start."""

    async def run(self, campaigns: Collection[CampaignId]) -> None:
        """One round. Raises what the ledger raises; the next round goes on."""
        if not self._adapter.facts.inbound:
            return
        await self._end_strangers()
        now = self._clock.now()
        rows = await unfinished_calls(
            self._reader.ledger,
            campaigns,
            before_ms=to_ms(now - self._settings.grace),
            limit=ROUND_ITEMS,
        )
        lost = [row for row in rows if row.call_id not in self._outcomes.contacts]
        if not lost:
            return
        try:
            alive = {report.call_id for report in await self._adapter.list_calls()}
        except TelephonyError:
            return
        for row in lost:
            if CallId(row.call_id) in alive:
                await self._hang_up(CallId(row.call_id))
            else:
                await self._finish(row, now)

    async def _finish(self, row: UnfinishedCall, now: datetime) -> None:
        contact = await self._contact(row, now)
        if contact is None:
            async with self._reader.ledger.write() as conn:
                await give_up_call(conn, row.call_id, now_ms=to_ms(now))
            return
        verified = await was_verified(self._reader.ledger, row.person_id, row.call_id)
        if row.ended_ms is None and row.agent_id is None and not verified:
            missed = MissedCall(began_at=from_ms(row.began_ms), cause=UNKNOWN)
            await self._inbound.missed_call(contact, missed)
            self.finished += 1
            return
        if row.ended_ms is None:
            recorded = cut_off(contact, row.agent_id)
            over = NewEvent(
                person_id=contact.person_id,
                at_ms=to_ms(now),
                body=recorded.body,
                writes=recorded.writes,
            )
            await self._recorder.record([over])
        elif now - from_ms(row.ended_ms) < self._settings.wrap_up_limit:
            return  # its agent may be on the way back, and say
        claim = Claim(contact.account_id, 0, "")
        live = LiveContact(contact, claim, verified=verified, inbound=True, ended=True)
        await self._outcomes.dispose(live, default_said(live, row.agent_id or "", now, now))
        self.finished += 1

    async def _contact(self, row: UnfinishedCall, now: datetime) -> Contact | None:
        since_ms = to_ms(now - self._settings.lookback)
        accounts = await self._reader.read_accounts(row.campaign_id, [row.account_id], since_ms)
        if not accounts:
            return None
        candidate = Candidate(
            person_id=row.person_id,
            account_id=row.account_id,
            contact_point_id=row.contact_point_id,
            role=PartyRole.HOLDER,
        )
        return taken_up_again(accounts[0], candidate, row.call_id, row.campaign_id)

    # --- lines that nobody serves --------------------------------------------------------------

    async def _end_strangers(self) -> None:
        """Hang up on callers of an earlier life, whom nobody here can serve."""
        now = self._clock.now()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        try:
            alive = {report.call_id for report in await self._adapter.list_calls()}
        except TelephonyError:
            return
        unknown = {c for c in alive if self._calls.get(c) is None and not self._inbound.takes(c)}
        self._strangers = {c: self._strangers.get(c, now) for c in unknown}
        for call_id, since in self._strangers.items():
            if now - since >= self._settings.grace:
                await self._hang_up(call_id)

    async def _hang_up(self, call_id: CallId) -> None:
        log.warning("orphan_caller", call=call_id)
        try:
            await self._adapter.hangup(call_id)
        except TelephonyError as error:
            log.warning("orphan_not_hung_up", call=call_id, error=str(error))
