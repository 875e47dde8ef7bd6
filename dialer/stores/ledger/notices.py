"""Notices and letters sent outside of Marcador, as history of the people who got them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import AccountId, Channel, DebtId, EventKind, PersonId
from dialer.core.records import Imported
from dialer.stores.ledger.bulk import JsonQuery, of_postgresql
from dialer.stores.ledger.locks import lock_streams
from dialer.stores.ledger.schema import account_party, debt
from dialer.stores.ledger.streams import EventStore, NewEvent
from dialer.stores.ledger.waking import wake_people

_CHANNELS: Final = {EventKind.LETTER_MAILED: Channel.LETTER}
_KNOWN = JsonQuery(
    """
    SELECT AGG(ARRAY(e.person_id, e.at_ms, e.body))
    FROM EACH(:ids) AS k JOIN ledger_event AS e ON e.person_id = k.value
    WHERE e.kind = 'history_imported'
    """,
    msgspec.json.Decoder(list[tuple[PersonId, int, str]] | None),
)
_BODY: Final = msgspec.json.Decoder(Imported)


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A written notice that a person got."""

    person_id: PersonId
    at_ms: int
    kind: EventKind
    """`LETTER_MAILED`, or `NOTICE_GIVEN` by whatever way."""
    debt_ids: tuple[DebtId, ...]
    """Debts that it was about, in order; empty: all of the person's."""


async def add_notices(conn: AsyncConnection, notices: Sequence[Notice], *, source: str) -> int:
    """Add those that do not stand yet to the people's streams, dated when they were sent; how
    many. Decisions in flight that were made without them lose their append."""
    asked = dict.fromkeys(notices)
    people = sorted({notice.person_id for notice in asked})
    if of_postgresql(conn) and people:
        await lock_streams(conn, people, alone=False)
    known = {
        _notice(person_id, at_ms, _BODY.decode(body))
        for person_id, at_ms, body in await _KNOWN.run(conn, ids=people) or ()
    }
    events = [
        NewEvent(
            person_id=notice.person_id,
            at_ms=notice.at_ms,
            body=Imported(
                kind=notice.kind,
                channel=_CHANNELS.get(notice.kind),
                debt_ids=notice.debt_ids,
                source=source,
            ),
        )
        for notice in asked
        if notice not in known
    ]
    await EventStore.append_in(conn, events)
    await wake_people(conn, (event.person_id for event in events))
    return len(events)


def _notice(person_id: PersonId, at_ms: int, body: Imported) -> Notice:
    return Notice(person_id=person_id, at_ms=at_ms, kind=body.kind, debt_ids=body.debt_ids)


async def debts_of(
    conn: AsyncConnection, person_id: PersonId, *, account_id: str | None, reference: str | None
) -> tuple[DebtId, ...]:
    """Debts of the person, of one account or by their reference, in the order of ids."""
    query = (
        select(debt.c.debt_id)
        .join(account_party, account_party.c.account_id == debt.c.account_id)
        .where(account_party.c.person_id == person_id)
    )
    if account_id is not None:
        query = query.where(debt.c.account_id == AccountId(account_id))
    if reference is not None:
        query = query.where(debt.c.reference == reference)
    rows = await conn.execute(query.order_by(debt.c.debt_id))
    return tuple(DebtId(debt_id) for debt_id in rows.scalars())
