"""Commands that decide who hears whom: bridge, hold, consult, join, part."""

from __future__ import annotations

import contextlib

from telephony_adapters.asterisk.client import AriClient, Body
from telephony_adapters.asterisk.lines import CallLine, LegLine
from telephony_adapters.asterisk.wire import Wire
from telephony_adapters.errors import TelephonyError, UnknownCall
from telephony_adapters.messages import CallId, LegId, LegRole


class Conversations(Wire):
    """Moves channels between rooms. What a command ends first, it ends before it begins."""

    async def bridge(self, call_id: CallId, leg_id: LegId) -> None:
        client = self._connected()
        call = self._answered_call(call_id)
        leg = self._board.floor.require_free(leg_id, but_for=call_id)
        if call.leg_id == leg_id:
            self._tell(self._board.bridged(call, leg_id, self._clock.now()))
            return
        self._board.want_bridge(call, leg)
        try:
            await self._end_parts(client, call)
            await self._end_consult(client, leg)
            await self._add(client, leg_id, call.channel)
        except TelephonyError:
            self._board.give_up_bridge(call)
            raise

    async def hold(self, call_id: CallId) -> None:
        client = self._connected()
        call = self._answered_call(call_id)
        own = _require_bridged(call)
        await self._end_parts(client, call)
        await self._entertain(client, call.channel)
        self._board.left_room(call, own)  # whatever comes next need not wait for the event

    async def consult(self, leg_id: LegId, other_leg_id: LegId) -> None:
        client = self._connected()
        floor = self._board.floor
        host, guest = floor.require_free(leg_id), floor.require_free(other_leg_id)
        if host is guest:
            raise TelephonyError(f"leg {leg_id} cannot consult itself")
        if host.consulting == other_leg_id:
            self._tell(floor.consulted(host, guest, self._clock.now()))
            return
        await self._end_consult(client, host)
        await self._end_consult(client, guest)
        guest.wanted_by = leg_id
        try:
            await self._add(client, leg_id, self._names.leg_channel(other_leg_id))
        except TelephonyError:
            guest.wanted_by = None
            raise

    async def join(self, call_id: CallId, leg_id: LegId, role: LegRole) -> None:
        client = self._connected()
        call = self._answered_call(call_id)
        own = _require_bridged(call)
        floor = self._board.floor
        leg = floor.require_free(leg_id, but_for=call_id)
        if leg_id in (own, call.wanted_leg):
            raise TelephonyError(f"leg {leg_id} is the conversation's own")
        known = call.parts.get(leg_id)
        if known is not None and known.role is role:
            self._tell(floor.joined(call, leg_id, known, self._clock.now()))
            return
        await self._end_consult(client, leg)
        part = floor.want_part(call, leg, role)
        ear = part.wanted_ear
        try:
            if ear is None:
                await self._add(client, own, self._names.leg_channel(leg_id))
            else:
                await self._give_ear(client, own, leg, ear, whisper=role is LegRole.WHISPER)
        except TelephonyError:
            self._carry_out(floor.give_up_part(call, leg, part, ear))
            raise

    async def part(self, call_id: CallId, leg_id: LegId) -> None:
        client = self._connected()
        call = self._answered_call(call_id)
        part = call.parts.get(leg_id)
        if part is None or part.role is None:
            raise UnknownCall(f"leg {leg_id} takes no part in call {call_id}")
        await self._end_part(client, call, leg_id)

    # --- steps --------------------------------------------------------------------------------

    async def _entertain(self, client: AriClient, channel: str) -> None:
        """Give a person music of their own.

        The music of a whole bridge falls silent for good once the first who held leaves it.
        """
        music: Body = {"variable": "CHANNEL(musicclass)", "value": self._settings.hold_music}
        await self._command(client, "POST", f"/channels/{channel}/variable", music)
        # In this role, and with nothing else said of it, a channel hears the music of its class.
        hold: Body = {"channel": channel, "role": "holding_participant"}
        await self._command(client, "POST", f"/bridges/{self._names.hold_bridge}/addChannel", hold)

    async def _give_ear(
        self, client: AriClient, own: LegId, leg: LegLine, ear: str, *, whisper: bool
    ) -> None:
        """Put an ear on the conversation's own leg into the room of another, which is at home."""
        await self._snoop(client, self._names.leg_channel(own), ear, whisper=whisper)
        if leg.visits:
            await self._go_home(client, leg)
        await self._add(client, leg.leg_id, ear)

    async def _go_home(self, client: AriClient, leg: LegLine) -> None:
        await self._add(client, leg.leg_id, self._names.leg_channel(leg.leg_id))
        leg.room = leg.leg_id

    async def _send_home(self, client: AriClient, leg: LegLine) -> None:
        """Of somebody else than the command is for: one who has hung up meanwhile is gone, too."""
        with contextlib.suppress(UnknownCall):
            await self._go_home(client, leg)

    async def _end_consult(self, client: AriClient, leg: LegLine) -> None:
        other = self._board.legs.get(leg.consulting) if leg.consulting is not None else None
        if leg.visits and leg.part_of is None:
            await self._go_home(client, leg)
        if other is not None and other.visits and other.part_of is None:
            await self._send_home(client, other)
        self._board.floor.end_consult(leg)

    async def _end_parts(self, client: AriClient, call: CallLine) -> None:
        for leg_id in list(call.parts):
            await self._end_part(client, call, leg_id)

    async def _end_part(self, client: AriClient, call: CallLine, leg_id: LegId) -> None:
        part, leg = call.parts.get(leg_id), self._board.legs.get(leg_id)
        if part is None:
            return
        if leg is not None and leg.visits:
            await self._send_home(client, leg)
        for ear in part.ears:
            try:
                await self._command(client, "DELETE", f"/channels/{ear}")
            except UnknownCall:
                continue  # its agent's leg is gone, or it never came
        self._tell_all(self._board.floor.end_part(call, leg_id, self._clock.now()))


def _require_bridged(call: CallLine) -> LegId:
    if call.leg_id is None:
        raise UnknownCall(f"call {call.call_id} is not bridged")
    return call.leg_id
