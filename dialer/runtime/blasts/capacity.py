"""How many messages may leave now: so many that answers to them can be coped with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from campaigns.campaign import MessageSettings
from compliance.types import CampaignId
from dialer.core.records import from_ms, to_ms
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.messages import planned_since

HOUR: Final = timedelta(hours=1)


class ReplyCapacity:
    """A campaign's cap of messages in any hour, by its settings and the agents on duty.

    The hour before this worker took the campaign is read from the ledger.
    """

    def __init__(
        self,
        ledger: Ledger,
        campaign_id: CampaignId,
        settings: MessageSettings,
        agents: Callable[[], int],
    ) -> None:
        self._ledger = ledger
        self._campaign_id = campaign_id
        self._settings = settings
        self._agents = agents
        self._sent: deque[datetime] = deque()
        self._primed = False

    def cap(self) -> int | None:
        """Most messages in any hour as things stand; None: no cap."""
        caps: list[int] = []
        if self._settings.max_per_hour is not None:
            caps.append(self._settings.max_per_hour)
        if self._settings.per_agent_hour is not None:
            caps.append(int(self._settings.per_agent_hour * self._agents()))
        return min(caps, default=None)

    async def left(self, now: datetime) -> int | None:
        """What is left of the cap at `now`; None: no cap."""
        cap = self.cap()
        if cap is None:
            return None
        if not self._primed:
            async with self._ledger.read() as conn:
                instants = await planned_since(conn, self._campaign_id, to_ms(now - HOUR))
            self._sent = deque(from_ms(at_ms) for at_ms in instants)
            self._primed = True
        while self._sent and now - self._sent[0] >= HOUR:
            self._sent.popleft()
        return max(0, cap - len(self._sent))

    def use(self, count: int, now: datetime) -> None:
        self._sent.extend([now] * count)
