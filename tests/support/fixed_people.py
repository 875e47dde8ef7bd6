"""People whose messages fare as a test wants."""

from __future__ import annotations

from collections.abc import Mapping

from telephony_adapters.messaging import DeliveryState, OutboundMessage, Refusal
from telephony_adapters.simulator.correspondents import Fate, PlannedMove
from tests.adapters.messaging_lab import FarSide

SENT = PlannedMove(after_s=0.5, state=DeliveryState.SENT)
DELIVERED = PlannedMove(after_s=3.0, state=DeliveryState.DELIVERED)
BOUNCED = PlannedMove(
    after_s=3.0,
    state=DeliveryState.BOUNCED,
    refusal=Refusal.INVALID_ADDRESS,
    provider_code="sim:unknown_address",
)


class FixedPeople:
    """A world in which an address does what its far side says."""

    def __init__(self, sides: Mapping[str, FarSide]) -> None:
        self._sides = sides

    def fate(self, message: OutboundMessage, past: int) -> Fate:
        side = self._sides.get(message.to, FarSide.TAKES)
        if side is FarSide.INVALID:
            return Fate(refused=Refusal.INVALID_ADDRESS)
        return Fate(moves=(SENT, BOUNCED if side is FarSide.BOUNCES else DELIVERED))
