"""What breaks around a real Asterisk: the process, the trunk, the application, the person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from dialer.runtime.clock import WallClock
from telephony_adapters.asterisk.adapter import REPLACED, AsteriskCarrier
from telephony_adapters.errors import CarrierUnavailable, OriginateRejected
from telephony_adapters.lab.network import Network, running_network
from telephony_adapters.lab.ports import free_udp_port
from telephony_adapters.messages import (
    AgentLegDown,
    AmdResult,
    AnyCarrierEvent,
    CallAnswered,
    CallBridged,
    CallEnded,
    CarrierDown,
    CarrierUp,
    DtmfReceived,
    HangupCause,
    LegId,
)
from tests.adapters.asterisk_lab import AsteriskLab, asterisk_lab, eventually
from tests.adapters.lab import FarEnd
from tests.support.permits import permit_for

pytestmark = pytest.mark.xdist_group("asterisk")


@pytest_asyncio.fixture
async def lab(network: Network) -> AsyncIterator[AsteriskLab]:
    async with asterisk_lab(network) as started:
        yield started


async def test_a_conversation_lives_through_a_lost_websocket(lab: AsteriskLab) -> None:
    leg_id = await lab.open_leg()
    call_id = await lab.dial_and_answer(FarEnd.PRESSES_KEYS)
    await lab.adapter.bridge(call_id, leg_id)
    await lab.first(CallBridged, call_id)
    await lab.lose_connection()
    await lab.restore_connection()
    await lab.until(lambda: any(isinstance(event, CarrierUp) for event in lab.events))
    report = await lab.report(call_id)
    assert report is not None
    assert report.bridged_leg == leg_id
    assert lab.of(AgentLegDown, leg_id) == []
    await lab.until(lambda: any(event.digit == "2" for event in lab.of(DtmfReceived, call_id)))
    await lab.adapter.hangup(call_id)
    assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLER


async def test_a_call_answered_in_an_outage_does_not_end_in_silence(lab: AsteriskLab) -> None:
    """Asterisk hangs up what it has no application for: nobody listens to an empty line."""
    call_id = await lab.dial(FarEnd.ANSWERS)
    await lab.lose_connection()
    await eventually(lab.is_empty)
    await lab.restore_connection()
    await lab.until(lambda: any(isinstance(event, CarrierUp) for event in lab.events))
    assert await lab.report(call_id) is None
    assert lab.of(CallAnswered, call_id) == []


async def test_calls_and_legs_of_an_earlier_life(lab: AsteriskLab) -> None:
    """Calls are listed for their engine to decide; nobody sits at the legs any more."""
    leg_id = await lab.open_leg()
    call_id = await lab.dial_and_answer()
    await lab.adapter.stop()
    next_life = AsteriskCarrier(lab.settings, WallClock())
    told: list[AnyCarrierEvent] = []
    await next_life.start(told.append)
    try:
        assert [report.call_id for report in await next_life.list_calls()] == [call_id]
        await next_life.hangup(call_id)
        await lab.until(lambda: any(isinstance(event, CallEnded) for event in told))
        await next_life.open_agent_leg(LegId(leg_id[:-1] + "x"), lab.endpoint())
    finally:
        await next_life.stop()


async def test_a_second_engine_on_our_application_silences_us_for_good(lab: AsteriskLab) -> None:
    other = AsteriskCarrier(lab.settings, WallClock())
    told: list[AnyCarrierEvent] = []
    await other.start(told.append)
    try:
        await lab.until(lambda: bool(lab.events))
        down = lab.events[0]
        assert isinstance(down, CarrierDown)
        assert down.reason == REPLACED
        with pytest.raises(CarrierUnavailable):
            await lab.dial(FarEnd.BUSY)
        command = lab.command(lab.number(FarEnd.BUSY))
        await other.originate(command, permit_for(command.to, lab.now()))
        await lab.until(lambda: any(isinstance(event, CallEnded) for event in told))
        assert len(lab.events) == 1
    finally:
        await other.stop()


async def test_a_person_who_hangs_up_while_he_is_screened(lab: AsteriskLab) -> None:
    call_id = await lab.dial(FarEnd.ANSWERS_BRIEFLY, amd=True)
    assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLEE
    assert lab.of(AmdResult, call_id) == []


async def test_we_hang_up_while_a_person_is_screened(lab: AsteriskLab) -> None:
    call_id = await lab.dial(FarEnd.ANSWERS, amd=True)
    await lab.first(CallAnswered, call_id)
    await lab.adapter.hangup(call_id)
    assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLER


async def test_sixty_calls_at_once_end_each_in_its_own_way(lab: AsteriskLab) -> None:
    expected = {
        FarEnd.BUSY: HangupCause.BUSY,
        FarEnd.UNAVAILABLE: HangupCause.UNAVAILABLE,
        FarEnd.NOT_IN_SERVICE: HangupCause.NOT_IN_SERVICE,
        FarEnd.REJECTS: HangupCause.REJECTED,
        FarEnd.CONGESTED: HangupCause.CONGESTION,
        FarEnd.ANSWERS: HangupCause.NORMAL_CALLER,
    }
    far_ends = [far_end for far_end in expected for _ in range(10)]
    call_ids = await asyncio.gather(*(lab.dial(far_end) for far_end in far_ends))
    for call_id, far_end in zip(call_ids, far_ends, strict=True):
        if far_end is FarEnd.ANSWERS:
            await lab.first(CallAnswered, call_id)
            await lab.adapter.hangup(call_id)
    ends = [(await lab.end(call_id)).cause for call_id in call_ids]
    assert ends == [expected[far_end] for far_end in far_ends]
    assert lab.placed() == len(far_ends)
    assert await lab.adapter.list_calls() == []


async def test_an_agent_whose_phone_is_busy(lab: AsteriskLab) -> None:
    leg_id = LegId("leg-" + "b" * 22)
    await lab.adapter.open_agent_leg(leg_id, "agent:busy-1")
    down = await lab.first(AgentLegDown, leg_id)
    assert "q850:17" in down.reason


async def test_a_trunk_where_nobody_listens(network: Network, lab: AsteriskLab) -> None:
    dial = f"PJSIP/trunk/sip:{{number}}@127.0.0.1:{free_udp_port()}"
    settings = msgspec.structs.replace(lab.settings, dial=dial, app=f"{lab.settings.app}-dead")
    carrier = AsteriskCarrier(settings, WallClock())
    told: list[AnyCarrierEvent] = []
    await carrier.start(told.append)
    try:
        command = lab.command(lab.number(FarEnd.ANSWERS), ring_timeout_s=2)
        await carrier.originate(command, permit_for(command.to, lab.now()))
        await lab.until(lambda: bool(told))
        end = told[0]
        assert isinstance(end, CallEnded)
        assert end.cause is HangupCause.ROUTE_DOWN
    finally:
        await carrier.stop()


async def test_a_trunk_that_asterisk_does_not_know(lab: AsteriskLab) -> None:
    settings = msgspec.structs.replace(
        lab.settings, dial="PJSIP/{number}@nosuch", laboratory=False, app=f"{lab.settings.app}-no"
    )
    carrier = AsteriskCarrier(settings, WallClock())
    await carrier.start(lab.events.append)
    try:
        assert not carrier.facts.loopback
        command = lab.command(lab.number(FarEnd.ANSWERS))
        with pytest.raises(OriginateRejected):
            await carrier.originate(command, permit_for(command.to, lab.now()))
    finally:
        await carrier.stop()


async def test_asterisk_dies_and_comes_back() -> None:
    with running_network() as network:
        async with asterisk_lab(network) as lab:
            leg_id = await lab.open_leg()
            call_id = await lab.dial_and_answer()
            network.pbx.kill()
            await lab.until(lambda: any(isinstance(event, CarrierDown) for event in lab.events))
            with pytest.raises(CarrierUnavailable):
                await lab.dial(FarEnd.BUSY)
            network.pbx.start()
            await lab.until(lambda: any(isinstance(event, CarrierUp) for event in lab.events))
            await lab.first(AgentLegDown, leg_id)
            assert await lab.report(call_id) is None
            assert (await lab.end(await lab.dial(FarEnd.BUSY))).cause is HangupCause.BUSY
