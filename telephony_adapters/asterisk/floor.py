"""Who takes part in which conversation, and what ARI's events mean for that. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from telephony_adapters.asterisk.lines import (
    Action,
    CallLine,
    DoubtEar,
    HangUpChannel,
    JoinOwnBridge,
    LegLine,
    Outcome,
    Part,
)
from telephony_adapters.asterisk.naming import Names
from telephony_adapters.errors import TelephonyError, UnknownCall
from telephony_adapters.messages import (
    AnyCarrierEvent,
    CallHeld,
    CallId,
    CallJoined,
    CallParted,
    ConsultStarted,
    LegId,
    LegRole,
)


class Floor:
    """Holds, consultations and further legs of one adapter."""

    def __init__(
        self,
        names: Names,
        event_id: Callable[[], str],
        calls: Mapping[CallId, CallLine],
        legs: Mapping[LegId, LegLine],
    ) -> None:
        self._names = names
        self._event_id = event_id
        self._calls = calls
        self._legs = legs
        self._ears_made = 0

    # --- what commands set out ----------------------------------------------------------------

    def require_free(self, leg_id: LegId, *, but_for: CallId | None = None) -> LegLine:
        """A leg that is up and in no conversation, unless with this call.

        Raises `UnknownCall`, or `TelephonyError` when the leg is busy.
        """
        leg = self._legs.get(leg_id)
        if leg is None or not leg.up:
            raise UnknownCall(f"agent leg {leg_id} is not up")
        for busy in (leg.call_id, leg.part_of):
            if busy not in (None, but_for):
                raise TelephonyError(f"leg {leg_id} carries call {busy}; end that one before")
        return leg

    def want_part(self, call: CallLine, leg: LegLine, role: LegRole) -> Part:
        """A leg is about to take part, or to change its role."""
        leg.part_of = call.call_id
        part = call.parts.setdefault(leg.leg_id, Part())
        part.wanted, part.wanted_ear = role, None
        if role is not LegRole.TALK:
            self._ears_made += 1
            part.wanted_ear = self._names.ear(leg.leg_id, self._ears_made)
        return part

    def give_up_part(
        self, call: CallLine, leg: LegLine, part: Part, ear: str | None
    ) -> list[Action]:
        """It does not come to that; what the leg was before, it is still."""
        actions: list[Action] = [HangUpChannel(ear)] if ear is not None else []
        if part.wanted_ear != ear:
            return actions  # another role was asked for meanwhile
        part.wanted = part.wanted_ear = None
        if part.role is None and call.parts.get(leg.leg_id) is part:
            del call.parts[leg.leg_id]
            leg.part_of = None
            actions.append(JoinOwnBridge(leg.leg_id))
        return actions

    def end_part(self, call: CallLine, leg_id: LegId, at: datetime) -> list[AnyCarrierEvent]:
        """A further leg takes part no longer; told if it ever did."""
        part = call.parts.pop(leg_id, None)
        leg = self._legs.get(leg_id)
        if leg is not None and leg.part_of == call.call_id:
            leg.part_of = None
        if part is None or part.role is None:
            return []
        return [CallParted(event_id=self._event_id(), at=at, call_id=call.call_id, leg_id=leg_id)]

    def end_consult(self, leg: LegLine) -> None:
        """Whatever consultation the leg is in, or on its way to, is over."""
        other = self._legs.get(leg.consulting) if leg.consulting is not None else None
        leg.consulting = leg.wanted_by = None
        if other is not None:
            other.consulting = None

    # --- events -------------------------------------------------------------------------------

    def held(self, call: CallLine, at: datetime) -> list[AnyCarrierEvent]:
        """A call has come to where the music plays."""
        call.held = True
        return [CallHeld(event_id=self._event_id(), at=at, call_id=call.call_id)]

    def visited(self, host: LegLine, guest: LegLine, at: datetime) -> Outcome:
        """A leg has come into another's room, or is found there."""
        if guest.consulting == host.leg_id:
            return [], []
        if guest.wanted_by == host.leg_id:
            guest.wanted_by = None
            guest.consulting, host.consulting = host.leg_id, guest.leg_id
            return [self.consulted(host, guest, at)], []
        call = self._calls.get(host.call_id) if host.call_id is not None else None
        part = call.parts.get(guest.leg_id) if call is not None else None
        if call is None or part is None or call.leg_id != host.leg_id:
            return [], [JoinOwnBridge(guest.leg_id)]
        if part.wanted is not LegRole.TALK:
            return [], [] if part.role is LegRole.TALK else [JoinOwnBridge(guest.leg_id)]
        return self._joined(call, guest.leg_id, part, at)

    def listens(self, leg: LegLine, ear: str, at: datetime) -> Outcome:
        """An ear has come into the room of its leg."""
        call = self._calls.get(leg.part_of) if leg.part_of is not None else None
        part = call.parts.get(leg.leg_id) if call is not None else None
        if call is None or part is None or ear not in part.ears:
            return [], [HangUpChannel(ear)]
        if ear == part.ear:
            return [], []
        return self._joined(call, leg.leg_id, part, at)

    def _joined(self, call: CallLine, leg_id: LegId, part: Part, at: datetime) -> Outcome:
        old = part.ear
        part.role, part.ear = part.wanted, part.wanted_ear
        part.wanted = part.wanted_ear = None
        told: list[AnyCarrierEvent] = [self.joined(call, leg_id, part, at)]
        return told, [HangUpChannel(old)] if old is not None else []

    def joined(self, call: CallLine, leg_id: LegId, part: Part, at: datetime) -> CallJoined:
        """That a leg takes part."""
        if part.role is None:
            raise AssertionError(f"leg {leg_id} does not take part yet")
        return CallJoined(
            event_id=self._event_id(), at=at, call_id=call.call_id, leg_id=leg_id, role=part.role
        )

    def consulted(self, leg: LegLine, other: LegLine, at: datetime) -> ConsultStarted:
        """That two legs hear each other."""
        return ConsultStarted(
            event_id=self._event_id(), at=at, leg_id=leg.leg_id, other_leg_id=other.leg_id
        )

    # --- ends ---------------------------------------------------------------------------------

    def ear_gone(self, leg_id: LegId, ear: str) -> list[Action]:
        """An ear is destroyed: because its part has ended, or the leg that it was at, or so."""
        leg = self._legs.get(leg_id)
        call = self._calls.get(leg.part_of) if leg is not None and leg.part_of else None
        part = call.parts.get(leg_id) if call is not None else None
        if call is None or part is None or part.ear != ear:
            return []
        return [DoubtEar(call.call_id, leg_id, ear)]

    def ear_lost(
        self, call_id: CallId, leg_id: LegId, ear: str, at: datetime
    ) -> list[AnyCarrierEvent]:
        """A leg that has lost its ear takes part no longer."""
        call = self._calls.get(call_id)
        part = call.parts.get(leg_id) if call is not None else None
        if call is None or part is None or part.ear != ear:
            return []
        return self.end_part(call, leg_id, at)

    def leg_gone(self, leg: LegLine, at: datetime) -> Outcome:
        """The leg is off the board: whatever it was in ends, its guests go home."""
        events: list[AnyCarrierEvent] = []
        actions: list[Action] = []
        other = self._legs.get(leg.consulting) if leg.consulting is not None else None
        self.end_consult(leg)
        if other is not None and other.visits:
            actions.append(JoinOwnBridge(other.leg_id))
        call = self._calls.get(leg.part_of) if leg.part_of is not None else None
        if call is not None:
            actions += self._clean(call.parts.get(leg.leg_id), None)
            events += self.end_part(call, leg.leg_id, at)
        call = self._calls.get(leg.call_id) if leg.call_id is not None else None
        if call is not None and call.leg_id == leg.leg_id:
            for leg_id in list(call.parts):
                actions += self._clean(call.parts[leg_id], self._legs.get(leg_id))
                events += self.end_part(call, leg_id, at)
        return events, actions

    def call_gone(self, call: CallLine) -> list[Action]:
        """The person has hung up: every further leg goes home, untold."""
        actions: list[Action] = []
        for leg_id, part in call.parts.items():
            leg = self._legs.get(leg_id)
            actions += self._clean(part, leg)
            if leg is not None and leg.part_of == call.call_id:
                leg.part_of = None
        call.parts.clear()
        return actions

    def _clean(self, part: Part | None, leg: LegLine | None) -> list[Action]:
        actions: list[Action] = [HangUpChannel(ear) for ear in (part.ears if part else [])]
        if leg is not None and leg.visits:
            actions.append(JoinOwnBridge(leg.leg_id))
        return actions

    # --- after an outage ----------------------------------------------------------------------

    def reconcile(
        self, places: Mapping[str, LegId], channels: Collection[str], at: datetime
    ) -> Outcome:
        """What of it lives on, by the rooms that channels are in. Nobody overhears by an accident:
        who is not where he should be takes part no longer."""
        events: list[AnyCarrierEvent] = []
        actions: list[Action] = []
        for leg in self._legs.values():
            leg.room = places.get(self._names.leg_channel(leg.leg_id), leg.leg_id)
        for told, wanted in (self._found(leg, at) for leg in list(self._legs.values())):
            events += told
            actions += wanted
        for ear in channels:
            told, wanted = self._found_ear(ear, places, at)
            events += told
            actions += wanted
        for call in self._calls.values():
            for leg_id, part in list(call.parts.items()):
                if not self._still(call, leg_id, part, places):
                    actions += self._clean(part, self._legs.get(leg_id))
                    events += self.end_part(call, leg_id, at)
        for leg in self._legs.values():
            other = self._legs.get(leg.consulting) if leg.consulting is not None else None
            if other is None or leg.room != other.room:
                self.end_consult(leg)
        return events, actions

    def _found(self, leg: LegLine, at: datetime) -> Outcome:
        """A leg that is not at home may be there by a command whose effect was not heard."""
        if not leg.visits:
            return [], []
        host = self._legs.get(leg.room)
        return ([], [JoinOwnBridge(leg.leg_id)]) if host is None else self.visited(host, leg, at)

    def _found_ear(self, channel: str, places: Mapping[str, LegId], at: datetime) -> Outcome:
        leg_id = self._names.leg_of_ear(channel)
        if leg_id is None:
            return [], []
        leg = self._legs.get(leg_id)
        if leg is None or places.get(channel) != leg_id:
            return [], [HangUpChannel(channel)]
        return self.listens(leg, channel, at)

    def _still(
        self, call: CallLine, leg_id: LegId, part: Part, places: Mapping[str, LegId]
    ) -> bool:
        leg = self._legs.get(leg_id)
        if leg is None or call.leg_id is None or part.role is None or part.wanted is not None:
            return False
        if part.role is LegRole.TALK:
            return leg.room == call.leg_id
        return part.ear is not None and places.get(part.ear) == leg_id and not leg.visits
