"""One command at a time, no faster than a provider bears."""

from __future__ import annotations

from datetime import datetime, timedelta

from telephony_adapters.clock import Clock
from telephony_adapters.errors import MessageRejected
from telephony_adapters.messaging import Refusal


class Pace:
    """Gives each message its turn, `per_s` a second; 0: at once."""

    def __init__(self, clock: Clock, per_s: float) -> None:
        self._clock = clock
        self._gap = timedelta(seconds=1.0 / per_s if per_s > 0 else 0.0)
        self._next: datetime | None = None

    async def turn(self, not_after: datetime) -> None:
        """Wait for the turn. Raises `MessageRejected` when it would come after `not_after`."""
        now = self._clock.now()
        at = max(now, self._next) if self._next is not None else now
        if at >= not_after:
            raise MessageRejected(
                "more messages than the provider bears: the turn would come after the permit",
                refusal=Refusal.RATE,
                provider_code="local:rate",
            )
        self._next = at + self._gap
        if at > now:
            await self._clock.sleep((at - now).total_seconds())
