"""Calls to us on a day: a stream by the hour, a line, and the agents who take it first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from math import exp
from random import Random
from typing import Final

import msgspec

from dialer.simulation.floor import Floor
from dialer.simulation.tally import share
from dialer.simulation.twin.callbacks import Contacts, hour_of_day
from dialer.simulation.twin.definition import TwinDefinition
from dialer.simulation.twin.meeting import (
    Chance,
    Rates,
    lognormal,
    talk_of,
    who_speaks,
    wrap_up_of,
)
from dialer.simulation.twin.results import InboundFigures, quantile

_POISSON_STEP: Final = 500.0
"""A larger mean is drawn in parts: `exp(-mean)` must not vanish."""


class Caller(msgspec.Struct, frozen=True):
    number: int
    came_s: float


class TwinCallers:
    """Satisfies `dialer.simulation.floor.Callers`. Who calls when depends on the seed alone."""

    def __init__(
        self,
        definition: TwinDefinition,
        opens_at: datetime,
        seed: int,
        on_missed: Callable[[float], None],
    ) -> None:
        self._definition = definition
        self._chance = Chance(seed)
        self._on_missed = on_missed
        self._line: deque[Caller] = deque()
        self._waits_s: list[float] = []
        self._missed = self._turned_away = 0
        self.counts = Contacts()
        random = Random(f"{seed}:callers")
        times_s: list[float] = []
        for hour, mean in sorted(definition.inbound.by_hour.items()):
            from_s, to_s = hour_of_day(definition, opens_at, hour)
            calls = _poisson(random, mean * (to_s - from_s) / 3600.0)
            times_s += [random.uniform(from_s, to_s) for _ in range(calls)]
        self._callers = [Caller(number, at_s) for number, at_s in enumerate(sorted(times_s))]
        self._floor: Floor | None = None

    def begin(self, floor: Floor) -> None:
        self._floor = floor
        for caller in self._callers:
            floor.clock.at(caller.came_s, self._came, floor, caller)

    def _came(self, floor: Floor, caller: Caller) -> None:
        spec = self._definition.inbound
        agent = floor.longest_idle()
        if agent is not None:
            self._connect(floor, caller, agent)
        elif len(self._line) >= spec.max_waiting:
            self._turned_away += 1
        else:
            self._line.append(caller)
            patience_s = lognormal(self._chance.of(f"caller|{caller.number}")[6], spec.patience)
            limit_s = min(spec.wait_s, patience_s)
            floor.clock.at(caller.came_s + limit_s, self._give_up, floor, caller)

    def _give_up(self, floor: Floor, caller: Caller) -> None:
        if caller in self._line:
            self._line.remove(caller)
            self._missed += 1
            if self._definition.inbound.call_back:
                self._on_missed(floor.clock.now_s)

    def take(self, agent: str) -> bool:
        if not self._line or self._floor is None:
            return False
        self._connect(self._floor, self._line.popleft(), agent)
        return True

    def _connect(self, floor: Floor, caller: Caller, agent: str) -> None:
        definition, spec = self._definition, self._definition.inbound
        draws = self._chance.of(f"caller|{caller.number}")
        call = who_speaks(Rates(1.0, spec.right_party, spec.promise), draws)
        self._waits_s.append(floor.clock.now_s - caller.came_s)
        self.counts.count(call)
        work = definition.work
        floor.engage(agent, talk_of(work, call, draws), wrap_up_of(work, call, draws))

    def figures(self) -> InboundFigures | None:
        """None: nobody calls us."""
        if not self._definition.inbound.by_hour:
            return None
        waits_s = sorted(self._waits_s)
        return InboundFigures(
            calls=len(self._callers),
            connected=len(waits_s),
            # Whoever is in line when the floor closes has waited in vain too.
            missed=self._missed + len(self._line),
            turned_away=self._turned_away,
            right_party=self.counts.right_party,
            promises=self.counts.promises,
            wait_mean_s=share(sum(waits_s), len(waits_s)),
            wait_p90_s=quantile(waits_s, 0.90),
        )


def _poisson(random: Random, mean: float) -> int:
    """How many come, by counting exponential gaps."""
    count = 0
    while mean > 0.0:
        part = min(mean, _POISSON_STEP)
        mean -= part
        left = random.random()
        while left > exp(-part):
            left *= random.random()
            count += 1
    return count
