"""What is known of calls and of agents' legs, and what the adapter is asked to do about them. Pure.

Every leg has a room, a bridge of its own that lives as long as the leg. A call is bridged by being
moved into its agent's room. A further leg that talks visits that room; one that listens or
whispers stays at home with an *ear*, a snoop channel on the agent's leg. A visitor hears what is
said, so nobody may stay a visitor, and no ear may stay, without being on record here.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from telephony_adapters.messages import AnyCarrierEvent, CallId, LegId, LegRole


class StartDetection(msgspec.Struct, frozen=True):
    """Send the answered call to the dialplan that screens it."""

    call_id: CallId


class JoinOwnBridge(msgspec.Struct, frozen=True):
    """Put an agent's leg into its own room: he has picked up, or is a visitor no more."""

    leg_id: LegId


class DropBridge(msgspec.Struct, frozen=True):
    """An agent's leg is gone, and so is the use of its bridge."""

    leg_id: LegId
    has_guests: bool = False
    """Somebody is on the way home from it. A bridge that is deleted meanwhile is never quite gone,
    and Asterisk refuses to make one of its name again."""


class HangUpChannel(msgspec.Struct, frozen=True):
    """A leg, an ear or a tape that is of no use any more."""

    channel: str


class RingBack(msgspec.Struct, frozen=True):
    """Let somebody who calls us hear that it rings."""

    channel: str


class Arrived(msgspec.Struct, frozen=True):
    """A snoop channel is in our hands; whoever made it waits for this."""

    channel: str


class Began(msgspec.Struct, frozen=True):
    """A recording runs, or has failed; whoever began it waits for this."""

    recording_id: str


class DoubtEar(msgspec.Struct, frozen=True):
    """An ear is gone. If its agent's leg is not, `Floor.ear_lost` shall tell after a moment."""

    call_id: CallId
    leg_id: LegId
    ear: str


class MeasureRecording(msgspec.Struct, frozen=True):
    """A recording has ended: look at its file, and tell. Asterisk calls it done even where it
    could not write a byte."""

    call_id: CallId
    recording_id: str
    expected_ms: int | None
    """How long it should be; None: nobody listened when it ended."""
    asked_for: bool
    """We have stopped it. If not, the call's end has, or else the disk is full."""
    at: datetime
    """When it ended, as well as we know."""


Action = (
    StartDetection
    | JoinOwnBridge
    | DropBridge
    | HangUpChannel
    | RingBack
    | Arrived
    | Began
    | DoubtEar
    | MeasureRecording
)
Outcome = tuple[list[AnyCarrierEvent], list[Action]]


class Part:
    """How a further leg takes part in a call."""

    __slots__ = ("ear", "role", "wanted", "wanted_ear")

    def __init__(self) -> None:
        self.role: LegRole | None = None
        """As it was told; None: not yet."""
        self.ear: str | None = None
        self.wanted: LegRole | None = None
        """The role that is on its way."""
        self.wanted_ear: str | None = None

    @property
    def ears(self) -> list[str]:
        return [ear for ear in (self.ear, self.wanted_ear) if ear is not None]


class CallLine:
    """What is known of one call."""

    __slots__ = (
        "amd",
        "answered_at",
        "call_id",
        "channel",
        "forget_at",
        "held",
        "hung_up",
        "inbound",
        "leg_id",
        "parts",
        "placing",
        "progressed",
        "ring_timeout_s",
        "ringing",
        "told_answer",
        "waits_for_us",
        "wanted_leg",
    )

    def __init__(self, call_id: CallId, channel: str) -> None:
        self.call_id = call_id
        self.channel = channel
        self.inbound = False
        self.waits_for_us = False
        """An inbound call that we have not answered."""
        self.amd = False
        self.ring_timeout_s: int | None = None
        self.placing = False
        """The originate has not been answered by Asterisk yet."""
        self.hung_up = False
        """We asked for the end, or will as soon as the originate is answered."""
        self.progressed = False
        self.ringing = False
        self.answered_at: datetime | None = None
        self.told_answer = False
        self.leg_id: LegId | None = None
        """The leg whose room it is in."""
        self.wanted_leg: LegId | None = None
        """The leg whose room it is being moved to."""
        self.held = False
        self.parts: dict[LegId, Part] = {}
        """Further legs."""
        self.forget_at: datetime | None = None


class LegLine:
    """What is known of an agent's leg."""

    __slots__ = ("call_id", "consulting", "leg_id", "part_of", "room", "up", "wanted_by")

    def __init__(self, leg_id: LegId) -> None:
        self.leg_id = leg_id
        self.up = False
        self.room = leg_id
        """In whose room its channel is."""
        self.call_id: CallId | None = None
        """The call that is in its room, or on the way there."""
        self.part_of: CallId | None = None
        """The call of another leg that it takes part in, or is about to."""
        self.consulting: LegId | None = None
        """The leg that it speaks with while persons hold."""
        self.wanted_by: LegId | None = None
        """The leg to whose room it is being moved for that."""

    @property
    def visits(self) -> bool:
        return self.room != self.leg_id
