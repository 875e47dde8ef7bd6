"""Audio that is no speech: enough for whoever only measures how long it lasts."""

from __future__ import annotations

import io
import math
import wave
from array import array

RATE_HZ = 8_000


def a_tone(seconds: float, rate_hz: int = RATE_HZ) -> array[int]:
    """A tone of 440 Hz, 16 bit samples."""
    step = 2 * math.pi * 440 / rate_hz
    return array("h", [round(8_000 * math.sin(step * n)) for n in range(round(seconds * rate_hz))])


def a_wav(seconds: float, rate_hz: int = RATE_HZ, channels: int = 1, width: int = 2) -> bytes:
    """The tone as a WAV file of any shape."""
    samples = [s for s in a_tone(seconds, rate_hz) for _ in range(channels)]
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        if width == 1:
            file.writeframes(bytes(s // 256 + 128 for s in samples))
        else:
            file.writeframes(b"".join(s.to_bytes(width, "little", signed=True) for s in samples))
    return out.getvalue()
