"""Recordings at Twilio: what is asked for, what is believed, and what is left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from telephony_adapters.errors import (
    DuplicateCall,
    OutcomeUnknown,
    TelephonyError,
    UnknownCall,
)
from telephony_adapters.messages import CallId, RecordingFinished
from telephony_adapters.twilio.fake.faults import CreateFault, Fault
from telephony_adapters.twilio.fake.recorder import FakeRecording
from telephony_adapters.twilio.notes import KEPT, Note, RecordingNotes
from telephony_adapters.twilio.transport import Refused
from telephony_adapters.twilio.voice_api import RecordingChange
from tests.adapters.conformance_recording import length_ms
from tests.adapters.lab import FarEnd
from tests.adapters.test_twilio_webhooks import Knocker
from tests.adapters.twilio_lab import NUMBERS, TwilioLab, twilio_lab
from tests.support.manual_clock import START


@pytest.fixture
async def lab() -> AsyncIterator[TwilioLab]:
    async with twilio_lab() as lab:
        yield lab


@pytest.fixture
async def knocker(lab: TwilioLab) -> AsyncIterator[Knocker]:
    async with aiohttp.ClientSession() as session:
        yield Knocker(lab, session)


def on_the_call(fault: Fault) -> dict[str, Fault]:
    return {NUMBERS[FarEnd.ANSWERS]: fault}


def only(lab: TwilioLab) -> FakeRecording:
    (recording,) = lab.fake.exchange.recorder.recordings.values()
    return recording


async def recorded(lab: TwilioLab, name: str = "rec-1", for_s: float = 2.0) -> CallId:
    """A finished recording of a call that goes on."""
    call_id = await lab.dial_and_answer()
    await lab.adapter.record(call_id, name)
    await lab.pass_time(for_s)
    await lab.adapter.stop_recording(call_id)
    await lab.first(RecordingFinished, name)
    return call_id


async def test_both_directions_in_one_channel_and_nothing_trimmed(lab: TwilioLab) -> None:
    call_id = await recorded(lab)
    recording = only(lab)
    assert recording.channels == 1
    assert recording.call is lab.call(call_id)
    (finished,) = lab.of(RecordingFinished, "rec-1")
    assert (finished.call_id, finished.duration_ms) == (call_id, 2_000)


async def test_a_recording_of_nothing_has_failed(lab: TwilioLab) -> None:
    call_id = await lab.dial_and_answer()
    await lab.adapter.record(call_id, "rec-1")
    await lab.adapter.stop_recording(call_id)
    finished = await lab.first(RecordingFinished, "rec-1")
    assert (finished.failed, finished.duration_ms) == (True, 0)
    with pytest.raises(UnknownCall):
        await lab.adapter.fetch_recording("rec-1")


async def test_a_recording_survives_keys_holds_and_moves(lab: TwilioLab) -> None:
    call_id, leg_id = await lab.converse()
    await lab.adapter.record(call_id, "rec-1")
    await lab.adapter.send_dtmf(call_id, "1")
    await lab.pass_time(1.0)
    await lab.adapter.hold(call_id)
    await lab.pass_time(1.0)
    await lab.bridge(call_id, leg_id)
    await lab.pass_time(1.0)
    await lab.adapter.hangup(call_id)
    assert (await lab.first(RecordingFinished, "rec-1")).duration_ms == 3_000
    assert await length_ms(lab, "rec-1") == pytest.approx(3_000, abs=600)


async def test_twilio_records_only_what_is_answered(lab: TwilioLab) -> None:
    """21220, and the adapter's own word for it."""
    call_id = await lab.dial_and_answer()
    sid = lab.call(call_id).sid
    await lab.adapter.record(call_id, "rec-1")
    recording = only(lab)
    lab.fake.exchange.sender.cut = True
    await lab.callee_hangs_up(call_id)
    lab.fake.exchange.sender.cut = False
    for asking in (
        lab.adapter.api.record(sid, "http://127.0.0.1:9"),
        lab.adapter.api.change_recording(sid, recording.sid, RecordingChange.PAUSE),
    ):
        with pytest.raises(Refused) as refused:
            await asking
        assert refused.value.twilio_code == 21220
    for command in (
        lab.adapter.pause_recording(call_id, paused=True),
        lab.adapter.stop_recording(call_id),
    ):
        with pytest.raises(UnknownCall):
            await command


async def test_a_start_that_was_refused_can_be_tried_again() -> None:
    refused = Fault(record=CreateFault.REFUSED)
    async with twilio_lab(faults=on_the_call(refused)) as lab:
        call_id = await lab.dial_and_answer()
        for _ in range(2):
            with pytest.raises(TelephonyError):
                await lab.adapter.record(call_id, "rec-1")
        with pytest.raises(UnknownCall):
            await lab.adapter.stop_recording(call_id)


async def test_a_recording_that_nobody_knows_of_does_not_stay() -> None:
    """Its start got no answer, so the engine tells the agent that nothing is recorded."""
    doubtful = Fault(record=CreateFault.SERVER_ERROR_PLACED)
    async with twilio_lab(faults=on_the_call(doubtful)) as lab:
        call_id = await lab.dial_and_answer()
        with pytest.raises(OutcomeUnknown):
            await lab.adapter.record(call_id, "rec-1")
        await lab.until(lambda: not lab.fake.exchange.recorder.recordings)
        assert lab.of(RecordingFinished, "rec-1") == []
        with pytest.raises(UnknownCall):
            await lab.adapter.fetch_recording("rec-1")


@pytest.mark.parametrize("hangs_up", [True, False])
async def test_a_file_whose_callback_was_lost_is_there_when_the_call_is_over(
    hangs_up: bool,
) -> None:
    lost = Fault(lost=frozenset({"recording-completed"}))
    async with twilio_lab(faults=on_the_call(lost)) as lab:
        call_id = await lab.dial_and_answer()
        await lab.adapter.record(call_id, "rec-1")
        await lab.pass_time(2.0)
        with pytest.raises(UnknownCall):
            await lab.adapter.fetch_recording("rec-1")
        if hangs_up:
            await lab.callee_hangs_up(call_id)
        else:
            await lab.adapter.hangup(call_id)
        await lab.end(call_id)
        await lab.pass_time(2.0)
        assert await length_ms(lab, "rec-1") == pytest.approx(2_000, abs=500)


async def test_callbacks_that_come_twice_or_late_finish_once(knocker: Knocker) -> None:
    lab = knocker.lab
    call_id = await recorded(lab)
    told, sid = len(lab.events), only(lab).sid
    path = f"/twilio/recording?call={call_id}&recording=rec-1"
    for status in ("completed", "in-progress", "absent"):
        fields = {"RecordingSid": sid, "RecordingStatus": status, "RecordingDuration": "9"}
        assert await knocker.knock(path, fields) == 204
    assert len(lab.events) == told
    assert lab.adapter.counts["webhooks_repeated"] >= 3
    assert await length_ms(lab, "rec-1") == pytest.approx(2_000, abs=500)


async def test_another_recording_of_twilio_s_does_not_end_ours(knocker: Knocker) -> None:
    lab = knocker.lab
    call_id = await lab.dial_and_answer()
    await lab.adapter.record(call_id, "rec-1")
    path = f"/twilio/recording?call={call_id}&recording=rec-1"
    fields = {"RecordingSid": "RE" + "f" * 32, "RecordingStatus": "completed"}
    assert await knocker.knock(path, fields) == 204
    assert await knocker.knock(path, fields, signature="wrong") == 403
    assert lab.of(RecordingFinished, "rec-1") == []
    await lab.adapter.stop_recording(call_id)


async def test_what_ends_after_a_restart_can_be_fetched_by_its_id(lab: TwilioLab) -> None:
    call_id = await lab.dial_and_answer()
    await lab.adapter.record(call_id, "rec-1")
    await lab.pass_time(2.0)
    port = lab.adapter.settings.listen_port
    await lab.adapter.stop()
    reborn = lab.make(lab.settings(port))
    lab.use(reborn)
    await reborn.start(lab.events.append)
    try:
        await lab.callee_hangs_up(call_id)
        await lab.pass_time(2.0)
        assert await length_ms(lab, "rec-1") == pytest.approx(2_000, abs=500)
    finally:
        await reborn.stop()


async def test_what_ended_while_marcador_was_down_is_found_by_what_was_noted(
    tmp_path: Path,
) -> None:
    async with twilio_lab(notes=tmp_path) as lab:
        call_id = await lab.dial_and_answer()
        await lab.adapter.record(call_id, "rec-1")
        await lab.pass_time(2.0)
        port = lab.adapter.settings.listen_port
        await lab.adapter.stop()
        await lab.callee_hangs_up(call_id)
        await lab.pass_time(20.0)
        reborn = lab.make(lab.settings(port), tmp_path)
        lab.use(reborn)
        await reborn.start(lab.events.append)
        try:
            assert await length_ms(lab, "rec-1") == pytest.approx(2_000, abs=500)
            with pytest.raises(DuplicateCall):
                await reborn.record(await lab.dial_and_answer(), "rec-1")
        finally:
            await reborn.stop()
        assert lab.call(call_id).to not in noted(tmp_path), "no numbers"


def noted(folder: Path) -> str:
    """The one file, which nobody else may read."""
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    return file.read_text()


def test_notes_outlast_a_torn_line_and_are_thrown_away_in_time(tmp_path: Path) -> None:
    notes = RecordingNotes(tmp_path, "notes.jsonl")
    assert notes.read(START) == {}
    notes.add(Note(recording_id="old", sid="RE1", began_at=START - KEPT))
    notes.add(Note(recording_id="new", sid="RE2", began_at=START - timedelta(days=1)))
    path = tmp_path / "notes.jsonl"
    path.write_bytes(path.read_bytes() + b'{"recording_id": "to')
    assert notes.read(START) == {"new": "RE2"}
    assert b"old" not in path.read_bytes()
    assert notes.read(START + KEPT) == {}


def test_a_folder_that_cannot_be_written_costs_the_notes_only(tmp_path: Path) -> None:
    notes = RecordingNotes(tmp_path / "not there", "notes.jsonl")
    with capture_logs() as logs:
        notes.add(Note(recording_id="new", sid="RE2", began_at=START))
        assert notes.read(START) == {}
    assert [log["event"] for log in logs] == ["twilio_note_not_written"]


async def test_a_recording_that_was_deleted_at_twilio_is_unknown(lab: TwilioLab) -> None:
    await recorded(lab)
    await lab.adapter.api.delete_recording(only(lab).sid)
    with pytest.raises(UnknownCall):
        await lab.adapter.fetch_recording("rec-1")


async def test_files_are_not_for_strangers(lab: TwilioLab) -> None:
    await recorded(lab)
    settings = lab.fake.settings
    path = f"/2010-04-01/Accounts/{settings.account_sid}/Recordings/{only(lab).sid}.wav"
    async with aiohttp.ClientSession() as session, session.get(f"{lab.fake.url}{path}") as reply:
        assert reply.status == 401
