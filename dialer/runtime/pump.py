"""Turns "place N calls" into durable intents and then into calls.

claim -> facts -> gate -> append -> originate, a batch at a time. Nothing leaves before its intent
is durable, and an intent is appended only at the heads its facts were read at: whoever was faster
wins, and the loser is decided again from fresh facts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import structlog

from compliance.packs import PackSet
from compliance.types import AccountId
from dialer.core.agent import AgentSession
from dialer.core.call import Call
from dialer.core.deciding import CampaignContext
from dialer.core.figures import Tally
from dialer.core.outcome import Contact, Place
from dialer.core.overriding import uses
from dialer.core.planning import (
    AGENT_RETRY,
    AgentIsIdle,
    Dial,
    Plan,
    plan,
)
from dialer.core.records import event_id, to_ms
from dialer.core.snapshots import AccountSnapshot
from dialer.core.writes import Write
from dialer.runtime.batches import ROUNDS, Batches, Decided, PumpReport, PumpSettings, encoded
from dialer.runtime.calls import Calls
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.stores.ledger.ids import Ids
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.streams import Appended, EventStore
from dialer.stores.redis.queue import READY, CampaignQueue, Claim, Settlement
from telephony_adapters.messages import CallId, Originate

log = structlog.get_logger()

CLAIMS_IN_VAIN = 2_000
"""A run that has placed nothing from so many accounts leaves the rest to the next tick."""
LEAST_YIELD = 0.05
YIELD_MEMORY = 0.8
LEFT_OVER = 32
"""Of so many calls that are wanted, one may be left out."""


class LiveContact(msgspec.Struct):
    """A contact between intent and outcome, with the lease of its account."""

    contact: Contact
    claim: Claim
    verified: bool = False
    identity_tries: int = 0
    disposing: bool = False
    """A disposition is being written: a second one is not taken."""
    inbound: bool = False
    """The person called us; the account has no lease."""
    language: str | None = None
    """The language that the person chose by key in this call."""
    number_proven: bool = True
    """The number on the line is the contact point of the contact."""
    ended: bool = False
    """The call is over."""
    disposed: bool = False
    """Disposed of while the person still speaks with somebody outside."""


class PumpParts(NamedTuple):
    """What a pump works with."""

    campaign: CampaignContext
    settings: PumpSettings
    clock: Clock
    queue: CampaignQueue
    store: EventStore
    reader: EventReader
    packs: PackSet
    calls: Calls
    desk: Desk
    contacts: dict[str, LiveContact]
    tally: Tally
    agent_is_idle: AgentIsIdle


class Pump(Batches[Plan, Dial]):
    """The pump of one campaign; its owner calls `run` and nothing else dials for it."""

    def __init__(self, parts: PumpParts) -> None:
        super().__init__(parts.campaign.campaign_id, parts.tally)
        self.campaign = parts.campaign
        self._settings = parts.settings
        self._clock = parts.clock
        self._queue = parts.queue
        self._store = parts.store
        self._reader = parts.reader
        self._packs = parts.packs
        self._calls = parts.calls
        self._desk = parts.desk
        self._reserved: dict[CallId, AgentSession] = {}
        self._contacts = parts.contacts
        self._agent_is_idle = parts.agent_is_idle
        self._new_id = Ids()
        self._yield = 1.0
        """Share of claimed accounts that lately became calls."""

    async def serve(self) -> int:
        """Do what agents chose since; how many of what was placed came to no call after all."""
        return 0

    async def withdraw(self) -> int:
        """Take back what agents have not chosen yet; how many."""
        return 0

    async def run(self, want: int) -> PumpReport:
        """Place up to `want` calls. Raises what the stores raise; nothing is half done then.

        The last few of very many are left to the next tick: a batch of their own would cost more.
        """
        report = PumpReport()
        while (missing := want - report.placed) > want // LEFT_OVER:
            # Some accounts come to nothing: claim as many as it usually takes, and a few for
            # chance; a batch more for the last of them costs more than to give some back.
            size = math.ceil(missing / self._yield) + math.isqrt(missing) // 2
            size = min(self._settings.batch_size, size)
            claims = await self._queue.claim(
                size,
                now_ms=to_ms(self._clock.now()),
                lease_ms=self._settings.lease_ms,
                token=self._new_id(),
            )
            if not claims:
                break
            report.claimed += len(claims)
            placed = await self._batch(claims, missing, report)
            report.placed += placed
            if placed == 0 and report.claimed >= CLAIMS_IN_VAIN:
                break
        return report

    async def _batch(self, claims: Sequence[Claim], most: int, report: PumpReport) -> int:
        """Decide the claimed accounts and place at most `most` calls; how many.

        What was not decided goes back to the queue, also when a store fails on the way.
        """
        left = {claim.item: claim for claim in claims}
        asleep: list[Settlement] = []
        placed = 0
        try:
            for first_round in (True, *(False,) * (ROUNDS - 1)):
                if not left or most - placed <= most // LEFT_OVER:
                    break
                decided = await self._plan([AccountId(i) for i in left], most - placed)
                plans = [await self._with_agent(planned) for planned in decided.plans]
                at_ms = to_ms(self._clock.now())
                events, owners = self._events(plans, decided.house_head, at_ms)
                results = await self._store.append(events) if events else []
                won = self._carry_out(plans, owners, results, left, asleep, report)
                placed += won
                if first_round:
                    self._learn_yield(won / decided.seen)
        finally:
            self._release_reserved()
            back = [Settlement(c.item, c.lease_token, READY) for c in left.values()]
            await self._queue.settle([*asleep, *back])
        report.lost += len(left) if placed < most else 0
        return placed

    def _learn_yield(self, share: float) -> None:
        self._yield = max(LEAST_YIELD, YIELD_MEMORY * self._yield + (1 - YIELD_MEMORY) * share)

    async def _plan(self, account_ids: list[AccountId], most: int) -> Decided[Plan]:
        """Plans of the accounts in their order, until `most` of them are dials."""
        now = self._clock.now()
        since_ms = to_ms(now - self.campaign.lookback)
        batch = await self._reader.read_batch(self.campaign.campaign_id, account_ids, since_ms)

        def one(account: AccountSnapshot) -> Plan:
            return plan(
                account,
                self.campaign,
                self._packs,
                now,
                self._new_id,
                self._agent_is_idle,
                self._settings.permit_lifetime_s,
            )

        return self._decide(batch, account_ids, one, to_ms(now), most)

    async def _with_agent(self, planned: Plan) -> Plan:
        """Reserve the agent of a dial that needs one beforehand; without one the account waits."""
        dial = planned.dial
        if dial is None or not dial.agent_first:
            return planned
        call_id = CallId(dial.contact.attempt_id)
        if dial.own_agent_id is not None:
            session = await self._desk.take_own(dial.own_agent_id, call_id)
        else:
            session = await self._desk.take(self.campaign.campaign_id, call_id)
        if session is None:
            at_ms = to_ms(self._clock.now() + AGENT_RETRY)
            return planned._replace(dial=None, place=Place("waiting", at_ms, "agent_first"))
        self._reserved[call_id] = session
        return planned

    def _release_reserved(self) -> None:
        """Agents who were reserved for calls that then were not placed."""
        while self._reserved:
            _, session = self._reserved.popitem()
            self._calls.release(session.agent_id)

    # --- a call, as every pump's batches know it ----------------------------------------------

    def _act(self, planned: Plan) -> Dial | None:
        return planned.dial

    def _record(self, act: Dial) -> bytes:
        return encoded(act.record)

    def _writes(self, act: Dial, at_ms: int) -> tuple[Write, ...]:
        return uses(act.record, at_ms)

    def _stand_still(self, account_id: AccountId, place: Place) -> Plan:
        return Plan(account_id, (), None, place)

    def _beaten(self, act: Dial) -> None:
        session = self._reserved.pop(CallId(act.contact.attempt_id), None)
        if session is not None:
            self._calls.release(session.agent_id)

    def _go(self, planned: Plan, act: Dial, claim: Claim, appended: Appended) -> None:
        reserved = self._reserved.pop(CallId(act.contact.attempt_id), None)
        self._dial(act, claim, appended, reserved)

    def _dial(
        self, dial: Dial, claim: Claim, appended: Appended, reserved: AgentSession | None
    ) -> None:
        settings = self.campaign.settings
        contact = msgspec.structs.replace(
            dial.contact, event_id=event_id(appended.person_id, appended.seq)
        )
        self._contacts[contact.attempt_id] = LiveContact(contact, claim)
        call = Call(
            call_id=CallId(contact.attempt_id),
            person_id=contact.person_id,
            account_id=contact.account_id,
            contact_point_id=contact.point.contact_point_id,
            campaign_id=contact.campaign_id,
            segment=contact.segment,
            lease_token=claim.lease_token,
            planned_at=self._clock.now(),
            amd=settings.amd,
            connect_limit_ms=settings.connect_limit_ms,
            **self.campaign.scripts.on_call(dial.record.request.mode),
        )
        originate = Originate(
            call_id=call.call_id,
            to=contact.point.address,
            caller_id=dial.record.request.caller_id,
            trunk=self._settings.trunk,
            ring_timeout_s=settings.ring_timeout_s,
            amd=settings.amd,
            segment=contact.segment,
        )
        self._calls.place(call, originate, dial.permit, reserved)
