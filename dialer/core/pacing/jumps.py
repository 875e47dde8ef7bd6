"""Room kept for a jump of the answer rate that has happened and that nobody can know of yet.

Calls placed in the seconds before a rise shows are answered at a rate that they were not weighed
by. How many of them a campaign survives is a question of the half hour's limit, so that many may
have been placed lately and no more. The more calls, the sooner their answers tell: it binds small
teams at low answer rates, whose half hour has a few hundred answers and who keep many lines an
agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

RISE_FACTOR, RISE_TO = 5.0, 0.5
"""A fivefold rise, to one call in two at most: a new list, or people coming home."""
TELLING_ANSWERS = 2.5
"""Answers beyond the expected ones until a rise is seen."""
SCATTER_Z = 1.2
"""Standard deviations (of a Poisson count) by which the mean loss stays away from the limit."""


def room_for_jump(
    rate: float,
    live_share: float,
    placed: Sequence[float],
    picked_by: Sequence[float],
    spare_agents: float,
    allowance: float,
) -> int | None:
    """New calls after which a rise would, on average, still leave the half hour within its limit.

    `rate`: pickups per dial of the next contacts. `placed`: calls by age in steps. `picked_by`:
    share of pickups that have come by an age. `spare_agents`: agents idle or about to be free,
    beyond the answers expected. `allowance`: abandonments left until the limit. None: the rate is
    so high already that no such rise is possible.
    """
    rise = min(RISE_TO, RISE_FACTOR * rate) - rate
    if rise <= 0.0:
        return None
    unseen = telling = 0.0
    for calls, share in zip(placed, picked_by, strict=False):
        telling += rise * calls * share
        if telling >= TELLING_ANSWERS:
            break
        unseen += calls
    left = max(0.0, allowance)
    loss = max(0.0, left - SCATTER_Z * sqrt(left))
    survivable = (loss + spare_agents) / (rise * live_share)
    return max(0, int(survivable - unseen))
