"""What an adapter under test stands in: a far end that does as asked, and a way to wait."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from telephony_adapters.messages import (
    AgentLegUp,
    AnyCarrierEvent,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallId,
    CallReport,
    CarrierEvent,
    LegId,
    Originate,
)
from telephony_adapters.port import TelephonyAdapter
from telephony_adapters.prompts import Prompt
from tests.support.permits import permit_for

EventT = TypeVar("EventT", bound=CarrierEvent)

RING_TIMEOUT_S = 12
"""Short enough for a suite in real time, longer than every answer of the far end."""
PATIENCE_S = 20.0
"""How long a case waits for something that has to happen."""
TIMER_SLACK_S = 2.0
"""How much later than asked a carrier's timer may be."""
UNKNOWN_CALL = CallId("9" * 26)
UNKNOWN_LEG = LegId("leg-" + "9" * 22)
OUR_NUMBER = "+13055550199"
"""What people dial who call us."""


class FarEnd(StrEnum):
    """What a number of the laboratory does when it is called."""

    ANSWERS = "answers"
    """Within 5 s, and stays on the line for at least 60 s."""
    ANSWERS_BRIEFLY = "answers_briefly"
    """And hangs up by itself within 5 s."""
    RINGS = "rings"
    """Nobody ever answers."""
    DEAD = "dead"
    """The route does not even say that it tries."""
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    NOT_IN_SERVICE = "not_in_service"
    REJECTS = "rejects"
    CONGESTED = "congested"
    MACHINE = "machine"
    """A machine answers and stays as `ANSWERS` does."""
    PRESSES_KEYS = "presses_keys"
    """Answers as `ANSWERS` does and presses 1, then 2, within 5 s."""


class Lab(ABC):
    """One adapter, started, with its far end. A subclass an adapter.

    `events` holds everything that the adapter delivered, in order, repeats included.
    """

    trunk = "main"
    ring_timeout_s = RING_TIMEOUT_S

    def __init__(self) -> None:
        self.events: list[AnyCarrierEvent] = []
        self._ids = 0

    # --- what each adapter's laboratory provides ----------------------------------------------

    @property
    @abstractmethod
    def adapter(self) -> TelephonyAdapter: ...

    @abstractmethod
    def now(self) -> datetime: ...

    @abstractmethod
    def number(self, far_end: FarEnd) -> str:
        """A number (E.164) that does so."""

    @abstractmethod
    def endpoint(self) -> str:
        """The device of an agent who is not on a leg yet; it answers by itself."""

    @abstractmethod
    def placed(self) -> int:
        """Calls that the far end has seen so far."""

    @abstractmethod
    async def until(self, condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        """Let time pass until `condition` holds; raises `TimeoutError`."""

    @abstractmethod
    async def pass_time(self, delay_s: float) -> None:
        """Let time pass."""

    @abstractmethod
    async def callee_hangs_up(self, call_id: CallId) -> None: ...

    @abstractmethod
    async def agent_hangs_up(self, leg_id: LegId) -> None: ...

    def prompt(self) -> Prompt:
        """A prompt that this adapter can play; it takes 2 s at least."""
        return Prompt(text="This is a test of one two three four five six.", language="en")

    # --- what all share -----------------------------------------------------------------------

    def new_call_id(self) -> CallId:
        self._ids += 1
        return CallId(f"{self._ids:026d}")

    def command(
        self, to: str, *, ring_timeout_s: int | None = None, amd: bool = False
    ) -> Originate:
        return Originate(
            call_id=self.new_call_id(),
            to=to,
            caller_id="+13055550100",
            trunk=self.trunk,
            ring_timeout_s=ring_timeout_s or self.ring_timeout_s,
            amd=amd,
        )

    async def originate(self, command: Originate) -> None:
        await self.adapter.originate(command, permit_for(command.to, self.now()))

    async def dial(self, far_end: FarEnd, *, amd: bool = False) -> CallId:
        """Call a number that does so."""
        command = self.command(self.number(far_end), amd=amd)
        await self.originate(command)
        return command.call_id

    async def dial_and_answer(self, far_end: FarEnd = FarEnd.ANSWERS) -> CallId:
        """Call a number, and wait until it has answered."""
        call_id = await self.dial(far_end)
        await self.first(CallAnswered, call_id)
        return call_id

    async def open_leg(self) -> LegId:
        """An agent's leg that is up."""
        self._ids += 1
        leg_id = LegId(f"leg-{self._ids:022d}")
        await self.adapter.open_agent_leg(leg_id, self.endpoint())
        await self.first(AgentLegUp, leg_id)
        return leg_id

    async def converse(self, far_end: FarEnd = FarEnd.ANSWERS) -> tuple[CallId, LegId]:
        """A person and an agent who hear each other."""
        leg_id = await self.open_leg()
        return await self.dial_and_bridge(leg_id, far_end), leg_id

    async def dial_and_bridge(self, leg_id: LegId, far_end: FarEnd = FarEnd.ANSWERS) -> CallId:
        """Give a leg, which must be free, a call."""
        call_id = await self.dial_and_answer(far_end)
        await self.bridge(call_id, leg_id)
        return call_id

    async def bridge(self, call_id: CallId, leg_id: LegId) -> None:
        """Join a call with a leg, and wait until they hear each other."""
        before = len(self.of(CallBridged, call_id))
        await self.adapter.bridge(call_id, leg_id)
        await self.until(lambda: len(self.of(CallBridged, call_id)) > before)
        assert self.of(CallBridged, call_id)[-1].leg_id == leg_id

    def unique(self) -> list[AnyCarrierEvent]:
        """Events without their repeats. A repeat that differs from its first is a failure."""
        first: dict[str, AnyCarrierEvent] = {}
        for event in self.events:
            known = first.setdefault(event.event_id, event)
            assert known == event, f"two different events of id {event.event_id}"
        return list(first.values())

    def of(self, kind: type[EventT], about: str) -> list[EventT]:
        """Events of one kind about one call or leg, without repeats."""
        return [
            event
            for event in self.unique()
            if isinstance(event, kind)
            and about
            in (
                getattr(event, "call_id", None),
                getattr(event, "leg_id", None),
                getattr(event, "recording_id", None),
            )
        ]

    async def first(self, kind: type[EventT], about: str, limit_s: float = PATIENCE_S) -> EventT:
        """The first event of a kind about a call or leg; waits for it."""
        await self.until(lambda: bool(self.of(kind, about)), limit_s)
        return self.of(kind, about)[0]

    async def end(self, call_id: CallId, limit_s: float = PATIENCE_S) -> CallEnded:
        """How the call ended; waits for it."""
        return await self.first(CallEnded, call_id, limit_s)

    async def report(self, call_id: CallId) -> CallReport | None:
        """What the carrier's list of live calls says of one."""
        for report in await self.adapter.list_calls():
            if report.call_id == call_id:
                return report
        return None


class BreakableLab(Lab):
    """A laboratory that can cut the control connection to the carrier."""

    @abstractmethod
    async def lose_connection(self) -> None: ...

    @abstractmethod
    async def restore_connection(self) -> None: ...


class CallableLab(Lab):
    """A laboratory whose people call us."""

    @abstractmethod
    async def somebody_calls(self, caller: str | None, *, patience_s: float = 60.0) -> None:
        """Somebody dials `OUR_NUMBER`; without a `caller` the number is withheld.

        Gives up when nobody answers within `patience_s`.
        """


class ListeningLab(Lab):
    """A laboratory that knows what its people hear."""

    @abstractmethod
    async def until_heard(self, call_id: CallId, keys: str) -> None:
        """Wait until the person has heard just these keys."""
