"""Which ids of calls and messages were used before."""

from __future__ import annotations

from typing import Final

REMEMBERED_CALL_IDS: Final = 250_000


class UsedCallIds:
    """Remembers at least the last `limit` ids and at most twice as many."""

    def __init__(self, limit: int = REMEMBERED_CALL_IDS) -> None:
        self._limit = limit
        self._young: set[str] = set()
        self._old: set[str] = set()

    def __contains__(self, one: str) -> bool:
        return one in self._young or one in self._old

    def add(self, one: str) -> None:
        if len(self._young) >= self._limit:
            self._old = self._young
            self._young = set()
        self._young.add(one)

    def discard(self, one: str) -> None:
        """Forget an id under which certainly nothing was done: it may be tried again."""
        self._young.discard(one)
        self._old.discard(one)
