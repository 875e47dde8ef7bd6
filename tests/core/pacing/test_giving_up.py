"""Calls that ring for long, when no agent is left for whoever picks up."""

from __future__ import annotations

import msgspec
import pytest

from dialer.core.pacing import (
    Decision,
    DialPlaced,
    NoAnswer,
    PacingConfig,
    PacingEvent,
    Snapshot,
    make_pacer,
)
from dialer.simulation.pacing import run_pacing
from dialer.simulation.report import config_for
from dialer.simulation.worlds import World

SLOW = World(
    agents=6,
    duration_s=3600.0,
    ring_delay_min_s=4.0,
    ring_delay_mean_s=14.0,
    ring_timeout_s=40.0,
    give_up_after_s=15.0,
)


class Ears:
    """A pacer that notes the ring age at which calls ended unanswered, and its decisions."""

    def __init__(self, world: World) -> None:
        self._pacer = make_pacer(config_for(world))
        self.placed_s: dict[str, float] = {}
        self.rang_s: list[float] = []
        self.decisions: list[Decision] = []

    def observe(self, event: PacingEvent) -> None:
        if isinstance(event, NoAnswer):
            self.rang_s.append(event.at_s - self.placed_s[event.call_id])
        elif isinstance(event, DialPlaced):
            self.placed_s[event.call_id] = event.at_s
        self._pacer.observe(event)

    def decide(self, snapshot: Snapshot) -> Decision:
        decision = self._pacer.decide(snapshot)
        self.decisions.append(decision)
        return decision


def test_nobody_rings_for_less_than_the_law_asks() -> None:
    ears = Ears(SLOW)
    result = run_pacing(ears, SLOW, 1)
    early_s = [s for s in ears.rang_s if s < SLOW.ring_timeout_s]
    assert len(early_s) > 10
    assert min(early_s) >= 15.0
    assert result.faults == {}


def test_only_where_no_agent_is_left_and_another_call_would_be_too_risky() -> None:
    ears = Ears(SLOW)
    run_pacing(ears, SLOW, 1)
    given_up = [d for d in ears.decisions if d.give_up]
    assert given_up
    for decision in given_up:
        estimates = decision.estimates
        assert estimates.idle <= estimates.waiting
        assert estimates.next_call_risk > estimates.tolerance
        assert decision.calls_to_place == 0
    idle = [d for d in ears.decisions if d.estimates.idle > d.estimates.waiting]
    assert idle
    assert not any(d.give_up for d in idle)


def test_unless_asked_to_they_ring_out() -> None:
    patient = msgspec.structs.replace(SLOW, give_up_after_s=None)
    ears = Ears(patient)
    run_pacing(ears, patient, 1)
    assert not any(d.give_up for d in ears.decisions)
    assert min(ears.rang_s) == patient.ring_timeout_s


@pytest.mark.parametrize("after_s", [14.9, 0.0, float("nan"), 200.0])
def test_a_time_that_the_law_forbids_is_refused(after_s: float) -> None:
    with pytest.raises(ValueError, match="give_up_after_s"):
        make_pacer(PacingConfig(give_up_after_s=after_s))
