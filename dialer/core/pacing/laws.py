"""The control law of each mode of a campaign that calls."""

from __future__ import annotations

from typing import Final

from compliance.types import Mode
from dialer.core.pacing.messages import Law

LAWS: Final = {
    Mode.PREDICTIVE: Law.PREDICTIVE,
    Mode.PROGRESSIVE: Law.PROGRESSIVE,
    Mode.IVR: Law.LINES,
}


def paces_agents(mode: Mode) -> bool:
    """Whether a campaign's calls are placed for agents who wait for them."""
    return LAWS.get(mode, Law.LINES) is not Law.LINES
