"""What databases of telephone numbers said: reassigned, wireless, ported, a litigator's."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import ContactPointKind, PersonId
from dialer.core.records import SubjectChanged
from dialer.stores.ledger.bulk import Value, bulk_insert
from dialer.stores.ledger.oversight_schema import number_check
from dialer.stores.ledger.profiles import lock_persons, rebuild_profiles
from dialer.stores.ledger.schema import contact_point
from dialer.stores.ledger.streams import EventStore, NewEvent

CHANGE: Final = "number_check"
_ADD: Final = bulk_insert(
    number_check,
    ["check_id", "address", "kind", "answer", "checked_ms", "source"],
    ignore_conflicts=True,
)


class NumberCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One answer about one number."""

    address: str
    """E.164."""
    kind: str
    answer: str
    checked_ms: int

    @property
    def check_id(self) -> str:
        """The same answer of the same moment is the same check."""
        text = f"{self.address}/{self.kind}/{self.answer}/{self.checked_ms}"
        return hashlib.sha256(text.encode()).hexdigest()[:40]


async def people_with(
    conn: AsyncConnection, addresses: Collection[str]
) -> dict[str, list[tuple[PersonId, str]]]:
    """Who has each number, with the id of their contact point."""
    c = contact_point.c
    rows = await conn.execute(
        select(c.address, c.person_id, c.contact_point_id).where(
            c.address.in_(addresses),
            c.kind.in_((ContactPointKind.PHONE, ContactPointKind.WHATSAPP)),
        )
    )
    found: defaultdict[str, list[tuple[PersonId, str]]] = defaultdict(list)
    for address, person_id, point_id in rows:
        found[address].append((PersonId(person_id), point_id))
    return dict(found)


async def add_checks(
    conn: AsyncConnection, checks: Sequence[NumberCheck], *, source: str, actor: str, now_ms: int
) -> int:
    """Add those that do not stand yet, with an event in the stream of everybody who has the
    number; how many."""
    by_id = {check.check_id: check for check in checks}
    known = set(
        (
            await conn.execute(
                select(number_check.c.check_id).where(number_check.c.check_id.in_(by_id))
            )
        ).scalars()
    )
    new = {check_id: check for check_id, check in by_id.items() if check_id not in known}
    holders = await people_with(conn, {check.address for check in new.values()})
    events = [
        NewEvent(
            person_id=person_id,
            at_ms=now_ms,
            body=SubjectChanged(
                change=CHANGE,
                target=point_id,
                value=f"{check.kind}:{check.answer}",
                source=source,
                actor=actor,
            ),
        )
        for check in new.values()
        for person_id, point_id in holders.get(check.address, ())
    ]
    await EventStore.append_in(conn, events)
    people = {event.person_id for event in events}
    await lock_persons(conn, people)
    rows: list[dict[str, Value]] = [
        {
            "check_id": check_id,
            "address": check.address,
            "kind": check.kind,
            "answer": check.answer,
            "checked_ms": check.checked_ms,
            "source": source,
        }
        for check_id, check in new.items()
    ]
    await _ADD.run(conn, rows)
    await rebuild_profiles(conn, people)
    return len(new)
