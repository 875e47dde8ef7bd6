"""Suppression lists as CSV: written whole, read line by line, what cannot be used given back.

Columns of a list that is read (any order; others are ignored): one of `person_id`, `document`,
`phone`, `email`, `account`; `reason`; and where wanted `scope`, `channel`, `starts`, `ends`,
`evidence`. Without a scope, a telephone or e-mail suppresses that address for everybody who has
it, an account number that account, and a person or document the whole person.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Final, TextIO

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import Channel, SuppressionScope
from dialer.core.records import from_ms, to_ms
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
REJECT_COLUMNS: Final = ("line", "column", "reason_rejected", "row")
BATCH: Final = 500
REASON_MOST: Final = 40
_PAGE: Final = 1_000

Find = Callable[[AsyncConnection, str], Awaitable[list[Meant]]]


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A line that could not be used."""

    line: int
    column: str
    reason: str
    row: str


class ListRead(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a list."""

    file: str
    sha256: str
    lines: int
    added: int
    known: int
    """Suppressions that stood already."""
    rejected: int
    reject_file: str | None


class BadList(ValueError):
    """The file as a whole cannot be read: says why."""


class _BadLine(ValueError):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


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

    Raises:
        BadList: no CSV, or it has neither a column that says who nor one that says why.
        OSError: a file cannot be read or written.
        LedgerUnavailable: what was added before stays; read the file again.
    """
    content = await asyncio.to_thread(file.read_bytes)
    digest = hashlib.sha256(content).hexdigest()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadList(f"{file.name} is not UTF-8: {error}") from error
    rows = list(_rows(file.name, text))
    rejected: list[Rejected] = []
    added = known = 0
    for start in range(0, len(rows), BATCH):
        work = partial(_add, rows[start : start + BATCH], digest[:12], actor, to_ms(now))
        new, there, bad = await ledger.transact(work)
        added, known = added + new, known + there
        rejected += bad
    if rejected:
        await asyncio.to_thread(_write_rejects, rejects, rejected)
    result = ListRead(
        file=file.name,
        sha256=digest,
        lines=len(rows),
        added=added,
        known=known,
        rejected=len(rejected),
        reject_file=str(rejects) if rejected else None,
    )
    await ledger.transact(partial(_audit, result, actor, to_ms(now)))
    return result


async def _audit(result: ListRead, actor: str, now_ms: int, conn: AsyncConnection) -> int:
    return await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action="suppression.import",
        target=result.sha256[:40],
        detail={"added": result.added, "known": result.known, "rejected": result.rejected},
    )


class _Line(msgspec.Struct, frozen=True):
    number: int
    cells: dict[str, str]
    raw: str


_WHO: Final[dict[str, tuple[Find, SuppressionScope]]] = {
    "person_id": (people_by_id, SuppressionScope.PERSON),
    "document": (people_by_document, SuppressionScope.PERSON),
    "phone": (people_by_address, SuppressionScope.CONTACT_POINT),
    "email": (people_by_address, SuppressionScope.CONTACT_POINT),
    "account": (people_by_account, SuppressionScope.ACCOUNT),
}
_TARGETED: Final = frozenset({SuppressionScope.CONTACT_POINT, SuppressionScope.ACCOUNT})
_SCOPES: Final = frozenset({SuppressionScope.PERSON, SuppressionScope.CHANNEL, *_TARGETED})


def _rows(name: str, text: str) -> Iterator[_Line]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        head = [cell.strip().lower() for cell in next(reader, [])]
        if not set(head) & set(_WHO):
            raise BadList(f"{name}: no column says who; add one of {', '.join(_WHO)}")
        if "reason" not in head:
            raise BadList(f"{name}: there is no column `reason`; every suppression says why")
        for cells in reader:
            if any(cell.strip() for cell in cells):
                named = {key: cell.strip() for key, cell in zip(head, cells, strict=False)}
                yield _Line(reader.line_num, named, delimiter.join(cells))
    except csv.Error as error:
        raise BadList(f"{name}, line {reader.line_num}: {error}") from error


async def _add(
    lines: list[_Line], source: str, actor: str, now_ms: int, conn: AsyncConnection
) -> tuple[int, int, list[Rejected]]:
    new: dict[str, NewSuppression] = {}
    rejected: list[Rejected] = []
    for line in lines:
        try:
            for found in await _read_line(conn, line, now_ms):
                new[found.suppression_id] = found
        except _BadLine as error:
            rejected.append(
                Rejected(line=line.number, column=error.column, reason=str(error), row=line.raw)
            )
    added = await add_suppressions(
        conn, list(new.values()), source=f"list {source}", actor=actor, now_ms=now_ms
    )
    return added, len(new) - added, rejected


async def _read_line(conn: AsyncConnection, line: _Line, now_ms: int) -> list[NewSuppression]:
    """Raises `_BadLine`."""
    cells = line.cells
    who = next((name for name in _WHO if cells.get(name)), None)
    if who is None:
        raise _BadLine(",".join(_WHO), "says nobody")
    reason = cells.get("reason", "")
    if not reason or len(reason) > REASON_MOST:
        raise _BadLine("reason", f"is empty, or longer than {REASON_MOST} characters")
    find, scope = _WHO[who]
    if cells.get("scope"):
        scope = _scope(cells["scope"])
    channel = None
    if cells.get("channel"):
        try:
            channel = Channel(cells["channel"].lower())
        except ValueError:
            raise _BadLine("channel", f"is none of {', '.join(Channel)}") from None
    if scope is SuppressionScope.CHANNEL and channel is None:
        raise _BadLine("channel", "is empty, and the scope is a channel")
    starts_ms = _instant("starts", cells.get("starts", ""))
    ends_ms = _instant("ends", cells.get("ends", ""))
    if ends_ms is not None and ends_ms <= (now_ms if starts_ms is None else starts_ms):
        raise _BadLine("ends", "is not after its start")
    meant = await find(conn, _plain(who, cells[who]))
    if not meant:
        raise _BadLine(who, "is nobody whom the ledger knows")
    if scope in _TARGETED and meant[0].target_id is None:
        raise _BadLine("scope", f"is {scope}, and the line names a person")
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
        raise _BadLine("scope", f"is none of {', '.join(sorted(_SCOPES))}")
    return scope


def _plain(who: str, text: str) -> str:
    if who == "phone":
        digits = "".join(c for c in text if c.isdigit())
        return f"+{digits.removeprefix('00')}"
    if who == "email":
        return text.lower()
    return text


def _instant(column: str, text: str) -> int | None:
    """A date is its first instant in UTC. Raises `_BadLine`."""
    if not text:
        return None
    try:
        if len(text) == len("2026-11-24"):
            return to_ms(datetime.combine(date.fromisoformat(text), time(0), UTC))
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise _BadLine(column, "is neither a date nor an instant with its offset")
    return to_ms(found)


def _write_rejects(path: Path, rejected: list[Rejected]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(REJECT_COLUMNS)
        writer.writerows((r.line, r.column, r.reason, r.row) for r in rejected)
