"""Simulated people who see a missed call and call back."""

from __future__ import annotations

from random import Random
from typing import Final

from sqlalchemy import select

from compliance.types import ContactPointId
from dialer.core.call import Call
from dialer.runtime.clock import Clock
from dialer.runtime.tasks import TaskSet
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import contact_point
from telephony_adapters.simulator.carrier import SimulatedCarrier

SHARE: Final = 0.08
"""Of the people whose telephone rang in vain."""
AFTER_S: Final = (60.0, 900.0)
"""How long it takes them to see it."""
MOST: Final = 10_000
"""Numbers that are remembered: everybody calls back once."""


class ReturnCalls:
    """Satisfies `dialer.runtime.calls.CallObserver`."""

    def __init__(
        self,
        *,
        clock: Clock,
        ledger: Ledger,
        carrier: SimulatedCarrier,
        our_number: str,
        share: float = SHARE,
        after_s: tuple[float, float] = AFTER_S,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._carrier = carrier
        self._our_number = our_number
        self._share = share
        self._after_s = after_s
        self._random = Random(1)
        self._called: set[ContactPointId] = set()
        self._tasks = TaskSet("returns")

    def call_moved(self, before: Call | None, after: Call) -> None:
        """Nobody calls back while it rings."""

    def call_connected(self, call: Call) -> None:
        """They talk: there is nothing to call back for."""

    def call_finished(self, call: Call) -> None:
        """It is over; whoever missed it may call."""
        missed = call.ringing_at is not None and call.answered_at is None
        point = call.contact_point_id
        if call.inbound or not missed or point in self._called or len(self._called) >= MOST:
            return
        if self._random.random() < self._share:
            self._called.add(point)
            self._tasks.start(f"return:{call.call_id}", self._return(point))

    async def _return(self, point: ContactPointId) -> None:
        await self._clock.sleep(self._random.uniform(*self._after_s))
        query = select(contact_point.c.address).where(contact_point.c.contact_point_id == point)
        async with self._ledger.read() as conn:
            number: str | None = (await conn.execute(query)).scalar_one_or_none()
        if number is not None:
            self._carrier.somebody_calls(number, self._our_number)

    async def close(self) -> None:
        await self._tasks.cancel()
