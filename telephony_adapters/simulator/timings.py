"""How long the simulated carrier itself takes."""

from __future__ import annotations

import msgspec


class CarrierTimings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of the carrier's clock."""

    bridge_s: float = 0.03
    """From the bridge command until both hear each other; so long take hold, join and the like."""
    hangup_s: float = 0.02
    """From the hangup command until the call has ended."""
    leg_up_s: float = 0.05
    """An agent's device answers by itself."""
    command_limit_s: float = 5.0
    """A command that gets no answer is given up."""
    playback_s: float = 3.0
    """Length of every prompt."""
    hold_patience_s: float = 180.0
    """A person who hears music hangs up after this long."""
    caller_patience_s: float = 60.0
    """Somebody who calls us waits this long for an answer, and then again for an agent."""
