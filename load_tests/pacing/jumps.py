"""Days in which the answer rate jumps, unannounced, several times."""

from __future__ import annotations

import msgspec

from compliance.messages import Message
from dialer.core.pacing import make_pacer
from dialer.simulation.pacing import run_pacing
from dialer.simulation.report import config_for
from dialer.simulation.tally import MINUTE_S, worst_window
from dialer.simulation.worlds import Segment
from load_tests.pacing.runs import goal_world

FIRST_S, EVERY_S = 6000.0, 9000.0
"""Every jump comes after the half hour of the one before has passed at the lower rate."""
HIGH_S = 2400.0
AT_ONCE_S = 0.001
BEFORE_S = 1500.0
"""How much of the calm before counts in the half hours that a jump is judged by."""


class JumpDay(Message, frozen=True, kw_only=True):
    """A team, and how the answer rate of its contacts jumps."""

    agents: int
    low: float = 0.10
    high: float = 0.50
    within_s: float = AT_ONCE_S
    jumps: int = 3
    seed: int


class JumpDayResult(Message, frozen=True, kw_only=True):
    """What a day came to. Shares are of 1."""

    occupancy: float
    abandoned: float
    worst_30min: tuple[float | None, ...]
    """Around each jump, of half hours with at least 200 answers; None: there is none."""


def play_jumps(day: JumpDay) -> JumpDayResult:
    """Play a day of jumps with a fresh pacer."""
    points: list[tuple[float, float]] = []
    jumps_s = [FIRST_S + EVERY_S * number for number in range(day.jumps)]
    for at_s in jumps_s:
        points += [(at_s, day.low), (at_s + day.within_s, day.high)]
        points += [(at_s + HIGH_S, day.high), (at_s + HIGH_S + AT_ONCE_S, day.low)]
    world = msgspec.structs.replace(
        goal_world("steady", day.agents),
        name="jumps",
        duration_s=jumps_s[-1] + HIGH_S,
        segments=(Segment(live_rate=tuple(points)),),
    )
    result = run_pacing(make_pacer(config_for(world)), world, day.seed)
    around = []
    for at_s in jumps_s:
        first, last = int((at_s - BEFORE_S) / MINUTE_S), int((at_s + HIGH_S) / MINUTE_S)
        minutes = result.timeline[first:last]
        around.append(worst_window([m.answered for m in minutes], [m.abandoned for m in minutes]))
    return JumpDayResult(
        occupancy=result.occupancy,
        abandoned=result.abandoned_share,
        worst_30min=tuple(around),
    )
