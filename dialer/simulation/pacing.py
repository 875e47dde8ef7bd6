"""Runs a pacer in a world on virtual time and measures what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import log, sqrt
from random import Random

from compliance.messages import Message
from dialer.core.pacing import Decider, Decision
from dialer.simulation.floor import Ending, Fate, Floor, FloorSettings
from dialer.simulation.tally import Minute, share
from dialer.simulation.worlds import World, check, value_at


class Result(Message, frozen=True, kw_only=True):
    """What a run came to. Shares are of 1."""

    world: str
    law: str
    agents: int
    seed: int
    duration_s: float
    occupancy: float
    """(Talk + wrap-up) / staffed time."""
    abandoned_share: float
    """Abandoned / answered by a person, over the whole run."""
    worst_30min_share: float
    """Highest such share in any 30 minutes with at least 200 answers; 0 where there are none."""
    idle_wait_s: float
    """Mean time an agent waits for a call."""
    dials: int
    answered: int
    abandoned: int
    connected: int
    lines_per_agent: float
    """Mean ringing calls per staffed agent."""
    staffed_s: float
    busy_s: float
    faults: dict[str, int]
    timeline: tuple[Minute, ...]


class _Callees:
    """People who answer as a `World` says. Each is dialed once."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._calls = Random(f"{seed}:calls")
        self._work = Random(f"{seed}:work")
        self._shares_at: tuple[float, list[float]] = (-1.0, [])

    def shares(self, now_s: float) -> Mapping[str, float]:
        weights = self._weights(now_s)
        return {s.name: w for s, w in zip(self._world.segments, weights, strict=True)}

    def _weights(self, now_s: float) -> list[float]:
        if self._shares_at[0] != now_s:
            weights = [max(0.0, value_at(s.share, now_s)) for s in self._world.segments]
            self._shares_at = (now_s, weights)
        return self._shares_at[1]

    def caps(self, now_s: float) -> dict[str, int]:
        return {}

    def dial(self, now_s: float, idle: Collection[str]) -> Fate:
        world, calls = self._world, self._calls
        segment = world.segments[0]
        if len(world.segments) > 1:
            segment = calls.choices(world.segments, self._weights(now_s))[0]
        live_rate = value_at(segment.live_rate, now_s)
        chance = calls.random()
        if world.memoryless:
            after_s = calls.expovariate(1.0 / world.ring_delay_mean_s)
            live = chance < live_rate
            return Fate(Ending.PERSON if live else Ending.RANG_OUT, after_s, segment.name)
        if chance < live_rate + world.machine_rate:
            ending = Ending.PERSON if chance < live_rate else Ending.MACHINE
            return Fate(ending, self._ring_delay(), segment.name)
        if calls.random() < world.failed_rate:
            return Fate(Ending.FAILED, calls.uniform(*world.failed_s), segment.name)
        return Fate(Ending.RANG_OUT, world.ring_timeout_s, segment.name)

    def _ring_delay(self) -> float:
        world = self._world
        shape = world.ring_delay_shape
        scale_s = (world.ring_delay_mean_s - world.ring_delay_min_s) / shape
        while True:
            delay_s = world.ring_delay_min_s + self._calls.gammavariate(shape, scale_s)
            if delay_s < world.ring_timeout_s:
                return delay_s

    def detection(self, fate: Fate) -> tuple[float, bool]:
        live = fate.ending is Ending.PERSON
        mistaken = live and self._calls.random() < self._world.amd_false_machine
        return self._calls.uniform(*self._world.amd_s), mistaken

    def talk_s(self, fate: Fate) -> float:
        world = self._world
        if world.memoryless:
            return self._work.expovariate(1.0 / world.talk_mean_s)
        mean_s = world.talk_mean_s
        if world.hang_up_share > 0 and self._work.random() < world.hang_up_share:
            mean_s = world.hang_up_mean_s
        return lognormal(self._work, mean_s, world.talk_cv)

    def wrap_up_s(self, fate: Fate) -> float:
        return lognormal(self._work, self._world.wrap_up_mean_s, self._world.wrap_up_cv)

    def ended(self, fate: Fate, now_s: float, *, abandoned: bool) -> None:
        return None


class _Shift:
    """Arrivals, breaks at random and departures, as a `World` says."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._shifts = Random(f"{seed}:shifts")
        self._gone: set[str] = set()

    def begin(self, floor: Floor) -> None:
        world, clock = self._world, floor.clock
        names = [f"a{i}" for i in range(world.agents)]
        starts_s = dict.fromkeys(names, 0.0)
        for arrival in world.arrivals:
            for name in self._shifts.sample(names, round(arrival.share * len(names))):
                starts_s[name] = arrival.from_s + self._shifts.uniform(0.0, arrival.within_s)
        for name in names:
            clock.at(starts_s[name], self._come, floor, name)
        for departure in world.departures:
            for name in self._shifts.sample(names, round(departure.share * len(names))):
                due_s = departure.from_s + self._shifts.uniform(0.0, departure.within_s)
                clock.at(due_s, self._go, floor, name)

    def _come(self, floor: Floor, agent: str) -> None:
        if agent not in self._gone:
            floor.come(agent)

    def _go(self, floor: Floor, agent: str) -> None:
        self._gone.add(agent)
        floor.leave(agent)

    def came(self, floor: Floor, agent: str) -> None:
        if self._world.break_s > 0:
            due_s = floor.clock.now_s + self._shifts.uniform(*self._world.break_every_s)
            floor.clock.at(due_s, floor.leave, agent)

    def left(self, floor: Floor, agent: str) -> None:
        if agent not in self._gone:
            floor.clock.at(floor.clock.now_s + self._world.break_s, self._come, floor, agent)


def run_pacing(
    pacer: Decider,
    world: World,
    seed: int,
    on_decision: Callable[[Decision], None] | None = None,
) -> Result:
    """Run a fresh pacer through a world. The same pacer, world and seed give the same result."""
    check(world)
    settings = FloorSettings(
        duration_s=world.duration_s,
        tick_s=world.tick_s,
        connect_limit_s=world.connect_limit_s,
        give_up_after_s=world.give_up_after_s,
        amd=world.machine_rate > 0,
    )
    floor = Floor(settings, _Callees(world, seed), _Shift(world, seed), pacer, on_decision)
    floor.run()
    return _result(world, seed, floor)


def _result(world: World, seed: int, floor: Floor) -> Result:
    tally = floor.tally
    staffed_s, busy_s = sum(tally.staffed_s), sum(tally.busy_s)
    return Result(
        world=world.name,
        law=floor.law,
        agents=world.agents,
        seed=seed,
        duration_s=world.duration_s,
        occupancy=share(busy_s, staffed_s),
        abandoned_share=share(floor.abandoned, floor.answered),
        worst_30min_share=tally.worst_30min or 0.0,
        idle_wait_s=share(sum(tally.waits_s), len(tally.waits_s)),
        dials=floor.dialed,
        answered=floor.answered,
        abandoned=floor.abandoned,
        connected=tally.connected,
        lines_per_agent=share(tally.line_s, staffed_s),
        staffed_s=staffed_s,
        busy_s=busy_s,
        faults=dict(floor.faults),
        timeline=tally.minutes(),
    )


def lognormal(random: Random, mean: float, cv: float) -> float:
    """Of the given mean and coefficient of variation."""
    variance = log(1.0 + cv * cv)
    return random.lognormvariate(log(mean) - variance / 2.0, sqrt(variance))
