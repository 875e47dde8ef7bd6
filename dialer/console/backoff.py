"""How long whoever fails to log in has to wait: doubling, per user and per address. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MAX_WAIT_S: Final = 300.0
FORGET_S: Final = 3600.0
"""A key without a failure for so long starts anew."""
MAX_KEYS: Final = 20_000
"""Keys remembered; the one that failed longest ago is forgotten first."""


class _Tries:
    __slots__ = ("failures", "last_s", "running")

    def __init__(self) -> None:
        self.failures = 0
        self.running = 0
        self.last_s = 0.0


class BackOff:
    """Failed attempts by key. `free_tries` cost nothing; then 1, 2, 4 ... seconds each.

    Attempts that are still being judged count as failed, so that many guesses sent at once gain
    nothing. All instants are seconds of one monotonic clock.
    """

    def __init__(self, free_tries: int) -> None:
        self._free = free_tries
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait_s(self, key: str, now_s: float) -> float:
        """Seconds until the key may be tried; 0 for now."""
        tries = self._tries.get(key)
        if tries is None:
            return 0.0
        if now_s - tries.last_s > FORGET_S and tries.running == 0:
            del self._tries[key]
            return 0.0
        over = tries.failures + tries.running - self._free
        if over < 0:
            return 0.0
        if tries.running > 0:
            return 1.0
        delay_s = min(MAX_WAIT_S, 2.0 ** min(over, 16))
        return max(0.0, tries.last_s + delay_s - now_s)

    def begin(self, key: str) -> None:
        """An attempt is being judged; `end` must follow."""
        self._of(key).running += 1

    def end(self, key: str, now_s: float, *, good: bool | None) -> None:
        """The attempt was right, wrong, or (None) never judged."""
        tries = self._of(key)
        tries.running = max(0, tries.running - 1)
        if good is False:
            self.fail(key, now_s)
        elif good is True:
            tries.failures = 0
        if tries.running == 0 and tries.failures == 0:
            self._tries.pop(key, None)

    def fail(self, key: str, now_s: float) -> None:
        tries = self._of(key)
        tries.failures += 1
        tries.last_s = now_s
        self._tries.move_to_end(key)
        while len(self._tries) > MAX_KEYS:
            self._tries.popitem(last=False)

    def _of(self, key: str) -> _Tries:
        tries = self._tries.get(key)
        if tries is None:
            tries = self._tries[key] = _Tries()
        return tries

    def __len__(self) -> int:
        return len(self._tries)
