"""Lists that an officer brings as CSV: read line by line, what cannot be used given back.

What is common to suppression lists, notices and number checks. A list is read in transactions of
`BATCH` lines; each kind of list says what one of these does, and does nothing twice.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.core.records import to_ms
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.database import Ledger

REJECT_COLUMNS: Final = ("line", "column", "reason_rejected", "row")
BATCH: Final = 500

T = TypeVar("T")


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
    """What the list asks for that stood already."""
    rejected: int
    reject_file: str | None


class BadList(ValueError):
    """The file as a whole cannot be read: says why."""


class BadLine(ValueError):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


class Line(msgspec.Struct, frozen=True):
    number: int
    cells: dict[str, str]
    raw: str


class Batch(msgspec.Struct, frozen=True):
    """Lines of a list that are taken in together."""

    lines: Sequence[Line]
    source: str
    """`list` and the first characters of the file's SHA-256."""
    actor: str
    now_ms: int


class Taken(msgspec.Struct, frozen=True):
    """What came of a batch."""

    added: int
    known: int
    rejected: Sequence[Rejected]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of list."""

    who: Collection[str]
    """Columns of which a list needs one: they say whom a line is about."""
    needs: Mapping[str, str]
    """Columns that a list needs all of, and why."""
    take: Callable[[AsyncConnection, Batch], Awaitable[Taken]]
    action: str
    """What the audit trail calls it."""
    names: Mapping[str, str] = {}
    """Other names of columns."""


async def read_listed(
    ledger: Ledger, file: Path, kind: Kind, *, rejects: Path, actor: str, now: datetime
) -> ListRead:
    """Take in everything that a file asks for. The same file again changes nothing.

    Raises:
        BadList: no CSV, or it lacks a column that this kind of list needs.
        OSError: a file cannot be read or written.
        LedgerUnavailable: what was added before stays; read the file again.
    """
    content = await asyncio.to_thread(file.read_bytes)
    digest = hashlib.sha256(content).hexdigest()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadList(f"{file.name} is not UTF-8: {error}") from error
    lines = list(_lines(file.name, text, kind))
    rejected: list[Rejected] = []
    added = known = 0
    for start in range(0, len(lines), BATCH):
        batch = Batch(lines[start : start + BATCH], f"list {digest[:12]}", actor, to_ms(now))
        taken = await ledger.transact(partial(_take, kind, batch))
        added, known = added + taken.added, known + taken.known
        rejected += taken.rejected
    if rejected:
        await asyncio.to_thread(_write_rejects, rejects, rejected)
    result = ListRead(
        file=file.name,
        sha256=digest,
        lines=len(lines),
        added=added,
        known=known,
        rejected=len(rejected),
        reject_file=str(rejects) if rejected else None,
    )
    await ledger.transact(partial(_audit, kind.action, result, actor, to_ms(now)))
    return result


async def each(
    lines: Sequence[Line], read: Callable[[Line], Awaitable[list[T]]]
) -> tuple[list[T], list[Rejected]]:
    """What every line asks for, and the lines that cannot be used (`BadLine`)."""
    asked: list[T] = []
    rejected: list[Rejected] = []
    for line in lines:
        try:
            asked += await read(line)
        except BadLine as error:
            rejected.append(
                Rejected(line=line.number, column=error.column, reason=str(error), row=line.raw)
            )
    return asked, rejected


def plain_phone(text: str) -> str:
    """A telephone number as contact points have it: `+` and digits."""
    digits = "".join(c for c in text if c.isdigit())
    return f"+{digits.removeprefix('00')}"


def date_of(text: str) -> date | None:
    """The day that a cell names; None where it is no bare ISO date."""
    try:
        return date.fromisoformat(text) if len(text) == len("2026-11-24") else None
    except ValueError:
        return None


def instant(column: str, text: str) -> int | None:
    """A date is its first instant in UTC; None for an empty cell. Raises `BadLine`."""
    if not text:
        return None
    day = date_of(text)
    if day is not None:
        return to_ms(datetime.combine(day, time(0), UTC))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadLine(column, "is neither a date nor an instant with its offset")
    return to_ms(found)


async def _take(kind: Kind, batch: Batch, conn: AsyncConnection) -> Taken:
    return await kind.take(conn, batch)


async def _audit(
    action: str, result: ListRead, actor: str, now_ms: int, conn: AsyncConnection
) -> int:
    return await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action=action,
        target=result.sha256[:40],
        detail={"added": result.added, "known": result.known, "rejected": result.rejected},
    )


def _lines(name: str, text: str, kind: Kind) -> Iterator[Line]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        spelt = [cell.strip().lower() for cell in next(reader, [])]
        head = [kind.names.get(cell, cell) for cell in spelt]
        if not set(head) & set(kind.who):
            raise BadList(f"{name}: no column says who; add one of {', '.join(kind.who)}")
        for column, why in kind.needs.items():
            if column not in head:
                raise BadList(f"{name}: there is no column `{column}`; {why}")
        for cells in reader:
            if any(cell.strip() for cell in cells):
                named = {key: cell.strip() for key, cell in zip(head, cells, strict=False)}
                yield Line(reader.line_num, named, delimiter.join(cells))
    except csv.Error as error:
        raise BadList(f"{name}, line {reader.line_num}: {error}") from error


def _write_rejects(path: Path, rejected: list[Rejected]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(REJECT_COLUMNS)
        writer.writerows((r.line, r.column, r.reason, r.row) for r in rejected)
