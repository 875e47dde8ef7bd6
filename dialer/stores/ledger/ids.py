"""Ids of rows: ULIDs, many at a time."""

from __future__ import annotations

import secrets
from itertools import count

from ulid import ULID

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _CROCKFORD for low in _CROCKFORD)
_PAIR_COUNT = len(_PAIRS)
_HEAD_CHARS = 22
_TIME_CHARS = 10


class Ids:
    """Makes ULIDs: a fresh one from time and chance, then counts up from there.

    Making each id anew would take longer than anything else an import does with a row. The 20
    lowest bits count; after about a million ids the rest is drawn anew.
    """

    def __init__(self) -> None:
        self._head = ""
        self._next = count()
        self._renew()

    def __call__(self) -> str:
        number = next(self._next)
        high, low = divmod(number, _PAIR_COUNT)
        if high >= _PAIR_COUNT:
            self._renew()
            return self()
        return self._head + _PAIRS[high] + _PAIRS[low]

    def _renew(self) -> None:
        # Of ULIDs made in one millisecond the second counts up from the first, so that their heads
        # are the same: the chance is drawn here.
        chance = "".join(secrets.choice(_CROCKFORD) for _ in range(_HEAD_CHARS - _TIME_CHARS))
        self._head = str(ULID())[:_TIME_CHARS] + chance
        self._next = count()


def new_id() -> str:
    """One ULID."""
    return str(ULID())
