"""Agents' audio legs as the desk needs them: an agent without a telephone takes no calls.

Opening a leg rings the agent's device, and a real one may take its time, be busy, or be hung up in
the middle of the day. Whoever says ready meanwhile is ready when his leg is up.
"""

from __future__ import annotations

import asyncio

import structlog

from telephony_adapters.errors import DuplicateCall, TelephonyError
from telephony_adapters.messages import AgentLegDown, AgentLegUp, LegId
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()


class AgentLine:
    """The leg of one session."""

    __slots__ = ("agent_id", "endpoint", "opened", "ready_wanted", "up")

    def __init__(self, agent_id: str, endpoint: str) -> None:
        self.agent_id = agent_id
        self.endpoint = endpoint
        self.opened = False
        """The device rings, or is up."""
        self.up = False
        self.ready_wanted = False
        """The agent has said that he is ready."""


class AgentLegs:
    """The legs of all agents of this worker."""

    def __init__(self, adapter: TelephonyAdapter) -> None:
        self._adapter = adapter
        self._lines: dict[LegId, AgentLine] = {}

    async def open(self, leg_id: LegId, agent_id: str, endpoint: str) -> None:
        """Ring an agent's device. Raises `TelephonyError`."""
        line = self._lines[leg_id] = AgentLine(agent_id, endpoint)
        try:
            await self._ring(leg_id, line)
        except TelephonyError:
            del self._lines[leg_id]
            raise

    async def is_ready(self, leg_id: LegId) -> bool:
        """Whether the leg is up; if not, it is opened again, and its agent waits for it.

        Raises `TelephonyError`.
        """
        line = self._lines.get(leg_id)
        if line is None:
            return False
        if line.up:
            return True
        line.ready_wanted = True
        if not line.opened:
            await self._ring(leg_id, line)
        return False

    async def _ring(self, leg_id: LegId, line: AgentLine) -> None:
        # Before the command: the device may be up before the command is.
        line.opened = True
        try:
            await self._adapter.open_agent_leg(leg_id, line.endpoint)
        except DuplicateCall:
            return  # it rings already
        except BaseException:
            line.opened = False
            raise

    def not_ready(self, leg_id: LegId) -> None:
        """The agent takes his word back."""
        line = self._lines.get(leg_id)
        if line is not None:
            line.ready_wanted = False

    def changed(self, event: AgentLegUp | AgentLegDown) -> AgentLine | None:
        """Note what became of a leg; gives whose it is, with the word he gave before."""
        line = self._lines.get(event.leg_id)
        if line is not None:
            line.up = line.opened = isinstance(event, AgentLegUp)
        return line

    async def close(self, leg_id: LegId) -> None:
        """Hang up; nothing more is heard of it."""
        self._lines.pop(leg_id, None)
        try:
            await self._adapter.close_agent_leg(leg_id)
        except TelephonyError as error:
            log.warning("leg_not_closed", leg=leg_id, error=str(error))

    async def close_all(self) -> None:
        """The worker ends: no device is left off the hook with nobody behind it."""
        await asyncio.gather(*(self.close(leg_id) for leg_id in list(self._lines)))
