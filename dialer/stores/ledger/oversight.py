"""Reading for the compliance officer: attempts and decisions of a period, page by page.

Nothing here holds more than a page, however long the period is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import EventKind
from dialer.core.records import AttemptPlanned, ContactBlocked, to_ms
from dialer.stores.ledger.answers import LIVE_ANSWERS
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import (
    account,
    attempt,
    campaign,
    consent,
    contact_point,
    ledger_event,
    person,
    suppression,
)

PAGE: Final = 1_000
DECISIONS_PAGE: Final = 200
"""Decisions with their proofs, some kilobytes each."""
PLANNED: Final = str(AttemptPlanned.__struct_config__.tag)
BLOCKED: Final = str(ContactBlocked.__struct_config__.tag)


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Half-open span of instants, and what of the house is meant."""

    since: datetime | None = None
    until: datetime | None = None
    campaign_id: str | None = None
    portfolio_id: str | None = None

    def holds(self, column: ColumnElement[int]) -> list[ColumnElement[bool]]:
        """Conditions on a column of milliseconds."""
        bounds = []
        if self.since is not None:
            bounds.append(column >= to_ms(self.since))
        if self.until is not None:
            bounds.append(column < to_ms(self.until))
        return bounds


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One decision as it stands in the ledger."""

    event_no: int
    person_id: str
    seq: int
    at_ms: int
    kind: str
    decision_id: str
    body: str
    record: str | None


async def iterate_decisions(
    ledger: Ledger, period: Period, kinds: tuple[str, ...] = (PLANNED, BLOCKED)
) -> AsyncIterator[list[DecisionRow]]:
    """Decisions of a period, oldest first. Campaign and portfolio are those of the account that
    was decided on."""
    event = ledger_event.c
    query = select(
        event.event_no,
        event.person_id,
        event.seq,
        event.at_ms,
        event.kind,
        event.decision_id,
        event.body,
        event.record,
    ).where(event.decision_id.is_not(None), event.kind.in_(kinds), *period.holds(event.at_ms))
    if period.portfolio_id is not None:
        people = select(person.c.person_id).where(person.c.portfolio_id == period.portfolio_id)
        query = query.where(event.person_id.in_(people))
    if period.campaign_id is not None:
        # The body is compact JSON that we wrote: the campaign stands in it word for word.
        named = msgspec.json.encode(period.campaign_id).decode()
        query = query.where(event.body.contains(f'"campaign_id":{named}', autoescape=True))
    query = query.order_by(event.at_ms, event.event_no).limit(DECISIONS_PAGE)
    page = query
    while True:
        async with ledger.read() as conn:
            rows = (await conn.execute(page)).mappings().all()
        if not rows:
            return
        yield [DecisionRow(**row) for row in rows]
        page = query.where(
            tuple_(event.at_ms, event.event_no) > (rows[-1]["at_ms"], rows[-1]["event_no"])
        )


async def iterate_decision_ids(ledger: Ledger, period: Period) -> AsyncIterator[list[str]]:
    """Ids of a period's decisions, oldest first."""
    event = ledger_event.c
    query = (
        select(event.at_ms, event.event_no, event.decision_id)
        .where(event.decision_id.is_not(None), *period.holds(event.at_ms))
        .order_by(event.at_ms, event.event_no)
        .limit(PAGE)
    )
    page = query
    while True:
        async with ledger.read() as conn:
            rows = (await conn.execute(page)).all()
        if not rows:
            return
        yield [str(row.decision_id) for row in rows]
        page = query.where(
            tuple_(event.at_ms, event.event_no) > (rows[-1].at_ms, rows[-1].event_no)
        )


# --- abandonment ----------------------------------------------------------------------------------


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """Live answers of a campaign in a span, and what was abandoned of them."""

    campaign_id: str
    campaign: str
    live_answered: int
    abandoned: int


async def answers(conn: AsyncConnection, period: Period) -> list[Answers]:
    """Of every campaign with live answers in the period, by the instant they were dialed."""
    a, c = attempt.c, campaign.c
    gone = func.sum(case((a.outcome == EventKind.ABANDONED, 1), else_=0))
    query = (
        select(a.campaign_id, c.name, func.count().label("live"), gone.label("gone"))
        .join(campaign, c.campaign_id == a.campaign_id)
        .where(a.outcome.in_(LIVE_ANSWERS), *period.holds(a.planned_ms), *of_house(period))
        .group_by(a.campaign_id, c.name)
        .order_by(a.campaign_id)
    )
    return [
        Answers(
            campaign_id=row.campaign_id,
            campaign=row.name,
            live_answered=row.live,
            abandoned=int(row.gone),
        )
        for row in await conn.execute(query)
    ]


def of_house(period: Period) -> list[ColumnElement[bool]]:
    """Conditions on attempts: of a campaign, of a portfolio."""
    found: list[ColumnElement[bool]] = []
    if period.campaign_id is not None:
        found.append(attempt.c.campaign_id == period.campaign_id)
    if period.portfolio_id is not None:
        accounts = select(account.c.account_id).where(account.c.portfolio_id == period.portfolio_id)
        found.append(attempt.c.account_id.in_(accounts))
    return found


# --- opt-outs -------------------------------------------------------------------------------------


class OptOut(msgspec.Struct, frozen=True, kw_only=True):
    """One request to stop, and what was done after it."""

    suppression_id: str
    person_id: str
    reason: str
    scope: str
    channel: str | None
    requested_ms: int
    """End of the call in which it was said; else when it was put on record."""
    effective_ms: int
    latency_ms: int
    contacts_after: int
    """Attempts within its scope after the request. Must be 0."""


async def opt_outs(
    conn: AsyncConnection, period: Period, reasons: tuple[str, ...], after: str = ""
) -> list[OptOut]:
    """A page of suppressions for these reasons that began in the period, by id."""
    s = suppression.c
    query = (
        select(suppression, attempt.c.ended_ms)
        .outerjoin(attempt, attempt.c.attempt_id == s.evidence)
        .where(s.reason.in_(reasons), s.person_id.is_not(None), s.suppression_id > after)
        .where(*period.holds(s.starts_ms))
        .order_by(s.suppression_id)
        .limit(PAGE)
    )
    if period.portfolio_id is not None:
        people = select(person.c.person_id).where(person.c.portfolio_id == period.portfolio_id)
        query = query.where(s.person_id.in_(people))
    if period.campaign_id is not None:
        query = query.where(attempt.c.campaign_id == period.campaign_id)
    found = []
    for row in (await conn.execute(query)).all():
        requested = row.starts_ms if row.ended_ms is None else min(row.ended_ms, row.starts_ms)
        a = attempt.c
        later = select(func.count()).where(
            a.person_id == row.person_id,
            a.planned_ms > requested,
            a.attempt_id != row.evidence,
        )
        if row.ends_ms is not None:
            later = later.where(a.planned_ms < row.ends_ms)
        if row.channel is not None:
            later = later.where(a.channel == row.channel)
        later = _within_scope(later, row.scope, row.target_id)
        contacts = (await conn.execute(later)).scalar_one()
        found.append(
            OptOut(
                suppression_id=row.suppression_id,
                person_id=row.person_id,
                reason=row.reason,
                scope=row.scope,
                channel=row.channel,
                requested_ms=requested,
                effective_ms=row.starts_ms,
                latency_ms=row.starts_ms - requested,
                contacts_after=contacts,
            )
        )
    return found


def _within_scope(query: Select[int], scope: str, target_id: str | None) -> Select[int]:
    if target_id is None:
        return query
    if scope == "contact_point":
        return query.where(attempt.c.contact_point_id == target_id)
    if scope == "account":
        return query.where(attempt.c.account_id == target_id)
    return query


# --- consents -------------------------------------------------------------------------------------


class ConsentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One consent with its evidence."""

    consent_id: str
    person_id: str
    contact_point_id: str | None
    address: str | None
    scope: str
    type: str
    channel: str | None
    given_to: str
    given_ms: int
    renewed_ms: int | None
    revoked_ms: int | None
    expires_ms: int | None
    evidence: str


async def consents(
    conn: AsyncConnection,
    *,
    person_id: str | None = None,
    portfolio_id: str | None = None,
    after: str = "",
    limit: int = PAGE,
) -> list[ConsentRow]:
    """Consents by id, `limit` at a time."""
    names = [name for name in ConsentRow.__struct_fields__ if name != "address"]
    query = (
        select(*(consent.c[name] for name in names), contact_point.c.address)
        .outerjoin(contact_point, contact_point.c.contact_point_id == consent.c.contact_point_id)
        .where(consent.c.consent_id > after)
        .order_by(consent.c.consent_id)
        .limit(limit)
    )
    if person_id is not None:
        query = query.where(consent.c.person_id == person_id)
    if portfolio_id is not None:
        of = and_(person.c.person_id == consent.c.person_id, person.c.portfolio_id == portfolio_id)
        query = query.where(select(person.c.person_id).where(of).exists())
    return [ConsentRow(**row) for row in (await conn.execute(query)).mappings()]
