"""Numbers that several people have, marked over the whole ledger after every import.

A shared number may be answered by somebody who knows nothing of the debt, and what happens on it
counts for everybody who has it. Sharing is judged by the number alone: one person in two
portfolios is two people here, so that what both creditors' campaigns do is counted together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import ContactPointId, PartyRole, PersonId
from dialer.core.records import SubjectChanged
from dialer.stores.ledger import schema
from dialer.stores.ledger.bulk import JsonQuery, bulk_update
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.profiles import lock_persons, rebuild_profiles
from dialer.stores.ledger.streams import EventStore, NewEvent

STRANGERS: Final = frozenset({PartyRole.REFERENCE, PartyRole.RELATIVE, PartyRole.THIRD_PARTY})
"""Roles of people who owe nothing: their number must not be dialed as a debtor's."""

MOST_NAMED: Final = 50
"""People named as sharers of one number. A switchboard may have thousands; that it is shared
stays true, and what happens on it is counted by the number's own stream."""

PAGE: Final = 500
"""Numbers that are looked at together, and marked in one transaction."""


class SharedCounts(msgspec.Struct, kw_only=True):
    shared: int = 0
    """Numbers that several people have as their own."""
    also_reference: int = 0
    """Numbers that somebody has as their own and that are another one's reference."""
    changed: int = 0
    """Contact points whose marks were not what they should be."""


class _Point(msgspec.Struct, frozen=True, array_like=True, gc=False):
    address: str
    contact_point_id: ContactPointId
    person_id: PersonId
    role: PartyRole
    shared_with: str
    also_reference: bool | int


class _Mark(msgspec.Struct, frozen=True):
    contact_point_id: ContactPointId
    shared_with: str
    also_reference: bool


_ADDRESSES = JsonQuery(
    """
    SELECT ARRAY(max(g.address), AGG(g.address)) FROM (
      SELECT c.address FROM contact_point AS c
       WHERE c.address > :after AND c.kind IN ('phone', 'whatsapp')
       GROUP BY c.address
      HAVING min(c.person_id) <> max(c.person_id)
          OR max(CASE WHEN c.shared_with <> '[]' OR c.also_reference THEN 1 ELSE 0 END) = 1
       ORDER BY c.address LIMIT :most) AS g
    """,
    msgspec.json.Decoder(tuple[str | None, list[str] | None]),
)
_POINTS = JsonQuery(
    """
    SELECT AGG(ARRAY(c.address, c.contact_point_id, c.person_id, c.role, c.shared_with,
                     c.also_reference))
      FROM EACH(:addresses) AS k CROSS JOIN contact_point AS c
     WHERE c.address = k.value AND c.kind IN ('phone', 'whatsapp')
    """,
    msgspec.json.Decoder(list[_Point] | None),
)
_MARK = bulk_update(schema.contact_point, ["contact_point_id"], ["shared_with", "also_reference"])


async def mark_shared(ledger: Ledger, *, now_ms: int, source: str) -> SharedCounts:
    """Bring `shared_with` and `also_reference` of every contact point to what is true now.

    Where they are true already nothing is written. Everybody whose contact point changes gets
    an event. Each page of numbers is a transaction of its own; interrupted, run it again.
    """
    counts = SharedCounts()
    after = ""
    while True:
        async with ledger.read() as conn:
            last, addresses = await _ADDRESSES.run(conn, after=after, most=PAGE)
            points = await _POINTS.run(conn, addresses=addresses or []) or []
        if last is None or addresses is None:
            return counts
        after = last
        if _due(points, counts):
            counts.changed += await _mark(ledger, addresses, now_ms, source)


async def _mark(ledger: Ledger, addresses: Sequence[str], now_ms: int, source: str) -> int:
    async def work(conn: AsyncConnection) -> int:
        points = await _POINTS.run(conn, addresses=addresses) or []
        marks = _due(points, SharedCounts())
        changed = {mark.contact_point_id for mark in marks}
        people = sorted({p.person_id for p in points if p.contact_point_id in changed})
        body = SubjectChanged(change="shared", source=source)
        await EventStore.append_in(
            conn, [NewEvent(person_id=p, at_ms=now_ms, body=body) for p in people]
        )
        await lock_persons(conn, people)
        await _MARK.run(conn, marks)
        await rebuild_profiles(conn, people)
        return len(marks)

    return await ledger.transact(work)


def _due(points: Sequence[_Point], counts: SharedCounts) -> list[_Mark]:
    """The marks that are missing or wrong; adds up what is shared at all."""
    by_address: dict[str, list[_Point]] = {}
    for point in points:
        by_address.setdefault(point.address, []).append(point)
    marks: list[_Mark] = []
    for group in by_address.values():
        owners = sorted({p.person_id for p in group if p.role not in STRANGERS})
        strangers = {p.person_id for p in group if p.role in STRANGERS}
        counts.shared += len(owners) > 1
        counts.also_reference += any(strangers - {owner} for owner in owners)
        for point in group:
            others = [owner for owner in owners if owner != point.person_id][:MOST_NAMED]
            shared_with = msgspec.json.encode(others).decode()
            also_reference = bool(strangers - {point.person_id})
            if shared_with != point.shared_with or also_reference != bool(point.also_reference):
                marks.append(_Mark(point.contact_point_id, shared_with, also_reference))
    return marks
