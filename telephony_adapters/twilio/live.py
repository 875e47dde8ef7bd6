"""What the adapter knows of the calls and legs that are up, and which SID is whose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from telephony_adapters.clock import TimerHandle
from telephony_adapters.errors import UnknownCall
from telephony_adapters.messages import CallId, CallPhase, LegId
from telephony_adapters.twilio.codec import OurEnd
from telephony_adapters.twilio.twiml import Spoken

REMEMBERED_SIDS: Final = 50_000
"""SIDs of ended calls that are told from those of strangers; late callbacks carry them."""


class LiveCall:
    """A call between its originate and its end."""

    __slots__ = (
        "amd",
        "amd_told",
        "asked_at",
        "call_id",
        "doubtful",
        "heard_ringing",
        "keys_heard",
        "leg_id",
        "missed_lists",
        "ours",
        "phase",
        "playback_id",
        "progressed",
        "room_heard",
        "sid",
        "spoken",
        "timers",
        "to",
        "turn",
        "turn_heard",
        "wanted_leg",
    )

    def __init__(self, call_id: CallId, to: str, asked_at: datetime, *, amd: bool) -> None:
        self.call_id = call_id
        self.to = to
        self.asked_at = asked_at
        self.amd = amd
        self.amd_told = False
        self.sid: str | None = None
        """Twilio's id; None until its answer, or its first callback, has told."""
        self.doubtful = False
        """The create got no answer: it may or may not exist."""
        self.phase = CallPhase.DIALING
        self.progressed = False
        """Out of Twilio's own queue."""
        self.heard_ringing = False
        self.ours: OurEnd | None = None
        """Why we asked for the end, if we did."""
        self.leg_id: LegId | None = None
        """The agent's leg whose room the call is in."""
        self.wanted_leg: LegId | None = None
        """The leg whose room it belongs in."""
        self.room_heard: tuple[str, int] = ("", -1)
        """The conference it was last heard of in, and that event's number."""
        self.playback_id: str | None = None
        self.spoken: Spoken | None = None
        """What the document of this turn says."""
        self.turn = 0
        """Number of the document that the call follows; the first is 0."""
        self.turn_heard = -1
        """The last document whose end we were told."""
        self.keys_heard = 0
        self.missed_lists = 0
        """Lists of live calls, one after the other, in which it was not."""
        self.timers: list[TimerHandle] = []

    def next_turn(self) -> int:
        self.turn += 1
        return self.turn

    def stop_timers(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()


class LiveLeg:
    """An agent's leg: a call to a device that stays in a conference of its own, its room."""

    __slots__ = ("closing", "leg_id", "sid", "up")

    def __init__(self, leg_id: LegId) -> None:
        self.leg_id = leg_id
        self.sid: str | None = None
        self.up = False
        self.closing = False
        """We asked for its end, perhaps before we knew its SID."""

    @property
    def never_shown(self) -> bool:
        """Its create got no answer, and no callback has come: perhaps there is no such call."""
        return self.closing and self.sid is None


class Registry:
    """All live calls and legs of this adapter, by our ids and by Twilio's."""

    def __init__(self, remembered: int = REMEMBERED_SIDS) -> None:
        self.calls: dict[CallId, LiveCall] = {}
        self.legs: dict[LegId, LiveLeg] = {}
        self.adopted: dict[CallId, str] = {}
        """Calls of another life of this program that have told us of themselves, with their SID:
        nobody here serves them, but they can be listed and hung up."""
        self._remembered = remembered
        self._call_of: dict[str, CallId] = {}
        """Of live and of lately ended calls, oldest first."""

    def bind(self, call: LiveCall, sid: str) -> bool:
        """Twilio calls it so. False when it is known under another SID."""
        if call.sid is None:
            call.sid = sid
            call.doubtful = False
            self.remember(sid, call.call_id)
        return call.sid == sid

    def remember(self, sid: str, call_id: CallId) -> None:
        """Whose SID this is; the oldest of ended calls are forgotten beyond the bound."""
        self._call_of[sid] = call_id
        while len(self._call_of) > self._remembered:
            oldest = next(iter(self._call_of))
            del self._call_of[oldest]

    def adopt(self, sid: str, call_id: CallId) -> None:
        """A callback with an id of ours that is not live: of an ended call, or of another life."""
        if sid not in self._call_of:
            self.remember(sid, call_id)
            self.adopted[call_id] = sid

    def call_id_of(self, sid: str) -> CallId | None:
        return self._call_of.get(sid)

    def call_of(self, sid: str) -> LiveCall | None:
        call_id = self._call_of.get(sid)
        return self.calls.get(call_id) if call_id is not None else None

    def end_call(self, call: LiveCall) -> None:
        call.stop_timers()
        self.calls.pop(call.call_id, None)

    def forget(self, call_id: CallId) -> None:
        """Twilio has no such call any more, and we shall not be told of its end."""
        self.adopted.pop(call_id, None)
        call = self.calls.get(call_id)
        if call is not None:
            self.end_call(call)

    def require_call(self, call_id: CallId) -> LiveCall:
        """Raises `UnknownCall`."""
        call = self.calls.get(call_id)
        if call is None:
            raise UnknownCall(f"there is no live call {call_id}")
        return call

    def require_answered(self, call_id: CallId) -> tuple[LiveCall, str]:
        """A call that can be redirected, and its SID. Raises `UnknownCall`."""
        call = self.require_call(call_id)
        if call.phase is not CallPhase.ANSWERED or call.sid is None or call.ours is not None:
            raise UnknownCall(f"call {call_id} is not answered, or is being hung up")
        return call, call.sid

    def require_leg(self, leg_id: LegId) -> LiveLeg:
        """A leg that is up. Raises `UnknownCall`."""
        leg = self.legs.get(leg_id)
        if leg is None or not leg.up or leg.closing:
            raise UnknownCall(f"agent leg {leg_id} is not up")
        return leg

    def in_room(self, leg_id: LegId) -> Iterator[LiveCall]:
        """Calls that are in a leg's room, or on their way to it."""
        for call in self.calls.values():
            if leg_id in (call.leg_id, call.wanted_leg):
                yield call

    def doubtful(self) -> list[LiveCall]:
        return [call for call in self.calls.values() if call.doubtful]
