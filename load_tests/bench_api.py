"""The HTTP API and the agents' WebSocket under locust, beside a bare aiohttp server.

Three short runs on the same machine: managers against our API, the same client against a server
that only says hello, and agents on their WebSocket. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from load_tests.accounts import ACCOUNTS
from load_tests.report import plot_bars, print_json, results_folder, write_table

LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")
START_TIMEOUT_S: Final = 60.0
SLACK_S: Final = 40.0
"""Beyond its run time, locust may take this long to start, log in and end."""

Server = AbstractContextManager[str]


class Entry(msgspec.Struct, frozen=True):
    """What locust measured of one name."""

    name: str
    method: str
    num_requests: int
    num_failures: int
    total_response_time: float
    max_response_time: float
    response_times: dict[str, int]
    """Rounded milliseconds to how often."""
    start_time: float
    last_request_timestamp: float | None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One run, logins left out."""

    per_s: float
    p50_ms: float
    p99_ms: float
    requests: int
    failures: int
    by_name: tuple[Entry, ...]


@contextmanager
def server(*arguments: str) -> Iterator[str]:
    """A server in a process of its own; gives its URL, and ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "load_tests.api_server", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the server did not start; its error is above")
        yield url
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def locust(kind: str, url: str, users: int, seconds: float, accounts: Path) -> Measured:
    """Run one kind of user headless and read what it measured."""
    command = [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), kind),
        *("--headless", "--json", "--only-summary", "--host", url),
        *("--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds:g}s"),
        *("--reset-stats", "--exit-code-on-error", "0", "--loglevel", "ERROR"),
    ]
    done = subprocess.run(
        command,
        env={**os.environ, ACCOUNTS: str(accounts)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=seconds + SLACK_S,
    )
    return measured(msgspec.json.decode(done.stdout, type=list[Entry]))


def measured(entries: list[Entry]) -> Measured:
    """All requests of a run together; how fast people can log in is another question."""
    counted = [entry for entry in entries if entry.name not in ("login", "resume")]
    times: dict[float, int] = {}
    for entry in counted:
        for rounded, number in entry.response_times.items():
            times[float(rounded)] = times.get(float(rounded), 0) + number
    requests = sum(entry.num_requests for entry in counted)
    ends = [e.last_request_timestamp for e in counted if e.last_request_timestamp is not None]
    lasted_s = max(ends) - min(e.start_time for e in counted) if ends else 0.0
    return Measured(
        per_s=requests / lasted_s if lasted_s > 0 else 0.0,
        p50_ms=percentile(times, 0.50),
        p99_ms=percentile(times, 0.99),
        requests=requests,
        failures=sum(entry.num_failures for entry in entries),
        by_name=tuple(sorted(counted, key=lambda entry: entry.name)),
    )


def percentile(times: dict[float, int], share: float) -> float:
    """The least time that `share` of the requests did not take longer than."""
    left = share * sum(times.values())
    for value in sorted(times):
        left -= times[value]
        if left <= 0:
            return value
    return 0.0


def write_csv(path: Path, runs: dict[str, Measured]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "name", "requests", "failures", "mean_ms", "max_ms"])
        for run, figures in runs.items():
            for entry in figures.by_name:
                mean_ms = entry.total_response_time / max(1, entry.num_requests)
                row = (entry.num_requests, entry.num_failures, f"{mean_ms:.2f}")
                writer.writerow([run, entry.name, *row, f"{entry.max_response_time:.2f}"])


def bench(
    start_api: Callable[[Path], Server],
    start_peer: Callable[[], Server],
    *,
    seconds: float,
    users: int,
    agents: int,
) -> int:
    """Run all three, write table, CSV and plot, print the JSON line; the number of failures."""
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        accounts = Path(folder) / "accounts.json"
        with start_api(accounts) as url:
            api = locust("ManagerUser", url, users, seconds, accounts)
            sockets = locust("AgentUser", url, agents, seconds, accounts)
        with start_peer() as url:
            hello = locust("HelloUser", url, users, seconds, accounts)
    results = results_folder("api")
    write_csv(results / "requests.csv", {"api": api, "sockets": sockets, "hello": hello})
    peer = f"bare aiohttp: {hello.per_s:,.0f}/s, p99 {hello.p99_ms:g} ms"
    write_table(
        results,
        f"API with {users} clients, WebSocket with {agents} agents, {seconds:g} s each",
        [
            ("requests a second", api.per_s, peer),
            ("request p50, ms", api.p50_ms, f"{hello.p50_ms:g} ms"),
            ("request p99, ms", api.p99_ms, f"{hello.p99_ms:g} ms"),
            ("agents' round trips a second", sockets.per_s, "2 messages each"),
            ("agents' round trip p99, ms", sockets.p99_ms, ""),
            ("failures", api.failures + sockets.failures + hello.failures, "0"),
        ],
    )
    bars = {"bare aiohttp": hello.per_s, "our API": api.per_s, "agents' round trips": sockets.per_s}
    plot_bars(results, "throughput", "HTTP API and WebSocket", bars, "a second")
    failures = api.failures + sockets.failures + hello.failures
    print_json(
        {
            "bench": "api",
            "requests_per_s": round(api.per_s, 1),
            "p50_ms": api.p50_ms,
            "p99_ms": api.p99_ms,
            "ws_messages_per_s": round(2 * sockets.per_s, 1),
            "ws_round_trip_p99_ms": sockets.p99_ms,
            "peer_requests_per_s": round(hello.per_s, 1),
            "share_of_peer": round(api.per_s / hello.per_s, 3) if hello.per_s else 0.0,
            "failures": failures,
        }
    )
    return failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each of the three runs")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--agents", type=int, default=25)
    options = parser.parse_args()
    failures = bench(
        lambda accounts: server("--agents", str(options.agents), "--accounts", str(accounts)),
        lambda: server("--hello"),
        seconds=options.seconds,
        users=options.users,
        agents=options.agents,
    )
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
