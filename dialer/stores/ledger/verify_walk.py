"""The walk through all events beside every head that was ever signed, page by page.

Texts are read as bytes, because a damaged one may be no text any more.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Final, NamedTuple, TypeVar

import msgspec
from sqlalchemy import TextClause, func, select, text

from compliance.chain import ChainChecker, ChainedEvent
from compliance.types import PersonId
from dialer.core.records import AttemptPlanned, ContactBlocked
from dialer.stores.ledger.bulk import Dialect, prefer_indexes
from dialer.stores.ledger.database import Ledger, LedgerUnavailable, Trouble
from dialer.stores.ledger.schema import ledger_event
from dialer.stores.ledger.verify_report import (
    ProblemKind,
    VerifyReport,
    note_break,
    note_missing,
)

PAGE_EVENTS: Final = 500
"""Events read, and hashed without a pause, at a time."""

Progress = Callable[[int, int], None]
"""Called with the events verified and the events there were at the start."""

R = TypeVar("R", bound="_Keyed")


class Signed(msgspec.Struct, frozen=True):
    """How far checkpoints reach."""

    checkpoint_no: int = 0
    event_no: int = 0


# --- reading in pages ---------------------------------------------------------------------------

_BYTES: Final = re.compile(r"\bBYTES\((\w+)\)")
_WORDS: Final = {
    Dialect.SQLITE: (r"CAST(\1 AS BLOB)", "CAST(:after AS TEXT)"),
    Dialect.POSTGRESQL: (r"convert_to(\1, 'UTF8')", "convert_from(:after, 'UTF8')"),
}


def spelled(sql: str, dialect: Dialect) -> TextClause:
    """`BYTES(column)` is a text column as bytes; `AFTER` is the text to go on after."""
    as_bytes, after = _WORDS[dialect]
    return text(_BYTES.sub(as_bytes, sql).replace("AFTER", after))


def as_text(raw: bytes) -> str:
    return bytes(raw).decode(errors="surrogateescape")


async def _rows(ledger: Ledger, sql: str, shape: type[R], **params: int) -> AsyncIterator[list[R]]:
    """Pages of a query that is ordered by its first two columns, an id as bytes and a number.

    Raises:
        LedgerUnavailable: a column holds what was never put there.
    """
    statement = spelled(sql, ledger.dialect)
    after, number = b"", 0
    while True:
        bound = {"after": after, "number": number, "page": PAGE_EVENTS, **params}
        async with ledger.read() as conn:
            await prefer_indexes(conn)
            found = (await conn.execute(statement, bound)).all()
        try:
            page = [msgspec.convert(tuple(row), shape) for row in found]
        except msgspec.ValidationError as error:
            what = f"after {as_text(after)}/{number}: {error}"
            raise LedgerUnavailable(Trouble.DAMAGED, ledger.where, what) from error
        if page:
            yield page
        if len(page) < PAGE_EVENTS:
            return
        after, number = page[-1].person_id, page[-1].number


# --- events ---------------------------------------------------------------------------------------

_EVENTS: Final = """
    SELECT BYTES(person_id), seq, at_ms, BYTES(kind), BYTES(hash), BYTES(decision_id),
      BYTES(body), BYTES(record), event_no
    FROM ledger_event
    WHERE (person_id, seq) > (AFTER, :number) ORDER BY person_id, seq LIMIT :page
"""
_CLAIMS: Final = """
    SELECT BYTES(person_id), checkpoint_no, seq, BYTES(hash) FROM checkpoint_head
    WHERE (person_id, checkpoint_no) > (AFTER, :number) AND checkpoint_no <= :last
    ORDER BY person_id, checkpoint_no LIMIT :page
"""


class _Keyed(msgspec.Struct, array_like=True, gc=False):
    person_id: bytes
    number: int


class _EventRow(_Keyed, array_like=True, gc=False):
    """`number` is the event's `seq`."""

    at_ms: int
    kind: bytes
    hash: bytes
    decision_id: bytes | None
    body: bytes
    record: bytes | None
    event_no: int

    def chained(self) -> ChainedEvent:
        return ChainedEvent(
            person_id=PersonId(as_text(self.person_id)),
            seq=self.number,
            at_ms=self.at_ms,
            kind=as_text(self.kind),
            body=as_text(self.body),
            record=None if self.record is None else as_text(self.record),
            hash=as_text(self.hash),
        )


class _ClaimRow(_Keyed, array_like=True, gc=False):
    """`number` is the checkpoint's."""

    seq: int
    hash: bytes


class _Claims(NamedTuple):
    """Every head of one person that was ever signed."""

    person_id: bytes
    hash_at: dict[int, bytes]


async def _claims(ledger: Ledger, signed: Signed) -> AsyncIterator[_Claims]:
    """Person by person, in the order that events have."""
    current: _Claims | None = None
    async for page in _rows(ledger, _CLAIMS, _ClaimRow, last=signed.checkpoint_no):
        for row in page:
            if current is None or current.person_id != row.person_id:
                if current is not None:
                    yield current
                current = _Claims(row.person_id, {})
            current.hash_at[row.seq] = row.hash
    if current is not None:
        yield current


class _Walk:
    """Goes through all events beside all claims, both ordered by person."""

    def __init__(self, ledger: Ledger, signed: Signed, report: VerifyReport) -> None:
        self._claims = _claims(ledger, signed)
        self._next: _Claims | None = None
        self._signed = signed
        self._report = report
        self._person: bytes | None = None
        self._checker = ChainChecker(PersonId(""))
        self._hash_at: dict[int, bytes] = {}

    async def start(self) -> None:
        self._next = await anext(self._claims, None)

    async def step(self, row: _EventRow) -> None:
        if row.person_id != self._person:
            await self._begin(row.person_id)
        report = self._report
        report.events += 1
        report.events_after_checkpoint += row.event_no > self._signed.event_no
        note_break(self._checker.step(row.chained()), report)
        where = f"{self._checker.person_id}/{row.number}"
        claimed = self._hash_at.pop(row.number, None)
        if claimed is not None and claimed != row.hash:
            report.add(ProblemKind.HEAD_CHANGED, where, "a checkpoint signed another hash")
        if _decision_in(row) != row.decision_id:
            report.add(ProblemKind.WRONG_DECISION, where)

    async def finish(self) -> None:
        self._end_person()
        await self._note_removed_before(None)

    async def _begin(self, person_id: bytes) -> None:
        self._end_person()
        await self._note_removed_before(person_id)
        self._person = person_id
        self._checker = ChainChecker(PersonId(as_text(person_id)))
        self._report.people += 1
        if self._next is not None and self._next.person_id == person_id:
            self._hash_at = self._next.hash_at
            self._next = await anext(self._claims, None)

    def _end_person(self) -> None:
        checker = self._checker
        note_missing(checker.person_id, checker.seq, sorted(self._hash_at), self._report)
        self._hash_at = {}

    async def _note_removed_before(self, person_id: bytes | None) -> None:
        while self._next is not None and (person_id is None or self._next.person_id < person_id):
            gone = self._next
            note_missing(PersonId(as_text(gone.person_id)), 0, sorted(gone.hash_at), self._report)
            self._next = await anext(self._claims, None)


async def verify_events(
    ledger: Ledger, signed: Signed, report: VerifyReport, progress: Progress | None
) -> None:
    async with ledger.read() as conn:
        total = (await conn.execute(select(func.count()).select_from(ledger_event))).scalar_one()
    walk = _Walk(ledger, signed, report)
    await walk.start()
    async for page in _rows(ledger, _EVENTS, _EventRow):
        for row in page:
            await walk.step(row)
        if progress is not None:
            progress(report.events, total)
    await walk.finish()


class _Planned(msgspec.Struct):
    attempt_id: str


class _Blocked(msgspec.Struct):
    decision_id: str


_PLANNED_TAG: Final = str(AttemptPlanned.__struct_config__.tag).encode()
_BLOCKED_TAG: Final = str(ContactBlocked.__struct_config__.tag).encode()
_planned: Final = msgspec.json.Decoder(_Planned)
_blocked: Final = msgspec.json.Decoder(_Blocked)


def _decision_in(row: _EventRow) -> bytes | None:
    """The decision that the event's body names; what stands in the row if it cannot be read."""
    try:
        if row.kind == _PLANNED_TAG:
            return _planned.decode(row.body).attempt_id.encode()
        if row.kind == _BLOCKED_TAG:
            return _blocked.decode(row.body).decision_id.encode()
    except msgspec.MsgspecError:
        return row.decision_id  # The chain has told that the body is damaged.
    return None
