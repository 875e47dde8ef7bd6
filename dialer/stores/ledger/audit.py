"""The audit trail: what users did to the system itself, in one hash chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import desc, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.chain import GENESIS, audit_hash
from dialer.stores.ledger.bulk import Dialect, dialect_of
from dialer.stores.ledger.schema import audit_event

SYSTEM: Final = "system"
"""Actor of what Marcador did by itself."""

_LOCK: Final = text("SELECT pg_advisory_xact_lock(:space, :which)")
_LOCK_SPACE: Final = 0x4D415243
_LOCK_AUDIT: Final = 2


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    audit_no: int
    at_ms: int
    actor: str
    action: str
    target: str
    detail: dict[str, str | int | bool | None]
    """Never a secret, never personal data."""


async def record_audit(
    conn: AsyncConnection,
    *,
    at_ms: int,
    actor: str,
    action: str,
    target: str,
    detail: Mapping[str, str | int | bool | None] | None = None,
) -> int:
    """Append one entry in the caller's transaction; returns its number.

    Args:
        actor: user id, or `SYSTEM`.
        action: stable code, `campaign.start`, `user.create` ...
        target: id of what it was done to.
    """
    if dialect_of(conn) is Dialect.POSTGRESQL:
        await conn.execute(_LOCK, {"space": _LOCK_SPACE, "which": _LOCK_AUDIT})
    last = (
        await conn.execute(
            select(audit_event.c.audit_no, audit_event.c.hash)
            .order_by(desc(audit_event.c.audit_no))
            .limit(1)
        )
    ).one_or_none()
    number, previous = (last.audit_no + 1, last.hash) if last is not None else (1, GENESIS)
    words = msgspec.json.encode(dict(detail or {}), order="sorted").decode()
    await conn.execute(
        audit_event.insert().values(
            audit_no=number,
            at_ms=at_ms,
            actor=actor,
            action=action,
            target=target,
            detail=words,
            hash=audit_hash(previous, number, at_ms, actor, action, target, words),
        )
    )
    return number


async def list_audit(
    conn: AsyncConnection, *, target: str | None = None, limit: int = 100
) -> list[AuditEntry]:
    """The newest entries, newest first."""
    query = select(audit_event).order_by(desc(audit_event.c.audit_no)).limit(limit)
    if target is not None:
        query = query.where(audit_event.c.target == target)
    return [
        AuditEntry(
            audit_no=row.audit_no,
            at_ms=row.at_ms,
            actor=row.actor,
            action=row.action,
            target=row.target,
            detail=msgspec.json.decode(row.detail),
        )
        for row in await conn.execute(query)
    ]
