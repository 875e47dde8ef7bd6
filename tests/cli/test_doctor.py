"""`doctor`: says what is missing, and how to get it."""

from __future__ import annotations

import os
import socket
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from compliance.packs import load_packs
from dialer.cli import doctor
from dialer.cli.exits import ExitCode
from dialer.cli.texts import Texts
from tests.cli.conftest import Cli
from tests.cli.world import Made
from tests.support.postgres import PostgresServer


def _findings(cli: Cli, *args: str, code: ExitCode = ExitCode.NO) -> dict[str, dict[str, Any]]:
    ran = cli("doctor", "--json", "--set", "http.port=0", *args)
    assert ran.code == code, ran.out
    assert ran.json["healthy"] is (code is ExitCode.OK)
    return {finding["check"]: finding for finding in ran.json["findings"]}


def test_all_is_well(english: Cli, made: Made) -> None:
    found = _findings(english, code=ExitCode.OK)
    ending = found.pop("calendars")  # by the calendar of today: see test_calendars_that_end
    assert ending["state"] in ("ok", "warning")
    assert {finding["state"] for finding in found.values()} == {"ok"}
    assert set(found) >= {
        "python", "sqlite", "data_folder", "signing_key", "ledger", "admin", "redis_binary",
        "redis", "redis_clock", "packs", "tzdata", "port", "carrier",
    }  # fmt: skip
    assert "Redis 6." in found["redis"]["found"]
    assert "All is well." in english("doctor", "--set", "http.port=0").out


def test_before_init(english: Cli) -> None:
    found = _findings(english)
    assert found["ledger"]["state"] == "problem"
    assert "marcador init" in found["ledger"]["mend"]
    assert not (english.folder / "var" / "ledger.db").exists()


def test_everything_unreachable_is_told_at_once(english: Cli, made: Made) -> None:
    nowhere = english.folder / "nowhere"
    found = _findings(
        english,
        "--set", f"ledger.url=postgresql://u:secret@127.0.0.1:{_closed_port()}/db",
        "--set", f"redis.url=unix://{nowhere}/redis.sock",
        "--set", f"house_packs={nowhere}",
    )  # fmt: skip
    for check in ("ledger", "redis", "packs"):
        assert found[check]["state"] == "problem"
        assert found[check]["mend"]
    assert "secret" not in str(found)


def test_a_port_that_is_taken(english: Cli, made: Made) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = english("doctor", "--json", "--set", f"http.port={port}")
    (found,) = [f for f in ran.json["findings"] if f["check"] == "port"]
    assert ran.code == ExitCode.NO
    assert found["state"] == "problem"
    assert "http.port" in found["mend"]


def test_a_key_that_others_may_read(english: Cli, made: Made) -> None:
    (Path(made.folder) / "ledger-key.pem").chmod(0o644)
    found = _findings(english)
    assert "chmod 600" in found["signing_key"]["found"] + found["signing_key"]["mend"]


def test_real_dialing_is_pointed_out(english: Cli, made: Made) -> None:
    found = _findings(english, "--set", "telephony.allow_real_dialing=true", code=ExitCode.OK)
    assert found["carrier"]["state"] == "warning"


def test_a_ledger_on_postgresql(english: Cli, postgres_server: PostgresServer) -> None:
    name = postgres_server.create_database()
    url = postgres_server.url(name)
    assert english("init", "--set", f"ledger.url={url}").code == ExitCode.OK
    found = _findings(english, "--set", f"ledger.url={url}", code=ExitCode.OK)
    assert found["ledger_clock"]["state"] == "ok"
    postgres_server.drop_database(name)


def test_little_space(english: Cli, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 50_000_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    found = _findings(english)
    assert found["data_folder"]["state"] == "problem"
    assert "50 MB free" in found["data_folder"]["found"]


@pytest.mark.parametrize(
    ("today", "state"),
    [
        (date(2026, 11, 1), "ok"),
        (date(2026, 11, 2), "warning"),  # 60 days before the first calendar's end
        (date(2027, 12, 31), "warning"),
        (date(2028, 1, 1), "problem"),
    ],
)
def test_calendars_that_end(today: date, state: str) -> None:
    packs = load_packs(production=True)
    found = doctor._calendars(packs, today, Texts("en"))
    assert found.state == state
    if state == "warning":
        assert "AR 2026-12-31 (Mondays, Fridays close after it" in found.found
        spanish = doctor._calendars(packs, today, Texts("es"))
        assert "AR 2026-12-31 (después se cierran lunes, viernes" in spanish.found


def test_a_clock_that_stands_in_the_past() -> None:
    assert doctor._own_clock(datetime(1970, 1, 1, tzinfo=UTC), Texts("en")).state == "problem"


def test_clocks_that_disagree() -> None:
    assert doctor._clock("redis_clock", 0.0, Texts("es")).state == "problem"


def test_a_running_embedded_redis_is_used(english: Cli, made: Made) -> None:
    process = english.process("serve", "--json", "--set", "http.port=0")
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("{")
        found = _findings(english, code=ExitCode.OK)
        assert found["redis"]["state"] == "ok"
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == ExitCode.OK


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def test_it_runs_as_anybody(english: Cli) -> None:
    """What it finds differs by user; that it finds something does not."""
    blocked = english.folder / "file"
    blocked.write_text("")
    found = _findings(english, "--data-dir", str(blocked / "below"))
    assert found["data_folder"]["state"] == "problem"
    assert os.fspath(blocked) in found["data_folder"]["found"]
