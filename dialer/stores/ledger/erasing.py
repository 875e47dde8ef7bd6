"""Legal holds, and erasing a person's data while their chain stays whole.

Events and proofs hold ids and codes only, so what identifies a person is erased from the other
tables and every hash still verifies. Two people erase: one asks, another carries it out. A legal
hold stops both erasure and retention, whoever asks, until it is released with a reason.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import PersonId, StreamKey, SuppressionScope, Validity
from dialer.core.records import SubjectChanged
from dialer.stores.ledger import recordings, schema
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.oversight_schema import (
    erasure,
    legal_hold,
    number_check,
    recording,
    subject_snapshot,
)
from dialer.stores.ledger.profiles import lock_persons, rebuild_profiles
from dialer.stores.ledger.streams import EventStore, NewEvent

ERASED: Final = "erased"
"""Stands where data was; followed by an id where it must be unique."""


class ErasureState(StrEnum):
    REQUESTED = "requested"
    DONE = "done"
    REFUSED = "refused"


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of the person may be erased while it stands."""

    hold_id: str
    person_id: str
    matter: str
    """Case, complaint or order that asks for it."""
    placed_by: str
    placed_ms: int
    released_by: str | None
    released_ms: int | None
    release_reason: str | None


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    erasure_id: str
    person_id: str
    reason: str
    requested_by: str
    requested_ms: int
    state: ErasureState
    decided_by: str | None
    decided_ms: int | None


class WouldErase(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure touches, and what forbids it."""

    person_id: str
    rows: dict[str, int]
    """Rows by table that hold data of the person."""
    holds: tuple[str, ...]
    """Legal holds that stand: with one, nothing may be erased."""
    open_attempts: int
    """Contacts being made: they end first."""

    @property
    def may(self) -> bool:
        return not self.holds and self.open_attempts == 0


class OnHold(Exception):
    """A legal hold stands, or a contact is being made."""


class SamePerson(ValueError):
    """Whoever asked may not carry it out."""


class AlreadyDecided(Exception):
    """It is not waiting any more."""


# --- holds ----------------------------------------------------------------------------------------


async def place_hold(
    conn: AsyncConnection, person_id: str, *, matter: str, actor: str, now_ms: int
) -> Hold:
    """Raises `LookupError` for nobody known, `ValueError` for an empty matter."""
    if not matter.strip():
        raise ValueError("a legal hold names its matter")
    await _known(conn, person_id)
    hold_id = new_id()
    await conn.execute(
        legal_hold.insert().values(
            hold_id=hold_id,
            person_id=person_id,
            matter=matter.strip(),
            placed_by=actor,
            placed_ms=now_ms,
        )
    )
    await _told(conn, person_id, "legal_hold", hold_id, actor, now_ms)
    detail = {"person": person_id, "matter": matter.strip()}
    await record_audit(
        conn, at_ms=now_ms, actor=actor, action="hold.place", target=hold_id, detail=detail
    )
    return await _hold(conn, hold_id)


async def release_hold(
    conn: AsyncConnection, hold_id: str, *, reason: str, actor: str, now_ms: int
) -> Hold:
    """Raises `LookupError` for no hold that stands, `ValueError` for an empty reason."""
    if not reason.strip():
        raise ValueError("a release says why")
    released = await conn.execute(
        update(legal_hold)
        .where(legal_hold.c.hold_id == hold_id, legal_hold.c.released_ms.is_(None))
        .values(released_by=actor, released_ms=now_ms, release_reason=reason.strip())
    )
    if released.rowcount != 1:
        raise LookupError(f"no legal hold {hold_id} stands")
    found = await _hold(conn, hold_id)
    await _told(conn, found.person_id, "legal_hold_released", hold_id, actor, now_ms)
    await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action="hold.release",
        target=hold_id,
        detail={"reason": reason.strip()},
    )
    return found


async def list_holds(
    conn: AsyncConnection,
    *,
    person_id: str | None = None,
    standing: bool = True,
    after: str = "",
    limit: int = 100,
) -> list[Hold]:
    query = select(legal_hold).where(legal_hold.c.hold_id > after)
    if standing:
        query = query.where(legal_hold.c.released_ms.is_(None))
    if person_id is not None:
        query = query.where(legal_hold.c.person_id == person_id)
    query = query.order_by(legal_hold.c.hold_id).limit(limit)
    return [msgspec.convert(row, Hold, from_attributes=True) for row in await conn.execute(query)]


# --- erasure --------------------------------------------------------------------------------------


async def would_erase(conn: AsyncConnection, person_id: str) -> WouldErase:
    """Look only. Raises `LookupError` for nobody known."""
    await _known(conn, person_id)
    rows: dict[str, int] = {}
    for table in (
        schema.person,
        schema.contact_point,
        schema.consent,
        schema.preference,
        schema.suppression,
        schema.note,
        schema.review_item,
        recording,
        subject_snapshot,
    ):
        query = select(func.count()).select_from(table).where(table.c.person_id == person_id)
        rows[table.name] = (await conn.execute(query)).scalar_one()
    checks = select(func.count()).where(
        number_check.c.address.in_(await _own_numbers(conn, person_id))
    )
    rows[number_check.name] = (await conn.execute(checks)).scalar_one()
    holds = await list_holds(conn, person_id=person_id)
    a = schema.attempt.c
    being_made = select(func.count()).where(a.person_id == person_id, a.ended_ms.is_(None))
    return WouldErase(
        person_id=person_id,
        rows=rows,
        holds=tuple(hold.hold_id for hold in holds),
        open_attempts=(await conn.execute(being_made)).scalar_one(),
    )


async def request_erasure(
    conn: AsyncConnection, person_id: str, *, reason: str, actor: str, now_ms: int
) -> Erasure:
    """Ask for it; nothing is erased yet.

    Raises:
        LookupError: nobody is known by that id.
        ValueError: the reason is empty.
        OnHold: a legal hold stands.
    """
    if not reason.strip():
        raise ValueError("an erasure says why")
    found = await would_erase(conn, person_id)
    if found.holds:
        raise OnHold(f"legal hold {', '.join(found.holds)} stands on {person_id}")
    erasure_id = new_id()
    await conn.execute(
        erasure.insert().values(
            erasure_id=erasure_id,
            person_id=person_id,
            reason=reason.strip(),
            requested_by=actor,
            requested_ms=now_ms,
            state=ErasureState.REQUESTED,
        )
    )
    detail = {"person": person_id, "reason": reason.strip()}
    await record_audit(
        conn, at_ms=now_ms, actor=actor, action="erasure.request", target=erasure_id, detail=detail
    )
    return await _erasure(conn, erasure_id)


async def decide_erasure(
    conn: AsyncConnection, erasure_id: str, *, approve: bool, actor: str, now_ms: int
) -> Erasure:
    """Carry an erasure out, or refuse it. It cannot be undone.

    Raises:
        LookupError: there is no such request.
        SamePerson: `actor` asked for it.
        AlreadyDecided: it is not waiting.
        OnHold: a legal hold stands, or a contact is being made; nothing is erased.
    """
    found = await _erasure(conn, erasure_id)
    if found.requested_by == actor:
        raise SamePerson("whoever asked for an erasure may not decide on it")
    if approve:
        # Before anything else: so that no contact is planned while this transaction looks.
        person_id = PersonId(found.person_id)
        await _told(conn, person_id, ERASED, erasure_id, actor, now_ms, source=found.requested_by)
        await lock_persons(conn, [person_id])
        checked = await would_erase(conn, person_id)
        if not checked.may:
            raise OnHold(
                f"{person_id} has {len(checked.holds)} legal hold(s) and "
                f"{checked.open_attempts} contact(s) being made"
            )
    state = ErasureState.DONE if approve else ErasureState.REFUSED
    moved = await conn.execute(
        update(erasure)
        .where(erasure.c.erasure_id == erasure_id, erasure.c.state == ErasureState.REQUESTED)
        .values(state=state, decided_by=actor, decided_ms=now_ms)
    )
    if moved.rowcount != 1:
        raise AlreadyDecided(f"erasure {erasure_id} is {found.state}")
    if approve:
        await _erase(conn, PersonId(found.person_id), erasure_id, now_ms)
    action = "erasure.carry_out" if approve else "erasure.refuse"
    await record_audit(conn, at_ms=now_ms, actor=actor, action=action, target=erasure_id)
    return await _erasure(conn, erasure_id)


async def list_erasures(
    conn: AsyncConnection,
    *,
    state: ErasureState | None = None,
    after: str = "",
    limit: int = 100,
) -> list[Erasure]:
    query = select(erasure).where(erasure.c.erasure_id > after)
    if state is not None:
        query = query.where(erasure.c.state == state)
    query = query.order_by(erasure.c.erasure_id).limit(limit)
    return [msgspec.convert(r, Erasure, from_attributes=True) for r in await conn.execute(query)]


async def was_erased(conn: AsyncConnection, person_id: str) -> bool:
    """Whether an erasure of the person was carried out."""
    query = select(erasure.c.erasure_id).where(
        erasure.c.person_id == person_id, erasure.c.state == ErasureState.DONE
    )
    return (await conn.execute(query.limit(1))).scalar() is not None


async def _erase(conn: AsyncConnection, person_id: PersonId, erasure_id: str, now_ms: int) -> None:
    """Take away everything that identifies the person. Accounts and debts are the creditor's
    books and stay; so do events, codes, instants and ids."""
    await _erase_numbers(conn, person_id)
    p, c = schema.person, schema.contact_point
    await conn.execute(
        update(p)
        .where(p.c.person_id == person_id)
        .values(
            match_key=f"{ERASED}:{person_id}",
            full_name=ERASED,
            document_type=None,
            document_number=None,
            birth_date=None,
            locality=None,
            postal_code=None,
            address=None,
            updated_ms=now_ms,
        )
    )
    await conn.execute(
        update(c)
        .where(c.c.person_id == person_id)
        .values(
            address=ERASED + ":" + c.c.contact_point_id,
            raw=ERASED,
            validity=Validity.DISCONNECTED,
            validity_at_ms=now_ms,
            shared_with="[]",
            also_reference=False,
        )
    )
    for table, column in (
        (schema.consent, "evidence"),
        (schema.suppression, "evidence"),
        (schema.note, "text"),
        (schema.review_item, "text"),
    ):
        await conn.execute(
            update(table).where(table.c.person_id == person_id).values({column: ERASED})
        )
    await recordings.erase_person(conn, person_id, now_ms=now_ms)
    await _erase_account_texts(conn, person_id)
    callback = schema.callback
    await conn.execute(
        update(callback)
        .where(callback.c.person_id == person_id, callback.c.state == "open")
        .values(state="expired")
    )
    s = schema.suppression
    await conn.execute(
        s.insert().values(
            suppression_id=erasure_id,
            person_id=person_id,
            scope=SuppressionScope.PERSON,
            reason=ERASED,
            starts_ms=now_ms,
            created_by=ERASED,
        )
    )
    await rebuild_profiles(conn, [person_id])
    # Last: rebuilding has just kept what the profile said before.
    await conn.execute(delete(subject_snapshot).where(subject_snapshot.c.person_id == person_id))


async def _erase_account_texts(conn: AsyncConnection, person_id: PersonId) -> None:
    """Notes and reviews of accounts that have no other party, or only erased ones."""
    party, person = schema.account_party, schema.person
    mine = select(party.c.account_id).where(party.c.person_id == person_id)
    shared = (
        select(party.c.account_id)
        .join(person, person.c.person_id == party.c.person_id)
        .where(
            party.c.account_id.in_(mine),
            party.c.person_id != person_id,
            person.c.full_name != ERASED,
        )
    )
    for table in (schema.note, schema.review_item):
        await conn.execute(
            update(table)
            .where(
                table.c.person_id.is_(None),
                table.c.account_id.in_(mine),
                table.c.account_id.not_in(shared),
            )
            .values(text=ERASED)
        )


async def _own_numbers(conn: AsyncConnection, person_id: str) -> list[str]:
    """Addresses of the person that nobody else has."""
    c = schema.contact_point.c
    mine = select(c.address).where(c.person_id == person_id)
    others = select(c.address).where(c.person_id != person_id, c.address.in_(mine))
    alone = set((await conn.execute(mine)).scalars()) - set((await conn.execute(others)).scalars())
    return sorted(alone)


async def _erase_numbers(conn: AsyncConnection, person_id: PersonId) -> None:
    """Streams and checks of telephone numbers that nobody else has."""
    alone = await _own_numbers(conn, person_id)
    link = schema.stream_link
    streams = [StreamKey(f"number:{address}") for address in alone]
    await conn.execute(delete(link).where(link.c.stream.in_(streams)))
    await conn.execute(delete(number_check).where(number_check.c.address.in_(alone)))


# --- rows -----------------------------------------------------------------------------------------


async def _told(
    conn: AsyncConnection,
    person_id: str,
    change: str,
    target: str,
    actor: str,
    now_ms: int,
    *,
    source: str = "",
) -> None:
    body = SubjectChanged(change=change, target=target, source=source, actor=actor)
    event = NewEvent(person_id=PersonId(person_id), at_ms=now_ms, body=body)
    await EventStore.append_in(conn, [event])


async def _known(conn: AsyncConnection, person_id: str) -> None:
    query = select(schema.person.c.person_id).where(schema.person.c.person_id == person_id)
    if (await conn.execute(query)).scalar() is None:
        raise LookupError(f"there is no person {person_id}")


async def _hold(conn: AsyncConnection, hold_id: str) -> Hold:
    query = select(legal_hold).where(legal_hold.c.hold_id == hold_id)
    return msgspec.convert((await conn.execute(query)).one(), Hold, from_attributes=True)


async def _erasure(conn: AsyncConnection, erasure_id: str) -> Erasure:
    query = select(erasure).where(erasure.c.erasure_id == erasure_id)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise LookupError(f"there is no erasure {erasure_id}")
    return msgspec.convert(row, Erasure, from_attributes=True)
