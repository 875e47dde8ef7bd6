"""Progress of long work: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINE_S: Final = 5.0
"""Without a terminal: seconds between two lines."""


class Steps:
    """How far some work has come. Use it as a context and tell it with `at`."""

    def __init__(self, console: Console, title: str, total: int) -> None:
        self._console = console
        self._title = title
        self._total = max(total, 1)
        self._last_s = time.monotonic()
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task(title, total=self._total, note="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def at(self, done: int, note: str = "", total: int | None = None) -> None:
        """The work stands at `done` of the total."""
        if total is not None:
            self._total = max(total, 1)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=self._total, note=note)
            return
        now_s = time.monotonic()
        if now_s - self._last_s >= LINE_S:
            self._last_s = now_s
            share = min(100.0, 100.0 * done / self._total)
            self._console.print(f"{self._title}: {share:.0f} % {note}".rstrip(), markup=False)
