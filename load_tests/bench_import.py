"""Importing a large portfolio, beside reading the same file alone (`make bench-import`)."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from campaigns.portfolio.dialect import SAMPLE_BYTES
from campaigns.portfolio.importer import ImportSettings, read_portfolio
from campaigns.portfolio.model import ImportedAccount
from campaigns.portfolio.proposal import propose_profile
from campaigns.sample.generator import SampleSettings
from dialer.bootstrap import open_stores
from dialer.cli.sample_command import write_sample
from dialer.core.records import to_ms
from dialer.runtime.importing import ImportJob
from dialer.stores.ledger.portfolios import ensure_portfolio
from load_tests.bench_engine import bench_config, bench_portfolio
from load_tests.report import Figure, print_json, results_folder, write_table

COUNTRY = "CL"


def read_alone(path: Path) -> float:
    """Rows a second of the importer's pure part: the limit of any import of this file."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    profile = propose_profile(sample, COUNTRY).profile
    settings = ImportSettings(profile=profile, today=datetime.now(UTC).date())
    began = time.perf_counter()
    with path.open("rb") as file:
        rows = sum(isinstance(row, ImportedAccount) for row in read_portfolio(file, settings))
    return rows / (time.perf_counter() - began)


async def run(accounts: int) -> dict[str, Figure]:
    with tempfile.TemporaryDirectory(prefix="marcador-import-") as name:
        config = bench_config(Path(name) / "data")
        config.data_path.mkdir(parents=True)
        path = Path(name) / "sample.csv"
        began = time.perf_counter()
        write_sample(
            path,
            SampleSettings(
                country=COUNTRY, accounts=accounts, seed=1, today=datetime.now(UTC).date()
            ),
        )
        generated_per_s = accounts / (time.perf_counter() - began)
        portfolio = bench_portfolio(COUNTRY, "CLP")
        async with open_stores(config, mapped=False) as ledger:
            async with ledger.write() as conn:
                portfolio = await ensure_portfolio(conn, portfolio)
            first, again = [
                await ImportJob(
                    ledger,
                    portfolio,
                    path,
                    reports_dir=config.data_path / "reports",
                    now_ms=lambda: to_ms(datetime.now(UTC)),
                ).run()
                for _ in range(2)
            ]
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        size = (config.data_path / "ledger.db").stat().st_size
        return {
            "rows": first.rows,
            "import_rows_per_s": round(first.rows_per_s, 1),
            "same_file_again_rows_per_s": round(again.rows_per_s, 1),
            "changed_by_the_second_time": again.accounts.new + again.accounts.updated,
            "read_alone_rows_per_s": round(read_alone(path), 1),
            "generated_rows_per_s": round(generated_per_s, 1),
            "ledger_bytes_per_account": round(size / max(first.accepted, 1)),
            "peak_rss_mib": peak_kib // 1024,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    figures = uvloop.run(run(parser.parse_args().accounts))
    folder = results_folder("import")
    beside = {
        "import_rows_per_s": "1M rows in 10 min = 1,667",
        "read_alone_rows_per_s": "the limit: the same file read, without a ledger",
        "peak_rss_mib": "at most 500, however many rows; this program's own share is in it",
        "changed_by_the_second_time": "0: the same file twice changes nothing",
    }
    write_table(folder, "Import", [(k, v, beside.get(k, "")) for k, v in figures.items()])
    print_json(figures)


if __name__ == "__main__":
    main()
