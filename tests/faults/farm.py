"""Processes to be killed, cheap enough to kill a thousand of them.

Each is forked from a server that has imported everything once: a new life costs milliseconds, and
is a process like any other to the kernel, which ends it with SIGKILL in the middle of whatever it
does.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import TypeVar

T = TypeVar("T")

EXIT_TIMEOUT_S = 60.0
_PRELOADED = [
    "tests.faults.worker",
    "tests.faults.blaster",
    "tests.faults.called",
    "tests.faults.importer",
    "tests.faults.listener",
    "tests.races.racer",
]


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def spawn(work: Callable[[T], None], argument: T) -> ForkServerProcess:
    """Start a process that does `work(argument)` and ends. Both must be importable by name."""
    process = _context().Process(target=work, args=(argument,), daemon=True)
    process.start()
    return process


def kill(process: ForkServerProcess) -> None:
    """SIGKILL, and wait until it is gone."""
    process.kill()
    process.join(EXIT_TIMEOUT_S)
    if process.is_alive():
        raise TimeoutError(f"process {process.pid} outlives SIGKILL")


def finish(process: ForkServerProcess, timeout_s: float = EXIT_TIMEOUT_S) -> int:
    """Wait for it to end by itself; its exit status. A process that does not end is killed."""
    process.join(timeout_s)
    if process.is_alive():
        kill(process)
        raise TimeoutError(f"a process did not end within {timeout_s:g} s")
    return process.exitcode if process.exitcode is not None else -1
