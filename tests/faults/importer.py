"""A process that imports a file until it is done, or killed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import uvloop

from dialer.bootstrap import set_up_logging
from dialer.config import LogConfig
from dialer.core.records import to_ms
from dialer.runtime.importing import ImportJob, ImportSummary
from dialer.stores.ledger.database import open_ledger
from dialer.stores.ledger.portfolios import ensure_portfolio
from tests.faults.prepared import MORNING, ledger_url, portfolio

BATCH_ROWS = 40
"""Small, so that there are many places between two transactions."""


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    file: str
    country: str


async def import_file(options: ImportOptions) -> ImportSummary:
    folder = Path(options.folder)
    ledger = await open_ledger(ledger_url(folder), now_ms=to_ms(MORNING))
    try:
        async with ledger.write() as conn:
            known = await ensure_portfolio(conn, portfolio(options.country))
        job = ImportJob(
            ledger,
            known,
            Path(options.file),
            reports_dir=folder / "reports",
            now_ms=lambda: to_ms(MORNING),
            batch_rows=BATCH_ROWS,
        )
        return await job.run()
    finally:
        await ledger.close()


def run_import(options: ImportOptions) -> None:
    """Entry of a process."""
    set_up_logging(LogConfig(level="error"))
    uvloop.run(import_file(options))
