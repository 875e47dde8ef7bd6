"""People who call us: it rings until the engine answers or rejects.

Twilio leaves a call ringing only as long as its document begins with `<Pause>`, rejects it only by
a document, and redirects only what is answered. So a call that rings asks again every second,
and what was decided meanwhile is what it gets. Such a call is told once Twilio's API knows of it:
a webhook that somebody has kept and sends once more makes no call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from telephony_adapters.call_ids import inbound_call_id
from telephony_adapters.clock import Clock
from telephony_adapters.errors import TelephonyError, UnknownCall
from telephony_adapters.messages import CallId, CallPhase, InboundCall
from telephony_adapters.twilio import codec, twiml
from telephony_adapters.twilio.client import CallInfo
from telephony_adapters.twilio.codec import CallStatus, CameIn, StatusChanged
from telephony_adapters.twilio.live import LiveCall
from telephony_adapters.twilio.switchboard import Switchboard
from telephony_adapters.twilio.tasks import Chores
from telephony_adapters.twilio.transport import Refused

log = structlog.get_logger()

SILENT_AFTER_S: Final = 10.0
"""A ringing call that has not asked for this long, beyond its pause, has ended, or cannot reach
us."""

LOOKS: Final = 40
LOOK_S: Final = 0.25
"""How often, and how long one after the other, it is looked whether Twilio has picked up."""

Look = Callable[[str], Awaitable[CallInfo]]
"""Asks Twilio what it knows of a call."""


class Lobby:
    """Calls that come to us, from their ring to our answer."""

    def __init__(
        self,
        board: Switchboard,
        addresses: twiml.Addresses,
        clock: Clock,
        chores: Chores,
        look: Look,
    ) -> None:
        self._board = board
        self._addresses = addresses
        self._clock = clock
        self._chores = chores
        self._look = look

    def came_in(self, frame: CameIn) -> str:
        """Somebody who calls us asks what to do; gives the next document."""
        if self._board.sink is None:
            return twiml.ringing(self._addresses.voice_in)  # nobody listens yet, or any more
        call_id = inbound_call_id("twilio", frame.sid)
        call = self._board.registry.calls.get(call_id)
        if call is None:
            if self._board.registry.knows(frame.sid):
                self._board.repeats += 1
                return _refused(frame)
            call = self._new(call_id, frame)
        if call.ours is not None:
            return _refused(frame)
        if call.phase is CallPhase.ANSWERED or call.picking_up:
            self._board.repeats += 1
            return self._board.document(call)
        self._await_ask(call)
        if not call.confirmed:
            self._chores.start(f"inbound:{call_id}", self._confirm(call, frame))
        if call.waits_for_us:
            return twiml.ringing(self._addresses.voice_in)
        call.picking_up = True
        self._chores.start(f"answer:{call_id}", self._until_picked_up(call, frame.sid))
        return self._board.document(call)

    def answer(self, call_id: CallId) -> None:
        """It is answered when it asks the next time. Raises `UnknownCall`."""
        call = self._board.registry.calls.get(call_id)
        if call is None or not call.waits_for_us or call.ours is not None:
            raise UnknownCall(f"call {call_id} does not wait for an answer")
        call.waits_for_us = False

    def status(self, frame: StatusChanged) -> None:
        """What Twilio tells of calls to our numbers: their end."""
        call = self._board.registry.call_of(frame.sid)
        if call is None or not call.inbound:
            self._board.repeats += 1
        elif frame.status.is_final:
            self._ended(call, frame, self._board.at(frame.at))

    def _new(self, call_id: CallId, frame: CameIn) -> LiveCall:
        call = LiveCall(call_id, frame.called, self._clock.now())
        call.inbound = call.waits_for_us = call.progressed = True
        call.caller = frame.caller
        call.phase = CallPhase.RINGING
        self._board.registry.calls[call_id] = call
        self._board.registry.bind(call, frame.sid)
        return call

    async def _confirm(self, call: LiveCall, frame: CameIn) -> None:
        """Tell of a call that Twilio itself knows of, and of no other."""
        try:
            info = await self._look(frame.sid)
        except Refused as refused:
            if not refused.is_gone:
                raise
            log.warning("twilio_inbound_not_confirmed", sid=frame.sid)
            self._board.repeats += 1
            return  # asked again, it is looked for again; otherwise it is forgotten
        if call.confirmed or call.call_id not in self._board.registry.calls:
            return
        if info.status.is_final or not info.inbound:
            self._board.repeats += 1
            self._board.end_call(call)
            return
        call.confirmed = True
        self._board.tell(
            InboundCall(
                event_id=f"{call.sid}:inbound",
                at=self._clock.now(),
                call_id=call.call_id,
                caller=call.caller,
                called=call.to,
            )
        )

    async def _until_picked_up(self, call: LiveCall, sid: str) -> None:
        """Tell of the answer when Twilio itself calls the call answered: before that it refuses
        whatever an answered call can be asked for."""
        for _ in range(LOOKS):
            if call.call_id not in self._board.registry.calls or not call.picking_up:
                return
            try:
                info = await self._look(sid)
            except TelephonyError as error:
                log.debug("twilio_answer_not_seen", call=call.call_id, error=str(error))
            else:
                if info.status is CallStatus.IN_PROGRESS:
                    self._board.answered(call, self._clock.now())
                    return
            await self._clock.sleep(LOOK_S)

    def _ended(self, call: LiveCall, frame: StatusChanged, at: datetime) -> None:
        if not call.confirmed:
            self._board.end_call(call)  # it came and went before it could be told
            return
        answered = call.phase is CallPhase.ANSWERED
        if not answered and call.ours is None and frame.status is CallStatus.COMPLETED:
            self._board.answered(call, at)  # and hung up before we could see it
            answered = True
        cause = codec.inbound_cause(answered=answered, ours=call.ours)
        self._board.ended(call, frame, cause, at)

    # --- the end that nobody tells --------------------------------------------------------------

    def _await_ask(self, call: LiveCall) -> None:
        call.stop_timers()
        due = partial(self._silent, call)
        call.timers.append(self._clock.call_later(twiml.RING_S + SILENT_AFTER_S, due))

    def _silent(self, call: LiveCall) -> None:
        if call.call_id in self._board.registry.calls and call.phase is not CallPhase.ANSWERED:
            self._chores.start(f"silent:{call.call_id}", self._look_after(call))

    async def _look_after(self, call: LiveCall) -> None:
        """A number whose end is told to nobody: the caller has hung up, we only do not know."""
        sid = call.sid or ""
        status: CallStatus | None = None
        try:
            info = await self._look(sid)
            status = info.status if info.status.is_final else None
        except Refused as refused:
            if refused.is_gone:
                status = CallStatus.NO_ANSWER
        except TelephonyError as error:
            log.debug("twilio_silent_call_not_seen", call=call.call_id, error=str(error))
        if call.call_id not in self._board.registry.calls:
            return
        if status is None:
            self._await_ask(call)
        else:
            self._ended(call, StatusChanged(sid=sid, status=status), self._clock.now())


def _refused(frame: CameIn) -> str:
    """Who is not answered is rejected; where Twilio has picked up already, that is too late."""
    return twiml.hang_up() if frame.status is CallStatus.IN_PROGRESS else twiml.rejected()
