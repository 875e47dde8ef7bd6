"""Pacing of campaigns whose calls a flow takes: so many lines, and agents for who asks for one."""

from __future__ import annotations

import math

import msgspec

from dialer.core.pacing.history import History
from dialer.core.pacing.messages import (
    Clamp,
    Decision,
    Estimates,
    Law,
    PacingConfig,
    PacingEvent,
    Snapshot,
)
from dialer.core.pacing.pacer import Unlearned, refusal
from dialer.core.pacing.snapshots import capped
from dialer.core.pacing.tracker import Tracker


class LinesSave(msgspec.Struct, tag="lines"):
    """Nothing is learned, so nothing is saved but whose it is."""


class LinesPacer:
    """Keeps `lines` calls in progress.

    A flow that may pass people on to agents gets no more calls than `max_lines_per_agent` for each
    idle agent: with none idle nobody new is called, since whoever pressed the key would find no
    one. What is not answered by a person, or asks for nobody, costs no agent.
    """

    def __init__(self, config: PacingConfig) -> None:
        self._config = config
        self._tracker = Tracker()
        self._listener = Unlearned()

    def observe(self, event: PacingEvent) -> None:
        return None

    def decide(self, snapshot: Snapshot) -> Decision:
        if not self._tracker.snapshot_at(snapshot.at_s, self._listener):
            return refusal(snapshot, Law.LINES, self._tracker.state.faults)
        ringing = sum(len(since) for since in snapshot.ringing_since_s.values())
        waiting = len(snapshot.waiting_since_s)
        under_way = ringing + len(snapshot.in_amd_since_s) + snapshot.in_flow + waiting
        idle = len(snapshot.idle_since_s)
        lines, reason = self._config.lines, f"{self._config.lines} lines"
        clamp = Clamp.NONE
        if self._config.for_agents:
            per_agent = self._config.max_lines_per_agent
            served = math.floor(idle * per_agent)
            reason += f", {idle} idle agents x {per_agent:g}"
            if served < lines:
                lines, clamp = served, Clamp.MAX_LINES
        asked = max(0, lines - under_way)
        calls, cap, cap_name = capped(asked, snapshot.caps)
        return Decision(
            at_s=snapshot.at_s,
            calls_to_place=calls,
            law=Law.LINES,
            clamp=cap if cap is not Clamp.NONE else clamp,
            cap_name=cap_name,
            asked=asked,
            reason=f"{reason}, {under_way} calls under way",
            estimates=Estimates(
                idle=idle, ringing=ringing, waiting=waiting, staffed=snapshot.staffed
            ),
            faults=dict(self._tracker.state.faults),
        )

    def save(self) -> bytes:
        return msgspec.json.encode(LinesSave())

    def restore(self, saved: bytes) -> None:
        msgspec.json.decode(saved, type=LinesSave)

    def resume(self, history: History) -> None:
        """There is no budget: a flow abandons nobody."""
