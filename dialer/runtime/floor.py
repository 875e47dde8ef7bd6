"""The agents' floor of one worker: who sits there, the calls in hand, and all that is done to them.

Put together from its parts here, and told here of what calls and legs do, so that the engine need
not know how many parts there are.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from campaigns.campaign import CampaignSettings
from compliance.packs import PackSet
from compliance.types import CampaignId
from dialer.config import Config
from dialer.core.call import Call
from dialer.core.flow_outcome import FlowWord
from dialer.runtime.agent_service import AgentService
from dialer.runtime.announcing import Announcer
from dialer.runtime.calls import Calls
from dialer.runtime.clock import Clock
from dialer.runtime.conversations import Conversations
from dialer.runtime.desk import Desk
from dialer.runtime.inbound import Inbound
from dialer.runtime.lost_calls import LostCalls, LostCallSettings
from dialer.runtime.outcomes import Outcomes
from dialer.runtime.previews import Offers
from dialer.runtime.prompting import Prompter
from dialer.runtime.recorded_calls import RecordedCalls
from dialer.runtime.recorder import Recorder
from dialer.runtime.screens import Screens
from dialer.runtime.supervision import Supervision
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.reads import EventReader
from dialer.stores.recording_files import RecordingFiles
from dialer.stores.redis.queue import CampaignQueue
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    ConsultStarted,
    PlaybackFinished,
)
from telephony_adapters.port import TelephonyAdapter


class Parts(NamedTuple):
    """What the floor is built on."""

    config: Config
    clock: Clock
    adapter: TelephonyAdapter
    calls: Calls
    desk: Desk
    outcomes: Outcomes
    recorder: Recorder
    ledger: Ledger
    reader: EventReader
    packs: PackSet
    prompter: Prompter
    queue_of: Callable[[CampaignId], CampaignQueue]
    lookback: timedelta
    wrap_up_limit_of: Callable[[CampaignId | None], int]


class Floor:
    """Screens, conversations, supervisors, callers, recordings and the agents themselves."""

    def __init__(self, parts: Parts) -> None:
        """Raises `ConfigError` for transfer destinations that cannot be used."""
        self._calls = parts.calls
        self._outcomes = parts.outcomes
        self.screens = Screens(
            ledger=parts.ledger, clock=parts.clock, campaign_name=parts.desk.campaign_name
        )
        self.conversations = _conversations(parts, self.screens)
        self.supervision = Supervision(
            clock=parts.clock,
            adapter=parts.adapter,
            calls=parts.calls,
            desk=parts.desk,
            ledger=parts.ledger,
            tell_agents=parts.config.supervision.tell_agents,
        )
        self.inbound = _inbound(parts, self.screens)
        self.lost_calls = _lost_calls(parts, self.inbound)
        self.recordings = _recordings(parts)
        self.offers = Offers()
        self.agents = AgentService(
            clock=parts.clock,
            desk=parts.desk,
            calls=parts.calls,
            outcomes=parts.outcomes,
            recorder=parts.recorder,
            ledger=parts.ledger,
            adapter=parts.adapter,
            screens=self.screens,
            conversations=self.conversations,
            inbound=self.inbound,
            recordings=self.recordings,
            offers=self.offers,
            wrap_up_limit_of=parts.wrap_up_limit_of,
        )
        self._listen()

    def _listen(self) -> None:
        calls = self._calls
        calls.on_leg = self.leg_changed
        calls.on_inbound = self.inbound.arrived
        calls.on_played = self._played
        calls.on_joined = self.supervision.joined
        calls.on_recorded = self.recordings.finished
        calls.on_conversation = self.conversations.carry_out
        self._outcomes.on_unleased = self.inbound.put
        self.inbound.on_identified = self.recordings.begin

    # --- what calls and legs do ----------------------------------------------------------------

    def call_moved(self, before: Call | None, after: Call) -> None:
        self.conversations.call_moved(before, after)
        self.supervision.call_moved(before, after)
        self.recordings.call_moved(before, after)

    def call_connected(self, call: Call) -> None:
        if call.inbound:
            self.inbound.agent_took(call)
        if self.inbound.is_unidentified(call.call_id):
            self.inbound.call_connected(call)
        else:
            self.agents.call_connected(call)

    def call_finished(self, call: Call, word: FlowWord | None = None) -> None:
        """The outcome of a call to us that no agent took is no outcome of an attempt.

        `word`: what the flow that served the call says it was.
        """
        if call.inbound:
            self.inbound.call_finished(call, word)
        if not call.inbound or call.bridged_at is not None:
            self._outcomes.call_finished(call, word)
            self.agents.call_over(call)
        self.supervision.call_finished(call)
        self.recordings.call_finished(call)

    def leg_changed(self, event: AgentLegUp | AgentLegDown | ConsultStarted) -> None:
        if not isinstance(event, ConsultStarted):
            self.agents.leg_changed(event)
            self.supervision.leg_changed(event)
        self.conversations.leg_changed(event)

    def _played(self, event: PlaybackFinished) -> None:
        self.inbound.played(event)
        self.recordings.played(event)

    async def close(self) -> None:
        await self.inbound.close()
        await self.recordings.close()
        await self.conversations.close()
        await self.agents.close()


def _conversations(parts: Parts, screens: Screens) -> Conversations:
    return Conversations(
        clock=parts.clock,
        adapter=parts.adapter,
        calls=parts.calls,
        desk=parts.desk,
        outcomes=parts.outcomes,
        recorder=parts.recorder,
        screens=screens,
        destinations=parts.config.transfers.endpoints(),
        wrap_up_limit_of=parts.wrap_up_limit_of,
    )


def _announcer(parts: Parts) -> Announcer:
    return Announcer(parts.adapter, parts.prompter, parts.config.language)


def _inbound(parts: Parts, screens: Screens) -> Inbound:
    return Inbound(
        config=parts.config.inbound,
        clock=parts.clock,
        adapter=parts.adapter,
        announcer=_announcer(parts),
        calls=parts.calls,
        desk=parts.desk,
        outcomes=parts.outcomes,
        screens=screens,
        recorder=parts.recorder,
        reader=parts.reader,
        queue_of=parts.queue_of,
        lookback=parts.lookback,
    )


def _lost_calls(parts: Parts, inbound: Inbound) -> LostCalls:
    grace = timedelta(seconds=parts.config.engine.unknown_grace_s)
    wrap_up_limit = timedelta(seconds=CampaignSettings().wrap_up_limit_s)
    return LostCalls(
        settings=LostCallSettings(
            grace=grace, wrap_up_limit=wrap_up_limit + grace, lookback=parts.lookback
        ),
        clock=parts.clock,
        adapter=parts.adapter,
        calls=parts.calls,
        outcomes=parts.outcomes,
        inbound=inbound,
        recorder=parts.recorder,
        reader=parts.reader,
    )


def _recordings(parts: Parts) -> RecordedCalls:
    return RecordedCalls(
        config=parts.config.recording,
        files=RecordingFiles(parts.config.recordings_path),
        clock=parts.clock,
        adapter=parts.adapter,
        announcer=_announcer(parts),
        calls=parts.calls,
        desk=parts.desk,
        outcomes=parts.outcomes,
        recorder=parts.recorder,
        ledger=parts.ledger,
        packs=parts.packs,
    )
