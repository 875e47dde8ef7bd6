"""How a campaign was paced, explained decision by decision and graphed by the minute."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from dialer.console.errors import BAD_QUERY, ApiError
from dialer.console.routes.campaigns import campaign_of
from dialer.console.table import API, OFFICE, Call, Nothing, Route, route
from dialer.core.records import to_ms
from dialer.runtime.pacing_report import (
    DECISIONS_MOST,
    LONGEST_MS,
    PacingReport,
    report_pacing,
)

DEFAULT_PERIOD: Final = timedelta(hours=1)

Instant = Annotated[datetime, Meta(tz=True)]


class PacingQuery(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"since": "from", "until": "to"},
):
    since: Instant | None = None
    """RFC 3339 with its offset. Default: an hour before the end."""
    until: Instant | None = None
    """RFC 3339 with its offset; the period ends before it, at most 24 hours after its beginning.
    Default: now."""
    limit: Annotated[int, Meta(ge=1, le=DECISIONS_MOST)] = 200


async def campaign_pacing(call: Call[Nothing, PacingQuery]) -> PacingReport:
    campaign = await campaign_of(call)
    asked = call.query
    until = asked.until or call.services.clock.now()
    since = asked.since or until - DEFAULT_PERIOD
    from_ms, until_ms = to_ms(since), to_ms(until)
    if not 0 < until_ms - from_ms <= LONGEST_MS:
        raise ApiError(
            BAD_QUERY,
            where="from",
            es="el período debe durar más que nada y a lo sumo 24 horas",
            en="the period must last longer than nothing and at most 24 hours",
        )
    return await report_pacing(
        call.services.ledger, campaign.campaign_id, from_ms, until_ms, asked.limit
    )


ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        f"{API}/campaigns/{{campaign_id}}/pacing",
        campaign_pacing,
        body=Nothing,
        query=PacingQuery,
        answer=PacingReport,
        roles=OFFICE,
        tag="campaigns",
        en="Pacing decisions of a period, each with what explains it, and a series by the minute",
        es="Decisiones de ritmo de un período, cada una con lo que la explica, y una serie por "
        "minuto",
    ),
)
