"""Long histories of the simulated carrier: one seed is one history, and no history is absurd."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import datetime
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony_adapters.errors import TelephonyError, UnknownCall
from telephony_adapters.messages import (
    AnyCarrierEvent,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallEvent,
    CallId,
    CallPhase,
    CallProgress,
    CallRinging,
    InboundCall,
    LegId,
    LegRole,
    Originate,
    RecordingFinished,
)
from telephony_adapters.prompts import Prompt
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.null import NullCarrier
from telephony_adapters.simulator.script import FAIR_WEATHER, Outage, Script, rough_weather
from telephony_adapters.simulator.world import DialPlan, Past, SeededWorld
from tests.support.fixed_world import FixedWorld
from tests.support.manual_clock import ManualClock
from tests.support.permits import permit_for

ORDER = {InboundCall: 0, CallProgress: 0, CallRinging: 1, CallAnswered: 2, CallEnded: 9}
"""Where an event belongs in a call's life; the others come between answer and end."""
LEGS = [LegId(f"leg-{n}") for n in range(4)]


def command(n: int) -> Originate:
    return Originate(
        call_id=CallId(f"{n:026d}"),
        to=f"+1305{2_000_000 + n % 7_000_000:07d}",
        caller_id=None,
        trunk="main",
        ring_timeout_s=25,
        amd=n % 3 == 0,
        segment="1-30",
    )


class Shift:
    """A carrier on a manual clock, and everything that it said."""

    def __init__(self, seed: int, script: Script = FAIR_WEATHER) -> None:
        self.clock = ManualClock(settle_rounds=3)
        self.carrier = SimulatedCarrier(clock=self.clock, world=SeededWorld(seed), script=script)
        self.events: list[AnyCarrierEvent] = []
        self.originating: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        await self.carrier.start(self.events.append)
        for leg in LEGS:
            await self.carrier.open_agent_leg(leg, f"phone-of-{leg}")

    def dial(self, n: int) -> None:
        """Originate without waiting: an unknown outcome takes its time."""
        to_dial = command(n)
        permit = permit_for(to_dial.to, self.clock.now())
        self.originating.append(asyncio.create_task(self.carrier.originate(to_dial, permit)))

    async def bridge_somewhere(self, call_id: CallId) -> None:
        for leg in LEGS:
            try:
                await self.carrier.bridge(call_id, leg)
            except UnknownCall:
                return
            except TelephonyError:
                continue
            return

    async def finish(self) -> Counter[str]:
        """Let everything end; returns how the originates ended."""
        self.carrier.restore_connection()
        await self.clock.advance(60.0)
        for report in await self.carrier.list_calls():
            if report.phase is not CallPhase.ANSWERED:  # it rings without end
                await self.carrier.hangup(report.call_id)
        await self.clock.advance(7_200.0)
        ended = await asyncio.gather(*self.originating, return_exceptions=True)
        return Counter(type(each).__name__ for each in ended)


async def working_day(seed: int, script: Script, calls: int = 250) -> tuple[bytes, Counter[str]]:
    """Dial a number every 0.4 s and give each answer to a free agent, if there is one."""
    shift = Shift(seed, script)
    await shift.begin()
    seen = 0
    for n in range(calls):
        shift.dial(n)
        await shift.clock.advance(0.4)
        for event in shift.events[seen:]:
            if isinstance(event, CallAnswered):
                await shift.bridge_somewhere(event.call_id)
        seen = len(shift.events)
    ended = await shift.finish()
    assert await shift.carrier.list_calls() == []
    assert any(isinstance(event, CallBridged) for event in shift.events)
    return msgspec.json.encode(shift.events), ended


async def test_one_seed_is_one_history() -> None:
    script = Script(
        rules=rough_weather(11, 0.03).rules, outages=(Outage(after_s=40, for_s=10),), seed=11
    )
    first, ended = await working_day(11, script)
    second, ended_again = await working_day(11, script)
    assert first == second
    assert ended == ended_again
    assert set(ended) == {
        "NoneType", "OriginateRejected", "OutcomeUnknown", "CarrierUnavailable",
    }  # fmt: skip
    other, _ = await working_day(12, script)
    assert other != first


async def test_the_world_is_told_how_often_a_number_was_dialed() -> None:
    clock = ManualClock()
    pasts: list[Past] = []

    class Noted(FixedWorld):
        def dial(self, command: Originate, at: datetime, past: Past) -> DialPlan:
            pasts.append(past)
            return super().dial(command, at, past)

    carrier = SimulatedCarrier(clock=clock, world=Noted())
    await carrier.start(lambda _event: None)
    for n in range(3):
        to_dial = msgspec.structs.replace(command(n), to="+13055550100")
        await carrier.originate(to_dial, permit_for(to_dial.to, clock.now()))
        await clock.advance(4 * 24 * 3600.0)
    assert pasts == [Past(0, 0), Past(1, 1), Past(2, 1)]


HELLO = Prompt(text="hello", language="en")
OPERATIONS = (
    *("dial", "bridge", "hangup", "play", "callee", "agent", "open", "wire", "wait"),
    *("hold", "consult", "join", "part", "calls_us", "answer", "record", "pause", "stop"),
)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), rough=st.booleans())
async def test_whatever_is_done_calls_live_and_end_in_order(seed: int, rough: bool) -> None:
    """Random commands and interferences: events make sense and nothing stays behind."""
    rng = Random(seed)
    script = rough_weather(seed, 0.03) if rough else FAIR_WEATHER
    shift = Shift(seed, script)
    await shift.begin()
    dialed = 0
    came_in: list[CallId] = []
    for _ in range(200):
        operation = rng.choice(OPERATIONS)
        call_id = rng.choice([*came_in[-3:], command(rng.randrange(dialed + 1)).call_id])
        leg, other = rng.choice(LEGS), rng.choice(LEGS)
        try:
            match operation:
                case "dial":
                    shift.dial(dialed)
                    dialed += 1
                case "bridge":
                    await shift.carrier.bridge(call_id, leg)
                case "hangup":
                    await shift.carrier.hangup(call_id)
                case "play":
                    await shift.carrier.play(call_id, HELLO, f"p{rng.random()}")
                case "callee":
                    shift.carrier.callee_hangs_up(call_id)
                case "agent":
                    shift.carrier.agent_hangs_up(leg)
                case "open":
                    await shift.carrier.open_agent_leg(leg, f"phone-of-{leg}")
                case "hold":
                    await shift.carrier.hold(call_id)
                case "consult":
                    await shift.carrier.consult(leg, other)
                case "join":
                    await shift.carrier.join(call_id, leg, rng.choice(list(LegRole)))
                case "part":
                    await shift.carrier.part(call_id, leg)
                case "calls_us":
                    caller = rng.choice([None, command(dialed).to])
                    came_in.append(shift.carrier.somebody_calls(caller, "+13055550199"))
                case "answer":
                    await shift.carrier.answer(call_id)
                case "record":
                    await shift.carrier.record(call_id, f"rec-{rng.randrange(10**9)}")
                case "pause":
                    await shift.carrier.pause_recording(call_id, paused=rng.random() < 0.5)
                case "stop":
                    await shift.carrier.stop_recording(call_id)
                case "wire" if rng.random() < 0.3:
                    shift.carrier.lose_connection()
                case "wire":
                    shift.carrier.restore_connection()
                case _:
                    await shift.clock.advance(rng.uniform(0.0, 6.0))
        except TelephonyError:
            continue
        await check_bridges(shift)
        check_ears(shift.carrier)
    await shift.finish()
    assert await shift.carrier.list_calls() == [], f"seed {seed}"
    check_lives(shift.events, in_order=not rough)


async def check_bridges(shift: Shift) -> None:
    """No two calls on one leg, and only answered ones."""
    try:
        reports = await shift.carrier.list_calls()
    except TelephonyError:
        return
    bridged = [report for report in reports if report.bridged_leg is not None]
    assert len({report.bridged_leg for report in bridged}) == len(bridged)
    assert all(report.phase is CallPhase.ANSWERED for report in bridged)
    for report in reports:
        if report.phase is CallPhase.ANSWERED:
            heard = shift.carrier.heard_by_person(report.call_id)
            assert (report.bridged_leg in heard) if report.bridged_leg else not heard
            assert all(report.call_id in shift.carrier.heard_on(leg) for leg in heard)


def check_ears(carrier: SimulatedCarrier) -> None:
    """A leg hears one person at most; who consults hears each other and nobody else."""
    for leg in LEGS:
        try:
            heard = carrier.heard_on(leg)
        except UnknownCall:
            continue
        others = [one for one in LEGS if one in heard]
        persons = len(heard) - len(others)
        assert persons <= 1
        if heard and not persons:
            assert len(others) == 1
            assert carrier.heard_on(others[0]) == {leg}


def check_lives(events: list[AnyCarrierEvent], *, in_order: bool) -> None:
    """Ids are of one event each; a call ends once; in fair weather, nothing after the end."""
    by_id: dict[str, AnyCarrierEvent] = {}
    for event in events:
        assert by_id.setdefault(event.event_id, event) == event
    lives: dict[CallId, list[CallEvent]] = {}
    for event in by_id.values():
        if isinstance(event, CallEvent):
            lives.setdefault(event.call_id, []).append(event)
    for everything in lives.values():
        life = [event for event in everything if not isinstance(event, RecordingFinished)]
        assert sum(isinstance(event, CallEnded) for event in life) <= 1
        if in_order:
            ranks = [ORDER.get(type(event), 5) for event in life]
            assert ranks == sorted(ranks), life
            assert [event.at for event in life] == sorted(event.at for event in life)


class TimerHeap(ManualClock):
    """A manual clock that runs everything that is due without a pause, to measure the carrier."""

    def run_all(self) -> None:
        while self.next_due() is not None:
            self.run_next_timer()


@pytest.mark.parametrize(("kind", "limit_us"), [("simulated", 250.0), ("null", 60.0)])
async def test_a_call_costs_little(kind: str, limit_us: float) -> None:
    """Aims: 60 us of CPU a simulated call, 15 us a null call; the limits leave room for a slow
    machine and catch a change of magnitude."""
    calls = 3_000
    clock = TimerHeap()
    ended = 0

    def sink(event: AnyCarrierEvent) -> None:
        nonlocal ended
        ended += isinstance(event, CallEnded)

    carrier = (
        SimulatedCarrier(clock=clock, world=SeededWorld(1))
        if kind == "simulated"
        else NullCarrier(clock=clock)
    )
    await carrier.start(sink)
    work = [(command(n), permit_for(command(n).to, clock.now())) for n in range(calls)]
    began_s = time.process_time()
    for to_dial, permit in work:
        await carrier.originate(to_dial, permit)
    clock.run_all()
    took_us = (time.process_time() - began_s) / calls * 1e6
    assert ended == calls
    assert took_us < limit_us
