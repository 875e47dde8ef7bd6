"""What a worker that takes over must finish: conversations that nobody disposed of."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import func, select

from compliance.types import AccountId, CampaignId, ContactPointId, DecisionId, PersonId
from dialer.core.records import KINDS, IdentityChecked
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import attempt, ledger_event


class UndisposedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A bridged attempt that ended and has no disposition."""

    attempt_id: DecisionId
    person_id: PersonId
    account_id: AccountId
    campaign_id: CampaignId
    contact_point_id: ContactPointId
    agent_id: str
    ended_ms: int


async def undisposed(
    ledger: Ledger, campaign_ids: Collection[CampaignId], ended_before_ms: int, limit: int
) -> list[UndisposedRow]:
    """Oldest first, of these campaigns."""
    query = (
        select(
            attempt.c.attempt_id,
            attempt.c.person_id,
            attempt.c.account_id,
            attempt.c.campaign_id,
            attempt.c.contact_point_id,
            attempt.c.agent_id,
            attempt.c.ended_ms,
        )
        .where(
            attempt.c.campaign_id.in_(list(campaign_ids)),
            attempt.c.ended_ms < ended_before_ms,
            attempt.c.agent_id.is_not(None),
            attempt.c.talk_ms.is_not(None),
            attempt.c.disposed_ms.is_(None),
        )
        .order_by(attempt.c.ended_ms)
        .limit(limit)
    )
    async with ledger.read() as conn:
        rows = (await conn.execute(query)).mappings().all()
    fields = UndisposedRow.__struct_fields__
    return [msgspec.convert({name: row[name] for name in fields}, UndisposedRow) for row in rows]


async def was_verified(ledger: Ledger, person_id: PersonId, attempt_id: str) -> bool:
    """Whether the person's identity was verified during the attempt."""
    tag = next(name for name, kind in KINDS.items() if kind is IdentityChecked)
    query = select(ledger_event.c.body).where(
        ledger_event.c.person_id == person_id, ledger_event.c.kind == tag
    )
    async with ledger.read() as conn:
        bodies = (await conn.execute(query)).scalars().all()
    checks = [msgspec.json.decode(body, type=IdentityChecked) for body in bodies]
    return any(check.passed and check.attempt_id == attempt_id for check in checks)


async def count_attempts_since(ledger: Ledger, campaign_id: CampaignId, since_ms: int) -> int:
    """Attempts of a campaign planned since an instant."""
    query = select(func.count()).where(
        attempt.c.campaign_id == campaign_id, attempt.c.planned_ms >= since_ms
    )
    async with ledger.read() as conn:
        return int((await conn.execute(query)).scalar_one())
