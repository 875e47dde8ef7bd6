"""How many parts a text message is sent in (3GPP TS 23.038 and 23.040)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from compliance.messages import Message

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
"""Each takes two places. `á í ó ú Á Í Ó Ú` are in neither table: they make a text UCS-2."""


class Encoding(StrEnum):
    GSM_7 = "gsm7"
    UCS_2 = "ucs2"


_ALONE: Final = {Encoding.GSM_7: 160, Encoding.UCS_2: 70}
_PART: Final = {Encoding.GSM_7: 153, Encoding.UCS_2: 67}


class Segments(Message, frozen=True, kw_only=True):
    encoding: Encoding
    units: int
    """Septets (GSM-7) or 16-bit units (UCS-2)."""
    parts: int


def segments(text: str) -> Segments:
    """The parts that a text is billed as. A pair of places is never torn between two parts."""
    gsm = all(c in _BASIC or c in _EXTENSION for c in text)
    encoding = Encoding.GSM_7 if gsm else Encoding.UCS_2
    widths = [(2 if c in _EXTENSION else 1) if gsm else (2 if ord(c) > 0xFFFF else 1) for c in text]
    units = sum(widths)
    if units <= _ALONE[encoding]:
        return Segments(encoding=encoding, units=units, parts=1)
    parts, room = 1, _PART[encoding]
    for width in widths:
        if width > room:
            parts, room = parts + 1, _PART[encoding]
        room -= width
    return Segments(encoding=encoding, units=units, parts=parts)
