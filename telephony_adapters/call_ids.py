"""Which ids of calls and messages were used before, and ids of the calls that come to us."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from telephony_adapters.messages import CallId

REMEMBERED_CALL_IDS: Final = 250_000
CALL_ID_LENGTH: Final = 26
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def inbound_call_id(*names: str) -> CallId:
    """The id of an inbound call: always the same for what the carrier calls by these names.

    As long and of the same letters as the ids that the engine makes.
    """
    digest = blake2b("\0".join(names).encode(), digest_size=20).digest()
    number = int.from_bytes(digest, "big")
    letters = (_ALPHABET[number >> 5 * place & 31] for place in range(CALL_ID_LENGTH))
    return CallId("".join(letters))


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
