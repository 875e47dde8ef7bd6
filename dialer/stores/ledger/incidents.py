"""Contacts that reached somebody else, and complaints: for the compliance officer's reports."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.dispositions import DispositionCode
from campaigns.effects import SuppressReason
from compliance.types import EventKind
from dialer.stores.ledger.answers import LIVE_ANSWERS
from dialer.stores.ledger.oversight import PAGE, Period, of_house
from dialer.stores.ledger.schema import attempt, campaign, contact_point, person, suppression


class IncidentKind(StrEnum):
    WRONG_PARTY = "wrong_party"
    """The number is not the person's."""
    THIRD_PARTY = "third_party"
    """Somebody else answered."""
    COMPLAINT = "complaint"
    """The person complained of the contact or of the collection."""
    SERVICE_COMPLAINT = "service_complaint"
    """The person complained of what they owe for."""
    LISTED_COMPLAINT = "listed_complaint"
    """A complaint that a list, a file or an order told of, apart from any call."""


WRONG_PARTIES: Final = (IncidentKind.WRONG_PARTY, IncidentKind.THIRD_PARTY)
COMPLAINTS: Final = (IncidentKind.COMPLAINT, IncidentKind.SERVICE_COMPLAINT)
_a: Final = attempt.c
_MEANS: Final[dict[IncidentKind, ColumnElement[bool]]] = {
    IncidentKind.WRONG_PARTY: or_(
        _a.outcome == EventKind.ANSWERED_WRONG_PARTY, _a.code == DispositionCode.WRONG_NUMBER
    ),
    IncidentKind.THIRD_PARTY: _a.outcome == EventKind.ANSWERED_THIRD_PARTY,
    IncidentKind.COMPLAINT: _a.code == DispositionCode.COMPLAINT,
    IncidentKind.SERVICE_COMPLAINT: _a.code == DispositionCode.SERVICE_COMPLAINT,
}


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    kind: IncidentKind
    incident_id: str
    """Of the call; of a complaint that was listed, of its suppression."""
    at_ms: int
    """When the call was placed, or the complaint began to count."""
    person_id: str | None
    campaign_id: str | None
    address: str | None
    """The number that was called; None once it is erased, or where there was no call."""
    code: str | None
    agent_id: str | None


class CampaignCount(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign came to in a period."""

    campaign_id: str
    campaign: str
    live_answered: int
    """Calls that a person answered: what the others are to be compared with."""
    by_kind: dict[str, int]


async def count_incidents(
    conn: AsyncConnection, period: Period, kinds: tuple[IncidentKind, ...]
) -> list[CampaignCount]:
    """Of every campaign with live answers or incidents in the period, by id."""
    found: dict[str, CampaignCount] = {}
    measured = {"": _a.outcome.in_(LIVE_ANSWERS)} | {str(kind): _MEANS[kind] for kind in kinds}
    for kind, means in measured.items():
        query = (
            select(_a.campaign_id, campaign.c.name, func.count().label("count"))
            .join(campaign, campaign.c.campaign_id == _a.campaign_id)
            .where(means, *period.holds(_a.planned_ms), *of_house(period))
            .group_by(_a.campaign_id, campaign.c.name)
        )
        for campaign_id, name, count in await conn.execute(query):
            known = found.get(campaign_id) or CampaignCount(
                campaign_id=campaign_id,
                campaign=name,
                live_answered=0,
                by_kind=dict.fromkeys(map(str, kinds), 0),
            )
            found[campaign_id] = (
                msgspec.structs.replace(known, by_kind=known.by_kind | {kind: count})
                if kind
                else msgspec.structs.replace(known, live_answered=count)
            )
    return [found[campaign_id] for campaign_id in sorted(found)]


async def list_incidents(
    conn: AsyncConnection,
    period: Period,
    kind: IncidentKind,
    *,
    after: tuple[int, str] = (0, ""),
    limit: int = PAGE,
) -> list[Incident]:
    """Calls of one kind, oldest first. `after` is `at_ms` and id of the last one before."""
    query = (
        select(
            _a.attempt_id,
            _a.planned_ms,
            _a.person_id,
            _a.campaign_id,
            contact_point.c.address,
            _a.code,
            _a.agent_id,
        )
        .outerjoin(contact_point, contact_point.c.contact_point_id == _a.contact_point_id)
        .where(
            _MEANS[kind],
            *period.holds(_a.planned_ms),
            *of_house(period),
            tuple_(_a.planned_ms, _a.attempt_id) > after,
        )
        .order_by(_a.planned_ms, _a.attempt_id)
        .limit(limit)
    )
    return [
        Incident(
            kind=kind,
            incident_id=row.attempt_id,
            at_ms=row.planned_ms,
            person_id=row.person_id,
            campaign_id=row.campaign_id,
            address=row.address,
            code=row.code,
            agent_id=row.agent_id,
        )
        for row in await conn.execute(query)
    ]


async def listed_complaints(
    conn: AsyncConnection,
    period: Period,
    *,
    after: tuple[int, str] = (0, ""),
    limit: int = PAGE,
) -> list[Incident]:
    """Complaints that no call told of, oldest first. No campaign has them."""
    s = suppression.c
    query = (
        select(s.suppression_id, s.starts_ms, s.person_id)
        .where(
            s.reason == SuppressReason.COMPLAINT,
            ~s.created_by.startswith("disposition "),
            *period.holds(s.starts_ms),
            tuple_(s.starts_ms, s.suppression_id) > after,
        )
        .order_by(s.starts_ms, s.suppression_id)
        .limit(limit)
    )
    if period.portfolio_id is not None:
        people = select(person.c.person_id).where(person.c.portfolio_id == period.portfolio_id)
        query = query.where(s.person_id.in_(people))
    return [
        Incident(
            kind=IncidentKind.LISTED_COMPLAINT,
            incident_id=row.suppression_id,
            at_ms=row.starts_ms,
            person_id=row.person_id,
            campaign_id=None,
            address=None,
            code=None,
            agent_id=None,
        )
        for row in await conn.execute(query)
    ]
