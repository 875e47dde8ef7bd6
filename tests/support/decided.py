"""Decides contacts of a ledger as the pump does, without a queue or a carrier."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from campaigns.dispositions import DispositionCode
from compliance.messages import Collector, Place
from compliance.packs import PackSet
from compliance.types import AccountId, CollectorRole, EventKind, StreamKey
from dialer.core.deciding import CampaignContext
from dialer.core.overriding import uses
from dialer.core.planning import Dial, Plan, plan
from dialer.core.records import AttemptEnded, to_ms
from dialer.core.snapshots import in_house
from dialer.core.writes import CloseAttempt, OpenAttempt
from dialer.stores.ledger.campaigns import Campaign
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.house import read_house
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.streams import Appended, EventStore, NewEvent

LOOKBACK = timedelta(days=40)


class Decider:
    """Plans accounts of one campaign and appends what was planned."""

    def __init__(self, ledger: Ledger, packs: PackSet, campaign: Campaign) -> None:
        self.store = EventStore(ledger)
        self._packs = packs
        self.context = CampaignContext(
            campaign_id=campaign.campaign_id,
            name=campaign.name,
            settings=campaign.settings,
            collector=Collector(
                collector_id="house", role=CollectorRole.THIRD_PARTY, place=Place(country="CL")
            ),
            lookback=LOOKBACK,
        )

    async def decide(self, ids: Sequence[AccountId], now: datetime) -> list[Plan]:
        """Plan and append; a dial that lost its append is not among the plans."""
        return [await self.append(planned, now) for planned in await self.plan(ids, now)]

    async def plan(self, ids: Sequence[AccountId], now: datetime) -> list[Plan]:
        """What the gate says now; nothing is written."""
        accounts = await self.store.read_accounts(
            self.context.campaign_id, ids, to_ms(now - self.context.lookback)
        )
        async with self.store.ledger.read() as conn:
            house = await read_house(conn)
        return [
            plan(
                in_house(account, house),
                self.context,
                self._packs,
                now,
                new_id,
                lambda _: True,
                10.0,
            )
            for account in accounts
        ]

    async def append(self, planned: Plan, now: datetime) -> Plan:
        """A dial whose append lost is taken out of its plan."""
        results = await self.store.append(_events(planned, to_ms(now)))
        lost = planned.dial is not None and not isinstance(results[-1], Appended)
        return planned._replace(dial=None) if lost else planned

    async def end(
        self,
        dial: Dial,
        at: datetime,
        *,
        outcome: EventKind = EventKind.RANG_NO_ANSWER,
        code: str = DispositionCode.NO_ANSWER,
        talk_ms: int | None = None,
    ) -> None:
        """The end of a dial, as the network tells it."""
        body = AttemptEnded(
            attempt_id=dial.contact.attempt_id,
            outcome=outcome,
            code=code,
            ring_ms=25_000,
            talk_ms=talk_ms,
        )
        event = NewEvent(
            person_id=dial.contact.person_id,
            at_ms=to_ms(at),
            body=body,
            links=dial.contact.links,
            writes=(CloseAttempt(),),
        )
        (result,) = await self.store.append([event])
        assert isinstance(result, Appended)


def _events(planned: Plan, at_ms: int) -> list[NewEvent]:
    events = [
        NewEvent(
            person_id=blocked.person_id,
            at_ms=at_ms,
            body=blocked.body,
            record=msgspec.json.encode(blocked.record),
        )
        for blocked in planned.blocked
    ]
    dial = planned.dial
    if dial is not None:
        own = StreamKey(dial.contact.person_id)
        expected = {key: dial.heads.get(key, 0) for key in (own, *dial.contact.links)}
        expected[own] += sum(b.person_id == dial.contact.person_id for b in planned.blocked)
        events.append(
            NewEvent(
                person_id=dial.contact.person_id,
                at_ms=at_ms,
                body=dial.body,
                record=msgspec.json.encode(dial.record),
                expected=expected,
                links=dial.contact.links,
                writes=(OpenAttempt(), *uses(dial.record, at_ms)),
            )
        )
    return events
