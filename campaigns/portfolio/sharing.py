"""Phones that stand with more than one person, and phones that are also a reference's.

A shared number may be answered by somebody who knows nothing of the debt. The ledger marks its
contact points over all portfolios; this index does the same over batches that are not in a ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from campaigns.portfolio.model import ImportedAccount
from compliance.messages import Message
from compliance.types import ContactPointKind, PartyRole

_NUMBERS = frozenset({ContactPointKind.PHONE, ContactPointKind.WHATSAPP})
_OTHERS = frozenset({PartyRole.REFERENCE, PartyRole.RELATIVE, PartyRole.THIRD_PARTY})
"""Roles of people who owe nothing: their number must not be dialed as a debtor's."""


class SharedPhone(Message, frozen=True, kw_only=True):
    address: str
    people: tuple[str, ...]
    """`match_key`s, sorted."""


class PhoneIndex:
    """Who has which number. Fed with batches of accounts in any order."""

    def __init__(self) -> None:
        # Nearly every number has one owner: a set only where there are more.
        self._owners: dict[str, str | set[str]] = {}
        self._references: set[str] = set()

    def add(self, accounts: Iterable[ImportedAccount]) -> None:
        for account in accounts:
            for party in account.parties:
                for point in party.contact_points:
                    if point.kind not in _NUMBERS:
                        continue
                    if point.role in _OTHERS:
                        self._references.add(point.address)
                    else:
                        self._own(point.address, party.match_key)

    def _own(self, address: str, person: str) -> None:
        before = self._owners.setdefault(address, person)
        if isinstance(before, set):
            before.add(person)
        elif before != person:
            self._owners[address] = {before, person}

    def shared(self) -> Iterator[SharedPhone]:
        """Numbers that several people have as their own."""
        for address, owners in self._owners.items():
            if isinstance(owners, set):
                yield SharedPhone(address=address, people=tuple(sorted(owners)))

    def also_reference(self) -> Iterator[SharedPhone]:
        """Numbers that somebody has as their own and that are somebody's reference as well."""
        for address in self._references:
            owners = self._owners.get(address)
            if owners is not None:
                people = owners if isinstance(owners, set) else {owners}
                yield SharedPhone(address=address, people=tuple(sorted(people)))
