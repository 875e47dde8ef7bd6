"""Import jobs end to end: files on disk, the ledger after them, and what people are told."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from campaigns.campaign import CampaignSettings
from dialer.runtime.importing import (
    FileUnusable,
    ImportFailed,
    ImportJob,
    ImportProgress,
    ImportSummary,
    ProfileUnusable,
)
from dialer.stores.ledger.campaigns import create_campaign
from dialer.stores.ledger.database import Ledger, LedgerUnavailable, Trouble, open_ledger
from dialer.stores.ledger.jobs import JobState, get_job, list_jobs
from dialer.stores.ledger.portfolios import Portfolio, ensure_portfolio, portfolio_named
from tests.stores.ledger.relational.world import (
    NOW_MS,
    column,
    contents,
    profiles_agree,
    some_portfolio,
    table_counts,
)

HEADER = (
    "id_cuenta;rut;nombre_completo;ciudad;region;producto;saldo_total;fecha_vencimiento;"
    "telefono_1;telefono_2;telefono_laboral;nombre_referencia;telefono_referencia;observaciones"
)


def rows(count: int, *, seed: int = 1) -> list[str]:
    """Rows as a Chilean creditor sends them, with shared numbers, references and notes."""
    rng = random.Random(seed)
    notes = ["", "", "", "NO LLAMAR AL TRABAJO", "tiene abogado", "prefiere la tarde"]
    made = []
    for number in range(count):
        body = 5_000_000 + number * 7
        numbers = [f"9{rng.randrange(50_000_000, 50_000_400)}" for _ in range(2)]
        made.append(
            f"CL-{number:05d};{body}-{check_digit(body)};Persona {number};Santiago;RM;Tarjeta;"
            f"{rng.randrange(10, 900)}.{rng.randrange(100, 999)};12/06/2026;"
            f"{numbers[0]};{numbers[1]};22{rng.randrange(2_000_000, 2_999_999)};"
            f"Rosa;9{rng.randrange(50_000_000, 50_000_400)};{rng.choice(notes)}"
        )
    return made


def check_digit(body: int) -> str:
    """Of a RUT: weights 2 to 7 from the right, modulo 11."""
    total = sum(int(d) * (2 + i % 6) for i, d in enumerate(reversed(str(body))))
    return "0123456789K"[(11 - total % 11) % 11]


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "ledger.db"

    async def make() -> None:
        await (await open_ledger(f"sqlite+aiosqlite:///{path}", now_ms=NOW_MS)).close()

    asyncio.run(make())
    return path


@pytest.fixture
async def ledger(empty_ledger: Path, tmp_path: Path) -> AsyncIterator[Ledger]:
    path = tmp_path / "ledger.db"
    shutil.copy(empty_ledger, path)
    opened = await open_ledger(f"sqlite+aiosqlite:///{path}", now_ms=NOW_MS)
    yield opened
    await opened.close()


@pytest.fixture
async def portfolio(ledger: Ledger) -> Portfolio:
    async with ledger.write() as conn:
        return await ensure_portfolio(conn, some_portfolio())


class Runner:
    """Imports text as a file into the portfolio as it now stands."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self.reports = folder / "reports"
        self.file = folder / "cartera.csv"
        self.told: list[ImportProgress] = []

    def write(self, lines: list[str], header: str = HEADER) -> None:
        self.file.write_text("\n".join([header, *lines, ""]), encoding="latin-1")

    async def run(
        self, *, profile: str | None = None, recall_missing: bool = False
    ) -> ImportSummary:
        async with self.ledger.read() as conn:
            portfolio = await portfolio_named(conn, "cartera")
        assert portfolio is not None
        job = ImportJob(
            self.ledger,
            portfolio,
            self.file,
            reports_dir=self.reports,
            now_ms=lambda: NOW_MS,
            profile=profile,
            recall_missing=recall_missing,
            batch_rows=20,
            on_progress=self.told.append,
        )
        return await job.run()


@pytest.fixture
def runner(ledger: Ledger, portfolio: Portfolio, tmp_path: Path) -> Runner:
    assert portfolio.name == "cartera"
    return Runner(ledger, tmp_path)


async def test_a_file_becomes_accounts_and_a_report(runner: Runner) -> None:
    lines = rows(60)
    lines[7] = lines[7].replace("Persona 7", "")
    runner.write([*lines, lines[0]])
    summary = await runner.run()
    assert (summary.rows, summary.accepted, summary.rejected, summary.duplicates) == (61, 59, 1, 1)
    assert (summary.accounts.new, summary.accounts.unchanged) == (59, 0)
    assert summary.shared.shared > 0
    assert summary.shared.also_reference > 0
    assert summary.flags["attorney:suppress"] == summary.accounts.statuses > 0
    assert summary.accounts.notes > 0
    assert summary.reject_path is not None
    report = text_of(summary.reject_path)
    assert "missing_name" in report
    assert "CL-00007" in report
    async with runner.ledger.read() as conn:
        job = await get_job(conn, summary.job_id)
    assert job is not None
    assert (job.state, job.rows_read, job.reject_path) == (
        JobState.DONE,
        61,
        summary.reject_path,
    )
    assert job.counts["new"] == 59
    assert job.counts["rejected"] == 1
    assert summary.rows_per_s > 0
    await profiles_agree(runner.ledger)


def text_of(path: str) -> str:
    return Path(path).read_text(encoding="utf-8-sig")


async def test_progress_grows_to_the_end(runner: Runner) -> None:
    runner.write(rows(90))
    await runner.run()
    told = runner.told
    assert [p.rows for p in told] == sorted(p.rows for p in told)
    assert told[0].rows < 90
    assert told[-1].marking_shared
    assert (told[-1].rows, told[-1].accounts.new) == (90, 90)
    assert told[-1].bytes_read == told[-1].bytes_total == runner.file.stat().st_size


async def test_a_clean_file_leaves_no_report(runner: Runner) -> None:
    runner.write([row.rsplit(";", 1)[0] + ";" for row in rows(5)])
    summary = await runner.run()
    assert summary.reject_path is None
    assert list(runner.reports.iterdir()) == []


async def test_the_same_file_again_changes_nothing(runner: Runner) -> None:
    runner.write(rows(50))
    await runner.run()
    before, counted = await contents(runner.ledger), await table_counts(runner.ledger)
    again = await runner.run()
    assert (again.accounts.new, again.accounts.updated, again.accounts.unchanged) == (0, 0, 50)
    assert again.shared.changed == 0
    assert await contents(runner.ledger) == before
    assert await table_counts(runner.ledger) == counted | {"import_job": counted["import_job"] + 1}


async def test_a_newer_file_updates_and_recalls_if_asked(runner: Runner) -> None:
    lines = rows(40)
    runner.write(lines)
    await runner.run()
    changed = lines[0].replace("Tarjeta", "Retail")
    broken = lines[2].replace("Persona 2", "")
    runner.write([changed, lines[1], broken])
    kept = await runner.run()
    assert (kept.accounts.updated, kept.accounts.unchanged, kept.missing_recalled) == (1, 1, 0)
    whole = await runner.run(recall_missing=True)
    assert whole.missing_recalled == 37
    assert await column(
        runner.ledger, "SELECT external_id FROM account WHERE state = 'active' ORDER BY 1"
    ) == ["CL-00000", "CL-00001", "CL-00002"]
    assert (await runner.run(recall_missing=True)).missing_recalled == 0
    await profiles_agree(runner.ledger)


async def test_new_accounts_go_to_the_portfolios_campaigns(
    runner: Runner, portfolio: Portfolio
) -> None:
    runner.write(rows(10))
    await runner.run()
    async with runner.ledger.write() as conn:
        campaign = await create_campaign(
            conn,
            name="marzo",
            portfolio_id=portfolio.portfolio_id,
            settings=CampaignSettings(),
            actor="manager",
            now_ms=NOW_MS,
        )
    assert (await runner.run()).enrolled == {campaign.campaign_id: 10}
    runner.write(rows(15))
    assert (await runner.run()).enrolled == {campaign.campaign_id: 5}


# --- interruptions -------------------------------------------------------------------------------


async def test_killed_anywhere_and_run_again_is_as_if_run_once(
    runner: Runner, empty_ledger: Path, tmp_path: Path
) -> None:
    runner.write(rows(240))
    await runner.run()
    clean = await contents(runner.ledger)
    for seed in range(3):
        killed = tmp_path / f"killed{seed}.db"
        shutil.copy(empty_ledger, killed)
        url = f"sqlite+aiosqlite:///{killed}"
        batches = random.Random(seed).randrange(1, 11)
        rows_told = await kill_after(url, runner, batches)
        assert rows_told < 240, f"seed {seed}: it was not interrupted"
        ledger = await open_ledger(url, now_ms=NOW_MS)
        try:
            again = Runner(ledger, tmp_path)
            summary = await again.run()
            assert summary.accounts.unchanged >= rows_told, f"seed {seed}"
            assert summary.accounts.new < 240, f"seed {seed}"
            assert await contents(ledger) == clean, f"seed {seed}, killed after {rows_told} rows"
            async with ledger.read() as conn:
                jobs = await list_jobs(conn)
            assert [job.state for job in jobs] == [JobState.DONE], "the killed job was taken up"
        finally:
            await ledger.close()


async def kill_after(url: str, runner: Runner, batches: int) -> int:
    """SIGKILL an importing process when it has told so many batches; gives the rows it told."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.runtime.import_worker",
        url,
        str(runner.file),
        str(runner.reports),
        stdout=asyncio.subprocess.PIPE,
    )
    assert worker.stdout is not None
    told = 0
    for _ in range(batches):
        told = int(await worker.stdout.readline())
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    return told


async def test_a_ledger_that_fails_on_the_way_ends_the_job(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.write(rows(60))
    plain = Ledger.write_at_once
    calls = 0

    async def failing(self: Ledger, work: Callable[..., object]) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise LedgerUnavailable(Trouble.FULL, "ledger.db", "disk full")
        return await plain(self, work)  # type: ignore[arg-type]  # the same `work`, passed on

    monkeypatch.setattr(Ledger, "write_at_once", failing)
    with pytest.raises(LedgerUnavailable, match="disk full"):
        await runner.run()
    monkeypatch.undo()
    async with runner.ledger.read() as conn:
        (job,) = await list_jobs(conn)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "disk full" in job.error
    assert job.counts["new"] == 20
    assert (await runner.run()).accounts.new == 40


async def test_a_report_that_cannot_be_written_is_told(runner: Runner) -> None:
    runner.write(rows(3))
    runner.reports.write_text("a file where the folder should be")
    with pytest.raises(ImportFailed, match="reports"):
        await runner.run()
    async with runner.ledger.read() as conn:
        (job,) = await list_jobs(conn)
    assert job.state is JobState.FAILED


# --- files and profiles that cannot be used ------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"  \r\n\r\n ", "empty"),
        (b"PK\x03\x04\x14\x00", "Excel"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"id;name\x00\x01\x02", "no text file"),
    ],
)
async def test_unusable_files_are_refused_before_anything_is_written(
    runner: Runner, content: bytes, problem: str
) -> None:
    runner.file.write_bytes(content)
    before = await table_counts(runner.ledger)
    with pytest.raises(FileUnusable, match=problem) as caught:
        await runner.run()
    assert str(runner.file) in str(caught.value)
    assert await table_counts(runner.ledger) == before


async def test_a_missing_file_and_a_folder_are_named(runner: Runner) -> None:
    with pytest.raises(FileUnusable, match="no such file"):
        await runner.run()
    runner.file.mkdir()
    with pytest.raises(FileUnusable, match="cannot be read"):
        await runner.run()


async def test_utf16_is_text(runner: Runner) -> None:
    runner.file.write_text("\n".join([HEADER, *rows(4)]), encoding="utf-16")
    assert (await runner.run()).accounts.new == 4


async def test_a_file_nobody_understands_leaves_a_profile_to_correct(runner: Runner) -> None:
    runner.write(["1;x", "2;y"], header="foo;bar")
    with pytest.raises(ProfileUnusable) as caught:
        await runner.run()
    assert caught.value.profile_path is not None
    assert 'column = "foo"' in caught.value.profile_path.read_text(encoding="utf-8")
    assert str(caught.value.profile_path) in str(caught.value)
    assert caught.value.error.message.es
    assert (await table_counts(runner.ledger))["import_job"] == 0


async def test_a_profile_is_kept_and_can_be_replaced(runner: Runner) -> None:
    runner.write(rows(3))
    await runner.run()
    async with runner.ledger.read() as conn:
        kept = await portfolio_named(conn, "cartera")
    assert kept is not None
    assert kept.import_profile is not None
    assert 'currency = "CLP"' in kept.import_profile
    edited = kept.import_profile.replace('"dmy"', '"ymd"')
    assert edited != kept.import_profile
    with pytest.raises(ProfileUnusable, match="cannot be read"):
        await runner.run(profile="not = [toml")
    summary = await runner.run(profile=edited)
    assert summary.accounts.updated + summary.rejected == 3
    runner.write([row.split(";", 1)[1] for row in rows(3)], header=HEADER.split(";", 1)[1])
    with pytest.raises(ProfileUnusable, match="id_cuenta"):
        await runner.run()
