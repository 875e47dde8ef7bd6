"""Two campaigns and four workers over the same people: the last allowed contact is taken once."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from compliance.types import DebtId, DebtStatus, PersonId, SuppressionScope
from dialer.core.records import PaymentPosted, SubjectChanged, to_ms
from dialer.core.writes import AddSuppression, SetDebtStatus
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.streams import EventStore, NewEvent
from dialer.stores.ledger.verify import verify_ledger
from tests.faults.farm import finish, spawn
from tests.faults.prepared import MORNING
from tests.races.conftest import Field, OpenField
from tests.races.judge import Contacted, judge_race
from tests.races.racer import RaceOptions, RaceReport, run_race

WORKERS = 4


def stop_of(person_id: str) -> NewEvent:
    """The person said stop: from here on nobody contacts them."""
    write = AddSuppression(
        person_id=PersonId(person_id),
        suppression_id=new_id(),
        scope=SuppressionScope.PERSON,
        reason="stop",
        starts_ms=to_ms(MORNING),
        created_by="test",
    )
    return NewEvent(
        person_id=PersonId(person_id),
        at_ms=to_ms(MORNING),
        body=SubjectChanged(change="stop"),
        writes=(write,),
    )


def payment_of(person_id: str, debt_id: str) -> NewEvent:
    """The debt was paid in full."""
    paid = DebtId(debt_id)
    write = SetDebtStatus(person_id=PersonId(person_id), debt_id=paid, status=DebtStatus.PAID)
    return NewEvent(
        person_id=PersonId(person_id),
        at_ms=to_ms(MORNING),
        body=PaymentPosted(payment_id=new_id(), debt_id=paid, settles=True),
        writes=(write,),
    )


async def debts_of(ledger: Ledger) -> list[tuple[str, str]]:
    """Every person with each debt that is theirs."""
    query = """SELECT p.person_id, d.debt_id FROM account_party AS p
               JOIN debt AS d ON d.account_id = p.account_id ORDER BY 1, 2"""
    async with ledger.read() as conn:
        return [(row[0], row[1]) for row in await conn.execute(text(query))]


async def run_workers(field: Field) -> list[RaceReport]:
    """Four processes, two on each campaign, until all of them have nothing left."""
    results = [field.folder / f"racer-{number}.json" for number in range(WORKERS)]
    processes = [
        spawn(
            run_race,
            RaceOptions(
                ledger_url=field.ledger_url,
                redis_url=field.redis_url,
                campaign_id=field.campaigns[number % len(field.campaigns)],
                country=field.country,
                packs=str(field.packs),
                result=str(results[number]),
                racers=WORKERS,
            ),
        )
        for number in range(WORKERS)
    ]
    statuses = await asyncio.gather(*(asyncio.to_thread(finish, p) for p in processes))
    assert statuses == [0] * WORKERS
    return [_report(path) for path in results]


def _report(path: Path) -> RaceReport:
    return msgspec.json.decode(path.read_bytes(), type=RaceReport)


def check(found: Contacted, reports: list[RaceReport]) -> None:
    assert not found.problems, found.problems[:10]
    originated = [call for report in reports for call in report.originated]
    assert len(originated) == len(set(originated))
    assert set(originated) == found.attempts.keys()
    assert sum(report.placed for report in reports) == len(originated)


@pytest.mark.parametrize("country", ["US", "CL"])
async def test_the_last_contact_is_taken_once(open_field: OpenField, country: str) -> None:
    field = await open_field(country, accounts=400)
    reports = await run_workers(field)
    found = await judge_race(field.ledger)
    check(found, reports)
    assert len(found.attempts) > 150
    assert sum(1 for report in reports if report.originated) > 1, "nobody raced"
    assert sum(report.lost for report in reports) > 0, "nobody was ever too late"
    assert (await verify_ledger(field.ledger)).holds


async def test_a_stop_or_payment_wins_under_load(open_field: OpenField) -> None:
    seed = 20261123
    rng = random.Random(seed)
    field = await open_field("US", accounts=400)
    owed = await debts_of(field.ledger)
    rng.shuffle(owed)
    racing = asyncio.create_task(run_workers(field))
    # A connection of its own, as the console's or a webhook's would be.
    outside = await open_ledger(field.ledger_url, now_ms=to_ms(MORNING))
    try:
        store = EventStore(outside)
        for person_id, debt_id in owed:
            if racing.done():
                break
            event = stop_of(person_id) if rng.random() < 0.6 else payment_of(person_id, debt_id)
            await store.append([event])
            await asyncio.sleep(rng.uniform(0, 0.004))
        reports = await racing
    finally:
        await outside.close()
    found = await judge_race(field.ledger)
    check(found, reports)
    assert found.stopped > 0, f"no stop came in time to matter, seed {seed}"
    assert found.attempts, f"no call came in time to matter, seed {seed}"
    assert (await verify_ledger(field.ledger)).holds
