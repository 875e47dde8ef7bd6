"""The control law of each mode of a campaign that calls."""

from __future__ import annotations

from typing import Final

from compliance.types import Mode
from dialer.core.pacing.messages import Law

LAWS: Final = {
    Mode.PREDICTIVE: Law.PREDICTIVE,
    Mode.PROGRESSIVE: Law.PROGRESSIVE,
    Mode.PREVIEW: Law.PREVIEW,
    Mode.IVR: Law.LINES,
}


def paces_agents(mode: Mode) -> bool:
    """Whether a law decides when calls are placed for agents; in preview they do it themselves."""
    return LAWS.get(mode) in (Law.PREDICTIVE, Law.PROGRESSIVE)
