"""A carrier that costs next to nothing: every call ends at once. For benches of the engine."""

from __future__ import annotations

from collections.abc import Callable

from compliance.permit import ContactPermit
from compliance.types import Channel
from telephony_adapters.call_ids import UsedCallIds
from telephony_adapters.clock import Clock
from telephony_adapters.declines import Declines
from telephony_adapters.errors import CarrierUnavailable, DuplicateCall, UnknownCall
from telephony_adapters.messages import (
    AdapterFacts,
    AgentLegDown,
    AgentLegUp,
    CallEnded,
    CallId,
    CallReport,
    HangupCause,
    LegId,
    Originate,
)
from telephony_adapters.port import EventSink
from telephony_adapters.prompts import Prompt


class NullCarrier(Declines):
    """A `TelephonyAdapter` on which nobody ever answers.

    `CallEnded` comes before `originate` returns, with `outcome`, or with what `outcome` says of
    the command if it is a function. Agents' legs open and close; as no call is ever live, there
    is nothing to hang up, bridge or list.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        outcome: HangupCause | Callable[[Originate], HangupCause] = HangupCause.NO_ANSWER,
        name: str = "null",
    ) -> None:
        self._now = clock.now
        self._outcome = outcome
        self._name = name
        self._sink: EventSink | None = None
        self._used = UsedCallIds()
        self._legs: set[LegId] = set()
        self._prefix = f"{name}-{int(clock.now().timestamp() * 1000):x}-"
        self._count = 0
        self.placed = 0
        """Calls that were placed and have ended."""

    @property
    def facts(self) -> AdapterFacts:
        return AdapterFacts(name=self._name, simulated=True, loopback=True)

    async def start(self, sink: EventSink) -> None:
        self._sink = sink

    async def stop(self) -> None:
        self._sink = None

    async def originate(self, command: Originate, permit: ContactPermit) -> None:
        now = self._now()
        permit.spend(address=command.to, channel=Channel.VOICE, now=now)
        sink = self._connected()
        if command.call_id in self._used:
            raise DuplicateCall(f"call id {command.call_id} was used before; it was not repeated")
        self._used.add(command.call_id)
        self.placed += 1
        outcome = self._outcome
        cause = outcome if isinstance(outcome, HangupCause) else outcome(command)
        sink(CallEnded(event_id=self._event_id(), at=now, call_id=command.call_id, cause=cause))

    async def hangup(self, call_id: CallId) -> None:
        self._refuse_call(call_id)

    async def open_agent_leg(self, leg_id: LegId, endpoint: str) -> None:
        sink = self._connected()
        if leg_id in self._legs:
            raise DuplicateCall(f"agent leg {leg_id} is open already")
        self._legs.add(leg_id)
        sink(AgentLegUp(event_id=self._event_id(), at=self._now(), leg_id=leg_id))

    async def close_agent_leg(self, leg_id: LegId) -> None:
        sink = self._connected()
        if leg_id not in self._legs:
            raise UnknownCall(f"there is no agent leg {leg_id}")
        self._legs.remove(leg_id)
        sink(
            AgentLegDown(event_id=self._event_id(), at=self._now(), leg_id=leg_id, reason="closed")
        )

    async def bridge(self, call_id: CallId, leg_id: LegId) -> None:
        self._refuse_call(call_id)

    async def play(self, call_id: CallId, prompt: Prompt, playback_id: str) -> None:
        self._refuse_call(call_id)

    async def stop_playing(self, call_id: CallId, playback_id: str) -> None:
        self._refuse_call(call_id)

    async def list_calls(self) -> list[CallReport]:
        self._connected()
        return []

    def _connected(self) -> EventSink:
        if self._sink is None:
            raise CarrierUnavailable("the null carrier is not started")
        return self._sink

    def _refuse_call(self, call_id: CallId) -> None:
        self._connected()
        raise UnknownCall(f"there is no live call {call_id}: the null carrier ends every call")

    def _event_id(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"
