"""Who takes part in which conversation, and what comings and goings in conferences mean for that.

Every leg has a conference of its own, its room. A call is bridged by being sent into its leg's
room; a further leg, or the other one of a consultation, visits that room. Whoever is sent on gets
a new label, so what is told of an earlier visit, late or once more, is told from the present one.
Nobody may stay a visitor without being on record here: a visitor hears what is said.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from telephony_adapters.errors import TelephonyError
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    AnyCarrierEvent,
    CallBridged,
    CallHeld,
    CallId,
    CallJoined,
    CallParted,
    ConsultStarted,
    LegId,
    LegRole,
)
from telephony_adapters.twilio.codec import Label, RoomChanged, RoomEvent
from telephony_adapters.twilio.live import LiveCall, LiveLeg, Part, Registry


class Floor:
    """Bridges, holds, consultations and further legs of one adapter."""

    def __init__(
        self,
        registry: Registry,
        tell: Callable[[AnyCarrierEvent], None],
        send_home: Callable[[LiveLeg], None],
    ) -> None:
        self._registry = registry
        self._tell = tell
        self._send_home = send_home

    # --- what commands ask and set out ----------------------------------------------------------

    def require_free(self, leg_id: LegId, *, but_for: CallId | None = None) -> LiveLeg:
        """A leg that is up and in no conversation, unless with this call.

        Raises `UnknownCall`, or `TelephonyError` when the leg is busy.
        """
        leg = self._registry.require_leg(leg_id)
        busy = [call.call_id for call in self._registry.in_room(leg_id)]
        if leg.part_of is not None:
            busy.append(leg.part_of)
        for call_id in busy:
            if call_id != but_for:
                raise TelephonyError(f"leg {leg_id} carries call {call_id}; end that one before")
        return leg

    def want_part(self, call: LiveCall, leg: LiveLeg, role: LegRole) -> Part:
        """A leg is about to take part, or to change its role."""
        leg.part_of = call.call_id
        part = call.parts.setdefault(leg.leg_id, Part())
        part.wanted = role
        return part

    def give_up_part(self, call: LiveCall, leg: LiveLeg, part: Part, role: LegRole) -> None:
        """It does not come to that; what the leg was before, it is still."""
        if part.wanted is not role:
            return  # another role was asked for meanwhile
        part.wanted = None
        if part.role is None and call.parts.get(leg.leg_id) is part:
            del call.parts[leg.leg_id]
            leg.part_of = None

    def end_part(self, call: LiveCall, leg_id: LegId, at: datetime) -> None:
        """A further leg takes part no longer; told if it ever did."""
        part = call.parts.pop(leg_id, None)
        leg = self._registry.legs.get(leg_id)
        if leg is not None and leg.part_of == call.call_id:
            leg.part_of = None
        if part is not None and part.role is not None:
            event_id = call.event_id()
            self._tell(CallParted(event_id=event_id, at=at, call_id=call.call_id, leg_id=leg_id))

    def end_consult(self, leg: LiveLeg) -> LiveLeg | None:
        """Whatever consultation the leg is in, or on its way to, is over; gives the other leg."""
        legs = self._registry.legs
        other = legs.get(leg.consulting or leg.wanted_by or LegId(""))
        if other is None:
            other = next((one for one in legs.values() if one.wanted_by == leg.leg_id), None)
        for one in (leg, other):
            if one is not None:
                one.consulting = one.wanted_by = None
        return other

    # --- comings and goings ---------------------------------------------------------------------

    def call_changed(
        self, call: LiveCall, room: LegId | None, label: Label, frame: RoomChanged, at: datetime
    ) -> bool:
        """A call has come into the room of a leg, or of its own (None), or left it.

        False when that told nothing new.
        """
        if label != call.label:
            return False
        if frame.event is RoomEvent.LEAVE:
            known, call.arrived, call.left = call.left != call.turn, -1, call.turn
            if call.leg_id is not None:
                # It has hung up, or else Twilio asks what to do next and is told the same room.
                call.leg_id, call.bridge_due = None, True
            return known
        if call.is_in_place or call.left == call.turn:
            return False
        call.arrived, call.room_sid = call.turn, frame.room_sid
        if room is None:
            self._held(call, at)
        else:
            self.bridged(call, at)
        return True

    def _held(self, call: LiveCall, at: datetime) -> None:
        if call.wants_hold and not call.held:
            call.held = True
            self._tell(CallHeld(event_id=call.event_id(), at=at, call_id=call.call_id))

    def bridged(self, call: LiveCall, at: datetime) -> None:
        """Tells of a bridge once both are in the leg's room."""
        leg = self._registry.legs.get(call.wanted_leg or LegId(""))
        if leg is None or not call.bridge_due or not call.is_in_place:
            return
        if leg.visits or not leg.is_in_place:
            return
        call.bridge_due = call.held = False
        call.leg_id = leg.leg_id
        self.tell_bridged(call, leg.leg_id, at)

    def tell_bridged(self, call: LiveCall, leg_id: LegId, at: datetime) -> None:
        self._tell(
            CallBridged(event_id=call.event_id(), at=at, call_id=call.call_id, leg_id=leg_id)
        )

    def leg_changed(
        self, leg: LiveLeg, room: LegId, label: Label, frame: RoomChanged, at: datetime
    ) -> bool:
        """A leg has come into a room, its own or another's, or left it.

        False when that told nothing new.
        """
        if label != leg.label or room != leg.room:
            return False
        if frame.event is RoomEvent.LEAVE:
            self.leg_gone(leg, "left the conference", at)
            return True
        if leg.is_in_place:
            return False
        leg.arrived = leg.visit
        if not leg.up:
            leg.answered = leg.up = True
            self._tell(AgentLegUp(event_id=f"{leg.sid}:up", at=at, leg_id=leg.leg_id))
        host = self._registry.legs.get(leg.room)
        if host is not None and host is not leg:
            self._visits(host, leg, frame.room_sid, at)
            return True
        if leg.part_of is not None:
            self._is_home(leg, at)
        for call in list(self._registry.in_room(leg.leg_id)):
            self.bridged(call, at)
        for guest in list(self._registry.legs.values()):
            if guest.wanted_by == leg.leg_id and guest.room == leg.leg_id:
                self.consulted(leg, guest, at)
        return True

    def _is_home(self, leg: LiveLeg, at: datetime) -> None:
        """A leg that takes part is not at home."""
        call = self._registry.calls.get(leg.part_of or CallId(""))
        if call is not None:
            self.end_part(call, leg.leg_id, at)

    def _visits(self, host: LiveLeg, guest: LiveLeg, room_sid: str, at: datetime) -> None:
        if guest.wanted_by == host.leg_id:
            self.consulted(host, guest, at)
            return
        call = self._registry.calls.get(guest.part_of or CallId(""))
        part = call.parts.get(guest.leg_id) if call is not None else None
        if call is None or part is None or part.wanted is None or call.leg_id != host.leg_id:
            self._send_home(guest)
            return
        part.room_sid = room_sid
        self.joined(call, guest.leg_id, part, part.wanted, at)

    def consulted(self, host: LiveLeg, guest: LiveLeg, at: datetime) -> None:
        """Tells of a consultation once both are in the host's room."""
        if host.visits or not host.is_in_place or not guest.is_in_place:
            return
        guest.wanted_by = None
        guest.consulting, host.consulting = host.leg_id, guest.leg_id
        self.tell_consulted(host, guest, at)

    def tell_consulted(self, leg: LiveLeg, other: LiveLeg, at: datetime) -> None:
        self._tell(
            ConsultStarted(
                event_id=leg.event_id(), at=at, leg_id=leg.leg_id, other_leg_id=other.leg_id
            )
        )

    def joined(
        self, call: LiveCall, leg_id: LegId, part: Part, role: LegRole, at: datetime
    ) -> None:
        """A further leg takes part, in this role."""
        part.role, part.wanted = role, None
        self._tell(
            CallJoined(
                event_id=call.event_id(), at=at, call_id=call.call_id, leg_id=leg_id, role=role
            )
        )

    # --- ends -----------------------------------------------------------------------------------

    def leg_gone(self, leg: LiveLeg, reason: str, at: datetime) -> None:
        """The leg is gone. Whoever was in its room stays on the line, its guests go home."""
        if self._registry.legs.pop(leg.leg_id, None) is None:
            return
        other = self.end_consult(leg)
        if other is not None and other.visits:
            self._send_home(other)
        self._tell(
            AgentLegDown(
                event_id=f"{leg.sid or leg.leg_id}:down", at=at, leg_id=leg.leg_id, reason=reason
            )
        )
        part_of = self._registry.calls.get(leg.part_of or CallId(""))
        if part_of is not None:
            self.end_part(part_of, leg.leg_id, at)
        for call in list(self._registry.in_room(leg.leg_id)):
            if call.leg_id == leg.leg_id:
                self._parts_over(call, at)
                call.leg_id = None
            if call.wanted_leg == leg.leg_id:
                call.wanted_leg, call.bridge_due = None, False

    def _parts_over(self, call: LiveCall, at: datetime) -> None:
        for leg_id in list(call.parts):
            self.end_part(call, leg_id, at)
            guest = self._registry.legs.get(leg_id)
            if guest is not None and guest.visits:
                self._send_home(guest)

    def call_gone(self, call: LiveCall) -> None:
        """The person has hung up: every further leg goes home, untold."""
        for leg_id in call.parts:
            leg = self._registry.legs.get(leg_id)
            if leg is None or leg.part_of != call.call_id:
                continue
            leg.part_of = None
            if leg.visits:
                self._send_home(leg)
        call.parts.clear()
