"""What is to be reached: occupancy in percent by scenario and size, and gates that always hold."""

from __future__ import annotations

from typing import NamedTuple

SIZES = (3, 10, 30, 100, 300, 1000)
GOALS: dict[str, tuple[float, ...]] = {
    "steady": (73.0, 79.0, 89.2, 94.8, 97.7, 99.4),
    "low": (58.5, 75.0, 86.8, 94.2, 97.6, 99.3),
    "jump": (66.0, 78.5, 88.5, 94.0, 97.8, 99.3),
    "step": (66.0, 78.5, 88.2, 93.8, 97.7, 99.3),
    "leave": (72.5, 79.0, 88.2, 94.4, 97.7, 99.3),
    "long_talk": (82.5, 86.3, 91.5, 95.7, 98.0, 99.3),
    "amd": (67.5, 76.2, 86.7, 94.0, 97.5, 99.3),
    "drift": (72.5, 80.0, 89.0, 94.8, 97.7, 99.35),
    "cold_start": (72.5, 79.0, 89.0, 95.0, 97.8, 98.9),
}
"""Occupancy, one a size of `SIZES`. It moves with the seeds: read it with the gain over
progressive dialing on the same seeds."""


class Gates(NamedTuple):
    """Shares of live answers that may be abandoned."""

    pooled: float = 0.0100
    pooled_cold_start: float = 0.015
    window: float = 0.03
    """In any 30 minutes with at least 200 answers."""
    day: float = 0.03
    bad_days_small: float = 0.02
    """Days above it that a team of three may have."""


GATES = Gates()


def goal_of(scenario: str, agents: int) -> float | None:
    """The goal in percent; None for sizes and worlds that have none."""
    goals = GOALS.get(scenario)
    return goals[SIZES.index(agents)] if goals and agents in SIZES else None
