"""Suppressions as lists: those that stand, many added at once, and one released with a reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import (
    AccountId,
    Channel,
    ContactPointKind,
    DebtId,
    PersonId,
    SuppressionScope,
)
from dialer.core.records import SubjectChanged
from dialer.core.writes import AddSuppression
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.profiles import (
    OF_AN_ACCOUNT,
    lock_persons,
    parties_of,
    rebuild_profiles,
)
from dialer.stores.ledger.schema import (
    account,
    account_party,
    contact_point,
    person,
    suppression,
)
from dialer.stores.ledger.streams import EventStore, NewEvent
from dialer.stores.ledger.subjects import end_wide_suppression
from dialer.stores.ledger.waking import wake_people

CHANGE: Final = "suppression"


class SuppressionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One suppression, with the telephone or e-mail where it is about one."""

    suppression_id: str
    person_id: str | None
    scope: SuppressionScope
    target_id: str | None
    address: str | None
    channel: Channel | None
    reason: str
    starts_ms: int
    ends_ms: int | None
    created_by: str
    evidence: str


class NewSuppression(msgspec.Struct, frozen=True, kw_only=True):
    """One that a list asks for, about a person who is known."""

    person_id: PersonId
    scope: SuppressionScope
    target_id: str | None
    channel: Channel | None
    reason: str
    starts_ms: int
    ends_ms: int | None
    evidence: str
    starts_given: bool = True
    """False: the line does not say since when; it starts when it is read first."""

    @property
    def suppression_id(self) -> str:
        """The same line of the same list is the same suppression."""
        said = (self.person_id, self.scope, self.target_id, self.channel, self.reason)
        text = "/".join("" if part is None else str(part) for part in said)
        since = self.starts_ms if self.starts_given else ""
        return hashlib.sha256(f"{text}/{since}".encode()).hexdigest()[:40]


class AlreadyEnded(Exception):
    """The suppression does not stand any more."""


async def list_suppressions(
    conn: AsyncConnection,
    *,
    now_ms: int,
    standing: bool = True,
    person_id: str | None = None,
    portfolio_id: str | None = None,
    reason: str | None = None,
    after: str = "",
    limit: int = 1_000,
) -> list[SuppressionRow]:
    """Suppressions by id; those of the house and of creditors among them."""
    s = suppression.c
    names = [name for name in SuppressionRow.__struct_fields__ if name != "address"]
    query = (
        select(*(s[name] for name in names), contact_point.c.address)
        .outerjoin(contact_point, contact_point.c.contact_point_id == s.target_id)
        .where(s.suppression_id > after)
        .order_by(s.suppression_id)
        .limit(limit)
    )
    if standing:
        query = query.where(s.starts_ms <= now_ms, or_(s.ends_ms.is_(None), s.ends_ms > now_ms))
    if person_id is not None:
        query = query.where(s.person_id == person_id)
    if reason is not None:
        query = query.where(s.reason == reason)
    if portfolio_id is not None:
        people = select(person.c.person_id).where(person.c.portfolio_id == portfolio_id)
        query = query.where(s.person_id.in_(people))
    return [
        msgspec.convert(row, SuppressionRow, from_attributes=True)
        for row in await conn.execute(query)
    ]


async def add_suppressions(
    conn: AsyncConnection, new: Sequence[NewSuppression], *, source: str, actor: str, now_ms: int
) -> int:
    """Add those that do not stand yet, each with an event in the person's stream; how many."""
    by_id = {found.suppression_id: found for found in new}
    known = set(
        (
            await conn.execute(
                select(suppression.c.suppression_id).where(suppression.c.suppression_id.in_(by_id))
            )
        ).scalars()
    )
    events = [
        NewEvent(
            person_id=found.person_id,
            at_ms=now_ms,
            body=SubjectChanged(
                change=CHANGE,
                target=suppression_id,
                value=found.reason,
                source=source,
                actor=actor,
            ),
            writes=(
                AddSuppression(
                    person_id=found.person_id,
                    suppression_id=suppression_id,
                    scope=found.scope,
                    target_id=found.target_id,
                    channel=found.channel,
                    reason=found.reason,
                    starts_ms=found.starts_ms,
                    ends_ms=found.ends_ms,
                    created_by=actor,
                    evidence=found.evidence,
                ),
            ),
        )
        for suppression_id, found in by_id.items()
        if suppression_id not in known
    ]
    await EventStore.append_in(conn, events)
    return len(events)


async def release_suppression(
    conn: AsyncConnection, suppression_id: str, *, reason: str, actor: str, now_ms: int
) -> SuppressionRow:
    """End a suppression now, for everybody it protects.

    Raises:
        LookupError: there is none by that id.
        AlreadyEnded: it does not stand.
        ValueError: the reason is empty.
    """
    if not reason.strip():
        raise ValueError("a release says why")
    found = await _one(conn, suppression_id)
    if found.ends_ms is not None and found.ends_ms <= now_ms:
        raise AlreadyEnded(f"suppression {suppression_id} ended before")
    if found.person_id is None:
        await end_wide_suppression(conn, suppression_id, actor=actor, now_ms=now_ms)
    else:
        await _release(conn, found, PersonId(found.person_id), actor, now_ms)
    await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action="suppression.release",
        target=suppression_id,
        detail={"reason": reason.strip(), "was": found.reason},
    )
    return await _one(conn, suppression_id)


async def _release(
    conn: AsyncConnection, found: SuppressionRow, person_id: PersonId, actor: str, now_ms: int
) -> None:
    people = {person_id}
    if found.scope in OF_AN_ACCOUNT and found.target_id is not None:
        accounts, debts = [AccountId(found.target_id)], [DebtId(found.target_id)]
        people |= set(await parties_of(conn, accounts, debts))
    body = SubjectChanged(
        change="release", target=found.suppression_id, value=found.reason, actor=actor
    )
    await EventStore.append_in(
        conn, [NewEvent(person_id=p, at_ms=now_ms, body=body) for p in sorted(people)]
    )
    await lock_persons(conn, people)
    await conn.execute(
        update(suppression)
        .where(suppression.c.suppression_id == found.suppression_id)
        .values(ends_ms=now_ms)
    )
    await rebuild_profiles(conn, people)
    await wake_people(conn, people, released=True)


async def _one(conn: AsyncConnection, suppression_id: str) -> SuppressionRow:
    s = suppression.c
    names = [name for name in SuppressionRow.__struct_fields__ if name != "address"]
    query = (
        select(*(s[name] for name in names), contact_point.c.address)
        .outerjoin(contact_point, contact_point.c.contact_point_id == s.target_id)
        .where(s.suppression_id == suppression_id)
    )
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise LookupError(f"there is no suppression {suppression_id}")
    return msgspec.convert(row, SuppressionRow, from_attributes=True)


# --- whom a line of a list means ------------------------------------------------------------------


class Meant(msgspec.Struct, frozen=True):
    """A person that a line means, and what of theirs."""

    person_id: PersonId
    target_id: str | None = None


async def people_by_document(conn: AsyncConnection, document: str) -> list[Meant]:
    bare = "".join(c for c in document if c.isalnum()).upper()
    query = select(person.c.person_id).where(person.c.document_number.in_((document, bare)))
    return [Meant(PersonId(row)) for row in (await conn.execute(query)).scalars()]


async def people_by_id(conn: AsyncConnection, person_id: str) -> list[Meant]:
    query = select(person.c.person_id).where(person.c.person_id == person_id)
    return [Meant(PersonId(row)) for row in (await conn.execute(query)).scalars()]


async def people_by_address(conn: AsyncConnection, address: str) -> list[Meant]:
    """Everybody who has the telephone or e-mail, with their contact point."""
    c = contact_point.c
    query = select(c.person_id, c.contact_point_id).where(
        c.address == address, c.kind != ContactPointKind.POSTAL
    )
    return [Meant(PersonId(row[0]), row[1]) for row in await conn.execute(query)]


async def people_by_account(conn: AsyncConnection, external_id: str) -> list[Meant]:
    """The holders of accounts with this number, in any portfolio, with the account."""
    query = (
        select(account_party.c.person_id, account.c.account_id)
        .join(account, account.c.account_id == account_party.c.account_id)
        .where(account.c.external_id == external_id, account_party.c.role == "holder")
    )
    return [Meant(PersonId(row[0]), row[1]) for row in await conn.execute(query)]
