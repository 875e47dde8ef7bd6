"""A team that dials and takes calls: a caller may take the agent whom a ringing call is for."""

from __future__ import annotations

from datetime import UTC, datetime

from campaigns.campaign import CampaignSettings
from compliance.types import Mode
from dialer.simulation.twin.definition import (
    InboundSpec,
    SegmentSpec,
    ShiftSpec,
    TwinDefinition,
    WhereSpec,
)
from dialer.simulation.twin.law import LegalDay
from dialer.simulation.twin.run import Case

HOURS = range(10, 18)
"""Local hours of the shift."""


def blended(mode: Mode, agents: int, calls_per_h: float) -> Case:
    """Eight hours in which a quarter of the dials is answered and every hour may be dialed."""
    definition = TwinDefinition(
        name="blended",
        where=WhereSpec(country="CL"),
        timezone="America/Santiago",
        segments=(SegmentSpec(name="1-30", accounts=30_000, live_rate=0.25),),
        shifts=(ShiftSpec(agents=agents, start="10:00", end="18:00"),),
        campaign=CampaignSettings(mode=mode),
        inbound=InboundSpec(by_hour=dict.fromkeys(HOURS, calls_per_h)),
    )
    day_s = 3600.0 * len(HOURS)
    day = LegalDay(hours=((0.0, day_s),), dials_s=tuple(3600.0 * i for i in range(len(HOURS))))
    opens_at = datetime(2026, 11, 30, 13, 0, tzinfo=UTC)
    return Case(definition=definition, opens_at=opens_at, legal={"1-30": (day,)})
