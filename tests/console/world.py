"""The console of a test: real ledger, Redis, desk and HTTP; only the engine's side is small."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import aiohttp
import msgspec
from argon2 import PasswordHasher

from campaigns.campaign import CampaignAction, CampaignSettings
from compliance.packs import PackSet
from compliance.types import CampaignId
from dialer.config import Config, HttpConfig
from dialer.console.imports import ImportRuns
from dialer.console.server import serve
from dialer.console.services import NotReady
from dialer.console.sessions import start_session
from dialer.core.agent import ImpossibleStep
from dialer.core.desk_messages import (
    AnyClientMessage,
    Heartbeat,
    Logout,
    Refused,
    Resume,
    SetPause,
    SetReady,
)
from dialer.core.figures import LiveFigures
from dialer.core.records import to_ms
from dialer.runtime.blasts.replies import NoSuchThread, Sent
from dialer.runtime.calls import Calls
from dialer.runtime.checking import Answer, Question, answer
from dialer.runtime.clock import Clock, WallClock
from dialer.runtime.desk import Desk
from dialer.runtime.explaining import Story, explain_contact
from dialer.runtime.inbound import InboundFigures
from dialer.runtime.safety import UnsafeDialing
from dialer.runtime.seats import Seat
from dialer.runtime.supervision import Supervision
from dialer.stores.ledger.campaigns import (
    Campaign,
    EnrolmentCounts,
    act_on_campaign,
    change_settings,
    create_campaign,
    enrol,
    enrolment_counts,
    get_campaign,
    list_campaigns,
)
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.streams import EventStore
from dialer.stores.ledger.users import Language, Role, User, create_user
from dialer.stores.redis import AgentPool, LiveEvent, LiveFeed, RedisClient
from telephony_adapters.nodes.carrier import NodeFigures
from telephony_adapters.simulator.null import NullCarrier

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

PASSWORD = "correct horse battery"
DAY_S = 86_400
PATIENCE_S = 20.0
CHEAP_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""Verifies in no time; the first good login replaces it."""


class FakeAgents:
    """Agents at a real desk, without telephones."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.handled: list[AnyClientMessage] = []
        self.fail: Exception | None = None
        """Raised by the next join or message."""

    async def join(self, user: User) -> Seat:
        self._fail()
        return self.desk.join(
            agent_id=user.user_id,
            session_id=new_id(),
            name=user.display_name,
            language=user.language,
        )

    async def handle(self, agent_id: str, message: AnyClientMessage) -> None:
        self.handled.append(message)
        if not isinstance(message, Resume | Heartbeat):
            self._fail()
        seat = self.desk.seat(agent_id)
        if seat is None:
            return
        try:
            match message:
                case Resume() | Heartbeat():
                    await self.desk.heartbeat(agent_id)
                case SetReady():
                    await self.desk.ready(agent_id)
                case SetPause():
                    await self.desk.pause(agent_id, message.reason)
                case Logout():
                    await self.leave(agent_id)
                case _:
                    seat.say(Refused(ref=message.ref, code="no", message_es="no", message_en="no"))
        except ImpossibleStep as error:
            text = str(error)
            seat.say(Refused(ref=message.ref, code="no", message_es=text, message_en=text))

    async def leave(self, agent_id: str) -> None:
        if self.desk.seat(agent_id) is not None:
            await self.desk.logout(agent_id)

    def _fail(self) -> None:
        error, self.fail = self.fail, None
        if error is not None:
            raise error


class FakeCampaigns:
    """Campaigns that are kept, and never dialed."""

    def __init__(self, ledger: Ledger, redis: RedisClient, clock: Clock) -> None:
        self._ledger = ledger
        self._redis = redis
        self._clock = clock
        self.figures: dict[str, LiveFigures] = {}
        self.unsafe = False

    async def create(
        self, *, name: str, portfolio_id: str, settings: CampaignSettings, actor: str
    ) -> Campaign:
        async with self._ledger.write() as conn:
            made = await create_campaign(
                conn,
                name=name,
                portfolio_id=portfolio_id,
                settings=settings,
                actor=actor,
                now_ms=self._now_ms(),
            )
        await enrol(self._ledger, made, now_ms=self._now_ms())
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
        async with self._ledger.write() as conn:
            return await change_settings(
                conn, campaign_id, settings, actor=actor, now_ms=self._now_ms()
            )

    async def act(self, campaign_id: str, action: CampaignAction, *, actor: str) -> Campaign:
        if self.unsafe:
            raise UnsafeDialing(es="el seguro", en="the catch")
        async with self._ledger.write() as conn:
            return await act_on_campaign(
                conn, campaign_id, action, actor=actor, now_ms=self._now_ms()
            )

    async def live(self, campaign_id: CampaignId) -> LiveFigures | None:
        return self.figures.get(campaign_id)

    def follow(self, campaign_id: str, last_id: str | None) -> AsyncIterator[LiveEvent | None]:
        return LiveFeed(self._redis, campaign_id).follow(last_id, block_ms=100)

    def feed(self, campaign_id: str) -> LiveFeed:
        return LiveFeed(self._redis, campaign_id)

    def _now_ms(self) -> int:
        return to_ms(self._clock.now())


class FakeMessages:
    """No messages: the routes' own tests put what they need in its place."""

    def __init__(self) -> None:
        self.links: set[str] = set()
        self.unsubscribed: list[str] = []

    async def reply(self, thread_id: str, text: str, *, author: str) -> Sent:
        raise NoSuchThread(thread_id)

    def knows_link(self, token: str) -> bool:
        return token in self.links

    async def unsubscribe(self, token: str) -> bool:
        if token not in self.links:
            return False
        self.unsubscribed.append(token)
        return True


class FakeServices:
    """Satisfies `dialer.console.services.Services`."""

    def __init__(self, config: Config, ledger: Ledger, redis: RedisClient, packs: PackSet) -> None:
        self.config = config
        self.clock: Clock = WallClock()
        self.ledger = ledger
        self.redis = redis
        self.events = EventStore(ledger)
        self.packs = packs
        self.desk = Desk(
            clock=self.clock,
            pools=lambda campaign: AgentPool(redis, campaign),
            presence_s=config.engine.presence_s,
        )
        carrier = NullCarrier(clock=self.clock)
        self.supervision = Supervision(
            clock=self.clock,
            adapter=carrier,
            calls=Calls(clock=self.clock, adapter=carrier, desk=self.desk),
            desk=self.desk,
            ledger=ledger,
            tell_agents=False,
        )
        self.agents = FakeAgents(self.desk)
        self.messages = FakeMessages()
        self.campaigns = FakeCampaigns(ledger, redis, self.clock)
        self.imports = ImportRuns(ledger, config.data_path, self.clock)
        self.problems: list[NotReady] = []
        self.carrier: dict[str, int] = {}
        self.carrier_nodes: list[NodeFigures] = []
        self.providers: dict[str, dict[str, int]] = {}

    async def check(self, question: Question) -> Answer:
        return answer(question, self.packs)

    async def explain(self, asked: str, language: Language, *, limit: int) -> Story | None:
        return await explain_contact(
            self.ledger, self.packs, asked, language=language.value, limit=limit
        )

    def inbound(self) -> InboundFigures:
        return InboundFigures(
            waiting=0,
            received=0,
            identified=0,
            in_flow=0,
            served=0,
            connected=0,
            missed=0,
            turned_away=0,
            longest_wait_s=0.0,
        )

    def carrier_counts(self) -> Mapping[str, int]:
        return self.carrier

    def nodes(self) -> Sequence[NodeFigures]:
        return self.carrier_nodes

    def provider_counts(self) -> Mapping[str, Mapping[str, int]]:
        return self.providers

    async def ready(self) -> list[NotReady]:
        return self.problems


class Reply(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> dict[str, Json]:
        found = msgspec.json.decode(self.raw)
        assert isinstance(found, dict), found
        return found

    @property
    def error(self) -> dict[str, str]:
        answer = msgspec.json.decode(self.raw, type=dict[str, dict[str, str]], strict=True)
        assert set(answer) == {"error"}
        assert set(answer["error"]) == {"code", "message", "where", "mend"}
        return answer["error"]

    @property
    def code(self) -> str:
        return self.error["code"]


class Site:
    """A running server, and its users."""

    def __init__(self, ledger: Ledger, url: str, http: aiohttp.ClientSession) -> None:
        self.ledger = ledger
        self.url = url
        self.http = http
        self._tokens: dict[Role, str] = {}
        self.users: dict[Role, User] = {}

    async def user(self, role: Role, name: str | None = None) -> User:
        """A user with the password `PASSWORD`; one for each role, unless a name is given."""
        async with self.ledger.write() as conn:
            made = await create_user(
                conn,
                username=name or str(role),
                display_name=f"{role} de prueba",
                role=role,
                language=Language.ES,
                password_hash=CHEAP_HASH,
                actor="tests",
                now_ms=now_ms(),
            )
        if name is None:
            self.users[role] = made
        return made

    async def token(self, user: User) -> str:
        """A login of a user, without the work of a password."""
        async with self.ledger.write() as conn:
            made = await start_session(conn, user.user_id, now_ms=now_ms(), lifetime_s=DAY_S)
        return made.secret

    async def token_of(self, role: Role) -> str:
        if role not in self._tokens:
            user = self.users.get(role) or await self.user(role)
            self._tokens[role] = await self.token(user)
        return self._tokens[role]

    async def call(
        self,
        method: str,
        path: str,
        *,
        role: Role | None = None,
        token: str | None = None,
        json: object = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; `path` below `/api/v1` unless it names a host path like `/healthz`."""
        sent = dict(headers or {})
        if role is not None:
            token = await self.token_of(role)
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if json is not None:
            data = msgspec.json.encode(json)
            sent.setdefault("Content-Type", "application/json")
        place = path if path.startswith("/") else f"/api/v1/{path}"
        async with self.http.request(
            method, place, headers=sent, data=data, params=params, allow_redirects=False
        ) as response:
            return Reply(response.status, response.headers, await response.read())

    async def socket(
        self,
        token: str | None,
        *,
        headers: Mapping[str, str] | None = None,
        protocols: tuple[str, ...] = (),
        seq: int = 0,
    ) -> AgentClient:
        """An agent's connection, resumed after `seq`."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        socket = await self.http.ws_connect(
            "/api/v1/agent/socket", headers=sent, protocols=protocols
        )
        client = AgentClient(socket)
        await client.say(type="resume", seq=seq)
        return client


class World(Site):
    """A server whose engine is small."""

    def __init__(self, services: FakeServices, url: str, http: aiohttp.ClientSession) -> None:
        super().__init__(services.ledger, url, http)
        self.services = services


class AgentClient:
    """The client's end of an agent's WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, **message: object) -> None:
        await self.socket.send_str(msgspec.json.encode(message).decode())

    async def hear(self) -> dict[str, Json]:
        frame = await self.socket.receive(timeout=10)
        assert frame.type is aiohttp.WSMsgType.TEXT, frame
        found = msgspec.json.decode(frame.data)
        assert isinstance(found, dict)
        return found

    async def hear_all(self, count: int) -> list[dict[str, Json]]:
        return [await self.hear() for _ in range(count)]

    async def closed(self) -> int:
        """The close code, after whatever else comes."""
        while True:
            frame = await self.socket.receive(timeout=10)
            if frame.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                return self.socket.close_code or 0


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another part of the server does in its own time."""
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline_s
        await asyncio.sleep(0.005)


def now_ms() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)


def config_of(folder: Path, *, http: HttpConfig | None = None) -> Config:
    return Config(data_dir=str(folder), http=http or HttpConfig(port=0))


@asynccontextmanager
async def open_world(services: FakeServices) -> AsyncIterator[World]:
    """A server on a port of its own, and a client without a cookie jar."""
    async with (
        serve(services, services.config.http) as url,
        aiohttp.ClientSession(url, cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        yield World(services, url, http)
