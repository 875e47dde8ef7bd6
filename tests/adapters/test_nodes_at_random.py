"""Hours of calls over simulated nodes that come and go: every call is accounted for, no limit is
broken, and nothing stays behind."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Final

import pytest

from telephony_adapters.errors import (
    CarrierUnavailable,
    OriginateRejected,
    OutcomeUnknown,
    UnknownCall,
)
from telephony_adapters.messages import (
    AnyCarrierEvent,
    CallEnded,
    CallEvent,
    CallId,
    CallReport,
    CarrierDown,
    CarrierUp,
    Originate,
)
from telephony_adapters.nodes.carrier import NodesCarrier
from telephony_adapters.nodes.settings import NodeLimits, NodesSettings
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.script import Outage, Script, rough_weather
from telephony_adapters.simulator.world import SeededWorld
from tests.support.manual_clock import ManualClock
from tests.support.permits import permit_for

SETTINGS: Final = NodesSettings(down_s=5.0, lost_s=30.0)
HOURS_S: Final = 3_600.0
STEP_S: Final = 3.0
MOST_LINES: Final = 12
WANTED_SHARE: Final = 0.02
"""Of the live calls, that somebody hangs up in one step."""
SILENCE_S: Final = 150.0
"""A call of which nothing is heard for so long is hung up, as the engine does."""


class Accountant:
    """Keeps the calls as the engine does: by events, by lists after an outage, by silence."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = ManualClock()
        self.nodes = {
            name: SimulatedCarrier(
                clock=self.clock,
                world=SeededWorld(seed + place),
                script=self.weather(seed + place),
                name=f"node-{name}",
            )
            for place, name in enumerate(("a", "b", "c"))
        }
        limits = [
            NodeLimits(name=name, max_originates_per_s=2.0, max_lines=MOST_LINES)
            for name in self.nodes
        ]
        pairs = list(zip(limits, self.nodes.values(), strict=True))
        self.carrier = NodesCarrier(pairs, SETTINGS, self.clock)
        self.live: dict[CallId, float] = {}
        """Open calls, and when they were last heard of."""
        self.how: Counter[str] = Counter()
        self.placed = 0
        self.tasks: set[asyncio.Task[None]] = set()

    def weather(self, seed: int) -> Script:
        rng = random.Random(f"weather {seed}")
        outages, at_s = [], 0.0
        while at_s < HOURS_S:
            at_s += rng.uniform(60.0, 900.0)
            for_s = rng.choice((0.5, 8.0, 45.0, 200.0))
            outages.append(Outage(after_s=at_s, for_s=for_s))
            at_s += for_s
        return Script(rules=rough_weather(seed, 0.03).rules, outages=tuple(outages), seed=seed)

    def now_s(self) -> float:
        return self.clock.now().timestamp()

    def hear(self, event: AnyCarrierEvent) -> None:
        if isinstance(event, CallEvent) and event.call_id in self.live:
            self.live[event.call_id] = self.now_s()
            if isinstance(event, CallEnded):
                self.end(event.call_id, "told")
        elif isinstance(event, CarrierUp):
            self.start(self.compare())
        elif isinstance(event, CarrierDown):
            self.how["all_down"] += 1

    def end(self, call_id: CallId, how: str) -> None:
        if self.live.pop(call_id, None) is not None:
            self.how[how] += 1

    def start(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def place(self) -> None:
        self.placed += 1
        call_id = CallId(f"{self.placed:026d}")
        to = f"+1305555{self.placed % 10_000:04d}"
        command = Originate(call_id=call_id, to=to, caller_id=None, trunk="main", ring_timeout_s=25)
        self.live[call_id] = self.now_s()
        try:
            await self.carrier.originate(command, permit_for(to, self.clock.now()))
        except (OriginateRejected, CarrierUnavailable) as error:
            self.end(call_id, error.provider_code or error.code)
        except OutcomeUnknown:
            self.how["in_doubt"] += 1

    async def compare(self) -> None:
        """After `CarrierUp`: what is not listed has vanished."""
        before = {call_id for call_id, heard_s in self.live.items() if heard_s < self.now_s() - 5.0}
        try:
            listed = {report.call_id for report in await self.carrier.list_calls()}
        except CarrierUnavailable:
            return
        for call_id in before - listed:
            self.end(call_id, "vanished")

    async def sweep(self) -> None:
        """End what is silent for long, and now and then what somebody wants to end."""
        for call_id, heard_s in list(self.live.items()):
            if heard_s < self.now_s() - SILENCE_S or self.rng.random() < WANTED_SHARE:
                try:
                    await self.carrier.hangup(call_id)
                except UnknownCall:
                    self.end(call_id, "unknown")
                except CarrierUnavailable:
                    self.how["not_now"] += 1

    async def check_limits(self) -> None:
        for figures in self.carrier.figures():
            assert 0 <= figures.lines <= MOST_LINES
            assert len(await _listed(self.nodes[figures.name])) <= MOST_LINES


async def _listed(node: SimulatedCarrier) -> list[CallReport]:
    try:
        return await node.list_calls()
    except CarrierUnavailable:
        return []


@pytest.mark.parametrize("seed", range(1, 7))
async def test_every_call_is_accounted_for(seed: int) -> None:
    house = Accountant(seed)
    await house.carrier.start(house.hear)
    for _ in range(round(HOURS_S / STEP_S)):
        for _ in range(house.rng.choice((0, 1, 1, 2, 8))):
            house.start(house.place())
        await house.clock.advance(STEP_S)
        await house.sweep()
        await house.check_limits()
    for _ in range(200):  # the last calls, and the last outages
        await house.clock.advance(10.0)
        await house.sweep()
    await house.compare()
    assert house.live == {}, f"seed {seed}: {house.how}"
    notes = sum(house.how[note] for note in ("all_down", "in_doubt", "not_now"))
    assert sum(house.how.values()) - notes == house.placed
    assert [figures.lines for figures in house.carrier.figures()] == [0, 0, 0], f"seed {seed}"
    assert {"told", "vanished", "in_doubt", "unknown", "not_now"} <= set(house.how), house.how
    assert sum(figures.given_up for figures in house.carrier.figures()) > 0
    await house.carrier.stop()
