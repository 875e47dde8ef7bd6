"""The abandonment budget: steered to the target, guarded by windows."""

from __future__ import annotations

from random import Random

import pytest

from dialer.core.pacing.budget import (
    TARGET_MARGINS,
    TOLERANCE_MAX,
    TOLERANCE_MIN,
    AbandonmentBudget,
    start_tolerance,
)
from dialer.core.pacing.messages import PacingConfig
from dialer.core.pacing.windows import RollingShare

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


@pytest.mark.parametrize("losses_per_predicted", [0.5, 1.0, 3.0])
def test_steering_settles_just_under_the_target(losses_per_predicted: float) -> None:
    # A crude law: a call's risk is half the tolerance; the model is wrong by a factor.
    random, b = Random(2), budget()
    answered = abandoned = 0
    for second in range(0, 800_000, 20):
        b.advance(float(second))
        risk = b.tolerance() / 2
        b.on_placed(1.0, risk)
        b.on_answer()
        lost = random.random() < losses_per_predicted * risk
        if lost:
            b.on_abandonment()
        if second >= 200_000:
            answered += 1
            abandoned += lost
    assert 0.0055 < abandoned / answered < 0.0102, "seed 2"


def test_what_happens_corrects_what_was_predicted() -> None:
    b = budget(3)
    before = b.losses_per_predicted()
    for _ in range(400):
        b.on_placed(1.0, 0.01)
        b.on_answer()
    assert b.losses_per_predicted() < before
    for _ in range(12):
        b.on_abandonment()
    assert b.losses_per_predicted() > before


def test_tolerance_stays_within_its_bounds() -> None:
    b = budget()
    for _ in range(400):
        b.on_placed(1.0, 0.5)
    assert b.state.log_tolerance is not None
    assert b.tolerance() < 2 * TOLERANCE_MIN
    for second in range(10_000):
        b.advance(second * 400.0)
        b.on_placed(1.0, 0.0)
        b.on_answer()
    assert b.tolerance() == pytest.approx(TOLERANCE_MAX)


def test_one_decision_moves_the_tolerance_a_little_only() -> None:
    b = budget(1000)
    before = b.tolerance()
    b.on_placed(400.0, 0.0)
    assert b.tolerance() < before * 1.15


def test_a_spent_half_hour_tolerates_nothing_until_it_has_passed() -> None:
    b = budget(1000)
    b.advance(0.0)
    for _ in range(5000):
        b.on_answer()
    b.advance(20 * 3600.0)
    for _ in range(300):
        b.on_answer()
    for _ in range(10):
        b.on_abandonment()
    assert b.tolerance() == 0.0
    b.advance(20 * 3600.0 + 1900.0)
    assert b.tolerance() > 0.0


def test_most_of_a_half_hour_spent_is_felt_but_does_not_stop_the_team() -> None:
    tolerances = []
    for lost in (0, 3, 7):
        b = budget(30)
        b.advance(0.0)
        for _ in range(5000):
            b.on_answer()
        b.advance(4000.0)
        for _ in range(330):
            b.on_answer()
        for _ in range(lost):
            b.on_abandonment()
        tolerances.append(b.tolerance())
    calm, usual, spent = tolerances
    assert usual == calm, "what the target lets expect is not felt"
    assert 0.0 < spent < calm / 10


def test_a_busy_half_hour_is_aimed_below_its_limit_and_a_small_or_large_one_at_the_target() -> None:
    aims = []
    for answers in (20, 330, 5000):
        b = AbandonmentBudget(PacingConfig(target_abandonment=0.02))
        b.start(30)
        b.advance(0.0)
        for _ in range(answers):
            b.on_answer()
        aims.append(b.aim())
    small, busy, large = aims
    assert small == large == pytest.approx(dict(TARGET_MARGINS)[30] * 0.02)
    assert 0.009 < busy < 0.013


def test_a_day_pays_back_what_it_lost_too_much_and_spends_a_little_of_what_it_saved() -> None:
    thrifty, even, overdrawn = budget(), budget(), budget()
    for b, losses in ((thrifty, 0), (even, 3), (overdrawn, 8)):
        b.advance(0.0)
        for _ in range(390):  # of which three are what this team may lose
            b.on_answer()
        for _ in range(losses):
            b.on_abandonment()
        b.advance(2000.0)
    assert 0.0 < overdrawn.tolerance() < even.tolerance() / 10
    assert even.tolerance() < thrifty.tolerance() < 3 * even.tolerance()


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
    ours, theirs = (b.windows.by_name["30min"] for b in (heard, never))
    assert ours.total_answered == theirs.total_answered
    assert abs(heard.tolerance() - never.tolerance()) < 1e-12


def test_the_aim_is_that_of_the_whole_team_however_it_logs_in() -> None:
    together, one_by_one = budget(100), budget(1)
    for agents in range(2, 101):
        one_by_one.start(agents)
    assert one_by_one.state.margin == together.state.margin
    assert one_by_one.tolerance() == together.tolerance()
    one_by_one.start(3)
    assert one_by_one.state.margin == together.state.margin


def test_a_tolerance_that_was_steered_outlives_newcomers() -> None:
    b = budget(10)
    for _ in range(50):
        b.on_placed(1.0, 0.2)
    steered = b.tolerance()
    b.start(40)
    assert b.tolerance() == pytest.approx(steered)


def test_answers_that_were_machines_allow_no_abandonment() -> None:
    """Without machine detection an agent's ear tells, later."""
    people, machines = budget(), budget()
    for _ in range(400):
        for b in (people, machines):
            b.on_placed(1.0, 0.003)
            b.on_answer()
        machines.on_found_machine()
    assert people.persons() == 1.0
    assert machines.persons() < 0.1
    assert machines.tolerance() < people.tolerance()


def test_what_is_known_of_teams_of_a_size_is_forgotten_like_everything_else() -> None:
    """Losses come to a quarter of what large teams are first taken to have: learned, not mixed
    with the first guess for ever."""
    b = budget(1000)
    first = b.losses_per_predicted()
    due = 0.0
    for _ in range(60_000):
        b.on_placed(1.0, 0.01)
        due += first / 4 * 0.01
        if due >= 1.0:
            due -= 1.0
            b.on_abandonment()
    assert b.losses_per_predicted() == pytest.approx(first / 4, rel=0.1)


def test_what_is_first_taken_for_true_grows_with_the_team_also_after_the_first_calls() -> None:
    """Agents log in one after the other: the third of them dials before the hundredth is there."""
    b, whole = budget(3), budget(100)
    for team in (b, whole):
        team.on_placed(1.0, 0.01)
    assert b.losses_per_predicted() < whole.losses_per_predicted() / 2
    b.start(100)
    assert b.losses_per_predicted() == pytest.approx(whole.losses_per_predicted())
