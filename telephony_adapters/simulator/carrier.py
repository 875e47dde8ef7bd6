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
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    OriginateRejected,
    OutcomeUnknown,
)
from telephony_adapters.keys import check_keys
from telephony_adapters.messages import (
    AdapterFacts,
    CallId,
    CallReport,
    LegId,
    LegRole,
    Originate,
)
from telephony_adapters.port import EventSink
from telephony_adapters.prompts import Prompt
from telephony_adapters.simulator.agent_legs import AgentLegs
from telephony_adapters.simulator.delivery import Delivery
from telephony_adapters.simulator.earpiece import Earpiece
from telephony_adapters.simulator.heard import Heard
from telephony_adapters.simulator.live_call import LiveCall
from telephony_adapters.simulator.network import Network
from telephony_adapters.simulator.script import FAIR_WEATHER, Doubt, Outage, Script
from telephony_adapters.simulator.timings import CarrierTimings
from telephony_adapters.simulator.world import World

REMEMBERED_PROMPTS: Final = 5_000


class SimulatedCarrier:
    """A `TelephonyAdapter` whose far end is a `World`.

    Beside the port it has what only a simulator can offer: `earpiece`, `heard_on`,
    `heard_by_person`, `keys_heard`, and levers that make the far end or the wire do something at
    once (`somebody_calls`, `callee_hangs_up`, `agent_hangs_up`, `press_keys`, `lose_connection`,
    `restore_connection`).
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
        self._talk = self._network.conversations
        self._used = UsedCallIds()
        self._calls_seen = 0
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
            control=True,
            recording=True,
            dtmf_out=True,
            inbound=True,
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
        self._calls_seen += 1
        fault = self._script.fault_of(self._calls_seen, command.to)
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
        self._drop_leg(leg_id, "closed")

    async def bridge(self, call_id: CallId, leg_id: LegId) -> None:
        self._require_connection()
        self._talk.bridge(self._answered(call_id), leg_id)

    async def hold(self, call_id: CallId) -> None:
        self._require_connection()
        self._talk.hold(self._answered(call_id))

    async def consult(self, leg_id: LegId, other_leg_id: LegId) -> None:
        self._require_connection()
        self._talk.consult(leg_id, other_leg_id)

    async def join(self, call_id: CallId, leg_id: LegId, role: LegRole) -> None:
        self._require_connection()
        self._talk.join(self._answered(call_id), leg_id, role)

    async def part(self, call_id: CallId, leg_id: LegId) -> None:
        self._require_connection()
        self._talk.part(self._answered(call_id), leg_id)

    async def answer(self, call_id: CallId) -> None:
        self._require_connection()
        self._network.answer(call_id)

    async def record(self, call_id: CallId, recording_id: str) -> None:
        self._require_connection()
        self._network.recordings.start(self._answered(call_id), recording_id)

    async def pause_recording(self, call_id: CallId, *, paused: bool) -> None:
        self._require_connection()
        self._network.recordings.pause(self._answered(call_id), paused=paused)

    async def stop_recording(self, call_id: CallId) -> None:
        self._require_connection()
        self._network.recordings.stop(self._answered(call_id))

    async def fetch_recording(self, recording_id: str) -> bytes:
        self._require_connection()
        return self._network.recordings.fetch(recording_id)

    async def delete_recording(self, recording_id: str) -> None:
        self._require_connection()
        self._network.recordings.delete(recording_id)

    async def send_dtmf(self, call_id: CallId, digits: str) -> None:
        self._require_connection()
        check_keys(digits)
        self._network.press_to(call_id, digits)

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

    def heard_on(self, leg_id: LegId) -> frozenset[CallId | LegId]:
        """Whom this leg hears now: persons by call, other legs. Raises `UnknownCall`."""
        return self._talk.heard_on(leg_id)

    def heard_by_person(self, call_id: CallId) -> frozenset[LegId]:
        """The legs that the person hears now. Raises `UnknownCall`."""
        return self._talk.heard_by_person(self._answered(call_id))

    def keys_heard(self, call_id: CallId) -> str:
        """Keys that we have pressed towards the person. Raises `UnknownCall`."""
        return self._network.keys_heard(call_id)

    def stored_recordings(self) -> frozenset[str]:
        """Finished recordings that the carrier has."""
        return self._network.recordings.stored()

    def leg_at(self, endpoint: str) -> LegId | None:
        """The leg that is open to an agent's device."""
        return self._legs.at(endpoint)

    def somebody_calls(self, caller: str | None, called: str) -> CallId:
        """Somebody calls our number `called` now; without a `caller` the number is withheld.

        Whoever is behind the number, by the world, is heard. Counts as a call for the script.
        """
        self._calls_seen += 1
        fault = self._script.fault_of(self._calls_seen, caller or "")
        return self._network.comes_in(caller, called, fault)

    def callee_hangs_up(self, call_id: CallId) -> None:
        """The person hangs up now. Raises `UnknownCall` unless the call is answered or inbound."""
        self._network.callee_hangs_up(call_id)

    def agent_hangs_up(self, leg_id: LegId) -> None:
        """The agent's device ends its leg now. Raises `UnknownCall`."""
        self._drop_leg(leg_id, "agent hung up")

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

    def _answered(self, call_id: CallId) -> LiveCall:
        call, _ = self._network.require_answered(call_id)
        return call

    def _drop_leg(self, leg_id: LegId, reason: str) -> None:
        self._talk.leg_dropped(self._legs.drop(leg_id, reason))

    def _require_connection(self) -> None:
        if not self._wire.connected:
            raise CarrierUnavailable("there is no connection to the simulated carrier")
