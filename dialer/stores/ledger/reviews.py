"""The review list: what a person has to look at before something may go on.

An import that finds a note it cannot be sure of holds the account: the hold is a suppression
that has the review's own id, so that resolving the review ends exactly this hold.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import AccountId, PersonId
from dialer.core.records import SubjectChanged
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.profiles import lock_persons, parties_of, rebuild_profiles
from dialer.stores.ledger.schema import review_item, suppression
from dialer.stores.ledger.streams import EventStore, NewEvent
from dialer.stores.ledger.waking import wake_people

REVIEW_HOLD: Final = "review"
"""Reason of a suppression that waits for a review."""


class ReviewState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"


class Review(msgspec.Struct, frozen=True, kw_only=True):
    review_id: str
    kind: str
    person_id: PersonId | None
    account_id: AccountId | None
    text: str
    source: str
    state: ReviewState
    created_ms: int
    resolved_ms: int | None
    resolved_by: str | None
    resolution: str | None


class AlreadyResolved(Exception):
    """Somebody has resolved it before."""


async def list_reviews(
    conn: AsyncConnection,
    *,
    state: ReviewState | None = ReviewState.OPEN,
    kind: str | None = None,
    after: tuple[int, str] = (0, ""),
    limit: int = 100,
) -> list[Review]:
    """Reviews, oldest first. `after` is `created_ms` and `review_id` of the last one before."""
    query = select(review_item).where(
        tuple_(review_item.c.created_ms, review_item.c.review_id) > tuple_(*after)
    )
    if state is not None:
        query = query.where(review_item.c.state == state)
    if kind is not None:
        query = query.where(review_item.c.kind == kind)
    query = query.order_by(review_item.c.created_ms, review_item.c.review_id).limit(limit)
    rows = await conn.execute(query)
    return [msgspec.convert(row, Review, from_attributes=True) for row in rows]


async def count_open_reviews(conn: AsyncConnection) -> dict[str, int]:
    """Open reviews by kind."""
    rows = await conn.execute(
        select(review_item.c.kind, func.count())
        .where(review_item.c.state == ReviewState.OPEN)
        .group_by(review_item.c.kind)
        .order_by(review_item.c.kind)
    )
    return {row[0]: row[1] for row in rows}


async def resolve_review(
    conn: AsyncConnection, review_id: str, *, resolution: str, actor: str, now_ms: int
) -> Review:
    """Close a review with what was decided, and end the hold that waited for it.

    What the review found out (a status, a suppression) is recorded before, by its own event:
    nobody is ever free in between.

    Raises:
        LookupError: there is no such review.
        AlreadyResolved: it is closed.
        ValueError: the resolution is empty.
    """
    if not resolution.strip():
        raise ValueError("a resolution must say what was decided")
    changed = await conn.execute(
        update(review_item)
        .where(review_item.c.review_id == review_id, review_item.c.state == ReviewState.OPEN)
        .values(
            state=ReviewState.RESOLVED,
            resolved_ms=now_ms,
            resolved_by=actor,
            resolution=resolution,
        )
    )
    row = (
        await conn.execute(select(review_item).where(review_item.c.review_id == review_id))
    ).one_or_none()
    if row is None:
        raise LookupError(f"there is no review {review_id}")
    if changed.rowcount != 1:
        raise AlreadyResolved(f"review {review_id} was resolved by {row.resolved_by}")
    review = msgspec.convert(row, Review, from_attributes=True)
    await _release(conn, review, actor, now_ms)
    await record_audit(conn, at_ms=now_ms, actor=actor, action="review.resolve", target=review_id)
    return review


async def _release(conn: AsyncConnection, review: Review, actor: str, now_ms: int) -> None:
    """End the review's hold, with an event for everybody it held."""
    held = (
        await conn.execute(
            select(suppression.c.person_id, suppression.c.target_id).where(
                suppression.c.suppression_id == review.review_id,
                suppression.c.reason == REVIEW_HOLD,
                suppression.c.ends_ms.is_(None),
            )
        )
    ).one_or_none()
    if held is None:
        return
    people = {held.person_id}
    if held.target_id is not None:
        people |= set(await parties_of(conn, [AccountId(held.target_id)], []))
    body = SubjectChanged(
        change="release", target=review.review_id, value=REVIEW_HOLD, source="review", actor=actor
    )
    await EventStore.append_in(
        conn, [NewEvent(person_id=p, at_ms=now_ms, body=body) for p in sorted(people)]
    )
    await lock_persons(conn, people)
    await conn.execute(
        update(suppression)
        .where(suppression.c.suppression_id == review.review_id)
        .values(ends_ms=now_ms)
    )
    await rebuild_profiles(conn, people)
    await wake_people(conn, people, released=True)
