"""The abandonment budget: steered to the target, guarded by windows."""

from __future__ import annotations

from random import Random

import pytest

from dialer.core.pacing.budget import (
    OVERDRAWN_TOLERANCE,
    TOLERANCE_MAX,
    TOLERANCE_MIN,
    AbandonmentBudget,
    RollingShare,
    start_tolerance,
)
from dialer.core.pacing.messages import PacingConfig

CONFIG = PacingConfig()


def budget(agents: int = 10) -> AbandonmentBudget:
    fresh = AbandonmentBudget(CONFIG)
    fresh.start(agents)
    return fresh


def test_larger_teams_start_more_carefully() -> None:
    tolerances = [start_tolerance(n) for n in (1, 3, 5, 10, 30, 100, 300, 1000, 5000)]
    assert tolerances == sorted(tolerances, reverse=True)


def test_nothing_is_tolerated_before_the_team_is_known() -> None:
    assert AbandonmentBudget(CONFIG).tolerance() == 0.0


def test_steering_settles_just_under_the_target() -> None:
    # A crude law: calls are abandoned with half the tolerance as probability.
    random, b = Random(2), budget()
    abandoned = 0
    for second in range(60_000):
        b.advance(float(second))
        b.on_answer()
        if random.random() < b.tolerance() / 2:
            b.on_abandonment()
            abandoned += second >= 20_000
    assert 0.006 < abandoned / 40_000 < 0.0105, "seed 2"


def test_tolerance_stays_within_its_bounds() -> None:
    b = budget()
    for _ in range(400):
        b.on_abandonment()
    assert b.state.log_tolerance is not None
    assert b.tolerance() <= TOLERANCE_MIN
    for second in range(100_000):
        b.advance(second * 40.0)
        b.on_answer()
    assert b.tolerance() <= TOLERANCE_MAX


def test_a_spent_half_hour_tolerates_nothing_until_it_has_passed() -> None:
    b = budget(1000)
    b.advance(0.0)
    for _ in range(5000):
        b.on_answer()
    b.advance(20 * 3600.0)
    for _ in range(300):
        b.on_answer()
    for _ in range(9):
        b.on_abandonment()
    assert b.tolerance() == 0.0
    b.advance(20 * 3600.0 + 1900.0)
    assert b.tolerance() > 0.0


def test_an_overdrawn_day_tolerates_little() -> None:
    calm, overdrawn = budget(), budget()
    for b in (calm, overdrawn):
        b.advance(0.0)
        for _ in range(300):
            b.on_answer()
    for _ in range(8):
        overdrawn.on_abandonment()
    overdrawn.advance(2000.0)
    calm.advance(2000.0)
    assert 0.0 < overdrawn.tolerance() <= calm.tolerance() * OVERDRAWN_TOLERANCE


def test_few_answers_are_not_taken_for_a_rate() -> None:
    b = budget(3)
    b.advance(0.0)
    b.on_answer()
    b.on_abandonment()
    assert b.tolerance() > 0.0


def test_windows_forget_what_has_left_them_and_survive_a_clock_set_back() -> None:
    share = RollingShare.empty(1800.0)
    share.advance(10_000.0)
    share.count(100, 5)
    assert share.share() == pytest.approx(0.05)
    share.advance(9_000.0)
    assert share.share() == pytest.approx(0.05)
    share.advance(20_000.0)
    assert share.total_answered == 0.0
    assert share.share() == 0.0


def test_a_machine_among_the_answers_earns_nothing() -> None:
    heard, never = budget(), budget()
    for b in (heard, never):
        b.advance(0.0)
        for _ in range(40):
            b.on_answer()
    for _ in range(25):
        heard.on_answer()
        heard.on_found_machine()
    assert heard.windows["30min"].total_answered == never.windows["30min"].total_answered
    assert abs(heard.tolerance() - never.tolerance()) < 1e-12
