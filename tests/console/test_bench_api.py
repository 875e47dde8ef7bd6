"""The arithmetic of the API's load test."""

from __future__ import annotations

import csv
from pathlib import Path

from load_tests.bench_api import Entry, measured, percentile, write_csv


def entry(name: str, times: dict[str, int], *, failures: int = 0) -> Entry:
    return Entry(
        name=name,
        method="GET",
        num_requests=sum(times.values()),
        num_failures=failures,
        total_response_time=sum(float(ms) * number for ms, number in times.items()),
        max_response_time=max(float(ms) for ms in times),
        response_times=times,
        start_time=100.0,
        last_request_timestamp=110.0,
    )


def test_percentiles_of_counted_times() -> None:
    times = {1.0: 50, 2.0: 40, 100.0: 10}
    assert percentile(times, 0.50) == 1.0
    assert percentile(times, 0.90) == 2.0
    assert percentile(times, 0.99) == 100.0
    assert percentile({}, 0.99) == 0.0


def test_logins_are_no_requests_but_their_failures_count() -> None:
    figures = measured(
        [
            entry("me", {"1": 60, "10": 40}),
            entry("live", {"2": 100}, failures=1),
            entry("login", {"400": 10}, failures=2),
        ]
    )
    assert (figures.requests, figures.failures) == (200, 3)
    assert figures.per_s == 20.0
    assert (figures.p50_ms, figures.p99_ms) == (2.0, 10.0)


def test_the_table_for_machines(tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    write_csv(path, {"api": measured([entry("me", {"1": 1, "3": 1})])})
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert rows == [
        {
            "run": "api",
            "name": "me",
            "requests": "2",
            "failures": "0",
            "mean_ms": "2.00",
            "max_ms": "3.00",
        }
    ]
