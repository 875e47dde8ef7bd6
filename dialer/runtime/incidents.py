"""Reports of contacts that reached somebody else, and of complaints, from the ledger alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.incidents import (
    COMPLAINTS,
    WRONG_PARTIES,
    CampaignCount,
    Incident,
    IncidentKind,
    count_incidents,
    list_incidents,
    listed_complaints,
)
from dialer.stores.ledger.oversight import Period

TOLD: Final = 1_000
"""Incidents told one by one; all are counted."""

_Page = Callable[..., Awaitable[list[Incident]]]


class IncidentReport(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a period that should not, or that somebody must answer for."""

    period: Period
    total: int
    by_kind: dict[str, int]
    campaigns: list[CampaignCount]
    """Of every campaign with live answers in the period. A listed complaint is of none."""
    told: list[Incident]
    """The newest, `TOLD` at most, oldest first."""


async def wrong_parties(ledger: Ledger, period: Period) -> IncidentReport:
    """Numbers that were another's, and other people who answered. Raises `LedgerUnavailable`."""
    return await _report(ledger, period, WRONG_PARTIES, [])


async def complaints(ledger: Ledger, period: Period) -> IncidentReport:
    """Complaints in calls, and those that lists and files told of, which belong to no campaign.
    Raises `LedgerUnavailable`."""
    listed = [] if period.campaign_id is not None else [listed_complaints]
    return await _report(ledger, period, COMPLAINTS, listed)


async def _report(
    ledger: Ledger, period: Period, kinds: tuple[IncidentKind, ...], more: Sequence[_Page]
) -> IncidentReport:
    pages: list[_Page] = [partial(list_incidents, kind=kind) for kind in kinds]
    named = (*kinds, IncidentKind.LISTED_COMPLAINT) if more else kinds
    counts: Counter[str] = Counter(dict.fromkeys(map(str, named), 0))
    told: list[Incident] = []
    for page in (*pages, *more):
        after = (0, "")
        while True:
            async with ledger.read() as conn:
                found = await page(conn, period, after=after)
            if not found:
                break
            after = (found[-1].at_ms, found[-1].incident_id)
            counts.update(str(incident.kind) for incident in found)
            told = sorted([*told, *found], key=_when)[-TOLD:]
    async with ledger.read() as conn:
        campaigns = await count_incidents(conn, period, kinds)
    return IncidentReport(
        period=period,
        total=counts.total(),
        by_kind=dict(counts),
        campaigns=campaigns,
        told=told,
    )


def _when(incident: Incident) -> tuple[int, str]:
    return incident.at_ms, incident.incident_id
