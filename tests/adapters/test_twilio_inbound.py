"""People who call us through Twilio: what the caller hears, and what is never believed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from telephony_adapters.call_ids import inbound_call_id
from telephony_adapters.errors import UnknownCall
from telephony_adapters.messages import (
    CallAnswered,
    CallBridged,
    CallEnded,
    CallPhase,
    DtmfReceived,
    HangupCause,
    InboundCall,
)
from telephony_adapters.twilio.codec import CallStatus
from telephony_adapters.twilio.fake.calls import FakeCall
from telephony_adapters.twilio.fake.exchange import FakeSettings
from telephony_adapters.twilio.fake.faults import Fault
from telephony_adapters.twilio.twiml import RING_S
from tests.adapters.conformance_inbound import CALLER, comes_in, inbound
from tests.adapters.lab import OUR_NUMBER, FarEnd
from tests.adapters.test_twilio_webhooks import Knocker
from tests.adapters.twilio_lab import TwilioLab, twilio_lab


@pytest.fixture
async def lab() -> AsyncIterator[TwilioLab]:
    async with twilio_lab() as lab:
        yield lab


async def test_the_caller_hears_it_ring_until_we_answer(lab: TwilioLab) -> None:
    call = await comes_in(lab)
    theirs = lab.call(call.call_id)
    await lab.pass_time(45.0)
    assert theirs.status is CallStatus.RINGING
    assert theirs.answered_at is None
    asked_at = lab.now()
    await lab.adapter.answer(call.call_id)
    answered = await lab.first(CallAnswered, call.call_id)
    assert theirs.is_answered
    assert (answered.at - asked_at).total_seconds() <= RING_S + 1.0
    await lab.pass_time(30.0)
    assert lab.of(CallEnded, call.call_id) == []


async def test_who_is_rejected_was_never_picked_up(lab: TwilioLab) -> None:
    call = await comes_in(lab)
    await lab.adapter.hangup(call.call_id)
    end = await lab.end(call.call_id)
    assert end.cause is HangupCause.CANCELLED
    theirs = lab.call(call.call_id)
    assert theirs.status is CallStatus.BUSY
    assert theirs.answered_at is None, "so it is not billed"


async def test_whatever_follows_the_answer_is_not_too_early() -> None:
    """Twilio refuses to redirect or record what it is only about to pick up."""
    async with twilio_lab(FakeSettings(calls_per_s=1000.0, pick_up_s=2.0)) as lab:
        leg_id = await lab.open_leg()
        call = await comes_in(lab)
        await lab.adapter.answer(call.call_id)
        await lab.first(CallAnswered, call.call_id)
        await lab.adapter.record(call.call_id, "rec-1")
        await lab.adapter.bridge(call.call_id, leg_id)
        assert (await lab.first(CallBridged, call.call_id)).leg_id == leg_id


async def test_we_hang_up_while_twilio_picks_up() -> None:
    async with twilio_lab(FakeSettings(calls_per_s=1000.0, pick_up_s=5.0)) as lab:
        call = await comes_in(lab)
        await lab.adapter.answer(call.call_id)
        await lab.pass_time(RING_S + 1.0)
        await lab.adapter.hangup(call.call_id)
        assert (await lab.end(call.call_id)).cause is HangupCause.CANCELLED
        assert lab.call(call.call_id).status.is_final


async def test_the_caller_gives_up_while_twilio_picks_up() -> None:
    async with twilio_lab(FakeSettings(calls_per_s=1000.0, pick_up_s=5.0)) as lab:
        call = await comes_in(lab)
        await lab.adapter.answer(call.call_id)
        await lab.pass_time(RING_S + 1.0)
        await lab.callee_hangs_up(call.call_id)
        assert (await lab.end(call.call_id)).cause is HangupCause.NORMAL_CALLEE
        assert lab.of(CallAnswered, call.call_id) == []
        with pytest.raises(UnknownCall):
            await lab.adapter.answer(call.call_id)


async def test_a_caller_presses_keys_and_hears_prompts(lab: TwilioLab) -> None:
    call = await comes_in(lab)
    await lab.adapter.answer(call.call_id)
    await lab.first(CallAnswered, call.call_id)
    await lab.adapter.play(call.call_id, lab.prompt(), "p1")
    await lab.until(lambda: lab.call(call.call_id).keys is not None)
    keys = lab.call(call.call_id).keys
    assert keys is not None
    keys.put_nowait("7")
    assert (await lab.first(DtmfReceived, call.call_id)).digit == "7"


@pytest.mark.parametrize("told", [True, False])
async def test_the_end_is_noticed_where_the_number_tells_it_to_nobody(
    lab: TwilioLab, told: bool
) -> None:
    if not told:
        lab.fake.exchange.voice_status_url = ""
    await lab.somebody_calls(CALLER, patience_s=5.0)
    await lab.until(lambda: bool(inbound(lab)))
    (call,) = inbound(lab)
    began_at = lab.now()
    end = await lab.end(call.call_id, 30.0)
    assert end.cause is HangupCause.NORMAL_CALLEE
    took_s = (end.at - began_at).total_seconds()
    assert took_s < 7.0 if told else 7.0 < took_s < 20.0
    assert await lab.report(call.call_id) is None


async def test_callbacks_repeat_and_come_late() -> None:
    faults = {CALLER: Fault(repeats=2, late_s=1.0, out_of_order=True)}
    async with twilio_lab(faults=faults) as lab:
        call = await comes_in(lab)
        await lab.adapter.answer(call.call_id)
        await lab.first(CallAnswered, call.call_id)
        await lab.callee_hangs_up(call.call_id)
        assert (await lab.end(call.call_id)).cause is HangupCause.NORMAL_CALLEE
        await lab.pass_time(20.0)
        told = [e for e in lab.events if getattr(e, "call_id", None) == call.call_id]
        assert [type(event) for event in told] == [InboundCall, CallAnswered, CallEnded]


async def test_a_call_that_rings_is_told_to_the_next_life_by_the_same_id(lab: TwilioLab) -> None:
    call = await comes_in(lab)
    port = lab.adapter.settings.listen_port
    await lab.adapter.stop()
    reborn = lab.make(lab.settings(port))
    lab.use(reborn)
    lab.events.clear()
    await reborn.start(lab.events.append)
    try:
        await lab.until(lambda: bool(inbound(lab)))
        assert inbound(lab)[0].call_id == call.call_id
        await reborn.answer(call.call_id)
        await lab.first(CallAnswered, call.call_id)
    finally:
        await reborn.stop()


async def test_who_calls_while_we_are_down_hears_that_it_fails(lab: TwilioLab) -> None:
    await lab.adapter.stop()
    theirs = lab.fake.exchange.somebody_calls(CALLER, OUR_NUMBER, patience_s=60.0)
    await lab.until(lambda: theirs.status.is_final)
    assert theirs.status is CallStatus.FAILED
    assert inbound(lab) == []


async def test_who_calls_while_only_messages_are_served_hears_it_ring(lab: TwilioLab) -> None:
    """The door is shared with messages, and may outlast the calls."""
    await lab.adapter.door.open("messages")
    try:
        await lab.adapter.stop()
        theirs = lab.fake.exchange.somebody_calls(CALLER, OUR_NUMBER, patience_s=5.0)
        statuses = []
        for _ in range(2):
            await lab.pass_time(3.0)
            statuses.append(theirs.status)
        assert statuses == [CallStatus.RINGING, CallStatus.NO_ANSWER]
        assert inbound(lab) == []
    finally:
        await lab.adapter.door.close("messages")


# --- what is never believed ----------------------------------------------------------------------


@pytest.fixture
async def knocker(lab: TwilioLab) -> AsyncIterator[Knocker]:
    async with aiohttp.ClientSession() as session:
        yield Knocker(lab, session)


def asks(theirs: FakeCall, **changes: str) -> dict[str, str]:
    """The webhook of a call that comes in."""
    return {
        "CallSid": theirs.sid,
        "CallStatus": "ringing",
        "From": theirs.from_,
        "To": theirs.to,
        **changes,
    }


async def test_a_webhook_about_a_call_that_twilio_does_not_know_makes_none(
    knocker: Knocker,
) -> None:
    lab = knocker.lab
    fields = {
        "CallSid": "CA" + "0" * 32,
        "CallStatus": "ringing",
        "From": CALLER,
        "To": OUR_NUMBER,
    }
    document = await knocker.document("/twilio/voice", fields)
    assert "<Pause" in document
    await lab.pass_time(60.0)
    assert inbound(lab) == []
    assert await lab.adapter.list_calls() == []
    assert lab.adapter.counts["webhooks_repeated"] >= 1
    with pytest.raises(UnknownCall):
        await lab.adapter.answer(inbound_call_id("twilio", fields["CallSid"]))


async def test_a_webhook_that_is_sent_once_more_after_the_end_makes_no_call(
    knocker: Knocker,
) -> None:
    lab = knocker.lab
    call = await comes_in(lab)
    theirs = lab.call(call.call_id)
    await lab.callee_hangs_up(call.call_id)
    await lab.end(call.call_id)
    told = len(lab.events)
    document = await knocker.document("/twilio/voice", asks(theirs))
    assert "<Reject" in document
    await lab.pass_time(30.0)
    assert len(lab.events) == told


async def test_an_old_webhook_makes_no_call_in_the_next_life(knocker: Knocker) -> None:
    lab = knocker.lab
    call = await comes_in(lab)
    theirs = lab.call(call.call_id)
    await lab.callee_hangs_up(call.call_id)
    await lab.end(call.call_id)
    port = lab.adapter.settings.listen_port
    await lab.adapter.stop()
    reborn = lab.make(lab.settings(port))
    lab.use(reborn)
    await reborn.start(lab.events.append)
    try:
        told = len(lab.events)
        await knocker.document("/twilio/voice", asks(theirs))
        await lab.pass_time(30.0)
        assert len(lab.events) == told
    finally:
        await reborn.stop()


async def test_our_own_calls_are_not_inbound(knocker: Knocker) -> None:
    lab = knocker.lab
    call_id = await lab.dial(FarEnd.RINGS)
    theirs = lab.call(call_id)
    await knocker.document("/twilio/voice", asks(theirs))
    fields = {"CallSid": theirs.sid, "CallStatus": "completed"}
    assert await knocker.knock("/twilio/voice/status", fields) == 204
    assert inbound(lab) == []
    assert lab.of(CallEnded, call_id) == []
    report = await lab.report(call_id)
    assert report is not None
    assert report.phase in (CallPhase.DIALING, CallPhase.RINGING)


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/voice/status"])
async def test_an_unsigned_webhook_neither_calls_nor_ends(knocker: Knocker, path: str) -> None:
    lab = knocker.lab
    call = await comes_in(lab)
    theirs = lab.call(call.call_id)
    fields = asks(theirs, CallStatus="completed")
    assert await knocker.knock(path, fields, signature="wrong") == 403
    assert lab.of(CallEnded, call.call_id) == []
    assert len(inbound(lab)) == 1
    assert lab.adapter.webhook_counts.bad_signature == 1


async def test_an_answer_cannot_be_stolen(knocker: Knocker) -> None:
    """Who sends the call's webhook once more gets the document; the call gets it, too."""
    lab = knocker.lab
    call = await comes_in(lab)
    theirs = lab.call(call.call_id)
    await lab.adapter.answer(call.call_id)
    document = await knocker.document("/twilio/voice", asks(theirs))
    assert "<Gather" in document
    await lab.first(CallAnswered, call.call_id)
    assert theirs.is_answered
