"""What the adapter makes of an ARI that fails: nothing placed, unknown, twice, or not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from dialer.runtime.clock import WallClock
from dialer.stores.ledger.ids import new_id
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.asterisk.naming import Names
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    OriginateRejected,
    OutcomeUnknown,
    TelephonyError,
    UnknownCall,
)
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    AmdResult,
    AmdVerdict,
    AnyCarrierEvent,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallId,
    CarrierDown,
    CarrierUp,
    LegId,
    Originate,
)
from tests.adapters import ari_frames as ari
from tests.support.permits import permit_for
from tests.support.scripted_ari import ScriptedAri, never, scripted_ari

NUMBER = "+13055550100"
PATIENCE_S = 5.0
LEG = LegId("leg-" + "0" * 22)


class Bench:
    """A started adapter in front of a scripted ARI."""

    def __init__(self, server: ScriptedAri) -> None:
        self.server = server
        self.settings = AsteriskSettings(
            url=server.url,
            user="marcador",
            password="secret-word",
            app=ari.APP,
            dial="PJSIP/{number}@trunk",
            agent_dial="PJSIP/{agent}",
            amd_context="marcador-amd",
            command_timeout_s=0.5,
            app_check_s=0.0,
            reconnect_least_s=0.02,
        )
        self.names = Names(ari.APP)
        self.carrier = AsteriskCarrier(self.settings, WallClock())
        self.events: list[AnyCarrierEvent] = []

    async def start(self, **changes: object) -> None:
        if changes:
            settings = msgspec.structs.replace(self.settings, **changes)
            self.carrier = AsteriskCarrier(settings, WallClock())
        await self.carrier.start(self.events.append)

    async def originate(self, call_id: CallId | None = None, *, amd: bool = False) -> CallId:
        command = Originate(
            call_id=call_id or CallId(new_id()),
            to=NUMBER,
            caller_id=None,
            trunk="main",
            ring_timeout_s=30,
            amd=amd,
        )
        await self.carrier.originate(command, permit_for(NUMBER, datetime.now(UTC)))
        return command.call_id

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    def kinds(self) -> list[type[AnyCarrierEvent]]:
        return [type(event) for event in self.events]

    @property
    def originates(self) -> list[str]:
        return [asked for asked in self.server.asked if asked.startswith("POST /channels/")]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    async with scripted_ari() as server:
        made = Bench(server)
        try:
            yield made
        finally:
            await made.carrier.stop()


async def test_a_wrong_password_is_told_at_the_start(bench: Bench) -> None:
    bench.server.reply("GET /events", 401)
    with pytest.raises(CarrierUnavailable, match="401"):
        await bench.start()


async def test_the_password_is_in_no_text(bench: Bench) -> None:
    assert "secret-word" not in repr(bench.settings)
    bench.server.reply("GET /events", 401)
    with pytest.raises(CarrierUnavailable) as refusal:
        await bench.start()
    assert "secret-word" not in str(refusal.value)


async def test_it_does_not_start_without_its_application(bench: Bench) -> None:
    bench.server.reply("GET /applications/", 404, {"message": "Application not found"})
    with pytest.raises(CarrierUnavailable, match="no application `test`"):
        await bench.start()


async def test_nothing_is_dialed_for_an_application_that_nobody_serves(bench: Bench) -> None:
    await bench.start()
    bench.server.reply("GET /applications/", 404, {"message": "Application not found"})
    with pytest.raises(CarrierUnavailable, match="no application"):
        await bench.originate()
    assert bench.originates == []


async def test_settings_that_cannot_be_used_are_named(bench: Bench) -> None:
    with pytest.raises(CarrierUnavailable, match=r"app: .*dial: "):
        await bench.start(dial="PJSIP/trunk", app="two words")


def endpoint(**attributes: str) -> list[dict[str, str]]:
    known = {"context": "nowhere", "outbound_proxy": "", "redirect_method": "user"} | attributes
    return [{"attribute": name, "value": value} for name, value in known.items()]


async def test_a_laboratory_whose_calls_can_leave_is_refused(bench: Bench) -> None:
    path = "GET /asterisk/config/dynamic/res_pjsip/endpoint/trunk"
    changes = {"laboratory": True, "dial": "PJSIP/trunk/sip:{number}@127.0.0.1:5070"}
    for detour in ({"outbound_proxy": "sip:carrier.example"}, {"redirect_method": "uri_pjsip"}):
        bench.server.reply(path, 200, endpoint(**detour))
        with pytest.raises(CarrierUnavailable, match="can send calls elsewhere"):
            await bench.start(**changes)
    bench.server.reply(path, 200, endpoint()[:1])
    with pytest.raises(CarrierUnavailable, match="cannot be looked at"):
        await bench.start(**changes)
    bench.server.reply(path, 200, endpoint())
    await bench.start(**changes)
    assert bench.carrier.facts.loopback


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_refusal_is_certain(bench: Bench, status: int) -> None:
    await bench.start()
    bench.server.reply("POST /channels/", status, {"message": "no"})
    with pytest.raises(OriginateRejected) as refusal:
        await bench.originate()
    assert refusal.value.provider_code == f"http:{status}"


async def test_an_error_is_a_refusal_when_there_is_no_channel(bench: Bench) -> None:
    await bench.start()
    bench.server.reply("POST /channels/", 500, {"error": "Allocation failed"})
    bench.server.reply("GET /channels/", 404, {"message": "Channel not found"})
    with pytest.raises(OriginateRejected, match="Allocation failed"):
        await bench.originate()


async def test_an_error_is_no_refusal_when_there_is_a_channel(bench: Bench) -> None:
    await bench.start()
    bench.server.reply("POST /channels/", 500, {"error": "Allocation failed"})
    bench.server.reply("GET /channels/", 200, ari.channel("any"))
    await bench.originate()


async def test_an_error_is_unknown_when_asterisk_does_not_say(bench: Bench) -> None:
    await bench.start()
    bench.server.reply("POST /channels/", 500)
    bench.server.reply("GET /channels/", 500)
    with pytest.raises(OutcomeUnknown):
        await bench.originate()


async def test_an_asterisk_that_stops_takes_nothing(bench: Bench) -> None:
    await bench.start()
    bench.server.reply("POST /channels/", 503, {"message": "Shutting down"})
    with pytest.raises(CarrierUnavailable):
        await bench.originate()


async def test_a_channel_that_is_there_already_is_not_placed_twice(bench: Bench) -> None:
    await bench.start()
    bench.server.reply("POST /channels/", 409, {"message": "Channel with given unique ID exists"})
    call_id = CallId(new_id())
    with pytest.raises(DuplicateCall):
        await bench.originate(call_id)


async def test_a_reply_that_does_not_come_is_unknown_and_never_repeated(bench: Bench) -> None:
    await bench.start()
    bench.server.on("POST /channels/", never)
    call_id = CallId(new_id())
    with pytest.raises(OutcomeUnknown):
        await bench.originate(call_id)
    with pytest.raises(DuplicateCall):
        await bench.originate(call_id)
    assert len(bench.originates) == 1


async def test_a_connection_that_breaks_in_the_middle_is_unknown(bench: Bench) -> None:
    async def break_off(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    await bench.start()
    bench.server.on("POST /channels/", break_off)
    with pytest.raises(OutcomeUnknown):
        await bench.originate()


async def test_a_call_of_unknown_outcome_is_served_when_it_turns_up(bench: Bench) -> None:
    await bench.start()
    bench.server.on("POST /channels/", never)
    call_id = CallId(new_id())
    with pytest.raises(OutcomeUnknown):
        await bench.originate(call_id)
    channel = bench.names.call_channel(call_id)
    await bench.server.say(ari.stasis_start(channel, 3.0, "call"))
    await bench.server.say(ari.destroyed(channel, 9.0, 16))
    await bench.until(lambda: bench.kinds() == [CallAnswered, CallEnded])


async def test_a_hang_up_during_the_originate_follows_it(bench: Bench) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        arrived.set()
        await go_on.wait()
        return web.json_response({})

    await bench.start()
    bench.server.on("POST /channels/", slow)
    call_id = CallId(new_id())
    placing = asyncio.create_task(bench.originate(call_id))
    await arrived.wait()
    await bench.carrier.hangup(call_id)
    wanted = f"DELETE /channels/{bench.names.call_channel(call_id)}"
    assert wanted not in bench.server.asked
    go_on.set()
    await placing
    await bench.until(lambda: wanted in bench.server.asked)


async def test_what_is_no_number_is_not_dialed(bench: Bench) -> None:
    await bench.start()
    for number in ("112", "+1305555010x", "+13055550100@elsewhere", "+1 305 555 0100"):
        command = Originate(
            call_id=CallId(new_id()), to=number, caller_id=None, trunk="main", ring_timeout_s=30
        )
        with pytest.raises(OriginateRejected):
            await bench.carrier.originate(command, permit_for(number, datetime.now(UTC)))
    for endpoint in ("", "anna", "agent:", "agent:a/b", "agent:a&PJSIP/x@trunk", "sip:anna"):
        with pytest.raises(OriginateRejected):
            await bench.carrier.open_agent_leg(LEG, endpoint)
    assert bench.originates == []


async def test_detection_that_cannot_start_is_unsure(bench: Bench) -> None:
    await bench.start()
    call_id = await bench.originate(amd=True)
    bench.server.reply("POST /channels/", 404, {"message": "Channel not found"})
    await bench.server.say(ari.stasis_start(bench.names.call_channel(call_id), 3.0, "call"))
    await bench.until(lambda: bench.kinds() == [CallAnswered, AmdResult])
    verdict = bench.events[-1]
    assert isinstance(verdict, AmdResult)
    assert verdict.verdict is AmdVerdict.UNSURE


async def test_malformed_frames_are_counted_and_change_nothing(bench: Bench) -> None:
    await bench.start()
    call_id = await bench.originate()
    channel = bench.names.call_channel(call_id)
    good = ari.destroyed(channel, 4.0, 17, 486)
    for frame in ("", "{", b"\xff", good.replace('"cause": 17', '"cause": null'), good[:-2]):
        await bench.server.say(frame)
    await bench.until(lambda: bench.carrier.malformed_frames == 5)
    assert bench.events == []
    await bench.server.say(good)
    await bench.until(lambda: bench.kinds() == [CallEnded])


async def test_channels_of_others_are_nothing_to_us(bench: Bench) -> None:
    await bench.start()
    await bench.server.say(ari.stasis_start("1717000000.1", 1.0, "call"))
    await bench.server.say(ari.destroyed("other.call." + "0" * 26, 1.0, 17, 486))
    await bench.server.say(ari.stasis_start(bench.names.call_channel(CallId("9" * 26)), 1.0))
    await bench.server.say("{")
    await bench.until(lambda: bench.carrier.malformed_frames == 1)
    assert bench.events == []


async def test_a_leg_that_nobody_knows_is_hung_up(bench: Bench) -> None:
    channel, room = bench.names.leg_channel(LEG), bench.names.leg_bridge(LEG)
    bench.server.reply("GET /channels", 200, [ari.channel(channel, "Up")])
    bench.server.reply("GET /bridges", 200, [{"id": room, "channels": []}])
    await bench.start()
    await bench.until(
        lambda: (
            {f"DELETE /channels/{channel}", f"DELETE /bridges/{room}"} <= set(bench.server.asked)
        )
    )


async def test_a_leg_that_cannot_join_its_bridge_is_hung_up(bench: Bench) -> None:
    await bench.start()
    await bench.carrier.open_agent_leg(LEG, "agent:anna")
    room, channel = bench.names.leg_bridge(LEG), bench.names.leg_channel(LEG)
    bench.server.reply(f"POST /bridges/{room}/addChannel", 409, {"message": "no"})
    await bench.server.say(ari.stasis_start(channel, 1.0, "leg"))
    await bench.until(lambda: f"DELETE /channels/{channel}" in bench.server.asked)
    await bench.server.say(ari.destroyed(channel, 1.5, 16))
    await bench.until(lambda: bench.kinds() == [AgentLegDown])
    with pytest.raises(UnknownCall):
        await bench.carrier.close_agent_leg(LEG)


async def test_a_busy_leg_takes_no_second_call(bench: Bench) -> None:
    await bench.start()
    await bench.carrier.open_agent_leg(LEG, "agent:anna")
    room = bench.names.leg_bridge(LEG)
    await bench.server.say(ari.entered_bridge(bench.names.leg_channel(LEG), room, 1.0))
    first, second = await bench.originate(), await bench.originate()
    for call_id in (first, second):
        await bench.server.say(ari.stasis_start(bench.names.call_channel(call_id), 2.0, "call"))
    await bench.until(lambda: bench.kinds() == [AgentLegUp, CallAnswered, CallAnswered])
    await bench.carrier.bridge(first, LEG)
    with pytest.raises(TelephonyError, match="carries call"):
        await bench.carrier.bridge(second, LEG)
    bench.server.reply(f"POST /bridges/{room}/addChannel", 404, {"message": "Channel not found"})
    await bench.server.say(ari.destroyed(bench.names.call_channel(first), 3.0, 16))
    await bench.until(lambda: bench.kinds()[-1] is CallEnded)
    with pytest.raises(UnknownCall):
        await bench.carrier.bridge(second, LEG)
    bench.server.reply(f"POST /bridges/{room}/addChannel", 204)
    await bench.carrier.bridge(second, LEG)


async def test_it_connects_again_for_as_long_as_it_takes(bench: Bench) -> None:
    await bench.start()
    bench.server.reply("GET /applications/", 404)
    await bench.server.sockets[0].close()
    await bench.until(lambda: bench.kinds() == [CarrierDown])
    tries = len(bench.server.asked)
    await bench.until(lambda: len(bench.server.asked) > tries + 4)
    assert bench.kinds() == [CarrierDown]
    with pytest.raises(CarrierUnavailable):
        await bench.originate()
    bench.server.reply("GET /applications/", 200, {})
    await bench.until(lambda: bench.kinds() == [CarrierDown, CarrierUp])
    await bench.originate()


async def test_what_an_outage_hid_of_legs_and_bridges_is_told_after_it(bench: Bench) -> None:
    await bench.start()
    late = LegId("leg-" + "1" * 22)
    room, late_room = bench.names.leg_bridge(LEG), bench.names.leg_bridge(late)
    leg_channel, late_channel = bench.names.leg_channel(LEG), bench.names.leg_channel(late)
    for leg_id in (LEG, late):
        await bench.carrier.open_agent_leg(leg_id, "agent:anna")
    await bench.server.say(ari.entered_bridge(leg_channel, room, 1.0))
    call_id = await bench.originate()
    channel = bench.names.call_channel(call_id)
    await bench.server.say(ari.stasis_start(channel, 2.0, "call"))
    await bench.until(lambda: bench.kinds() == [AgentLegUp, CallAnswered])
    await bench.carrier.bridge(call_id, LEG)
    up = [ari.channel(name, "Up") for name in (channel, leg_channel, late_channel)]
    bench.server.reply("GET /channels", 200, up)
    bridges = [{"id": room, "channels": [leg_channel, channel]}, {"id": late_room, "channels": []}]
    bench.server.reply("GET /bridges", 200, bridges)
    await bench.server.sockets[0].close()
    join = f"POST /bridges/{late_room}/addChannel"
    await bench.until(lambda: join in bench.server.asked)
    assert bench.kinds()[2:] == [CarrierDown, CarrierUp, CallBridged]
    await bench.server.say(ari.entered_bridge(late_channel, late_room, 4.0))
    await bench.until(lambda: bench.kinds()[-1] is AgentLegUp)


async def test_a_list_that_cannot_be_read_is_no_list(bench: Bench) -> None:
    await bench.start()
    bench.server.reply("GET /channels", 200, {"not": "a list"})
    with pytest.raises(CarrierUnavailable):
        await bench.carrier.list_calls()
    bench.server.reply("GET /channels", 500)
    with pytest.raises(CarrierUnavailable):
        await bench.carrier.list_calls()


async def test_a_hang_up_that_comes_second_is_no_failure(bench: Bench) -> None:
    await bench.start()
    call_id = await bench.originate()
    channel = bench.names.call_channel(call_id)
    bench.server.reply("DELETE /channels/", 404, {"message": "Channel not found"})
    hanging_up = asyncio.create_task(bench.carrier.hangup(call_id))
    await bench.until(lambda: f"DELETE /channels/{channel}" in bench.server.asked)
    await bench.server.say(ari.destroyed(channel, 4.0, 17, 486))
    await hanging_up
    assert bench.kinds() == [CallEnded]


async def test_a_call_that_asterisk_has_forgotten_is_unknown(bench: Bench) -> None:
    await bench.start()
    call_id = await bench.originate()
    bench.server.reply("DELETE /channels/", 404, {"message": "Channel not found"})
    with pytest.raises(UnknownCall):
        await bench.carrier.hangup(call_id)


async def test_a_fault_of_our_own_ends_the_dialing_and_heals(bench: Bench) -> None:
    told: list[AnyCarrierEvent] = []

    def sink(event: AnyCarrierEvent) -> None:
        told.append(event)
        if isinstance(event, CallEnded):
            raise ZeroDivisionError("a fault in the engine")

    await bench.carrier.start(sink)
    call_id = await bench.originate()
    await bench.server.say(ari.destroyed(bench.names.call_channel(call_id), 4.0, 17, 486))
    await bench.until(lambda: len(told) == 3)
    assert [type(event) for event in told] == [CallEnded, CarrierDown, CarrierUp]
    await bench.originate()
