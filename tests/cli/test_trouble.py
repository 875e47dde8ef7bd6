"""What is not there, or full, or taken: a clear word, the right code, and nothing lost."""

from __future__ import annotations

import socket
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from dialer.cli.exits import ExitCode
from tests.cli.conftest import Cli
from tests.cli.world import Made


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@pytest.mark.parametrize("command", [("users", "list"), ("verify-ledger",), ("campaign", "list")])
def test_an_unreachable_postgresql(english: Cli, command: tuple[str, ...]) -> None:
    url = f"postgresql+asyncpg://marcador:secret@127.0.0.1:{_closed_port()}/marcador"
    ran = english(*command, "--set", f"ledger.url={url}")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "The ledger is not available" in ran.err
    assert "127.0.0.1" in ran.err
    assert "secret" not in ran.err


def test_a_ledger_url_that_is_none(english: Cli) -> None:
    ran = english("users", "list", "--set", "ledger.url=mysql://x")
    assert ran.code == ExitCode.BAD_INPUT
    assert "postgresql+asyncpg://" in ran.err


def test_an_unreachable_redis(english: Cli, made: Made) -> None:
    url = f"redis://:secret@127.0.0.1:{_closed_port()}/0"
    ran = english("serve", "--set", "http.port=0", "--set", f"redis.url={url}")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "Redis is not available" in ran.err
    assert "secret" not in ran.err


def test_a_port_that_is_taken(english: Cli, made: Made) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = english("serve", "--set", f"http.port={port}")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "port is taken" in ran.err
    assert "http.port" in ran.err


def test_a_data_folder_that_cannot_be_made(english: Cli) -> None:
    (english.folder / "file").write_text("")
    ran = english("init", "--data-dir", "file/below")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "file/below" in ran.err
    assert "--data-dir" in english("init", "--data-dir", "file/b", "--language", "es").err


@pytest.mark.parametrize(
    "command",
    [
        ("verify-ledger",),
        ("explain", "x"),
        ("export", "x", "--out", "o"),
        ("users", "list"),
        ("campaign", "list"),
    ],
)
def test_a_folder_without_a_ledger_gets_none(english: Cli, command: tuple[str, ...]) -> None:
    ran = english(*command, "--data-dir", "elsewhere")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "marcador init" in ran.err
    assert not (english.folder / "elsewhere").exists()


def test_a_ledger_that_may_only_be_read(english: Cli, made: Made) -> None:
    ledger = Path(made.folder) / "ledger.db"
    ledger.chmod(stat.S_IRUSR)
    process = english.process("users", "add", "luis", "--role", "agent", mortal=True)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.UNAVAILABLE, err
    assert "Traceback" not in err


def test_a_folder_that_may_only_be_read(english: Cli, made: Made) -> None:
    Path(made.folder).chmod(stat.S_IRUSR | stat.S_IXUSR)
    process = english.process("users", "list", "--language", "en", mortal=True)
    _, err = process.communicate(timeout=60)
    Path(made.folder).chmod(stat.S_IRWXU)
    assert process.returncode == ExitCode.UNAVAILABLE, err
    assert "data folder" in err


def test_a_locked_ledger_is_waited_for_and_then_told(
    english: Cli, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialer.stores.ledger.database.BUSY_TIMEOUT_S", 0.1)
    with closing(sqlite3.connect(Path(made.folder) / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ran = english("users", "add", "luis", "--role", "agent")
        other.execute("ROLLBACK")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "locked" in ran.err
    assert english("users", "add", "luis", "--role", "agent").code == ExitCode.OK


def test_nothing_to_run(english: Cli) -> None:
    english("init")
    ran = english("run", "--set", "http.port=0")
    assert ran.code == ExitCode.BAD_INPUT
    assert "marcador import" in ran.err
