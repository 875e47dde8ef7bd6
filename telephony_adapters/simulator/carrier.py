"""The simulated carrier: the telephony port over a seeded world, with faults on script.

It does what a real carrier does, in the clock's own time, and reaches nobody: every number is
answered by the `World`. Agents' legs have an earpiece that tells what an agent would hear.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from compliance.permit import ContactPermit
from compliance.types import Channel
from telephony_adapters.call_ids import UsedCallIds
from telephony_adapters.clock import Clock
from telephony_adapters.declines import Declines
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    OriginateRejected,
    OutcomeUnknown,
)
from telephony_adapters.messages import AdapterFacts, CallId, CallReport, LegId, Originate
from telephony_adapters.port import EventSink
from telephony_adapters.prompts import Prompt
from telephony_adapters.simulator.agent_legs import AgentLegs
from telephony_adapters.simulator.delivery import Delivery
from telephony_adapters.simulator.earpiece import Earpiece
from telephony_adapters.simulator.heard import Heard
from telephony_adapters.simulator.network import Network
from telephony_adapters.simulator.script import FAIR_WEATHER, Doubt, Outage, Script
from telephony_adapters.simulator.timings import CarrierTimings
from telephony_adapters.simulator.world import World

REMEMBERED_PROMPTS: Final = 5_000


class SimulatedCarrier(Declines):
    """A `TelephonyAdapter` whose far end is a `World`.

    Beside the port it has what only a simulator can offer: `earpiece`, and levers that make the
    far end or the wire do something at once (`callee_hangs_up`, `agent_hangs_up`, `press_keys`,
    `lose_connection`, `restore_connection`).
    """

    def __init__(
        self,
        *,
        clock: Clock,
        world: World,
        script: Script = FAIR_WEATHER,
        name: str = "simulator",
        max_live_calls: int = 10_000,
        timings: CarrierTimings | None = None,
    ) -> None:
        self._clock = clock
        self._script = script
        self._name = name
        self._timings = timings if timings is not None else CarrierTimings()
        self._wire = Delivery(clock, name)
        self._legs = AgentLegs(clock, self._wire, self._timings.leg_up_s)
        self._network = Network(
            clock=clock,
            world=world,
            wire=self._wire,
            legs=self._legs,
            timings=self._timings,
            max_live_calls=max_live_calls,
        )
        self._used = UsedCallIds()
        self._originates = 0
        self._outages_set = False
        self.said: deque[tuple[CallId, Prompt]] = deque(maxlen=REMEMBERED_PROMPTS)
        """What was lately said to people."""
        self.on_prompt: Callable[[CallId, Prompt, Heard], None] | None = None
        """Told what is said to whom: the ears of people who press keys."""

    # --- the port -----------------------------------------------------------------------------

    @property
    def facts(self) -> AdapterFacts:
        return AdapterFacts(
            name=self._name,
            simulated=True,
            loopback=True,
            amd=True,
            dtmf=True,
            prompts=True,
            voice=True,
        )

    async def start(self, sink: EventSink) -> None:
        if not self._wire.up:
            raise CarrierUnavailable("the simulated carrier has an outage; start again later")
        self._wire.listen(sink)
        if not self._outages_set:
            self._outages_set = True
            for outage in self._script.outages:
                self._clock.call_later(outage.after_s, partial(self._begin_outage, outage))

    async def stop(self) -> None:
        """Listen no more. Calls and legs live on in the simulated network until they end."""
        self._wire.listen(None)

    async def originate(self, command: Originate, permit: ContactPermit) -> None:
        permit.spend(address=command.to, channel=Channel.VOICE, now=self._clock.now())
        self._require_connection()
        if command.call_id in self._used:
            raise DuplicateCall(f"call id {command.call_id} was used before; it was not repeated")
        self._originates += 1
        fault = self._script.fault_of(self._originates, command.to)
        if fault is not None and fault.reject:
            raise OriginateRejected("refused on script", provider_code="sip:503")
        self._used.add(command.call_id)
        doubt = fault.doubt if fault is not None else None
        if doubt is not Doubt.NOT_PLACED:
            self._network.place(command, fault)
        if doubt is not None:
            await self._clock.sleep(self._timings.command_limit_s)
            raise OutcomeUnknown(
                f"no answer to the originate of {command.call_id} within "
                f"{self._timings.command_limit_s:g} s"
            )

    async def hangup(self, call_id: CallId) -> None:
        self._require_connection()
        self._network.hang_up(call_id)

    async def open_agent_leg(self, leg_id: LegId, endpoint: str) -> None:
        self._require_connection()
        self._legs.open(leg_id, endpoint)

    async def close_agent_leg(self, leg_id: LegId) -> None:
        self._require_connection()
        self._network.leg_dropped(self._legs.drop(leg_id, "closed"))

    async def bridge(self, call_id: CallId, leg_id: LegId) -> None:
        self._require_connection()
        self._network.bridge(call_id, leg_id)

    async def play(self, call_id: CallId, prompt: Prompt, playback_id: str) -> None:
        self._require_connection()
        heard = self._network.play(call_id, playback_id)
        self.said.append((call_id, prompt))
        if self.on_prompt is not None:
            self.on_prompt(call_id, prompt, heard)

    async def stop_playing(self, call_id: CallId, playback_id: str) -> None:
        self._require_connection()
        self._network.stop_playing(call_id, playback_id)

    async def list_calls(self) -> list[CallReport]:
        self._require_connection()
        return self._network.reports()

    # --- what only a simulator has ------------------------------------------------------------

    @property
    def placed(self) -> int:
        """Calls that have reached the simulated network."""
        return self._network.placed

    def earpiece(self, leg_id: LegId) -> Earpiece:
        """What the agent on this leg hears; may be asked for before the leg is opened."""
        return self._legs.earpiece(leg_id)

    def leg_at(self, endpoint: str) -> LegId | None:
        """The leg that is open to an agent's device."""
        return self._legs.at(endpoint)

    def callee_hangs_up(self, call_id: CallId) -> None:
        """The person hangs up now. Raises `UnknownCall` unless the call is answered."""
        self._network.callee_hangs_up(call_id)

    def agent_hangs_up(self, leg_id: LegId) -> None:
        """The agent's device ends its leg now. Raises `UnknownCall`."""
        self._network.leg_dropped(self._legs.drop(leg_id, "agent hung up"))

    def press_keys(self, call_id: CallId, digits: str) -> None:
        """The person presses keys now. Raises `UnknownCall` unless the call is answered."""
        self._network.press(call_id, digits)

    def lose_connection(self, reason: str = "connection lost") -> None:
        """Cut the control connection: calls live on, their events are lost."""
        self._wire.cut(reason)

    def restore_connection(self) -> None:
        """Mend the control connection; `CarrierUp` follows, then missed changes of legs."""
        self._wire.mend()

    def _begin_outage(self, outage: Outage) -> None:
        self._wire.cut(outage.reason)
        self._clock.call_later(outage.for_s, self._wire.mend)

    def _require_connection(self) -> None:
        if not self._wire.connected:
            raise CarrierUnavailable("there is no connection to the simulated carrier")
