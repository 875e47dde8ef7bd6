"""The one door to every carrier. Asterisk, Twilio and the simulator pass the same suite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from compliance.permit import ContactPermit
from telephony_adapters.messages import (
    AdapterFacts,
    AnyCarrierEvent,
    CallId,
    CallReport,
    LegId,
    Originate,
)

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

        Raises `DuplicateCall` when the leg id is in use.
        """

    async def close_agent_leg(self, leg_id: LegId) -> None:
        """Hang the agent's device up. Raises `UnknownCall`; otherwise `AgentLegDown` follows."""

    async def bridge(self, call_id: CallId, leg_id: LegId) -> None:
        """Join an answered call with an agent's leg; `CallBridged` follows.

        Raises `UnknownCall` when either is gone.
        """

    async def play(self, call_id: CallId, prompt: str, playback_id: str) -> None:
        """Play a prompt to an answered call; `PlaybackFinished` follows. Raises `UnknownCall`."""

    async def list_calls(self) -> list[CallReport]:
        """Every live call of ours, for reconciliation. Raises `CarrierUnavailable`."""
