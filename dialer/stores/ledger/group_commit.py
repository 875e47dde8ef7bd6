"""Single events from call handling, appended many to a transaction.

A call's own task cannot wait for a batch to fill, and one transaction for each event would spend
its time waiting for the disk. So whatever arrives while a transaction runs goes into the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Final, NamedTuple

from dialer.stores.ledger.database import LedgerUnavailable
from dialer.stores.ledger.streams import AppendResult, EventStore, NewEvent

WAITING_BATCHES_MOST: Final = 8
"""How many full batches may wait; whoever comes then waits to be let in."""


class GroupCommitClosed(Exception):
    """An event was submitted after `drain`, or was still waiting when the writer was cancelled."""


class _Waiting(NamedTuple):
    event: NewEvent
    result: asyncio.Future[AppendResult]


class GroupCommit:
    """Coalesces single appends. Use as `async with GroupCommit(store) as commits`.

    Args:
        max_batch: most events in one transaction.
        max_wait_ms: how long the first event of a batch waits for company. 0: not at all; what
            arrives during a transaction still goes into the next together.
    """

    def __init__(self, store: EventStore, max_batch: int = 256, max_wait_ms: int = 2) -> None:
        if max_batch < 1 or max_wait_ms < 0:
            raise ValueError("max_batch must be at least 1, max_wait_ms at least 0")
        self._store = store
        self._max_batch = max_batch
        self._max_wait_s = max_wait_ms / 1000
        self._room = asyncio.Semaphore(max_batch * WAITING_BATCHES_MOST)
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._closing = False
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> GroupCommit:
        self._writer = asyncio.create_task(self._write(), name="ledger-group-commit")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.drain()

    @property
    def waiting(self) -> int:
        """Events submitted and not yet in a transaction."""
        return len(self._queue)

    async def submit(self, event: NewEvent) -> AppendResult:
        """Append one event; returns when it is durable. Waits while the queue is full.

        Events are appended in the order of their submission. Cancelling the wait does not
        take the event back.

        Raises:
            ValueError: the event contradicts itself (see `EventStore.append`).
            LedgerUnavailable: the transaction that held it failed; it was not appended.
            GroupCommitClosed: `drain` was called.
        """
        EventStore.check(event)
        await self._room.acquire()
        if self._closing or self._writer is None:
            self._room.release()
            raise GroupCommitClosed("no more events are taken")
        waiting = _Waiting(event, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._arrived.set()
        if len(self._queue) >= self._max_batch:
            self._full.set()
        return await waiting.result

    async def drain(self) -> None:
        """Take no more events, append those that wait, and stop."""
        self._closing = True
        self._arrived.set()
        self._full.set()
        if self._writer is not None:
            await self._writer
            self._writer = None

    async def _write(self) -> None:
        try:
            while await self._next():
                take = min(len(self._queue), self._max_batch)
                batch = [self._queue.popleft() for _ in range(take)]
                await self._append(batch)
                for _ in batch:
                    self._room.release()
        finally:
            self._closing = True
            while self._queue:
                _fail(self._queue.popleft(), GroupCommitClosed("the writer stopped"))

    async def _next(self) -> bool:
        """Wait until a batch is due; False when all is done."""
        while not self._queue:
            if self._closing:
                return False
            self._arrived.clear()
            await self._arrived.wait()
        if self._max_wait_s and len(self._queue) < self._max_batch and not self._closing:
            self._full.clear()
            try:
                async with asyncio.timeout(self._max_wait_s):
                    await self._full.wait()
            except TimeoutError:
                pass
        return True

    async def _append(self, batch: list[_Waiting]) -> None:
        try:
            results = await self._store.append([waiting.event for waiting in batch])
        except LedgerUnavailable as error:
            for waiting in batch:
                _fail(waiting, error)
        except Exception as error:
            # One event that no table can hold must not take the others with it.
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            for waiting in batch:
                await self._append([waiting])
        except BaseException:
            for waiting in batch:
                _fail(waiting, GroupCommitClosed("the writer was cancelled while it appended"))
            raise
        else:
            for waiting, result in zip(batch, results, strict=True):
                if not waiting.result.done():
                    waiting.result.set_result(result)


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.result.done():
        waiting.result.set_exception(error)
