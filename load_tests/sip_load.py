"""Offering calls at a steady rate, and what became of each: the same for every way of dialing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle

import msgspec

from telephony_adapters.messages import HangupCause

EXPECTED = {
    "75": HangupCause.BUSY,
    "80": HangupCause.BUSY,
    "86": HangupCause.UNAVAILABLE,
    "90": HangupCause.NOT_IN_SERVICE,
    "93": HangupCause.REJECTED,
    "97": HangupCause.NORMAL_CALLEE,
}
"""How calls to the laboratory's numbers end, by their last two digits; none lasts 3 seconds."""
END_LIMIT_S = 15.0
"""Calls that have not ended so long after the last one was offered are lost."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One load at one rate."""

    wanted_per_s: float
    offered: int
    offered_per_s: float
    lost: int
    """Offered, and never heard of their end."""
    wrong: int
    """Ended, and told for something else."""
    ended_per_s: float

    @property
    def sustained(self) -> bool:
        """Every call offered in time, and told rightly."""
        return self.lost == 0 and self.wrong == 0 and self.offered_per_s >= 0.95 * self.wanted_per_s


def numbers() -> Iterator[str]:
    """Numbers of the laboratory that end quickly, in turn."""
    endings = cycle(EXPECTED)
    for number in cycle(range(10_000)):
        yield f"+1305{number:05d}{next(endings)}"


def is_right(number: str, cause: HangupCause) -> bool:
    return EXPECTED[number[-2:]] is cause


class Load:
    """Calls offered at a rate. `dial` places one; `ended` is told how it ended."""

    def __init__(self, dial: Callable[[str, str], Awaitable[object]]) -> None:
        """`dial` takes a call's id and its number."""
        self._dial = dial
        self._open: dict[str, str] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._wrong = 0
        self._ended = 0
        self._last_end_s = 0.0
        self._all_over = asyncio.Event()

    def ended(self, call_id: str, is_right: Callable[[str], bool]) -> None:
        """`is_right` judges by the number. Repeats are ignored."""
        number = self._open.pop(call_id, None)
        if number is None:
            return
        self._ended += 1
        self._last_end_s = time.perf_counter()
        if not is_right(number):
            self._wrong += 1
        if not self._open:
            self._all_over.set()

    async def run(
        self, per_s: float, seconds: float, new_id: Callable[[], str], to: Iterator[str]
    ) -> Result:
        count = max(1, round(per_s * seconds))
        began_s = time.perf_counter()
        for n in range(count):
            wait_s = began_s + n / per_s - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            call_id, number = new_id(), next(to)
            self._open[call_id] = number
            self._start(self._dial(call_id, number))
        offered_s = max(time.perf_counter() - began_s, count / per_s)
        self._all_over.clear()
        if self._open:
            try:
                async with asyncio.timeout(END_LIMIT_S):
                    await self._all_over.wait()
            except TimeoutError:
                pass
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return Result(
            wanted_per_s=per_s,
            offered=count,
            offered_per_s=count / offered_s,
            lost=len(self._open),
            wrong=self._wrong,
            ended_per_s=self._ended / max(self._last_end_s - began_s, 1e-9),
        )

    def _start(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
