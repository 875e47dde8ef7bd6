"""One door to Redis: connect and check the server, run scripts by hash, translate failures.

Every command is sent at most once. redis-py's own retries are switched off, because a claim or
a reservation that is repeated after a lost reply would happen twice; leases and sweeps heal
what a lost reply leaves behind. Its time-out is switched off too, in favour of our own: it sends
through `asyncio.wait_for`, which on Python 3.11 can swallow a cancellation, and then a task that
reads for ever never ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from types import TracebackType
from typing import Protocol, Self, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from redis import exceptions as redis_errors
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from dialer.stores.redis.errors import RedisUnavailable

Reply: TypeAlias = "bytes | str | int | list[Reply] | None"
"""A reply as RESP2 has it."""
Argument: TypeAlias = str | bytes | int

PREFIX = "marcador"
OLDEST_SERVER = (6, 2)
COMMAND_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 32
"""Connections for commands; more commands than that at once wait for their turn."""
WAITERS_MAX = 1000
"""Connections for commands that block inside Redis, one each."""
ID_BYTES_MAX = 64

_LOST_CONNECTION = (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError)
_MEND_BY_ERROR = {
    "LOADING": "Redis is still reading its data from disk; wait and try again.",
    "MISCONF": "Redis cannot write its data to disk: free space there, then try again.",
    "OOM": "Redis has reached its `maxmemory`: raise it or remove other data.",
    "READONLY": "This is a read-only replica: give the address of the primary.",
    "NOAUTH": "Put the password into the address: redis://:PASSWORD@HOST:PORT/0.",
    "WRONGPASS": "The user name or the password in the address is wrong.",
    "NOPERM": "The Redis user lacks rights: Marcador needs read and write on marcador:* and EVAL.",
    "BUSY": "Another script blocks Redis: wait, or stop it with SCRIPT KILL.",
    "CLUSTERDOWN": "The Redis cluster is down: see CLUSTER INFO.",
    "MOVED": "The key lives on another node of a cluster: give the address of a single Redis.",
}
_ERROR_WORD = re.compile(rf"(?:^|-)({'|'.join(_MEND_BY_ERROR)})\b")


def key(kind: str, tag: str, name: str = "") -> str:
    """`marcador:KIND:{TAG}:NAME`. All keys of one tag share a slot of a Redis Cluster."""
    return f"{PREFIX}:{kind}:{{{tag}}}" + (f":{name}" if name else "")


def checked_id(value: str, what: str) -> str:
    """`value` if it can be part of a key or a member; raises `ValueError` otherwise."""
    if not value or len(value.encode()) > ID_BYTES_MAX or any(c in value for c in "{}\n\0"):
        raise ValueError(
            f"{what} must have 1 to {ID_BYTES_MAX} bytes and no braces, newlines or zero bytes,"
            f" not {value!r}"
        )
    return value


class Script:
    """A Lua file of this package, known to Redis by the hash of its text."""

    __slots__ = ("name", "sha1", "source")

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.sha1 = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


@cache
def load_script(name: str, *, prelude: str = "") -> Script:
    """Read `lua/NAME.lua`, with `lua/PRELUDE.lua` before it when given."""
    folder = files("dialer.stores.redis") / "lua"
    parts = [prelude, name] if prelude else [name]
    return Script(
        name, "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    )


class _Commands(Protocol):
    """What this module uses of redis-py, with types."""

    async def execute_command(self, *args: Argument) -> Reply: ...


class RedisClient:
    """A checked connection to one Redis. Make it with `connect`; safe for concurrent tasks."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Raises `ValueError` when the address is none. Connects at the first command."""
        self._redis = _pooled(url, timeout_s, CONNECTIONS_MAX)
        self._waiting_redis = _pooled(url, timeout_s, WAITERS_MAX)
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)
        self._timeout_s = timeout_s
        self.where = without_password(url)
        """The address, for messages; without the password."""

    async def execute(self, *command: Argument) -> Reply:
        """Send one command. Raises `RedisUnavailable` when it may not have been carried out."""
        async with self._turns:
            return await self._send(self._redis, command, self._timeout_s)

    async def execute_blocking(self, block_ms: int, *command: Argument) -> Reply:
        """Send a command that Redis answers after up to `block_ms`, on a connection of its own."""
        return await self._send(self._waiting_redis, command, self._timeout_s + block_ms / 1000)

    async def _send(
        self, commands: _Commands, command: tuple[Argument, ...], timeout_s: float
    ) -> Reply:
        try:
            async with asyncio.timeout(timeout_s):
                return await commands.execute_command(*command)
        except TimeoutError as error:
            late = TimeoutError(f"nothing came within {timeout_s:g} s")
            raise self._unavailable(late) from error
        except _LOST_CONNECTION as error:
            raise self._unavailable(error) from error
        except redis_errors.ResponseError as error:
            if _error_word(error) in _MEND_BY_ERROR:
                raise self._unavailable(error) from error
            raise

    async def run(self, script: Script, keys: Sequence[str], *args: Argument) -> Reply:
        """Run a script in one round trip; two when this server does not know it yet."""
        try:
            return await self.execute("EVALSHA", script.sha1, len(keys), *keys, *args)
        except redis_errors.NoScriptError:
            return await self.execute("EVAL", script.source, len(keys), *keys, *args)

    async def check(self) -> None:
        """Refuse a server that would lose or refuse data. Raises `RedisUnavailable`."""
        info = parse_info(as_text(await self.execute("INFO")))
        version = info.get("redis_version", "0")
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_SERVER:
            raise RedisUnavailable(
                f"Redis {version} is too old",
                where=self.where,
                mend="Marcador needs Redis 6.2 or newer; without an address it starts its own.",
            )
        if info.get("loading", "0") != "0":
            raise RedisUnavailable(
                "Redis is not ready yet", where=self.where, mend=_MEND_BY_ERROR["LOADING"]
            )
        if info.get("role") == "slave":
            raise RedisUnavailable(
                "this Redis is a read-only replica",
                where=self.where,
                mend=_MEND_BY_ERROR["READONLY"],
            )
        if info.get("maxmemory", "0") != "0" and info["maxmemory_policy"].startswith("allkeys"):
            raise RedisUnavailable(
                f"this Redis throws data away when full (maxmemory-policy "
                f"{info['maxmemory_policy']})",
                where=self.where,
                mend="Set `maxmemory-policy noeviction`: a queue must not lose members.",
            )

    async def memory_bytes(self) -> int:
        """Memory that Redis has allocated for everything it holds (`used_memory`)."""
        return int(parse_info(as_text(await self.execute("INFO", "memory")))["used_memory"])

    async def close(self) -> None:
        await self._redis.aclose()
        await self._waiting_redis.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _unavailable(self, error: Exception) -> RedisUnavailable:
        known = _MEND_BY_ERROR.get(_error_word(error))
        if known is not None:
            return RedisUnavailable(f"Redis refuses: {error}", where=self.where, mend=known)
        return RedisUnavailable(
            f"Redis does not answer: {str(error) or type(error).__name__}",
            where=self.where,
            mend="Check that it runs and that the address is right.",
        )


async def connect_url(url: str, *, timeout_s: float = COMMAND_TIMEOUT_S) -> RedisClient:
    """Connect to any Redis >= 6.2 by `redis://`, `rediss://` or `unix://` address and check it.

    Raises `RedisUnavailable` that says what is wrong and how to mend it.
    """
    try:
        client = RedisClient(url, timeout_s)
    except ValueError as error:
        raise RedisUnavailable(
            f"not an address of a Redis: {error}",
            where=without_password(url),
            mend="Write redis://HOST:PORT/0, rediss://HOST:PORT/0 or unix:///PATH/redis.sock.",
        ) from error
    try:
        await client.check()
    except BaseException:
        await client.close()
        raise
    return client


def _pooled(url: str, timeout_s: float, connections: int) -> Redis:
    redis = Redis.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=None,
        socket_connect_timeout=timeout_s,
        max_connections=connections,
    )
    redis.response_callbacks.clear()  # replies stay what the protocol says, for every command
    return redis


def without_password(url: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    user, _, host = parts.netloc.rpartition("@")
    shown = f"{user.partition(':')[0]}:***@{host}"
    return urlunsplit(parts._replace(netloc=shown))


def parse_info(text: str) -> dict[str, str]:
    """`INFO`'s lines as a dictionary."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name: value for name, _, value in pairs}


def as_int(reply: Reply) -> int:
    """An integer reply, or a score or number that came as text."""
    if isinstance(reply, bytes | str | int):
        return int(reply)
    raise TypeError(f"Redis answered {reply!r} where a number was due")


def as_bytes(reply: Reply) -> bytes:
    if isinstance(reply, bytes):
        return reply
    if isinstance(reply, str):
        return reply.encode()
    raise TypeError(f"Redis answered {reply!r} where text was due")


def as_text(reply: Reply) -> str:
    return as_bytes(reply).decode()


def as_list(reply: Reply) -> list[Reply]:
    if isinstance(reply, list):
        return reply
    raise TypeError(f"Redis answered {reply!r} where a list was due")


def _error_word(error: Exception) -> str:
    """The word that names Redis's error, also when a script passed it on inside its own."""
    for link in (
        error,
        error.__context__,
    ):  # while it connects, redis-py hides the one in the other
        if isinstance(link, redis_errors.RedisError) and link.status_code in _MEND_BY_ERROR:
            return str(link.status_code)
    found = _ERROR_WORD.search(str(error))
    return found.group(1) if found else ""
