"""Overrides of house rules: asked for by one person, approved by another, on record from then.

An approved override is part of what the gate knows of the person, as of their next facts; the
stream says who asked and who approved. A single-use one is used up in the transaction that
records the contact it was given for, so that two campaigns cannot both use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.overrides import LIFETIME_DAYS_MOST, overridable
from compliance.rules.base import Head
from compliance.types import PersonId
from dialer.core.records import SubjectChanged
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.oversight_schema import gate_override
from dialer.stores.ledger.profiles import lock_persons, rebuild_profiles
from dialer.stores.ledger.schema import contact_point, person
from dialer.stores.ledger.streams import EventStore, NewEvent

_DAY_MS: Final = 86_400_000


class OverrideState(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    REVOKED = "revoked"


class Override(msgspec.Struct, frozen=True, kw_only=True):
    override_id: str
    person_id: str
    rule_id: str
    contact_point_id: str | None
    single_use: bool
    starts_ms: int
    ends_ms: int
    reason: str
    requested_by: str
    requested_ms: int
    state: OverrideState
    decided_by: str | None
    decided_ms: int | None
    used_ms: int | None
    used_by: str | None
    """The attempt that used a single-use override up."""


class OverrideAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks for."""

    person_id: str
    rule_id: str
    reason: str
    starts_ms: int
    ends_ms: int
    contact_point_id: str | None = None
    single_use: bool = True


class NotOverridable(ValueError):
    """The rule is law, protects a person, or is not known: nobody may let a contact go past it."""


class SamePerson(ValueError):
    """Whoever asked may not approve."""


class AlreadyDecided(Exception):
    """It is not waiting for a decision."""


async def request_override(
    conn: AsyncConnection,
    asked: OverrideAsked,
    heads: Mapping[str, Head],
    *,
    actor: str,
    now_ms: int,
) -> Override:
    """Ask for an override; nothing is lifted yet.

    Args:
        heads: rules by id, of the packs in force (`PackSet.heads`).

    Raises:
        NotOverridable: see there.
        ValueError: an empty reason, or a span that is empty, past or too long.
        LookupError: there is no such person, or the contact point is not theirs.
    """
    head = heads.get(asked.rule_id)
    if head is None:
        raise NotOverridable(f"there is no rule {asked.rule_id} among the packs in force")
    if not overridable(head):
        raise NotOverridable(
            f"{asked.rule_id} cannot be overridden: only rules of the house about hours and counts "
            "can, never law nor what protects a person"
        )
    if not asked.reason.strip():
        raise ValueError("an override needs a reason")
    if asked.ends_ms <= max(asked.starts_ms, now_ms):
        raise ValueError("an override must end after it starts, and in the future")
    if asked.ends_ms - asked.starts_ms > LIFETIME_DAYS_MOST * _DAY_MS:
        raise ValueError(f"an override lasts {LIFETIME_DAYS_MOST} days at most")
    await _check_person(conn, asked)
    override_id = new_id()
    await conn.execute(
        gate_override.insert().values(
            override_id=override_id,
            person_id=asked.person_id,
            rule_id=asked.rule_id,
            contact_point_id=asked.contact_point_id,
            single_use=asked.single_use,
            starts_ms=asked.starts_ms,
            ends_ms=asked.ends_ms,
            reason=asked.reason.strip(),
            requested_by=actor,
            requested_ms=now_ms,
            state=OverrideState.REQUESTED,
        )
    )
    await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action="override.request",
        target=override_id,
        detail={"person": asked.person_id, "rule": asked.rule_id, "reason": asked.reason.strip()},
    )
    return await _one(conn, override_id)


async def decide_override(
    conn: AsyncConnection, override_id: str, *, approve: bool, actor: str, now_ms: int
) -> Override:
    """Approve or refuse what somebody else asked for.

    Raises:
        LookupError: there is no such override.
        SamePerson: `actor` asked for it.
        AlreadyDecided: it is not waiting; or approving it after its end.
    """
    found = await _one(conn, override_id)
    if found.requested_by == actor:
        raise SamePerson("whoever asked for an override may not decide on it")
    if approve and found.ends_ms <= now_ms:
        raise AlreadyDecided(f"override {override_id} has ended before it was approved")
    state = OverrideState.APPROVED if approve else OverrideState.REFUSED
    changed = await _move(conn, override_id, OverrideState.REQUESTED, state, actor, now_ms)
    if approve:
        await _told(conn, changed, "override", now_ms)
    action = "override.approve" if approve else "override.refuse"
    await record_audit(conn, at_ms=now_ms, actor=actor, action=action, target=override_id)
    return changed


async def revoke_override(
    conn: AsyncConnection, override_id: str, *, actor: str, now_ms: int
) -> Override:
    """End an approved override before its time. Raises `LookupError`, `AlreadyDecided`."""
    changed = await _move(
        conn, override_id, OverrideState.APPROVED, OverrideState.REVOKED, actor, now_ms
    )
    await _told(conn, changed, "override_revoked", now_ms)
    await record_audit(
        conn, at_ms=now_ms, actor=actor, action="override.revoke", target=override_id
    )
    return changed


async def list_overrides(
    conn: AsyncConnection,
    *,
    state: OverrideState | None = None,
    person_id: str | None = None,
    after: str = "",
    limit: int = 100,
) -> list[Override]:
    """Overrides by id, oldest first."""
    query = select(gate_override).where(gate_override.c.override_id > after)
    if state is not None:
        query = query.where(gate_override.c.state == state)
    if person_id is not None:
        query = query.where(gate_override.c.person_id == person_id)
    query = query.order_by(gate_override.c.override_id).limit(limit)
    return [
        msgspec.convert(row, Override, from_attributes=True) for row in await conn.execute(query)
    ]


async def _check_person(conn: AsyncConnection, asked: OverrideAsked) -> None:
    known = select(person.c.person_id).where(person.c.person_id == asked.person_id)
    if (await conn.execute(known)).scalar() is None:
        raise LookupError(f"there is no person {asked.person_id}")
    if asked.contact_point_id is None:
        return
    owner = select(contact_point.c.person_id).where(
        contact_point.c.contact_point_id == asked.contact_point_id
    )
    if (await conn.execute(owner)).scalar() != asked.person_id:
        raise LookupError(f"{asked.contact_point_id} is no contact point of {asked.person_id}")


async def _move(
    conn: AsyncConnection,
    override_id: str,
    before: OverrideState,
    after: OverrideState,
    actor: str,
    now_ms: int,
) -> Override:
    moved = await conn.execute(
        update(gate_override)
        .where(gate_override.c.override_id == override_id, gate_override.c.state == before)
        .values(state=after, decided_by=actor, decided_ms=now_ms)
    )
    found = await _one(conn, override_id)
    if moved.rowcount != 1:
        raise AlreadyDecided(f"override {override_id} is {found.state}, not {before}")
    return found


async def _told(conn: AsyncConnection, found: Override, change: str, now_ms: int) -> None:
    """Put it into the person's stream, and into what the gate knows of them."""
    person_id = PersonId(found.person_id)
    body = SubjectChanged(
        change=change,
        target=found.override_id,
        value=found.rule_id,
        source=found.requested_by,
        actor=found.decided_by or "",
    )
    await EventStore.append_in(conn, [NewEvent(person_id=person_id, at_ms=now_ms, body=body)])
    await lock_persons(conn, [person_id])
    await rebuild_profiles(conn, [person_id])


async def _one(conn: AsyncConnection, override_id: str) -> Override:
    query = select(gate_override).where(gate_override.c.override_id == override_id)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise LookupError(f"there is no override {override_id}")
    return msgspec.convert(row, Override, from_attributes=True)
