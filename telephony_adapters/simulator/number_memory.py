"""How often each number was dialed, as the people behind it remember."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from telephony_adapters.simulator.world import Past

WEEK_S: Final = 7 * 24 * 3600.0
REMEMBERED_NUMBERS: Final = 2_000_000


class NumberMemory:
    """Counts dials by number. Beyond `limit` numbers the one met first is forgotten."""

    def __init__(self, limit: int = REMEMBERED_NUMBERS) -> None:
        self._limit = limit
        self._dials: dict[str, tuple[int, tuple[float, ...]]] = {}

    def record(self, number: str, at: datetime) -> Past:
        """Note a dial at `at`; returns what was before it."""
        at_s = at.timestamp()
        attempts, instants = self._dials.get(number, (0, ()))
        if instants:
            instants = tuple([instant for instant in instants if instant > at_s - WEEK_S])
        elif attempts == 0 and len(self._dials) >= self._limit:
            del self._dials[next(iter(self._dials))]
        self._dials[number] = (attempts + 1, (*instants, at_s))
        return Past(attempts, len(instants))
