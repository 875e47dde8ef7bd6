"""The console's view of a running Marcador."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from sqlalchemy import text

from campaigns.campaign import CampaignAction, CampaignSettings
from compliance.packs import PackSet
from compliance.types import CampaignId
from dialer.bootstrap import Marcador
from dialer.config import Config
from dialer.console.imports import ImportRuns
from dialer.console.services import NotReady
from dialer.core.desk_messages import AnyClientMessage
from dialer.core.figures import LiveFigures
from dialer.core.records import to_ms
from dialer.runtime import checking
from dialer.runtime.blasts.replies import Sent
from dialer.runtime.clock import Clock
from dialer.runtime.desk import Desk
from dialer.runtime.explaining import Story, explain_contact
from dialer.runtime.inbound import InboundFigures
from dialer.runtime.seats import Seat
from dialer.runtime.supervision import Supervision
from dialer.stores.ledger.campaigns import (
    Campaign,
    EnrolmentCounts,
    change_settings,
    create_campaign,
    enrol,
    enrolment_counts,
    get_campaign,
    list_campaigns,
)
from dialer.stores.ledger.database import Ledger, LedgerUnavailable
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.users import Language, User
from dialer.stores.redis.errors import RedisStoreError
from dialer.stores.redis.live import LiveEvent, LiveFeed
from telephony_adapters.nodes.carrier import NodeFigures, NodesCarrier


@runtime_checkable
class Counting(Protocol):
    """An adapter that counts what should be rare, such as webhooks with a wrong signature."""

    @property
    def counts(self) -> Mapping[str, int]: ...


class EngineAgents:
    """Agents through the engine's own service."""

    def __init__(self, marcador: Marcador) -> None:
        self._service = marcador.engine.agents

    async def join(self, user: User) -> Seat:
        return await self._service.join(
            agent_id=user.user_id,
            username=user.username,
            name=user.display_name,
            language=user.language,
            team=user.team,
        )

    async def handle(self, agent_id: str, message: AnyClientMessage) -> None:
        await self._service.handle(agent_id, message)

    async def leave(self, agent_id: str) -> None:
        await self._service.leave(agent_id)


class EngineCampaigns:
    """Campaigns in the ledger, and their figures from the engine and Redis."""

    def __init__(self, marcador: Marcador) -> None:
        self._ledger = marcador.ledger
        self._engine = marcador.engine
        self._redis = marcador.redis
        self._clock = marcador.clock

    async def create(
        self, *, name: str, portfolio_id: str, settings: CampaignSettings, actor: str
    ) -> Campaign:
        now_ms = to_ms(self._clock.now())
        async with self._ledger.write() as conn:
            made = await create_campaign(
                conn,
                name=name,
                portfolio_id=portfolio_id,
                settings=settings,
                actor=actor,
                now_ms=now_ms,
            )
        await enrol(self._ledger, made, now_ms=now_ms)
        return made

    async def list(self) -> list[Campaign]:
        async with self._ledger.read() as conn:
            return await list_campaigns(conn)

    async def get(self, campaign_id: str) -> Campaign | None:
        async with self._ledger.read() as conn:
            return await get_campaign(conn, campaign_id)

    async def counts(self, campaign_id: str) -> EnrolmentCounts:
        async with self._ledger.read() as conn:
            return await enrolment_counts(conn, campaign_id)

    async def change(self, campaign_id: str, settings: CampaignSettings, *, actor: str) -> Campaign:
        now_ms = to_ms(self._clock.now())
        async with self._ledger.write() as conn:
            return await change_settings(conn, campaign_id, settings, actor=actor, now_ms=now_ms)

    async def act(self, campaign_id: str, action: CampaignAction, *, actor: str) -> Campaign:
        return await self._engine.act(CampaignId(campaign_id), action, actor=actor)

    async def live(self, campaign_id: CampaignId) -> LiveFigures | None:
        return await self._engine.figures(campaign_id)

    def follow(self, campaign_id: str, last_id: str | None) -> AsyncIterator[LiveEvent | None]:
        return LiveFeed(self._redis, campaign_id).follow(last_id)


class EngineMessages:
    """Written messages through the engine's post office."""

    def __init__(self, marcador: Marcador) -> None:
        self._post = marcador.engine.post

    async def reply(self, thread_id: str, text: str, *, author: str) -> Sent:
        return await self._post.replies.reply(thread_id, text, author=author)

    def knows_link(self, token: str) -> bool:
        return self._post.knows_link(token)

    async def unsubscribe(self, token: str) -> bool:
        return await self._post.unsubscribe(token)


class EngineServices:
    """Satisfies `dialer.console.services.Services` with a whole Marcador."""

    def __init__(self, marcador: Marcador) -> None:
        self._marcador = marcador
        self.agents = EngineAgents(marcador)
        self.campaigns = EngineCampaigns(marcador)
        self.messages = EngineMessages(marcador)
        self.imports = ImportRuns(marcador.ledger, marcador.config.data_path, marcador.clock)

    @property
    def config(self) -> Config:
        return self._marcador.config

    @property
    def clock(self) -> Clock:
        return self._marcador.clock

    @property
    def ledger(self) -> Ledger:
        return self._marcador.ledger

    @property
    def events(self) -> EventReader:
        return self._marcador.engine.reader

    @property
    def packs(self) -> PackSet:
        return self._marcador.packs

    @property
    def desk(self) -> Desk:
        return self._marcador.engine.desk

    @property
    def supervision(self) -> Supervision:
        return self._marcador.engine.floor.supervision

    async def check(self, question: checking.Question) -> checking.Answer:
        return checking.answer(question, self._marcador.packs)

    async def explain(self, asked: str, language: Language, *, limit: int) -> Story | None:
        return await explain_contact(
            self.ledger, self._marcador.packs, asked, language=language.value, limit=limit
        )

    def inbound(self) -> InboundFigures:
        return self._marcador.engine.floor.inbound.figures()

    def carrier_counts(self) -> Mapping[str, int]:
        adapter = self._marcador.adapter
        return adapter.counts if isinstance(adapter, Counting) else {}

    def nodes(self) -> Sequence[NodeFigures]:
        adapter = self._marcador.adapter
        return adapter.figures() if isinstance(adapter, NodesCarrier) else ()

    def provider_counts(self) -> Mapping[str, Mapping[str, int]]:
        messengers = self._marcador.engine.post.sender.messengers.values()
        return {one.facts.name: one.counts for one in messengers if isinstance(one, Counting)}

    async def ready(self) -> list[NotReady]:
        problems: list[NotReady] = []
        try:
            async with self.ledger.read() as conn:
                await conn.execute(text("SELECT 1"))
        except LedgerUnavailable:
            problems.append(NotReady.LEDGER)
        try:
            await self._marcador.redis.execute("PING")
        except RedisStoreError:
            problems.append(NotReady.REDIS)
        if self._marcador.engine.draining:
            problems.append(NotReady.DRAINING)
        return problems
