"""Jumps of the answer rate are judged by the half hours around them."""

from __future__ import annotations

from load_tests.pacing.jumps import JumpDay, play_jumps

DAY = JumpDay(agents=30, jumps=1, seed=3)
CALM = JumpDay(agents=30, jumps=1, low=0.25, high=0.25, seed=3)


def test_half_hours_around_a_jump_are_worse_than_the_day() -> None:
    jumped, calm = play_jumps(DAY), play_jumps(CALM)
    (after_jump,), (without,) = jumped.worst_30min, calm.worst_30min
    assert after_jump is not None
    assert without is not None
    assert after_jump > 1.3 * jumped.abandoned
    assert after_jump > without > 0.0


def test_a_half_hour_of_few_answers_is_not_judged() -> None:
    assert play_jumps(JumpDay(agents=3, jumps=1, seed=3)).worst_30min == (None,)
