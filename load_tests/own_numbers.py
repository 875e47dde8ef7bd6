"""Telephone numbers that strangers do not have in common.

The generator gives invented Americans numbers that the plan reserves for fiction: some thirty
thousand, so that strangers share them. The numbers made here lie in the same area codes, in the
exchange 555, where nobody lives; families share as many of them as the generator says.
"""

from __future__ import annotations

from random import Random
from typing import Final

from campaigns.sample.numbers import NumberSource

_FIRST: Final = 1_000
_LINES: Final = 9_000


class OwnNumbers(NumberSource):
    """Hands out each number once, until an area code has no more."""

    def __init__(self, country: str, rng: Random) -> None:
        super().__init__(country, rng)
        self._given: dict[str, int] = {}

    def fictional(self, subdivision: str) -> str:
        area = super().fictional(subdivision)[:3]
        given = self._given.get(area, 0)
        self._given[area] = given + 1
        return f"{area}555{_FIRST + given % _LINES}"
