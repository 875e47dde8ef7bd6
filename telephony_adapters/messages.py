"""What the engine says to a carrier and what a carrier says back.

*Events* are causal: something happened, once, and they drive the call state machine. *Reports*
answer a question ("what is alive?") and only ever feed reconciliation. The two never mix.
Every event carries the provider's own id, so that a repeat is recognised.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NewType

import msgspec

CallId = NewType("CallId", str)
"""Ours, chosen before the first byte leaves; fixed length, so that none is a prefix of another."""
LegId = NewType("LegId", str)
"""An agent's open audio leg."""


class HangupCause(StrEnum):
    """Why a call ended, in words that every carrier's codes map to."""

    NORMAL_CALLEE = "normal_callee"
    """The person hung up (or the far end ended an answered call)."""
    NORMAL_CALLER = "normal_caller"
    """We hung up."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    """Our own ring timeout."""
    UNAVAILABLE = "unavailable"
    """The far end says temporarily unavailable (SIP 480)."""
    NOT_IN_SERVICE = "not_in_service"
    """Unallocated, number changed, invalid format (SIP 404, 410, 484; special tones)."""
    REJECTED = "rejected"
    """Refused by the callee or the carrier's filter (SIP 403, 603, 607, 608)."""
    CONGESTION = "congestion"
    """The route is full (SIP 503, 488)."""
    ROUTE_DOWN = "route_down"
    """The carrier never answered at all."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """We gave up before an answer, on purpose."""


class AmdVerdict(StrEnum):
    """Answering-machine detection."""

    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    UNSURE = "unsure"


class LegRole(StrEnum):
    """How a further leg takes part in a conversation."""

    TALK = "talk"
    """Hears both and is heard by both: a third party, or a supervisor who barges in."""
    LISTEN = "listen"
    """Hears both, is heard by nobody."""
    WHISPER = "whisper"
    """Hears both, is heard by the agent only."""


class CallPhase(StrEnum):
    """Coarse life of a live call, as a report tells it."""

    DIALING = "dialing"
    RINGING = "ringing"
    ANSWERED = "answered"


class Originate(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the carrier to call a person."""

    call_id: CallId
    to: str
    """E.164."""
    caller_id: str | None
    trunk: str
    ring_timeout_s: int
    """Our own limit; adapters end the call with `NO_ANSWER` when it passes."""
    amd: bool = False
    segment: str = ""
    """Pacing segment; carriers ignore it, the simulator draws its answer rates by it."""


# --- events ----------------------------------------------------------------------------------


class CarrierEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what a carrier tells us. `at` is when it happened, as well as the carrier knows."""

    event_id: str
    """The provider's id of this event; a repeat carries the same."""
    at: datetime


class CallEvent(CarrierEvent, frozen=True, kw_only=True):
    call_id: CallId


class CallProgress(CallEvent, frozen=True, kw_only=True, tag="call_progress"):
    """The network took the call (SIP 100/183); not ringing yet."""


class CallRinging(CallEvent, frozen=True, kw_only=True, tag="call_ringing"):
    pass


class CallAnswered(CallEvent, frozen=True, kw_only=True, tag="call_answered"):
    """Somebody or something picked up."""


class AmdResult(CallEvent, frozen=True, kw_only=True, tag="amd_result"):
    verdict: AmdVerdict
    took_ms: int


class CallBridged(CallEvent, frozen=True, kw_only=True, tag="call_bridged"):
    """Person and agent hear each other."""

    leg_id: LegId


class CallHeld(CallEvent, frozen=True, kw_only=True, tag="call_held"):
    """The person hears music and no agent; the agent's leg stays open."""


class CallJoined(CallEvent, frozen=True, kw_only=True, tag="call_joined"):
    """A further leg takes part, or takes part in another role."""

    leg_id: LegId
    role: LegRole


class CallParted(CallEvent, frozen=True, kw_only=True, tag="call_parted"):
    """A further leg takes part no longer; it stays open unless its device hung up.

    Also told when the call is held or moves, and when the conversation's own leg goes down. The
    end of a leg is told before the parts that it ends; the end of the call ends every part untold.
    """

    leg_id: LegId


class InboundCall(CallEvent, frozen=True, kw_only=True, tag="inbound_call"):
    """Somebody calls us. It rings until `answer` or `hangup`; the adapter makes the call id.

    Rejected it ends as `CANCELLED`; as `NORMAL_CALLEE` when the caller gives up or hangs up.
    """

    caller: str | None
    """E.164; None where the number is withheld."""
    called: str
    """Our number that was dialed, E.164 or as the carrier names it."""


class RecordingFinished(CallEvent, frozen=True, kw_only=True, tag="recording_finished"):
    """A recording is complete and can be fetched; the call may have ended before."""

    recording_id: str
    duration_ms: int
    """Without the pauses."""
    failed: bool = False
    """There is nothing to fetch, or not all of it."""


class DtmfReceived(CallEvent, frozen=True, kw_only=True, tag="dtmf_received"):
    digit: str


class PlaybackFinished(CallEvent, frozen=True, kw_only=True, tag="playback_finished"):
    playback_id: str
    failed: bool = False
    """The prompt could not be played to its end, for another reason than the call's."""


class CallEnded(CallEvent, frozen=True, kw_only=True, tag="call_ended"):
    """Terminal: no further event of this call means anything, but for `RecordingFinished`."""

    cause: HangupCause
    provider_code: str = ""
    """The carrier's own words, e.g. `sip:486 q850:17`."""


class AgentLegUp(CarrierEvent, frozen=True, kw_only=True, tag="agent_leg_up"):
    leg_id: LegId


class AgentLegDown(CarrierEvent, frozen=True, kw_only=True, tag="agent_leg_down"):
    leg_id: LegId
    reason: str = ""


class ConsultStarted(CarrierEvent, frozen=True, kw_only=True, tag="consult_started"):
    """Two legs hear each other while the person holds."""

    leg_id: LegId
    other_leg_id: LegId


class CarrierDown(CarrierEvent, frozen=True, kw_only=True, tag="carrier_down"):
    """The control connection is lost; calls may live on, their events are lost."""

    reason: str = ""


class CarrierUp(CarrierEvent, frozen=True, kw_only=True, tag="carrier_up"):
    """Control is back: reconcile with `list_calls` before trusting any earlier state.

    A carrier of several nodes tells it of each node that comes back or is given up, while the
    others never went away.
    """


AnyCallEvent = (
    CallProgress
    | CallRinging
    | CallAnswered
    | AmdResult
    | CallBridged
    | CallHeld
    | CallJoined
    | CallParted
    | InboundCall
    | RecordingFinished
    | DtmfReceived
    | PlaybackFinished
    | CallEnded
)
AnyCarrierEvent = (
    AnyCallEvent | AgentLegUp | AgentLegDown | ConsultStarted | CarrierDown | CarrierUp
)


# --- reports ---------------------------------------------------------------------------------


class CallReport(msgspec.Struct, frozen=True, kw_only=True):
    """One live call as the carrier lists it."""

    call_id: CallId
    phase: CallPhase
    bridged_leg: LegId | None = None


class AdapterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter can do; the conformance suite tests exactly what is declared."""

    name: str
    simulated: bool
    """No real person can be reached through it: the only kind that may dial synthetic data."""
    loopback: bool = False
    """Every byte stays on this machine."""
    amd: bool = False
    dtmf: bool = False
    prompts: bool = False
    """Plays prompts: `play` and `stop_playing`."""
    voice: bool = False
    """Says a prompt's words in a voice of its own; without it every prompt needs a recording."""
    control: bool = False
    """Hold, join, part and consult."""
    recording: bool = False
    dtmf_out: bool = False
    inbound: bool = False
    max_originates_per_s: float = 0.0
    """What the node bears; 0 = no limit of its own."""
