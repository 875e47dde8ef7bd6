"""The event store: appending to people's streams, guarded by the heads a verdict depended on.

Every event belongs to one person's stream. Beside it, an event may move other streams that rules
count by (`number:+E164`, `account:ID`): its *links*. A stream's head is the sequence number of
its last entry; 0 before the first. Nothing else keeps heads, so nothing can disagree with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from compliance.chain import GENESIS, event_hash
from compliance.types import PersonId, StreamKey
from dialer.core.records import (
    AnyBody,
    AttemptEnded,
    AttemptPlanned,
    Body,
    ContactBlocked,
    DispositionSet,
    MessageProgress,
)
from dialer.core.snapshots import HOUSE_STREAM
from dialer.core.writes import CloseAttempt, DisposeAttempt, OpenAttempt, Write
from dialer.stores.ledger import projections
from dialer.stores.ledger.bulk import (
    JsonQuery,
    bulk_insert,
    of_postgresql,
    prefer_indexes,
)
from dialer.stores.ledger.database import sqlstate_of
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.locks import OUT_OF_LOCKS, lock_streams
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.schema import ledger_event, stream_link

LINK_PREFIXES: Final = ("number:", "account:", "household:")
"""How the name of a stream that is not a person's begins."""


class NewEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event to append, and what changes with it."""

    person_id: PersonId
    at_ms: int
    body: AnyBody
    record: bytes | None = None
    """JSON (UTF-8) of the decision's proof."""
    expected: Mapping[StreamKey, int] | None = None
    """Head of every stream that the verdict depended on, the person's own among them, and
    `HOUSE_STREAM` where what stops everybody could have stopped it. None: append wherever the
    head is."""
    links: tuple[StreamKey, ...] = ()
    """Streams beside the person's whose head the event moves."""
    writes: tuple[Write, ...] = ()


class Appended(msgspec.Struct, frozen=True, gc=False):
    """The event has its place, and its writes are done."""

    person_id: PersonId
    seq: int
    hash: str


class Refusal(StrEnum):
    """Why an event was not appended though its heads matched: it would say a thing twice."""

    ALREADY_RECORDED = "already_recorded"
    """This decision stands in the ledger."""
    ALREADY_ENDED = "already_ended"
    """This attempt has its end; a late or doubled report changes nothing."""
    UNKNOWN_ATTEMPT = "unknown_attempt"
    """No attempt with this id was ever planned."""


class Refused(msgspec.Struct, frozen=True, gc=False):
    why: Refusal
    decision_id: str


AppendResult = Appended | Refused | None
"""None: a head had moved; nothing of the event was written; decide again from fresh facts."""


class EventStore(EventReader):
    """Appends events to the ledger, and answers from it (see `EventReader`)."""

    async def append(self, events: Sequence[NewEvent]) -> list[AppendResult]:
        """Append a batch in one transaction, in order, and apply the writes of those that won.

        Results stand in the order of `events`. An event whose `expected` heads are not the
        heads loses alone (None); so does the second of two in the batch that expect the same.
        Unguarded events (`expected=None`) always find their place.

        Raises:
            ValueError: an event contradicts itself; nothing of the batch is written.
            LedgerUnavailable: nothing of the batch is written.
        """
        prepared = [_prepare(event) for event in events]

        async def work(conn: Conn, *, alone: bool = False) -> list[AppendResult]:
            await prefer_indexes(conn)
            return await _append(conn, prepared, alone=alone)

        try:
            return await self.ledger.write_at_once(work)
        except DBAPIError as error:
            if sqlstate_of(error) != OUT_OF_LOCKS:
                raise
            return await self.ledger.write_at_once(partial(work, alone=True))

    @staticmethod
    async def append_in(conn: Conn, events: Sequence[NewEvent]) -> list[AppendResult]:
        """Append within the caller's write transaction; see `append`.

        On PostgreSQL this locks the streams until the transaction ends. Run the transaction
        with `Ledger.transact`: two that lock in different orders may have to start again.
        """
        return await _append(conn, [_prepare(event) for event in events])

    @staticmethod
    def check(event: NewEvent) -> None:
        """Raises ValueError if the event contradicts itself, as `append` would."""
        _prepare(event)


# --- preparing ----------------------------------------------------------------------------------


class _Prepared(msgspec.Struct, frozen=True, gc=False):
    event: NewEvent
    kind: str
    body: bytes
    record: str | None
    """The event's record as the text that the database stores."""
    decision_id: str | None
    """The decision that this event records, once in the ledger."""
    ends: str | None
    """The attempt that this event is about, planned before."""


_encode = msgspec.json.Encoder().encode
_NEEDS: Final[dict[type[Body], type[Write]]] = {
    AttemptPlanned: OpenAttempt,
    AttemptEnded: CloseAttempt,
    DispositionSet: DisposeAttempt,
}
_ATTEMPT_WRITES: Final = frozenset(_NEEDS.values())


def _prepare(event: NewEvent) -> _Prepared:
    body = event.body
    _check_writes(event)
    if event.expected is not None and StreamKey(event.person_id) not in event.expected:
        raise ValueError(f"{_named(event)} is guarded, but not by its own person's head")
    if event.person_id.startswith((*LINK_PREFIXES, HOUSE_STREAM)):
        raise ValueError(f"{_named(event)}: a person's id must not look like a link stream")
    for link in event.links:
        if not link.startswith(LINK_PREFIXES):
            raise ValueError(f"{_named(event)} links to {link}, which is no link stream")
    record = None if event.record is None else _record_text(event, event.record)
    decision_id = ends = None
    if isinstance(body, AttemptPlanned):
        decision_id = body.attempt_id
    elif isinstance(body, ContactBlocked):
        decision_id = body.decision_id
    elif isinstance(body, AttemptEnded | DispositionSet | MessageProgress):
        ends = body.attempt_id
    kind_name = str(body.__struct_config__.tag)
    return _Prepared(event, kind_name, _encode(body), record, decision_id, ends)


def _check_writes(event: NewEvent) -> None:
    """An attempt's row and its events must tell the same."""
    needed = _NEEDS.get(type(event.body))
    found = None
    for write in event.writes:
        kind = type(write)
        if kind in _ATTEMPT_WRITES:
            if kind is not needed or found is not None:
                raise ValueError(f"{_named(event)} must not carry the write {kind.__name__}")
            found = kind
    if found is not needed:
        raise ValueError(f"{_named(event)} lacks the write {needed.__name__ if needed else ''}")


def _record_text(event: NewEvent, record: bytes) -> str:
    """A text that a database can hold; the hash is over its bytes as they are."""
    try:
        text = record.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"the record of {_named(event)} is not UTF-8: {error}") from error
    if b"\0" in record:
        raise ValueError(f"the record of {_named(event)} holds a NUL character")
    return text


def _named(event: NewEvent) -> str:
    return f"event {type(event.body).__name__} of {event.person_id}"


# --- one transaction ----------------------------------------------------------------------------


class _Standing(msgspec.Struct, array_like=True):
    """What the ledger says, under the transaction's locks, about everything a batch names."""

    people: list[tuple[str, int, str]] | None
    streams: list[tuple[str, int]] | None
    attempts: list[tuple[str, int]] | None
    decisions: list[str] | None
    house: int
    """Head of `HOUSE_STREAM`: suppressions of creditors and of the whole house, and emergencies,
    that were ever made."""


# The last event of a stream is found by the unique index (person_id, seq).
_STANDING = JsonQuery(
    """
    SELECT ARRAY(
      (SELECT AGG(ARRAY(e.person_id, e.seq, e.hash))
       FROM EACH(:people) AS k
       JOIN ledger_event AS e ON e.person_id = k.value AND e.seq =
         (SELECT max(h.seq) FROM ledger_event AS h WHERE h.person_id = k.value)),
      (SELECT AGG(ARRAY(k.value,
         (SELECT coalesce(max(l.seq), 0) FROM stream_link AS l WHERE l.stream = k.value)))
       FROM EACH(:streams) AS k),
      (SELECT AGG(ARRAY(a.attempt_id, CASE WHEN a.ended_ms IS NULL THEN 0 ELSE 1 END))
       FROM EACH(:attempts) AS k JOIN attempt AS a ON a.attempt_id = k.value),
      (SELECT AGG(e.decision_id)
       FROM EACH(:decisions) AS k JOIN ledger_event AS e ON e.decision_id = k.value),
      (SELECT count(*) FROM suppression AS s
       WHERE s.person_id IS NULL AND s.scope IN ('creditor', 'tenant'))
        + (SELECT count(*) FROM emergency))
    """,
    msgspec.json.Decoder(_Standing),
)


class _EventRow(msgspec.Struct, gc=False):
    person_id: str
    seq: int
    at_ms: int
    kind: str
    hash: str
    decision_id: str | None
    body: str
    record: str | None


class _LinkRow(msgspec.Struct, gc=False):
    stream: str
    seq: int
    person_id: str
    person_seq: int


_INSERT_EVENTS = bulk_insert(ledger_event, _EventRow.__struct_fields__)
# To PostgreSQL the large texts travel beside the rows, as one run of bytes: to quote them into JSON
# and have the database unquote them again takes longer than to store them.
_INSERT_EVENTS_POSTGRESQL: Final = text(
    """
    INSERT INTO ledger_event (person_id, seq, at_ms, kind, hash, decision_id, body, record)
    SELECT x.person_id, x.seq, x.at_ms, x.kind, x.hash, x.decision_id,
      convert_from(substring(CAST(:texts AS bytea) FROM x.body_at FOR x.body_bytes), 'UTF8'),
      convert_from(substring(CAST(:texts AS bytea) FROM x.record_at FOR x.record_bytes), 'UTF8')
    FROM json_to_recordset(CAST(:rows AS json)) AS x(person_id text, seq integer,
      at_ms bigint, kind text, hash text, decision_id text, body_at integer,
      body_bytes integer, record_at integer, record_bytes integer)
    """
)
_INSERT_LINKS = bulk_insert(stream_link, _LinkRow.__struct_fields__)


async def _append(
    conn: Conn, batch: Sequence[_Prepared], *, alone: bool = False
) -> list[AppendResult]:
    if not batch:
        return []
    people, streams = _streams_of(batch)
    if of_postgresql(conn):
        await lock_streams(conn, [*people, *streams], alone=alone)
    standing = await _STANDING.run(
        conn,
        people=people,
        streams=streams,
        attempts=[p.ends for p in batch if p.ends is not None],
        decisions=[p.decision_id for p in batch if p.decision_id is not None],
    )
    placing = _Placing(standing)
    results = [placing.place(prepared) for prepared in batch]
    await _insert_events(conn, placing.events)
    await _INSERT_LINKS.run(conn, placing.links)
    await projections.apply(
        conn,
        [
            projections.Won(p.event.person_id, r.seq, p.event.at_ms, p.event.body, p.event.writes)
            for p, r in zip(batch, results, strict=True)
            if isinstance(r, Appended) and p.event.writes
        ],
    )
    return results


async def _insert_events(conn: Conn, events: Sequence[_EventRow]) -> None:
    if not of_postgresql(conn):
        await _INSERT_EVENTS.run(conn, events)
        return
    if not events:
        return
    texts: list[bytes] = []
    rows: list[dict[str, str | int | None]] = []
    end = 1
    for event in events:
        row: dict[str, str | int | None] = {
            name: getattr(event, name) for name in _EventRow.__struct_fields__[:-2]
        }
        for name, value in (("body", event.body), ("record", event.record)):
            if value is not None:
                encoded = value.encode()
                texts.append(encoded)
                row[f"{name}_at"] = end
                row[f"{name}_bytes"] = len(encoded)
                end += len(encoded)
        rows.append(row)
    bound = {"rows": _encode(rows).decode(), "texts": b"".join(texts)}
    await conn.execute(_INSERT_EVENTS_POSTGRESQL, bound)


def _streams_of(batch: Sequence[_Prepared]) -> tuple[list[str], list[str]]:
    """Every person and every link stream that the batch reads or moves."""
    people: dict[str, None] = {}
    streams: dict[str, None] = {}
    for prepared in batch:
        event = prepared.event
        people[event.person_id] = None
        for stream in event.links:
            streams[stream] = None
        for stream in event.expected or ():
            if stream == HOUSE_STREAM:
                continue  # it is read with every batch
            (streams if stream.startswith(LINK_PREFIXES) else people)[str(stream)] = None
    return list(people), list(streams)


class _Placing:
    """Gives the events of a batch their places, one after another."""

    def __init__(self, standing: _Standing) -> None:
        self._heads: dict[str, int] = dict(standing.streams or ())
        self._heads[HOUSE_STREAM] = standing.house
        self._hashes: dict[str, str] = {}
        for person_id, seq, digest in standing.people or ():
            self._heads[person_id] = seq
            self._hashes[person_id] = digest
        self._ended = {attempt_id: bool(ended) for attempt_id, ended in standing.attempts or ()}
        self._decisions = set(standing.decisions or ())
        self.events: list[_EventRow] = []
        self.links: list[_LinkRow] = []

    def place(self, prepared: _Prepared) -> AppendResult:
        refused = self._refusal(prepared)
        if refused is not None:
            return refused
        event = prepared.event
        heads = self._heads
        for stream, seq in (event.expected or {}).items():
            if heads.get(stream, 0) != seq:
                return None
        person_id = event.person_id
        seq = heads.get(person_id, 0) + 1
        digest = event_hash(
            self._hashes.get(person_id, GENESIS),
            person_id,
            seq,
            event.at_ms,
            prepared.kind,
            prepared.body,
            event.record,
        )
        heads[person_id] = seq
        self._hashes[person_id] = digest
        self.events.append(
            _EventRow(
                person_id,
                seq,
                event.at_ms,
                prepared.kind,
                digest,
                prepared.decision_id,
                prepared.body.decode(),
                prepared.record,
            )
        )
        for stream in dict.fromkeys(event.links):
            heads[stream] = heads.get(stream, 0) + 1
            self.links.append(_LinkRow(stream, heads[stream], person_id, seq))
        self._remember(prepared)
        return Appended(person_id, seq, digest)

    def _refusal(self, prepared: _Prepared) -> Refused | None:
        if prepared.decision_id is not None:
            if prepared.decision_id in self._decisions:
                return Refused(Refusal.ALREADY_RECORDED, prepared.decision_id)
        elif prepared.ends is not None:
            ended = self._ended.get(prepared.ends)
            if ended is None:
                return Refused(Refusal.UNKNOWN_ATTEMPT, prepared.ends)
            if ended and isinstance(prepared.event.body, AttemptEnded):
                return Refused(Refusal.ALREADY_ENDED, prepared.ends)
        return None

    def _remember(self, prepared: _Prepared) -> None:
        if prepared.decision_id is not None:
            self._decisions.add(prepared.decision_id)
            if isinstance(prepared.event.body, AttemptPlanned):
                self._ended[prepared.decision_id] = False
        elif isinstance(prepared.event.body, AttemptEnded):
            self._ended[prepared.event.body.attempt_id] = True
