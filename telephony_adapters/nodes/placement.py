"""Which node takes the next call, and which one rings the next agent. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from telephony_adapters.nodes.settings import NodeLimits

BURST_S: Final = 0.5
"""So much of a node's rate may come at once."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a node does now."""

    up: bool
    lines: int = 0
    legs: int = 0


class Refusal(StrEnum):
    """Why no node takes a call."""

    DOWN = "down"
    """No node is there at all."""
    DRAINED = "drained"
    """Those that are there take nothing new."""
    TRUNK = "trunk"
    """None of them has this trunk."""
    LINES = "lines"
    RATE = "rate"
    LEGS = "legs"
    """None may ring another telephone."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """The node that takes a call, and how long the call must wait for the node's rate."""

    node: str
    wait_s: float


class Rate:
    """A node's rate: over any stretch of time at most its burst and `per_s` a second begin.

    Turns are given ahead of time, in order: whoever takes one has it.
    """

    def __init__(self, per_s: float) -> None:
        self._gap = timedelta(seconds=1.0 / per_s)
        self._burst = max(1, int(per_s * BURST_S))
        self._full_at: datetime | None = None
        """When all tokens will be back; None: they are."""

    def wait_s(self, now: datetime) -> float:
        """How long a turn that is taken now has to wait."""
        missing = self._missing(now)
        return max(0.0, (missing - self._gap * (self._burst - 1)).total_seconds())

    def left(self, now: datetime) -> int:
        """Turns that need not wait."""
        return max(0, self._burst - -(-self._missing(now) // self._gap))

    def take(self, now: datetime) -> None:
        self._full_at = now + self._missing(now) + self._gap

    def give_back(self, now: datetime) -> None:
        """A turn under which certainly nothing began."""
        self._full_at = now + max(timedelta(), self._missing(now) - self._gap)

    def _missing(self, now: datetime) -> timedelta:
        return timedelta() if self._full_at is None else max(timedelta(), self._full_at - now)


class Placement:
    """Rates and limits of all nodes."""

    def __init__(self, limits: Sequence[NodeLimits], turn_s: float) -> None:
        self._limits = {one.name: one for one in limits}
        self._rates = {one.name: Rate(one.max_originates_per_s) for one in limits}
        self._draining = {one.name for one in limits if one.drain}
        self._turn_s = turn_s
        self.refused_lines = dict.fromkeys(self._limits, 0)
        """Calls that no node took, by the nodes that had all their lines in use."""
        self.refused_rate = dict.fromkeys(self._limits, 0)

    def drain(self, node: str, *, on: bool) -> None:
        """Let nothing new begin on a node, or let it again."""
        if on:
            self._draining.add(node)
        else:
            self._draining.discard(node)

    def is_draining(self, node: str) -> bool:
        return node in self._draining

    def call(self, trunk: str, loads: Mapping[str, Load], now: datetime) -> Turn | Refusal:
        """The node for a call; its turn is taken.

        Agents' telephones draw calls: each node gets its part by those that it rings, so that
        most pairs need no link. Without any the node with most room is taken.
        """
        serving = self._serving(trunk, loads)
        if isinstance(serving, Refusal):
            return serving
        nodes = [name for name in serving if loads[name].lines < self._limits[name].max_lines]
        if not nodes:
            return self._refuse(serving, ())
        waits = {name: self._rates[name].wait_s(now) for name in nodes}
        at_once = [name for name in nodes if waits[name] <= 0.0]
        if at_once:
            chosen = max(at_once, key=lambda name: self._pull(name, loads[name]))
        else:
            chosen = min(nodes, key=lambda name: (waits[name], name))
            if waits[chosen] > self._turn_s:
                return self._refuse(serving, nodes)
        self._rates[chosen].take(now)
        return Turn(node=chosen, wait_s=waits[chosen])

    def outside(self, trunk: str, loads: Mapping[str, Load]) -> str | Refusal:
        """The node that brings somebody outside into a conversation."""
        nodes = self._serving(trunk, loads)
        if isinstance(nodes, Refusal):
            return nodes
        nodes = [name for name in nodes if loads[name].lines < self._limits[name].max_lines]
        return max(nodes, key=lambda name: self._room(name, loads[name]), default=Refusal.LINES)

    def leg(self, loads: Mapping[str, Load]) -> str | Refusal:
        """The node that rings an agent: the one with fewest telephones."""
        nodes = self._open(loads)
        if isinstance(nodes, Refusal):
            return nodes
        free = [name for name in nodes if self._has_room_for_leg(name, loads[name])]
        return min(free, key=lambda name: (loads[name].legs, name), default=Refusal.LEGS)

    def give_back(self, node: str, now: datetime) -> None:
        """A turn under which certainly nothing began."""
        self._rates[node].give_back(now)

    def room(self, trunk: str, loads: Mapping[str, Load], now: datetime) -> int:
        """Calls that would find a node now, without waiting."""
        nodes = self._serving(trunk, loads)
        if isinstance(nodes, Refusal):
            return 0
        return sum(
            min(
                max(0, self._limits[name].max_lines - loads[name].lines),
                self._rates[name].left(now),
            )
            for name in nodes
        )

    # --- helpers ------------------------------------------------------------------------------

    def _refuse(self, serving: Collection[str], with_lines: Collection[str]) -> Refusal:
        for name in serving:
            counts = self.refused_rate if name in with_lines else self.refused_lines
            counts[name] += 1
        return Refusal.RATE if with_lines else Refusal.LINES

    def _open(self, loads: Mapping[str, Load]) -> list[str] | Refusal:
        up = [name for name in self._limits if loads[name].up]
        if not up:
            return Refusal.DOWN
        return [name for name in up if name not in self._draining] or Refusal.DRAINED

    def _serving(self, trunk: str, loads: Mapping[str, Load]) -> list[str] | Refusal:
        nodes = self._open(loads)
        if isinstance(nodes, Refusal):
            return nodes
        return [name for name in nodes if self._limits[name].serves(trunk)] or Refusal.TRUNK

    def _has_room_for_leg(self, name: str, load: Load) -> bool:
        most = self._limits[name].max_legs
        return most is None or load.legs < most

    def _pull(self, name: str, load: Load) -> tuple[float, float, str]:
        return load.legs / (load.lines + 1), *self._room(name, load)

    def _room(self, name: str, load: Load) -> tuple[float, str]:
        return 1.0 - load.lines / self._limits[name].max_lines, name
