"""Rows of recorded conversations: what began, what is kept, and what had to go."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.stores.ledger.audit import SYSTEM, record_audit
from dialer.stores.ledger.oversight_schema import legal_hold, recording
from dialer.stores.ledger.schema import ledger_event

RECORDING, KEPT, FAILED, ERASED = "recording", "kept", "failed", "erased"


class RecordingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One recording."""

    recording_id: str
    attempt_id: str
    """The attempt, or the call to us, that it is of."""
    person_id: str
    account_id: str
    campaign_id: str
    agent_id: str
    """Who had the call when the recording began."""
    basis: str
    """`not_needed`, `announced` or `consent`."""
    state: str
    """`recording`, `kept`, `failed` or `erased`."""
    started_ms: int
    duration_ms: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    erased_ms: int | None = None


_FIELDS = [recording.c[name] for name in RecordingRow.__struct_fields__]


async def begin(conn: AsyncConnection, row: RecordingRow) -> None:
    """A recording is about to begin."""
    await conn.execute(recording.insert().values(msgspec.structs.asdict(row)))


async def keep(
    conn: AsyncConnection, recording_id: str, *, sha256: str, size: int, duration_ms: int
) -> bool:
    """The sound is on disk. False: it was erased, or failed, meanwhile."""
    r = recording.c
    done = await conn.execute(
        update(recording)
        .where(r.recording_id == recording_id, r.state == RECORDING)
        .values(state=KEPT, sha256=sha256, bytes=size, duration_ms=duration_ms)
    )
    return done.rowcount == 1


async def fail(conn: AsyncConnection, recording_id: str) -> None:
    """There is nothing to keep."""
    r = recording.c
    await conn.execute(
        update(recording)
        .where(r.recording_id == recording_id, r.state == RECORDING)
        .values(state=FAILED)
    )


async def get(conn: AsyncConnection, recording_id: str) -> RecordingRow | None:
    query = select(*_FIELDS).where(recording.c.recording_id == recording_id)
    found = (await conn.execute(query)).one_or_none()
    return None if found is None else msgspec.convert(found, RecordingRow, from_attributes=True)


async def list_recordings(
    conn: AsyncConnection,
    *,
    person_id: str | None = None,
    campaign_id: str | None = None,
    attempt_id: str | None = None,
    state: str | None = None,
    before: str = "",
    limit: int = 100,
) -> list[RecordingRow]:
    """The newest first; `before` is the last id of the page before."""
    r = recording.c
    query = select(*_FIELDS).order_by(r.recording_id.desc()).limit(limit)
    for column, wanted in (
        (r.person_id, person_id),
        (r.campaign_id, campaign_id),
        (r.attempt_id, attempt_id),
        (r.state, state),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if before:
        query = query.where(r.recording_id < before)
    rows = await conn.execute(query)
    return [msgspec.convert(row, RecordingRow, from_attributes=True) for row in rows]


async def unfinished(
    conn: AsyncConnection, *, started_before_ms: int, limit: int
) -> list[RecordingRow]:
    """Recordings whose end nobody has told, oldest first."""
    r = recording.c
    query = (
        select(*_FIELDS)
        .where(r.state == RECORDING, r.started_ms < started_before_ms)
        .order_by(r.started_ms)
        .limit(limit)
    )
    rows = await conn.execute(query)
    return [msgspec.convert(row, RecordingRow, from_attributes=True) for row in rows]


# --- what has to go -------------------------------------------------------------------------------


class Aged(msgspec.Struct, frozen=True, kw_only=True):
    """A kept recording with what its period is counted from."""

    recording_id: str
    person_id: str
    started_ms: int
    last_activity_ms: int


async def without_hold(conn: AsyncConnection, *, started_before_ms: int, limit: int) -> list[Aged]:
    """Kept recordings that began so long ago and that no legal hold protects."""
    r, event = recording.c, ledger_event.c
    held = (
        select(legal_hold.c.hold_id)
        .where(legal_hold.c.person_id == r.person_id, legal_hold.c.released_ms.is_(None))
        .exists()
    )
    last = select(func.max(event.at_ms)).where(event.person_id == r.person_id).scalar_subquery()
    query = (
        select(
            r.recording_id,
            r.person_id,
            r.started_ms,
            func.coalesce(last, r.started_ms).label("last_activity_ms"),
        )
        .where(r.state == KEPT, r.started_ms < started_before_ms, ~held)
        .order_by(r.started_ms)
        .limit(limit)
    )
    rows = await conn.execute(query)
    return [msgspec.convert(row, Aged, from_attributes=True) for row in rows]


async def expire(conn: AsyncConnection, recording_ids: Sequence[str], *, now_ms: int) -> None:
    """Their time is over; the audit tells."""
    r = recording.c
    for recording_id in recording_ids:
        gone = await conn.execute(
            update(recording)
            .where(r.recording_id == recording_id, r.state == KEPT)
            .values(state=ERASED, erased_ms=now_ms)
        )
        if gone.rowcount == 1:
            await record_audit(
                conn,
                at_ms=now_ms,
                actor=SYSTEM,
                action="recording.expire",
                target=recording_id,
            )


async def erase_person(conn: AsyncConnection, person_id: str, *, now_ms: int) -> None:
    """All of a person's, with the rest of their data. The files follow."""
    r = recording.c
    await conn.execute(
        update(recording)
        .where(r.person_id == person_id, r.state != ERASED)
        .values(state=ERASED, erased_ms=now_ms)
    )


async def files_to_remove(conn: AsyncConnection, limit: int) -> list[tuple[str, str | None]]:
    """Erased recordings whose file may still be there: id, and the hash if no recording that is
    kept has the same sound."""
    r, other = recording.c, recording.alias("other")
    shared = (
        select(other.c.recording_id)
        .where(other.c.sha256 == r.sha256, other.c.state == KEPT)
        .exists()
    )
    query = (
        select(r.recording_id, r.sha256, shared.label("shared"))
        .where(r.state == ERASED, r.file_gone.is_(False))
        .limit(limit)
    )
    rows = await conn.execute(query)
    return [(row.recording_id, None if row.shared else row.sha256) for row in rows]


class CarrierCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A recording that is over here, and whose sound the carrier may still have."""

    recording_id: str
    state: str
    sha256: str | None


async def at_carrier(conn: AsyncConnection, *, after: str, limit: int) -> list[CarrierCopy]:
    """By id, from the one after `after`."""
    r = recording.c
    query = (
        select(r.recording_id, r.state, r.sha256)
        .where(r.state != RECORDING, r.carrier_gone.is_(False), r.recording_id > after)
        .order_by(r.recording_id)
        .limit(limit)
    )
    rows = await conn.execute(query)
    return [msgspec.convert(row, CarrierCopy, from_attributes=True) for row in rows]


async def carrier_copy_gone(conn: AsyncConnection, recording_id: str) -> None:
    await conn.execute(
        update(recording).where(recording.c.recording_id == recording_id).values(carrier_gone=True)
    )


async def file_removed(conn: AsyncConnection, recording_id: str) -> None:
    await conn.execute(
        update(recording).where(recording.c.recording_id == recording_id).values(file_gone=True)
    )
