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
    AmdResult,
    AmdVerdict,
    AnyCarrierEvent,
    CallAnswered,
    CallEnded,
    CallId,
    CallPhase,
    CallProgress,
    CallRinging,
    DtmfReceived,
    HangupCause,
    LegId,
    PlaybackFinished,
)
from telephony_adapters.port import EventSink
from telephony_adapters.twilio import codec, twiml
from telephony_adapters.twilio.codec import (
    CallStatus,
    Detected,
    Gathered,
    Label,
    OurEnd,
    RoomChanged,
    RoomEvent,
    StatusChanged,
)
from telephony_adapters.twilio.floor import Floor
from telephony_adapters.twilio.live import LiveCall, LiveLeg, Registry
from telephony_adapters.twilio.settings import TwilioSettings

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
        settings: TwilioSettings,
        clock: Clock,
        twilio_now: Callable[[], datetime],
        addresses: twiml.Addresses,
        start: Callable[[str, Coroutine[Any, Any, None]], None],
        finish: Finish,
        send_home: Callable[[LiveLeg], None],
        await_arrival: Callable[[LiveLeg], None],
    ) -> None:
        self.registry = Registry()
        self.floor = Floor(self.registry, self.tell, send_home)
        """Who takes part in which conversation."""
        self.sink: EventSink | None = None
        self.repeats = 0
        """Callbacks that told nothing new: repeated, overtaken, or after the end."""
        self._clock = clock
        self._twilio_now = twilio_now
        self._addresses = addresses
        self._amd_timeout_s = settings.amd_timeout_s
        self._hold_music_url = settings.hold_music_url
        self._start = start
        self._finish = finish
        self._await_arrival = await_arrival

    # --- calls ----------------------------------------------------------------------------------

    def call_status(self, call_id: CallId, frame: StatusChanged) -> None:
        """A status callback of a call that carries our id."""
        call = self._call(call_id, frame.sid)
        if call is None:
            self.repeats += 1
            if frame.status.is_final:
                self.registry.adopted.pop(call_id, None)
            return
        at = self.at(frame.at)
        match frame.status:
            case CallStatus.QUEUED:
                pass
            case CallStatus.INITIATED:
                self._progress(call, at)
            case CallStatus.RINGING:
                self._ringing(call, at)
            case CallStatus.IN_PROGRESS:
                self.repeats += call.phase is CallPhase.ANSWERED
                self.answered(call, at)
            case _:
                self._ended(call, frame, at)

    def detected(self, call_id: CallId, frame: Detected) -> None:
        """The verdict of machine detection."""
        call = self._call(call_id, frame.sid)
        if call is None or not call.amd or call.amd_told:
            self.repeats += 1
            return
        at = self._clock.now()
        self.answered(call, at - timedelta(milliseconds=frame.took_ms))
        self._verdict(call, frame.verdict, frame.took_ms)

    def gathered(self, call_id: CallId, turn: int, frame: Gathered) -> str:
        """A document came to its end; gives the next one."""
        call = self._call(call_id, frame.sid)
        if call is None:
            self.repeats += 1
            return twiml.hang_up()
        at = self._clock.now()
        self.answered(call, at)
        if turn <= call.turn_heard:
            self.repeats += 1
            return self.document(call)
        call.turn_heard = turn
        is_current = turn == call.turn
        if is_current:
            self.playback_over(call)
        for key in frame.keys:
            call.keys_heard += 1
            event_id = f"{call.sid}:key{call.keys_heard}"
            self.tell(DtmfReceived(event_id=event_id, at=at, call_id=call_id, digit=key))
        # The end of a document that was replaced meanwhile must not replace its successor.
        return self.next_document(call) if is_current else self.document(call)

    def next_document(self, call: LiveCall, *, digits: str = "") -> str:
        """What the call has to do from now on; first `digits` are pressed towards the person."""
        return self._document(call, call.next_turn(), digits)

    def document(self, call: LiveCall) -> str:
        """What the call has to do now."""
        return self._document(call, call.turn)

    def _document(self, call: LiveCall, turn: int, digits: str = "") -> str:
        if call.ours is not None:
            return twiml.hang_up()
        keys_url = self._addresses.keys(call.call_id, turn)
        if call.spoken is None and call.wanted_leg is not None:
            room = twiml.Seat(
                room=self._addresses.room_name(call.wanted_leg),
                label=str(codec.Label(call.call_id, is_leg=False, visit=turn)),
                told_url=self._addresses.room(call.wanted_leg),
            )
            return twiml.in_room(room, keys_url, digits=digits)
        if call.spoken is None and call.wants_hold:
            alone = twiml.Seat(
                room=self._addresses.hold_name(call.call_id),
                label=str(codec.Label(call.call_id, is_leg=False, visit=turn)),
                told_url=self._addresses.hold_room(call.call_id),
                music=True,
                music_url=self._hold_music_url,
            )
            return twiml.in_room(alone, keys_url, digits=digits)
        return twiml.waiting(keys_url, call.spoken, digits=digits)

    def leg_document(self, leg: LiveLeg, *, muted: bool = False, coaches: str | None = None) -> str:
        """Where a leg has to be from now on."""
        seat = twiml.Seat(
            room=self._addresses.room_name(leg.room),
            label=str(leg.label),
            told_url=self._addresses.room(leg.room),
            muted=muted,
            coaches=coaches,
        )
        return twiml.in_room(seat, None)

    def playback_over(self, call: LiveCall, *, failed: bool = False) -> None:
        """The prompt under way is over: played to its end, interrupted, or replaced.

        An announcement that is interrupted has failed: nobody knows how much of it was heard.
        """
        playback_id, call.playback_id, call.spoken = call.playback_id, None, None
        cut_short, call.announced = call.announced is not None, None
        if playback_id is not None:
            self.tell(
                PlaybackFinished(
                    event_id=f"{call.sid}:played{call.turn}.{call.announcements}",
                    at=self._clock.now(),
                    call_id=call.call_id,
                    playback_id=playback_id,
                    failed=failed or cut_short,
                )
            )

    def announcement(self, call_id: CallId, number: int) -> str:
        """The words of an announcement."""
        call = self.registry.calls.get(call_id)
        if call is None or call.announced is None or call.announcements != number:
            self.repeats += 1
            return twiml.NOTHING
        return twiml.announcement(call.announced)

    def _was_announced(self, frame: RoomChanged) -> bool:
        """An announcement is over; whether that is news."""
        for call in self.registry.calls.values():
            if call.announced is None or call.room_sid != frame.room_sid:
                continue
            if frame.announced == self._addresses.announcement(call.call_id, call.announcements):
                call.announced = None
                self.playback_over(call, failed=frame.event is RoomEvent.NOT_ANNOUNCED)
                return True
        return False

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
            self.tell(CallProgress(event_id=event_id, at=at, call_id=call.call_id))

    def _ringing(self, call: LiveCall, at: datetime) -> None:
        if call.phase is not CallPhase.DIALING:
            self.repeats += 1
            return
        call.progressed = True
        call.heard_ringing = True
        call.phase = CallPhase.RINGING
        self.tell(CallRinging(event_id=f"{call.sid}:ringing", at=at, call_id=call.call_id))

    def answered(self, call: LiveCall, at: datetime) -> None:
        """Somebody has picked up: told once."""
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
        call.picking_up = False
        call.phase = CallPhase.ANSWERED
        call.stop_timers()
        self.tell(CallAnswered(event_id=f"{call.sid}:answered", at=at, call_id=call.call_id))

    def _undetected(self, call: LiveCall) -> None:
        """The verdict was lost on the way; a person must not wait for it."""
        if call.call_id in self.registry.calls and not call.amd_told:
            self._verdict(call, AmdVerdict.UNSURE, round((self._amd_timeout_s + AMD_GRACE_S) * 1e3))

    def _verdict(self, call: LiveCall, verdict: AmdVerdict, took_ms: int) -> None:
        call.amd_told = True
        call.stop_timers()
        self.tell(
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
        self.ended(call, frame, cause, at)

    def ended(self, call: LiveCall, frame: StatusChanged, cause: HangupCause, at: datetime) -> None:
        """Tells of the end of a call."""
        self.end_call(call)
        self.tell(
            CallEnded(
                event_id=f"{frame.sid}:ended",
                at=at,
                call_id=call.call_id,
                cause=cause,
                provider_code=codec.provider_code(frame, call.ours),
            )
        )

    # --- agents' legs and rooms -----------------------------------------------------------------

    def leg_status(self, leg_id: LegId, frame: StatusChanged) -> None:
        """A status callback of an agent's leg."""
        leg = self._leg(leg_id, frame.sid)
        if leg is None:
            return
        if frame.status is CallStatus.IN_PROGRESS and not leg.answered:
            leg.answered = True
            self._await_arrival(leg)
        if frame.status.is_final:
            self.floor.leg_gone(leg, codec.provider_code(frame, None), self.at(frame.at))

    def room_changed(self, room: LegId, frame: RoomChanged) -> None:
        """Somebody came into the room of a leg, or left it."""
        if frame.event is RoomEvent.OTHER:
            return
        if frame.event in (RoomEvent.ANNOUNCED, RoomEvent.NOT_ANNOUNCED):
            self.repeats += not self._was_announced(frame)
            return
        told, at, label = False, self.at(frame.at), frame.label
        if label is not None and label.is_leg:
            leg = self._leg(LegId(label.who), frame.sid)
            told = leg is not None and self.floor.leg_changed(leg, room, label, frame, at)
        elif label is not None:
            call = self._call_inside(label, frame.sid)
            if call is not None and call.wanted_leg == room:
                told = self.floor.call_changed(call, room, label, frame, at)
        self.repeats += not told

    def hold_changed(self, call_id: CallId, frame: RoomChanged) -> None:
        """A call came into the room in which it is held, or left it."""
        if frame.event not in (RoomEvent.JOIN, RoomEvent.LEAVE):
            return
        told, at, label = False, self.at(frame.at), frame.label
        if label is not None and not label.is_leg:
            call = self._call_inside(label, frame.sid)
            if call is not None and call.call_id == call_id and call.wants_hold:
                told = self.floor.call_changed(call, None, label, frame, at)
        self.repeats += not told

    def room_of(self, who: LiveCall | LiveLeg) -> str:
        """The name of the conference where somebody belongs."""
        if isinstance(who, LiveLeg):
            return self._addresses.room_name(who.room)
        if who.wanted_leg is not None:
            return self._addresses.room_name(who.wanted_leg)
        return self._addresses.hold_name(who.call_id)

    def found(self, who: LiveCall | LiveLeg, room_sid: str) -> None:
        """Somebody is in the room where it belongs, and that was not told."""
        if who.sid is None:
            return
        frame = RoomChanged(room_sid=room_sid, sid=who.sid, event=RoomEvent.JOIN, label=who.label)
        if isinstance(who, LiveLeg):
            self.room_changed(who.room, frame)
        elif who.wanted_leg is not None:
            self.room_changed(who.wanted_leg, frame)
        else:
            self.hold_changed(who.call_id, frame)

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

    def _call_inside(self, label: Label, sid: str) -> LiveCall | None:
        call = self.registry.calls.get(CallId(label.who))
        return call if call is not None and call.sid == sid else None

    def end_call(self, call: LiveCall) -> None:
        """It is over, or was never placed; whoever took part besides goes home."""
        self.floor.call_gone(call)
        self.registry.end_call(call)

    def forget(self, call_id: CallId) -> None:
        """Twilio has no such call any more, and we shall not be told of its end."""
        self.registry.adopted.pop(call_id, None)
        call = self.registry.calls.get(call_id)
        if call is not None:
            self.end_call(call)

    # --- telling --------------------------------------------------------------------------------

    def tell(self, event: AnyCarrierEvent) -> None:
        if self.sink is not None:
            self.sink(event)

    def at(self, stamp: datetime | None) -> datetime:
        """When it happened. Twilio cuts instants to the second, which is too coarse for the
        time a person waits: what comes within its second happened now, what comes late, then."""
        now = self._clock.now()
        if stamp is None:
            return now
        age = self._twilio_now() - (stamp + SECOND)
        return now - age if timedelta() < age < OLDEST else now
