"""Suppression lists as CSV: written whole, read line by line, what cannot be used given back.

Columns of a list that is read (any order; others are ignored): one of `person_id`, `document`,
`phone`, `email`, `account`; `reason`; and where wanted `scope`, `channel`, `starts`, `ends`,
`evidence`. Without a scope, a telephone or e-mail suppresses that address for everybody who has
it, an account number that account, and a person or document the whole person.
"""

from __future__ import annotations

import csv
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import Channel, SuppressionScope
from dialer.core.records import from_ms
from dialer.runtime.listed_files import (
    BadLine,
    Batch,
    Kind,
    Line,
    ListRead,
    Taken,
    each,
    instant,
    plain_phone,
    read_listed,
)
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.suppression_lists import (
    Meant,
    NewSuppression,
    SuppressionRow,
    add_suppressions,
    list_suppressions,
    people_by_account,
    people_by_address,
    people_by_document,
    people_by_id,
)

COLUMNS: Final = (
    "suppression_id",
    "person_id",
    "scope",
    "target_id",
    "phone",
    "channel",
    "reason",
    "starts",
    "ends",
    "created_by",
    "evidence",
)
REASON_MOST: Final = 40
_PAGE: Final = 1_000

Find = Callable[[AsyncConnection, str], Awaitable[list[Meant]]]


# --- writing --------------------------------------------------------------------------------------


async def write_list(
    ledger: Ledger,
    out: TextIO,
    *,
    actor: str,
    now_ms: int,
    standing: bool = True,
    portfolio_id: str | None = None,
) -> int:
    """Write the suppressions as CSV, a page at a time; how many. The audit trail says who asked.
    Raises `LedgerUnavailable`."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    after, count = "", 0
    while True:
        async with ledger.read() as conn:
            page = await list_suppressions(
                conn,
                now_ms=now_ms,
                standing=standing,
                portfolio_id=portfolio_id,
                after=after,
                limit=_PAGE,
            )
        if not page:
            await ledger.transact(partial(_audit_export, count, actor, now_ms))
            return count
        writer.writerows(_cells(row) for row in page)
        count += len(page)
        after = page[-1].suppression_id


async def _audit_export(count: int, actor: str, now_ms: int, conn: AsyncConnection) -> int:
    detail = {"suppressions": count}
    return await record_audit(
        conn, at_ms=now_ms, actor=actor, action="suppression.export", target="", detail=detail
    )


def _cells(row: SuppressionRow) -> list[str]:
    return [
        row.suppression_id,
        row.person_id or "",
        row.scope,
        row.target_id or "",
        row.address or "",
        row.channel or "",
        row.reason,
        from_ms(row.starts_ms).isoformat(),
        "" if row.ends_ms is None else from_ms(row.ends_ms).isoformat(),
        row.created_by,
        row.evidence,
    ]


# --- reading --------------------------------------------------------------------------------------


async def read_list(
    ledger: Ledger, file: Path, *, rejects: Path, actor: str, now: datetime
) -> ListRead:
    """Add every suppression that a file asks for. The same file again changes nothing.

    Raises what `read_listed` does.
    """
    return await read_listed(ledger, file, _LIST, rejects=rejects, actor=actor, now=now)


_WHO: Final[dict[str, tuple[Find, SuppressionScope]]] = {
    "person_id": (people_by_id, SuppressionScope.PERSON),
    "document": (people_by_document, SuppressionScope.PERSON),
    "phone": (people_by_address, SuppressionScope.CONTACT_POINT),
    "email": (people_by_address, SuppressionScope.CONTACT_POINT),
    "account": (people_by_account, SuppressionScope.ACCOUNT),
}
_TARGETED: Final = frozenset({SuppressionScope.CONTACT_POINT, SuppressionScope.ACCOUNT})
_SCOPES: Final = frozenset({SuppressionScope.PERSON, SuppressionScope.CHANNEL, *_TARGETED})


async def _add(conn: AsyncConnection, batch: Batch) -> Taken:
    asked, rejected = await each(batch.lines, partial(_read_line, conn, batch.now_ms))
    new = {found.suppression_id: found for found in asked}
    added = await add_suppressions(
        conn, list(new.values()), source=batch.source, actor=batch.actor, now_ms=batch.now_ms
    )
    return Taken(added, len(new) - added, rejected)


async def _read_line(conn: AsyncConnection, now_ms: int, line: Line) -> list[NewSuppression]:
    """Raises `BadLine`."""
    cells = line.cells
    who = next((name for name in _WHO if cells.get(name)), None)
    if who is None:
        raise BadLine(",".join(_WHO), "says nobody")
    reason = cells.get("reason", "")
    if not reason or len(reason) > REASON_MOST:
        raise BadLine("reason", f"is empty, or longer than {REASON_MOST} characters")
    find, scope = _WHO[who]
    if cells.get("scope"):
        scope = _scope(cells["scope"])
    channel = None
    if cells.get("channel"):
        try:
            channel = Channel(cells["channel"].lower())
        except ValueError:
            raise BadLine("channel", f"is none of {', '.join(Channel)}") from None
    if scope is SuppressionScope.CHANNEL and channel is None:
        raise BadLine("channel", "is empty, and the scope is a channel")
    starts_ms = instant("starts", cells.get("starts", ""))
    ends_ms = instant("ends", cells.get("ends", ""))
    if ends_ms is not None and ends_ms <= (now_ms if starts_ms is None else starts_ms):
        raise BadLine("ends", "is not after its start")
    meant = await find(conn, _plain(who, cells[who]))
    if not meant:
        raise BadLine(who, "is nobody whom the ledger knows")
    if scope in _TARGETED and meant[0].target_id is None:
        raise BadLine("scope", f"is {scope}, and the line names a person")
    return [
        NewSuppression(
            person_id=found.person_id,
            scope=scope,
            target_id=found.target_id if scope in _TARGETED else None,
            channel=channel,
            reason=reason,
            starts_ms=now_ms if starts_ms is None else starts_ms,
            starts_given=starts_ms is not None,
            ends_ms=ends_ms,
            evidence=cells.get("evidence", ""),
        )
        for found in meant
    ]


def _scope(text: str) -> SuppressionScope:
    try:
        scope = SuppressionScope(text.lower())
    except ValueError:
        scope = SuppressionScope.TENANT
    if scope not in _SCOPES:
        raise BadLine("scope", f"is none of {', '.join(sorted(_SCOPES))}")
    return scope


def _plain(who: str, text: str) -> str:
    if who == "phone":
        return plain_phone(text)
    if who == "email":
        return text.lower()
    return text


_LIST: Final = Kind(
    who=_WHO,
    needs={"reason": "every suppression says why"},
    take=_add,
    action="suppression.import",
)
