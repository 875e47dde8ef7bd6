"""Opening the ledger: engines, transactions, and what to say when it is not there."""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import structlog
from sqlalchemy import event, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from dialer.stores.ledger import migrations
from dialer.stores.ledger.audit import SYSTEM, record_audit
from dialer.stores.ledger.bulk import DamagedAnswer, Dialect
from dialer.stores.ledger.direct import STATEMENTS_KEPT, Conn, SqliteThread

log = structlog.get_logger()

T = TypeVar("T")

SQLITE_LEAST: Final = (3, 38, 0)
"""First release with `json_each` built in and UPDATE .. FROM."""
POSTGRESQL_LEAST: Final = 130000
BUSY_TIMEOUT_S: Final = 15.0
"""How long a write waits for another process that holds the SQLite file."""
CONNECT_TIMEOUT_S: Final = 10.0
POOL_TIMEOUT_S: Final = 30.0
"""How long a reader, or a writer of PostgreSQL, waits for a connection to become free."""
SQLITE_READERS: Final = 3
POSTGRESQL_CONNECTIONS: Final = 10
MAPPED_BYTES: Final = 1 << 30
"""Of a SQLite file, mapped into memory by each connection."""
TRANSACTION_TRIES: Final = 8
"""How often `transact` starts again after PostgreSQL broke a deadlock."""


class Trouble(StrEnum):
    """Why the ledger cannot be used."""

    BAD_URL = "bad_url"
    UNREACHABLE = "unreachable"
    WRONG_VERSION = "wrong_version"
    NEWER_SCHEMA = "newer_schema"
    FULL = "full"
    LOCKED = "locked"
    READ_ONLY = "read_only"
    DAMAGED = "damaged"
    IO = "io"


_MENDING: Final[dict[Trouble, str]] = {
    Trouble.BAD_URL: "give sqlite+aiosqlite:///PATH or postgresql+asyncpg://USER@HOST/DATABASE",
    Trouble.UNREACHABLE: "check that the path or server exists and that this user may open it",
    Trouble.WRONG_VERSION: "install a newer release of the database",
    Trouble.NEWER_SCHEMA: "run the Marcador that made it, or a newer one",
    Trouble.FULL: "free some space where the ledger is kept; nothing was half written",
    Trouble.LOCKED: "stop the other program that holds the ledger, or wait for it",
    Trouble.READ_ONLY: "give this user the right to write there",
    Trouble.DAMAGED: "run `marcador verify-ledger`, and restore the ledger from a backup",
    Trouble.IO: "look at the disk and at the system's log",
}


class LedgerUnavailable(Exception):
    """The ledger cannot be opened, read or written now. What was not committed left no trace.

    Only when a connection breaks during the commit itself can nobody say; whoever then repeats
    an append is told `Refused` for what the ledger has already.
    """

    def __init__(self, trouble: Trouble, where: str, what: str) -> None:
        self.trouble = trouble
        self.where = where
        self.what = what
        self.mend = _MENDING[trouble]
        super().__init__(f"ledger {where}: {what} ({trouble}); {self.mend}")


class Ledger:
    """The open database. One object a process; made by `open_ledger`."""

    def __init__(
        self,
        writer: AsyncEngine,
        reader: AsyncEngine,
        thread: SqliteThread | None = None,
    ) -> None:
        """`thread` runs what is written or read at once; on SQLite, and only there."""
        self._writer = writer
        self._reader = reader
        self._thread = thread
        self.dialect = Dialect(writer.dialect.name)
        self.where = _shown(writer.url)
        # SQLite has one writer at a time: waiting for it in order, here, is fair and costs no
        # thread, while waiting inside SQLite is neither.
        self._turn = asyncio.Lock() if self.dialect is Dialect.SQLITE else None
        self._turn_holder: asyncio.Task[object] | None = None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write: committed at the end, rolled back on any exception.

        Do not open one inside another: on SQLite it would wait for itself.

        Raises:
            LedgerUnavailable: full, locked, gone ...; nothing of the transaction was kept.
            RuntimeError: the same task holds a write transaction already.
        """
        async with self._my_turn(), self._connection(self._writer) as conn:
            with self._told():
                async with conn.begin():
                    yield conn

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one moment of the ledger (one statement, on PostgreSQL).

        Raises:
            LedgerUnavailable: see `write`.
        """
        async with self._connection(self._reader) as conn:
            with self._told():
                async with conn.begin():
                    yield conn

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in a write transaction, again from the start when PostgreSQL broke it.

        PostgreSQL ends one of two transactions that wait for each other, or that it cannot put
        in order; the one that lost has written nothing. `work` must therefore be safe to repeat.

        Raises:
            LedgerUnavailable: see `write`.
        """
        for _ in range(TRANSACTION_TRIES - 1):
            try:
                async with self.write() as conn:
                    return await work(conn)
            except DBAPIError as error:
                if sqlstate_of(error) not in _REPEAT:
                    raise
        async with self.write() as conn:
            return await work(conn)

    async def write_at_once(self, work: Callable[[Conn], Awaitable[T]]) -> T:
        """Run `work` in a write transaction, on SQLite in one visit to the database's thread.

        For what happens with every contact. `work` must be safe to repeat (see `transact`), may
        wait for nothing but its own statements, and makes them by `bulk` and `JsonQuery` only.

        Raises:
            LedgerUnavailable: see `write`.
        """
        if self._thread is None:
            return await self.transact(work)
        async with self._my_turn():
            with self._told():
                return await self._thread.run(_WRITE, work)

    async def read_at_once(self, work: Callable[[Conn], Awaitable[T]]) -> T:
        """Like `write_at_once`, for a transaction that only reads."""
        if self._thread is None:
            async with self.read() as conn:
                return await work(conn)
        with self._told():
            return await self._thread.run(_READ, work)

    async def close(self) -> None:
        """Close every connection. On SQLite the log is merged into the file."""
        if self._thread is not None:
            await self._thread.close()
        await self._reader.dispose()
        if self._writer is not self._reader:
            await self._writer.dispose()

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        if self._turn is None:
            yield
            return
        me = asyncio.current_task()
        if self._turn_holder is me:
            raise RuntimeError("a write transaction was opened inside another")
        async with self._turn:
            self._turn_holder = me
            try:
                yield
            finally:
                self._turn_holder = None

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            conn = await engine.connect()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise LedgerUnavailable(Trouble.UNREACHABLE, self.where, _said(error)) from error
        except PoolTimeout as error:
            what = "every connection was busy for too long"
            raise LedgerUnavailable(Trouble.LOCKED, self.where, what) from error
        except DBAPIError as error:
            trouble = _trouble_of(error) or Trouble.UNREACHABLE
            raise LedgerUnavailable(trouble, self.where, _said(error)) from error
        try:
            yield conn
        finally:
            await _to_the_end(conn.close())

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what drivers raise when the ledger is not usable into `LedgerUnavailable`."""
        try:
            yield
        except DBAPIError as error:
            trouble = _trouble_of(error)
            if trouble is None:
                raise
            raise LedgerUnavailable(trouble, self.where, _said(error)) from error
        except DamagedAnswer as error:
            raise LedgerUnavailable(Trouble.DAMAGED, self.where, str(error)) from error


async def _to_the_end(closing: Coroutine[Any, Any, None]) -> None:
    """Give a connection back whole, also when this task is cancelled in the middle of that.

    Broken off there, the connection would be thrown away, with a complaint of the pool.
    """
    task = asyncio.create_task(closing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("connection_not_given_back", error=str(error))
        raise


async def open_ledger(url: str, *, now_ms: int, mapped: bool = True) -> Ledger:
    """Open the ledger, and bring its tables to this release's shape.

    Args:
        url: `sqlite+aiosqlite:///PATH` or `postgresql+asyncpg://USER@HOST/DATABASE`; without a
            driver's name the same drivers are used.
        now_ms: the instant, for the audit entry of a migration that this opening makes.
        mapped: read a SQLite file through this process's memory, which is faster. For work that
            goes once through a large file it only makes the process look as large as the file.

    Raises:
        LedgerUnavailable: what is wrong, where, and how to mend it.
    """
    parsed = _parsed(url)
    if Dialect(parsed.get_backend_name()) is Dialect.SQLITE:
        ledger = _sqlite(parsed, mapped=mapped)
    else:
        ledger = _postgresql(parsed)
    try:
        await _prepare(ledger, now_ms)
    except BaseException:
        await ledger.close()
        raise
    return ledger


async def _prepare(ledger: Ledger, now_ms: int) -> None:
    async with ledger.read() as conn:
        if ledger.dialect is Dialect.POSTGRESQL:
            number = int((await conn.execute(text("SHOW server_version_num"))).scalar_one())
            if number < POSTGRESQL_LEAST:
                raise LedgerUnavailable(
                    Trouble.WRONG_VERSION,
                    ledger.where,
                    f"PostgreSQL {number // 10000} is older than {POSTGRESQL_LEAST // 10000}",
                )
        revision = await conn.run_sync(migrations.revision_of)
    if revision == migrations.HEAD:
        return
    try:
        async with ledger.write() as conn:
            if await conn.run_sync(migrations.upgrade):
                await record_audit(
                    conn,
                    at_ms=now_ms,
                    actor=SYSTEM,
                    action="ledger.migrate",
                    target=migrations.HEAD,
                    detail={"from": revision},
                )
    except migrations.UnknownRevision as error:
        raise LedgerUnavailable(Trouble.NEWER_SCHEMA, ledger.where, str(error)) from error


def _parsed(url: str) -> URL:
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise LedgerUnavailable(Trouble.BAD_URL, "URL", "this is no database URL") from error
    parsed = parsed.set(drivername=drivers.get(parsed.drivername, parsed.drivername))
    if parsed.drivername not in drivers.values():
        raise LedgerUnavailable(
            Trouble.BAD_URL, _shown(parsed), f"no driver for {parsed.drivername}"
        )
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise LedgerUnavailable(
            Trouble.BAD_URL, _shown(parsed), "a ledger in memory would not outlive the process"
        )
    return parsed


def _sqlite(url: URL, *, mapped: bool) -> Ledger:
    if sqlite3.sqlite_version_info < SQLITE_LEAST:
        raise LedgerUnavailable(
            Trouble.WRONG_VERSION,
            _shown(url),
            f"SQLite {sqlite3.sqlite_version} is older than {'.'.join(map(str, SQLITE_LEAST))}",
        )
    folder = Path(str(url.database)).resolve().parent
    if not folder.is_dir():
        raise LedgerUnavailable(Trouble.UNREACHABLE, _shown(url), f"there is no directory {folder}")
    pragmas = _pragmas(65536, mapped=mapped)
    writer = _sqlite_engine(url, size=1, begin=_WRITE, pragmas=pragmas)
    reader = _sqlite_engine(
        url,
        size=SQLITE_READERS,
        begin=_READ,
        pragmas=(*_pragmas(32768, mapped=mapped), _QUERY_ONLY),
    )
    return Ledger(writer, reader, SqliteThread(partial(_sqlite_connection, url, pragmas)))


class CleanlyClosed(sqlite3.Connection):
    """A connection that leaves nothing open when it is closed.

    SQLite keeps a closed connection, and its lock on the file, for as long as one of its
    statements is unfinished. A cancelled task leaves such a statement, in a traceback that only
    the garbage collector finds; until then nobody could write.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._unfinished: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        cursor = super().cursor(factory)
        self._unfinished.add(cursor)
        return cursor

    def close(self) -> None:
        for cursor in list(self._unfinished):
            cursor.close()
        super().close()


_WRITE: Final = "BEGIN IMMEDIATE"
_READ: Final = "BEGIN"
_QUERY_ONLY: Final = "PRAGMA query_only = ON"


def _pragmas(cache_kib: int, *, mapped: bool) -> tuple[str, ...]:
    """How every connection to SQLite is set up."""
    return (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        # 32 MiB of log before it is merged: a batch touches some hundred pages.
        "PRAGMA wal_autocheckpoint = 8192",
        "PRAGMA temp_store = MEMORY",
        f"PRAGMA cache_size = -{cache_kib}",
        # Reads go through the page cache of the system without a copy or a call each.
        f"PRAGMA mmap_size = {MAPPED_BYTES if mapped else 0}",
    )


def _sqlite_connection(url: URL, pragmas: Sequence[str]) -> sqlite3.Connection:
    """A plain connection. No isolation level: the driver begins nothing by itself."""
    connection = sqlite3.connect(
        str(url.database),
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        cached_statements=STATEMENTS_KEPT,
    )
    for pragma in pragmas:
        connection.execute(pragma)
    return connection


def _sqlite_engine(url: URL, *, size: int, begin: str, pragmas: Sequence[str]) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        # No isolation level: the driver begins nothing by itself, `begin_transaction` does.
        connect_args={
            "timeout": BUSY_TIMEOUT_S,
            "isolation_level": None,
            "factory": CleanlyClosed,
        },
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgresql(url: URL) -> Ledger:
    engine = create_async_engine(
        url,
        pool_size=POSTGRESQL_CONNECTIONS,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "server_settings": {
                "application_name": "marcador",
                "synchronous_commit": "on",
                "timezone": "UTC",
                # Compiling a statement takes longer than our short ones run.
                "jit": "off",
            },
        },
    )
    return Ledger(engine, engine.execution_options(postgresql_readonly=True))


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _said(error: BaseException) -> str:
    inner = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(inner).strip() or type(inner).__name__


# --- what drivers say -------------------------------------------------------------------------

_SQLITE_TROUBLE: Final = {
    sqlite3.SQLITE_BUSY: Trouble.LOCKED,
    sqlite3.SQLITE_LOCKED: Trouble.LOCKED,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_IOERR: Trouble.IO,
    sqlite3.SQLITE_CORRUPT: Trouble.DAMAGED,
    sqlite3.SQLITE_NOTADB: Trouble.DAMAGED,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_CANTOPEN: Trouble.UNREACHABLE,
}

# PostgreSQL error codes, Appendix A of its manual.
_SQLSTATE_TROUBLE: Final = {
    "08": Trouble.UNREACHABLE,
    "28": Trouble.UNREACHABLE,
    "3D": Trouble.UNREACHABLE,
    "53100": Trouble.FULL,
    "53300": Trouble.UNREACHABLE,
    "55P03": Trouble.LOCKED,
    "57P": Trouble.UNREACHABLE,
    "25006": Trouble.READ_ONLY,
    "58": Trouble.IO,
    "XX001": Trouble.DAMAGED,
    "XX002": Trouble.DAMAGED,
}
_REPEAT: Final = frozenset({"40001", "40P01"})


def sqlstate_of(error: DBAPIError) -> str | None:
    """PostgreSQL's five-character code; None for SQLite."""
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None


def _trouble_of(error: DBAPIError) -> Trouble | None:
    if isinstance(error.orig, sqlite3.Error):
        if "Could not decode to UTF-8" in str(error.orig):
            return Trouble.DAMAGED
        code = getattr(error.orig, "sqlite_errorcode", None)
        # The low byte is the kind; the rest tells details of it.
        return _SQLITE_TROUBLE.get(code & 0xFF) if isinstance(code, int) else None
    state = sqlstate_of(error)
    if state is not None:
        for length in (5, 3, 2):
            if state[:length] in _SQLSTATE_TROUBLE:
                return _SQLSTATE_TROUBLE[state[:length]]
        return None
    return Trouble.UNREACHABLE if error.connection_invalidated else None
