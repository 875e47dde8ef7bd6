"""Tones as raw mu-law at 8 kHz (ITU-T G.711), so that who hears whom can be measured."""

from __future__ import annotations

import math
from typing import Final

RATE_HZ: Final = 8_000
LOUDNESS: Final = 8_000
"""Of 32,767; several tones at once do not clip."""
_BIAS: Final = 0x84
_CLIP: Final = 32_635


def tone(hz: int, seconds: int = 1) -> bytes:
    """A sine. Whole seconds of whole hertz can be repeated without a click."""
    second = bytes(
        mu_law(round(LOUDNESS * math.sin(2 * math.pi * hz * n / RATE_HZ))) for n in range(RATE_HZ)
    )
    return second * seconds


def mu_law(sample: int) -> int:
    """One 16-bit sample in mu-law."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    mantissa = magnitude >> exponent + 3 & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF
