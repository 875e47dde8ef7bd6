"""Keys of a telephone."""

from __future__ import annotations

import re

from telephony_adapters.errors import TelephonyError


def check_keys(digits: str) -> None:
    """Raises `TelephonyError` for what cannot be pressed."""
    if not re.fullmatch(r"[0-9*#]{1,64}", digits):
        raise TelephonyError("keys are 1 to 64 of 0-9, * and #")
