"""What was found once and is kept, within a bound."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """A dictionary of at most `most` entries, emptied when one more comes.

    Whatever is lost is found again: the key holds all that the value depends on.
    """

    __slots__ = ("most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def keep(self, key: K, value: V) -> V:
        """Remember a value, and give it back."""
        if len(self) >= self.most:
            self.clear()
        self[key] = value
        return value
