"""The benchmark's verdicts: goals and gates by the book, and no miss is hidden."""

from __future__ import annotations

import msgspec
import pytest

from dialer.simulation.pacing import run_pacing
from dialer.simulation.report import config_for
from load_tests.pacing.goals import GOALS, SIZES, goal_of
from load_tests.pacing.runs import (
    OURS,
    PROGRESSIVE,
    TUNED,
    Job,
    Outcome,
    goal_world,
    judge,
    memoryless_world,
    play,
    unseen_world,
)
from load_tests.pacing.tables import COLUMNS, cells, markdown
from load_tests.pacing.unseen import WORLDS, unseen_pacer

GOOD = Outcome(
    world="steady", agents=30, contender=OURS, seeds=(1, 2), hours=8.0, occupancy=0.90,
    occupancy_by_seed=(0.89, 0.91), abandoned=0.009, answered=9000, worst_30min=0.02,
    bad_windows=0, bad_days=0, idle_wait_s=10.0, lines_per_agent=1.0,
)  # fmt: skip
BASE = msgspec.structs.replace(
    GOOD, contender=PROGRESSIVE, seeds=(1, 2), occupancy=0.7, occupancy_by_seed=(0.6, 0.8)
)


def test_what_meets_everything_says_so() -> None:
    row = judge(GOOD, BASE)
    assert row.phi == pytest.approx(2 / 3)
    assert row.gates == ()
    assert dict(zip(COLUMNS, cells(row), strict=True))["goal"] == "met"


def test_misses_are_told_with_their_size() -> None:
    bad = msgspec.structs.replace(
        GOOD, occupancy=0.8, abandoned=0.0125, worst_30min=0.041, bad_windows=1, bad_days=1
    )
    line = dict(zip(COLUMNS, cells(judge(bad, BASE)), strict=True))
    assert line["goal"] == "missed by 9.20%"
    assert "pooled +0.25%" in line["hard gates"]
    assert "30 min +1.10% (1 of 2 runs)" in line["hard gates"]
    assert "1 of 2 days" in line["hard gates"]
    assert line["hard gates"] in markdown([judge(bad, BASE)])


def test_one_seed_is_compared_with_progressive_on_that_seed() -> None:
    peer = msgspec.structs.replace(GOOD, contender="peer", seeds=(2,), occupancy_by_seed=(0.91,))
    row = judge(peer, BASE)
    assert row.progressive == 0.8
    assert row.goal is None


def test_ours_beside_peers_is_shorter_and_held_to_no_goal() -> None:
    beside = msgspec.structs.replace(GOOD, beside_peers=True, hours=2.0)
    assert judge(beside, BASE).goal is None


def test_cold_start_has_gates_of_its_own() -> None:
    cold = msgspec.structs.replace(GOOD, world="cold_start", abandoned=0.014, bad_days=1)
    assert judge(cold, BASE).gates == ()


def test_every_scenario_and_size_has_a_goal() -> None:
    assert all(goal_of(name, n) for name in GOALS for n in SIZES)
    assert goal_of("steady", 20) is None


def test_a_shorter_day_keeps_its_jump_as_steep_and_in_the_middle() -> None:
    world = goal_world("jump", 100, hours=2.0)
    (low_s, low), (high_s, high) = world.segments[0].live_rate
    assert (low_s, low, high) == (3600.0, 0.10, 0.50)
    assert high_s - low_s == 60.0
    assert goal_world("leave", 10, hours=2.0).departures[0].from_s == 5400.0
    assert goal_world("cold_start", 10).duration_s == 1200.0


def test_the_tuned_ratio_is_the_best_within_the_target() -> None:
    world = goal_world("steady", 20, hours=0.5)
    tuned = play(Job(world=world, contender=TUNED, seeds=(1,)))
    assert tuned.abandoned <= 0.01
    assert tuned.occupancy > play(Job(world=world, contender=PROGRESSIVE, seeds=(1,))).occupancy
    assert tuned.note.startswith("ratio")


def test_a_job_played_twice_is_the_same() -> None:
    job = Job(world=goal_world("drift", 6, hours=0.2), contender=OURS, seeds=(3,), timeline=True)
    assert play(job) == play(job)


@pytest.mark.parametrize("name", WORLDS)
def test_an_unseen_world_runs_and_is_worked(name: str) -> None:
    world = unseen_world(name, 6, hours=0.25)
    result = run_pacing(unseen_pacer(world, config_for(world), 1), world, 1)
    assert result.occupancy > 0.3
    assert (result.faults != {}) == (name == "lost_events")


@pytest.mark.parametrize("name", ["late_news", "silent_amd"])
def test_the_budget_holds_where_the_pacer_is_told_less_than_the_truth(name: str) -> None:
    world = unseen_world(name, 20, hours=1.0)
    outcome = play(Job(world=world, contender=OURS, seeds=(1, 2)))
    progressive = play(Job(world=world, contender=PROGRESSIVE, seeds=(1, 2)))
    assert outcome.occupancy > progressive.occupancy + 0.05
    assert outcome.abandoned <= 0.015, "seeds 1, 2"
    assert outcome.worst_30min <= 0.03, "seeds 1, 2"


def test_the_memoryless_world_is_the_solved_one() -> None:
    world = memoryless_world(20, 0.25, hours=0.8)
    progressive = play(Job(world=world, contender=PROGRESSIVE, seeds=(1,)))
    # One call at a time an agent: ring / p idle, then talk.
    assert progressive.occupancy == pytest.approx(140.0 / (140.0 + 32.0), abs=0.03), "seed 1"
    assert progressive.abandoned == 0.0
