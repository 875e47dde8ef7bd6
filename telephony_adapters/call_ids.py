"""Which call ids were used before."""

from __future__ import annotations

from typing import Final

from telephony_adapters.messages import CallId

REMEMBERED_CALL_IDS: Final = 250_000


class UsedCallIds:
    """Remembers at least the last `limit` ids and at most twice as many."""

    def __init__(self, limit: int = REMEMBERED_CALL_IDS) -> None:
        self._limit = limit
        self._young: set[CallId] = set()
        self._old: set[CallId] = set()

    def __contains__(self, call_id: CallId) -> bool:
        return call_id in self._young or call_id in self._old

    def add(self, call_id: CallId) -> None:
        if len(self._young) >= self._limit:
            self._old = self._young
            self._young = set()
        self._young.add(call_id)
