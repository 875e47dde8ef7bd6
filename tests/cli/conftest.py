"""Runs commands in an empty folder, as a person would."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from dialer.cli.app import run_cli
from dialer.config import load_config
from tests.cli.world import ACCOUNTS, PORTFOLIO, Made, decide_some
from tests.support.postgres import postgres_server
from tests.support.redis_server import short_folder
from tests.support.telephony import network, two_nodes

__all__ = ["network", "postgres_server", "two_nodes"]

PASSWORD = "correct horse battery"


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)


class Cli:
    """Runs commands in this process; `Cli.process` makes one of its own."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch, folder: Path
    ) -> None:
        self._capsys = capsys
        self._patch = patch
        self.folder = folder

    def __call__(self, *args: str | Path, stdin: str = "") -> Ran:
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        self._capsys.readouterr()
        code = run_cli([str(arg) for arg in args])
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)

    def process(
        self, *args: str | Path, most_file_bytes: int | None = None, mortal: bool = False
    ) -> subprocess.Popen[str]:
        """The same in a process of its own, with a limit to what it may do.

        Args:
            most_file_bytes: it may not write larger files.
            mortal: where the tests run as root, permissions of files bind it all the same.
        """
        return subprocess.Popen(
            command(args, most_file_bytes, mortal=mortal and os.geteuid() == 0),
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def command(args: Sequence[str | Path], most_file_bytes: int | None, *, mortal: bool) -> list[str]:
    limit = ""
    if most_file_bytes is not None:
        pair = (most_file_bytes, most_file_bytes)
        limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, {pair}); "
    start = f"{limit}from dialer.cli import main; main()"
    wrapped = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if mortal else []
    return [*wrapped, sys.executable, "-c", start, *map(str, args)]


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("MARCADOR_")}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Its path is short enough for the socket of an embedded Redis below it."""
    with short_folder() as path:
        yield path


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Cli:
    for name in [name for name in os.environ if name.startswith("MARCADOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    return Cli(capsys, monkeypatch, folder)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A ledger with a portfolio, users and decisions. Tests use copies."""
    place = tmp_path_factory.mktemp("house")
    sample, data = place / "sample.csv", place / "var"
    for args in (
        ("init", "--config", place / "marcador.toml", "--generate-password"),
        ("sample", "CL", "--accounts", ACCOUNTS, "--out", sample),
        ("import", sample, "--portfolio", PORTFOLIO, "--synthetic"),
    ):
        assert run_cli([*map(str, args), "--data-dir", str(data), "--language", "en"]) == 0
    config = load_config(environ={}, overrides={"data_dir": str(data)})
    return asyncio.run(decide_some(config))


@pytest.fixture
def made(template: Made, folder: Path) -> Made:
    """A copy of the template in the folder that commands run in, as their data folder."""
    shutil.copytree(template.folder, folder / "var")
    return msgspec.structs.replace(template, folder=str(folder / "var"))


@pytest.fixture
def english(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("MARCADOR_LANGUAGE", "en")
    return cli
