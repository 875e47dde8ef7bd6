"""Texts that a flow sends while the person is on the line.

The same way as every message: an approved text, the gate's decision, a durable intent, a permit,
and then the provider. What is refused, or in doubt, the flow takes for not sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from campaigns.content.sending import ApprovedTemplate
from campaigns.flows.messages import SendLink
from compliance.packs import PackSet
from compliance.types import CampaignId, ContentClass, StreamKey
from dialer.core.deciding import CampaignContext
from dialer.core.link_planning import NotSent, link_campaign, plan_link
from dialer.core.messages_outcome import Taken
from dialer.core.messages_planning import Asked, Send, UnsubscribeUrl
from dialer.core.outcome import Contact
from dialer.core.records import to_ms
from dialer.core.snapshots import HOUSE_STREAM, in_house
from dialer.core.writes import OpenAttempt
from dialer.runtime.batches import ROUNDS, encoded
from dialer.runtime.blasts.sender import Letter, Sender, letter_of
from dialer.runtime.clock import Clock
from dialer.runtime.recorder import Recorder
from dialer.stores.ledger.content import approved_template
from dialer.stores.ledger.ids import Ids
from dialer.stores.ledger.merge_values import values_of
from dialer.stores.ledger.streams import Appended, EventStore, NewEvent

log = structlog.get_logger()

WAIT_S: Final = 10.0
"""Real seconds that the person on the line waits for the provider's answer, at most."""


class Links:
    """The writer of flows that send something."""

    def __init__(
        self,
        *,
        store: EventStore,
        recorder: Recorder,
        sender: Sender,
        clock: Clock,
        packs: PackSet,
        campaign_of: Callable[[CampaignId], CampaignContext | None],
        lookback: timedelta,
        permit_lifetime_s: float,
        unsubscribe_url: UnsubscribeUrl,
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._sender = sender
        self._clock = clock
        self._packs = packs
        self._campaign_of = campaign_of
        self._lookback = lookback
        self._permit_lifetime_s = permit_lifetime_s
        self._unsubscribe_url = unsubscribe_url
        self._new_id = Ids()

    async def send(self, wish: SendLink, contact: Contact, *, verified: bool, by: str) -> bool:
        """Whether the provider has it. `verified`: the person on the line proved who they are.

        Raises `LedgerUnavailable`.
        """
        sending = await self._try(wish, contact, verified=verified, by=by)
        if isinstance(sending, NotSent):
            log.info("link_not_sent", call=contact.attempt_id, flow=by, why=sending.reason)
            return False
        self._sender.send_soon(sending)
        try:
            async with asyncio.timeout(WAIT_S):
                await sending.done.wait()
        except TimeoutError:
            # It goes on, and is recorded, whatever comes of it; the person need not wait for it.
            log.warning("link_in_doubt", call=contact.attempt_id, flow=by)
        return isinstance(sending.sending, Taken)

    async def _try(
        self, wish: SendLink, contact: Contact, *, verified: bool, by: str
    ) -> Letter | NotSent:
        campaign = self._campaign_of(contact.campaign_id)
        if campaign is None or campaign.settings.links is None or wish.templates is None:
            return NotSent("nothing_to_send")
        async with self._store.ledger.read() as conn:
            approved = await approved_template(conn, wish.templates.of(wish.language))
        if approved is None:
            return NotSent("template_not_approved")
        if approved.template.content_class is not ContentClass.NEUTRAL and not verified:
            return NotSent("not_verified")
        if not self._sender.is_up(approved.template.channel):
            return NotSent("provider_away")
        texts = campaign.settings.links
        as_message = link_campaign(campaign, texts, approved, wish.purpose)
        for _ in range(ROUNDS):
            planned, house_head = await self._plan(as_message, approved, contact, by)
            if isinstance(planned, NotSent):
                await self._record_refusal(planned)
                return planned
            appended = await self._append(planned, house_head)
            if appended is not None:
                return letter_of(planned, appended, texts.sender)
        return NotSent("facts_keep_changing")

    async def _plan(
        self, campaign: CampaignContext, approved: ApprovedTemplate, contact: Contact, by: str
    ) -> tuple[Send | NotSent, int]:
        now, account_id = self._clock.now(), contact.account_id
        since_ms = to_ms(now - self._lookback)
        batch = await self._store.read_batch(None, [account_id], since_ms)
        async with self._store.ledger.read() as conn:
            values = await values_of(conn, [account_id])
        account = next((a for a in batch.accounts if a.account_id == account_id), None)
        people = account.people if account is not None else ()
        person = next((p for p in people if p.person_id == contact.person_id), None)
        own = values.get((account_id, contact.person_id))
        if account is None or person is None or own is None:
            return NotSent("account_gone"), batch.house.head
        asked = Asked(
            campaign,
            (approved,),
            self._packs,
            now,
            self._new_id,
            self._permit_lifetime_s,
            self._unsubscribe_url,
            author=by,
        )
        point_id = contact.point.contact_point_id
        planned = plan_link(in_house(account, batch.house), person, own, point_id, asked)
        return planned, batch.house.head

    async def _append(self, send: Send, house_head: int) -> Appended | None:
        """The durable intent; None: something else happened to the person meanwhile."""
        contact = send.contact
        keys = (StreamKey(contact.person_id), *contact.links)
        expected = {key: send.heads.get(key, 0) for key in keys}
        expected[HOUSE_STREAM] = house_head
        event = NewEvent(
            person_id=contact.person_id,
            at_ms=send.keep.at_ms,
            body=send.body,
            record=send.record,
            expected=expected,
            links=contact.links,
            writes=(OpenAttempt(), *send.overrides, send.keep),
        )
        (result,) = await self._store.append([event])
        return result if isinstance(result, Appended) else None

    async def _record_refusal(self, refused: NotSent) -> None:
        blocked = refused.blocked
        if blocked is None:
            return
        event = NewEvent(
            person_id=blocked.person_id,
            at_ms=to_ms(self._clock.now()),
            body=blocked.body,
            record=encoded(blocked.record),
        )
        await self._recorder.record([event])
