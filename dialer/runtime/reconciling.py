"""A carrier's CDR file against the ledger: read it, compare, put what differs on review."""

from __future__ import annotations

import asyncio
import csv
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import Channel, EventKind
from dialer.core.reconciliation import (
    CallDifference,
    CdrCall,
    LedgerCall,
    Match,
    match,
)
from dialer.core.records import from_ms, to_ms
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.reviews import ReviewState
from dialer.stores.ledger.schema import attempt, contact_point, review_item

log = structlog.get_logger()

ROWS_MOST: Final = 2_000_000
"""Calls of one file, at most: they are held in memory while they are compared."""
TOLD_MOST: Final = 1_000
REVIEWS_MOST: Final = 200
"""Reviews that one file opens, at most, of each kind; the report counts all."""
START_TOLERANCE_S: Final = 120
DURATION_TOLERANCE_S: Final = 5
FIELDS: Final = ("call_id", "number", "start", "duration", "cause")
REQUIRED: Final = ("number", "start", "duration")
KNOWN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "call_id": ("call_id", "callid", "uniqueid", "userfield", "accountcode", "sid"),
    "number": ("number", "dst", "to", "called", "called_number", "destination"),
    "start": ("start", "calldate", "start_time", "starttime", "date"),
    "duration": ("duration", "billsec", "billable_seconds", "bill_seconds"),
    "cause": ("cause", "disposition", "hangup_cause", "status", "sip_code"),
}
"""Names that carriers give to columns, tried in this order where a mapping says nothing."""
_PAGE: Final = 5_000


class CdrOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a carrier's file is to be read."""

    columns: Mapping[str, str] = {}
    """Field (`FIELDS`) -> name of the file's column."""
    zone: str = "UTC"
    """IANA zone of instants that are written without an offset."""
    start_tolerance_s: int = START_TOLERANCE_S
    duration_tolerance_s: int = DURATION_TOLERANCE_S


class BadCdr(ValueError):
    """The file as a whole cannot be read: says why."""


class BadRow(msgspec.Struct, frozen=True, kw_only=True):
    line: int
    column: str
    reason: str
    row: str


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """A call of the carrier that no decision stands behind."""

    line: int
    call_id: str
    number: str
    start: datetime
    duration_s: int


class Unseen(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that the carrier does not know."""

    attempt_id: str
    person_id: str
    planned: datetime
    outcome: EventKind | None


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one file."""

    file: str
    sha256: str
    rows: int
    rejected: int
    reject_file: str | None
    since: datetime | None
    until: datetime | None
    """Starts of the first and last call; attempts between them were looked for."""
    attempts: int
    by_call_id: int
    by_number: int
    without_attempt: int
    without_cdr: int
    different: int
    unknown: tuple[Unknown, ...]
    unseen: tuple[Unseen, ...]
    differences: tuple[CallDifference, ...]
    """Each list holds `TOLD_MOST` at most; the counts are whole."""

    @property
    def holds(self) -> bool:
        return not (self.without_attempt or self.without_cdr or self.different or self.rejected)


async def reconcile(
    ledger: Ledger,
    file: Path,
    options: CdrOptions,
    *,
    rejects: Path,
    actor: str,
    now: datetime,
) -> Reconciliation:
    """Compare a CSV of the carrier's with the attempts of its time. Reviews are opened once for
    each difference, however often a file is read.

    Raises:
        BadCdr: no CSV, a column is missing, an unknown zone, or too many rows.
        OSError: a file cannot be read or written.
        LedgerUnavailable: nothing was put on review.
    """
    digest, calls, bad = await asyncio.to_thread(_read, file, options, rejects)
    tolerance = timedelta(seconds=options.start_tolerance_s)
    since = min((call.start for call in calls), default=None)
    until = max((call.start for call in calls), default=None)
    attempts: list[LedgerCall] = []
    if since is not None and until is not None:
        attempts = await _attempts(ledger, since - tolerance, until + tolerance)
    found = match(
        calls,
        attempts,
        start_tolerance_s=options.start_tolerance_s,
        duration_tolerance_s=options.duration_tolerance_s,
    )
    # The margins were read for calls at the edges; what lies there and was not matched belongs
    # to another file.
    unseen = tuple(a for a in found.unseen if since and until and since <= a.planned <= until)
    found = msgspec.structs.replace(found, unseen=unseen)
    report = _report(file.name, digest, calls, bad, attempts, found, rejects)
    await ledger.transact(lambda conn: _put_on_record(conn, report, found, actor, to_ms(now)))
    return report


def _report(
    name: str,
    digest: str,
    calls: list[CdrCall],
    bad: int,
    attempts: list[LedgerCall],
    found: Match,
    rejects: Path,
) -> Reconciliation:
    return Reconciliation(
        file=name,
        sha256=digest,
        rows=len(calls) + bad,
        rejected=bad,
        reject_file=str(rejects) if bad else None,
        since=min((call.start for call in calls), default=None),
        until=max((call.start for call in calls), default=None),
        attempts=len(attempts),
        by_call_id=found.by_call_id,
        by_number=found.by_number,
        without_attempt=len(found.unknown),
        without_cdr=len(found.unseen),
        different=len(found.differences),
        unknown=tuple(
            Unknown(
                line=call.line,
                call_id=call.call_id,
                number=call.number,
                start=call.start,
                duration_s=call.duration_s,
            )
            for call in found.unknown[:TOLD_MOST]
        ),
        unseen=tuple(
            Unseen(
                attempt_id=own.attempt_id,
                person_id=own.person_id,
                planned=own.planned,
                outcome=own.outcome,
            )
            for own in found.unseen[:TOLD_MOST]
        ),
        differences=found.differences[:TOLD_MOST],
    )


async def _attempts(ledger: Ledger, since: datetime, until: datetime) -> list[LedgerCall]:
    """Voice attempts planned in a span, page by page."""
    a = attempt.c
    found: list[LedgerCall] = []
    after = ""
    while True:
        query = (
            select(
                a.attempt_id,
                a.person_id,
                a.planned_ms,
                a.outcome,
                a.talk_ms,
                a.connect_ms,
                contact_point.c.address,
            )
            .outerjoin(contact_point, contact_point.c.contact_point_id == a.contact_point_id)
            .where(
                a.attempt_id > after,
                a.channel == Channel.VOICE,
                a.planned_ms >= to_ms(since),
                a.planned_ms <= to_ms(until),
            )
            .order_by(a.attempt_id)
            .limit(_PAGE)
        )
        async with ledger.read() as conn:
            rows = (await conn.execute(query)).all()
        if not rows:
            return found
        found += [
            LedgerCall(
                attempt_id=row.attempt_id,
                person_id=row.person_id,
                number=_digits(row.address or ""),
                planned=from_ms(row.planned_ms),
                outcome=None if row.outcome is None else EventKind(row.outcome),
                talk_ms=row.talk_ms,
                connect_ms=row.connect_ms,
            )
            for row in rows
        ]
        after = rows[-1].attempt_id


# --- the file -------------------------------------------------------------------------------------


def _read(file: Path, options: CdrOptions, rejects: Path) -> tuple[str, list[CdrCall], int]:
    """Fingerprint, calls, and how many rows went to the reject file. Raises `BadCdr`."""
    try:
        zone: tzinfo = UTC if options.zone == "UTC" else ZoneInfo(options.zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadCdr(f"{options.zone} is no IANA zone; write e.g. America/Santiago") from error
    digest = hashlib.sha256()
    with file.open("rb") as raw:
        for block in iter(lambda: raw.read(1 << 20), b""):
            digest.update(block)
    calls: list[CdrCall] = []
    bad: list[BadRow] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            for line, cells, row in _rows(file.name, text, options.columns):
                found = _call(line, cells, row, zone)
                if isinstance(found, BadRow):
                    bad.append(found)
                else:
                    calls.append(found)
                if len(calls) > ROWS_MOST:
                    raise BadCdr(f"{file.name} has more than {ROWS_MOST:,} calls; split it by day")
    except UnicodeDecodeError as error:
        raise BadCdr(f"{file.name} is not UTF-8: {error}") from error
    if bad:
        with rejects.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(("line", "column", "reason_rejected", "row"))
            writer.writerows((b.line, b.column, b.reason, b.row) for b in bad)
    return digest.hexdigest(), calls, len(bad)


def _rows(
    name: str, text: Iterator[str], mapping: Mapping[str, str]
) -> Iterator[tuple[int, dict[str, str], str]]:
    """Line, cells by field, and the row as it stood."""
    first = next(text, "")
    delimiter = max(",;\t|", key=first.count)
    head = [cell.strip().lower() for cell in next(csv.reader([first], delimiter=delimiter), [])]
    places = _places(name, head, mapping)
    reader = csv.reader(text, delimiter=delimiter)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                named = {
                    field: cells[place].strip() if place < len(cells) else ""
                    for field, place in places.items()
                }
                yield reader.line_num + 1, named, delimiter.join(cells)
    except csv.Error as error:
        raise BadCdr(f"{name}, line {reader.line_num + 1}: {error}") from error


def _places(name: str, head: list[str], mapping: Mapping[str, str]) -> dict[str, int]:
    """Where each field stands. Raises `BadCdr`."""
    places: dict[str, int] = {}
    for field in FIELDS:
        wanted = mapping.get(field)
        names = KNOWN_NAMES[field] if wanted is None else (wanted.strip().lower(),)
        place = next((head.index(known) for known in names if known in head), None)
        if place is not None:
            places[field] = place
        elif wanted is not None:
            raise BadCdr(f"{name} has no column {wanted!r}; it has {', '.join(head)}")
        elif field in REQUIRED:
            raise BadCdr(
                f"{name}: no column says the {field}; map one of {', '.join(head)}, e.g. "
                f"{field}={head[0] if head else 'COLUMN'}"
            )
    return places


def _call(line: int, cells: Mapping[str, str], row: str, zone: tzinfo) -> CdrCall | BadRow:
    number = _digits(cells["number"])
    if len(number) < 5:
        return BadRow(line=line, column="number", reason="is no telephone number", row=row)
    try:
        start = datetime.fromisoformat(cells["start"])
    except ValueError:
        return BadRow(line=line, column="start", reason="is no ISO 8601 instant", row=row)
    try:
        duration_s = int(float(cells["duration"] or "0"))
    except (ValueError, OverflowError):
        return BadRow(line=line, column="duration", reason="is no number of seconds", row=row)
    if duration_s < 0:
        return BadRow(line=line, column="duration", reason="is negative", row=row)
    return CdrCall(
        line=line,
        call_id=cells.get("call_id", ""),
        number=number,
        start=(start if start.tzinfo else start.replace(tzinfo=zone)).astimezone(UTC),
        duration_s=duration_s,
        cause=cells.get("cause", ""),
    )


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isdigit()).removeprefix("00")


# --- on record ------------------------------------------------------------------------------------


async def _put_on_record(
    conn: AsyncConnection, report: Reconciliation, found: Match, actor: str, now_ms: int
) -> None:
    reviews: list[tuple[str, str, str | None, str]] = []
    for call in found.unknown[:REVIEWS_MOST]:
        key = f"{call.call_id}/{call.number}/{to_ms(call.start)}"
        # The number itself stays in the file: reviews outlive it, and nobody could erase it.
        text = (
            f"line {call.line} of {report.file}: a call of {call.start.isoformat()} to a number "
            f"ending in {call.number[-2:]}, {call.duration_s} s, that no decision stands behind"
        )
        reviews.append(("cdr_without_attempt", key, None, text))
    for own in found.unseen[:REVIEWS_MOST]:
        text = f"attempt {own.attempt_id} of {own.planned.isoformat()} is not in {report.file}"
        reviews.append(("attempt_without_cdr", own.attempt_id, own.person_id, text))
    for told in found.differences[:REVIEWS_MOST]:
        text = (
            f"attempt {told.attempt_id}: {told.kind}; carrier {told.carrier} (line {told.line} of "
            f"{report.file}), ledger {told.ledger}"
        )
        reviews.append(("cdr_difference", told.attempt_id, told.person_id, text))
    for kind, key, person_id, text in reviews:
        await _open(conn, kind, key, person_id, text, report.sha256, now_ms)
    counts = (report.without_attempt, report.without_cdr, report.different)
    if any(counts):
        log.warning("cdr_differs", file=report.file, counts=counts)
    await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action="cdr.reconcile",
        target=report.sha256,
        detail={
            "rows": report.rows,
            "rejected": report.rejected,
            "without_attempt": report.without_attempt,
            "without_cdr": report.without_cdr,
            "different": report.different,
        },
    )


async def _open(
    conn: AsyncConnection,
    kind: str,
    key: str,
    person_id: str | None,
    text: str,
    source: str,
    now_ms: int,
) -> None:
    """Open a review, once for each difference."""
    review_id = hashlib.sha256(f"{kind}/{key}".encode()).hexdigest()[:40]
    there = select(review_item.c.review_id).where(review_item.c.review_id == review_id)
    if (await conn.execute(there)).scalar() is not None:
        return
    await conn.execute(
        review_item.insert().values(
            review_id=review_id,
            kind=kind,
            person_id=person_id,
            text=text,
            source=f"cdr {source[:12]}",
            state=ReviewState.OPEN,
            created_ms=now_ms,
        )
    )
