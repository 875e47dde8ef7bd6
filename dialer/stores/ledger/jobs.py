"""Import jobs: one row for each time a file was read, whatever became of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec
from sqlalchemy import RowMapping, desc, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.stores.ledger.bulk import Row, bulk_update
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.schema import import_job

_PROGRESS = bulk_update(import_job, ["job_id"], ["rows_read", "counts"])


class JobState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ImportJobRow(msgspec.Struct, frozen=True, kw_only=True):
    job_id: str
    portfolio_id: str
    file_name: str
    file_sha256: str
    file_bytes: int
    state: JobState
    rows_read: int
    counts: dict[str, int]
    reject_path: str | None
    error: str | None
    started_ms: int
    ended_ms: int | None


async def start_job(
    conn: AsyncConnection,
    *,
    job_id: str,
    portfolio_id: str,
    file_name: str,
    file_sha256: str,
    file_bytes: int,
    now_ms: int,
) -> str:
    """Record that a file is being read; returns the job's id.

    A job of the same file that never ended (the process was killed) is taken up again under its
    own id, so that a portfolio's jobs do not pretend to run for ever.
    """
    unended = (
        select(import_job.c.job_id)
        .where(
            import_job.c.portfolio_id == portfolio_id,
            import_job.c.file_sha256 == file_sha256,
            import_job.c.state == JobState.RUNNING,
        )
        .order_by(import_job.c.started_ms)
        .limit(1)
    )
    known = (await conn.execute(unended)).scalar()
    if known is not None:
        return str(known)
    await conn.execute(
        import_job.insert().values(
            job_id=job_id,
            portfolio_id=portfolio_id,
            file_name=file_name,
            file_sha256=file_sha256,
            file_bytes=file_bytes,
            state=JobState.RUNNING,
            started_ms=now_ms,
        )
    )
    return job_id


async def note_progress(
    conn: Conn, job_id: str, *, rows_read: int, counts: Mapping[str, int]
) -> None:
    row: Row = {"job_id": job_id, "rows_read": rows_read, "counts": _encoded(counts)}
    if await _PROGRESS.run(conn, [row]) != 1:
        raise LookupError(f"there is no import job {job_id}")


async def end_job(
    conn: AsyncConnection,
    job_id: str,
    *,
    rows_read: int,
    counts: Mapping[str, int],
    reject_path: str | None,
    now_ms: int,
    error: str | None = None,
) -> None:
    """The file was read to its end, or `error` tells why it was not."""
    await _change(
        conn,
        job_id,
        state=JobState.DONE if error is None else JobState.FAILED,
        rows_read=rows_read,
        counts=_encoded(counts),
        reject_path=reject_path,
        error=error,
        ended_ms=now_ms,
    )


async def get_job(conn: AsyncConnection, job_id: str) -> ImportJobRow | None:
    query = select(import_job).where(import_job.c.job_id == job_id)
    row = (await conn.execute(query)).mappings().one_or_none()
    return None if row is None else _job(row)


async def list_jobs(
    conn: AsyncConnection, *, portfolio_id: str | None = None, limit: int = 100
) -> list[ImportJobRow]:
    """The newest first."""
    query = select(import_job).order_by(desc(import_job.c.started_ms), desc(import_job.c.job_id))
    if portfolio_id is not None:
        query = query.where(import_job.c.portfolio_id == portfolio_id)
    return [_job(row) for row in (await conn.execute(query.limit(limit))).mappings()]


async def _change(conn: AsyncConnection, job_id: str, **values: str | int | None) -> None:
    result = await conn.execute(
        update(import_job).where(import_job.c.job_id == job_id).values(values)
    )
    if result.rowcount != 1:
        raise LookupError(f"there is no import job {job_id}")


def _encoded(counts: Mapping[str, int]) -> str:
    return msgspec.json.encode(dict(counts), order="sorted").decode()


def _job(row: RowMapping) -> ImportJobRow:
    # Names of columns are a subclass of str, which msgspec does not take for keys.
    values = {str(name): value for name, value in row.items()}
    counts = msgspec.json.decode(row["counts"], type=dict[str, int])
    return msgspec.convert(values | {"counts": counts}, ImportJobRow)
