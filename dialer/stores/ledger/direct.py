"""SQLite without a detour: a whole transaction in one visit to the database's own thread.

Through the async driver every statement is a task that is handed to a thread and waited for. The
transactions that every contact needs (its facts, its intent, its outcome) run here instead: the
work is handed over once, and its statements follow one another on a plain connection.

The work is the same coroutine that runs on PostgreSQL. On a `DirectConnection` nothing that it
awaits ever waits, so one step takes it from its start to its end.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, cast

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")

Bound = str | int | bool | bytes | None
"""A value that the driver binds."""
STATEMENTS_KEPT: Final = 512
"""Compiled statements that a connection keeps for their next use."""


class DirectConnection:
    """A transaction on SQLite, in the thread that runs it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def text(self, sql: str, params: Mapping[str, Bound]) -> bytes | None:
        """The one value that a query for a blob gives, or None.

        Raises `sqlite3.Error`, as `execute` does.
        """
        row = self._connection.execute(sql, params).fetchone()
        return None if row is None else cast("bytes | None", row[0])

    def rows(self, sql: str, params: Mapping[str, Bound]) -> list[tuple[Bound, ...]]:
        """All rows of a query. Raises `sqlite3.Error`, as `execute` does."""
        return self._connection.execute(sql, params).fetchall()

    def execute(self, sql: str, params: Sequence[Bound] | Mapping[str, Bound]) -> int:
        """Run one writing statement; how many rows it touched."""
        return self._connection.execute(sql, params).rowcount


Conn = AsyncConnection | DirectConnection
"""A transaction, whichever way it is run."""
Work = Callable[[DirectConnection], Awaitable[T]]


class _GivenUp(Exception):
    """Whoever asked for the transaction was cancelled before it could be committed."""


class SqliteThread:
    """A connection to the SQLite file with a thread of its own, opened when it is first needed.

    Transactions run one after another, in the order in which they were handed over. Those that
    read run here too: SQLite drops a connection's cache when another connection has written.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, begin: str, work: Work[T]) -> T:
        """Run `work` as one transaction: committed at its end, rolled back on any exception.

        Cancelled before the commit has begun, it writes nothing; and it returns only when its
        thread has let go of the file.

        Raises:
            sqlalchemy.exc.DBAPIError: what the driver raised.
        """
        given_up = threading.Event()
        loop = asyncio.get_running_loop()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        future = loop.run_in_executor(self._executor, self._transaction, begin, work, given_up)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            given_up.set()
            await asyncio.wait((future,))
            if not future.cancelled():
                future.exception()  # looked at: nobody else will
            raise

    async def close(self) -> None:
        """Close the connection, after what was handed over before; the next use opens another."""
        executor, self._executor = self._executor, None
        if executor is not None:
            await asyncio.get_running_loop().run_in_executor(executor, self._disconnect)
            executor.shutdown(wait=False)

    # --- in the thread -----------------------------------------------------------------------

    def _transaction(self, begin: str, work: Work[T], given_up: threading.Event) -> T:
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.execute(begin)
            result = _drive(work(DirectConnection(self._connection)))
            if given_up.is_set():
                raise _GivenUp
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._roll_back()
            if isinstance(error, sqlite3.Error):
                raise DBAPIError.instance(
                    None, None, error, sqlite3.Error, hide_parameters=True
                ) from error
            raise
        return result

    def _roll_back(self) -> None:
        """Leave no transaction open. A connection that cannot even do that is given up."""
        connection = self._connection
        if connection is None or not connection.in_transaction:
            return
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _drive(work: Awaitable[T]) -> T:
    """Take a coroutine that never waits from its start to its end.

    Raises `RuntimeError` for one that waits: its transaction would stand open meanwhile.
    """
    coroutine = cast("Coroutine[object, None, T]", work)
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return cast("T", ended.value)
    coroutine.close()
    raise RuntimeError("a transaction in the database's own thread waited for something else")
