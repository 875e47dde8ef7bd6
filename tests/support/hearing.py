"""Which tones are in a recording (Goertzel's algorithm on a WAV file)."""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import Iterable
from typing import Final

AUDIBLE: Final = 1_000.0
"""Amplitude of 32,767 from which a tone counts; a laboratory's tone has 8,000."""
INAUDIBLE: Final = 100.0
"""Amplitude up to which there is none; between the two nothing is certain, and that is a fault."""


def samples(file: bytes) -> tuple[list[int], int]:
    """16-bit samples of a mono WAV, and their rate."""
    with wave.open(io.BytesIO(file), "rb") as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        raw = sound.readframes(sound.getnframes())
        return list(struct.unpack(f"<{len(raw) // 2}h", raw)), sound.getframerate()


def amplitude(sound: list[int], rate_hz: int, hz: int) -> float:
    """Of one tone, over the whole sound."""
    factor = 2.0 * math.cos(2.0 * math.pi * hz / rate_hz)
    before = last = 0.0
    for sample in sound:
        before, last = last, sample + factor * last - before
    power = last * last + before * before - factor * last * before
    return 2.0 * math.sqrt(max(0.0, power)) / max(1, len(sound))


def tones_in(file: bytes, candidates: Iterable[int], from_s: float = 0.0) -> set[int]:
    """Which of the candidates are heard. Fails where that is doubtful."""
    sound, rate_hz = samples(file)
    sound = sound[round(from_s * rate_hz) :]
    assert sound, "the recording is empty"
    found = {hz: amplitude(sound, rate_hz, hz) for hz in candidates}
    doubtful = {hz: loud for hz, loud in found.items() if INAUDIBLE < loud < AUDIBLE}
    assert not doubtful, f"neither there nor not there: {doubtful}"
    return {hz for hz, loud in found.items() if loud >= AUDIBLE}


def tones_anywhere(file: bytes, candidates: Iterable[int], window_s: float = 0.1) -> set[int]:
    """Which of the candidates are heard for a moment at least, somewhere in a recording."""
    sound, rate_hz = samples(file)
    step = round(window_s * rate_hz)
    windows = [sound[at : at + step] for at in range(0, len(sound) - step + 1, step)]
    assert windows, "the recording is too short"
    return {
        hz for hz in candidates if any(amplitude(part, rate_hz, hz) >= AUDIBLE for part in windows)
    }
