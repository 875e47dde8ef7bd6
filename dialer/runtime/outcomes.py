"""Contacts between intent and durable outcome: what ended, what agents said, what was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime

import structlog

from campaigns.dispositions import RIGHT_PARTY, DispositionCode, disposition
from campaigns.effects import AlertKind
from compliance.calendars import calendar_data
from compliance.types import CampaignId, EventKind
from dialer.core import outcome as core
from dialer.core.call import Call
from dialer.core.figures import Tally
from dialer.core.flow_outcome import FlowWord, flow_ended
from dialer.core.inbound import of_inbound
from dialer.core.outcome import Contact, Outcome, Place, Said
from dialer.runtime.clock import Clock
from dialer.runtime.pump import LiveContact
from dialer.runtime.recorder import Job, Recorder, outcome_job
from dialer.stores.ledger.ids import Ids

log = structlog.get_logger()

NOT_A_PERSON = frozenset(
    {
        DispositionCode.VOICEMAIL_NO_MESSAGE,
        DispositionCode.VOICEMAIL_MESSAGE,
        DispositionCode.FAX,
    }
)

HolidayOf = Callable[[date], bool]


def holidays_of(country: str | None) -> HolidayOf:
    """Public holidays where the person lives, as far as calendars are vendored."""
    if country is None:
        return lambda day: False
    try:
        national = calendar_data(country).national
    except KeyError:
        return lambda day: False
    return lambda day: day.isoformat() in national


class Outcomes:
    """Keeps contacts in hand and hands their outcomes to the recorder."""

    def __init__(
        self, *, recorder: Recorder, clock: Clock, tally_of: Callable[[CampaignId], Tally | None]
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._tally_of = tally_of
        self._new_id = Ids()
        self.contacts: dict[str, LiveContact] = {}
        self.on_alert: Callable[[CampaignId, AlertKind], None] | None = None
        self.on_machine: Callable[[CampaignId, str], None] | None = None
        """Told when an agent says that a call answered as live was a machine's."""
        self.on_unleased: Callable[[Contact, Place], Awaitable[None]] | None = None
        """Told where an account goes that nobody had claimed: the person called us."""
        self._emptied = asyncio.Event()

    async def wait_empty(self) -> None:
        """Return when no contact is in hand."""
        while self.contacts:
            self._emptied.clear()
            await self._emptied.wait()

    def _let_go(self, attempt_id: str) -> None:
        self.contacts.pop(attempt_id, None)
        if not self.contacts:
            self._emptied.set()

    def drop(self, attempt_id: str) -> None:
        """A contact is over whose end somebody else has recorded."""
        self._let_go(attempt_id)

    def call_finished(self, call: Call, word: FlowWord | None = None) -> None:
        """A call is over. A bridged one stays in hand until its agent has said what it was.

        `word`: what the flow that served the call says it was.
        """
        live = self.contacts.get(call.call_id)
        if live is None:
            return
        contact = live.contact
        now = self._clock.now()
        is_holiday = holidays_of(contact.country)
        if word is None:
            result = core.ended(contact, call, now, is_holiday, self._new_id)
        else:
            result = flow_ended(contact, call, word, now, is_holiday, self._new_id)
            self._count_right_party(contact.campaign_id, word.code, word.promise_review_at)
        if live.inbound:
            result = of_inbound(result)
        self._submit(live, result, now)
        live.ended = True
        if result.code is not None or live.disposed:
            self._let_go(call.call_id)

    async def served(self, call: Call, word: FlowWord) -> None:
        """A flow served somebody who called us: its word becomes durable."""
        live = self.contacts.get(call.call_id)
        if live is None:
            return
        contact, now = live.contact, self._clock.now()
        holidays = holidays_of(contact.country)
        result = of_inbound(flow_ended(contact, call, word, now, holidays, self._new_id))
        self._count_right_party(contact.campaign_id, word.code, word.promise_review_at)
        try:
            await self._written(outcome_job(contact, "", result, now), contact, result)
        finally:
            live.ended = True
            self._let_go(call.call_id)
        if result.place is not None and self.on_unleased is not None:
            await self.on_unleased(contact, result.place)

    async def lost(
        self,
        contact: Contact,
        lease_token: str,
        note: str,
        *,
        verified: bool = False,
        disposed: bool = False,
    ) -> Place | None:
        """Nobody knows what became of the attempt; it counts. Gives the account's next place.

        `verified`: an identity check that passed is on record in it.
        """
        now = self._clock.now()
        holidays = holidays_of(contact.country)
        result = core.lost(
            contact, now, holidays, self._new_id, note, verified=verified, disposed=disposed
        )
        job = outcome_job(contact, lease_token, result, now)
        await self._written(job, contact, result)
        return result.place

    async def dispose(self, live: LiveContact, said: Said) -> Place | None:
        """Make an agent's word durable; gives the account's next place. Raises `MissingFact`."""
        contact = live.contact
        now = self._clock.now()
        result = core.disposed(contact, said, now, holidays_of(contact.country), self._new_id)
        if live.inbound:
            result = of_inbound(result)
        job = outcome_job(contact, live.claim.lease_token, result, now)
        live.disposing = True
        try:
            await self._written(job, contact, result)
        finally:
            live.disposing = False
        if live.ended or contact.attempt_id not in self.contacts:
            self._let_go(contact.attempt_id)
        else:
            live.disposed = True
        self._count_right_party(contact.campaign_id, said.code, said.promise)
        if live.inbound:
            if result.place is not None and self.on_unleased is not None:
                await self.on_unleased(contact, result.place)
            return result.place
        if said.code in NOT_A_PERSON and self.on_machine is not None:
            self.on_machine(contact.campaign_id, contact.attempt_id)
        return result.place

    def _count_right_party(
        self, campaign_id: CampaignId, code: DispositionCode, promise: object
    ) -> None:
        tally = self._tally_of(campaign_id)
        if tally is not None and code in RIGHT_PARTY:
            tally.right_party += 1
            tally.promises += promise is not None

    async def _written(self, job: Job, contact: Contact, result: Outcome) -> None:
        self._count(contact, result)
        await self._recorder.run(job)

    def _submit(self, live: LiveContact, result: Outcome, now: datetime) -> None:
        self._count(live.contact, result)
        lease_token = live.claim.lease_token
        self._recorder.submit(outcome_job(live.contact, lease_token, result, now))

    def _count(self, contact: Contact, result: Outcome) -> None:
        tally = self._tally_of(contact.campaign_id)
        if tally is not None and result.code is not None:
            tally.outcomes[result.code] += 1
        if self.on_alert is not None:
            for alert in result.alerts:
                self.on_alert(contact.campaign_id, alert)


def default_code(*, verified: bool) -> DispositionCode:
    """What a conversation is taken for when its agent never said: the least it can have been."""
    code = DispositionCode.RIGHT_PARTY_HUNG_UP if verified else DispositionCode.NOT_VERIFIED
    if disposition(code).outcome is not EventKind.CONVERSATION:
        raise AssertionError(f"{code} must count as a conversation")
    return code


def default_said(live: LiveContact, agent_id: str, at: datetime, since: datetime) -> Said:
    """The disposition of an agent whose wrap-up took too long, or who was lost."""
    return Said(
        code=default_code(verified=live.verified),
        agent_id=agent_id,
        wrap_ms=round((at - since).total_seconds() * 1000),
    )
