"""Background work of the adapter: named, kept, and never failing in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from telephony_adapters.errors import TelephonyError

log = structlog.get_logger()


class Chores:
    """Small pieces of work that nobody waits for."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"twilio:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, TelephonyError):
            log.warning("twilio_chore_failed", task=task.get_name(), error=str(error))
        elif error is not None:
            log.error("twilio_chore_failed", task=task.get_name(), exc_info=error)

    async def cancel(self) -> None:
        """Cancel all and wait until every one has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
