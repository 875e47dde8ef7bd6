"""Conversations before an ARI that fails: half-done commands, lost replies, strangers in a room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from telephony_adapters.errors import DuplicateCall, OutcomeUnknown, TelephonyError, UnknownCall
from telephony_adapters.messages import (
    AgentLegUp,
    CallAnswered,
    CallBridged,
    CallHeld,
    CallId,
    CallJoined,
    CallParted,
    CarrierUp,
    ConsultStarted,
    InboundCall,
    LegId,
    LegRole,
    RecordingFinished,
)
from tests.adapters import ari_frames as ari
from tests.adapters.test_asterisk_adapter import Bench
from tests.support.scripted_ari import never, scripted_ari

A, B, C = (LegId(f"leg-{letter * 22}") for letter in "abc")


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    async with scripted_ari() as server:
        made = Bench(server)
        try:
            await made.start()
            yield made
        finally:
            await made.carrier.stop()


async def open_leg(bench: Bench, leg_id: LegId) -> None:
    up = bench.kinds().count(AgentLegUp)
    await bench.carrier.open_agent_leg(leg_id, "agent:anna")
    await enter(bench, bench.names.leg_channel(leg_id), leg_id)
    await bench.until(lambda: bench.kinds().count(AgentLegUp) > up)


async def enter(bench: Bench, channel: str, room: LegId) -> None:
    await bench.server.say(ari.entered_bridge(channel, bench.names.leg_bridge(room), 1.0))


async def conversation(bench: Bench) -> CallId:
    """A call in the room of leg A; B is open as well."""
    for leg_id in (A, B):
        await open_leg(bench, leg_id)
    call_id = await bench.originate()
    channel = bench.names.call_channel(call_id)
    await bench.server.say(ari.stasis_start(channel, 2.0, "call"))
    await bench.until(lambda: bench.kinds()[-1:] == [CallAnswered])
    await bench.carrier.bridge(call_id, A)
    await enter(bench, channel, A)
    await bench.until(lambda: bench.kinds()[-1:] == [CallBridged])
    return call_id


def snoops_arrive(bench: Bench) -> None:
    """Every snoop channel comes into our hands at once."""

    async def handler(request: web.Request) -> web.Response:
        name = request.path.rsplit("/", 1)[-1]
        await bench.server.say(ari.stasis_start(name, 3.0, "snoop"))
        return web.json_response({})

    for leg_id in (A, B):
        path = f"POST /channels/{bench.names.leg_channel(leg_id)}/snoop/"
        bench.server.on(path, handler)


async def mend(bench: Bench, channels: list[str], bridges: dict[str, list[str]]) -> None:
    """The connection breaks and comes back; Asterisk then lists these."""
    bench.server.reply("GET /channels", 200, [ari.channel(name, "Up") for name in channels])
    listed = [{"id": name, "channels": inside} for name, inside in bridges.items()]
    bench.server.reply("GET /bridges", 200, listed)
    await bench.server.sockets[0].close()
    await bench.until(lambda: CarrierUp in bench.kinds())


async def test_a_supervisor_s_ear_goes_into_his_own_room(bench: Bench) -> None:
    call_id = await conversation(bench)
    snoops_arrive(bench)
    await bench.carrier.join(call_id, B, LegRole.LISTEN)
    ear = bench.names.ear(B, 1)
    assert f"POST /bridges/{bench.names.leg_bridge(B)}/addChannel" in bench.server.asked
    assert bench.kinds()[-1:] == [CallBridged]
    await enter(bench, ear, B)
    await bench.until(lambda: bench.kinds()[-1:] == [CallJoined])
    await bench.carrier.join(call_id, B, LegRole.WHISPER)
    await enter(bench, bench.names.ear(B, 2), B)
    await bench.until(lambda: f"DELETE /channels/{ear}" in bench.server.asked)


@pytest.mark.parametrize("role", list(LegRole))
async def test_a_join_that_is_refused_leaves_nobody_behind(bench: Bench, role: LegRole) -> None:
    call_id = await conversation(bench)
    gone = {"message": "Channel not found"}
    bench.server.reply(f"POST /channels/{bench.names.leg_channel(A)}/snoop/", 404, gone)
    bench.server.reply(f"POST /bridges/{bench.names.leg_bridge(A)}/addChannel", 404, gone)
    with pytest.raises(UnknownCall):
        await bench.carrier.join(call_id, B, role)
    home = f"POST /bridges/{bench.names.leg_bridge(B)}/addChannel"
    await bench.until(lambda: home in bench.server.asked)
    with pytest.raises(UnknownCall):
        await bench.carrier.part(call_id, B)
    await bench.carrier.consult(B, await another_leg(bench))


async def another_leg(bench: Bench) -> LegId:
    await open_leg(bench, C)
    return C


async def test_an_ear_that_does_not_come_is_unknown_and_given_up(bench: Bench) -> None:
    call_id = await conversation(bench)
    ear = bench.names.ear(B, 1)
    with pytest.raises(OutcomeUnknown):
        await bench.carrier.join(call_id, B, LegRole.LISTEN)
    await bench.until(lambda: f"DELETE /channels/{ear}" in bench.server.asked)
    deleted = bench.server.asked.count(f"DELETE /channels/{ear}")
    await bench.server.say(ari.stasis_start(ear, 9.0, "snoop"))
    await bench.until(lambda: bench.server.asked.count(f"DELETE /channels/{ear}") == deleted + 1)


async def visit(bench: Bench, *, talks: bool) -> CallId:
    """B is in the room of A: as a third party, or for a consultation while the person holds."""
    call_id = await conversation(bench)
    if talks:
        await bench.carrier.join(call_id, B, LegRole.TALK)
    else:
        await bench.carrier.hold(call_id)
        hold = ari.entered_bridge(bench.names.call_channel(call_id), bench.names.hold_bridge, 2.5)
        await bench.server.say(hold)
        await bench.until(lambda: bench.kinds()[-1:] == [CallHeld])
        await bench.carrier.consult(A, B)
    await enter(bench, bench.names.leg_channel(B), A)
    await bench.until(lambda: bench.kinds()[-1:] == [CallJoined if talks else ConsultStarted])
    return call_id


@pytest.mark.parametrize("talks", [True, False])
async def test_a_visitor_who_has_just_hung_up_holds_nobody_up(bench: Bench, talks: bool) -> None:
    """His channel is gone and its end is on the way: what is asked of others is done."""
    call_id = await visit(bench, talks=talks)
    gone = {"message": "Channel not in Stasis application"}
    bench.server.reply(f"POST /bridges/{bench.names.leg_bridge(B)}/addChannel", 409, gone)
    if talks:
        await bench.carrier.hold(call_id)
        assert f"POST /bridges/{bench.names.hold_bridge}/addChannel" in bench.server.asked
    else:
        await bench.carrier.bridge(call_id, A)
        await enter(bench, bench.names.call_channel(call_id), A)
        await bench.until(lambda: bench.kinds()[-1:] == [CallBridged])


async def test_whoever_is_in_a_room_unasked_is_sent_home(bench: Bench) -> None:
    await conversation(bench)
    await enter(bench, bench.names.leg_channel(B), A)
    home = f"POST /bridges/{bench.names.leg_bridge(B)}/addChannel"
    await bench.until(lambda: home in bench.server.asked)
    await enter(bench, bench.names.ear(B, 7), B)
    stray = f"DELETE /channels/{bench.names.ear(B, 7)}"
    await bench.until(lambda: stray in bench.server.asked)
    assert CallJoined not in bench.kinds()


async def test_a_hold_whose_effect_was_not_heard_is_told_after_the_outage(bench: Bench) -> None:
    call_id = await conversation(bench)
    bench.server.on(f"POST /bridges/{bench.names.hold_bridge}/addChannel", never)
    with pytest.raises(OutcomeUnknown):
        await bench.carrier.hold(call_id)
    call, legs = bench.names.call_channel(call_id), [bench.names.leg_channel(x) for x in (A, B)]
    rooms = {bench.names.leg_bridge(x): [bench.names.leg_channel(x)] for x in (A, B)}
    await mend(bench, [call, *legs], {bench.names.hold_bridge: [call], **rooms})
    await bench.until(lambda: bench.kinds()[-1:] == [CallHeld])
    await bench.carrier.bridge(call_id, B)


async def test_a_join_whose_effect_was_not_heard_is_told_after_the_outage(bench: Bench) -> None:
    call_id = await conversation(bench)
    await bench.carrier.join(call_id, B, LegRole.TALK)
    call, legs = bench.names.call_channel(call_id), [bench.names.leg_channel(x) for x in (A, B)]
    rooms = {bench.names.leg_bridge(A): [call, *legs], bench.names.leg_bridge(B): []}
    await mend(bench, [call, *legs], rooms)
    await bench.until(lambda: bench.kinds()[-1:] == [CallJoined])


async def test_a_consultation_whose_effect_was_not_heard_is_told_too(bench: Bench) -> None:
    await open_leg(bench, A)
    await open_leg(bench, B)
    await bench.carrier.consult(A, B)
    legs = [bench.names.leg_channel(x) for x in (A, B)]
    await mend(bench, legs, {bench.names.leg_bridge(A): legs, bench.names.leg_bridge(B): []})
    await bench.until(lambda: bench.kinds()[-1:] == [ConsultStarted])


async def test_a_part_that_an_outage_ended_is_told(bench: Bench) -> None:
    call_id = await conversation(bench)
    snoops_arrive(bench)
    await bench.carrier.join(call_id, B, LegRole.LISTEN)
    await enter(bench, bench.names.ear(B, 1), B)
    await bench.until(lambda: bench.kinds()[-1:] == [CallJoined])
    call, legs = bench.names.call_channel(call_id), [bench.names.leg_channel(x) for x in (A, B)]
    rooms = {bench.names.leg_bridge(A): [call, legs[0]], bench.names.leg_bridge(B): [legs[1]]}
    await mend(bench, [call, *legs], rooms)
    await bench.until(lambda: bench.kinds()[-1:] == [CallParted])


async def test_a_recording_that_cannot_begin_is_an_error_and_leaves_no_tape(bench: Bench) -> None:
    call_id = await conversation(bench)
    channel, tape = bench.names.call_channel(call_id), bench.names.tape(call_id, "r1")
    bench.server.reply("GET /recordings/stored/", 404, {"message": "Recording not found"})

    async def arrives(_: web.Request) -> web.Response:
        await bench.server.say(ari.stasis_start(tape, 3.0, "snoop"))
        return web.json_response({})

    bench.server.on(f"POST /channels/{channel}/snoop/", arrives)
    bench.server.reply(f"POST /channels/{tape}/record", 500, {"error": "Allocation failed"})
    for _ in range(2):
        with pytest.raises(TelephonyError, match="Allocation failed"):
            await bench.carrier.record(call_id, "r1")
    assert bench.server.asked.count(f"DELETE /channels/{tape}") == 2
    with pytest.raises(UnknownCall):
        await bench.carrier.stop_recording(call_id)
    bench.server.reply("GET /recordings/stored/", 200, {})
    with pytest.raises(DuplicateCall):
        await bench.carrier.record(call_id, "r1")


async def test_a_recording_whose_file_is_gone_has_failed(bench: Bench) -> None:
    call_id = await conversation(bench)
    bench.server.reply("GET /recordings/stored/", 404, {"message": "Recording not found"})
    tape = bench.names.tape(call_id, "r2")
    await bench.server.say(ari.recording("RecordingFinished", tape, "r2", 9.0, 7))
    await bench.until(lambda: bench.kinds()[-1:] == [RecordingFinished])
    finished = bench.events[-1]
    assert isinstance(finished, RecordingFinished)
    assert (finished.call_id, finished.recording_id, finished.failed) == (call_id, "r2", True)
    before = len(bench.events)
    await bench.server.say(ari.recording("RecordingFinished", "probe", "r2", 9.0, 7))
    await bench.server.say(ari.recording("RecordingFailed", tape, "r3", 9.0, 7))
    await bench.until(lambda: len(bench.events) == before + 1)


@pytest.mark.parametrize(
    ("number", "presentation", "caller"),
    [
        ("+13055550101", "allowed_not_screened", "+13055550101"),
        ("+13055550101", "prohib_passed_screen", None),
        ("+13055550101", "unavailable", None),
        ("anonymous", "allowed", None),
        ("13055550101", "allowed", None),
        ("", "", None),
    ],
)
async def test_who_calls_us(
    bench: Bench, number: str, presentation: str, caller: str | None
) -> None:
    await bench.server.say(ari.inbound("1717000000.1", number, presentation))
    await bench.until(lambda: bench.kinds() == [InboundCall])
    told = bench.events[0]
    assert isinstance(told, InboundCall)
    assert (told.caller, told.called) == (caller, "+13055550199")
    await bench.until(lambda: "POST /channels/1717000000.1/ring" in bench.server.asked)


async def test_an_answer_that_fails_is_no_answer(bench: Bench) -> None:
    await bench.server.say(ari.inbound("1717000000.2", "+13055550101", "allowed"))
    await bench.until(lambda: bench.kinds() == [InboundCall])
    told = bench.events[0]
    assert isinstance(told, InboundCall)
    bench.server.reply("POST /channels/1717000000.2/answer", 404, {"message": "gone"})
    with pytest.raises(UnknownCall):
        await bench.carrier.answer(told.call_id)
    assert bench.kinds() == [InboundCall]


async def test_commands_at_the_same_time_do_not_leave_two_ears(bench: Bench) -> None:
    call_id = await conversation(bench)
    snoops_arrive(bench)
    joins = [bench.carrier.join(call_id, B, role) for role in (LegRole.LISTEN, LegRole.WHISPER)]
    await asyncio.gather(*joins, return_exceptions=True)
    for number in (1, 2):
        await enter(bench, bench.names.ear(B, number), B)
    await bench.until(lambda: f"DELETE /channels/{bench.names.ear(B, 1)}" in bench.server.asked)
    await bench.until(lambda: bench.kinds()[-1:] == [CallJoined])
    assert f"DELETE /channels/{bench.names.ear(B, 2)}" not in bench.server.asked


async def test_an_ear_is_hung_up_for_certain(bench: Bench) -> None:
    """Asterisk does not reply: as long as that lasts the part is not over."""
    call_id = await conversation(bench)
    snoops_arrive(bench)
    await bench.carrier.join(call_id, B, LegRole.LISTEN)
    await enter(bench, bench.names.ear(B, 1), B)
    await bench.until(lambda: bench.kinds()[-1:] == [CallJoined])
    hang_up = f"DELETE /channels/{bench.names.ear(B, 1)}"
    bench.server.on(hang_up, never)
    with pytest.raises(OutcomeUnknown):
        await bench.carrier.part(call_id, B)
    assert bench.kinds()[-1:] == [CallJoined]
    asked = bench.server.asked.count(hang_up)
    await bench.server.say(ari.destroyed(bench.names.call_channel(call_id), 9.0, 16))
    await bench.until(lambda: bench.server.asked.count(hang_up) == asked + 3)


async def test_who_takes_a_person_back_at_once_need_not_wait_for_the_event(bench: Bench) -> None:
    call_id = await conversation(bench)
    await bench.carrier.hold(call_id)
    room = f"POST /bridges/{bench.names.leg_bridge(A)}/addChannel"
    asked = bench.server.asked.count(room)
    await bench.carrier.bridge(call_id, A)
    assert bench.server.asked.count(room) == asked + 1
    assert bench.kinds().count(CallBridged) == 1
    channel = bench.names.call_channel(call_id)
    await bench.server.say(ari.left_bridge(channel, bench.names.leg_bridge(A), 4.0))
    await bench.server.say(ari.entered_bridge(channel, bench.names.hold_bridge, 4.0))
    await enter(bench, channel, A)
    await bench.until(lambda: bench.kinds()[-2:] == [CallHeld, CallBridged])
