"""Lists of evidence as CSV: notices that were sent outside of Marcador.

Columns of a list of notices, in English or Spanish: one of `person_id`, `document`, `account`
(`persona`, `documento`, `cuenta`); `date` (`fecha`); `kind` (`tipo`): `letter` (`carta`) or
`notice` (`aviso`); and where wanted `debt` (`deuda`), the reference of one debt.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import EventKind
from dialer.core.records import day_over_ms, from_ms
from dialer.runtime.listed_files import (
    BadLine,
    Batch,
    Kind,
    Line,
    ListRead,
    Taken,
    date_of,
    each,
    instant,
    read_listed,
)
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.notices import Notice, add_notices, debts_of
from dialer.stores.ledger.suppression_lists import (
    people_by_account,
    people_by_document,
    people_by_id,
)

_PEOPLE: Final = {
    "person_id": people_by_id,
    "document": people_by_document,
    "account": people_by_account,
}
_NOTICE_KINDS: Final = {
    "letter": EventKind.LETTER_MAILED,
    "carta": EventKind.LETTER_MAILED,
    "notice": EventKind.NOTICE_GIVEN,
    "aviso": EventKind.NOTICE_GIVEN,
}


async def read_notices(
    ledger: Ledger, file: Path, *, rejects: Path, actor: str, now: datetime
) -> ListRead:
    """Record every notice that a file tells of. The same file again changes nothing.

    A day counts as over: what must wait some days after a notice is never let go too soon. Raises
    what `read_listed` does.
    """
    return await read_listed(ledger, file, _NOTICES, rejects=rejects, actor=actor, now=now)


async def _add_notices(conn: AsyncConnection, batch: Batch) -> Taken:
    asked, rejected = await each(batch.lines, partial(_read_notice, conn, batch.now_ms))
    wanted = set(asked)
    added = await add_notices(conn, asked, source=batch.source)
    return Taken(added, len(wanted) - added, rejected)


async def _read_notice(conn: AsyncConnection, now_ms: int, line: Line) -> list[Notice]:
    """Raises `BadLine`."""
    cells = line.cells
    who = next((name for name in _PEOPLE if cells.get(name)), None)
    if who is None:
        raise BadLine(",".join(_PEOPLE), "says nobody")
    kind = _NOTICE_KINDS.get(cells.get("kind", "").lower())
    if kind is None:
        raise BadLine("kind", f"is none of {', '.join(_NOTICE_KINDS)}")
    at_ms = _sent("date", cells.get("date", ""), from_ms(now_ms).date(), now_ms)
    meant = await _PEOPLE[who](conn, cells[who])
    if not meant:
        raise BadLine(who, "is nobody whom the ledger knows")
    reference = cells.get("debt") or None
    notices = []
    for found in meant:
        debts = await debts_of(
            conn, found.person_id, account_id=found.target_id, reference=reference
        )
        if reference is not None and not debts:
            raise BadLine("debt", "is no debt of theirs")
        about = debts if reference is not None or found.target_id is not None else ()
        notices.append(Notice(person_id=found.person_id, at_ms=at_ms, kind=kind, debt_ids=about))
    return notices


def _sent(column: str, text: str, today: date, now_ms: int) -> int:
    """When it was sent; a bare date is the end of its day. Raises `BadLine`."""
    day = date_of(text)
    if day is not None:
        if day > today:
            raise BadLine(column, "is in the future")
        return day_over_ms(day)
    at_ms = instant(column, text)
    if at_ms is None:
        raise BadLine(column, "is empty")
    if at_ms > now_ms:
        raise BadLine(column, "is in the future")
    return at_ms


_SPANISH: Final = {
    "persona": "person_id",
    "documento": "document",
    "cuenta": "account",
    "fecha": "date",
    "tipo": "kind",
    "deuda": "debt",
}
_NOTICES: Final = Kind(
    who=_PEOPLE,
    needs={
        "date": "every notice says when it was sent",
        "kind": "every notice says whether it was a letter",
    },
    take=_add_notices,
    action="evidence.notices",
    names=_SPANISH,
)
