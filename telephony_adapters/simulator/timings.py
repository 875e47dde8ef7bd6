"""How long the simulated carrier itself takes."""

from __future__ import annotations

import msgspec


class CarrierTimings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of the carrier's clock."""

    bridge_s: float = 0.03
    """From the bridge command until both hear each other."""
    hangup_s: float = 0.02
    """From the hangup command until the call has ended."""
    leg_up_s: float = 0.05
    """An agent's device answers by itself."""
    command_limit_s: float = 5.0
    """A command that gets no answer is given up."""
    playback_s: float = 3.0
    """Length of every prompt."""
