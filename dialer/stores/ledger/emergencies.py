"""Declared emergencies, during which some laws let nothing out, and for days after."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.core.records import from_ms
from dialer.core.snapshots import Emergencies
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.bulk import JsonQuery
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.locks import exclude_appends
from dialer.stores.ledger.oversight_schema import emergency
from dialer.stores.ledger.waking import wake_everybody

DECLARED: Final = "emergency.declare"
ENDED: Final = "emergency.end"


class Emergency(msgspec.Struct, frozen=True, kw_only=True):
    """One time that an emergency was declared."""

    emergency_id: str
    code: str
    declared_ms: int
    declared_by: str
    ended_ms: int | None
    ended_by: str | None


_DECLARED = JsonQuery(
    "SELECT AGG(ARRAY(code, ended_ms)) FROM emergency",
    msgspec.json.Decoder(list[tuple[str, int | None]] | None),
)


async def declared_emergencies(conn: Conn) -> tuple[Emergencies, int]:
    """What belongs to everybody's facts, and how many were ever declared."""
    rows = await _DECLARED.run(conn) or []
    in_force = {code for code, ended_ms in rows if ended_ms is None}
    ended: dict[str, int] = {}
    for code, ended_ms in rows:
        if ended_ms is not None:
            ended[code] = max(ended_ms, ended.get(code, ended_ms))
    over = {code: from_ms(at_ms) for code, at_ms in sorted(ended.items())}
    return Emergencies(tuple(sorted(in_force)), over), len(rows)


async def declare_emergency(
    conn: AsyncConnection, code: str, *, known: Collection[str], actor: str, now_ms: int
) -> Emergency:
    """An emergency is in force from now on; one that is, stays as it is.

    It binds every contact whose intent is not yet durable: an append that was decided before it
    loses (`HOUSE_STREAM`).

    Args:
        known: codes that the packs in force ask about.

    Raises:
        ValueError: no pack asks about it.
    """
    if code not in known:
        raise ValueError(f"no pack asks about {code}; known: {', '.join(sorted(known)) or 'none'}")
    await exclude_appends(conn)
    standing = await _open(conn, code)
    if standing is not None:
        return standing
    emergency_id = new_id()
    await conn.execute(
        emergency.insert().values(
            emergency_id=emergency_id, code=code, declared_ms=now_ms, declared_by=actor
        )
    )
    await _audit(conn, DECLARED, emergency_id, code, actor, now_ms)
    return await _one(conn, emergency_id)


async def end_emergency(conn: AsyncConnection, code: str, *, actor: str, now_ms: int) -> Emergency:
    """An emergency is over; packs may keep contacts back for days after.

    Raises:
        LookupError: it is not in force.
    """
    await exclude_appends(conn)
    standing = await _open(conn, code)
    if standing is None:
        raise LookupError(f"emergency {code} is not in force")
    await conn.execute(
        update(emergency)
        .where(emergency.c.emergency_id == standing.emergency_id)
        .values(ended_ms=now_ms, ended_by=actor)
    )
    await wake_everybody(conn)
    await _audit(conn, ENDED, standing.emergency_id, code, actor, now_ms)
    return await _one(conn, standing.emergency_id)


async def list_emergencies(
    conn: AsyncConnection, *, code: str | None = None, after: str = "", limit: int = 1_000
) -> list[Emergency]:
    """All that were ever declared, oldest first."""
    query = select(emergency).where(emergency.c.emergency_id > after)
    if code is not None:
        query = query.where(emergency.c.code == code)
    query = query.order_by(emergency.c.emergency_id).limit(limit)
    rows = await conn.execute(query)
    return [msgspec.convert(row, Emergency, from_attributes=True) for row in rows]


async def _audit(
    conn: AsyncConnection, action: str, target: str, code: str, actor: str, now_ms: int
) -> None:
    await record_audit(
        conn, at_ms=now_ms, actor=actor, action=action, target=target, detail={"code": code}
    )


async def _open(conn: AsyncConnection, code: str) -> Emergency | None:
    query = select(emergency).where(emergency.c.code == code, emergency.c.ended_ms.is_(None))
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else msgspec.convert(row, Emergency, from_attributes=True)


async def _one(conn: AsyncConnection, emergency_id: str) -> Emergency:
    query = select(emergency).where(emergency.c.emergency_id == emergency_id)
    row = (await conn.execute(query)).one()
    return msgspec.convert(row, Emergency, from_attributes=True)
