"""Whose data has been kept as long as it must be: by configuration, and by every pack that bound a
contact with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.campaign import CampaignState
from compliance.messages import PackRef
from compliance.retention import Keep, binding, longest
from compliance.schema_conduct import RetentionStart
from compliance.types import Purpose
from dialer.core.records import from_ms
from dialer.stores.ledger import schema
from dialer.stores.ledger.erasing import ErasureState
from dialer.stores.ledger.oversight_schema import erasure, legal_hold

PAGE: Final = 200


class Retired(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose data has been kept as long as it must be."""

    person_id: str
    last_activity_ms: int


class RetiredPage(msgspec.Struct, frozen=True, kw_only=True):
    people: list[Retired]
    next_after: str | None
    """Where the next page begins; None: this was the last. A page may be short, even empty."""


class _Asked(msgspec.Struct, frozen=True):
    purpose: Purpose = Purpose.COLLECTION


class _Proof(msgspec.Struct, frozen=True):
    """What retention asks of a decision's record."""

    packs: tuple[PackRef, ...] = ()
    request: _Asked = _Asked()


_proof: Final = msgspec.json.Decoder(_Proof)


async def past_retention(
    conn: AsyncConnection,
    *,
    before_ms: int,
    at: datetime,
    periods: tuple[Keep, ...],
    after: str = "",
    limit: int = PAGE,
) -> RetiredPage:
    """People of whom nothing has happened since `before_ms`, and whom no pack keeps longer, by id.

    No account of theirs is open, no legal hold stands, and nobody has asked to erase them. A
    period counts where its pack bound a contact with them; records begin with the last activity,
    and a campaign that has not ended keeps what it did.
    """
    due = await _quiet(conn, before_ms, after, limit)
    longer = await _kept_longer(conn, due, periods, at)
    return RetiredPage(
        people=[retired for retired in due if retired.person_id not in longer],
        next_after=due[-1].person_id if len(due) == limit else None,
    )


async def _quiet(conn: AsyncConnection, before_ms: int, after: str, limit: int) -> list[Retired]:
    event, party, a = schema.ledger_event.c, schema.account_party.c, schema.account.c
    last = func.max(event.at_ms)
    open_account = (
        select(party.person_id)
        .join(schema.account, a.account_id == party.account_id)
        .where(party.person_id == event.person_id, a.state == "active")
        .exists()
    )
    held = (
        select(legal_hold.c.hold_id)
        .where(legal_hold.c.person_id == event.person_id, legal_hold.c.released_ms.is_(None))
        .exists()
    )
    asked = (
        select(erasure.c.erasure_id)
        .where(erasure.c.person_id == event.person_id, erasure.c.state != ErasureState.REFUSED)
        .exists()
    )
    query = (
        select(event.person_id, last.label("last_ms"))
        .where(event.person_id > after, ~open_account, ~held, ~asked)
        .group_by(event.person_id)
        .having(last < before_ms)
        .order_by(event.person_id)
        .limit(limit)
    )
    return [
        Retired(person_id=row.person_id, last_activity_ms=row.last_ms)
        for row in await conn.execute(query)
    ]


async def _kept_longer(
    conn: AsyncConnection, people: Sequence[Retired], periods: tuple[Keep, ...], at: datetime
) -> set[str]:
    if not people or not periods:
        return set()
    ids = [retired.person_id for retired in people]
    packs: dict[str, set[str]] = defaultdict(set)
    purposes: dict[str, set[Purpose]] = defaultdict(set)
    event = schema.ledger_event.c
    query = select(event.person_id, event.record).where(
        event.person_id.in_(ids), event.record.is_not(None)
    )
    async for person_id, record in await conn.stream(query):
        proof = _proof.decode(record)
        packs[person_id] |= {ref.pack for ref in proof.packs}
        purposes[person_id].add(proof.request.purpose)
    ended = await _campaigns_ended(conn, ids)
    kept: set[str] = set()
    for retired in people:
        person_id = retired.person_id
        last = from_ms(retired.last_activity_ms)
        until = longest(
            binding(periods, packs[person_id], purposes[person_id]),
            {
                RetentionStart.CREATED: last,
                RetentionStart.LAST_ACTIVITY: last,
                RetentionStart.ACCOUNT_CLOSED: last,
                RetentionStart.CAMPAIGN_ENDED: ended.get(person_id, last),
            },
        )
        if until is not None and until > at:
            kept.add(person_id)
    return kept


async def _campaigns_ended(conn: AsyncConnection, ids: list[str]) -> dict[str, datetime | None]:
    """When the last campaign that contacted each person ended; None while one has not."""
    made, c = schema.attempt.c, schema.campaign.c
    query = (
        select(made.person_id, c.state, c.updated_ms)
        .join(schema.campaign, c.campaign_id == made.campaign_id)
        .where(made.person_id.in_(ids))
        .distinct()
    )
    ended: dict[str, datetime | None] = {}
    for person_id, state, updated_ms in await conn.execute(query):
        known = ended.get(person_id, from_ms(0))
        over = from_ms(updated_ms) if CampaignState(state).is_final else None
        ended[person_id] = None if known is None or over is None else max(known, over)
    return ended
