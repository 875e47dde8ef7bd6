"""Ids of recordings: chosen by the engine, used as names of files."""

from __future__ import annotations

import re
from typing import Final

from telephony_adapters.errors import TelephonyError

RECORDING_ID_PATTERN: Final = r"[A-Za-z0-9_-]{1,64}"


def is_recording_id(name: str) -> bool:
    return re.fullmatch(RECORDING_ID_PATTERN, name) is not None


def check_recording_id(name: str) -> None:
    """Raises `TelephonyError` for what could not be the name of a file."""
    if not is_recording_id(name):
        raise TelephonyError("a recording id is 1 to 64 letters, digits, `-` or `_`")
