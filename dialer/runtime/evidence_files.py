"""Lists of evidence as CSV: notices that were sent outside of Marcador, checks of numbers.

Columns of a list of notices, in English or Spanish: one of `person_id`, `document`, `account`
(`persona`, `documento`, `cuenta`); `date` (`fecha`); `kind` (`tipo`): `letter` (`carta`) or
`notice` (`aviso`); and where wanted `debt` (`deuda`), the reference of one debt.

Columns of a list of checks: `number` (`numero`, `telefono`, `phone`); `kind` (`tipo`), one of
`NUMBER_CHECKS`; `answer` (`respuesta`): what the database said, `si`, `sí` and `true` as `yes`,
`false` as `no`; `checked_at` (`fecha`, `consultado`).
"""

from __future__ import annotations

from collections.abc import Container
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
    plain_phone,
    read_listed,
)
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.notices import Notice, add_notices, debts_of
from dialer.stores.ledger.number_checks import NumberCheck, add_checks, people_with
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


NUMBER_CHECKS: Final = (
    "reassigned_numbers_database",
    "wireless_scrub",
    "portability",
    "litigator",
)
"""Kinds of checks that rules may ask for."""
ANSWER_MOST: Final = 40
_ANSWERS: Final = {"si": "yes", "sí": "yes", "true": "yes", "false": "no"}


# --- notices --------------------------------------------------------------------------------------


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


# --- checks of numbers ----------------------------------------------------------------------------


async def read_checks(
    ledger: Ledger, file: Path, *, rejects: Path, actor: str, now: datetime
) -> ListRead:
    """Record every check of a number that somebody has. The same file again changes nothing.

    A bare date counts as its first instant (UTC): a check is never taken for younger than it is.
    Raises what `read_listed` does.
    """
    return await read_listed(ledger, file, _CHECKS, rejects=rejects, actor=actor, now=now)


async def _add_checks(conn: AsyncConnection, batch: Batch) -> Taken:
    numbers = {plain_phone(line.cells.get("number", "")) for line in batch.lines}
    held = (await people_with(conn, numbers)).keys()
    asked, rejected = await each(batch.lines, partial(_read_check, held, batch.now_ms))
    added = await add_checks(
        conn, asked, source=batch.source, actor=batch.actor, now_ms=batch.now_ms
    )
    return Taken(added, len(set(asked)) - added, rejected)


async def _read_check(held: Container[str], now_ms: int, line: Line) -> list[NumberCheck]:
    """Raises `BadLine`."""
    cells = line.cells
    address = plain_phone(cells.get("number", ""))
    if address not in held:
        raise BadLine("number", "is nobody's whom the ledger knows")
    kind = cells.get("kind", "").lower()
    if kind not in NUMBER_CHECKS:
        raise BadLine("kind", f"is none of {', '.join(NUMBER_CHECKS)}")
    said = cells.get("answer", "").lower()
    if not said or len(said) > ANSWER_MOST:
        raise BadLine("answer", f"is empty, or longer than {ANSWER_MOST} characters")
    checked_ms = instant("checked_at", cells.get("checked_at", ""))
    if checked_ms is None:
        raise BadLine("checked_at", "is empty")
    if checked_ms > now_ms:
        raise BadLine("checked_at", "is in the future")
    answer = _ANSWERS.get(said, said)
    return [NumberCheck(address=address, kind=kind, answer=answer, checked_ms=checked_ms)]


_CHECKS: Final = Kind(
    who=("number",),
    needs={
        "kind": "every check says which database was asked",
        "answer": "every check says what the database answered",
        "checked_at": "every check says when it was made",
    },
    take=_add_checks,
    action="evidence.checks",
    names={
        "numero": "number",
        "número": "number",
        "telefono": "number",
        "teléfono": "number",
        "phone": "number",
        "tipo": "kind",
        "respuesta": "answer",
        "fecha": "checked_at",
        "consultado": "checked_at",
    },
)
