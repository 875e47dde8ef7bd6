"""Who hears whom in the simulated network: bridges, hold, consultations, further legs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from telephony_adapters.clock import Clock
from telephony_adapters.errors import TelephonyError, UnknownCall
from telephony_adapters.messages import (
    CallBridged,
    CallHeld,
    CallId,
    CallJoined,
    CallParted,
    ConsultStarted,
    LegId,
    LegRole,
)
from telephony_adapters.simulator.agent_legs import AgentLeg, AgentLegs
from telephony_adapters.simulator.delivery import Delivery
from telephony_adapters.simulator.heard import Heard, Speaker
from telephony_adapters.simulator.live_call import LiveCall
from telephony_adapters.simulator.timings import CarrierTimings


class Conversations:
    """Joins answered calls with legs and parts them. `alone` and `talks` are told of a person who
    hears no agent any more, or one from now on."""

    def __init__(
        self,
        *,
        clock: Clock,
        wire: Delivery,
        legs: AgentLegs,
        timings: CarrierTimings,
        calls: Mapping[CallId, LiveCall],
        alone: Callable[[LiveCall], None],
        talks: Callable[[LiveCall], None],
    ) -> None:
        self._clock = clock
        self._wire = wire
        self._legs = legs
        self._timings = timings
        self._calls = calls
        self._alone = alone
        self._talks = talks

    # --- commands -------------------------------------------------------------------------------

    def bridge(self, call: LiveCall, leg_id: LegId) -> None:
        """Join an answered call with a leg that is up and free."""
        leg = self._legs.require_free(leg_id, but_for=call.call_id)
        self._release_wanted(call)
        leg.call_id = call.call_id
        call.wanted_leg = leg_id
        self._soon(call, partial(self._join, call, leg))

    def hold(self, call: LiveCall) -> None:
        """Give the person music. Raises `UnknownCall` unless the call is bridged."""
        _require_bridged(call)
        self._soon(call, partial(self._hold, call))

    def consult(self, leg_id: LegId, other_leg_id: LegId) -> None:
        """Let two legs without a call hear each other."""
        leg, other = self._legs.require_free(leg_id), self._legs.require_free(other_leg_id)
        if leg is other:
            raise TelephonyError(f"leg {leg_id} cannot consult itself")
        self._clock.call_later(self._timings.bridge_s, partial(self._consult, leg, other))

    def join(self, call: LiveCall, leg_id: LegId, role: LegRole) -> None:
        """Let a further leg take part, or change its role."""
        own = _require_bridged(call)
        leg = self._legs.require_free(leg_id, but_for=call.call_id)
        if leg_id in (own, call.wanted_leg):
            raise TelephonyError(f"leg {leg_id} is the conversation's own")
        leg.part_of = call.call_id
        call.parts.setdefault(leg_id, None)
        self._soon(call, partial(self._take_part, call, leg, role))

    def part(self, call: LiveCall, leg_id: LegId) -> None:
        """End the part of a further leg. Raises `UnknownCall` when it takes none."""
        if call.parts.get(leg_id) is None:
            raise UnknownCall(f"leg {leg_id} takes no part in call {call.call_id}")
        self._soon(call, partial(self._end_part, call, leg_id))

    # --- what happens to legs and calls ---------------------------------------------------------

    def leg_dropped(self, leg: AgentLeg) -> None:
        """A device is gone: the person it talked with is alone, whoever listened is not wanted."""
        self._end_consult(leg)
        call = self._calls.get(leg.part_of) if leg.part_of is not None else None
        if call is not None:
            self._end_part(call, leg.leg_id)
        call = self._calls.get(leg.call_id) if leg.call_id is not None else None
        if call is None:
            return
        if call.wanted_leg == leg.leg_id:
            call.wanted_leg = None
        if call.leg_id == leg.leg_id:
            self._end_parts(call)
            self._leave(call)
            self._alone(call)

    def call_ended(self, call: LiveCall) -> None:
        """The person is gone: every leg hears silence."""
        self._release_wanted(call)
        for leg_id in list(call.parts):
            self._end_part(call, leg_id, told=False)
        self._leave(call)

    def heard_by_person(self, call: LiveCall) -> frozenset[LegId]:
        """The legs that the person hears."""
        if call.leg_id is None:
            return frozenset()
        return frozenset({call.leg_id, *_talking(call)})

    def heard_on(self, leg_id: LegId) -> frozenset[CallId | LegId]:
        """Persons (by call) and other legs that a leg hears."""
        leg = self._legs.require(leg_id)
        if leg.consulting is not None:
            return frozenset({leg.consulting})
        call = self._calls.get(leg.call_id or leg.part_of or CallId(""))
        if call is None or call.leg_id is None:
            return frozenset()
        if call.leg_id == leg_id:
            whispering = {one for one, role in call.parts.items() if role is LegRole.WHISPER}
            return frozenset({call.call_id, *_talking(call), *whispering})
        if call.parts.get(leg_id) is None:
            return frozenset()
        return frozenset({call.call_id, call.leg_id, *(_talking(call) - {leg_id})})

    # --- effects --------------------------------------------------------------------------------

    def _soon(self, call: LiveCall, effect: Callable[[], None]) -> None:
        call.side_timers.append(self._clock.call_later(self._timings.bridge_s, effect))

    def _join(self, call: LiveCall, leg: AgentLeg) -> None:
        pick_up = call.answered
        if call.wanted_leg != leg.leg_id or pick_up is None:
            return  # the agent left meanwhile, or a later bridge took the call elsewhere
        call.wanted_leg = None
        if call.leg_id != leg.leg_id:
            self._end_parts(call)
            self._end_consult(leg)
            self._leave(call)
            call.held = False
            call.leg_id = leg.leg_id
            call.joined_at = self._clock.now()
            self._hears_person(leg, call)
            self._talks(call)
        self._wire.of_call(
            call,
            CallBridged(
                event_id=self._wire.event_id(),
                at=self._clock.now(),
                call_id=call.call_id,
                leg_id=leg.leg_id,
            ),
        )

    def _hold(self, call: LiveCall) -> None:
        if call.leg_id is None:
            return  # the agent left meanwhile
        self._end_parts(call)
        self._leave(call)
        call.held = True
        self._wire.of_call(
            call,
            CallHeld(event_id=self._wire.event_id(), at=self._clock.now(), call_id=call.call_id),
        )
        self._alone(call)

    def _consult(self, leg: AgentLeg, other: AgentLeg) -> None:
        for one in (leg, other):
            gone = self._legs.find(one.leg_id) is not one
            if gone or one.call_id is not None or one.part_of is not None:
                return  # it has gone, or into a conversation
        self._end_consult(leg)
        self._end_consult(other)
        leg.consulting, other.consulting = other.leg_id, leg.leg_id
        self._wire.tell(
            ConsultStarted(
                event_id=self._wire.event_id(),
                at=self._clock.now(),
                leg_id=leg.leg_id,
                other_leg_id=other.leg_id,
            )
        )

    def _take_part(self, call: LiveCall, leg: AgentLeg, role: LegRole) -> None:
        if leg.leg_id not in call.parts or self._legs.find(leg.leg_id) is not leg:
            return  # it was held, moved or parted meanwhile, or its device is gone
        self._end_consult(leg)
        if call.parts[leg.leg_id] is None:
            self._hears_person(leg, call)
        call.parts[leg.leg_id] = role
        self._wire.of_call(
            call,
            CallJoined(
                event_id=self._wire.event_id(),
                at=self._clock.now(),
                call_id=call.call_id,
                leg_id=leg.leg_id,
                role=role,
            ),
        )

    def _end_part(self, call: LiveCall, leg_id: LegId, *, told: bool = True) -> None:
        if leg_id not in call.parts:
            return
        role = call.parts.pop(leg_id)
        leg = self._legs.find(leg_id)
        if leg is not None:
            leg.part_of = None
        if role is None:
            return  # it had not begun
        if leg is not None:
            leg.earpiece.say(Heard(call_id=call.call_id, speaker=Speaker.SILENCE))
        if told:
            self._wire.of_call(
                call,
                CallParted(
                    event_id=self._wire.event_id(),
                    at=self._clock.now(),
                    call_id=call.call_id,
                    leg_id=leg_id,
                ),
            )

    def _end_parts(self, call: LiveCall) -> None:
        for leg_id in list(call.parts):
            self._end_part(call, leg_id)

    def _end_consult(self, leg: AgentLeg) -> None:
        other = self._legs.find(leg.consulting) if leg.consulting is not None else None
        leg.consulting = None
        if other is not None:
            other.consulting = None

    def _hears_person(self, leg: AgentLeg, call: LiveCall) -> None:
        pick_up = call.answered
        if pick_up is not None:
            talk_s = self._talk_left_s(call)
            leg.earpiece.say(msgspec.structs.replace(pick_up.heard, talk_s=talk_s))

    def _leave(self, call: LiveCall) -> None:
        """Take the call off its leg; the agent hears silence."""
        if call.leg_id is None:
            return
        leg = self._legs.find(call.leg_id)
        if leg is not None:
            leg.call_id = None
            leg.earpiece.say(Heard(call_id=call.call_id, speaker=Speaker.SILENCE))
        call.talk_left_s = self._talk_left_s(call)
        call.leg_id = None
        call.joined_at = None

    def _talk_left_s(self, call: LiveCall) -> float:
        if call.joined_at is None:
            return call.talk_left_s
        spoken_s = (self._clock.now() - call.joined_at).total_seconds()
        return max(0.0, call.talk_left_s - spoken_s)

    def _release_wanted(self, call: LiveCall) -> None:
        """Give up a bridge that is on its way."""
        if call.wanted_leg is None:
            return
        leg = self._legs.find(call.wanted_leg)
        if leg is not None and call.wanted_leg != call.leg_id:
            leg.call_id = None
        call.wanted_leg = None


def _require_bridged(call: LiveCall) -> LegId:
    if call.leg_id is None:
        raise UnknownCall(f"call {call.call_id} is not bridged")
    return call.leg_id


def _talking(call: LiveCall) -> set[LegId]:
    return {leg_id for leg_id, role in call.parts.items() if role is LegRole.TALK}
