"""What the adapter knows of the calls and legs that are up, and which SID is whose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from telephony_adapters.clock import TimerHandle
from telephony_adapters.errors import UnknownCall
from telephony_adapters.messages import CallId, CallPhase, LegId, LegRole
from telephony_adapters.twilio.codec import Label, OurEnd
from telephony_adapters.twilio.twiml import Spoken

REMEMBERED_SIDS: Final = 50_000
"""SIDs of ended calls that are told from those of strangers; late callbacks carry them."""


class Part:
    """How a further leg takes part in a call."""

    __slots__ = ("role", "room_sid", "wanted")

    def __init__(self) -> None:
        self.role: LegRole | None = None
        """As it was told; None: not yet."""
        self.wanted: LegRole | None = None
        """The role that is on its way."""
        self.room_sid = ""
        """The conference in which it was told."""


class LiveCall:
    """A call between its originate, or its coming in, and its end."""

    __slots__ = (
        "amd",
        "amd_told",
        "announced",
        "announcements",
        "arrived",
        "asked_at",
        "bridge_due",
        "call_id",
        "caller",
        "confirmed",
        "doubtful",
        "heard_ringing",
        "held",
        "inbound",
        "keys_heard",
        "left",
        "leg_id",
        "missed_lists",
        "ours",
        "parts",
        "phase",
        "picking_up",
        "playback_id",
        "progressed",
        "room_sid",
        "sid",
        "spoken",
        "timers",
        "to",
        "told",
        "turn",
        "turn_heard",
        "waits_for_us",
        "wanted_leg",
        "wants_hold",
    )

    def __init__(self, call_id: CallId, to: str, asked_at: datetime, *, amd: bool = False) -> None:
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
        self.inbound = False
        self.caller: str | None = None
        """Who calls us, if that is known."""
        self.confirmed = False
        """Twilio's API knows of this call that came to us, and it was told."""
        self.waits_for_us = False
        """It came to us and we have not answered."""
        self.picking_up = False
        """Twilio was told to answer it, and has not yet."""
        self.leg_id: LegId | None = None
        """The leg that it was told to be bridged with."""
        self.wanted_leg: LegId | None = None
        """The leg whose room it belongs in."""
        self.bridge_due = False
        """It is on its way to that room, and that is still to be told."""
        self.wants_hold = False
        """It belongs on hold, with music."""
        self.held = False
        """That was told."""
        self.arrived = -1
        """The turn in which it was heard to be in the room where it belongs."""
        self.left = -1
        """The last turn in which it was heard to leave that room: told of its coming later, it is
        not there."""
        self.parts: dict[LegId, Part] = {}
        """Further legs."""
        self.playback_id: str | None = None
        self.spoken: Spoken | None = None
        """What the document of this turn says."""
        self.announced: Spoken | None = None
        """What is being said into the conference that it is in."""
        self.announcements = 0
        """Number of the last announcement."""
        self.room_sid = ""
        """The conference in which it was last heard to be."""
        self.turn = 0
        """Number of the document that the call follows; the first is 0."""
        self.turn_heard = -1
        """The last document whose end we were told."""
        self.keys_heard = 0
        self.told = 0
        """Events of conversations told so far."""
        self.missed_lists = 0
        """Lists of live calls, one after the other, in which it was not."""
        self.timers: list[TimerHandle] = []

    @property
    def label(self) -> Label:
        """By which it is known in the room where it belongs."""
        return Label(self.call_id, is_leg=False, visit=self.turn)

    @property
    def is_in_place(self) -> bool:
        """It is in the room that its present document names."""
        return self.arrived == self.turn

    @property
    def belongs_in_a_room(self) -> bool:
        """Of a leg, or of its own, on hold; unless something is said to it first."""
        return self.spoken is None and (self.wants_hold or self.wanted_leg is not None)

    def next_turn(self) -> int:
        self.turn += 1
        return self.turn

    def event_id(self) -> str:
        """Of the next event of a conversation."""
        self.told += 1
        return f"{self.sid}:talk{self.told}"

    def stop_timers(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()


class LiveLeg:
    """An agent's leg: a call to a device. It has a conference of its own, its room, and is there
    unless it visits another's."""

    __slots__ = (
        "answered",
        "arrived",
        "closing",
        "consulting",
        "leg_id",
        "part_of",
        "room",
        "sid",
        "told",
        "up",
        "visit",
        "wanted_by",
    )

    def __init__(self, leg_id: LegId) -> None:
        self.leg_id = leg_id
        self.sid: str | None = None
        self.answered = False
        """Its device has picked up."""
        self.up = False
        """It is in its room."""
        self.closing = False
        """We asked for its end, perhaps before we knew its SID."""
        self.room = leg_id
        """In whose room it belongs."""
        self.visit = 0
        """Number of its coming there; the first, at home, is 0."""
        self.arrived = -1
        """The last visit that was heard to have begun."""
        self.part_of: CallId | None = None
        """The call of another leg that it takes part in, or is about to."""
        self.consulting: LegId | None = None
        """The leg that it speaks with while persons hold."""
        self.wanted_by: LegId | None = None
        """The leg to whose room it is on its way for that."""
        self.told = 0

    @property
    def label(self) -> Label:
        """By which it is known in the room where it belongs."""
        return Label(self.leg_id, is_leg=True, visit=self.visit)

    @property
    def visits(self) -> bool:
        return self.room != self.leg_id

    @property
    def is_in_place(self) -> bool:
        """It is in the room where it belongs."""
        return self.arrived == self.visit

    @property
    def never_shown(self) -> bool:
        """Its create got no answer, and no callback has come: perhaps there is no such call."""
        return self.closing and self.sid is None

    def event_id(self) -> str:
        """Of the next event of a consultation."""
        self.told += 1
        return f"{self.sid}:talk{self.told}"


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

    def knows(self, sid: str) -> bool:
        """A call of ours, live or lately ended, has this SID."""
        return sid in self._call_of

    def call_id_of(self, sid: str) -> CallId | None:
        return self._call_of.get(sid)

    def call_of(self, sid: str) -> LiveCall | None:
        call_id = self._call_of.get(sid)
        return self.calls.get(call_id) if call_id is not None else None

    def end_call(self, call: LiveCall) -> None:
        call.stop_timers()
        self.calls.pop(call.call_id, None)

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
