"""WAV files become what telephones play, or are refused with the reason."""

from __future__ import annotations

import io
import wave
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.core.wav import LEAST_MS, MOST_MS, RATE_HZ, BadRecording, telephone_wav
from tests.support.tones import a_wav


def shape(data: bytes) -> tuple[int, int, int]:
    with wave.open(io.BytesIO(data)) as file:
        return file.getframerate(), file.getsampwidth(), file.getnchannels()


@given(
    seconds=st.floats(0.2, 1.0),
    rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000]),
    channels=st.sampled_from([1, 2]),
    width=st.sampled_from([1, 2]),
)
@settings(max_examples=25, deadline=None)
def test_every_usual_shape_becomes_the_telephones(
    seconds: float, rate: int, channels: int, width: int
) -> None:
    made = telephone_wav(a_wav(seconds, rate, channels, width))
    assert shape(made.data) == (RATE_HZ, 2, 1)
    assert made.duration_ms == pytest.approx(seconds * 1000, abs=3)


def test_the_tone_keeps_its_pitch_and_strength() -> None:
    made = telephone_wav(a_wav(1.0, 44_100, 2))
    with wave.open(io.BytesIO(made.data)) as file:
        samples = memoryview(file.readframes(RATE_HZ)).cast("h")
    crossings = sum(a < 0 <= b for a, b in pairwise(samples))
    assert crossings == pytest.approx(440, abs=2)
    assert max(samples) == pytest.approx(8_000, rel=0.05)


def test_what_is_in_the_telephones_form_stays_as_it_is() -> None:
    once = telephone_wav(a_wav(0.5, 22_050))
    assert telephone_wav(once.data) == once


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "no PCM WAV"),
        (b"RIFF\x00\x00\x00\x00WAVE", "no PCM WAV"),
        (b"ID3 an mp3", "no PCM WAV"),
        (a_wav(0.05), f"must last {LEAST_MS} to {MOST_MS}"),
        (a_wav(0.5, 4_000), "4000 Hz"),
        (a_wav(0.5, 8_000, 1, 3), "24 bits"),
        (a_wav(0.5)[:44] + bytes(8_000), "silent"),
        (a_wav(0.5) + bytes(25_000_000), "larger than 25 MB"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(raw: bytes, words: str) -> None:
    with pytest.raises(BadRecording, match=words) as refused:
        telephone_wav(raw)
    assert refused.value.es != refused.value.en


@given(st.binary(max_size=200), st.integers(0, 44))
def test_a_broken_file_never_ends_in_anything_else(noise: bytes, at: int) -> None:
    raw = a_wav(0.2)
    with suppress(BadRecording):
        telephone_wav(raw[:at] + noise + raw[at + len(noise) :])
