"""Room kept for a jump of the answer rate that has happened and that nobody can know of yet.

Calls placed in the seconds before a rise shows are answered at a rate that they were not weighed
by. How many of them a campaign survives is a question of the half hour's limit, so that many may
have been placed lately and no more. It binds small teams at low answer rates, whose half hour has
a few hundred answers and who keep many lines an agent.
"""

from __future__ import annotations

RISE_FACTOR, RISE_TO = 5.0, 0.5
"""A fivefold rise, to one call in two at most: a new list, or people coming home."""
UNSEEN_STEPS = 8
"""Calls placed within so many steps are not known better yet: people take as long to pick up."""
USABLE_SHARE = 0.6
"""Part of what is left until the limit that the mean loss may take: losses scatter."""


def room_for_jump(
    rate: float, live_share: float, placed_lately: float, spare_agents: float, allowance: float
) -> int | None:
    """New calls after which a rise would, on average, still leave the half hour within its limit.

    `rate`: pickups per dial of the next contacts. `placed_lately`: calls of the last
    `UNSEEN_STEPS`. `spare_agents`: agents idle or about to be free, beyond the answers expected.
    `allowance`: abandonments left until the limit. None: such a rise is none, or none is possible.
    """
    rise = (min(RISE_TO, RISE_FACTOR * rate) - rate) * live_share
    if rise <= 0.0:
        return None
    survivable = (USABLE_SHARE * max(0.0, allowance) + spare_agents) / rise
    return max(0, int(survivable - placed_lately))
