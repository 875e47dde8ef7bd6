"""Runs a pacer in a world on virtual time and measures what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt
from random import Random

from compliance.messages import Message
from dialer.core.pacing import (
    Abandoned,
    AgentOff,
    AgentOn,
    Connected,
    Decision,
    DialPlaced,
    Failed,
    LiveAnswer,
    MachineDetected,
    NoAnswer,
    Pacer,
    PacingEvent,
    Pickup,
    Snapshot,
    TalkEnded,
    WrapUpEnded,
)
from dialer.simulation.clock import VirtualClock
from dialer.simulation.worlds import World, check, value_at

MINUTE_S = 60.0
WINDOW_MINUTES = 30
WINDOW_ANSWERS = 200
"""A 30-minute window with fewer answers says nothing about a rate."""


class Minute(Message, frozen=True, kw_only=True):
    """One minute of a run."""

    at_s: float
    staffed: int
    """Agents at the end of the minute."""
    ringing: int
    """Calls at the end of the minute."""
    dials: int
    answered: int
    abandoned: int
    occupancy: float


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


class _Tally:
    """Counters of a run, by minute where they are plotted."""

    def __init__(self, minutes: int) -> None:
        self.dials = [0] * minutes
        self.answered = [0] * minutes
        self.abandoned = [0] * minutes
        self.busy_s = [0.0] * minutes
        self.staffed_s = [0.0] * minutes
        self.staffed = [0] * minutes
        self.ringing = [0] * minutes
        self.connected = 0
        self.waits = 0
        self.waited_s = 0.0
        self.line_s = 0.0


class PacingWorld:
    """Agents and calls of one campaign, driven by a pacer's decisions."""

    def __init__(
        self,
        world: World,
        pacer: Pacer,
        seed: int,
        on_decision: Callable[[Decision], None] | None = None,
    ) -> None:
        self._world = check(world)
        self._pacer = pacer
        self._seed = seed
        self._on_decision = on_decision
        self._clock = VirtualClock()
        self._calls = Random(f"{seed}:calls")
        self._work = Random(f"{seed}:work")
        self._shifts = Random(f"{seed}:shifts")
        self._minutes = _Tally(int(-(-world.duration_s // MINUTE_S)))
        self._idle: dict[str, float] = {}
        self._talking: dict[str, float] = {}
        self._wrapping: dict[str, float] = {}
        self._ringing: dict[str, dict[str, float]] = {s.name: {} for s in world.segments}
        self._in_amd: dict[str, float] = {}
        self._waiting: dict[str, float] = {}
        self._break_due: set[str] = set()
        self._leaving: set[str] = set()
        self._faults: dict[str, int] = {}
        self._law = ""
        self._dialed = self._answered = self._abandoned = 0

    def run(self) -> Result:
        """Run the whole shift."""
        world, clock = self._world, self._clock
        names = [f"a{i}" for i in range(world.agents)]
        starts_s = dict.fromkeys(names, 0.0)
        for arrival in world.arrivals:
            for name in self._shifts.sample(names, round(arrival.share * len(names))):
                starts_s[name] = arrival.from_s + self._shifts.uniform(0.0, arrival.within_s)
        for name in names:
            clock.at(starts_s[name], self._agent_on, name)
        for departure in world.departures:
            for name in self._shifts.sample(names, round(departure.share * len(names))):
                due_s = departure.from_s + self._shifts.uniform(0.0, departure.within_s)
                clock.at(due_s, self._leave, name)
        clock.at(0.0, self._decide)
        clock.run_until(world.duration_s)
        return self._result()

    # --- the pacer ----------------------------------------------------------------------------

    def _tell(self, event: PacingEvent) -> None:
        self._pacer.observe(event)

    def _decide(self) -> None:
        now_s = self._clock.now_s
        world = self._world
        if now_s >= world.duration_s:
            return
        weights = [max(0.0, value_at(s.share, now_s)) for s in world.segments]
        decision = self._pacer.decide(self._snapshot(now_s, weights))
        self._faults, self._law = decision.faults, decision.law.value
        if self._on_decision is not None:
            self._on_decision(decision)
        for _ in range(decision.calls_to_place):
            self._dial(now_s, weights)
        self._sample(now_s)
        self._clock.at(now_s + world.tick_s, self._decide)

    def _snapshot(self, now_s: float, weights: list[float]) -> Snapshot:
        return Snapshot(
            at_s=now_s,
            staffed=len(self._idle) + len(self._talking) + len(self._wrapping),
            idle_since_s=tuple(self._idle.values()),
            talking_since_s=tuple(self._talking.values()),
            wrapping_since_s=tuple(self._wrapping.values()),
            ringing_since_s={s: tuple(calls.values()) for s, calls in self._ringing.items()},
            in_amd_since_s=tuple(self._in_amd.values()),
            waiting_since_s=tuple(self._waiting.values()),
            upcoming={s.name: w for s, w in zip(self._world.segments, weights, strict=True)},
            dialed=self._dialed,
            answered=self._answered,
            abandoned=self._abandoned,
        )

    def _sample(self, now_s: float) -> None:
        world, minutes = self._world, self._minutes
        minute = int(now_s // MINUTE_S)
        staffed = len(self._idle) + len(self._talking) + len(self._wrapping)
        ringing = sum(map(len, self._ringing.values()))
        step_s = min(world.tick_s, world.duration_s - now_s)
        minutes.staffed[minute] = staffed
        minutes.ringing[minute] = ringing
        minutes.line_s += ringing * step_s

    # --- calls --------------------------------------------------------------------------------

    def _dial(self, now_s: float, weights: list[float]) -> None:
        world, calls, clock = self._world, self._calls, self._clock
        segment = world.segments[0]
        if len(world.segments) > 1:
            segment = calls.choices(world.segments, weights)[0]
        self._dialed += 1
        call_id = f"c{self._dialed}"
        self._minutes.dials[int(now_s // MINUTE_S)] += 1
        self._ringing[segment.name][call_id] = now_s
        self._tell(DialPlaced(at_s=now_s, call_id=call_id, segment=segment.name))
        live_rate = value_at(segment.live_rate, now_s)
        chance = calls.random()
        if world.memoryless:
            over_s = now_s + calls.expovariate(1.0 / world.ring_delay_mean_s)
            if chance < live_rate:
                clock.at(over_s, self._picked_up, call_id, segment.name, True)
            else:
                clock.at(over_s, self._rang_out, call_id, segment.name)
        elif chance < live_rate + world.machine_rate:
            live = chance < live_rate
            clock.at(now_s + self._ring_delay(), self._picked_up, call_id, segment.name, live)
        elif calls.random() < world.failed_rate:
            clock.at(now_s + calls.uniform(*world.failed_s), self._failed, call_id, segment.name)
        else:
            clock.at(now_s + world.ring_timeout_s, self._rang_out, call_id, segment.name)

    def _ring_delay(self) -> float:
        world = self._world
        shape = world.ring_delay_shape
        scale_s = (world.ring_delay_mean_s - world.ring_delay_min_s) / shape
        while True:
            delay_s = world.ring_delay_min_s + self._calls.gammavariate(shape, scale_s)
            if delay_s < world.ring_timeout_s:
                return delay_s

    def _failed(self, call_id: str, segment: str) -> None:
        del self._ringing[segment][call_id]
        self._tell(Failed(at_s=self._clock.now_s, call_id=call_id, cause="busy"))

    def _rang_out(self, call_id: str, segment: str) -> None:
        del self._ringing[segment][call_id]
        self._tell(NoAnswer(at_s=self._clock.now_s, call_id=call_id))

    def _picked_up(self, call_id: str, segment: str, live: bool) -> None:
        now_s, world = self._clock.now_s, self._world
        del self._ringing[segment][call_id]
        if world.machine_rate <= 0.0:
            self._live(call_id)
            return
        self._tell(Pickup(at_s=now_s, call_id=call_id))
        self._in_amd[call_id] = now_s
        mistaken = live and self._calls.random() < world.amd_false_machine
        delay_s = self._calls.uniform(*world.amd_s)
        self._clock.at(now_s + delay_s, self._detected, call_id, live, mistaken)

    def _detected(self, call_id: str, live: bool, mistaken: bool) -> None:
        del self._in_amd[call_id]
        if mistaken:
            self._count_answer()
            self._count_abandonment(call_id)
        elif live:
            self._live(call_id)
        else:
            self._tell(MachineDetected(at_s=self._clock.now_s, call_id=call_id))

    def _live(self, call_id: str) -> None:
        now_s = self._clock.now_s
        self._count_answer()
        self._tell(LiveAnswer(at_s=now_s, call_id=call_id))
        if self._idle:
            self._connect(call_id, next(iter(self._idle)))
        else:
            self._waiting[call_id] = now_s
            self._clock.at(now_s + self._world.connect_limit_s, self._give_up, call_id)

    def _give_up(self, call_id: str) -> None:
        if self._waiting.pop(call_id, None) is not None:
            self._count_abandonment(call_id)

    def _count_answer(self) -> None:
        self._answered += 1
        self._minutes.answered[self._minute()] += 1

    def _count_abandonment(self, call_id: str) -> None:
        self._abandoned += 1
        self._minutes.abandoned[self._minute()] += 1
        self._tell(Abandoned(at_s=self._clock.now_s, call_id=call_id))

    def _minute(self) -> int:
        return min(int(self._clock.now_s // MINUTE_S), len(self._minutes.dials) - 1)

    # --- agents -------------------------------------------------------------------------------

    def _agent_on(self, agent: str) -> None:
        if agent in self._leaving:
            return
        self._tell(AgentOn(at_s=self._clock.now_s, agent_id=agent))
        if self._world.break_s > 0:
            due_s = self._clock.now_s + self._shifts.uniform(*self._world.break_every_s)
            self._clock.at(due_s, self._break, agent)
        self._free(agent)

    def _free(self, agent: str) -> None:
        self._idle[agent] = self._clock.now_s
        if self._waiting:
            call_id = next(iter(self._waiting))
            del self._waiting[call_id]
            self._connect(call_id, agent)

    def _connect(self, call_id: str, agent: str) -> None:
        now_s = self._clock.now_s
        idle_since_s = self._idle.pop(agent)
        self._minutes.waits += 1
        self._minutes.waited_s += now_s - idle_since_s
        self._minutes.connected += 1
        self._staffed_for(idle_since_s, now_s, busy=False)
        self._talking[agent] = now_s
        self._tell(Connected(at_s=now_s, call_id=call_id, agent_id=agent))
        talk_s = self._talk_s()
        self._clock.at(now_s + talk_s, self._talk_over, agent, talk_s)

    def _talk_s(self) -> float:
        world = self._world
        if world.memoryless:
            return self._work.expovariate(1.0 / world.talk_mean_s)
        mean_s = world.talk_mean_s
        if world.hang_up_share > 0 and self._work.random() < world.hang_up_share:
            mean_s = world.hang_up_mean_s
        return _lognormal(self._work, mean_s, world.talk_cv)

    def _talk_over(self, agent: str, talk_s: float) -> None:
        now_s, world = self._clock.now_s, self._world
        self._staffed_for(self._talking.pop(agent), now_s, busy=True)
        self._wrapping[agent] = now_s
        self._tell(TalkEnded(at_s=now_s, agent_id=agent, talk_s=talk_s))
        wrap_s = _lognormal(self._work, world.wrap_up_mean_s, world.wrap_up_cv)
        self._clock.at(now_s + wrap_s, self._wrapped_up, agent, wrap_s)

    def _wrapped_up(self, agent: str, wrap_s: float) -> None:
        now_s = self._clock.now_s
        self._staffed_for(self._wrapping.pop(agent), now_s, busy=True)
        goes = agent in self._leaving or agent in self._break_due
        self._tell(WrapUpEnded(at_s=now_s, agent_id=agent, wrap_up_s=wrap_s, stays=not goes))
        if goes:
            self._away(agent)
        else:
            self._free(agent)

    def _break(self, agent: str) -> None:
        self._break_due.add(agent)
        self._off_if_idle(agent)

    def _leave(self, agent: str) -> None:
        self._leaving.add(agent)
        self._off_if_idle(agent)

    def _off_if_idle(self, agent: str) -> None:
        if agent in self._idle:
            now_s = self._clock.now_s
            self._staffed_for(self._idle.pop(agent), now_s, busy=False)
            self._tell(AgentOff(at_s=now_s, agent_id=agent))
            self._away(agent)

    def _away(self, agent: str) -> None:
        if agent in self._leaving:
            return
        self._break_due.discard(agent)
        self._clock.at(self._clock.now_s + self._world.break_s, self._agent_on, agent)

    # --- measuring ----------------------------------------------------------------------------

    def _staffed_for(self, from_s: float, to_s: float, *, busy: bool) -> None:
        """Add an agent's time to the minutes it lies in."""
        minutes = self._minutes
        to_s = min(to_s, self._world.duration_s)
        while from_s < to_s:
            minute = int(from_s // MINUTE_S)
            until_s = min(to_s, (minute + 1) * MINUTE_S)
            minutes.staffed_s[minute] += until_s - from_s
            if busy:
                minutes.busy_s[minute] += until_s - from_s
            from_s = until_s

    def _result(self) -> Result:
        end_s, world, minutes = self._world.duration_s, self._world, self._minutes
        for since_s in self._idle.values():
            self._staffed_for(since_s, end_s, busy=False)
        for since_s in (*self._talking.values(), *self._wrapping.values()):
            self._staffed_for(since_s, end_s, busy=True)
        staffed_s, busy_s = sum(minutes.staffed_s), sum(minutes.busy_s)
        return Result(
            world=world.name,
            law=self._law,
            agents=world.agents,
            seed=self._seed,
            duration_s=end_s,
            occupancy=_share(busy_s, staffed_s),
            abandoned_share=_share(self._abandoned, self._answered),
            worst_30min_share=_worst_window(minutes.answered, minutes.abandoned),
            idle_wait_s=_share(minutes.waited_s, minutes.waits),
            dials=self._dialed,
            answered=self._answered,
            abandoned=self._abandoned,
            connected=minutes.connected,
            lines_per_agent=_share(minutes.line_s, staffed_s),
            staffed_s=staffed_s,
            busy_s=busy_s,
            faults=dict(self._faults),
            timeline=tuple(
                Minute(
                    at_s=i * MINUTE_S,
                    staffed=minutes.staffed[i],
                    ringing=minutes.ringing[i],
                    dials=minutes.dials[i],
                    answered=minutes.answered[i],
                    abandoned=minutes.abandoned[i],
                    occupancy=_share(minutes.busy_s[i], minutes.staffed_s[i]),
                )
                for i in range(len(minutes.dials))
            ),
        )


def run_pacing(
    pacer: Pacer,
    world: World,
    seed: int,
    on_decision: Callable[[Decision], None] | None = None,
) -> Result:
    """Run a fresh pacer through a world. The same pacer, world and seed give the same result."""
    return PacingWorld(world, pacer, seed, on_decision).run()


def _lognormal(random: Random, mean: float, cv: float) -> float:
    variance = log(1.0 + cv * cv)
    return random.lognormvariate(log(mean) - variance / 2.0, sqrt(variance))


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _worst_window(answered: list[int], abandoned: list[int]) -> float:
    worst = 0.0
    for i in range(len(answered) - WINDOW_MINUTES + 1):
        answers = sum(answered[i : i + WINDOW_MINUTES])
        if answers >= WINDOW_ANSWERS:
            worst = max(worst, sum(abandoned[i : i + WINDOW_MINUTES]) / answers)
    return worst
