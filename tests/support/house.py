"""A whole Marcador in a test: real SQLite, real Redis, a simulated carrier with a fixed world."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import TypeVar

from campaigns.campaign import CampaignAction, CampaignSettings
from campaigns.content.lifecycle import ContentAction
from campaigns.content.template import Template
from campaigns.sample.generator import SampleSettings, generate
from compliance.types import Channel, CollectorRole, CreditorId, DebtClass, Mode
from dialer.bootstrap import Marcador, open_marcador
from dialer.config import Config, load_config
from dialer.core.desk_messages import AnyClientMessage, AnyServerMessage, Refused, SetReady
from dialer.core.records import to_ms
from dialer.runtime.clock import Clock, SimulatedClock
from dialer.runtime.importing import ImportJob, ImportSummary
from dialer.stores.ledger.campaigns import Campaign, create_campaign, enrol
from dialer.stores.ledger.content import ContentKind, act_on_version, create_version
from dialer.stores.ledger.portfolios import Portfolio, ensure_portfolio
from telephony_adapters.port import TelephonyAdapter
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.correspondents import MessageWorld
from telephony_adapters.simulator.message_script import CALM, MessageScript
from telephony_adapters.simulator.messenger import SimulatedMessenger
from telephony_adapters.simulator.script import FAIR_WEATHER, Script
from telephony_adapters.simulator.world import World

M = TypeVar("M", bound=AnyServerMessage)

NOON_IN_CHILE = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
"""A Tuesday, 12:00 in Santiago: every hour rule of the pack is open."""
CURRENCIES = {"CL": "CLP", "MX": "MXN", "US": "USD"}
SPEED = 40.0
PATIENCE_S = 20.0
"""Real seconds that a test waits for something before it fails."""


def house_config(folder: Path, redis_url: str, **overrides: object) -> Config:
    return load_config(
        environ={},
        overrides={
            "data_dir": str(folder),
            "redis.url": redis_url,
            "log.level": "error",
            "engine.tick_ms": 20,
            "engine.sweep_s": 0.2,
            "telephony.originates_per_s": 1_000.0,
            **{key.replace("__", "."): value for key, value in overrides.items()},
        },
    )


class House:
    """Handles to the parts, and the moves that tests make often."""

    def __init__(self, marcador: Marcador, portfolio: Portfolio) -> None:
        self.marcador = marcador
        self.portfolio = portfolio
        self.engine = marcador.engine

    @property
    def carrier(self) -> SimulatedCarrier:
        assert isinstance(self.marcador.adapter, SimulatedCarrier)
        return self.marcador.adapter

    @property
    def messenger(self) -> SimulatedMessenger:
        """The one provider of messages, of all channels."""
        messenger = self.engine.post.sender.messengers[Channel.SMS]
        assert isinstance(messenger, SimulatedMessenger)
        return messenger

    async def approve(self, *templates: Template) -> None:
        """Let a second person approve texts."""
        ledger, now_ms = self.marcador.ledger, to_ms(self.marcador.clock.now())
        for template in templates:
            async with ledger.write() as conn:
                made = await create_version(conn, template, actor="author", now_ms=now_ms)
            for action, actor in (
                (ContentAction.SUBMIT, "author"),
                (ContentAction.APPROVE, "approver"),
            ):
                await act_on_version(
                    ledger,
                    ContentKind.TEMPLATE,
                    template.name,
                    made.info.version,
                    action,
                    actor=actor,
                    now_ms=now_ms,
                )

    async def campaign(
        self, name: str = "test", *, start: bool = True, settings: CampaignSettings | None = None
    ) -> Campaign:
        """A campaign over all accounts, running and owned."""
        now_ms = to_ms(self.marcador.clock.now())
        async with self.marcador.ledger.write() as conn:
            campaign = await create_campaign(
                conn,
                name=name,
                portfolio_id=self.portfolio.portfolio_id,
                settings=settings or CampaignSettings(mode=Mode.PROGRESSIVE),
                actor="test",
                now_ms=now_ms,
            )
        await enrol(self.marcador.ledger, campaign, now_ms=now_ms)
        if start:
            campaign = await self.engine.act(
                campaign.campaign_id, CampaignAction.START, actor="test"
            )
            await self.engine.own_campaigns()
        return campaign

    async def agent(self, name: str) -> DeskAgent:
        """An agent who sits at the desk, paused."""
        agent = DeskAgent(self, name)
        await self.engine.agents.join(agent_id=name, username=name, name=name, language="es")
        self.engine.desk.connect(name, agent.inbox.put_nowait, 0)
        await self.engine.own_campaigns()
        return agent

    async def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until something holds; fails with `what` when it does not come."""
        deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
        while not condition():
            assert asyncio.get_running_loop().time() < deadline_s, what
            await asyncio.sleep(0.005)


class DeskAgent:
    """An agent of a test: says what it is told, remembers what it hears."""

    def __init__(self, house: House, name: str) -> None:
        self.house = house
        self.name = name
        self.inbox: asyncio.Queue[AnyServerMessage] = asyncio.Queue()
        self.heard: list[AnyServerMessage] = []

    async def say(self, message: AnyClientMessage) -> None:
        await self.house.engine.agents.handle(self.name, message)

    async def ready(self) -> None:
        await self.say(SetReady())

    async def hear(self, kind: type[M]) -> M:
        """The next message of a kind; a refusal that was not asked for fails."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.inbox.get()
                self.heard.append(message)
                if isinstance(message, kind):
                    return message
                assert not isinstance(message, Refused), message


async def import_sample(
    marcador: Marcador, folder: Path, accounts: int, country: str = "CL"
) -> tuple[Portfolio, ImportSummary]:
    """A clean portfolio in the ledger."""
    path = folder / "sample.csv"
    text = StringIO(newline="")
    settings = SampleSettings(
        country=country, accounts=accounts, seed=1, today=NOON_IN_CHILE.date(), dirt=False
    )
    generate(text, settings)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    portfolio = Portfolio(
        portfolio_id="portfolio-test",
        name="test",
        creditor_id=CreditorId("creditor"),
        creditor_name="Banco de Prueba",
        creditor_name_neutral="Servicios BP",
        collector_role=CollectorRole.THIRD_PARTY,
        country=country,
        currency=CURRENCIES[country],
        debt_class=DebtClass.CONSUMER,
        synthetic=True,
        created_ms=to_ms(NOON_IN_CHILE),
    )
    ledger = marcador.ledger
    async with ledger.write() as conn:
        portfolio = await ensure_portfolio(conn, portfolio)
    job = ImportJob(
        ledger,
        portfolio,
        path,
        reports_dir=folder / "reports",
        now_ms=lambda: to_ms(NOON_IN_CHILE),
    )
    return portfolio, await job.run()


@asynccontextmanager
async def open_house(
    folder: Path,
    redis_url: str,
    world: World,
    *,
    accounts: int = 30,
    country: str = "CL",
    speed: float = SPEED,
    script: Script = FAIR_WEATHER,
    adapter: TelephonyAdapter | None = None,
    make_adapter: Callable[[Clock], TelephonyAdapter] | None = None,
    overrides: Mapping[str, object] | None = None,
    letters: MessageWorld | None = None,
    message_script: MessageScript = CALM,
    start: datetime | None = None,
) -> AsyncIterator[House]:
    """A started engine over an imported portfolio; stopped at the end.

    `make_adapter` is for an adapter that needs the engine's own clock.
    """
    clock = SimulatedClock(start or NOON_IN_CHILE, speed)
    if make_adapter is not None:
        adapter = make_adapter(clock)
    carrier = adapter or SimulatedCarrier(clock=clock, world=world, script=script)
    config = house_config(folder, redis_url, **dict(overrides or {}))
    messengers = None
    if letters is not None:
        messenger = SimulatedMessenger(clock=clock, world=letters, script=message_script)
        messengers = dict.fromkeys(messenger.facts.channels, messenger)
    async with open_marcador(
        config, clock=clock, adapter=carrier, messengers=messengers
    ) as marcador:
        portfolio, _ = await import_sample(marcador, folder, accounts, country)
        await marcador.engine.start()
        try:
            yield House(marcador, portfolio)
        finally:
            await marcador.engine.stop()
