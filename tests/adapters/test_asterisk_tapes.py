"""How long a recording is, by its pauses and by its file; which tones are in it."""

from __future__ import annotations

import io
import struct
import wave
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony_adapters.asterisk.naming import Names
from telephony_adapters.asterisk.tapes import (
    WAV_HEADER_BYTES,
    Measured,
    Tape,
    measured,
)
from telephony_adapters.call_ids import CALL_ID_LENGTH, inbound_call_id
from telephony_adapters.lab.tones import LOUDNESS, mu_law, tone
from telephony_adapters.messages import CallId
from telephony_adapters.recording_ids import is_recording_id
from tests.adapters.ari_frames import CREATED
from tests.support.hearing import amplitude, samples, tones_in
from tests.support.sip_phones import linear

CALL = CallId("0" * 26)
RATE_HZ = 8_000


def wav(frames: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(frames)
    return file.getvalue()


@given(st.integers(1, 40_000), st.integers(0, 40_000))
def test_a_file_is_measured_by_its_beginning_and_its_size(frames: int, missing: int) -> None:
    file = wav(b"\0\0" * frames)
    head = file[:WAV_HEADER_BYTES]
    assert measured(head, len(file)) == Measured(frames * 1000 // RATE_HZ, True)
    cut = max(0, frames - missing)
    assert measured(head, WAV_HEADER_BYTES + 2 * cut) == Measured(
        cut * 1000 // RATE_HZ, cut == frames
    )


def test_a_file_that_was_never_closed_is_not_whole() -> None:
    head = wav(b"")[:WAV_HEADER_BYTES]
    assert measured(head, WAV_HEADER_BYTES + 16_000) == Measured(1_000, False)
    assert measured(head, WAV_HEADER_BYTES) == Measured(0, False)


@given(st.binary(max_size=WAV_HEADER_BYTES))
def test_what_is_no_wav_has_no_length(head: bytes) -> None:
    assert measured(head, len(head)) is None


@given(st.lists(st.tuples(st.integers(0, 5_000), st.booleans()), max_size=12))
def test_pauses_are_left_out(steps: list[tuple[int, bool]]) -> None:
    """`steps`: so many ms later, pause or go on."""
    tape = Tape(CALL, "r")
    now, running, expected_ms = CREATED, True, 0
    tape.go_on(now)
    for after_ms, pause in steps:
        now += timedelta(milliseconds=after_ms)
        expected_ms += after_ms if running else 0
        if pause is running:
            (tape.pause if pause else tape.go_on)(now)
            running = not pause
    tape.pause(now)
    assert tape.before_ms == pytest.approx(expected_ms)


def test_ids_of_recordings_are_names_of_files() -> None:
    assert is_recording_id("01M8B0Y6DNNPCFVXNSRXTR28GZ")
    assert not any(is_recording_id(name) for name in ("", "..", "a/b", "a.wav", "a\n", "x" * 65))


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_a_tape_tells_its_call_and_recording(recording_id: str) -> None:
    names = Names("marcador")
    assert names.of_tape(names.tape(CALL, recording_id)) == (CALL, recording_id)
    assert names.of_tape(names.call_channel(CALL)) is None


@given(st.lists(st.text(max_size=30), min_size=1, max_size=3))
def test_ids_of_inbound_calls(texts: list[str]) -> None:
    made = inbound_call_id(*texts)
    assert made == inbound_call_id(*texts)
    assert len(made) == CALL_ID_LENGTH
    assert made != inbound_call_id(*texts, "another")


@given(st.integers(-32_768, 32_767))
def test_mu_law_there_and_back(sample: int) -> None:
    back = linear(mu_law(sample))
    clipped = max(-32_635, min(32_635, sample))
    assert abs(back - clipped) <= max(16, abs(clipped) >> 4)


@pytest.mark.parametrize("hz", [440, 700, 1_000, 1_800])
def test_a_tone_is_heard_as_itself(hz: int) -> None:
    file = wav(b"".join(struct.pack("<h", linear(code)) for code in tone(hz)))
    assert amplitude(*samples(file), hz) == pytest.approx(LOUDNESS, rel=0.05)
    assert tones_in(file, (440, 700, 1_000, 1_800)) == {hz}
