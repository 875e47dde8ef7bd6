"""Parts of a text message, as carriers count them (3GPP TS 23.038)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.content.segments import Encoding, segments


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts"),
    [
        ("", Encoding.GSM_7, 0, 1),
        ("a" * 160, Encoding.GSM_7, 160, 1),
        ("a" * 161, Encoding.GSM_7, 161, 2),
        ("a" * 306, Encoding.GSM_7, 306, 2),
        ("a" * 307, Encoding.GSM_7, 307, 3),
        ("ñéüà¿¡Ñ", Encoding.GSM_7, 7, 1),
        ("€[]{}~^|\\", Encoding.GSM_7, 18, 1),
        ("a" * 159 + "€", Encoding.GSM_7, 161, 2),
        # The escape and its character stay together: one place of the first part is lost.
        ("a" * 152 + "€" + "a" * 152, Encoding.GSM_7, 306, 3),
        ("á", Encoding.UCS_2, 1, 1),
        ("ó" * 70, Encoding.UCS_2, 70, 1),
        ("ó" * 71, Encoding.UCS_2, 71, 2),
        ("í" * 134, Encoding.UCS_2, 134, 2),
        ("ú" * 135, Encoding.UCS_2, 135, 3),
        ("😀" * 35, Encoding.UCS_2, 70, 1),
        ("😀" * 36, Encoding.UCS_2, 72, 2),
        ("😀" * 67, Encoding.UCS_2, 134, 3),
    ],
)
def test_parts(text: str, encoding: Encoding, units: int, parts: int) -> None:
    counted = segments(text)
    assert (counted.encoding, counted.units, counted.parts) == (encoding, units, parts)


@given(st.text(max_size=400), st.characters())
def test_a_longer_text_never_has_fewer_parts(text: str, more: str) -> None:
    assert segments(text + more).parts >= segments(text).parts
