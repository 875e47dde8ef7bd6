"""Running an import: from a file on disk to accounts in the ledger, with a report of every row.

Parsing runs in a thread of its own, one batch ahead of the ledger. Each batch is a transaction,
and accounts that have not changed are left alone: an import that was interrupted is run again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack, aclosing
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.portfolio.errors import PortfolioError
from campaigns.portfolio.importer import ImportSettings, Result
from campaigns.portfolio.model import ImportCounts, ImportedAccount, RejectedRow, Text
from campaigns.portfolio.profile import ImportProfile, check_profile, dump_profile, load_profile
from campaigns.portfolio.proposal import propose_profile
from dialer.core.records import from_ms
from dialer.runtime.import_files import (
    FileUnusable,
    ImportFailed,
    ProfileUnusable,
    RejectFile,
    look_at,
    open_file,
    open_reader,
    read_ahead,
    report_path,
    try_profile,
    write_text,
)
from dialer.stores.ledger.bulk import BadRow
from dialer.stores.ledger.campaigns import enrol, list_campaigns
from dialer.stores.ledger.database import Ledger, LedgerUnavailable
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.importing import (
    BatchCounts,
    ImportContext,
    active_accounts,
    import_batch,
    load_typical,
    recall_accounts,
)
from dialer.stores.ledger.jobs import end_job, note_progress, start_job
from dialer.stores.ledger.portfolios import Portfolio, save_import_profile
from dialer.stores.ledger.sharing import SharedCounts, mark_shared

__all__ = [
    "FileUnusable",
    "ImportFailed",
    "ImportJob",
    "ImportProgress",
    "ImportSummary",
    "ProfileUnusable",
]

log = structlog.get_logger()

BATCH_ROWS: Final = 500
"""Rows of one transaction: about a sixth of a second, for which an engine that runs beside it
waits for its turn to write."""
RECALL_PAGE: Final = 1_000


class ImportProgress(msgspec.Struct, frozen=True, kw_only=True):
    bytes_read: int
    bytes_total: int
    rows: int
    rejected: int
    accounts: BatchCounts
    marking_shared: bool = False
    """All rows are read; numbers that several people have are being marked."""


class ImportSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file: `rows = accepted + rejected + duplicates`."""

    job_id: str
    portfolio_id: str
    file_name: str
    rows: int
    accepted: int
    rejected: int
    duplicates: int
    """Rows that repeat an earlier one to the letter."""
    accounts: BatchCounts
    missing_recalled: int
    """Accounts taken back because the file does not have them, where that was asked for."""
    shared: SharedCounts
    dummy_phones: int
    warnings: dict[str, int]
    flags: dict[str, int]
    """`KIND:ACTION` to the number of accounts."""
    enrolled: dict[str, int]
    """Campaign to the number of accounts that are new in it."""
    reject_path: str | None
    """Where rejected rows and unused cells are listed, with how to mend them."""
    unmapped_columns: tuple[str, ...]
    doubts: tuple[Text, ...]
    """What a person should look at, where the profile was proposed by this import."""
    seconds: float

    @property
    def rows_per_s(self) -> float:
        return self.rows / self.seconds if self.seconds > 0 else 0.0


OnProgress = Callable[[ImportProgress], None]


class ImportJob:
    """One reading of one file into one portfolio. Made for one `run`.

    Args:
        reports_dir: where the reject file (and a proposed profile) goes; made if missing.
        now_ms: the clock.
        profile: TOML of the import profile; None: the portfolio's own, or one that is proposed
            from the file and then kept with the portfolio.
        recall_missing: the file names every account there is: take back those it lacks.
    """

    def __init__(
        self,
        ledger: Ledger,
        portfolio: Portfolio,
        path: Path,
        *,
        reports_dir: Path,
        now_ms: Callable[[], int],
        profile: str | None = None,
        recall_missing: bool = False,
        batch_rows: int = BATCH_ROWS,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._ledger = ledger
        self._portfolio = portfolio
        self._path = path
        self._reports_dir = reports_dir
        self._now_ms = now_ms
        self._profile_text = profile
        self._recall_missing = recall_missing
        self._batch_rows = batch_rows
        self._on_progress = on_progress
        self._context = ImportContext(portfolio=portfolio, job_id="")
        self._file_bytes = 0
        self._done = BatchCounts()
        self._rows = ImportCounts(warnings={}, flags={})
        self._seen: set[str] = set()
        self._doubts: tuple[Text, ...] = ()

    async def run(self) -> ImportSummary:
        """Import the file.

        Raises:
            FileUnusable: before anything is written.
            ProfileUnusable: before anything is written.
            ImportFailed: on the way; the same file can be imported again without harm.
            LedgerUnavailable: on the way; the same.
        """
        started_s = time.monotonic()
        sample, self._file_bytes, digest = await asyncio.to_thread(look_at, self._path)
        profile = await asyncio.to_thread(self._choose_profile, sample)
        settings = ImportSettings(profile=profile, today=from_ms(self._now_ms()).date())
        unmapped = await asyncio.to_thread(try_profile, self._path, settings)
        self._context = await self._ledger.transact(partial(self._start, profile, digest))
        try:
            reject_path = await self._read(settings)
            missing = await self._recall()
            self._report(self._file_bytes, marking_shared=True)
            source = self._context.job_id
            shared = await mark_shared(self._ledger, now_ms=self._now_ms(), source=source)
            enrolled = await self._enrol()
        except (BadRow, OSError) as error:
            await self._fail(error)
            raise ImportFailed(
                f"{self._path}: {error}; mend that and import the file again: what was imported "
                "is kept, and is not imported twice"
            ) from error
        except (ImportFailed, LedgerUnavailable) as error:
            await self._fail(error)
            raise
        rows = self._rows
        summary = ImportSummary(
            job_id=self._context.job_id,
            portfolio_id=self._portfolio.portfolio_id,
            file_name=self._path.name,
            rows=rows.rows,
            accepted=rows.accepted,
            rejected=rows.rejected,
            duplicates=rows.ignored_duplicates,
            accounts=self._done,
            missing_recalled=missing,
            shared=shared,
            dummy_phones=rows.warnings.get("phone_dummy", 0),
            warnings=rows.warnings,
            flags=rows.flags,
            enrolled=enrolled,
            reject_path=reject_path,
            unmapped_columns=unmapped,
            doubts=self._doubts,
            seconds=time.monotonic() - started_s,
        )
        await self._end(summary)
        return summary

    # --- before the first row --------------------------------------------------------------------

    def _choose_profile(self, sample: bytes) -> ImportProfile:
        text = self._profile_text or self._portfolio.import_profile
        try:
            if text is not None:
                profile = load_profile(text)
                check_profile(profile)
                return profile
            proposal = propose_profile(sample, self._portfolio.country, self._portfolio.currency)
        except PortfolioError as error:
            raise ProfileUnusable(error) from error
        self._doubts = proposal.doubts
        try:
            check_profile(proposal.profile)
        except PortfolioError as error:
            path = report_path(self._reports_dir, f"profile-{self._portfolio.name}", "toml")
            write_text(path, dump_profile(proposal.profile))
            raise ProfileUnusable(error, path) from error
        return proposal.profile

    async def _start(
        self, profile: ImportProfile, digest: str, conn: AsyncConnection
    ) -> ImportContext:
        portfolio_id = self._portfolio.portfolio_id
        text = dump_profile(profile)
        if text != self._portfolio.import_profile:
            await save_import_profile(conn, portfolio_id, text)
        job_id = await start_job(
            conn,
            job_id=new_id(),
            portfolio_id=portfolio_id,
            file_name=self._path.name,
            file_sha256=digest,
            file_bytes=self._file_bytes,
            now_ms=self._now_ms(),
        )
        typical = await load_typical(conn, portfolio_id)
        return ImportContext(portfolio=self._portfolio, job_id=job_id, typical=typical)

    # --- rows ------------------------------------------------------------------------------------

    async def _read(self, settings: ImportSettings) -> str | None:
        """Read the whole file; returns where the reject file is, if there is one."""
        with ExitStack() as stack:
            file = stack.enter_context(open_file(self._path))
            path = report_path(self._reports_dir, f"rejects-{self._context.job_id}", "csv")
            rejects = stack.enter_context(RejectFile(path))
            reader = open_reader(file, settings)
            async with aclosing(read_ahead(reader, rejects, self._batch_rows)) as batches:
                async for batch in batches:
                    self._rows = batch.counts
                    await self._write(batch.results)
                    if self._recall_missing:
                        self._remember(batch.results)
                    self._report(batch.bytes_read)
            return rejects.finish()

    async def _write(self, results: list[Result]) -> None:
        accounts = [result for result in results if isinstance(result, ImportedAccount)]

        async def work(conn: Conn) -> BatchCounts:
            counts = await import_batch(conn, self._context, accounts, self._now_ms())
            if counts.new or counts.updated:
                total = msgspec.structs.replace(self._done)
                total.add(counts)
                so_far = msgspec.structs.asdict(total) | self._context.typical_counts()
                await note_progress(
                    conn, self._context.job_id, rows_read=self._rows.rows, counts=so_far
                )
            return counts

        if accounts:
            self._done.add(await self._ledger.write_at_once(work))

    def _remember(self, results: list[Result]) -> None:
        """Account numbers that the file has. A rejected row has its number in one of its cells:
        what cannot be read is no reason to take an account back."""
        for result in results:
            if isinstance(result, RejectedRow):
                self._seen.update(cell.strip() for cell in result.cells)
            else:
                self._seen.add(result.external_id)

    async def _recall(self) -> int:
        recalled, after = 0, ""
        while self._recall_missing:
            async with self._ledger.read() as conn:
                page = await active_accounts(
                    conn, self._portfolio.portfolio_id, after=after, limit=RECALL_PAGE
                )
            if not page:
                break
            after = page[-1][0]
            missing = [account_id for account_id, number in page if number not in self._seen]
            if missing:
                recalled += await self._ledger.write_at_once(
                    partial(
                        recall_accounts,
                        context=self._context,
                        account_ids=missing,
                        now_ms=self._now_ms(),
                    )
                )
        return recalled

    async def _enrol(self) -> dict[str, int]:
        """New accounts go to those of the portfolio's campaigns that still take some."""
        async with self._ledger.read() as conn:
            campaigns = await list_campaigns(conn, portfolio_id=self._portfolio.portfolio_id)
        return {
            campaign.campaign_id: await enrol(self._ledger, campaign, now_ms=self._now_ms())
            for campaign in campaigns
            if campaign.state.takes_accounts
        }

    # --- telling ---------------------------------------------------------------------------------

    def _report(self, bytes_read: int, *, marking_shared: bool = False) -> None:
        if self._on_progress is not None:
            self._on_progress(
                ImportProgress(
                    bytes_read=bytes_read,
                    bytes_total=self._file_bytes,
                    rows=self._rows.rows,
                    rejected=self._rows.rejected,
                    accounts=msgspec.structs.replace(self._done),
                    marking_shared=marking_shared,
                )
            )

    async def _end(self, summary: ImportSummary) -> None:
        counts = (
            msgspec.structs.asdict(summary.accounts)
            | self._context.typical_counts()
            | {
                "accepted": summary.accepted,
                "rejected": summary.rejected,
                "duplicates": summary.duplicates,
                "missing_recalled": summary.missing_recalled,
                "shared": summary.shared.shared,
                "also_reference": summary.shared.also_reference,
                "dummy_phones": summary.dummy_phones,
            }
            | {f"flag:{flag}": number for flag, number in summary.flags.items()}
        )
        async with self._ledger.write() as conn:
            await end_job(
                conn,
                summary.job_id,
                rows_read=summary.rows,
                counts=counts,
                reject_path=summary.reject_path,
                now_ms=self._now_ms(),
            )

    async def _fail(self, error: Exception) -> None:
        """Say in the job's row why it ended, if the ledger can still be written."""
        counts = msgspec.structs.asdict(self._done) | self._context.typical_counts()
        try:
            async with self._ledger.write() as conn:
                await end_job(
                    conn,
                    self._context.job_id,
                    rows_read=self._rows.rows,
                    counts=counts,
                    reject_path=None,
                    now_ms=self._now_ms(),
                    error=str(error),
                )
        except LedgerUnavailable as unavailable:
            log.warning("import_end_not_recorded", job=self._context.job_id, error=str(unavailable))
