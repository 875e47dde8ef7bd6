"""Small cases for tests of the twin."""

from __future__ import annotations

from datetime import UTC, datetime

from campaigns.campaign import CampaignSettings
from compliance.types import Mode
from dialer.simulation.twin.definition import (
    CallSpec,
    PauseSpec,
    SegmentSpec,
    ShiftSpec,
    TwinDefinition,
    WhereSpec,
)
from dialer.simulation.twin.law import LegalDay, LegalDays
from dialer.simulation.twin.run import Case

OPENS_AT = datetime(2026, 11, 30, 13, 0, tzinfo=UTC)
"""10:00 of a Monday in Santiago."""
HOUR_S = 3600.0
PROGRESSIVE = CampaignSettings(mode=Mode.PROGRESSIVE)
"""Costs little to run, and abandons nobody."""
PREDICTIVE = CampaignSettings()
ALL_DAY = LegalDay(hours=((0.0, 8 * HOUR_S),), dials_s=(0.0, HOUR_S, 2 * HOUR_S))
"""Three dials, an hour apart."""


def definition(
    *,
    agents: int = 6,
    accounts: int = 2_000,
    hours: int = 1,
    pauses: tuple[PauseSpec, ...] = (),
    campaign: CampaignSettings = PROGRESSIVE,
    calls: CallSpec = CallSpec(),
) -> TwinDefinition:
    return TwinDefinition(
        name="test",
        where=WhereSpec(country="CL"),
        timezone="America/Santiago",
        segments=(
            SegmentSpec(name="1-30", accounts=accounts),
            SegmentSpec(name="castigo", accounts=accounts),
        ),
        shifts=(ShiftSpec(agents=agents, start="10:00", end=f"{10 + hours}:00", pauses=pauses),),
        campaign=campaign,
        calls=calls,
    )


def case(what: TwinDefinition | None = None, day: LegalDay = ALL_DAY) -> Case:
    chosen = what or definition()
    legal: LegalDays = {segment.name: (day,) for segment in chosen.segments}
    return Case(definition=chosen, opens_at=OPENS_AT, legal=legal)
