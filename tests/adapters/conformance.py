"""The suite that every telephony adapter passes.

A test class for an adapter inherits `EveryAdapter` (or those groups of cases that its nature
allows), the groups of what its facts declare (`AmdCases`, `PromptCases`, `DtmfCases`, and
`ControlCases`, `InboundCases`, `RecordingCases`, `DtmfOutCases` of the modules beside), and gives a
fixture `lab`. `FactsCases` fails when facts and groups differ.
"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta

import pytest

from compliance.permit import PermitProblem, PermitRefused
from compliance.types import Channel
from telephony_adapters.errors import DuplicateCall, NotOffered, TelephonyError, UnknownCall
from telephony_adapters.messages import (
    AmdResult,
    AmdVerdict,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallEvent,
    CallPhase,
    CallProgress,
    CallRinging,
    DtmfReceived,
    HangupCause,
    LegRole,
    PlaybackFinished,
)
from tests.adapters.conformance_control import ControlCases
from tests.adapters.conformance_inbound import InboundCases
from tests.adapters.conformance_legs import LegCases
from tests.adapters.conformance_recording import DtmfOutCases, RecordingCases
from tests.adapters.lab import TIMER_SLACK_S, UNKNOWN_CALL, UNKNOWN_LEG, FarEnd, Lab
from tests.support.permits import permit_for


class FactsCases:
    """An adapter is tested for exactly what it declares."""

    async def test_the_cases_are_those_that_the_facts_declare(self, lab: Lab) -> None:
        facts = lab.adapter.facts
        assert facts.name
        assert facts.amd == isinstance(self, AmdCases)
        assert facts.prompts == isinstance(self, PromptCases)
        assert facts.dtmf == isinstance(self, DtmfCases)
        assert facts.control == isinstance(self, ControlCases)
        assert facts.inbound == isinstance(self, InboundCases)
        assert facts.recording == isinstance(self, RecordingCases)
        assert facts.dtmf_out == isinstance(self, DtmfOutCases)

    async def test_what_is_not_declared_is_not_offered(self, lab: Lab) -> None:
        facts, adapter = lab.adapter.facts, lab.adapter
        commands: list[tuple[bool, Coroutine[object, object, object]]] = [
            (facts.control, adapter.hold(UNKNOWN_CALL)),
            (facts.control, adapter.consult(UNKNOWN_LEG, UNKNOWN_LEG)),
            (facts.control, adapter.join(UNKNOWN_CALL, UNKNOWN_LEG, LegRole.LISTEN)),
            (facts.control, adapter.part(UNKNOWN_CALL, UNKNOWN_LEG)),
            (facts.inbound, adapter.answer(UNKNOWN_CALL)),
            (facts.recording, adapter.record(UNKNOWN_CALL, "nothing")),
            (facts.recording, adapter.pause_recording(UNKNOWN_CALL, paused=True)),
            (facts.recording, adapter.stop_recording(UNKNOWN_CALL)),
            (facts.recording, adapter.fetch_recording("nothing")),
            (facts.dtmf_out, adapter.send_dtmf(UNKNOWN_CALL, "1")),
        ]
        for declared, command in commands:
            with pytest.raises(UnknownCall if declared else NotOffered):
                await command

    async def test_start_itself_tells_no_event(self, lab: Lab) -> None:
        assert lab.events == []


class PermitCases:
    """Without a good permit not a byte leaves."""

    async def test_originating_uses_the_permit_up(self, lab: Lab) -> None:
        command = lab.command(lab.number(FarEnd.BUSY))
        permit = permit_for(command.to, lab.now())
        await lab.adapter.originate(command, permit)
        assert permit.spent
        await lab.end(command.call_id)

    async def test_a_spent_permit_places_no_second_call(self, lab: Lab) -> None:
        first = lab.command(lab.number(FarEnd.BUSY))
        permit = permit_for(first.to, lab.now())
        await lab.adapter.originate(first, permit)
        await lab.end(first.call_id)
        placed = lab.placed()
        with pytest.raises(PermitRefused) as refusal:
            await lab.adapter.originate(lab.command(first.to), permit)
        assert refusal.value.problem is PermitProblem.SPENT
        assert lab.placed() == placed

    async def test_an_expired_permit_places_no_call(self, lab: Lab) -> None:
        command = lab.command(lab.number(FarEnd.BUSY))
        permit = permit_for(command.to, lab.now() - timedelta(minutes=1))
        with pytest.raises(PermitRefused) as refusal:
            await lab.adapter.originate(command, permit)
        assert refusal.value.problem is PermitProblem.EXPIRED
        assert lab.placed() == 0

    async def test_a_permit_for_another_number_places_no_call(self, lab: Lab) -> None:
        command = lab.command(lab.number(FarEnd.BUSY))
        permit = permit_for(lab.number(FarEnd.REJECTS), lab.now())
        with pytest.raises(PermitRefused) as refusal:
            await lab.adapter.originate(command, permit)
        assert refusal.value.problem is PermitProblem.WRONG_ADDRESS
        assert lab.placed() == 0

    async def test_a_permit_for_another_channel_places_no_call(self, lab: Lab) -> None:
        command = lab.command(lab.number(FarEnd.BUSY))
        permit = permit_for(command.to, lab.now(), channel=Channel.SMS)
        with pytest.raises(PermitRefused) as refusal:
            await lab.adapter.originate(command, permit)
        assert refusal.value.problem is PermitProblem.WRONG_CHANNEL
        assert lab.placed() == 0


class IdentityCases:
    """A call is placed once, an event counts once."""

    async def test_a_call_id_places_one_call(self, lab: Lab) -> None:
        command = lab.command(lab.number(FarEnd.BUSY))
        await lab.originate(command)
        with pytest.raises(DuplicateCall):
            await lab.originate(command)
        await lab.end(command.call_id)
        assert lab.placed() == 1

    async def test_a_call_id_stays_used_after_the_call(self, lab: Lab) -> None:
        command = lab.command(lab.number(FarEnd.BUSY))
        await lab.originate(command)
        await lab.end(command.call_id)
        with pytest.raises(DuplicateCall):
            await lab.originate(command)
        assert lab.placed() == 1

    async def test_every_call_ends_once_and_for_good(self, lab: Lab) -> None:
        calls = [await lab.dial(FarEnd.BUSY) for _ in range(5)]
        calls += [await lab.dial(FarEnd.NOT_IN_SERVICE) for _ in range(5)]
        for call_id in calls:
            await lab.end(call_id)
        await lab.pass_time(TIMER_SLACK_S)
        for call_id in calls:
            told = lab.of(CallEvent, call_id)
            assert [event for event in told if isinstance(event, CallEnded)] == told[-1:]
            assert await lab.report(call_id) is None

    async def test_events_carry_instants_with_a_zone(self, lab: Lab) -> None:
        before = lab.now()
        call_id = await lab.dial(FarEnd.BUSY)
        end = await lab.end(call_id)
        assert end.at.tzinfo is not None
        slack = timedelta(seconds=TIMER_SLACK_S)
        assert before - slack <= end.at <= lab.now() + slack

    async def test_unknown_calls_are_refused(self, lab: Lab) -> None:
        with pytest.raises(UnknownCall):
            await lab.adapter.hangup(UNKNOWN_CALL)
        with pytest.raises(UnknownCall):
            await lab.adapter.bridge(UNKNOWN_CALL, UNKNOWN_LEG)
        assert await lab.adapter.list_calls() == []

    async def test_an_ended_call_cannot_be_hung_up(self, lab: Lab) -> None:
        call_id = await lab.dial(FarEnd.BUSY)
        await lab.end(call_id)
        with pytest.raises(UnknownCall):
            await lab.adapter.hangup(call_id)


class RefusalCases:
    """What the far end says against a call is told in the port's words."""

    @pytest.mark.parametrize(
        ("far_end", "cause"),
        [
            (FarEnd.BUSY, HangupCause.BUSY),
            (FarEnd.UNAVAILABLE, HangupCause.UNAVAILABLE),
            (FarEnd.NOT_IN_SERVICE, HangupCause.NOT_IN_SERVICE),
            (FarEnd.REJECTS, HangupCause.REJECTED),
            (FarEnd.CONGESTED, HangupCause.CONGESTION),
        ],
    )
    async def test_refused(self, lab: Lab, far_end: FarEnd, cause: HangupCause) -> None:
        call_id = await lab.dial(far_end)
        end = await lab.end(call_id)
        assert end.cause is cause
        assert lab.of(CallAnswered, call_id) == []


class RingingCases:
    """Before the answer."""

    async def test_a_ringing_call_is_told_and_listed(self, lab: Lab) -> None:
        call_id = await lab.dial(FarEnd.RINGS)
        dialing = await lab.report(call_id)
        assert dialing is not None
        assert dialing.phase in (CallPhase.DIALING, CallPhase.RINGING)
        await lab.first(CallRinging, call_id)
        ringing = await lab.report(call_id)
        assert ringing is not None
        assert ringing.phase is CallPhase.RINGING
        assert ringing.bridged_leg is None
        told = [type(event) for event in lab.of(CallEvent, call_id)]
        assert told in ([CallProgress, CallRinging], [CallRinging])

    async def test_our_ring_timeout_ends_the_call(self, lab: Lab) -> None:
        placed_at = lab.now()
        call_id = await lab.dial(FarEnd.RINGS)
        end = await lab.end(call_id, lab.ring_timeout_s + TIMER_SLACK_S)
        assert end.cause is HangupCause.NO_ANSWER
        rang_s = (end.at - placed_at).total_seconds()
        assert lab.ring_timeout_s - 0.1 <= rang_s <= lab.ring_timeout_s + TIMER_SLACK_S
        assert await lab.report(call_id) is None

    async def test_a_dead_route_is_not_taken_for_a_person_who_does_not_answer(
        self, lab: Lab
    ) -> None:
        call_id = await lab.dial(FarEnd.DEAD)
        end = await lab.end(call_id, 60.0)
        assert end.cause is HangupCause.ROUTE_DOWN
        assert lab.of(CallRinging, call_id) == []

    async def test_we_hang_up_while_it_rings(self, lab: Lab) -> None:
        call_id = await lab.dial(FarEnd.RINGS)
        await lab.first(CallRinging, call_id)
        await lab.adapter.hangup(call_id)
        assert (await lab.end(call_id)).cause is HangupCause.CANCELLED

    async def test_we_hang_up_before_anything_is_told(self, lab: Lab) -> None:
        call_id = await lab.dial(FarEnd.RINGS)
        await lab.adapter.hangup(call_id)
        assert (await lab.end(call_id)).cause is HangupCause.CANCELLED
        assert lab.of(CallAnswered, call_id) == []

    async def test_a_call_that_only_rings_cannot_be_bridged(self, lab: Lab) -> None:
        leg_id = await lab.open_leg()
        call_id = await lab.dial(FarEnd.RINGS)
        await lab.first(CallRinging, call_id)
        with pytest.raises(TelephonyError):
            await lab.adapter.bridge(call_id, leg_id)
        assert lab.of(CallBridged, call_id) == []


class AnswerCases:
    """Answered calls without an agent."""

    async def test_an_answer_is_told_and_listed(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer()
        report = await lab.report(call_id)
        assert report is not None
        assert report.phase is CallPhase.ANSWERED
        assert report.bridged_leg is None
        assert lab.of(CallEnded, call_id) == []

    async def test_an_answer_ends_the_ring_timeout(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer()
        await lab.pass_time(lab.ring_timeout_s + TIMER_SLACK_S)
        assert lab.of(CallEnded, call_id) == []

    async def test_the_callee_hangs_up(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer(FarEnd.ANSWERS_BRIEFLY)
        assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLEE

    async def test_we_hang_up(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer()
        await lab.adapter.hangup(call_id)
        assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLER
        assert await lab.report(call_id) is None

    async def test_detection_is_silent_unless_asked_for(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer(FarEnd.MACHINE)
        await lab.pass_time(8.0)
        assert lab.of(AmdResult, call_id) == []


class AmdCases:
    """For adapters that detect answering machines."""

    @pytest.mark.parametrize(
        ("far_end", "verdict"),
        [(FarEnd.ANSWERS, AmdVerdict.HUMAN), (FarEnd.MACHINE, AmdVerdict.MACHINE)],
    )
    async def test_detection(self, lab: Lab, far_end: FarEnd, verdict: AmdVerdict) -> None:
        call_id = await lab.dial(far_end, amd=True)
        answered = await lab.first(CallAnswered, call_id)
        result = await lab.first(AmdResult, call_id)
        assert result.verdict is verdict
        took_ms = (result.at - answered.at).total_seconds() * 1000
        assert abs(result.took_ms - took_ms) < TIMER_SLACK_S * 1000
        assert len(lab.of(AmdResult, call_id)) == 1


class PromptCases:
    """For adapters that play prompts."""

    async def test_a_prompt_is_played_to_its_end(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer()
        await lab.adapter.play(call_id, lab.prompt(), "playback-1")
        finished = await lab.first(PlaybackFinished, call_id)
        assert finished.playback_id == "playback-1"
        assert lab.of(CallEnded, call_id) == []

    async def test_a_prompt_can_be_stopped(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer()
        began_at = lab.now()
        await lab.adapter.play(call_id, lab.prompt(), "playback-1")
        await lab.adapter.stop_playing(call_id, "playback-1")
        finished = await lab.first(PlaybackFinished, call_id)
        assert finished.playback_id == "playback-1"
        assert (finished.at - began_at).total_seconds() < 1.5
        await lab.adapter.stop_playing(call_id, "playback-1")  # over already: no error
        await lab.adapter.play(call_id, lab.prompt(), "playback-2")
        await lab.until(lambda: len(lab.of(PlaybackFinished, call_id)) == 2)

    async def test_nothing_is_stopped_on_an_unknown_call(self, lab: Lab) -> None:
        with pytest.raises(UnknownCall):
            await lab.adapter.stop_playing(UNKNOWN_CALL, "playback-1")

    async def test_a_prompt_needs_an_answered_call(self, lab: Lab) -> None:
        with pytest.raises(UnknownCall):
            await lab.adapter.play(UNKNOWN_CALL, lab.prompt(), "playback-1")
        call_id = await lab.dial(FarEnd.RINGS)
        await lab.first(CallRinging, call_id)
        with pytest.raises(TelephonyError):
            await lab.adapter.play(call_id, lab.prompt(), "playback-1")


class DtmfCases:
    """For adapters that hear pressed keys."""

    async def test_keys_are_told_in_order(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer(FarEnd.PRESSES_KEYS)
        await lab.until(lambda: len(lab.of(DtmfReceived, call_id)) == 2)
        assert [event.digit for event in lab.of(DtmfReceived, call_id)] == ["1", "2"]


class EveryAdapter(
    FactsCases, PermitCases, IdentityCases, RefusalCases, RingingCases, AnswerCases, LegCases
):
    """What every adapter for real conversations passes; add the groups that it declares."""
