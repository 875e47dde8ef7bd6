"""What the ledger knows of the notices that a person got and of the checks of their numbers."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import ContactPointKind, DebtId, EventKind, PersonId
from dialer.core.records import Imported, event_id
from dialer.stores.ledger.oversight_schema import number_check
from dialer.stores.ledger.schema import account_party, contact_point, debt, ledger_event, person

NOTICES: Final = frozenset({EventKind.LETTER_MAILED, EventKind.NOTICE_GIVEN})
_body: Final = msgspec.json.Decoder(Imported)


class NoticeToldOf(msgspec.Struct, frozen=True, kw_only=True):
    """A written notice, as a list told of it."""

    event_id: str
    at_ms: int
    kind: EventKind
    debt_ids: tuple[DebtId, ...]
    """Debts that it was about; empty: all of the person's."""
    source: str


class DatedNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A written notice, as the creditor's file dates it in a debt."""

    debt_id: DebtId
    at_ms: int


class CheckToldOf(msgspec.Struct, frozen=True, kw_only=True):
    """What a database answered about one of the person's numbers."""

    address: str
    kind: str
    answer: str
    checked_ms: int
    source: str


class PersonEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, oldest first."""

    person_id: str
    notices: list[NoticeToldOf]
    dated: list[DatedNotice]
    checks: list[CheckToldOf]


async def evidence_of(conn: AsyncConnection, person_id: str) -> PersonEvidence | None:
    """None where there is no such person."""
    known = select(person.c.person_id).where(person.c.person_id == person_id)
    if (await conn.execute(known)).scalar() is None:
        return None
    return PersonEvidence(
        person_id=person_id,
        notices=await _notices(conn, PersonId(person_id)),
        dated=await _dated(conn, person_id),
        checks=await _checks(conn, person_id),
    )


async def _notices(conn: AsyncConnection, person_id: PersonId) -> list[NoticeToldOf]:
    event = ledger_event.c
    query = (
        select(event.seq, event.at_ms, event.body)
        .where(event.person_id == person_id, event.kind == "history_imported")
        .order_by(event.at_ms, event.seq)
    )
    told = [(row.seq, row.at_ms, _body.decode(row.body)) for row in await conn.execute(query)]
    return [
        NoticeToldOf(
            event_id=event_id(person_id, seq),
            at_ms=at_ms,
            kind=body.kind,
            debt_ids=body.debt_ids,
            source=body.source,
        )
        for seq, at_ms, body in told
        if body.kind in NOTICES
    ]


async def _dated(conn: AsyncConnection, person_id: str) -> list[DatedNotice]:
    query = (
        select(debt.c.debt_id, debt.c.validation_sent_ms)
        .join(account_party, account_party.c.account_id == debt.c.account_id)
        .where(account_party.c.person_id == person_id, debt.c.validation_sent_ms.is_not(None))
        .order_by(debt.c.validation_sent_ms, debt.c.debt_id)
    )
    return [
        DatedNotice(debt_id=DebtId(debt_id), at_ms=at_ms)
        for debt_id, at_ms in await conn.execute(query)
    ]


async def _checks(conn: AsyncConnection, person_id: str) -> list[CheckToldOf]:
    check, point = number_check.c, contact_point.c
    query = (
        select(check.address, check.kind, check.answer, check.checked_ms, check.source)
        .where(
            check.address.in_(
                select(point.address).where(
                    point.person_id == person_id,
                    point.kind.in_((ContactPointKind.PHONE, ContactPointKind.WHATSAPP)),
                )
            )
        )
        .order_by(check.checked_ms, check.check_id)
    )
    return [
        msgspec.convert(row, CheckToldOf, from_attributes=True) for row in await conn.execute(query)
    ]
