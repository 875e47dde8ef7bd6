"""Jumps of the answer rate are judged by the half hours around them."""

from __future__ import annotations

from load_tests.pacing.jumps import JumpDay, play_jumps

DAY = JumpDay(agents=30, jumps=1, seed=3)
CALM = JumpDay(agents=30, jumps=1, low=0.25, high=0.25, seed=3)


def test_half_hours_around_a_jump_are_worse_than_the_day() -> None:
    jumped, calm = play_jumps(DAY), play_jumps(CALM)
    assert len(jumped.worst_30min) == 1
    assert jumped.worst_30min[0] > 1.3 * jumped.abandoned
    assert jumped.worst_30min[0] > calm.worst_30min[0] > 0.0
