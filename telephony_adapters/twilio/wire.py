"""What every part of the adapter stands on: requests, documents, chores, events to the engine."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from telephony_adapters.clock import Clock
from telephony_adapters.errors import (
    CarrierUnavailable,
    OutcomeUnknown,
    TelephonyError,
    UnknownCall,
)
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    AnyCarrierEvent,
    CarrierDown,
    LegId,
)
from telephony_adapters.port import EventSink
from telephony_adapters.twilio import twiml
from telephony_adapters.twilio.codec import Label, OurEnd
from telephony_adapters.twilio.live import LiveCall, LiveLeg
from telephony_adapters.twilio.notes import RecordingNotes
from telephony_adapters.twilio.settings import TwilioSettings, check
from telephony_adapters.twilio.switchboard import Switchboard
from telephony_adapters.twilio.tapes import Tapes
from telephony_adapters.twilio.tasks import Chores
from telephony_adapters.twilio.transport import Refused
from telephony_adapters.twilio.voice_api import VoiceApi

T = TypeVar("T")

NAME: Final = "twilio"
ARRIVAL_S: Final = 3.0
"""How long Twilio may take to tell that somebody has come into a conference."""


class Wire:
    """One Twilio account."""

    def __init__(
        self,
        settings: TwilioSettings,
        clock: Clock,
        twilio_now: Callable[[], datetime],
        notes: Path | None,
    ) -> None:
        self.settings = check(settings)
        self._clock = clock
        self._addresses = twiml.Addresses(settings.public_url)
        self.api = VoiceApi(settings, clock)
        """Twilio's REST API."""
        self._chores = Chores()
        self._board = Switchboard(
            settings=settings,
            clock=clock,
            twilio_now=twilio_now,
            addresses=self._addresses,
            start=self._chores.start,
            finish=self._finish,
            send_home=self._send_home,
            await_arrival=self._await_arrival,
        )
        self._calls = self._board.registry
        self._floor = self._board.floor
        self._tapes = Tapes(self._board.tell)
        self._notes = RecordingNotes(notes, f"{self._addresses.room_prefix}recordings.jsonl")
        self._up = False
        self._changes = 0
        """Times that the API was lost or found again."""
        self._looking = False
        """It is being looked for who has come into which conference."""
        self._sink: EventSink | None = None
        self._kept_back: list[AgentLegUp | AgentLegDown] = []
        """Changes of legs that webhooks told while the API was away: told after `CarrierUp`."""

    # --- requests -------------------------------------------------------------------------------

    async def _reached(self, asking: Coroutine[Any, Any, T]) -> T:
        """Wait for an answer; notes when the API cannot be reached."""
        try:
            return await asking
        except CarrierUnavailable as error:
            self._lost(str(error))
            raise

    async def _asked(self, call: LiveCall, asking: Coroutine[Any, Any, T]) -> T:
        """Ask for something that only an answered call can do. Raises `UnknownCall`."""
        try:
            return await self._reached(asking)
        except Refused as refused:
            if refused.is_gone:
                raise UnknownCall(f"call {call.call_id} has ended") from refused
            raise

    async def _redirect(self, call: LiveCall, sid: str, *, digits: str = "") -> None:
        """Let the call follow the document that its present state makes."""
        before, document = call.turn, self._board.next_document(call, digits=digits)
        mine = call.turn
        try:
            await self._asked(call, self.api.redirect_call(sid, document))
        except OutcomeUnknown:
            self._await_arrival(call)  # it may be on its way
            raise
        except TelephonyError:
            call.turn = before if call.turn == mine else call.turn
            raise
        self._await_arrival(call)

    async def _seat(
        self, leg: LiveLeg, room: LegId, *, muted: bool = False, coaches: str | None = None
    ) -> None:
        """Send a leg into a room, its own or another's. Raises `UnknownCall`."""
        if leg.sid is None:
            raise UnknownCall(f"agent leg {leg.leg_id} is not up")
        before = (leg.room, leg.visit, leg.arrived)
        leg.room = room
        leg.visit += 1
        mine = leg.visit
        document = self._board.leg_document(leg, muted=muted, coaches=coaches)
        try:
            await self._reached(self.api.redirect_call(leg.sid, document))
        except OutcomeUnknown:
            self._await_arrival(leg)  # it may be on its way
            raise
        except TelephonyError as error:
            if leg.visit == mine:
                leg.room, leg.visit, leg.arrived = before
            if isinstance(error, Refused) and error.is_gone:
                raise UnknownCall(f"agent leg {leg.leg_id} has ended") from error
            raise
        self._await_arrival(leg)

    async def _go_home(self, leg: LiveLeg) -> None:
        """Send a leg into its own room."""
        await self._seat(leg, leg.leg_id)

    def _send_home(self, leg: LiveLeg) -> None:
        self._chores.start(f"home:{leg.leg_id}", self._go_home(leg))

    async def _finish(self, sid: str, why: OurEnd) -> None:
        """End a call, if it is not over. Who answered at the last moment is not cut off, unless
        the hang-up was asked for."""
        ask = self.api.end_call if why is OurEnd.HANGUP else self.api.cancel_call
        try:
            await self._reached(ask(sid))
        except Refused as refused:
            if not refused.is_gone:
                raise

    # --- arrivals that nobody tells ---------------------------------------------------------------

    def _await_arrival(self, who: LiveCall | LiveLeg) -> None:
        """Whoever was sent into a room is looked for there if its coming is not told."""
        due = partial(self._not_told, who, who.label)
        self._clock.call_later(ARRIVAL_S, due)

    def _not_told(self, who: LiveCall | LiveLeg, label: Label) -> None:
        if not self._up or who.label != label or who not in self._missing():
            return
        if self._looking:
            self._await_arrival(who)
        else:
            self._chores.start(f"arrival:{label}", self._find_arrivals())

    def _missing(self) -> list[LiveCall | LiveLeg]:
        """Who is not known to be in the room where it belongs."""
        calls = self._calls.calls.values()
        return [
            *(leg for leg in self._calls.legs.values() if leg.answered and not leg.is_in_place),
            *(call for call in calls if call.belongs_in_a_room and not call.is_in_place),
        ]

    async def _find_arrivals(self) -> None:
        """Comings that were not told are looked for in Twilio's lists."""
        self._looking = True
        try:
            inside = await self._people_in({self._board.room_of(who) for who in self._missing()})
        finally:
            self._looking = False
        for who in self._missing():
            room_sid = inside.get(who.label)
            if room_sid is not None:
                self._board.found(who, room_sid)

    async def _people_in(self, names: set[str]) -> dict[Label, str]:
        """In which conference somebody of ours is, of those with these names."""
        inside: dict[Label, str] = {}
        for room in await self._reached(self.api.rooms()) if names else ():
            if room.name in names:
                for _, label in await self._reached(self.api.inside(room.sid)):
                    if label is not None:
                        inside[label] = room.sid
        return inside

    # --- is the API there? ----------------------------------------------------------------------

    def _require_up(self) -> None:
        if not self._up:
            raise CarrierUnavailable("there is no connection to Twilio")

    def _lost(self, reason: str) -> None:
        if self._up:
            self._up = False
            self._changes += 1
            self._deliver(
                CarrierDown(event_id=self._change_id("down"), at=self._clock.now(), reason=reason)
            )

    def _change_id(self, change: str) -> str:
        return f"{NAME}-{change}-{self._clock.now().timestamp():.3f}-{self._changes}"

    def _deliver(self, event: AnyCarrierEvent) -> None:
        if isinstance(event, AgentLegUp | AgentLegDown) and not self._up:
            self._kept_back.append(event)
        elif self._sink is not None:
            self._sink(event)
