"""Which runs the benchmark makes, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from compliance.messages import Message
from dialer.core.pacing import Decider, Law, RatioPacer, make_pacer
from dialer.simulation.pacing import run_pacing
from dialer.simulation.report import config_for, scenario
from dialer.simulation.tally import Minute
from dialer.simulation.worlds import Curve, Segment, World
from load_tests.pacing.goals import GATES, goal_of
from load_tests.pacing.peers import (
    DropRule,
    GenesysProgressive,
    Issabel,
    SamuelsonLike,
    Vicidial,
)
from load_tests.pacing.unseen import WORLDS, unseen_pacer

DAY_S = 8 * 3600.0
PEER_HOURS = {3: 8.0, 10: 8.0, 30: 8.0, 100: 4.0, 300: 2.0, 1000: 1.0}
"""Length of a run beside peers by size: enough answers for a rate, few enough for an afternoon.
Ours and progressive dialing without peers run a whole day of `DAY_S`."""
OURS, PROGRESSIVE, TUNED = "marcador", "progressive", "fixed ratio in hindsight"
RATIOS = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 14.0, 20.0)
TARGET = 0.01

Factory = Callable[[World, int], Decider]


def _ours(world: World, seed: int) -> Decider:
    return unseen_pacer(world, config_for(world), seed)


def _progressive(world: World, seed: int) -> Decider:
    del seed
    return make_pacer(config_for(world, Law.PROGRESSIVE))


def _vicidial(rule: DropRule, available_only: bool, world: World, seed: int) -> Decider:
    del seed
    most = 6.0 if available_only else 3.0
    return Vicidial(rule, available_only=available_only, most=most, shift_s=world.duration_s)


def _simple(make: Callable[[], Decider], world: World, seed: int) -> Decider:
    del world, seed
    return make()


def _ratio(lines: float, world: World, seed: int) -> Decider:
    del world, seed
    return RatioPacer(Law.FIXED_RATIO, lines)


PEERS: dict[str, Factory] = {
    **{
        f"vicidial {rule.value} {tally}": partial(_vicidial, rule, tally == "available")
        for rule in DropRule
        for tally in ("all agents", "available")
    },
    "issabel": partial(_simple, Issabel),
    "genesys progressive": partial(_simple, GenesysProgressive),
    "samuelson-like": partial(_simple, SamuelsonLike),
}


class Job(Message, frozen=True, kw_only=True):
    """One contender in one world, on several seeds; a unit of work for one process."""

    world: World
    contender: str
    seeds: tuple[int, ...]
    timeline: bool = False
    beside_peers: bool = False
    """Over `PEER_HOURS`, to be compared with the peers and held to no goal."""


class Outcome(Message, frozen=True, kw_only=True):
    """What a contender came to, pooled over its seeds. Shares are of 1."""

    world: str
    agents: int
    contender: str
    seeds: tuple[int, ...]
    hours: float
    occupancy: float
    occupancy_by_seed: tuple[float, ...]
    abandoned: float
    answered: int
    worst_30min: float
    bad_windows: int
    """Runs with a 30-minute window above its gate."""
    bad_days: int
    idle_wait_s: float
    lines_per_agent: float
    beside_peers: bool = False
    note: str = ""
    timeline: tuple[Minute, ...] = ()


def play(job: Job) -> Outcome:
    """Carry out a job."""
    if job.contender == TUNED:
        return _tuned(job)
    factories = {OURS: _ours, PROGRESSIVE: _progressive, **PEERS}
    return _pooled(job, factories[job.contender])


def _pooled(job: Job, factory: Factory, note: str = "") -> Outcome:
    world = job.world
    results = [run_pacing(factory(world, seed), world, seed) for seed in job.seeds]
    answered = sum(r.answered for r in results)
    return Outcome(
        world=world.name,
        agents=world.agents,
        contender=job.contender,
        seeds=job.seeds,
        hours=world.duration_s / 3600.0,
        occupancy=sum(r.busy_s for r in results) / max(1.0, sum(r.staffed_s for r in results)),
        occupancy_by_seed=tuple(r.occupancy for r in results),
        abandoned=sum(r.abandoned for r in results) / max(1, answered),
        answered=answered,
        worst_30min=max(r.worst_30min_share for r in results),
        bad_windows=sum(r.worst_30min_share > GATES.window for r in results),
        bad_days=sum(r.abandoned_share > GATES.day for r in results),
        idle_wait_s=_mean([r.idle_wait_s for r in results]),
        lines_per_agent=_mean([r.lines_per_agent for r in results]),
        beside_peers=job.beside_peers,
        note=note,
        timeline=results[0].timeline if job.timeline else (),
    )


def _tuned(job: Job) -> Outcome:
    """The largest ratio whose pooled abandonment is within the target, known only afterwards."""
    low, high = 0, len(RATIOS)
    best = _pooled(job, partial(_ratio, RATIOS[0]), f"ratio {RATIOS[0]:g}")
    while high - low > 1:
        middle = (low + high) // 2
        tried = _pooled(job, partial(_ratio, RATIOS[middle]), f"ratio {RATIOS[middle]:g}")
        if tried.abandoned <= TARGET:
            low = middle
            best = max(best, tried, key=lambda o: o.occupancy)
        else:
            high = middle
    return best


def goal_world(name: str, agents: int, hours: float | None = None) -> World:
    """A scenario of the goals at a size; a working day unless told otherwise."""
    return _shortened(scenario(name, agents), hours or DAY_S / 3600.0)


def unseen_world(name: str, agents: int, hours: float | None = None) -> World:
    """A world of `unseen` at a size."""
    world = msgspec.structs.replace(WORLDS[name], agents=agents)
    return _shortened(world, hours or DAY_S / 3600.0)


def _shortened(world: World, hours: float) -> World:
    """The same world over less time: what happens at some time of the day happens at the same
    share of it, and what takes a minute still takes a minute."""
    duration_s = hours * 3600.0
    if world.duration_s <= duration_s:
        return world
    share = duration_s / world.duration_s
    slow = len(world.segments) > 1

    def curve(points: Curve) -> Curve:
        if slow:
            return tuple((at_s * share, value) for at_s, value in points)
        first_s = points[0][0]
        if len(points) > 2:
            return points
        return tuple((first_s * share + at_s - first_s, value) for at_s, value in points)

    return msgspec.structs.replace(
        world,
        duration_s=duration_s,
        segments=tuple(
            msgspec.structs.replace(s, live_rate=curve(s.live_rate), share=curve(s.share))
            for s in world.segments
        ),
        departures=tuple(
            msgspec.structs.replace(d, from_s=d.from_s * share) for d in world.departures
        ),
        arrivals=tuple(msgspec.structs.replace(a, from_s=a.from_s * share) for a in world.arrivals),
    )


def memoryless_world(agents: int, answer_rate: float, hours: float) -> World:
    """The world that `mdp` solves, a decision every quarter of a second."""
    return World(
        name=f"memoryless {answer_rate:.0%}",
        agents=agents,
        duration_s=hours * 3600.0,
        segments=(Segment(live_rate=((0.0, answer_rate),)),),
        tick_s=0.25,
        memoryless=True,
        ring_delay_min_s=0.0,
        ring_timeout_s=60.0,
        connect_limit_s=0.0,
        talk_mean_s=140.0,
        wrap_up_mean_s=0.001,
        break_s=0.0,
    )


class Row(Message, frozen=True, kw_only=True):
    """One line of the result: our pacer, or a peer, against goal, gates and progressive."""

    outcome: Outcome
    progressive: float
    phi: float
    """Share of progressive's idle time that is won: (occ - prog) / (1 - prog), same seeds."""
    goal: float | None
    """Occupancy as a share; goals are for our pacer only."""
    goal_missed_by: float
    """Points of occupancy below the goal, as a share; 0 where it is met or there is none."""
    gates: tuple[str, ...]
    """Hard gates that were broken, with by how much."""


def judge(outcome: Outcome, progressive: Outcome) -> Row:
    """Hold an outcome against the gates, its goal, and progressive dialing on the same seeds."""
    by_seed = dict(zip(progressive.seeds, progressive.occupancy_by_seed, strict=True))
    base = _mean([by_seed[seed] for seed in outcome.seeds])
    held = outcome.contender == OURS and not outcome.beside_peers
    goal = goal_of(outcome.world, outcome.agents) if held else None
    missed = max(0.0, goal / 100.0 - outcome.occupancy) if goal else 0.0
    return Row(
        outcome=outcome,
        progressive=base,
        phi=(outcome.occupancy - base) / (1.0 - base) if base < 1.0 else 0.0,
        goal=goal / 100.0 if goal else None,
        goal_missed_by=missed,
        gates=_broken(outcome),
    )


def _broken(outcome: Outcome) -> tuple[str, ...]:
    cold = outcome.world == "cold_start"
    pooled = GATES.pooled_cold_start if cold else GATES.pooled
    broken = []
    if outcome.abandoned > pooled:
        broken.append(f"pooled +{outcome.abandoned - pooled:.2%}")
    if outcome.worst_30min > GATES.window:
        broken.append(
            f"30 min +{outcome.worst_30min - GATES.window:.2%} "
            f"({outcome.bad_windows} of {len(outcome.seeds)} runs)"
        )
    allowed = GATES.bad_days_small * len(outcome.seeds) if outcome.agents <= 3 else 0.0
    if outcome.bad_days > allowed and not cold:
        broken.append(f"{outcome.bad_days} of {len(outcome.seeds)} days")
    return tuple(broken)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
