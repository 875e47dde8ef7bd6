"""What Twilio's webhooks mean: frames in, the port's events and the next document out.

Callbacks repeat, come late and overtake each other. So every event is told once, by what has
already happened to the call and never by which callback came first; an answer or a verdict that
overtook the answer tells of the answer too; what comes after the end changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from telephony_adapters.clock import Clock
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    AmdResult,
    AmdVerdict,
    AnyCarrierEvent,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallId,
    CallPhase,
    CallProgress,
    CallRinging,
    DtmfReceived,
    LegId,
    PlaybackFinished,
)
from telephony_adapters.port import EventSink
from telephony_adapters.twilio import codec, twiml
from telephony_adapters.twilio.codec import (
    CallStatus,
    Detected,
    Gathered,
    OurEnd,
    RoomChanged,
    RoomEvent,
    StatusChanged,
)
from telephony_adapters.twilio.live import LiveCall, LiveLeg, Registry

SECOND: Final = timedelta(seconds=1)
OLDEST: Final = timedelta(minutes=5)
"""An instant that is older than this comes from a clock that is wrong."""
AMD_GRACE_S: Final = 3.0
"""How much later than its own limit a verdict may come before it counts as lost."""

Finish = Callable[[str, OurEnd], Coroutine[Any, Any, None]]
"""Asks Twilio to end the call of this SID, for this reason."""


class Switchboard:
    """The state of this adapter's calls, fed by webhooks."""

    def __init__(
        self,
        *,
        clock: Clock,
        twilio_now: Callable[[], datetime],
        addresses: twiml.Addresses,
        amd_timeout_s: int,
        start: Callable[[str, Coroutine[Any, Any, None]], None],
        finish: Finish,
    ) -> None:
        self.registry = Registry()
        self.sink: EventSink | None = None
        self.repeats = 0
        """Callbacks that told nothing new: repeated, overtaken, or after the end."""
        self._clock = clock
        self._twilio_now = twilio_now
        self._addresses = addresses
        self._amd_timeout_s = amd_timeout_s
        self._start = start
        self._finish = finish

    # --- calls ----------------------------------------------------------------------------------

    def call_status(self, call_id: CallId, frame: StatusChanged) -> None:
        """A status callback of a call that carries our id."""
        call = self._call(call_id, frame.sid)
        if call is None:
            self.repeats += 1
            if frame.status.is_final:
                self.registry.adopted.pop(call_id, None)
            return
        at = self._at(frame.at)
        match frame.status:
            case CallStatus.QUEUED:
                pass
            case CallStatus.INITIATED:
                self._progress(call, at)
            case CallStatus.RINGING:
                self._ringing(call, at)
            case CallStatus.IN_PROGRESS:
                self.repeats += call.phase is CallPhase.ANSWERED
                self._answered(call, at)
            case _:
                self._ended(call, frame, at)

    def detected(self, call_id: CallId, frame: Detected) -> None:
        """The verdict of machine detection."""
        call = self._call(call_id, frame.sid)
        if call is None or not call.amd or call.amd_told:
            self.repeats += 1
            return
        at = self._clock.now()
        self._answered(call, at - timedelta(milliseconds=frame.took_ms))
        self._verdict(call, frame.verdict, frame.took_ms)

    def gathered(self, call_id: CallId, turn: int, frame: Gathered) -> str:
        """A document came to its end; gives the next one."""
        call = self._call(call_id, frame.sid)
        if call is None:
            self.repeats += 1
            return twiml.hang_up()
        at = self._clock.now()
        self._answered(call, at)
        if turn <= call.turn_heard:
            self.repeats += 1
            return self._document(call, call.turn)
        call.turn_heard = turn
        is_current = turn == call.turn
        if is_current:
            self.playback_over(call)
        for key in frame.keys:
            call.keys_heard += 1
            event_id = f"{call.sid}:key{call.keys_heard}"
            self._tell(DtmfReceived(event_id=event_id, at=at, call_id=call_id, digit=key))
        # The end of a document that was replaced meanwhile must not replace its successor.
        return self.next_document(call) if is_current else self._document(call, call.turn)

    def next_document(self, call: LiveCall) -> str:
        """What the call has to do from now on."""
        return self._document(call, call.next_turn())

    def _document(self, call: LiveCall, turn: int) -> str:
        if call.ours is not None:
            return twiml.hang_up()
        keys_url = self._addresses.keys(call.call_id, turn)
        if call.wanted_leg is not None:
            return twiml.in_room(
                self._addresses.room_name(call.wanted_leg),
                call.call_id,
                self._addresses.room(call.wanted_leg),
                keys_url,
            )
        return twiml.on_hold(keys_url, call.spoken)

    def playback_over(self, call: LiveCall) -> None:
        """The prompt under way is over: played to its end, interrupted, or replaced."""
        playback_id, call.playback_id, call.spoken = call.playback_id, None, None
        if playback_id is not None:
            self._tell(
                PlaybackFinished(
                    event_id=f"{call.sid}:played{call.turn}",
                    at=self._clock.now(),
                    call_id=call.call_id,
                    playback_id=playback_id,
                )
            )

    def _call(self, call_id: CallId, sid: str) -> LiveCall | None:
        """The live call that a callback is about; a call of another life is remembered."""
        call = self.registry.calls.get(call_id)
        if call is None:
            self.registry.adopt(sid, call_id)
            return None
        was_unknown = call.sid is None
        if not self.registry.bind(call, sid):
            return None
        if was_unknown and call.ours is not None:
            self._start(f"end:{call_id}", self._finish(sid, call.ours))
        return call

    def _progress(self, call: LiveCall, at: datetime) -> None:
        if call.progressed:
            self.repeats += 1
            return
        call.progressed = True
        event_id = f"{call.sid}:initiated"
        if call.phase is CallPhase.DIALING:
            self._tell(CallProgress(event_id=event_id, at=at, call_id=call.call_id))

    def _ringing(self, call: LiveCall, at: datetime) -> None:
        if call.phase is not CallPhase.DIALING:
            self.repeats += 1
            return
        call.progressed = True
        call.heard_ringing = True
        call.phase = CallPhase.RINGING
        self._tell(CallRinging(event_id=f"{call.sid}:ringing", at=at, call_id=call.call_id))

    def _answered(self, call: LiveCall, at: datetime) -> None:
        if call.phase is CallPhase.ANSWERED:
            return
        if call.ours is OurEnd.HANGUP and call.sid is not None:
            # The person was quicker than our hang-up.
            self._start(f"end:{call.call_id}", self._finish(call.sid, OurEnd.HANGUP))
        else:
            call.ours = None
        self._picked_up(call, at)
        if call.amd:
            limit_s = self._amd_timeout_s + AMD_GRACE_S
            call.timers.append(self._clock.call_later(limit_s, partial(self._undetected, call)))

    def _picked_up(self, call: LiveCall, at: datetime) -> None:
        call.progressed = True
        call.phase = CallPhase.ANSWERED
        call.stop_timers()
        self._tell(CallAnswered(event_id=f"{call.sid}:answered", at=at, call_id=call.call_id))

    def _undetected(self, call: LiveCall) -> None:
        """The verdict was lost on the way; a person must not wait for it."""
        if call.call_id in self.registry.calls and not call.amd_told:
            self._verdict(call, AmdVerdict.UNSURE, round((self._amd_timeout_s + AMD_GRACE_S) * 1e3))

    def _verdict(self, call: LiveCall, verdict: AmdVerdict, took_ms: int) -> None:
        call.amd_told = True
        call.stop_timers()
        self._tell(
            AmdResult(
                event_id=f"{call.sid}:amd",
                at=self._clock.now(),
                call_id=call.call_id,
                verdict=verdict,
                took_ms=took_ms,
            )
        )

    def _ended(self, call: LiveCall, frame: StatusChanged, at: datetime) -> None:
        answered = call.phase is CallPhase.ANSWERED
        if not answered and codec.was_answered(frame, call.ours):
            # Its answer was lost on the way, or comes later.
            self._picked_up(call, at - timedelta(seconds=frame.duration_s or 0))
        cause = codec.cause_of(
            frame, answered=answered, heard_ringing=call.heard_ringing, ours=call.ours
        )
        self.registry.end_call(call)
        self._tell(
            CallEnded(
                event_id=f"{frame.sid}:ended",
                at=at,
                call_id=call.call_id,
                cause=cause,
                provider_code=codec.provider_code(frame, call.ours),
            )
        )

    # --- agents' legs ---------------------------------------------------------------------------

    def leg_status(self, leg_id: LegId, frame: StatusChanged) -> None:
        """A status callback of an agent's leg."""
        leg = self._leg(leg_id, frame.sid)
        if leg is not None and frame.status.is_final:
            self.leg_down(leg, codec.provider_code(frame, None), self._at(frame.at))

    def room_changed(self, leg_id: LegId, frame: RoomChanged) -> None:
        """Somebody came into the room of a leg, or left it."""
        if frame.event is RoomEvent.OTHER:
            return
        call = self.registry.call_of(frame.sid)
        if call is not None:
            room_sid, last = call.room_heard
            if room_sid == frame.room_sid and frame.sequence <= last:
                self.repeats += 1
                return
            call.room_heard = (frame.room_sid, frame.sequence)
            self._call_in_room(call, leg_id, frame)
            return
        leg = self._leg(leg_id, frame.sid)
        if leg is None:
            self.repeats += 1
        elif frame.event is RoomEvent.LEAVE:
            self.leg_down(leg, "left the conference", self._at(frame.at))
        elif not leg.up:
            leg.up = True
            event_id = f"{leg.sid}:up"
            self._tell(AgentLegUp(event_id=event_id, at=self._at(frame.at), leg_id=leg_id))

    def leg_down(self, leg: LiveLeg, reason: str, at: datetime) -> None:
        """The leg is gone; whoever was in its room is alone, and stays on the line."""
        if self.registry.legs.pop(leg.leg_id, None) is None:
            return
        for call in self.registry.in_room(leg.leg_id):
            call.wanted_leg = None if call.wanted_leg == leg.leg_id else call.wanted_leg
            call.leg_id = None if call.leg_id == leg.leg_id else call.leg_id
        self._tell(
            AgentLegDown(
                event_id=f"{leg.sid or leg.leg_id}:down", at=at, leg_id=leg.leg_id, reason=reason
            )
        )

    def _leg(self, leg_id: LegId, sid: str) -> LiveLeg | None:
        """The live leg that a callback is about; a stranger's is none."""
        leg = self.registry.legs.get(leg_id)
        if leg is None:
            return None
        if leg.sid is None:
            leg.sid = sid
            if leg.closing:
                self._start(f"end:{leg_id}", self._finish(sid, OurEnd.HANGUP))
        return leg if leg.sid == sid else None

    def _call_in_room(self, call: LiveCall, leg_id: LegId, frame: RoomChanged) -> None:
        if frame.event is RoomEvent.LEAVE:
            if call.leg_id == leg_id:
                call.leg_id = None
        elif call.wanted_leg == leg_id:
            call.leg_id = leg_id
            self._tell(
                CallBridged(
                    event_id=f"{frame.room_sid}:{frame.sequence}",
                    at=self._at(frame.at),
                    call_id=call.call_id,
                    leg_id=leg_id,
                )
            )

    # --- telling --------------------------------------------------------------------------------

    def _tell(self, event: AnyCarrierEvent) -> None:
        if self.sink is not None:
            self.sink(event)

    def _at(self, stamp: datetime | None) -> datetime:
        """When it happened. Twilio cuts instants to the second, which is too coarse for the
        time a person waits: what comes within its second happened now, what comes late, then."""
        now = self._clock.now()
        if stamp is None:
            return now
        age = self._twilio_now() - (stamp + SECOND)
        return now - age if timedelta() < age < OLDEST else now
