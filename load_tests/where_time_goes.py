"""Where a measurement's CPU time goes: by thread always, by part of the program on request."""

from __future__ import annotations

import cProfile
import pstats
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TASKS = Path("/proc/self/task")
PARTS = {
    "compliance/": "gate",
    "campaigns/": "campaign logic",
    "dialer/core/": "planning, outcomes, call machine",
    "dialer/runtime/": "loops of the engine",
    "dialer/stores/ledger/": "ledger, on the loop's thread",
    "sqlalchemy/": "ledger, on the loop's thread",
    "aiosqlite/": "ledger, on the loop's thread",
    "dialer/stores/redis/": "queue",
    "redis/": "queue",
    "telephony_adapters/": "carrier adapter",
    "asyncio/": "event loop",
    "uvloop/": "event loop",
}
"""By the first of these that a source file's path holds."""


class CpuTimes:
    """CPU seconds of a stretch of time: all of it, each thread's, and the loop's by part."""

    def __init__(self) -> None:
        self.total_s = 0.0
        self.threads_s: dict[str, float] = {}
        self.parts_s: dict[str, float] = {}
        """Of the calling thread, as the profiler saw it; its own cost is in it."""


@contextmanager
def cpu_times(*, profile: bool) -> Iterator[CpuTimes]:
    """Measure what is done inside. With `profile` everything inside is slower."""
    times = CpuTimes()
    profiler = cProfile.Profile(time.thread_time) if profile else None
    threads = _threads_s()
    total_s = time.process_time()
    if profiler is not None:
        profiler.enable()
    yield times
    if profiler is not None:
        profiler.disable()
        times.parts_s = _parts_s(profiler)
    times.total_s = time.process_time() - total_s
    after = _threads_s()
    spent = {name: seconds - threads.get(name, 0.0) for name, seconds in after.items()}
    times.threads_s = {name: seconds for name, seconds in spent.items() if seconds > 0.001}


def _threads_s() -> dict[str, float]:
    """CPU seconds of every thread so far; nothing where the system does not tell."""
    names = {str(thread.native_id): thread.name for thread in threading.enumerate()}
    found: dict[str, float] = {}
    for task in TASKS.iterdir() if TASKS.is_dir() else ():
        try:
            spent_ns = int((task / "schedstat").read_text().split()[0])
        except (OSError, IndexError):
            continue  # it has just ended, or this kernel does not count
        found[names.get(task.name, f"thread {task.name}")] = spent_ns / 1e9
    return found


def _parts_s(profiler: cProfile.Profile) -> dict[str, float]:
    """Seconds of each part; what built-in functions take counts for their callers."""
    parts: defaultdict[str, float] = defaultdict(float)
    stats: dict[tuple[str, int, str], _Entry] = vars(pstats.Stats(profiler))["stats"]
    for (file, _, _), (_, _, own_s, _, callers) in stats.items():
        if file != "~":
            parts[_part(file)] += own_s
            continue
        for (caller, _, _), (_, _, in_caller_s, _) in callers.items():
            parts[_part(caller)] += in_caller_s
    return dict(sorted(parts.items(), key=lambda item: -item[1]))


_Entry = tuple[int, int, float, float, dict[tuple[str, int, str], tuple[int, int, float, float]]]


def _part(file: str) -> str:
    return next((part for piece, part in PARTS.items() if piece in file), "everything else")
