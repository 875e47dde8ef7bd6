"""What breaks around conversations on a real Asterisk: the connection, the engine, the process,
the disk, a device; and what is left of each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from dialer.runtime.clock import WallClock
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.errors import OriginateRejected
from telephony_adapters.lab.network import Network, running_network
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    AnyCarrierEvent,
    CallAnswered,
    CallEnded,
    CallHeld,
    CallId,
    CallParted,
    CallPhase,
    CarrierDown,
    CarrierUp,
    HangupCause,
    LegId,
    LegRole,
    RecordingFinished,
)
from tests.adapters.asterisk_lab import AsteriskLab, asterisk_lab, eventually
from tests.adapters.conformance_control import (
    Situation,
    bridged_leg,
    consulting,
    held,
    hold,
    is_free,
    join,
    supervised,
    three_way,
    whispered_to,
)
from tests.adapters.conformance_inbound import CALLER, comes_in, inbound
from tests.adapters.conformance_recording import length_ms
from tests.adapters.lab import FarEnd

pytestmark = pytest.mark.xdist_group("asterisk")
with_a_part = pytest.mark.parametrize("situation", [three_way, supervised, whispered_to])


@pytest_asyncio.fixture
async def lab(network: Network) -> AsyncIterator[AsteriskLab]:
    async with asterisk_lab(network) as started:
        yield started


@asynccontextmanager
async def outage(lab: AsteriskLab) -> AsyncIterator[None]:
    """The connection to Asterisk is cut meanwhile."""
    await lab.lose_connection()
    yield
    before = len(lab.events)
    await lab.restore_connection()
    await lab.until(lambda: any(isinstance(event, CarrierUp) for event in lab.events[before:]))


@asynccontextmanager
async def next_life(
    lab: AsteriskLab,
) -> AsyncIterator[tuple[AsteriskCarrier, list[AnyCarrierEvent]]]:
    """The engine dies and another one takes its place."""
    await lab.adapter.stop()
    carrier = AsteriskCarrier(lab.settings, WallClock())
    told: list[AnyCarrierEvent] = []
    await carrier.start(told.append)
    try:
        yield carrier, told
    finally:
        await carrier.stop()


async def has_channels(lab: AsteriskLab, expected: Mapping[str, int]) -> bool:
    """Whether just so many calls, legs, ears and tapes live in Asterisk for us."""
    prefix = f"{lab.settings.app}."
    kinds = [channel.id.removeprefix(prefix).split(".")[0] for channel in await lab.channels()]
    return Counter(kinds) == expected


# --- the connection is lost -----------------------------------------------------------------------


@pytest.mark.parametrize("situation", [held, consulting])
async def test_a_person_who_holds_hangs_up_unheard(lab: AsteriskLab, situation: Situation) -> None:
    call_id, leg_id, other = await situation(lab)
    async with outage(lab):
        await lab.callee_hangs_up(call_id)
    assert await lab.report(call_id) is None
    await is_free(lab, leg_id)
    await is_free(lab, other)


async def test_a_person_holds_through_an_outage(lab: AsteriskLab) -> None:
    call_id, leg_id, _ = await held(lab)
    async with outage(lab):
        pass
    assert await bridged_leg(lab, call_id) is None
    assert len(lab.of(CallHeld, call_id)) == 1
    await lab.bridge(call_id, leg_id)


@with_a_part
async def test_a_part_lives_through_an_outage(lab: AsteriskLab, situation: Situation) -> None:
    call_id, leg_id, other = await situation(lab)
    async with outage(lab):
        pass
    assert await bridged_leg(lab, call_id) == leg_id
    assert lab.of(CallParted, call_id) == []
    await lab.adapter.part(call_id, other)
    await lab.first(CallParted, call_id)
    await is_free(lab, other)


@with_a_part
async def test_an_agent_goes_unheard(lab: AsteriskLab, situation: Situation) -> None:
    call_id, leg_id, other = await situation(lab)
    async with outage(lab):
        await lab.agent_hangs_up(leg_id)
    await lab.first(AgentLegDown, leg_id)
    assert (await lab.first(CallParted, call_id)).leg_id == other
    await lab.bridge(call_id, other)


@with_a_part
async def test_a_further_leg_goes_unheard(lab: AsteriskLab, situation: Situation) -> None:
    call_id, leg_id, other = await situation(lab)
    async with outage(lab):
        await lab.agent_hangs_up(other)
    await lab.first(AgentLegDown, other)
    assert (await lab.first(CallParted, call_id)).leg_id == other
    assert await bridged_leg(lab, call_id) == leg_id


async def test_a_recording_that_ends_unheard_is_told(lab: AsteriskLab) -> None:
    call_id, _ = await lab.converse()
    await lab.adapter.record(call_id, "unheard")
    await lab.pass_time(1.0)
    async with outage(lab):
        await lab.callee_hangs_up(call_id)
    finished = await lab.first(RecordingFinished, "unheard")
    assert not finished.failed
    assert finished.duration_ms == pytest.approx(1_000, abs=600)
    assert await length_ms(lab, "unheard") == finished.duration_ms


async def test_a_recording_goes_on_through_an_outage(lab: AsteriskLab) -> None:
    call_id, _ = await lab.converse()
    await lab.adapter.record(call_id, "through")
    async with outage(lab):
        await lab.pass_time(0.5)
    await lab.adapter.stop_recording(call_id)
    assert not (await lab.first(RecordingFinished, "through")).failed


async def test_who_calls_in_an_outage_is_not_left_ringing(lab: AsteriskLab) -> None:
    waits = await comes_in(lab)
    async with outage(lab):
        await lab.somebody_calls(CALLER)
        await lab.until(lambda: lab.callers[-1].gone)
    assert [report.call_id for report in await lab.adapter.list_calls()] == [waits.call_id]
    assert len(inbound(lab)) == 1
    await lab.adapter.answer(waits.call_id)
    await lab.first(CallAnswered, waits.call_id)


async def only_calls(lab: AsteriskLab, number: int) -> bool:
    return len(await lab.channels()) == number


# --- the engine dies ------------------------------------------------------------------------------


@with_a_part
async def test_no_ear_is_left_by_an_engine_that_died(
    lab: AsteriskLab, situation: Situation
) -> None:
    call_id, _, _ = await situation(lab)
    async with next_life(lab) as (carrier, told):
        await eventually(lambda: only_calls(lab, 1))
        assert [report.call_id for report in await carrier.list_calls()] == [call_id]
        await carrier.hangup(call_id)
        await lab.until(lambda: any(isinstance(event, CallEnded) for event in told))


async def test_a_person_who_holds_is_found_by_the_next_engine(lab: AsteriskLab) -> None:
    call_id, _, _ = await held(lab)
    async with next_life(lab) as (carrier, told):
        (report,) = await carrier.list_calls()
        assert (report.call_id, report.phase) == (call_id, CallPhase.ANSWERED)
        leg_id = LegId("leg-of-the-next-life-00001")
        await carrier.open_agent_leg(leg_id, lab.endpoint())
        await lab.until(lambda: any(isinstance(event, AgentLegUp) for event in told))
        await carrier.bridge(call_id, leg_id)


async def test_a_recording_is_told_by_the_next_engine(lab: AsteriskLab) -> None:
    call_id, _ = await lab.converse()
    await lab.adapter.record(call_id, "inherited")
    async with next_life(lab) as (carrier, told):
        await lab.pass_time(0.5)  # what has no sound at all counts as failed
        await carrier.stop_recording(call_id)

        def finished() -> list[RecordingFinished]:
            return [event for event in told if isinstance(event, RecordingFinished)]

        await lab.until(lambda: bool(finished()))
        assert (finished()[0].call_id, finished()[0].recording_id) == (call_id, "inherited")
        assert not finished()[0].failed


async def test_who_rings_is_found_by_the_next_engine(lab: AsteriskLab) -> None:
    call_id = (await comes_in(lab)).call_id
    async with next_life(lab) as (carrier, told):
        (report,) = await carrier.list_calls()
        assert (report.call_id, report.phase) == (call_id, CallPhase.RINGING)
        await carrier.answer(call_id)
        await lab.until(lambda: any(isinstance(event, CallAnswered) for event in told))
        await carrier.hangup(call_id)
        await lab.until(lambda: any(isinstance(event, CallEnded) for event in told))
        assert [event.cause for event in told if isinstance(event, CallEnded)] == [
            HangupCause.NORMAL_CALLER
        ]


# --- Asterisk dies --------------------------------------------------------------------------------


async def test_asterisk_dies_while_one_holds_and_three_talk() -> None:
    with running_network() as network:
        async with asterisk_lab(network) as lab:
            first, *legs = await held(lab)
            second, *more = await three_way(lab)
            await lab.adapter.record(second, "broken-off")
            await lab.pass_time(0.5)
            network.pbx.kill()
            await lab.until(lambda: any(isinstance(event, CarrierDown) for event in lab.events))
            network.pbx.start()
            await lab.until(lambda: any(isinstance(event, CarrierUp) for event in lab.events))
            for leg_id in (*legs, *more):
                await lab.first(AgentLegDown, leg_id)
            assert (await lab.first(RecordingFinished, "broken-off")).failed
            assert await lab.report(first) is None
            assert await lab.report(second) is None
            call_id, _ = await lab.converse()
            await hold(lab, call_id)


# --- devices, disks and bursts --------------------------------------------------------------------


async def test_an_ear_that_is_torn_off_ends_the_part(lab: AsteriskLab) -> None:
    call_id, leg_id, other = await supervised(lab)
    (ear,) = [channel for channel in await lab.channels() if ".ear." in channel.id]
    await lab.admin.request("DELETE", f"/channels/{ear.id}")
    assert (await lab.first(CallParted, call_id)).leg_id == other
    assert await bridged_leg(lab, call_id) == leg_id
    await is_free(lab, other)


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    mode = folder.stat().st_mode
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(mode)


async def test_a_folder_that_cannot_be_written_is_told(lab: AsteriskLab) -> None:
    call_id, leg_id = await lab.converse()
    with unwritable(lab.network.pbx.recordings):
        await lab.adapter.record(call_id, "nowhere")
        finished = await lab.first(RecordingFinished, "nowhere")
    assert (finished.failed, finished.duration_ms) == (True, 0)
    assert await bridged_leg(lab, call_id) == leg_id
    await lab.adapter.record(call_id, "somewhere")
    await lab.pass_time(0.5)
    await lab.adapter.stop_recording(call_id)
    assert not (await lab.first(RecordingFinished, "somewhere")).failed


async def test_a_recording_that_ends_by_itself_is_not_whole(lab: AsteriskLab) -> None:
    """As it does when the disk is full: Asterisk calls that done."""
    call_id, _ = await lab.converse()
    await lab.adapter.record(call_id, "cut-short")
    await lab.pass_time(0.5)
    await lab.admin.request("POST", "/recordings/live/cut-short/stop")
    finished = await lab.first(RecordingFinished, "cut-short")
    assert finished.failed
    assert finished.duration_ms == pytest.approx(500, abs=300)
    assert lab.of(CallEnded, call_id) == []


async def test_somebody_outside_takes_part(lab: AsteriskLab) -> None:
    call_id, leg_id = await lab.converse()
    outside = LegId("leg-" + "e" * 22)
    await lab.adapter.open_agent_leg(outside, lab.number(FarEnd.ANSWERS))
    await lab.first(AgentLegUp, outside)
    await hold(lab, call_id)
    await lab.adapter.consult(leg_id, outside)
    await lab.bridge(call_id, leg_id)
    await join(lab, call_id, outside, LegRole.TALK)
    await lab.bridge(call_id, outside)
    await is_free(lab, leg_id)
    await lab.agent_hangs_up(outside)
    await lab.first(AgentLegDown, outside)
    busy = LegId("leg-" + "b" * 22)
    await lab.adapter.open_agent_leg(busy, lab.number(FarEnd.BUSY))
    await lab.first(AgentLegDown, busy)
    with pytest.raises(OriginateRejected):
        await lab.adapter.open_agent_leg(busy, "+1305x")


async def test_many_conversations_at_once_leave_nothing_behind(lab: AsteriskLab) -> None:
    async def whole_story() -> CallId:
        call_id, leg_id, other = await three_way(lab)
        await join(lab, call_id, other, LegRole.WHISPER)
        await hold(lab, call_id)
        await lab.adapter.consult(leg_id, other)
        await lab.bridge(call_id, other)
        await join(lab, call_id, leg_id, LegRole.LISTEN)
        return call_id

    calls = await asyncio.gather(*(whole_story() for _ in range(8)))
    await eventually(lambda: has_channels(lab, {"call": 8, "ear": 8, "leg": 16}))
    await asyncio.gather(*(lab.adapter.hangup(call_id) for call_id in calls))
    await eventually(lambda: has_channels(lab, {"leg": 16}))
