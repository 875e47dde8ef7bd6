"""What the console needs of the rest of Marcador: one small interface, and nothing else.

The engine satisfies it through `dialer.runtime.services.EngineServices`; tests put small fakes
in its place, with a real ledger, Redis and desk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from campaigns.campaign import CampaignAction, CampaignSettings
from compliance.packs import PackSet
from compliance.types import CampaignId
from dialer.config import Config
from dialer.core.desk_messages import AnyClientMessage
from dialer.core.figures import LiveFigures
from dialer.runtime.blasts.replies import Sent
from dialer.runtime.checking import Answer, Question
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.explaining import Story
from dialer.runtime.inbound import InboundFigures
from dialer.runtime.seats import Seat
from dialer.runtime.supervision import Supervision
from dialer.stores.ledger.campaigns import Campaign, EnrolmentCounts
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.portfolios import Portfolio
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.users import Language, User
from dialer.stores.redis.live import LiveEvent
from telephony_adapters.nodes.carrier import NodeFigures


class NotReady(StrEnum):
    """Why this worker should get no work now."""

    LEDGER = "ledger_unavailable"
    REDIS = "redis_unavailable"
    DRAINING = "draining"


class ImportState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """The process that read the file is gone; send the file again, nothing is imported twice."""


class ImportStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How an uploaded portfolio fares."""

    import_id: str
    portfolio_id: str
    file_name: str
    file_bytes: int
    state: ImportState
    started_ms: int
    ended_ms: int | None = None
    bytes_read: int = 0
    rows: int = 0
    rejected: int = 0
    counts: dict[str, int] = {}
    """Accounts that are new, updated, unchanged, recalled ..."""
    job_id: str | None = None
    """The job in the ledger, once it is known."""
    has_rejects: bool = False
    """Rejected rows can be downloaded."""
    error_es: str | None = None
    error_en: str | None = None
    proposed_profile: str | None = None
    """TOML of an import profile that a person has to correct before the file can be read."""
    unmapped_columns: tuple[str, ...] = ()
    """Columns of the file that are not used."""
    doubts_es: tuple[str, ...] = ()
    doubts_en: tuple[str, ...] = ()
    """What a person should look at in the profile that was made for this file."""


class AgentDoor(Protocol):
    """Agents come in, say what they want, and go."""

    async def join(self, user: User) -> Seat:
        """Sit the agent down and open the audio leg. Raises `TelephonyError`."""

    async def handle(self, agent_id: str, message: AnyClientMessage) -> None:
        """Do it, or answer `Refused` through the seat. Raises only when a store is away."""

    async def leave(self, agent_id: str) -> None:
        """Log out now, or after the call in hand; nobody's leaving is no error."""


class CampaignControl(Protocol):
    """Campaigns as the ledger has them, and as the engine drives them."""

    async def create(
        self, *, name: str, portfolio_id: str, settings: CampaignSettings, actor: str
    ) -> Campaign:
        """Made and enrolled. Raises `ValueError`, `CampaignExists`, `LookupError`."""

    async def list(self) -> list[Campaign]: ...

    async def get(self, campaign_id: str) -> Campaign | None: ...

    async def counts(self, campaign_id: str) -> EnrolmentCounts: ...

    async def change(self, campaign_id: str, settings: CampaignSettings, *, actor: str) -> Campaign:
        """Raises `LookupError`, `ImpossibleAction`."""

    async def act(self, campaign_id: str, action: CampaignAction, *, actor: str) -> Campaign:
        """Raises `LookupError`, `ImpossibleAction`, `UnsafeDialing`."""

    async def live(self, campaign_id: CampaignId) -> LiveFigures | None:
        """Figures of now; None where this worker does not drive the campaign."""

    def follow(self, campaign_id: str, last_id: str | None) -> AsyncIterator[LiveEvent | None]:
        """Live figures as they are published, for ever; None is a sign of life.

        Raises `ValueError` for a bad `last_id`, `RedisUnavailable`.
        """


class MessageDoor(Protocol):
    """Written messages: answers to people, and their opt-out links."""

    async def reply(self, thread_id: str, text: str, *, author: str) -> Sent:
        """Answer the last thing that the person wrote. Raises as `Replies.reply` does."""

    def knows_link(self, token: str) -> bool:
        """Whether an opt-out link is one of ours."""

    async def unsubscribe(self, token: str) -> bool:
        """Do what an opt-out link asks for; False for one that is not ours."""


class Upload(msgspec.Struct, frozen=True):
    """Where a file that is being uploaded goes."""

    import_id: str
    path: Path


class ImportControl(Protocol):
    """Reading uploaded portfolios in the background."""

    async def receive(self, file_name: str) -> Upload:
        """A place of its own for a file, whatever its sender calls it. Raises `OSError`."""

    async def discard(self, upload: Upload) -> None:
        """The file did not arrive whole."""

    async def start(
        self, upload: Upload, portfolio: Portfolio, *, recall_missing: bool, actor: str
    ) -> ImportStatus:
        """Begin to read the file; it is deleted at the end."""

    async def status(self, import_id: str) -> ImportStatus | None: ...

    async def close(self) -> None:
        """Break off what runs; it can be uploaded and imported again."""


class Services(Protocol):
    """Everything behind the console."""

    @property
    def config(self) -> Config: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def events(self) -> EventReader: ...
    @property
    def packs(self) -> PackSet: ...
    @property
    def desk(self) -> Desk: ...
    @property
    def supervision(self) -> Supervision: ...
    @property
    def agents(self) -> AgentDoor: ...
    @property
    def campaigns(self) -> CampaignControl: ...
    @property
    def messages(self) -> MessageDoor: ...
    @property
    def imports(self) -> ImportControl: ...

    async def check(self, question: Question) -> Answer:
        """Put a compliance question to the gate; nothing is recorded. Raises `BadQuestion`."""

    async def explain(self, asked: str, language: Language, *, limit: int) -> Story | None:
        """Why contacts were made or not; None when nothing is known by that id or number."""

    def inbound(self) -> InboundFigures:
        """Calls to this worker."""

    def carrier_counts(self) -> Mapping[str, int]:
        """What the carrier's adapter has counted since the start; empty if it counts nothing."""

    def nodes(self) -> Sequence[NodeFigures]:
        """The carrier's nodes; none where it is one."""

    def provider_counts(self) -> Mapping[str, Mapping[str, int]]:
        """The same of each provider of messages that counts, by its name."""

    async def ready(self) -> list[NotReady]:
        """What keeps this worker from working now."""
