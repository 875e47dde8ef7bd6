"""What each node bears, and when a node that is away is given up. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

NAME_PATTERN: Final = r"[a-z0-9-]{1,20}"


class NodeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one node is used for."""

    name: str
    max_originates_per_s: float = 30.0
    """Calls that may begin on it in a second."""
    max_lines: int = 200
    """Calls with people at the same time: dialed, received, and third parties outside. Agents'
    telephones and links between nodes take no line of a trunk and do not count."""
    max_legs: int | None = None
    """Agents' telephones at the same time; None: no limit."""
    trunks: frozenset[str] = frozenset()
    """The trunks that it has; empty: every one."""
    drain: bool = False
    """Nothing new begins on it; what it has goes on."""

    def serves(self, trunk: str) -> bool:
        return not self.trunks or trunk in self.trunks


class NodesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What all nodes share, and how patient the composite is."""

    trunk: str = "main"
    """The trunk by which somebody outside is brought into a conversation."""
    down_s: float = 5.0
    """A node that is away this long has lost its agents' telephones: they are rung from others."""
    lost_s: float = 60.0
    """A node that is away this long has lost its calls: their outcome is unknown, and counts."""
    turn_s: float = 1.0
    """Longest wait of a call for a node's rate; after it the call is refused."""
    link_s: float = 3.0
    """Longest time to make a link between two nodes."""
    retry_s: float = 5.0
    """Between two attempts to reach a node that was away at the start."""
