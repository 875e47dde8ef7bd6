"""Figures of a running campaign, each with one definition. Pure accumulators."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import msgspec

from dialer.core.agent import AgentSession, AgentState
from dialer.core.call import Call, CallState

STAFFED = frozenset(AgentState) - {AgentState.PAUSED, AgentState.OFFLINE}
"""Paid and willing: every state but paused and offline."""
OCCUPIED = frozenset({AgentState.ON_CALL, AgentState.CONSULTED, AgentState.WRAP_UP})


class LiveFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a wallboard shows. Counts are since this worker took the campaign."""

    campaign_id: str
    campaign: str
    state: str
    at: datetime
    """Engine time of these figures; a board greys out when it is old."""
    dialed: int = 0
    ringing: int = 0
    answered: int = 0
    """Answered by a live person."""
    machines: int = 0
    connected: int = 0
    """Bridged to an agent."""
    abandoned: int = 0
    abandoned_pct: float = 0.0
    """Abandoned of answered by a live person."""
    waiting: int = 0
    occupancy_pct: float = 0.0
    """(Talk + wrap-up) of staffed time."""
    right_party: int = 0
    promises: int = 0
    blocked: int = 0
    blocked_by_rule: dict[str, int] = {}
    """Decisions that denied, by headline rule."""
    outcomes: dict[str, int] = {}
    """Ended attempts by disposition code."""
    agents: dict[str, int] = {}
    queue: dict[str, int] = {}
    """Accounts ready, waiting, leased, done."""
    calls_to_place: int = 0
    pacing_reason: str = ""
    connect_p99_ms: int = 0
    """Live answer to bridge command, over the last thousand."""


class Tally:
    """Adds up what calls and agents do. Fed by the runtime, asked by boards."""

    def __init__(self) -> None:
        self.dialed = 0
        self.answered = 0
        self.machines = 0
        self.connected = 0
        self.abandoned = 0
        self.right_party = 0
        self.promises = 0
        self.blocked: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.connect_ms: list[int] = []
        self._staffed_s = 0.0
        self._occupied_s = 0.0
        self._since: dict[str, tuple[AgentState, datetime]] = {}

    def call_moved(self, before: Call | None, after: Call) -> None:
        if before is None:
            self.dialed += 1
            return
        if before.live_at is None and after.live_at is not None:
            self.answered += 1
        if before.bridged_at is None and after.bridged_at is not None:
            self.connected += 1
        if after.abandoned and not before.abandoned:
            self.abandoned += 1
        if after.state is CallState.ENDING and before.state is CallState.SCREENING:
            self.machines += 1
        if before.assigned_at is None and after.connect_ms is not None:
            self.connect_ms.append(after.connect_ms)
            if len(self.connect_ms) > 2_000:
                del self.connect_ms[:1_000]

    def agent_changed(self, session: AgentSession, now: datetime) -> None:
        """The agent is in `session.state` from `now` on."""
        self._close(session.agent_id, now)
        if session.state is not AgentState.OFFLINE:
            self._since[session.agent_id] = (session.state, now)

    def agent_left(self, agent_id: str, now: datetime) -> None:
        """The agent works for another campaign, or for none."""
        self._close(agent_id, now)

    def _close(self, agent_id: str, now: datetime) -> None:
        state, since = self._since.pop(agent_id, (AgentState.OFFLINE, now))
        self._add(state, (now - since).total_seconds())

    def _add(self, state: AgentState, seconds: float) -> None:
        if state in STAFFED:
            self._staffed_s += seconds
        if state in OCCUPIED:
            self._occupied_s += seconds

    @property
    def abandoned_pct(self) -> float:
        return 100.0 * self.abandoned / self.answered if self.answered else 0.0

    def occupancy_pct(self, now: datetime) -> float:
        """Up to this instant, running states included."""
        staffed_s, occupied_s = self._staffed_s, self._occupied_s
        for state, since in self._since.values():
            seconds = (now - since).total_seconds()
            staffed_s += seconds if state in STAFFED else 0.0
            occupied_s += seconds if state in OCCUPIED else 0.0
        return 100.0 * occupied_s / staffed_s if staffed_s > 0 else 0.0

    @property
    def connect_p99_ms(self) -> int:
        recent = sorted(self.connect_ms[-1_000:])
        return recent[min(len(recent) - 1, len(recent) * 99 // 100)] if recent else 0
