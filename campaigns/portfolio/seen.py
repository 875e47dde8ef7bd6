"""What an import remembers of the rows it has read, in some thirty bytes each.

A file may have millions of rows, and every one of them must be known again. Dictionaries of Python
objects take ten times as much.
"""

from __future__ import annotations

import hashlib
from array import array
from typing import Final, NamedTuple

_LEAST_SLOTS: Final = 1 << 10


class HashSet:
    """A set of 64-bit hashes. Each has its place: 0 for the first that was added, then 1 ...

    A table with open addressing, at most half full; the hashes stand in the order they came in.
    """

    __slots__ = ("_hashes", "_slots")

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._slots = array("I", bytes(4 * _LEAST_SLOTS))
        """Places by hash, counted from 1; 0 where there is none."""

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, hashed: int) -> bool:
        return self.place(hashed) is not None

    def place(self, hashed: int) -> int | None:
        """Where a hash stands; None: it is not there."""
        found = self._slots[self._slot(hashed)]
        return found - 1 if found else None

    def add(self, hashed: int) -> bool:
        """Add a hash to the end; false: it is there already."""
        slot = self._slot(hashed)
        if self._slots[slot]:
            return False
        self._hashes.append(hashed)
        self._slots[slot] = len(self._hashes)
        if 2 * len(self._hashes) > len(self._slots):
            self._grow()
        return True

    def _slot(self, hashed: int) -> int:
        """The slot of a hash, or the free one where it would go."""
        slots, hashes = self._slots, self._hashes
        last = len(slots) - 1
        slot = hashed & last
        while (found := slots[slot]) and hashes[found - 1] != hashed:
            slot = (slot + 1) & last
        return slot

    def _grow(self) -> None:
        self._slots = array("I", bytes(8 * len(self._slots)))
        for place, hashed in enumerate(self._hashes, 1):
            self._slots[self._slot(hashed)] = place


class SeenRow(NamedTuple):
    """The row in which an account number stood first."""

    number: int
    hashed: int
    """Of the whole row: 64 bits."""


class SeenAccounts:
    """Account numbers with the row in which each stood first.

    A number is known by 64 bits of its hash. That two of a million numbers have the same ones
    happens in one of forty million such files; the second row is then refused as a duplicate, and
    the report of refused rows says so.
    """

    __slots__ = ("_accounts", "_numbers", "_rows")

    def __init__(self) -> None:
        self._accounts = HashSet()
        self._numbers = array("I")
        self._rows = array("Q")

    def __len__(self) -> int:
        return len(self._accounts)

    def row_of(self, external_id: str) -> SeenRow | None:
        """The row of an account number; None: it has not come yet."""
        place = self._accounts.place(_hash(external_id))
        return None if place is None else SeenRow(self._numbers[place], self._rows[place])

    def add(self, external_id: str, row: SeenRow) -> None:
        """Remember an account number. The first row that is told of it stays."""
        if self._accounts.add(_hash(external_id)):
            self._numbers.append(row.number)
            self._rows.append(row.hashed)


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
