"""An event loop whose time jumps: hours of an engine in a minute, on real stores.

Time stands still while anything real is under way - a Redis command, a transaction of the ledger,
a thread - and otherwise jumps to the next timer. So the stores take no time at all, timers fire
exactly when they are due, and nothing depends on how fast this machine is.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple, Unpack

import aiosqlite
import pytest

from dialer.stores.redis.client import RedisClient
from telephony_adapters.clock import TimerHandle

T = TypeVar("T")
Given = TypeVarTuple("Given")

STUCK_S = 30.0
"""Real seconds after which something real that is under way is taken to hang."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module. Make it within `counted`, so that it hears of everything real."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.under_way = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.now_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Given]], T], *args: *Given
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.under_way += 1
        future.add_done_callback(self._over)
        return future

    def _over(self, _: object) -> None:
        self.under_way -= 1


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if self._loop.under_way or timeout is None:
            events = super().select(STUCK_S)
            if not events:
                raise TimeoutError(f"nothing real has happened for {STUCK_S:g} s")
            return events
        self._loop.now_s += timeout
        return []


def _counting(method: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    @functools.wraps(method)
    async def counted_method(*args: Any, **named: Any) -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.under_way += 1
        try:
            return await method(*args, **named)
        finally:
            loop.under_way -= 1

    return counted_method


@contextmanager
def counted(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let virtual loops know of what is under way in Redis and in SQLite's threads."""
    with patch.context() as inner:
        for owner, name in (
            (RedisClient, "execute"),
            (aiosqlite.Connection, "_execute"),
            (aiosqlite.Connection, "_connect"),
        ):
            inner.setattr(owner, name, _counting(getattr(owner, name)))
        yield


class LoopClock:
    """The engine's clock on the time of the running loop."""

    speed = 1.0

    def __init__(self, start: datetime) -> None:
        self._start = start.astimezone(UTC)
        self._zero_s: float | None = None

    def now(self) -> datetime:
        now_s = asyncio.get_running_loop().time()
        if self._zero_s is None:
            self._zero_s = now_s
        return self._start + timedelta(seconds=now_s - self._zero_s)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        return asyncio.get_running_loop().call_later(max(0.0, delay_s), callback)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s))
