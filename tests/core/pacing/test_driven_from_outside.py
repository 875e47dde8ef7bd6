"""The pacer under somebody else's simulator: the example of the pacing page."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Protocol, cast

import pytest

from dialer.core.pacing import Decision, Law, Snapshot
from dialer.core.pacing.pacer import Pacer

EXAMPLE = Path(__file__).parents[3] / "docs/examples/drive_pacer.py"


class Centre(Protocol):
    pacer: Pacer
    now_s: float
    agents: int
    occupancy: float
    abandoned_share: float
    answered: int
    dialed: int

    def run(self, hours: float) -> None: ...


def worked(law: Law, agents: int, hours: float) -> tuple[Centre, Decision]:
    """The centre after its shift, and what the pacer decides where everybody is idle again."""
    centre = cast("Centre", runpy.run_path(str(EXAMPLE))["CallCentre"](law, agents, 1))
    centre.run(hours)
    later = Snapshot(at_s=centre.now_s + 1.0, staffed=agents, idle_since_s=(0.0,) * agents)
    return centre, centre.pacer.decide(later)


@pytest.mark.parametrize(("agents", "hours", "gain"), [(3, 4.0, 0.0), (30, 1.0, 0.15)])
def test_anybody_can_drive_it(agents: int, hours: float, gain: float) -> None:
    progressive, _ = worked(Law.PROGRESSIVE, agents, hours)
    centre, decision = worked(Law.PREDICTIVE, agents, hours)
    assert decision.faults == {}
    assert progressive.abandoned_share == 0.0
    assert centre.occupancy > progressive.occupancy + gain
    assert centre.abandoned_share < 0.015
    assert decision.estimates.pickup_rate == pytest.approx(0.25, abs=0.08)
