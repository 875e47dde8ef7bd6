"""Preview: an agent looks at an account, and calls it or leaves it to somebody else.

The gate decides twice: nobody is offered who may not be called, and what an agent dials is decided
anew, on the facts of that moment. An offer holds the account's lease and its agent, and ends as a
call, or with the account back in the queue and the agent free.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

import msgspec
import structlog

from campaigns.campaign import PreviewSettings
from compliance.types import AccountId, CampaignId
from dialer.core.agent import PauseReason
from dialer.core.desk_messages import DialPreview, PreviewEnd, PreviewMessage, SkipReason
from dialer.core.outcome import Place
from dialer.core.planning import AgentIsIdle, Dial, Plan
from dialer.core.records import to_ms
from dialer.runtime.batches import PumpReport
from dialer.runtime.pump import Pump, PumpParts
from dialer.runtime.refusals import MAY_NOT_SKIP, NO_SUCH_OFFER, CannotDo
from dialer.runtime.screens import Screens
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.projections import move_accounts
from dialer.stores.redis.queue import READY, Claim, Placement, Settlement, WaitUntil
from telephony_adapters.messages import CallId

log = structlog.get_logger()


class Choice(StrEnum):
    OPEN = "open"
    DIAL = "dial"
    SKIP = "skip"


class Offer(msgspec.Struct):
    """An account before an agent's eyes."""

    offer_id: CallId
    campaign_id: CampaignId
    account_id: AccountId
    agent_id: str
    claim: Claim
    ends_at: datetime
    may_skip: bool
    choice: Choice = Choice.OPEN
    reason: SkipReason = SkipReason.OTHER
    skip_is_kept: bool = False
    """The ledger has it."""


class Offers:
    """What the agents of this worker look at."""

    def __init__(self) -> None:
        self._offers: dict[CallId, Offer] = {}

    def of(self, campaign_id: CampaignId) -> list[Offer]:
        return [offer for offer in self._offers.values() if offer.campaign_id == campaign_id]

    def add(self, offer: Offer) -> None:
        self._offers[offer.offer_id] = offer

    def remove(self, offer: Offer) -> None:
        self._offers.pop(offer.offer_id, None)

    def choose(self, agent_id: str, message: PreviewMessage) -> None:
        """What the agent wants of the account; done at the campaign's next tick.

        Raises `CannotDo` when it is not offered to this agent (any more), or may not be skipped.
        """
        offer = self._offers.get(CallId(message.offer_id))
        if offer is None or offer.agent_id != agent_id or offer.choice is not Choice.OPEN:
            raise CannotDo(*NO_SUCH_OFFER)
        if isinstance(message, DialPreview):
            offer.choice = Choice.DIAL
        elif not offer.may_skip:
            raise CannotDo(*MAY_NOT_SKIP)
        else:
            offer.choice, offer.reason = Choice.SKIP, message.reason


class PreviewPump(Pump):
    """Offers accounts to idle agents, and dials those that they choose."""

    def __init__(
        self, parts: PumpParts, *, offers: Offers, screens: Screens, settings: PreviewSettings
    ) -> None:
        is_idle = partial(self._is_free, parts.agent_is_idle)
        super().__init__(parts._replace(agent_is_idle=is_idle))
        self._offers = offers
        self._screens = screens
        self._preview = settings
        self._dialed: Offer | None = None
        """The offer that becomes a call now."""

    def _is_free(self, is_idle: AgentIsIdle, agent_id: str | None) -> bool:
        """An agent is held for what is dialed now; else whoever is idle counts."""
        if self._dialed is not None:
            return agent_id in (None, self._dialed.agent_id)
        return is_idle(agent_id)

    # --- offering ----------------------------------------------------------------------------

    async def _batch(self, claims: Sequence[Claim], most: int, report: PumpReport) -> int:
        """Offer at most `most` of the claimed accounts; how many."""
        if self._dialed is not None:
            return await super()._batch(claims, most, report)
        left = {claim.item: claim for claim in claims}
        asleep: list[Settlement] = []
        offered = 0
        try:
            decided = await self._plan([AccountId(item) for item in left], most)
            plans = [await self._with_agent(planned) for planned in decided.plans]
            others = [planned for planned in plans if planned.dial is None]
            chosen = [(planned, planned.dial) for planned in plans if planned.dial is not None]
            # Numbers that were refused on the way to the one that is offered are told too.
            tried = [planned._replace(dial=None) for planned, _ in chosen]
            at_ms = to_ms(self._clock.now())
            events, owners = self._events([*others, *tried], decided.house_head, at_ms)
            results = await self._store.append(events) if events else []
            self._carry_out(others, owners, results, left, asleep, report)
            for planned, dial in chosen:
                self._count_blocked(planned, report)
                await self._offer(planned, dial, left)
                offered += 1
        finally:
            self._release_reserved()
            back = [Settlement(c.item, c.lease_token, READY) for c in left.values()]
            await self._queue.settle([*asleep, *back])
        return offered

    async def _offer(self, planned: Plan, dial: Dial, left: dict[str, Claim]) -> None:
        offer_id = CallId(dial.contact.attempt_id)
        ends_at = self._clock.now() + timedelta(seconds=self._preview.limit_s)
        view = await self._screens.preview(
            dial.contact, offer_id, ends_at, may_skip=self._preview.may_skip
        )
        session = self._reserved.pop(offer_id)
        self._offers.add(
            Offer(
                offer_id=offer_id,
                campaign_id=self.campaign.campaign_id,
                account_id=planned.account_id,
                agent_id=session.agent_id,
                claim=left.pop(planned.account_id),
                ends_at=ends_at,
                may_skip=self._preview.may_skip,
            )
        )
        self._desk.offered(session.agent_id, view)

    # --- what agents chose -------------------------------------------------------------------

    async def serve(self) -> int:
        """Do what agents chose, and end what nobody chose in time; how many came to no call."""
        gone = 0
        for offer in self._offers.of(self.campaign.campaign_id):
            if offer.choice is Choice.DIAL:
                gone += not await self._dial_offer(offer)
            elif offer.choice is Choice.SKIP:
                await self._skip(offer)
                gone += 1
            elif self._clock.now() >= offer.ends_at:
                await self._desk.pause(offer.agent_id, PauseReason.PRESENCE_LOST)
                await self._end(offer, READY, PreviewEnd.EXPIRED)
                gone += 1
        return gone

    async def withdraw(self) -> int:
        """End every offer: nothing is dialed now."""
        offers = self._offers.of(self.campaign.campaign_id)
        for offer in offers:
            await self._end(offer, READY, PreviewEnd.WITHDRAWN)
        return len(offers)

    async def _dial_offer(self, offer: Offer) -> bool:
        """Decide once more, and call. Raises what the stores raise; the account is back then."""
        self._offers.remove(offer)
        self._dialed = offer
        placed = 0
        try:
            placed = await self._batch([offer.claim], 1, PumpReport())
        finally:
            self._dialed = None
            if not placed:
                await self._desk.offer_over(offer.agent_id, offer.offer_id, PreviewEnd.NOT_NOW)
        return placed > 0

    async def _with_agent(self, planned: Plan) -> Plan:
        offer = self._dialed
        if offer is None:
            return await super()._with_agent(planned)
        if planned.dial is None:
            return planned
        if planned.dial.own_agent_id in (None, offer.agent_id):
            call_id = CallId(planned.dial.contact.attempt_id)
            session = self._desk.dials(offer.agent_id, offer.offer_id, call_id)
            if session is not None:
                self._reserved[call_id] = session
                return planned
        return planned._replace(dial=None, place=Place("ready", 0, ""))

    def _beaten(self, act: Dial) -> None:
        if not self._hold_again(CallId(act.contact.attempt_id)):
            super()._beaten(act)

    def _release_reserved(self) -> None:
        for call_id in list(self._reserved):
            self._hold_again(call_id)
        super()._release_reserved()

    def _hold_again(self, call_id: CallId) -> bool:
        """It did not come to the call: the agent is held for the offer, as before."""
        offer = self._dialed
        if offer is None or self._reserved.pop(call_id, None) is None:
            return False
        return self._desk.dials(offer.agent_id, call_id, offer.offer_id) is not None

    async def _skip(self, offer: Offer) -> None:
        """The account rests; who left it, and why, is kept in the audit trail."""
        now = self._clock.now()
        rests = WaitUntil(to_ms(now + timedelta(seconds=self._preview.skip_wait_s)))
        if not offer.skip_is_kept:
            move = self._move(offer.account_id, Place("waiting", rests.not_before_ms, "skipped"))
            async with self._reader.ledger.write() as conn:
                await move_accounts(conn, [move])
                await record_audit(
                    conn,
                    at_ms=to_ms(now),
                    actor=offer.agent_id,
                    action="preview.skip",
                    target=offer.account_id,
                    detail={"campaign": self.campaign.name, "reason": offer.reason},
                )
            offer.skip_is_kept = True
        await self._end(offer, rests, PreviewEnd.SKIPPED)

    async def _end(self, offer: Offer, to: Placement, why: PreviewEnd) -> None:
        """The account goes where it belongs, then the agent is free; a failure leaves both as they
        are, and the next tick tries again."""
        await self._queue.settle([Settlement(offer.claim.item, offer.claim.lease_token, to)])
        self._offers.remove(offer)
        await self._desk.offer_over(offer.agent_id, offer.offer_id, why)
