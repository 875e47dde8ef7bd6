"""The open audio legs of simulated agents."""

from __future__ import annotations

from functools import partial

from telephony_adapters.clock import Clock, TimerHandle
from telephony_adapters.errors import DuplicateCall, TelephonyError, UnknownCall
from telephony_adapters.messages import AgentLegDown, AgentLegUp, CallId, LegId
from telephony_adapters.simulator.delivery import Delivery
from telephony_adapters.simulator.earpiece import Earpiece


class AgentLeg:
    """One leg, from the command that opens it until it is down."""

    __slots__ = (
        "call_id",
        "consulting",
        "earpiece",
        "endpoint",
        "leg_id",
        "part_of",
        "timer",
        "up",
    )

    def __init__(self, leg_id: LegId, endpoint: str, earpiece: Earpiece) -> None:
        self.leg_id = leg_id
        self.endpoint = endpoint
        self.earpiece = earpiece
        self.up = False
        self.call_id: CallId | None = None
        """The call that it is joined with, or is about to be."""
        self.part_of: CallId | None = None
        """The call of another leg that it takes part in, or is about to."""
        self.consulting: LegId | None = None
        """The leg that it hears while persons hold."""
        self.timer: TimerHandle | None = None


class AgentLegs:
    """All legs of one carrier, by id."""

    def __init__(self, clock: Clock, wire: Delivery, up_s: float) -> None:
        self._clock = clock
        self._wire = wire
        self._up_s = up_s
        self._legs: dict[LegId, AgentLeg] = {}
        self._earpieces: dict[LegId, Earpiece] = {}

    def open(self, leg_id: LegId, endpoint: str) -> None:
        """Ring the device; it answers by itself."""
        if leg_id in self._legs:
            raise DuplicateCall(f"agent leg {leg_id} is open already")
        leg = AgentLeg(leg_id, endpoint, self.earpiece(leg_id))
        self._legs[leg_id] = leg
        leg.timer = self._clock.call_later(self._up_s, partial(self._answers, leg))

    def drop(self, leg_id: LegId, reason: str) -> AgentLeg:
        """The leg goes down. Raises `UnknownCall`."""
        leg = self._legs.pop(leg_id, None)
        if leg is None:
            raise UnknownCall(f"there is no agent leg {leg_id}")
        if leg.timer is not None:
            leg.timer.cancel()
        leg.earpiece.close()
        del self._earpieces[leg_id]
        self._wire.of_leg(
            AgentLegDown(
                event_id=self._wire.event_id(),
                at=self._clock.now(),
                leg_id=leg_id,
                reason=reason,
            )
        )
        return leg

    def require(self, leg_id: LegId) -> AgentLeg:
        """A leg that is up. Raises `UnknownCall`."""
        leg = self._legs.get(leg_id)
        if leg is None or not leg.up:
            raise UnknownCall(f"agent leg {leg_id} is not up")
        return leg

    def require_free(self, leg_id: LegId, *, but_for: CallId | None = None) -> AgentLeg:
        """A leg that is up and in no conversation, unless with this call.

        Raises `UnknownCall`, or `TelephonyError` when the leg is busy.
        """
        leg = self.require(leg_id)
        for busy in (leg.call_id, leg.part_of):
            if busy not in (None, but_for):
                raise TelephonyError(f"leg {leg_id} carries call {busy}; end that one before")
        return leg

    def find(self, leg_id: LegId) -> AgentLeg | None:
        return self._legs.get(leg_id)

    def at(self, endpoint: str) -> LegId | None:
        """The leg that is open to this device."""
        for leg in self._legs.values():
            if leg.endpoint == endpoint:
                return leg.leg_id
        return None

    def earpiece(self, leg_id: LegId) -> Earpiece:
        """The leg's earpiece, made on first use, even before the leg is opened."""
        return self._earpieces.setdefault(leg_id, Earpiece())

    def _answers(self, leg: AgentLeg) -> None:
        leg.up = True
        self._wire.of_leg(
            AgentLegUp(event_id=self._wire.event_id(), at=self._clock.now(), leg_id=leg.leg_id)
        )
