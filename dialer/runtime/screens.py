"""What an agent sees of a call: neutral until its identity check is recorded as passed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog

from compliance.types import CampaignId
from dialer.core.call import Call, Party
from dialer.core.desk_messages import CallView, DebtView, PartyView, PreviewView
from dialer.core.identity import TRIES, IdentityOnFile
from dialer.core.masking import masked
from dialer.core.outcome import Contact
from dialer.runtime.clock import Clock
from dialer.runtime.pump import LiveContact
from dialer.runtime.saying import codes_of
from dialer.stores.ledger.database import Ledger, LedgerUnavailable
from dialer.stores.ledger.screens import PersonOnScreen, read_debts, read_person_on_screen

log = structlog.get_logger()


class Handover(NamedTuple):
    """What a colleague says with a call."""

    from_agent: str
    note: str


class Screens:
    """The people on the screens of this worker's agents, by call."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        campaign_name: Callable[[CampaignId], str | None],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._people: dict[str, PersonOnScreen] = {}
        self.handovers: dict[str, Handover] = {}
        """Calls that a colleague was asked about, or has taken over."""
        self._campaign_name = campaign_name

    def __contains__(self, call_id: str) -> bool:
        return call_id in self._people

    def __getitem__(self, call_id: str) -> PersonOnScreen:
        return self._people[call_id]

    def forget(self, call_id: str) -> None:
        self._people.pop(call_id, None)
        self.handovers.pop(call_id, None)

    async def view(self, call: Call, live: LiveContact) -> CallView:
        """The screen of a call for whoever has it, or helps with it. The identity check belongs to
        the call: who takes it over need not ask again, and sees debts only if it has passed."""
        person = self._people.get(call.call_id)
        if person is None:
            person = self._people[call.call_id] = await self._person(live.contact)
        handover = self.handovers.get(call.call_id)
        return CallView(
            call_id=call.call_id,
            campaign=self._campaign_name(call.campaign_id) or "",
            person_name=person.name if live.number_proven or live.verified else "",
            number_masked=masked(person.address) if live.number_proven else "",
            language=live.language or person.language,
            country=person.country,
            person_local_time=self._local_time(live.contact),
            connected_at=call.bridged_at or self._clock.now(),
            state=call.state,
            held_at=call.held_at,
            factors=tuple(person.identity.factors()) if person.identity.can_verify() else (),
            tries_left=TRIES - live.identity_tries,
            inbound=live.inbound,
            from_agent=handover.from_agent if handover is not None else None,
            note=handover.note if handover is not None else "",
            verified=live.verified,
            debts=await self._debts(live) if live.verified else (),
            codes=codes_of(live, person.country),
        )

    async def preview(
        self, contact: Contact, offer_id: str, ends_at: datetime, *, may_skip: bool
    ) -> PreviewView:
        """An account before the call, as the screen of an unverified call would show it."""
        person = await self._person(contact)
        return PreviewView(
            offer_id=offer_id,
            campaign=self._campaign_name(contact.campaign_id) or "",
            person_name=person.name,
            number_masked=masked(person.address),
            language=person.language,
            country=person.country,
            person_local_time=self._local_time(contact),
            attempts=contact.attempts,
            callback=contact.callback is not None,
            ends_at=ends_at,
            may_skip=may_skip,
        )

    async def _person(self, contact: Contact) -> PersonOnScreen:
        """What the screen shows. Without the ledger: a screen on which nothing can be verified."""
        try:
            return await read_person_on_screen(
                self._ledger,
                contact.person_id,
                contact.account_id,
                contact.point.contact_point_id,
            )
        except (LedgerUnavailable, LookupError) as error:
            log.error("screen_without_person", call=contact.attempt_id, error=str(error))
            return PersonOnScreen(
                name="",
                address=contact.point.address,
                language=None,
                country=contact.country,
                identity=IdentityOnFile(),
            )

    async def _debts(self, live: LiveContact) -> tuple[DebtView, ...]:
        try:
            return await read_debts(self._ledger, live.contact.debt_ids)
        except LedgerUnavailable as error:
            log.error("screen_without_debts", call=live.contact.attempt_id, error=str(error))
            return ()

    def _local_time(self, contact: Contact) -> str | None:
        if not contact.zones:
            return None
        return self._clock.now().astimezone(ZoneInfo(contact.zones[0])).strftime("%H:%M")


def party_view(party: Party | None) -> PartyView | None:
    if party is None:
        return None
    return PartyView(kind=party.kind, name=party.name, ready=party.ready)
