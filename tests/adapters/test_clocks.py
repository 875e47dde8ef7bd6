"""One carrier runs on every clock: by hand in tests, the wall's and a simulated day's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from dialer.runtime import clock as engine
from telephony_adapters.clock import Clock
from telephony_adapters.messages import AnyCarrierEvent, CallEnded, CallId, HangupCause, Originate
from telephony_adapters.simulator.carrier import SimulatedCarrier
from tests.support.fixed_world import FixedWorld
from tests.support.manual_clock import START, ManualClock
from tests.support.permits import permit_for


async def test_a_simulated_day_runs_on_the_engines_clock() -> None:
    clock: Clock = engine.SimulatedClock(datetime(2026, 6, 3, 15, tzinfo=UTC), 500.0)
    carrier = SimulatedCarrier(clock=clock, world=FixedWorld())
    ended: asyncio.Future[CallEnded] = asyncio.get_running_loop().create_future()

    def sink(event: AnyCarrierEvent) -> None:
        if isinstance(event, CallEnded):
            ended.set_result(event)

    await carrier.start(sink)
    command = Originate(
        call_id=CallId("0" * 26),
        to="+13055550100",
        caller_id=None,
        trunk="main",
        ring_timeout_s=20,
    )
    before = clock.now()
    await carrier.originate(command, permit_for(command.to, before, valid_s=3600.0))
    end = await asyncio.wait_for(ended, 10)
    assert end.cause is HangupCause.NO_ANSWER
    assert (end.at - before).total_seconds() >= 20


async def test_the_manual_clock_is_a_clock_of_engine_and_adapters() -> None:
    manual = ManualClock()
    clocks: tuple[Clock, engine.Clock] = (manual, manual)
    assert all(clock.now() == START for clock in clocks)
    wall: Clock = engine.WallClock()
    assert wall.now().tzinfo is not None


async def test_timers_run_in_order_of_their_instants() -> None:
    clock = ManualClock()
    ran: list[tuple[str, float]] = []

    def note(name: str) -> None:
        ran.append((name, (clock.now() - START).total_seconds()))

    def set_nested() -> None:
        clock.call_later(0.5, lambda: note("nested"))

    clock.call_later(2, lambda: note("late"))
    clock.call_later(1, lambda: note("first"))
    clock.call_later(1, lambda: note("second"))
    clock.call_later(1, set_nested)
    cancelled = clock.call_later(1, lambda: note("cancelled"))
    cancelled.cancel()
    await clock.advance(1.2)
    assert ran == [("first", 1), ("second", 1)]
    assert clock.now() == START + timedelta(seconds=1.2)
    assert clock.next_due() == START + timedelta(seconds=1.5)
    await clock.advance(10)
    assert ran[2:] == [("nested", 1.5), ("late", 2)]
    assert clock.next_due() is None


async def test_tasks_sleep_until_the_clock_is_moved() -> None:
    clock = ManualClock()
    woken: list[int] = []

    async def nap(n: int) -> None:
        await clock.sleep(n)
        await clock.sleep(n)
        woken.append(n)

    naps = [asyncio.create_task(nap(n)) for n in (3, 1, 2)]
    await clock.advance(3.9)
    assert woken == [1]
    await clock.run_until(lambda: len(woken) == 3)
    assert woken == [1, 2, 3]
    assert clock.now() == START + timedelta(seconds=6)
    await asyncio.gather(*naps)


async def test_waiting_for_what_never_comes_says_so() -> None:
    clock = ManualClock()
    with pytest.raises(TimeoutError, match="nothing is due"):
        await clock.run_until(lambda: False)
    clock.call_later(100, lambda: None)
    with pytest.raises(TimeoutError, match="still false"):
        await clock.run_until(lambda: False, limit_s=10)


async def test_code_with_real_io_is_waited_for() -> None:
    quiet: list[datetime] = []

    async def note_quiet() -> None:
        quiet.append(clock.now())

    clock = ManualClock(quiesce=note_quiet)
    clock.call_later(1, lambda: None)
    await clock.advance(2)
    assert quiet == [START, START + timedelta(seconds=1)]
