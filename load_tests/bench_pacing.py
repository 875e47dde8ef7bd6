"""`make bench-pacing`: our pacer against goals, hard gates, the peers' laws and a solved optimum.

Everyone runs on the same seeds. The same arguments give the same table; only the decision times at
the end depend on the machine.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import msgspec

from dialer.core.pacing import Decider, Decision, PacingEvent, Snapshot, make_pacer
from dialer.simulation.pacing import run_pacing
from dialer.simulation.report import config_for
from load_tests.pacing import mdp, tables
from load_tests.pacing.goals import GOALS, SIZES
from load_tests.pacing.plots import plot_frontier, plot_jump
from load_tests.pacing.runs import (
    OURS,
    PEER_HOURS,
    PEERS,
    PROGRESSIVE,
    TUNED,
    Job,
    Outcome,
    Row,
    goal_world,
    judge,
    memoryless_world,
    play,
    unseen_world,
)
from load_tests.pacing.unseen import WORLDS
from load_tests.report import Figure, print_json, results_folder

SEEDS = {3: 10, 10: 4, 30: 4, 100: 2, 300: 1, 1000: 1}
"""Runs by size, so that what is left of chance is about the same; peers make the first only."""
OPTIMUM = "optimum, parameters known"
SOLVED = ((3, 0.25), (10, 0.25), (30, 0.25), (100, 0.25), (3, 0.05), (10, 0.05))
"""Agents and answer rate of the worlds that can be solved."""
SOLVED_HOURS = 4.0
SOLVED_SEEDS = {3: 10, 10: 4, 30: 2, 100: 1}
"""Runs of ours in them, by size."""
DECIDE_LIMIT_MS = {10: 2.0, 100: 2.0, 1000: 5.0}
PLOTTED_JUMP = 100


class Options(msgspec.Struct, frozen=True):
    scenarios: tuple[str, ...]
    sizes: tuple[int, ...]
    unseen: tuple[str, ...]
    unseen_sizes: tuple[int, ...]
    peer_scenarios: tuple[str, ...]
    seeds: int | None
    first_seed: int
    hours: float | None
    solved: bool
    """Also the world whose optimum is known."""
    jobs: int

    def seeds_of(self, agents: int) -> tuple[int, ...]:
        runs = self.seeds or SEEDS.get(agents, 1)
        return tuple(range(self.first_seed, self.first_seed + runs))


def main() -> None:
    """Run, write, print."""
    options = _options()
    began = time.monotonic()
    jobs = _jobs(options)
    with ProcessPoolExecutor(options.jobs) as pool:
        # The longest first, so that no core waits for the last one alone.
        order = sorted(range(len(jobs)), key=lambda i: -_weight(jobs[i]))
        played = dict(zip(order, pool.map(play, [jobs[i] for i in order]), strict=True))
    outcomes = [played[i] for i in range(len(jobs))]
    rows = _rows(outcomes) + _optimum_rows(outcomes)
    folder = results_folder("pacing")
    head = _head(options)
    tables.write(folder, rows, head)
    if options.scenarios:
        plot_frontier(folder / "frontier.png", rows, options.scenarios[0])
    plot_jump(folder / "jump.png", [o for o in outcomes if o.timeline])
    print(head, "", tables.markdown(rows), sep="\n")
    figures = _summary(rows)
    for agents, limit_ms in DECIDE_LIMIT_MS.items():
        if agents in options.sizes:
            figures[f"decide_p99_ms_{agents}"] = round(_decide_p99_ms(agents), 3)
            figures[f"decide_p99_limit_ms_{agents}"] = limit_ms
    figures["seconds"] = round(time.monotonic() - began, 1)
    figures["folder"] = str(folder)
    print_json(figures)


def _jobs(options: Options) -> list[Job]:
    jobs = []
    for name in options.scenarios:
        for agents in options.sizes:
            world = goal_world(name, agents, options.hours)
            seeds = options.seeds_of(agents)
            if name == "cold_start":
                seeds = tuple(range(seeds[0], seeds[0] + 4 * len(seeds)))
            jobs += [Job(world=world, contender=c, seeds=seeds) for c in (OURS, PROGRESSIVE)]
            if name in options.peer_scenarios:
                jobs += _beside_peers(name, agents, seeds[:1], options)
    for name in options.unseen:
        for agents in options.unseen_sizes:
            world = unseen_world(name, agents, options.hours)
            seeds = options.seeds_of(agents)
            jobs += [Job(world=world, contender=c, seeds=seeds) for c in (OURS, PROGRESSIVE)]
    for agents, rate in SOLVED:
        if agents in options.sizes and options.solved:
            world = memoryless_world(agents, rate, min(options.hours or SOLVED_HOURS, SOLVED_HOURS))
            runs = options.seeds or SOLVED_SEEDS[agents]
            seeds = tuple(range(options.first_seed, options.first_seed + runs))
            jobs += [Job(world=world, contender=c, seeds=seeds) for c in (OURS, PROGRESSIVE)]
    return jobs


def _beside_peers(name: str, agents: int, seeds: tuple[int, ...], options: Options) -> list[Job]:
    """The peers' runs, and ours and progressive dialing's over the same time."""
    world = goal_world(name, agents, options.hours or PEER_HOURS.get(agents, 8.0))
    plotted = name == "jump" and agents == PLOTTED_JUMP
    drawn = (OURS, PROGRESSIVE, TUNED, "vicidial tapered available")
    return [
        Job(
            world=world,
            contender=c,
            seeds=seeds,
            timeline=plotted and c in drawn,
            beside_peers=True,
        )
        for c in (OURS, PROGRESSIVE, TUNED, *PEERS)
    ]


def _weight(job: Job) -> float:
    world = job.world
    runs = len(job.seeds) * (4.0 if job.contender == TUNED else 1.0)
    return runs * world.duration_s / world.tick_s * (20.0 + world.agents)


def _rows(outcomes: Sequence[Outcome]) -> list[Row]:
    bases = {_course(o): o for o in outcomes if o.contender == PROGRESSIVE}
    return [judge(o, bases[_course(o)]) for o in outcomes]


def _course(outcome: Outcome) -> tuple[str, int, bool]:
    """Whatever is compared with each other has run in the same world over the same time."""
    return outcome.world, outcome.agents, outcome.beside_peers


def _optimum_rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """The solved optimum beside our pacer in the same memoryless world."""
    rows = []
    rates = {memoryless_world(n, rate, SOLVED_HOURS).name: rate for n, rate in SOLVED}
    for outcome in outcomes:
        if outcome.world not in rates or outcome.contender != PROGRESSIVE:
            continue
        best = mdp.solve(outcome.agents, rates[outcome.world])
        solved = msgspec.structs.replace(
            outcome,
            contender=OPTIMUM,
            occupancy=best.occupancy,
            abandoned=0.01,
            worst_30min=0.0,
            bad_windows=0,
            bad_days=0,
            note=f"one abandonment costs {best.price_s:.0f} agent-seconds",
        )
        rows.append(judge(solved, outcome))
    return rows


def _summary(rows: Sequence[Row]) -> dict[str, Figure]:
    ours = [r for r in rows if r.outcome.contender == OURS and not r.outcome.beside_peers]
    with_goal = [r for r in ours if r.goal is not None]
    missed = [r for r in with_goal if r.goal_missed_by > 0]
    broken = [r for r in ours if r.gates]
    return {
        "cells": len(with_goal),
        "goals_met": len(with_goal) - len(missed),
        "goals_missed": "; ".join(
            f"{r.outcome.world} {r.outcome.agents} by {r.goal_missed_by:.2%}" for r in missed
        ),
        "worlds_and_sizes": len(ours),
        "hard_gates_broken": "; ".join(
            f"{r.outcome.world} {r.outcome.agents}: {', '.join(r.gates)}" for r in broken
        ),
        "beats_progressive_in": sum(r.phi > 0 for r in ours),
    }


class _Timed:
    """A pacer whose decisions are timed by the processor's clock."""

    def __init__(self, pacer: Decider) -> None:
        self._pacer = pacer
        self.took_s: list[float] = []

    def observe(self, event: PacingEvent) -> None:
        self._pacer.observe(event)

    def decide(self, snapshot: Snapshot) -> Decision:
        began = time.process_time()
        decision = self._pacer.decide(snapshot)
        self.took_s.append(time.process_time() - began)
        return decision


def _decide_p99_ms(agents: int) -> float:
    world = goal_world("steady", agents, 0.4)
    timed = _Timed(make_pacer(config_for(world)))
    run_pacing(timed, world, 1)
    return sorted(timed.took_s)[int(0.99 * len(timed.took_s))] * 1000.0


def _head(options: Options) -> str:
    return (
        "# Pacing\n\n"
        f"First seed {options.first_seed}; target 1 % abandoned. Peers run on the first seed only, "
        "and are compared with progressive dialing on that seed."
    )


def _options() -> Options:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes: fewer, shorter runs")
    parser.add_argument("--scenario", action="append", choices=tuple(GOALS), help="again for more")
    parser.add_argument("--size", action="append", type=int, help="agents; again for more")
    parser.add_argument("--seeds", type=int, help="runs of each world and size")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--hours", type=float, help="length of every run")
    parser.add_argument("--peers", choices=("all", "some", "none"), help="where peers run too")
    parser.add_argument(
        "--worlds",
        choices=("goals", "unseen", "solved", "all"),
        help="of the goals, not tuned to, with a known optimum, or all (of the goals only where "
        "--scenario is given)",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args()
    worlds = given.worlds or ("goals" if given.scenario else "all")
    scenarios = tuple(given.scenario or GOALS) if worlds in ("goals", "all") else ()
    some = ("steady", "low", "jump")
    peers: dict[str, tuple[str, ...]] = {"all": tuple(GOALS), "some": some, "none": ()}
    chosen = given.peers or ("some" if given.quick else "all")
    sizes = tuple(given.size or ((3, 10, 30, 100) if given.quick else SIZES))
    unseen = tuple(WORLDS) if worlds in ("unseen", "all") else ()
    return Options(
        scenarios=scenarios,
        sizes=sizes,
        unseen=unseen,
        unseen_sizes=tuple(given.size or ((10,) if given.quick else (10, 100))),
        peer_scenarios=peers[chosen],
        seeds=given.seeds or (1 if given.quick else None),
        first_seed=given.first_seed,
        hours=given.hours or (1.0 if given.quick else None),
        solved=worlds in ("solved", "all"),
        jobs=given.jobs,
    )


if __name__ == "__main__":
    main()
