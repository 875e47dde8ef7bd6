"""Who hears whom in Twilio's conferences, whatever order their callbacks come in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from twilio.request_validator import RequestValidator

from telephony_adapters.errors import OriginateRejected, TelephonyError, UnknownCall
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    AnyCarrierEvent,
    CallBridged,
    CallEnded,
    CallHeld,
    CallId,
    CallJoined,
    CallParted,
    CarrierUp,
    ConsultStarted,
    HangupCause,
    LegId,
    LegRole,
)
from telephony_adapters.twilio import twiml
from telephony_adapters.twilio.codec import CallStatus
from telephony_adapters.twilio.fake.faults import Fault
from telephony_adapters.twilio.transport import Refused
from tests.adapters.conformance_control import (
    consult,
    consulting,
    held,
    hold,
    join,
    supervised,
    three_way,
    whispered_to,
)
from tests.adapters.lab import FarEnd
from tests.adapters.twilio_lab import NUMBERS, TwilioLab, twilio_lab

OUTSIDE = NUMBERS[FarEnd.ANSWERS]
TALK = (CallBridged, CallHeld, CallJoined, CallParted, ConsultStarted, AgentLegUp, AgentLegDown)


@pytest.fixture
async def lab() -> AsyncIterator[TwilioLab]:
    async with twilio_lab() as lab:
        yield lab


def hears(lab: TwilioLab, *ids: str) -> list[set[str]]:
    return [lab.heard_by(one) for one in ids]


def talk(lab: TwilioLab) -> list[AnyCarrierEvent]:
    """What was told of conversations, in order, repeats included."""
    return [event for event in lab.events if isinstance(event, TALK)]


async def parts_of(lab: TwilioLab, call_id: CallId, count: int) -> list[CallParted]:
    await lab.until(lambda: len(lab.of(CallParted, call_id)) >= count)
    return lab.of(CallParted, call_id)


# --- who hears whom ------------------------------------------------------------------------------


async def test_nobody_hears_anybody_before_the_bridge(lab: TwilioLab) -> None:
    leg_id, call_id = await lab.open_leg(), await lab.dial_and_answer()
    assert hears(lab, call_id, leg_id) == [set(), set()]
    await lab.bridge(call_id, leg_id)
    assert hears(lab, call_id, leg_id) == [{leg_id}, {call_id}]


async def test_while_the_person_holds(lab: TwilioLab) -> None:
    call_id, leg_id, other = await held(lab)
    assert hears(lab, call_id, leg_id, other) == [set(), set(), set()]
    room = lab.call(call_id).room
    assert room is not None, "the person is where the music plays"
    assert list(room.inside) == [lab.call(call_id).sid], "alone"
    await consult(lab, leg_id, other)
    assert hears(lab, call_id, leg_id, other) == [set(), {other}, {leg_id}]
    await lab.bridge(call_id, other)
    assert hears(lab, call_id, leg_id, other) == [{other}, set(), {call_id}]


async def test_three_who_talk(lab: TwilioLab) -> None:
    call_id, leg_id, other = await three_way(lab)
    assert hears(lab, call_id, leg_id, other) == [
        {leg_id, other},
        {call_id, other},
        {call_id, leg_id},
    ]


async def test_a_supervisor_who_listens_is_heard_by_nobody(lab: TwilioLab) -> None:
    call_id, leg_id, other = await supervised(lab)
    assert hears(lab, call_id, leg_id, other) == [{leg_id}, {call_id}, {call_id, leg_id}]


async def test_a_supervisor_who_whispers_is_heard_by_the_agent_only(lab: TwilioLab) -> None:
    call_id, leg_id, other = await whispered_to(lab)
    third = await lab.open_leg()
    await join(lab, call_id, third, LegRole.TALK)
    assert hears(lab, call_id, leg_id, other, third) == [
        {leg_id, third},
        {call_id, other, third},
        {call_id, leg_id, third},
        {call_id, leg_id},
    ]


async def test_a_change_of_role_takes_nobody_out_of_the_conference(lab: TwilioLab) -> None:
    call_id, leg_id, other = await supervised(lab)
    visits = lab.call(other).callbacks
    expected = {
        LegRole.WHISPER: ({leg_id}, {call_id, other}),
        LegRole.TALK: ({leg_id, other}, {call_id, other}),
        LegRole.LISTEN: ({leg_id}, {call_id}),
    }
    for role, (by_person, by_agent) in expected.items():
        await join(lab, call_id, other, role)
        assert hears(lab, call_id, leg_id, other) == [by_person, by_agent, {call_id, leg_id}]
    assert lab.call(other).callbacks == visits, "it neither left nor came back"


async def test_keys_towards_the_person_end_nothing(lab: TwilioLab) -> None:
    call_id, leg_id, other = await whispered_to(lab)
    await lab.adapter.send_dtmf(call_id, "12#")
    await lab.until_heard(call_id, "12#")
    await lab.until(lambda: lab.heard_by(call_id) == {leg_id})
    assert hears(lab, leg_id, other) == [{call_id, other}, {call_id, leg_id}]
    assert len(lab.of(CallBridged, call_id)) == 1
    assert lab.of(CallParted, call_id) == []
    report = await lab.report(call_id)
    assert report is not None
    assert report.bridged_leg == leg_id


async def test_keys_towards_who_holds_bring_them_back_to_the_music(lab: TwilioLab) -> None:
    call_id, leg_id, _ = await held(lab)
    await lab.adapter.send_dtmf(call_id, "5")
    await lab.until_heard(call_id, "5")
    await lab.pass_time(1.0)
    assert lab.call(call_id).room is not None
    assert len(lab.of(CallHeld, call_id)) == 1
    await lab.bridge(call_id, leg_id)


async def test_a_hold_outlasts_its_document(lab: TwilioLab) -> None:
    """Twilio asks after a while; the person is held on, and that is told once."""
    call_id, leg_id, _ = await held(lab)
    room = lab.call(call_id).room
    assert room is not None
    lab.fake.exchange.end_room(room)
    await lab.pass_time(1.0)
    assert lab.call(call_id).room is not None
    assert len(lab.of(CallHeld, call_id)) == 1
    await lab.bridge(call_id, leg_id)


# --- somebody outside ----------------------------------------------------------------------------


async def outside(lab: TwilioLab, number: str = OUTSIDE) -> LegId:
    leg_id = LegId(f"out-{lab.new_call_id()}")
    await lab.adapter.open_agent_leg(leg_id, number)
    await lab.first(AgentLegUp, leg_id)
    return leg_id


async def test_the_call_is_given_to_somebody_outside(lab: TwilioLab) -> None:
    call_id, leg_id = await lab.converse()
    lawyer = await outside(lab)
    assert lab.call(lawyer).to == OUTSIDE
    assert lab.call(lawyer).from_ == lab.adapter.settings.caller_ids[0]
    await hold(lab, call_id)
    await consult(lab, leg_id, lawyer)
    assert hears(lab, leg_id, lawyer) == [{lawyer}, {leg_id}]
    await lab.bridge(call_id, lawyer)
    assert hears(lab, call_id, lawyer, leg_id) == [{lawyer}, {call_id}, set()]
    await lab.adapter.close_agent_leg(leg_id)
    await lab.pass_time(30.0)
    assert lab.of(CallEnded, call_id) == [], "the two talk on"


async def test_somebody_outside_joins_and_hangs_up(lab: TwilioLab) -> None:
    call_id, leg_id = await lab.converse()
    lawyer = await outside(lab)
    await join(lab, call_id, lawyer, LegRole.TALK)
    assert lab.heard_by(call_id) == {leg_id, lawyer}
    await lab.agent_hangs_up(lawyer)
    await lab.first(AgentLegDown, lawyer)
    assert [event.leg_id for event in await parts_of(lab, call_id, 1)] == [lawyer]
    assert lab.heard_by(call_id) == {leg_id}


@pytest.mark.parametrize("far_end", [FarEnd.BUSY, FarEnd.REJECTS, FarEnd.RINGS])
async def test_somebody_outside_does_not_answer(lab: TwilioLab, far_end: FarEnd) -> None:
    leg_id = LegId("out-1")
    await lab.adapter.open_agent_leg(leg_id, lab.number(far_end))
    down = await lab.first(AgentLegDown, leg_id, 40.0)
    assert lab.of(AgentLegUp, leg_id) == []
    assert "twilio:" in down.reason


@pytest.mark.parametrize("endpoint", ["", "dora", "agent:", "agent:a b", "sip:a@b", "+1", "+1305x"])
async def test_there_are_no_other_endpoints(lab: TwilioLab, endpoint: str) -> None:
    with pytest.raises(OriginateRejected):
        await lab.adapter.open_agent_leg(LegId("leg-1"), endpoint)
    assert lab.fake.exchange.calls == {}


# --- callbacks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Fault(repeats=2), Fault(out_of_order=True), Fault(out_of_order=True, repeats=1)]
)
async def test_the_story_is_the_same_in_any_order(fault: Fault) -> None:
    """Comings and goings overtake each other by two seconds."""
    faults = dict.fromkeys([*NUMBERS.values(), "client:dora_1", "client:dora_2"], fault)
    async with twilio_lab(faults=faults) as lab:
        call_id, leg_id = await lab.converse()
        other = await lab.open_leg()
        await hold(lab, call_id)
        await consult(lab, leg_id, other)
        await lab.bridge(call_id, leg_id)
        await join(lab, call_id, other, LegRole.WHISPER)
        await lab.adapter.part(call_id, other)
        await lab.bridge(call_id, other)
        await lab.pass_time(10.0)
        assert [type(event) for event in talk(lab)] == [
            AgentLegUp,
            CallBridged,
            AgentLegUp,
            CallHeld,
            ConsultStarted,
            CallBridged,
            CallJoined,
            CallParted,
            CallBridged,
        ]
        assert hears(lab, call_id, leg_id, other) == [{other}, set(), {call_id}]


async def test_what_is_told_of_an_earlier_visit_changes_nothing(lab: TwilioLab) -> None:
    call_id, leg_id = await lab.converse()
    first = lab.call(call_id).room
    assert first is not None
    label = first.inside[lab.call(call_id).sid].label
    await hold(lab, call_id)
    await lab.bridge(call_id, leg_id)
    told = len(lab.events)
    async with aiohttp.ClientSession() as session:
        for event in ("participant-leave", "participant-join"):
            url = f"{lab.adapter.settings.public_url}/twilio/room?leg={leg_id}"
            fields = {
                "ConferenceSid": first.sid,
                "CallSid": lab.call(call_id).sid,
                "ParticipantLabel": label,
                "StatusCallbackEvent": event,
            }
            validator = RequestValidator(lab.fake.settings.auth_token)
            headers = {"X-Twilio-Signature": validator.compute_signature(url, fields)}
            async with session.post(url, data=fields, headers=headers) as reply:
                assert reply.status == 204
    assert len(lab.events) == told
    report = await lab.report(call_id)
    assert report is not None
    assert report.bridged_leg == leg_id
    assert lab.adapter.counts["webhooks_repeated"] >= 2


async def test_who_came_during_an_outage_is_found_in_the_lists(lab: TwilioLab) -> None:
    call_id, leg_id = await lab.converse()
    other, third = await lab.open_leg(), await lab.open_leg()
    await lab.adapter.join(call_id, third, LegRole.LISTEN)
    lab.fake.exchange.sender.cut = True  # the requests arrive, and no webhook comes
    waiting = await lab.adapter.list_calls()
    assert waiting[0].bridged_leg == leg_id
    await lab.adapter.hold(call_id)
    await lab.adapter.consult(leg_id, other)
    await lab.lose_connection()
    await lab.restore_connection()
    await lab.until(lambda: any(isinstance(event, CarrierUp) for event in lab.events))
    await lab.first(CallHeld, call_id)
    started = await lab.first(ConsultStarted, leg_id)
    assert started.other_leg_id == other
    await lab.bridge(call_id, leg_id)


async def test_whose_coming_is_not_told_is_looked_for(lab: TwilioLab) -> None:
    """Webhooks are lost, and the connection is not: only the lists can tell."""
    call_id, leg_id = await lab.converse()
    other = await lab.open_leg()
    lab.fake.exchange.sender.cut = True
    await hold(lab, call_id)
    await consult(lab, leg_id, other)
    await lab.bridge(call_id, leg_id)
    await join(lab, call_id, other, LegRole.LISTEN)
    assert hears(lab, call_id, leg_id, other) == [{leg_id}, {call_id}, {call_id, leg_id}]


# --- what Twilio refuses -------------------------------------------------------------------------


async def test_a_person_who_hangs_up_in_the_middle_of_a_command_is_unknown() -> None:
    lost = Fault(lost=frozenset({"completed"}))
    async with twilio_lab(faults={OUTSIDE: lost}) as lab:
        call_id, _ = await lab.converse()
        other = await lab.open_leg()
        lab.fake.exchange.sender.cut = True  # even its going is not told
        await lab.callee_hangs_up(call_id)
        await lab.pass_time(0.5)
        lab.fake.exchange.sender.cut = False
        with pytest.raises(UnknownCall):
            await lab.adapter.bridge(call_id, other)
        await lab.dial_and_bridge(other)


async def test_a_coach_needs_who_is_coached(lab: TwilioLab) -> None:
    """Twilio's error 13240: the fake hangs up on a coach of nobody, as Twilio does."""
    seat = twiml.Seat(room="r", label="leg.x.0", told_url="", coaches="CA" + "0" * 32)
    form = {"To": ["client:x"], "From": ["+1"], "Twiml": [twiml.in_room(seat, None)]}
    call = lab.fake.exchange.create(form)
    await lab.until(lambda: call.status is CallStatus.COMPLETED)
    call_id, leg_id = await lab.converse()
    room = lab.call(call_id).room
    assert room is not None
    api = lab.adapter.api
    with pytest.raises(Refused):
        await api.set_voice(room.sid, lab.call(leg_id).sid, muted=False, coaches="CA" + "0" * 32)
    with pytest.raises(Refused) as refused:
        await api.set_voice("CF" + "0" * 32, lab.call(leg_id).sid, muted=True, coaches=None)
    assert (refused.value.twilio_code, refused.value.is_gone) == (20404, True)


async def test_a_role_cannot_change_after_the_device_has_gone(lab: TwilioLab) -> None:
    call_id, _, other = await supervised(lab)
    lab.fake.exchange.sender.cut = True
    await lab.agent_hangs_up(other)
    with pytest.raises(UnknownCall):
        await lab.adapter.join(call_id, other, LegRole.TALK)
    assert [event.role for event in lab.of(CallJoined, call_id)] == [LegRole.LISTEN]


async def test_a_visitor_is_sent_home_when_the_host_goes(lab: TwilioLab) -> None:
    call_id, leg_id, other = await consulting(lab)
    await lab.agent_hangs_up(leg_id)
    await lab.first(AgentLegDown, leg_id)
    await lab.bridge(call_id, other)
    assert hears(lab, call_id, other) == [{other}, {call_id}]


async def test_after_the_call_everybody_is_at_home(lab: TwilioLab) -> None:
    call_id, leg_id, other = await three_way(lab)
    await lab.callee_hangs_up(call_id)
    assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLEE
    await lab.pass_time(1.0)
    assert hears(lab, leg_id, other) == [set(), set()]
    with pytest.raises(TelephonyError):
        await lab.adapter.part(call_id, other)


async def test_a_person_on_hold_and_devices_on_a_visit_are_found_by_the_next_life() -> None:
    async with twilio_lab() as lab:
        held_call, _, visitor = await consulting(lab)
        port = lab.adapter.settings.listen_port
        await lab.adapter.stop()
        reborn = lab.make(lab.settings(port))
        lab.use(reborn)
        await reborn.start(lab.events.append)
        try:
            assert await lab.report(held_call) is not None
            assert lab.call(visitor).status.is_final
            assert len(await reborn.list_calls()) == 1
            await reborn.hangup(held_call)
            await lab.pass_time(1.0)
            assert lab.call(held_call).status.is_final
        finally:
            await reborn.stop()
