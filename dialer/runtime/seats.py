"""Where agents sit: a session with its connection, and who must know what happens to it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from compliance.types import CampaignId
from dialer.core.agent import AgentSession, AgentState
from dialer.core.desk_messages import AnyServerMessage, CallView, PreviewView
from telephony_adapters.messages import CallId

REPLAY_MESSAGES = 200
"""Server messages kept per session for a client that reconnects."""

TAKEN = frozenset({AgentState.RESERVED, AgentState.CONSULTED})
"""Of an agent who may get a call, or be let go again."""

TALKING_OR_AFTER = frozenset({AgentState.ON_CALL, AgentState.CONSULTED, AgentState.WRAP_UP})

Outbox = Callable[[AnyServerMessage], None]
"""Takes a message for one WebSocket without waiting."""


class DeskObserver(Protocol):
    """Who must know what agents do: pacing and the calls that wait for an agent."""

    def agent_changed(self, before: AgentSession | None, after: AgentSession) -> None: ...

    def next_waiting(self, campaign_id: CampaignId) -> CallId | None:
        """The call that has waited longest for an agent, if any."""

    def assign_waiting(self, call_id: CallId, session: AgentSession) -> None:
        """`session` was reserved for the waiting call."""


class Guide(Protocol):
    """Says for which campaigns an agent works; see `dialer.runtime.allocator`."""

    def home_of(self, session: AgentSession) -> CampaignId | None:
        """The campaign that an agent who is free works for from now on."""

    def may_help(self, session: AgentSession) -> Iterable[CampaignId]:
        """Campaigns whose waiting persons a free agent may take, the agent's own first."""

    def lenders(self, campaign_id: CampaignId) -> Iterable[AgentSession]:
        """Idle agents of other campaigns who can be spared for a person who waits here."""


class Stay:
    """Everybody stays where they are."""

    def home_of(self, session: AgentSession) -> CampaignId | None:
        return session.campaign_id

    def may_help(self, session: AgentSession) -> Iterable[CampaignId]:
        return () if session.campaign_id is None else (session.campaign_id,)

    def lenders(self, campaign_id: CampaignId) -> Iterable[AgentSession]:
        return ()


class Seat:
    """A session with its connection and what was said over it."""

    __slots__ = (
        "call",
        "idle_since",
        "last_seen_s",
        "outbox",
        "preview",
        "replay",
        "seq",
        "session",
    )

    def __init__(self, session: AgentSession) -> None:
        self.session = session
        self.seq = 0
        self.replay: deque[AnyServerMessage] = deque(maxlen=REPLAY_MESSAGES)
        self.outbox: Outbox | None = None
        self.call: CallView | None = None
        self.preview: PreviewView | None = None
        """What the agent looks at before it is called."""
        self.idle_since = session.since
        self.last_seen_s = time.monotonic()

    def say(self, message: AnyServerMessage) -> None:
        self.seq += 1
        numbered = msgspec.structs.replace(message, seq=self.seq)
        self.replay.append(numbered)
        if self.outbox is not None:
            self.outbox(numbered)
