"""A process of its own that imports a file and tells each batch; the test kills it.

Usage: python -m tests.runtime.import_worker LEDGER_URL FILE REPORTS_DIR
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from dialer.runtime.importing import ImportJob, ImportProgress
from dialer.stores.ledger.database import open_ledger
from dialer.stores.ledger.portfolios import ensure_portfolio
from tests.stores.ledger.relational.world import NOW_MS, some_portfolio


async def main(url: str, file: str, reports: str) -> None:
    ledger = await open_ledger(url, now_ms=NOW_MS)
    async with ledger.write() as conn:
        portfolio = await ensure_portfolio(conn, some_portfolio())

    def tell(progress: ImportProgress) -> None:
        sys.stdout.write(f"{progress.rows}\n")
        sys.stdout.flush()

    job = ImportJob(
        ledger,
        portfolio,
        Path(file),
        reports_dir=Path(reports),
        now_ms=lambda: NOW_MS,
        batch_rows=20,
        on_progress=tell,
    )
    await job.run()
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
