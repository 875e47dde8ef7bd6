"""Appends to a ledger without end, until it is killed; tells on stdout what it was promised.

Run as `python -m tests.stores.ledger.crash_writer PATH RUN`.
"""

from __future__ import annotations

import asyncio
import random
import sys

from compliance.types import PersonId
from dialer.stores.ledger.database import open_ledger
from dialer.stores.ledger.streams import Appended, EventStore, NewEvent
from tests.stores.ledger.world import ended, planned

PEOPLE = 40


async def write(path: str, run: int) -> None:
    rng = random.Random(run)
    ledger = await open_ledger(f"sqlite+aiosqlite:///{path}", now_ms=0)
    store = EventStore(ledger)
    heads = {
        person: len(await store.read_person(PersonId(person)))
        for person in (f"p{number}" for number in range(PEOPLE))
    }
    batch_no = 0
    while True:
        batch_no += 1
        people = rng.sample(sorted(heads), 20)
        attempts = {person: f"{run}-{batch_no}-{person}" for person in people}
        events = [
            planned(person, attempt, expected={person: heads[person]}, links=("account:x",))
            for person, attempt in attempts.items()
        ]
        won = await store.append(events)
        told(events, [isinstance(result, Appended) for result in won])
        ends = [ended(person, attempts[person], account_id="account") for person in people]
        results = await store.append(ends)
        told(ends, [isinstance(result, Appended) for result in results])
        for person in people:
            heads[person] += 2


def told(events: list[NewEvent], appended: list[bool]) -> None:
    """One line for each durable event; written at once, so that a kill cannot lose it."""
    assert all(appended)
    lines = [f"{event.person_id} {type(event.body).__name__}\n" for event in events]
    sys.stdout.write("".join(lines))
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2])))
