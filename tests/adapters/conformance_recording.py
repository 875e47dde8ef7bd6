"""Cases of adapters that declare `recording` or `dtmf_out`."""

from __future__ import annotations

import io
import wave

import pytest

from telephony_adapters.errors import DuplicateCall, TelephonyError, UnknownCall
from telephony_adapters.messages import (
    CallBridged,
    CallEnded,
    CallRinging,
    HangupCause,
    RecordingFinished,
)
from tests.adapters.conformance_control import hold
from tests.adapters.lab import UNKNOWN_CALL, FarEnd, Lab, ListeningLab

SLACK_MS = 500
"""How far a recording's length may be off."""


async def length_ms(lab: Lab, recording_id: str) -> int:
    """Of the file; fails when it cannot be played."""
    file = await lab.adapter.fetch_recording(recording_id)
    with wave.open(io.BytesIO(file), "rb") as sound:
        assert sound.getnchannels() == 1
        return sound.getnframes() * 1000 // sound.getframerate()


class RecordingCases:
    """Both directions of a call, from `record` to its end."""

    async def test_a_recording_from_start_to_stop(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer()
        await lab.adapter.record(call_id, "rec-1")
        await lab.pass_time(1.2)
        await lab.adapter.stop_recording(call_id)
        finished = await lab.first(RecordingFinished, call_id)
        assert (finished.recording_id, finished.failed) == ("rec-1", False)
        assert finished.duration_ms == pytest.approx(1_200, abs=SLACK_MS)
        assert await length_ms(lab, "rec-1") == pytest.approx(finished.duration_ms, abs=SLACK_MS)
        assert lab.of(CallEnded, call_id) == []
        with pytest.raises(UnknownCall):
            await lab.adapter.stop_recording(call_id)

    async def test_a_pause_is_left_out(self, lab: Lab) -> None:
        call_id, _ = await lab.converse()
        await lab.adapter.record(call_id, "rec-2")
        await lab.pass_time(0.7)
        await lab.adapter.pause_recording(call_id, paused=True)
        await lab.adapter.pause_recording(call_id, paused=True)
        await lab.pass_time(1.4)
        await lab.adapter.pause_recording(call_id, paused=False)
        await lab.pass_time(0.7)
        await lab.adapter.stop_recording(call_id)
        finished = await lab.first(RecordingFinished, call_id)
        assert finished.duration_ms == pytest.approx(1_400, abs=SLACK_MS)
        assert await length_ms(lab, "rec-2") == pytest.approx(1_400, abs=SLACK_MS)

    async def test_the_end_of_the_call_ends_it(self, lab: Lab) -> None:
        call_id, _ = await lab.converse()
        await lab.adapter.record(call_id, "rec-3")
        await lab.pass_time(1.0)
        await lab.callee_hangs_up(call_id)
        finished = await lab.first(RecordingFinished, call_id)
        assert not finished.failed
        assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLEE
        assert len(lab.of(RecordingFinished, call_id)) == 1
        assert await length_ms(lab, "rec-3") == pytest.approx(1_000, abs=SLACK_MS)

    async def test_the_end_of_the_call_ends_a_pause(self, lab: Lab) -> None:
        call_id, _ = await lab.converse()
        await lab.adapter.record(call_id, "rec-4")
        await lab.pass_time(1.0)
        await lab.adapter.pause_recording(call_id, paused=True)
        await lab.pass_time(1.0)
        await lab.adapter.hangup(call_id)
        finished = await lab.first(RecordingFinished, call_id)
        assert finished.duration_ms == pytest.approx(1_000, abs=SLACK_MS)

    async def test_it_follows_the_call(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer()
        await lab.adapter.record(call_id, "rec-5")
        await lab.bridge(call_id, await lab.open_leg())
        await hold(lab, call_id)
        await lab.bridge(call_id, await lab.open_leg())
        assert lab.of(RecordingFinished, call_id) == []
        assert len(lab.of(CallBridged, call_id)) == 2
        await lab.adapter.stop_recording(call_id)
        assert not (await lab.first(RecordingFinished, call_id)).failed

    async def test_one_recording_at_a_time_and_the_next_after_it(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer()
        await lab.adapter.record(call_id, "rec-6")
        with pytest.raises(TelephonyError):
            await lab.adapter.record(call_id, "rec-7")
        await lab.adapter.stop_recording(call_id)
        await lab.first(RecordingFinished, "rec-6")
        with pytest.raises(DuplicateCall):
            await lab.adapter.record(call_id, "rec-6")
        await lab.adapter.record(call_id, "rec-7")
        await lab.adapter.stop_recording(call_id)
        await lab.first(RecordingFinished, "rec-7")

    async def test_only_answered_calls_are_recorded(self, lab: Lab) -> None:
        ringing = await lab.dial(FarEnd.RINGS)
        await lab.first(CallRinging, ringing)
        for call_id in (UNKNOWN_CALL, ringing):
            with pytest.raises(UnknownCall):
                await lab.adapter.record(call_id, "rec-8")
        call_id = await lab.dial_and_answer()
        with pytest.raises(UnknownCall):
            await lab.adapter.pause_recording(call_id, paused=True)
        with pytest.raises(UnknownCall):
            await lab.adapter.stop_recording(call_id)
        with pytest.raises(UnknownCall):
            await lab.adapter.fetch_recording("rec-8")

    async def test_a_recording_that_is_deleted_is_gone(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer()
        await lab.adapter.record(call_id, "rec-9")
        with pytest.raises(TelephonyError) as refused:
            await lab.adapter.delete_recording("rec-9")
        assert not isinstance(refused.value, UnknownCall), "it is there, and under way"
        await lab.pass_time(0.5)
        await lab.adapter.stop_recording(call_id)
        await lab.first(RecordingFinished, "rec-9")
        assert await length_ms(lab, "rec-9") > 0
        await lab.adapter.delete_recording("rec-9")
        for _ in range(2):
            with pytest.raises(UnknownCall):
                await lab.adapter.fetch_recording("rec-9")
            with pytest.raises(UnknownCall):
                await lab.adapter.delete_recording("rec-9")

    @pytest.mark.parametrize("name", ["", "../../etc/passwd", "a/b", "a b", "ñ", "x" * 65])
    async def test_an_id_is_no_path(self, lab: Lab, name: str) -> None:
        call_id = await lab.dial_and_answer()
        with pytest.raises(TelephonyError):
            await lab.adapter.record(call_id, name)
        with pytest.raises(UnknownCall):
            await lab.adapter.fetch_recording(name)
        with pytest.raises(UnknownCall):
            await lab.adapter.delete_recording(name)


class DtmfOutCases:
    """Keys towards the person."""

    async def test_keys_reach_the_person(self, lab: ListeningLab) -> None:
        alone = await lab.dial_and_answer()
        await lab.adapter.send_dtmf(alone, "12")
        bridged, _ = await lab.converse()
        await lab.adapter.send_dtmf(bridged, "0*9")
        await lab.until_heard(alone, "12")
        await lab.until_heard(bridged, "0*9")

    async def test_keys_need_an_answered_call(self, lab: Lab) -> None:
        ringing = await lab.dial(FarEnd.RINGS)
        await lab.first(CallRinging, ringing)
        for call_id in (UNKNOWN_CALL, ringing):
            with pytest.raises(UnknownCall):
                await lab.adapter.send_dtmf(call_id, "1")

    async def test_there_are_no_other_keys(self, lab: Lab) -> None:
        call_id = await lab.dial_and_answer()
        for keys in ("", "12a", "1,2", "1" * 65):
            with pytest.raises(TelephonyError):
                await lab.adapter.send_dtmf(call_id, keys)
