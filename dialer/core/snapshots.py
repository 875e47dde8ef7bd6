"""One account as the ledger stands when it is read: what planning decides from."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter

import msgspec

from compliance.messages import Subject, SuppressionFact
from compliance.types import AccountId, CampaignId, ContactPointId, PartyRole, PersonId, StreamKey
from dialer.core.records import StreamRow

HOUSE_STREAM = StreamKey("house:suppressions")
"""What stops everybody: suppressions of creditors and of the whole house, and emergencies. Its head
is the number of them that were ever made. Nothing is appended to it; what was decided before a new
one loses."""


class Emergencies(msgspec.Struct, frozen=True):
    """Declared emergencies, by the code that packs know them by."""

    in_force: tuple[str, ...] = ()
    ended: dict[str, datetime] = {}
    """When each that was ended, ended last."""


class House(msgspec.Struct, frozen=True):
    """What belongs to everybody's facts: read once for a batch of accounts."""

    wide: tuple[SuppressionFact, ...] = ()
    """Suppressions of creditors and of the whole house."""
    emergencies: Emergencies = Emergencies()
    head: int = 0
    """Head of `HOUSE_STREAM` at which it was read."""


class EnrolmentState(msgspec.Struct, frozen=True, gc=False):
    """Where an account stands in the campaign that asks."""

    state: str
    not_before_ms: int
    priority: int
    attempts: int
    last_code: str | None


class OpenCallback(msgspec.Struct, frozen=True, gc=False):
    """A callback that was promised and not made yet."""

    callback_id: str
    person_id: PersonId
    contact_point_id: ContactPointId
    campaign_id: CampaignId | None
    due_ms: int
    expires_ms: int
    agent_id: str | None
    event_id: str


in_order = attrgetter("at_ms", "seq", "person_id")
"""Oldest first, and always the same order: what facts are fingerprinted in."""


class PersonSnapshot(msgspec.Struct, frozen=True):
    """One party of an account with all that a verdict about them can depend on."""

    person_id: PersonId
    role: PartyRole
    subject: Subject
    heads: dict[StreamKey, int]
    """The person's stream, and every stream shared with others: `number:` of each phone that
    other people have too, `account:` of each account with several parties. Guard them all, and
    link to those of them that the contact touches."""
    rows: list[StreamRow]
    """The person's own events since the instant asked for, and imported ones however old; without
    blocked decisions."""
    related: list[StreamRow]
    """Events of other people on the shared streams, since the same instant."""

    @property
    def head_seq(self) -> int:
        """Sequence number of the person's last event; 0 for none."""
        return self.heads[StreamKey(self.person_id)]

    def history(self) -> list[StreamRow]:
        """Own and related events, oldest first."""
        rows = [*self.rows, *self.related]
        rows.sort(key=in_order)
        return rows


class AccountSnapshot(msgspec.Struct, frozen=True):
    """One account as the ledger stood when it was read."""

    account_id: AccountId
    state: str
    """`active`, `recalled` or `closed`."""
    bucket: str
    """Age of the debt; the pacing segment of the account's calls."""
    enrolment: EnrolmentState | None
    people: list[PersonSnapshot]
    callbacks: list[OpenCallback]
    """Open ones of this account, in any campaign."""
    house: House = House()
    """What belongs to everybody's facts: read apart, `in_house`."""


class Batch(msgspec.Struct, frozen=True):
    """Accounts that were read together."""

    accounts: list[AccountSnapshot]
    house: House


def in_house(account: AccountSnapshot, house: House) -> AccountSnapshot:
    """The account with what binds everybody."""
    return msgspec.structs.replace(account, house=house)
