"""WAV files as telephones play them: 8 kHz, 16 bit, one channel. Pure.

Others are converted: of several channels the mean is taken, and the rate is brought down by means
over the time of each new sample, which keeps out most of what 8 kHz cannot hold.
"""

from __future__ import annotations

import io
import struct
import sys
import wave
from array import array
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

RATE_HZ: Final = 8_000
SAMPLE_BYTES: Final = 2
RATES_HZ: Final = range(RATE_HZ, 96_001)
MOST_BYTES: Final = 25_000_000
LEAST_MS: Final = 100
MOST_MS: Final = 180_000
QUIET: Final = 64
"""A recording that never gets above this (of 32,767) is silence."""


class BadRecording(Exception):
    """A file that cannot be used: what it is, and how to mend it, in both languages."""

    def __init__(self, es: str, en: str) -> None:
        super().__init__(en)
        self.es = es
        self.en = en


class Wav(NamedTuple):
    """A recording in the form that telephones play."""

    data: bytes
    """The whole file, header included."""
    duration_ms: int


def telephone_wav(raw: bytes) -> Wav:
    """A WAV file in the telephone's form. Raises `BadRecording`."""
    if len(raw) > MOST_BYTES:
        raise BadRecording(
            f"pesa más de {MOST_BYTES // 1_000_000} MB; grabe un solo mensaje",
            f"it is larger than {MOST_BYTES // 1_000_000} MB; record one message only",
        )
    try:
        with wave.open(io.BytesIO(raw)) as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.readframes(len(raw))
    # What `wave` raises for a file of nonsense depends on the nonsense.
    except (wave.Error, EOFError, RuntimeError, OSError, ValueError, struct.error) as error:
        raise BadRecording(
            f"no es un WAV de PCM ({error}); expórtelo como WAV de 16 bits",
            f"it is no PCM WAV ({error}); export it as a 16 bit WAV",
        ) from error
    if width not in (1, SAMPLE_BYTES) or channels not in (1, 2) or rate not in RATES_HZ:
        raise BadRecording(
            f"tiene {8 * width} bits, {channels} canales, {rate} Hz; "
            "sirven 8 o 16 bits, 1 o 2 canales, de 8000 a 96000 Hz",
            f"it has {8 * width} bits, {channels} channels, {rate} Hz; "
            "8 or 16 bits, 1 or 2 channels, 8000 to 96000 Hz will do",
        )
    return written(_resampled(_mono(_samples(frames, width), channels), rate))


def written(samples: array[int]) -> Wav:
    """Samples at `RATE_HZ` as a file. Raises `BadRecording` for silence, or a length out of use."""
    duration_ms = len(samples) * 1000 // RATE_HZ
    if not LEAST_MS <= duration_ms <= MOST_MS:
        raise BadRecording(
            f"dura {duration_ms} ms; debe durar de {LEAST_MS} a {MOST_MS}",
            f"it lasts {duration_ms} ms; it must last {LEAST_MS} to {MOST_MS}",
        )
    if max(samples) < QUIET and min(samples) > -QUIET:
        raise BadRecording("no se oye nada; revise el micrófono", "it is silent; check the mike")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(RATE_HZ)
        file.writeframes(_little_endian(samples).tobytes())
    return Wav(out.getvalue(), duration_ms)


def _samples(frames: bytes, width: int) -> array[int]:
    if width == 1:  # unsigned
        return array("h", [(byte - 128) * 256 for byte in frames])
    samples = array("h")
    samples.frombytes(frames[: len(frames) // SAMPLE_BYTES * SAMPLE_BYTES])
    return _little_endian(samples)


def _little_endian(samples: array[int]) -> array[int]:
    """Swaps bytes on machines that keep the high one first, as WAV does not."""
    if sys.byteorder == "big":
        samples = array("h", samples)
        samples.byteswap()
    return samples


def _mono(samples: array[int], channels: int) -> array[int]:
    if channels == 1:
        return samples
    pairs = zip(samples[0::2], samples[1::2], strict=False)
    return array("h", [(left + right) // 2 for left, right in pairs])


def _resampled(samples: array[int], rate_hz: int) -> array[int]:
    if rate_hz == RATE_HZ:
        return samples
    sums = array("q", accumulate(samples, initial=0))
    ends = [n * rate_hz // RATE_HZ for n in range(len(samples) * RATE_HZ // rate_hz + 1)]
    return array("h", [(sums[b] - sums[a]) // (b - a) for a, b in pairwise(ends)])
