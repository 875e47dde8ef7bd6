"""What simulated agents hear: from the simulated carrier, or from the laboratory's telephones.

A simulated agent does not understand speech. On the simulated carrier the far end tells him what
it says; on real telephones of a laboratory the voices are recordings, so what the person says is
drawn from the same seeded world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dialer.runtime.safety import check_simulated_agents
from telephony_adapters.lab.network import is_machine
from telephony_adapters.messages import CallId, Originate
from telephony_adapters.port import TelephonyAdapter
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.heard import Heard, Speaker
from telephony_adapters.simulator.world import Past, SeededWorld

NumberOf = Callable[[CallId], tuple[str, str] | None]
"""Number and pacing segment of a call in hand."""


class Headsets(Protocol):
    """The ears of all simulated agents."""

    async def listen(self, username: str, call_id: CallId) -> Heard:
        """What the agent hears once the call is joined with his leg."""


class SimulatedHeadsets:
    """Earpieces of the simulated carrier."""

    def __init__(self, carrier: SimulatedCarrier) -> None:
        self._carrier = carrier

    async def listen(self, username: str, call_id: CallId) -> Heard:
        leg_id = self._carrier.leg_at(f"agent:{username}")
        if leg_id is None:
            raise LookupError(f"{username} has no open leg")
        ears = self._carrier.earpiece(leg_id)
        while True:
            heard = await anext(ears)
            if heard.call_id == call_id:
                return heard


class LaboratoryHeadsets:
    """People of the seeded world behind the laboratory's numbers."""

    def __init__(self, seed: int, number_of: NumberOf) -> None:
        self._world = SeededWorld(seed)
        self._number_of = number_of

    async def listen(self, username: str, call_id: CallId) -> Heard:
        found = self._number_of(call_id)
        if found is None:
            return Heard(call_id=call_id, speaker=Speaker.SILENCE)
        number, segment = found
        if is_machine(number):
            return Heard(call_id=call_id, speaker=Speaker.MACHINE)
        command = Originate(
            call_id=call_id,
            to=number,
            caller_id=None,
            trunk="",
            ring_timeout_s=0,
            segment=segment,
        )
        return self._world.conversation(command, Past(0, 0))


def headsets_for(adapter: TelephonyAdapter, seed: int, number_of: NumberOf) -> Headsets:
    """Ears for this carrier. Raises `UnsafeDialing` where real people could be on the line."""
    if isinstance(adapter, SimulatedCarrier):
        return SimulatedHeadsets(adapter)
    check_simulated_agents(adapter)
    return LaboratoryHeadsets(seed, number_of)
