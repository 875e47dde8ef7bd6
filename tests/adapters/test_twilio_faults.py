"""What goes wrong between Marcador and Twilio, and what must still be true."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

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
    CallAnswered,
    CallBridged,
    CallEnded,
    CallEvent,
    CallId,
    CallPhase,
    CallRinging,
    DtmfReceived,
    HangupCause,
    LegId,
    PlaybackFinished,
)
from telephony_adapters.prompts import Prompt
from telephony_adapters.twilio import twiml
from telephony_adapters.twilio.fake.calls import FakeCall
from telephony_adapters.twilio.fake.exchange import FakeSettings
from telephony_adapters.twilio.fake.faults import CreateFault, Fault
from tests.adapters.lab import RING_TIMEOUT_S, FarEnd
from tests.adapters.twilio_lab import NUMBERS, TwilioLab, twilio_lab
from tests.support.free_port import free_port
from tests.support.permits import permit_for


def on(far_end: FarEnd, fault: Fault) -> dict[str, Fault]:
    return {NUMBERS[far_end]: fault}


# --- a create without an answer ------------------------------------------------------------------


@pytest.mark.parametrize("fault", [CreateFault.SILENT_PLACED, CreateFault.SERVER_ERROR_PLACED])
async def test_a_call_whose_create_got_no_answer_is_found_by_its_own_callbacks(
    fault: CreateFault,
) -> None:
    async with twilio_lab(faults=on(FarEnd.ANSWERS, Fault(create=fault))) as lab:
        command = lab.command(lab.number(FarEnd.ANSWERS))
        with pytest.raises(OutcomeUnknown):
            await lab.originate(command)
        await lab.first(CallAnswered, command.call_id)
        report = await lab.report(command.call_id)
        assert report is not None
        assert report.phase is CallPhase.ANSWERED
        with pytest.raises(DuplicateCall):
            await lab.originate(command)
        await lab.adapter.hangup(command.call_id)
        assert (await lab.end(command.call_id)).cause is HangupCause.NORMAL_CALLER
        assert lab.placed() == 1


async def test_a_call_whose_create_got_no_answer_is_found_in_the_list() -> None:
    """Its callbacks are lost too: only the list of live calls can tell."""
    silent = Fault(
        create=CreateFault.SILENT_PLACED,
        lost=frozenset({"initiated", "ringing", "answered", "completed"}),
    )
    async with twilio_lab(faults=on(FarEnd.RINGS, silent)) as lab:
        command = lab.command(lab.number(FarEnd.RINGS))
        with pytest.raises(OutcomeUnknown):
            await lab.originate(command)
        await lab.pass_time(2.0)
        report = await lab.report(command.call_id)
        assert report is not None
        assert report.phase is CallPhase.RINGING
        await lab.adapter.hangup(command.call_id)
        assert await lab.report(command.call_id) is None


async def test_of_two_doubtful_calls_to_one_number_the_list_tells_neither() -> None:
    silent = Fault(
        create=CreateFault.SILENT_PLACED,
        times=2,
        lost=frozenset({"initiated", "ringing", "answered", "completed"}),
    )
    async with twilio_lab(faults=on(FarEnd.RINGS, silent)) as lab:
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                await lab.originate(lab.command(lab.number(FarEnd.RINGS)))
        assert await lab.adapter.list_calls() == []


@pytest.mark.parametrize("fault", [CreateFault.SILENT, CreateFault.SERVER_ERROR])
async def test_a_call_that_was_never_placed_is_unknown_and_then_vanishes(
    fault: CreateFault,
) -> None:
    async with twilio_lab(faults=on(FarEnd.ANSWERS, Fault(create=fault))) as lab:
        command = lab.command(lab.number(FarEnd.ANSWERS))
        with pytest.raises(OutcomeUnknown):
            await lab.originate(command)
        assert await lab.report(command.call_id) is None
        await lab.adapter.hangup(command.call_id)  # it may still show itself
        await lab.pass_time(120.0)
        with pytest.raises(UnknownCall):
            await lab.adapter.hangup(command.call_id)
        assert lab.placed() == 0
        assert lab.of(CallEvent, command.call_id) == []


async def test_a_doubtful_call_that_we_gave_up_is_ended_as_soon_as_it_shows_itself() -> None:
    late = Fault(create=CreateFault.SILENT_PLACED, late_s=1.0)
    async with twilio_lab(faults=on(FarEnd.ANSWERS, late)) as lab:
        command = lab.command(lab.number(FarEnd.ANSWERS))
        with pytest.raises(OutcomeUnknown):
            await lab.originate(command)
        await lab.adapter.hangup(command.call_id)
        assert (await lab.end(command.call_id)).cause is HangupCause.CANCELLED
        assert lab.of(CallAnswered, command.call_id) == []


async def test_a_hangup_before_twilio_has_answered_is_carried_out_afterwards() -> None:
    faults = on(FarEnd.ANSWERS, Fault(create=CreateFault.SILENT_PLACED))
    async with twilio_lab(faults=faults) as lab:
        command = lab.command(lab.number(FarEnd.ANSWERS))
        placing = asyncio.ensure_future(lab.originate(command))
        for _ in range(1000):  # real time: the request never gets its answer
            if lab.placed():
                break
            await asyncio.sleep(0.001)
        await lab.adapter.hangup(command.call_id)
        assert (await lab.end(command.call_id)).cause is HangupCause.CANCELLED
        with pytest.raises(OutcomeUnknown):
            await placing


async def test_who_answers_at_the_last_moment_is_not_cut_off() -> None:
    """The answer is the first that is heard of a call, after its ring timeout."""
    late = Fault(
        create=CreateFault.SILENT_PLACED, late_s=2.0, lost=frozenset({"initiated", "ringing"})
    )
    async with twilio_lab(faults=on(FarEnd.ANSWERS, late)) as lab:
        command = lab.command(lab.number(FarEnd.ANSWERS), ring_timeout_s=4)
        with pytest.raises(OutcomeUnknown):
            await lab.originate(command)
        await lab.first(CallAnswered, command.call_id)
        await lab.pass_time(5.0)
        assert lab.of(CallEnded, command.call_id) == []
        leg_id = await lab.open_leg()
        await lab.adapter.bridge(command.call_id, leg_id)
        await lab.first(CallBridged, command.call_id)


async def test_a_leg_whose_create_got_no_answer_is_closed_when_it_shows_itself() -> None:
    faults = {"client:dora_1": Fault(create=CreateFault.SILENT_PLACED)}
    async with twilio_lab(faults=faults) as lab:
        leg_id = LegId("leg-1")
        with pytest.raises(OutcomeUnknown):
            await lab.adapter.open_agent_leg(leg_id, lab.endpoint())
        await lab.until(lambda: lab.call(leg_id).status.is_final)
        assert lab.of(AgentLegUp, leg_id) == []


async def test_a_leg_that_never_showed_itself_can_be_opened_again() -> None:
    faults = {"client:dora_1": Fault(create=CreateFault.SILENT)}
    async with twilio_lab(faults=faults) as lab:
        leg_id, endpoint = LegId("leg-1"), lab.endpoint()
        with pytest.raises(OutcomeUnknown):
            await lab.adapter.open_agent_leg(leg_id, endpoint)
        await lab.adapter.open_agent_leg(leg_id, endpoint)
        await lab.first(AgentLegUp, leg_id)
        with pytest.raises(DuplicateCall):
            await lab.adapter.open_agent_leg(leg_id, endpoint)


# --- refusals ------------------------------------------------------------------------------------


async def test_429_was_never_processed_and_is_asked_again() -> None:
    busy = Fault(create=CreateFault.TOO_MANY, times=2)
    async with twilio_lab(faults=on(FarEnd.BUSY, busy)) as lab:
        before = lab.now()
        command = lab.command(lab.number(FarEnd.BUSY))
        asking = lab.originate(command)
        await _while_time_passes(lab, asking, 4.0)
        assert (await lab.end(command.call_id)).cause is HangupCause.BUSY
        assert lab.placed() == 1
        assert (lab.now() - before).total_seconds() >= 2.0  # Retry-After, twice


async def test_429_without_end_places_nothing() -> None:
    busy = Fault(create=CreateFault.TOO_MANY, times=100)
    async with twilio_lab(faults=on(FarEnd.BUSY, busy)) as lab:
        asking = lab.originate(lab.command(lab.number(FarEnd.BUSY)))
        with pytest.raises(OriginateRejected) as refused:
            await _while_time_passes(lab, asking, 10.0)
        assert refused.value.provider_code == "twilio:20429"
        assert lab.placed() == 0


async def test_no_call_leaves_after_its_permit_has_lapsed() -> None:
    busy = Fault(create=CreateFault.TOO_MANY, times=2)
    async with twilio_lab(faults=on(FarEnd.BUSY, busy)) as lab:
        command = lab.command(lab.number(FarEnd.BUSY))
        permit = permit_for(command.to, lab.now(), valid_s=1.5)
        asking = lab.adapter.originate(command, permit)
        with pytest.raises(OriginateRejected):
            await _while_time_passes(lab, asking, 10.0)
        assert lab.placed() == 0


async def test_a_number_that_twilio_refuses() -> None:
    refused = Fault(create=CreateFault.REFUSED)
    async with twilio_lab(faults=on(FarEnd.ANSWERS, refused)) as lab:
        with pytest.raises(OriginateRejected) as refusal:
            await lab.originate(lab.command(lab.number(FarEnd.ANSWERS)))
        assert refusal.value.provider_code == "twilio:21211"
        assert await lab.adapter.list_calls() == []


async def test_wrong_credentials_are_told_by_the_name_of_the_key() -> None:
    async with twilio_lab() as lab:
        adapter = lab.make(lab.settings(free_port(), auth_token="wrong"))
        with pytest.raises(CarrierUnavailable, match=r"twilio\.auth_token"):
            await adapter.start(lab.events.append)


async def test_a_taken_port_is_told_by_the_name_of_the_key() -> None:
    async with twilio_lab() as lab:
        taken = lab.make(lab.settings(lab.fake.port))
        with pytest.raises(CarrierUnavailable, match=r"twilio\.listen_port"):
            await taken.start(lab.events.append)


# --- callbacks that are late, lost or out of order -----------------------------------------------


@pytest.mark.parametrize("fault", [Fault(out_of_order=True), Fault(out_of_order=True, repeats=1)])
@pytest.mark.parametrize(
    ("far_end", "cause"),
    [
        (FarEnd.ANSWERS_BRIEFLY, HangupCause.NORMAL_CALLEE),
        (FarEnd.BUSY, HangupCause.BUSY),
        (FarEnd.RINGS, HangupCause.NO_ANSWER),
        (FarEnd.DEAD, HangupCause.ROUTE_DOWN),
    ],
)
async def test_the_story_is_the_same_in_any_order(
    far_end: FarEnd, cause: HangupCause, fault: Fault
) -> None:
    async with twilio_lab(faults=on(far_end, fault)) as lab:
        call_id = await lab.dial(far_end)
        assert (await lab.end(call_id)).cause is cause
        await lab.pass_time(10.0)
        told = lab.of(CallEvent, call_id)
        assert isinstance(told[-1], CallEnded)
        kinds = [type(event) for event in told]
        assert len(kinds) == len(set(kinds))
        if CallRinging in kinds and CallAnswered in kinds:
            assert kinds.index(CallRinging) < kinds.index(CallAnswered)
        assert (CallAnswered in kinds) == (far_end is FarEnd.ANSWERS_BRIEFLY)


async def test_an_end_without_its_answer_tells_of_the_answer_first() -> None:
    lost = Fault(lost=frozenset({"ringing", "answered"}))
    async with twilio_lab(faults=on(FarEnd.ANSWERS_BRIEFLY, lost)) as lab:
        call_id = await lab.dial(FarEnd.ANSWERS_BRIEFLY)
        end = await lab.end(call_id)
        assert end.cause is HangupCause.NORMAL_CALLEE
        (answered,) = lab.of(CallAnswered, call_id)
        assert (end.at - answered.at).total_seconds() == pytest.approx(2.0, abs=1.0)


async def test_an_answer_that_was_lost_is_noticed_on_hold() -> None:
    lost = Fault(lost=frozenset({"answered"}))
    async with twilio_lab(faults=on(FarEnd.ANSWERS, lost)) as lab:
        call_id = await lab.dial(FarEnd.ANSWERS)
        await lab.first(CallAnswered, call_id)
        leg_id = await lab.open_leg()
        await lab.adapter.bridge(call_id, leg_id)
        assert (await lab.first(CallBridged, call_id)).leg_id == leg_id


async def test_ringing_that_was_lost_is_known_from_the_number_of_the_end() -> None:
    lost = Fault(lost=frozenset({"ringing"}))
    async with twilio_lab(faults=on(FarEnd.RINGS, lost)) as lab:
        call_id = await lab.dial(FarEnd.RINGS)
        assert (await lab.end(call_id)).cause is HangupCause.NO_ANSWER
        assert lab.of(CallRinging, call_id) == []


async def test_a_verdict_that_never_comes_counts_as_unsure() -> None:
    lost = Fault(lost=frozenset({"amd"}))
    async with twilio_lab(faults=on(FarEnd.ANSWERS, lost)) as lab:
        call_id = await lab.dial(FarEnd.ANSWERS, amd=True)
        result = await lab.first(AmdResult, call_id)
        assert result.verdict is AmdVerdict.UNSURE


async def test_an_end_that_was_lost_is_known_from_the_list() -> None:
    lost = Fault(lost=frozenset({"completed"}))
    async with twilio_lab(faults=on(FarEnd.ANSWERS_BRIEFLY, lost)) as lab:
        call_id = await lab.dial_and_answer(FarEnd.ANSWERS_BRIEFLY)
        await lab.pass_time(120.0)
        assert await lab.report(call_id) is None
        assert await lab.report(call_id) is None
        with pytest.raises(UnknownCall):
            await lab.adapter.hangup(call_id)


async def test_a_late_callback_says_when_it_happened() -> None:
    late = Fault(late_s=5.0)
    async with twilio_lab(faults=on(FarEnd.BUSY, late)) as lab:
        placed_at = lab.now()
        call_id = await lab.dial(FarEnd.BUSY)
        end = await lab.end(call_id)
        assert (lab.now() - placed_at).total_seconds() >= 8.0
        assert 3.0 <= (end.at - placed_at).total_seconds() <= 4.0


# --- the queue of Twilio -------------------------------------------------------------------------


async def test_a_call_that_waits_too_long_in_twilios_queue_is_cancelled() -> None:
    slow = FakeSettings(calls_per_s=0.1)
    async with twilio_lab(slow, queued_call_expiry_s=5.0) as lab:
        first = await lab.dial(FarEnd.BUSY)
        second = await lab.dial(FarEnd.BUSY)
        assert (await lab.end(first)).cause is HangupCause.BUSY
        expired = await lab.end(second)
        assert expired.cause is HangupCause.CONGESTION
        assert "queue_expired" in expired.provider_code
        assert lab.fake.exchange.dialed == 1


async def test_a_call_that_left_the_queue_unheard_is_not_cancelled() -> None:
    lost = Fault(lost=frozenset({"initiated", "ringing"}))
    async with twilio_lab(faults=on(FarEnd.RINGS, lost), queued_call_expiry_s=3.0) as lab:
        placed_at = lab.now()
        call_id = await lab.dial(FarEnd.RINGS)
        end = await lab.end(call_id)
        assert end.cause is HangupCause.NO_ANSWER
        assert (end.at - placed_at).total_seconds() >= RING_TIMEOUT_S - 0.1


# --- calls of another life -----------------------------------------------------------------------


async def test_a_call_of_another_life_is_listed_when_it_shows_itself_and_can_be_hung_up() -> None:
    async with twilio_lab() as lab:
        call_id = await lab.dial(FarEnd.ANSWERS)
        port = lab.adapter.settings.listen_port
        await lab.adapter.stop()
        reborn = lab.make(lab.settings(port))
        lab.use(reborn)
        told = len(lab.events)
        await reborn.start(lab.events.append)
        try:
            await lab.until(lambda: lab.call(call_id).is_answered)
            report = await lab.report(call_id)
            assert report is not None
            assert report.phase is CallPhase.ANSWERED
            await reborn.hangup(call_id)
            assert await lab.report(call_id) is None
            assert lab.events[told:] == []
        finally:
            await reborn.stop()


async def test_a_conversation_of_another_life_is_found_at_the_start() -> None:
    async with twilio_lab() as lab:
        call_id, leg_id = await _bridged(lab)
        strangers = await _room_of_another_marcador(lab)
        port = lab.adapter.settings.listen_port
        await lab.adapter.stop()
        reborn = lab.make(lab.settings(port))
        lab.use(reborn)
        await reborn.start(lab.events.append)
        try:
            report = await lab.report(call_id)
            assert report is not None
            assert report.phase is CallPhase.ANSWERED
            assert lab.call(leg_id).status.is_final
            assert not strangers.status.is_final
            assert len(await reborn.list_calls()) == 1
            await reborn.hangup(call_id)
            assert await lab.adapter.list_calls() == []
        finally:
            await reborn.stop()


async def _room_of_another_marcador(lab: TwilioLab) -> FakeCall:
    """An agent's leg of a Marcador with another public address, on the same account."""
    there = twiml.Addresses("https://other.example.com")
    seat = twiml.Seat(
        room=there.room_name(LegId("leg-9")), label="leg.leg-9.0", told_url="http://127.0.0.1:9"
    )
    room = twiml.in_room(seat, None)
    call = lab.fake.exchange.create({"To": ["client:host"], "From": ["+1"], "Twiml": [room]})
    await lab.until(lambda: call.is_answered)
    await lab.pass_time(1.0)
    return call


async def test_nobody_of_another_life_is_left_on_hold_for_long() -> None:
    async with twilio_lab() as lab:
        call_id = await lab.dial_and_answer()
        port = lab.adapter.settings.listen_port
        await lab.adapter.stop()
        reborn = lab.make(lab.settings(port))
        lab.use(reborn)
        await reborn.start(lab.events.append)
        try:
            await lab.pass_time(11.0)
            assert lab.call(call_id).status.is_final
        finally:
            await reborn.stop()


def said(text: str) -> Prompt:
    return Prompt(text=text, language="en")


# --- prompts, keys and rooms ---------------------------------------------------------------------


async def test_a_key_interrupts_a_prompt() -> None:
    async with twilio_lab() as lab:
        call_id = await lab.dial_and_answer(FarEnd.PRESSES_KEYS)
        await lab.adapter.play(call_id, said("menu"), "menu-1")
        finished = await lab.first(PlaybackFinished, call_id)
        keys = await lab.first(DtmfReceived, call_id)
        assert finished.at == keys.at
        await lab.until(lambda: len(lab.of(DtmfReceived, call_id)) == 2)


async def test_a_prompt_that_is_replaced_has_finished() -> None:
    async with twilio_lab() as lab:
        call_id = await lab.dial_and_answer()
        await lab.adapter.play(call_id, said("one"), "p1")
        await lab.adapter.play(call_id, said("two"), "p2")
        await lab.until(lambda: len(lab.of(PlaybackFinished, call_id)) == 2)
        assert [e.playback_id for e in lab.of(PlaybackFinished, call_id)] == ["p1", "p2"]


async def test_a_prompt_to_who_is_with_an_agent_is_said_into_the_conference() -> None:
    async with twilio_lab() as lab:
        call_id, leg_id = await _bridged(lab)
        began_at = lab.now()
        await lab.adapter.play(call_id, said("this call is recorded"), "p1")
        with pytest.raises(TelephonyError, match="does not stop"):
            await lab.adapter.stop_playing(call_id, "p1")
        finished = await lab.first(PlaybackFinished, call_id)
        assert (finished.playback_id, finished.failed) == ("p1", False)
        assert (finished.at - began_at).total_seconds() == lab.fake.settings.prompt_s
        assert lab.fake.exchange.said[-1] == "this call is recorded"
        assert lab.heard_by(call_id) == {leg_id}, "nobody left for it"
        assert len(lab.of(CallBridged, call_id)) == 1


async def test_an_announcement_that_is_interrupted_was_not_heard() -> None:
    async with twilio_lab() as lab:
        call_id, _ = await _bridged(lab)
        await lab.adapter.play(call_id, said("this call is recorded"), "p1")
        await lab.pass_time(1.0)
        await lab.adapter.hold(call_id)
        finished = await lab.first(PlaybackFinished, call_id)
        assert (finished.playback_id, finished.failed) == ("p1", True)
        await lab.pass_time(10.0)
        assert len(lab.of(PlaybackFinished, call_id)) == 1


async def test_a_leg_carries_one_call() -> None:
    async with twilio_lab() as lab:
        first, leg_id = await _bridged(lab)
        second = await lab.dial_and_answer()
        with pytest.raises(TelephonyError, match=f"carries call {first}"):
            await lab.adapter.bridge(second, leg_id)


async def test_a_leg_is_free_again_after_a_bridge_that_failed() -> None:
    lost = Fault(lost=frozenset({"completed"}))
    async with twilio_lab(faults=on(FarEnd.ANSWERS_BRIEFLY, lost)) as lab:
        leg_id = await lab.open_leg()
        gone = await lab.dial_and_answer(FarEnd.ANSWERS_BRIEFLY)
        await lab.pass_time(5.0)
        with pytest.raises(UnknownCall):
            await lab.adapter.bridge(gone, leg_id)
        call_id = await lab.dial_and_answer()
        await lab.adapter.bridge(call_id, leg_id)
        assert (await lab.first(CallBridged, call_id)).leg_id == leg_id


async def test_a_person_left_alone_by_the_agent_can_be_given_to_another() -> None:
    async with twilio_lab() as lab:
        call_id, first = await _bridged(lab)
        await lab.agent_hangs_up(first)
        await lab.first(AgentLegDown, first)
        second = await lab.open_leg()
        await lab.adapter.bridge(call_id, second)
        await lab.until(lambda: len(lab.of(CallBridged, call_id)) == 2)
        assert lab.of(CallBridged, call_id)[1].leg_id == second


async def _bridged(lab: TwilioLab) -> tuple[CallId, LegId]:
    leg_id = await lab.open_leg()
    call_id = await lab.dial_and_answer()
    await lab.adapter.bridge(call_id, leg_id)
    await lab.first(CallBridged, call_id)
    return call_id, leg_id


async def _while_time_passes(lab: TwilioLab, asking: Coroutine[None, None, None], s: float) -> None:
    """Let a command that sleeps on the clock come to its end."""
    task = asyncio.ensure_future(asking)
    await lab.until(task.done, s)
    await task
