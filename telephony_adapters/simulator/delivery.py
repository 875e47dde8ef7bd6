"""The wire between the simulated carrier and the engine: it loses, delays and repeats."""

from __future__ import annotations

from functools import partial
from typing import Final

from telephony_adapters.clock import Clock
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    AnyCarrierEvent,
    CarrierDown,
    CarrierUp,
    ConsultStarted,
)
from telephony_adapters.port import EventSink
from telephony_adapters.simulator.live_call import LiveCall

SWAP_S: Final = 2.0
"""How late an event comes that is to arrive after its successor."""


class Delivery:
    """Hands events to the sink while the wire is up; numbers them."""

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._sink: EventSink | None = None
        self._up = True
        self._prefix = f"{name}-{int(clock.now().timestamp() * 1000):x}-"
        self._count = 0
        self._missed: list[AgentLegUp | AgentLegDown] = []

    @property
    def up(self) -> bool:
        return self._up

    @property
    def connected(self) -> bool:
        """Somebody listens, and the wire is up."""
        return self._up and self._sink is not None

    def listen(self, sink: EventSink | None) -> None:
        """Deliver to `sink` from now on; None: to nobody."""
        self._sink = sink

    def event_id(self) -> str:
        """A new one; unique over restarts, since the instant of the start is in it."""
        self._count += 1
        return f"{self._prefix}{self._count}"

    def of_call(self, call: LiveCall, event: AnyCarrierEvent, *, last: bool = False) -> None:
        """Tell an event of a call, as the call's fault has it."""
        fault = call.fault
        if fault is None:
            self._deliver(event)
            return
        call.events += 1
        if fault.silent or (last and fault.loses_end):
            return
        late_s = fault.late_s + (SWAP_S if fault.out_of_order and call.events % 2 else 0.0)
        for _ in range(1 + fault.repeats):
            if late_s > 0:
                self._clock.call_later(late_s, partial(self._deliver, event))
            else:
                self._deliver(event)

    def of_leg(self, event: AgentLegUp | AgentLegDown) -> None:
        """Tell an event of an agent's leg; after an outage if it happened in one."""
        if self._up:
            self._deliver(event)
        else:
            self._missed.append(event)

    def tell(self, event: ConsultStarted) -> None:
        """Tell what concerns no call; lost in an outage."""
        self._deliver(event)

    def cut(self, reason: str) -> None:
        """The wire is cut: say so, once; what happens meanwhile to calls is lost."""
        self._deliver(CarrierDown(event_id=self.event_id(), at=self._clock.now(), reason=reason))
        self._up = False

    def mend(self) -> None:
        """The wire is back: say so, then how the agents' legs have changed."""
        if self._up:
            return
        self._up = True
        self._deliver(CarrierUp(event_id=self.event_id(), at=self._clock.now()))
        missed, self._missed = self._missed, []
        for event in missed:
            self._deliver(event)

    def _deliver(self, event: AnyCarrierEvent) -> None:
        if self._sink is not None and self._up:
            self._sink(event)
