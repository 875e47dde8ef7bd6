"""Commands that decide who hears whom: bridge, hold, consult, join, part, keys."""

from __future__ import annotations

import contextlib

from telephony_adapters.errors import OutcomeUnknown, TelephonyError, UnknownCall
from telephony_adapters.keys import check_keys
from telephony_adapters.messages import CallId, LegId, LegRole
from telephony_adapters.twilio.live import LiveCall, LiveLeg, Part
from telephony_adapters.twilio.transport import Refused
from telephony_adapters.twilio.twiml import Spoken
from telephony_adapters.twilio.wire import Wire


class Conferences(Wire):
    """Sends calls and legs from room to room. What a command ends first, it ends before it
    begins."""

    async def bridge(self, call_id: CallId, leg_id: LegId) -> None:
        self._require_up()
        call, sid = self._calls.require_answered(call_id)
        leg = self._floor.require_free(leg_id, but_for=call_id)
        if call.leg_id == leg_id:
            self._floor.tell_bridged(call, leg_id, self._clock.now())
            return
        await self._end_parts(call)
        await self._end_consult(leg)
        before = (call.wanted_leg, call.wants_hold, call.leg_id)
        call.wanted_leg, call.wants_hold, call.leg_id = leg_id, False, None
        call.bridge_due = True
        self._board.playback_over(call)
        try:
            await self._redirect(call, sid)
        except OutcomeUnknown:
            raise  # it may be on its way to the room: the next document says the same
        except TelephonyError:
            call.bridge_due = False
            call.wanted_leg, call.wants_hold, call.leg_id = before
            raise

    async def hold(self, call_id: CallId) -> None:
        self._require_up()
        call, sid = self._calls.require_answered(call_id)
        _require_bridged(call)
        await self._end_parts(call)
        before = (call.wanted_leg, call.leg_id)
        call.wanted_leg = call.leg_id = None
        call.wants_hold, call.held = True, False
        self._board.playback_over(call)
        try:
            await self._redirect(call, sid)
        except OutcomeUnknown:
            raise
        except TelephonyError:
            call.wants_hold = False
            call.wanted_leg, call.leg_id = before
            raise

    async def consult(self, leg_id: LegId, other_leg_id: LegId) -> None:
        self._require_up()
        host, guest = self._floor.require_free(leg_id), self._floor.require_free(other_leg_id)
        if host is guest:
            raise TelephonyError(f"leg {leg_id} cannot consult itself")
        if host.consulting == other_leg_id:
            self._floor.tell_consulted(host, guest, self._clock.now())
            return
        await self._end_consult(host)
        await self._end_consult(guest)
        guest.wanted_by = leg_id
        try:
            await self._seat(guest, leg_id)
        except OutcomeUnknown:
            raise
        except TelephonyError:
            guest.wanted_by = None
            raise

    async def join(self, call_id: CallId, leg_id: LegId, role: LegRole) -> None:
        self._require_up()
        call, _ = self._calls.require_answered(call_id)
        own = _require_bridged(call)
        leg = self._floor.require_free(leg_id, but_for=call_id)
        if leg_id in (own, call.wanted_leg):
            raise TelephonyError(f"leg {leg_id} is the conversation's own")
        host = self._calls.require_leg(own)
        known = call.parts.get(leg_id)
        if known is not None and known.role is not None:
            await self._change_role(call, leg, known, host, role)
            return
        await self._end_consult(leg)
        part = self._floor.want_part(call, leg, role)
        coaches = host.sid if role is LegRole.WHISPER else None
        try:
            await self._seat(leg, own, muted=role is LegRole.LISTEN, coaches=coaches)
        except OutcomeUnknown:
            raise
        except TelephonyError:
            self._floor.give_up_part(call, leg, part, role)
            raise

    async def part(self, call_id: CallId, leg_id: LegId) -> None:
        self._require_up()
        call, _ = self._calls.require_answered(call_id)
        part = call.parts.get(leg_id)
        if part is None or part.role is None:
            raise UnknownCall(f"leg {leg_id} takes no part in call {call_id}")
        await self._end_part(call, leg_id)

    async def send_dtmf(self, call_id: CallId, digits: str) -> None:
        self._require_up()
        check_keys(digits)
        call, sid = self._calls.require_answered(call_id)
        # Twilio presses keys only outside a conference: the person is back after the last.
        self._board.playback_over(call)
        await self._redirect(call, sid, digits=digits)

    async def _announce(self, call: LiveCall, said: Spoken, playback_id: str) -> None:
        """Say something to a person who is with an agent: all in the conversation hear it."""
        _require_bridged(call)
        self._board.playback_over(call)
        call.playback_id, call.announced = playback_id, said
        call.announcements += 1
        number = call.announcements
        url = self._addresses.announcement(call.call_id, number)
        try:
            await self._asked(call, self.api.announce(call.room_sid, url))
        except TelephonyError:
            if call.announcements == number:
                call.playback_id = call.announced = None
            raise

    # --- steps ----------------------------------------------------------------------------------

    async def _change_role(
        self, call: LiveCall, leg: LiveLeg, part: Part, host: LiveLeg, role: LegRole
    ) -> None:
        """Within the conference: nobody leaves it, so nobody misses a word."""
        if leg.sid is None or host.sid is None:
            raise UnknownCall(f"agent leg {leg.leg_id} is not up")
        if part.role is not role:
            part.wanted = role
            coaches = host.sid if role is LegRole.WHISPER else None
            try:
                await self._reached(
                    self.api.set_voice(
                        part.room_sid, leg.sid, muted=role is LegRole.LISTEN, coaches=coaches
                    )
                )
            except Refused as refused:
                self._floor.give_up_part(call, leg, part, role)
                if refused.is_gone:
                    raise UnknownCall(f"leg {leg.leg_id} takes part no longer") from refused
                raise
            if call.parts.get(leg.leg_id) is not part or part.wanted is not role:
                return  # it was held, moved or parted meanwhile, or its device is gone
        self._floor.joined(call, leg.leg_id, part, role, self._clock.now())

    async def _end_consult(self, leg: LiveLeg) -> None:
        other = self._floor.end_consult(leg)
        for one in (leg, other):
            if one is not None and one.visits and one.part_of is None:
                await self._go_home(one)

    async def _end_parts(self, call: LiveCall) -> None:
        for leg_id in list(call.parts):
            await self._end_part(call, leg_id)

    async def _end_part(self, call: LiveCall, leg_id: LegId) -> None:
        leg = self._calls.legs.get(leg_id)
        if leg is not None and leg.visits:
            with contextlib.suppress(UnknownCall):  # its device has hung up: that is on its way
                await self._go_home(leg)
        self._floor.end_part(call, leg_id, self._clock.now())


def _require_bridged(call: LiveCall) -> LegId:
    if call.leg_id is None:
        raise UnknownCall(f"call {call.call_id} is not bridged")
    return call.leg_id
