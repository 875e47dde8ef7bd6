"""One-time words by which a node knows a call of another node. Pure.

A link is a call from node to node. Whoever reached a node's context for links with a word that he
made up would stand in for a person, so a word cannot be guessed, is good once, at one node, and for
seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

PREFIX: Final = "marcador"
"""How the dialed user of every link begins. In a pattern of Asterisk's dialplan N, X and Z mean
digits and a dash means nothing: there is none of them in it."""
MadeFor = TypeVar("MadeFor")


class Tokens(Generic[MadeFor]):
    """Words that were given out and not used yet, and what each stands for."""

    def __init__(self, make: Callable[[], str], life_s: float) -> None:
        self._make = make
        self._life = timedelta(seconds=life_s)
        self._out: dict[str, tuple[str, datetime, MadeFor]] = {}

    def __len__(self) -> int:
        return len(self._out)

    def issue(self, node: str, what: MadeFor, now: datetime) -> str:
        """A word that is good once, at `node`."""
        for old in [word for word, (_, until, _) in self._out.items() if until < now]:
            del self._out[old]
        word = PREFIX + self._make()
        self._out[word] = (node, now + self._life, what)
        return word

    def redeem(self, node: str, word: str, now: datetime) -> MadeFor | None:
        """What a word stands for; None for one that is unknown, used, late, or for elsewhere."""
        where, until, what = self._out.get(word, ("", now, None))
        if what is None or where != node:
            return None  # a word that was dialed at the wrong node is still good at its own
        del self._out[word]
        return what if now <= until else None

    def revoke(self, word: str) -> None:
        self._out.pop(word, None)
