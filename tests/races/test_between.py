"""What lands between the facts and the append wins: every time, not only by chance."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from compliance.types import PersonId
from dialer.core.records import AttemptPlanned
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.streams import AppendResult, EventStore, NewEvent
from tests.races.conftest import Field, OpenField
from tests.races.judge import judge_race
from tests.races.racer import Racer, RaceReport, WatchedStore, context_of
from tests.races.test_last_contact import payment_of, stop_of

TOO_MANY = 60


class Interposed(WatchedStore):
    """Before every batch of intents is appended, something happens to the people in it."""

    def __init__(self, ledger: Ledger, what: str) -> None:
        super().__init__(ledger)
        self._what = what
        self._outside = EventStore(ledger)
        self.struck: set[PersonId] = set()

    async def append(self, events: Sequence[NewEvent]) -> list[AppendResult]:
        planned = [e for e in events if isinstance(e.body, AttemptPlanned)]
        for event in planned:
            if event.person_id not in self.struck and len(self.struck) < TOO_MANY:
                self.struck.add(event.person_id)
                await self._outside.append([self._blow(event)])
        return await super().append(events)

    def _blow(self, event: NewEvent) -> NewEvent:
        if self._what == "stop":
            return stop_of(event.person_id)
        assert isinstance(event.body, AttemptPlanned)
        return payment_of(event.person_id, event.body.debt_ids[0])


async def run_one(field: Field, store: WatchedStore) -> RaceReport:
    racer = Racer(
        ledger=field.ledger,
        redis=field.redis,
        context=await context_of(field.ledger, field.campaigns[0], field.country),
        packs=field.packs,
        store=store,
    )
    await racer.start()
    report = await racer.run()
    await racer.close()
    return report


@pytest.mark.parametrize("what", ["stop", "payment"])
async def test_it_wins_every_time(open_field: OpenField, what: str) -> None:
    field = await open_field("US", accounts=150, campaigns=1)
    store = Interposed(field.ledger, what)
    report = await run_one(field, store)
    found = await judge_race(field.ledger)
    assert not found.problems, found.problems[:5]
    assert len(store.struck) == TOO_MANY
    assert report.lost >= TOO_MANY
    assert not store.struck.intersection(found.attempts.values())
    assert report.placed == len(found.attempts) > 0


class Overtaken(WatchedStore):
    """Another campaign appends its attempt on the same people first."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._other: Racer | None = None
        self._inside = False

    def overtaken_by(self, other: Racer) -> None:
        self._other = other

    async def append(self, events: Sequence[NewEvent]) -> list[AppendResult]:
        if self._other is not None and not self._inside:
            self._inside = True
            await self._other.pump.run(24)
            await self._other.outcomes.wait_empty()
            await self._other.recorder.flush()
            self._inside = False
        return await super().append(events)


async def test_of_two_campaigns_the_faster_has_the_contact(open_field: OpenField) -> None:
    field = await open_field("US", accounts=120)
    slow_store = Overtaken(field.ledger)
    first, second = [
        Racer(
            ledger=field.ledger,
            redis=field.redis,
            context=await context_of(field.ledger, campaign_id, field.country),
            packs=field.packs,
            store=store,
        )
        for campaign_id, store in zip(
            field.campaigns, (slow_store, WatchedStore(field.ledger)), strict=True
        )
    ]
    slow_store.overtaken_by(second)
    for racer in (first, second):
        await racer.start()
    slow = await first.run()
    fast = await second.run()
    for racer in (first, second):
        await racer.close()
    found = await judge_race(field.ledger)
    assert not found.problems, found.problems[:5]
    assert slow.lost > 0
    assert len(fast.originated) > len(slow.originated)
    assert set(found.attempts) == {*slow.originated, *fast.originated}
