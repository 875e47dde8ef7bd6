"""Uploaded portfolios, read in the background; what became of each is kept beside the ledger.

An upload has a folder of its own, `data_dir/uploads/IMPORT_ID`, with a small status file in it
and the upload itself in `file/`.
The file holds personal data and is deleted as soon as it is read, however that ends.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog

from dialer.console.services import ImportState, ImportStatus, Upload
from dialer.core.records import to_ms
from dialer.runtime.clock import Clock
from dialer.runtime.importing import (
    ImportFailed,
    ImportJob,
    ImportProgress,
    ImportSummary,
    ProfileUnusable,
)
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.database import Ledger, LedgerUnavailable
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.portfolios import Portfolio

log = structlog.get_logger()

STATUS_FILE: Final = "status.json"
FILE_FOLDER: Final = "file"
NAME_CHARS: Final = 80
IMPORT_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
"""A ULID: it names a folder, and nothing else may."""


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the status file holds."""

    pid: int
    """The process that reads the file; when it is gone, so is the import."""
    status: ImportStatus


class ImportRuns:
    """Imports of this process, and what is known of earlier ones."""

    def __init__(self, ledger: Ledger, data_dir: Path, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._uploads = data_dir / "uploads"
        self._reports = data_dir / "imports"
        self._running: dict[str, ImportStatus] = {}
        self._tasks = TaskSet("imports")

    async def receive(self, file_name: str) -> Upload:
        import_id = new_id()
        path = self._uploads / import_id / FILE_FOLDER / safe_name(file_name)
        await asyncio.to_thread(path.parent.mkdir, 0o700, parents=True)
        return Upload(import_id, path)

    async def discard(self, upload: Upload) -> None:
        await asyncio.to_thread(shutil.rmtree, self._uploads / upload.import_id)

    async def start(
        self, upload: Upload, portfolio: Portfolio, *, recall_missing: bool, actor: str
    ) -> ImportStatus:
        path = upload.path
        size = (await asyncio.to_thread(path.stat)).st_size
        status = ImportStatus(
            import_id=upload.import_id,
            portfolio_id=portfolio.portfolio_id,
            file_name=path.name,
            file_bytes=size,
            state=ImportState.RUNNING,
            started_ms=self._now_ms(),
        )
        async with self._ledger.write() as conn:
            await record_audit(
                conn,
                at_ms=status.started_ms,
                actor=actor,
                action="import.start",
                target=portfolio.portfolio_id,
                detail={"import_id": status.import_id, "recall_missing": recall_missing},
            )
        await asyncio.to_thread(_keep, self._uploads / upload.import_id, status)
        self._running[status.import_id] = status
        job = ImportJob(
            self._ledger,
            portfolio,
            path,
            reports_dir=self._reports,
            now_ms=self._now_ms,
            recall_missing=recall_missing,
            on_progress=partial(self._progress, status.import_id),
        )
        self._tasks.start(f"import:{status.import_id}", self._run(job, upload))
        return status

    async def status(self, import_id: str) -> ImportStatus | None:
        """How an import fares, or fared; None for an id that was never given out."""
        running = self._running.get(import_id)
        if running is not None or not IMPORT_ID.fullmatch(import_id):
            return running
        return await asyncio.to_thread(_recall, self._uploads / import_id)

    async def close(self) -> None:
        """Break off what runs: it was recorded batch by batch, and can be imported again."""
        await self._tasks.cancel()

    # --- inside ------------------------------------------------------------------------------

    async def _run(self, job: ImportJob, upload: Upload) -> None:
        import_id, path = upload.import_id, upload.path
        folder = self._uploads / import_id
        try:
            ended = _done(self._running[import_id], await job.run())
        except ProfileUnusable as error:
            told = error.error
            ended = self._failed(
                import_id,
                f"{told.message.es} {told.mend.es}",
                f"{told.message.en} {told.mend.en}",
                await asyncio.to_thread(_proposed, error.profile_path),
            )
        except (ImportFailed, LedgerUnavailable) as error:
            # The path is this server's business; who sent the file knows its name.
            reason = str(error).replace(str(path), self._running[import_id].file_name)
            ended = self._failed(import_id, f"No se pudo importar: {reason}", reason)
        except asyncio.CancelledError:
            running = self._running.pop(import_id)
            broken = ImportState.INTERRUPTED
            _end(
                folder,
                msgspec.structs.replace(running, state=broken, ended_ms=self._now_ms()),
            )
            raise
        except Exception:
            es, en = "Algo falló dentro de Marcador.", "Something failed inside Marcador."
            await asyncio.to_thread(_end, folder, self._failed(import_id, es, en))
            del self._running[import_id]
            raise
        await asyncio.to_thread(_end, folder, ended)
        del self._running[import_id]
        log.info("import_ended", import_id=import_id, state=ended.state, rows=ended.rows)

    def _failed(
        self, import_id: str, es: str, en: str, proposed_profile: str | None = None
    ) -> ImportStatus:
        return msgspec.structs.replace(
            self._running[import_id],
            state=ImportState.FAILED,
            ended_ms=self._now_ms(),
            error_es=es,
            error_en=en,
            proposed_profile=proposed_profile,
        )

    def _progress(self, import_id: str, at: ImportProgress) -> None:
        self._running[import_id] = msgspec.structs.replace(
            self._running[import_id],
            bytes_read=at.bytes_read,
            rows=at.rows,
            rejected=at.rejected,
            counts=msgspec.structs.asdict(at.accounts),
        )

    def _now_ms(self) -> int:
        return to_ms(self._clock.now())


def safe_name(file_name: str) -> str:
    """A name without folders or odd characters; what is left of it is what people recognise."""
    last = re.split(r"[/\\]", file_name)[-1]
    plain = re.sub(r"[^\w.-]+", "_", last)[-NAME_CHARS:].lstrip(".")
    return plain or "portfolio.csv"


def _done(status: ImportStatus, summary: ImportSummary) -> ImportStatus:
    return msgspec.structs.replace(
        status,
        state=ImportState.DONE,
        ended_ms=status.started_ms + round(summary.seconds * 1000),
        bytes_read=status.file_bytes,
        rows=summary.rows,
        rejected=summary.rejected,
        counts=msgspec.structs.asdict(summary.accounts)
        | {"duplicates": summary.duplicates, "missing_recalled": summary.missing_recalled},
        job_id=summary.job_id,
        has_rejects=summary.reject_path is not None,
        unmapped_columns=summary.unmapped_columns,
        doubts_es=tuple(doubt.es for doubt in summary.doubts),
        doubts_en=tuple(doubt.en for doubt in summary.doubts),
    )


def _proposed(path: Path | None) -> str | None:
    return None if path is None else path.read_text(encoding="utf-8")


def _keep(folder: Path, status: ImportStatus) -> None:
    """Write the status file whole or not at all."""
    text = msgspec.json.encode(_Kept(pid=os.getpid(), status=status))
    fresh = folder / f"{STATUS_FILE}.new"
    fresh.write_bytes(text)
    fresh.replace(folder / STATUS_FILE)


def _end(folder: Path, status: ImportStatus) -> None:
    _keep(folder, status)
    shutil.rmtree(folder / FILE_FOLDER, ignore_errors=True)


def _recall(folder: Path) -> ImportStatus | None:
    try:
        kept = msgspec.json.decode((folder / STATUS_FILE).read_bytes(), type=_Kept)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    status = kept.status
    if status.state is ImportState.RUNNING and not _alive(kept.pid):
        status = msgspec.structs.replace(status, state=ImportState.INTERRUPTED)
        _end(folder, status)
    return status


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return False  # of this process's imports the running ones are known
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
