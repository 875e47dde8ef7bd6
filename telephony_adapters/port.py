"""The one door to every carrier. Asterisk, Twilio and the simulator pass the same suite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from compliance.permit import ContactPermit
from telephony_adapters.messages import (
    AdapterFacts,
    AnyCarrierEvent,
    CallId,
    CallReport,
    LegId,
    LegRole,
    Originate,
)
from telephony_adapters.prompts import Prompt

EventSink = Callable[[AnyCarrierEvent], None]
"""Takes an event without waiting; the engine queues it. Never raises."""


class TelephonyAdapter(Protocol):
    """A carrier that places calls and keeps agents' audio legs.

    Commands return when the carrier has taken them, not when they have taken effect: the effect
    comes as an event. An event may arrive before the command's own return. Every command raises
    `CarrierUnavailable` while the connection is down. What happened to calls meanwhile is asked
    for with `list_calls`; what happened to agents' legs is told right after `CarrierUp`.
    """

    @property
    def facts(self) -> AdapterFacts: ...

    async def start(self, sink: EventSink) -> None:
        """Connect and begin to deliver events. Raises `CarrierUnavailable`."""

    async def stop(self) -> None:
        """Disconnect. Live calls are the caller's business: hang them up first."""

    async def originate(self, command: Originate, permit: ContactPermit) -> None:
        """Call a person. Spends the permit first, before any byte leaves.

        The ring timeout counts from here.

        Raises `PermitRefused`; `OriginateRejected` or `CarrierUnavailable` when certainly
        nothing was placed; `OutcomeUnknown` when that is not certain; `DuplicateCall` when the
        call id was used before.
        """

    async def hangup(self, call_id: CallId) -> None:
        """End a call in any phase. Raises `UnknownCall`; otherwise `CallEnded` follows."""

    async def open_agent_leg(self, leg_id: LegId, endpoint: str) -> None:
        """Call an agent's device and keep the leg open; `AgentLegUp` follows.

        `endpoint` is `agent:NAME`, or the E.164 number of somebody outside who takes part in a
        conversation; between the nodes of one carrier also `node:NAME/WORD`.

        Raises `DuplicateCall` when the leg id is in use.
        """

    async def close_agent_leg(self, leg_id: LegId) -> None:
        """Hang the agent's device up. Raises `UnknownCall`; otherwise `AgentLegDown` follows."""

    async def bridge(self, call_id: CallId, leg_id: LegId) -> None:
        """Join an answered call with an agent's leg; `CallBridged` follows.

        A call that is held, or in conversation with another leg, moves: the other leg is freed,
        a consultation of this leg ends, and so does the part of any further leg.

        Raises `UnknownCall` when either is gone.
        """

    # Conversations: `NotOffered` from an adapter whose facts do not declare `control`.

    async def hold(self, call_id: CallId) -> None:
        """Part a bridged call from its leg, with music; `CallHeld` follows. `bridge` ends it.

        The part of any further leg ends with it. Raises `UnknownCall` unless the call is bridged.
        """

    async def consult(self, leg_id: LegId, other_leg_id: LegId) -> None:
        """Let two open legs, whose calls hold or that have none, hear each other.

        `ConsultStarted` follows; `bridge` of a call to either leg ends it, and so do `join` and a
        further `consult`. Raises `UnknownCall`.
        """

    async def join(self, call_id: CallId, leg_id: LegId, role: LegRole) -> None:
        """Let a further leg take part in a bridged call; `CallJoined` follows.

        Joined again with another role, the leg changes its role. Raises `UnknownCall` also when
        the call is not bridged.
        """

    async def part(self, call_id: CallId, leg_id: LegId) -> None:
        """End the part of a further leg; `CallParted` follows. Raises `UnknownCall`."""

    # Inbound: declared by `inbound`.

    async def answer(self, call_id: CallId) -> None:
        """Take an `InboundCall`; `CallAnswered` follows. `hangup` rejects it instead.

        Raises `UnknownCall` when the caller is gone, or the call does not wait for an answer.
        """

    # Recording: declared by `recording`. At most one recording a call at a time.

    async def record(self, call_id: CallId, recording_id: str) -> None:
        """Record an answered call, both directions, until `stop_recording` or its end.

        It follows the call wherever it moves. `RecordingFinished` follows the end. The id is 1 to
        64 letters, digits, `-` or `_`. Raises `UnknownCall`, and `DuplicateCall` when the id was
        used before.
        """

    async def pause_recording(self, call_id: CallId, *, paused: bool) -> None:
        """Leave out what follows, or go on; for card numbers and the like. Raises `UnknownCall`."""

    async def stop_recording(self, call_id: CallId) -> None:
        """Raises `UnknownCall` when nothing is being recorded."""

    async def fetch_recording(self, recording_id: str) -> bytes:
        """A finished recording as a WAV or MP3 file. Raises `UnknownCall`."""

    async def delete_recording(self, recording_id: str) -> None:
        """Delete the carrier's copy of a finished recording, for good.

        Raises `UnknownCall` when there is none (any more); `TelephonyError` while it is being
        made.
        """

    async def send_dtmf(self, call_id: CallId, digits: str) -> None:
        """Press keys (0-9 * #) towards the person. Declared by `dtmf_out`. Raises `UnknownCall`."""

    # Prompts: declared by `prompts`.

    async def play(self, call_id: CallId, prompt: Prompt, playback_id: str) -> None:
        """Say something to an answered call; `PlaybackFinished` follows.

        One prompt at a time: what was being said before is stopped, or goes on beside it.

        Raises `UnknownCall`; `NoAudio` when this carrier has no voice of its own and the prompt
        has no recording.
        """

    async def stop_playing(self, call_id: CallId, playback_id: str) -> None:
        """Fall silent in the middle of a prompt; its `PlaybackFinished` follows.

        A prompt that is over already is no error. Raises `UnknownCall` when the call is gone.
        """

    async def list_calls(self) -> list[CallReport]:
        """Every live call that is this adapter's own, and nobody else's, for reconciliation.

        Raises `CarrierUnavailable`.
        """


@runtime_checkable
class Roomy(Protocol):
    """A carrier whose room changes while it runs: its nodes come and go."""

    def room(self) -> int:
        """Calls that it would place now, at once."""
