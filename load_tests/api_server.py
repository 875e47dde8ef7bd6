"""Servers for the API's load test, each in a process of its own: ours, and a bare peer.

Prints the base URL when it listens, and ends when its standard input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import uvloop
from aiohttp import web
from argon2 import PasswordHasher

from campaigns.campaign import CampaignAction, CampaignSettings
from compliance.types import (
    AccountId,
    Channel,
    CollectorRole,
    ContactPointId,
    CreditorId,
    DebtClass,
    DecisionId,
    PersonId,
)
from dialer.bootstrap import Marcador, open_marcador, set_up_logging
from dialer.config import Config, HttpConfig, LogConfig
from dialer.console.server import serve
from dialer.core.records import ContactBlocked, to_ms
from dialer.runtime.services import EngineServices
from dialer.stores.ledger.campaigns import create_campaign
from dialer.stores.ledger.portfolios import Portfolio, create_portfolio
from dialer.stores.ledger.streams import NewEvent
from dialer.stores.ledger.users import Language, Role, create_user
from load_tests.accounts import Account, Accounts

PASSWORD = "load-test-password"
DECISIONS = 2_000
ACTOR = "load test"


async def prepare(marcador: Marcador, agents: int) -> Accounts:
    """Users, a campaign that this worker drives (paused), and decisions to list."""
    now_ms = to_ms(marcador.clock.now())
    hashed = PasswordHasher().hash(PASSWORD)
    names = {"load-manager": Role.MANAGER} | {f"load-{n}": Role.AGENT for n in range(agents)}
    async with marcador.ledger.write() as conn:
        for name, role in names.items():
            await create_user(
                conn,
                username=name,
                display_name=name,
                role=role,
                language=Language.ES,
                password_hash=hashed,
                actor=ACTOR,
                now_ms=now_ms,
            )
        portfolio = Portfolio(
            portfolio_id="load",
            name="load",
            creditor_id=CreditorId("load"),
            creditor_name="Load",
            creditor_name_neutral="Load",
            collector_role=CollectorRole.THIRD_PARTY,
            country="CL",
            currency="CLP",
            debt_class=DebtClass.CONSUMER,
            synthetic=True,
            created_ms=now_ms,
        )
        await create_portfolio(conn, portfolio)
        campaign = await create_campaign(
            conn,
            name="load",
            portfolio_id=portfolio.portfolio_id,
            settings=CampaignSettings(),
            actor=ACTOR,
            now_ms=now_ms,
        )
    await marcador.engine.store.append(
        [
            NewEvent(
                person_id=PersonId(f"person-{number % 100}"),
                at_ms=now_ms,
                body=ContactBlocked(
                    decision_id=DecisionId(f"decision-{number}"),
                    campaign_id=campaign.campaign_id,
                    account_id=AccountId("account"),
                    contact_point_id=ContactPointId("point"),
                    channel=Channel.VOICE,
                    rule_id="cl.hours",
                ),
            )
            for number in range(DECISIONS)
        ]
    )
    await marcador.engine.act(campaign.campaign_id, CampaignAction.START, actor=ACTOR)
    await marcador.engine.own_campaigns()
    await marcador.engine.act(campaign.campaign_id, CampaignAction.PAUSE, actor=ACTOR)
    manager, *others = (Account(name, PASSWORD) for name in names)
    return Accounts(manager, others)


@asynccontextmanager
async def open_api(folder: Path, agents: int, accounts_file: Path) -> AsyncIterator[str]:
    """The whole of Marcador on embedded defaults; the accounts go into a file."""
    config = Config(data_dir=str(folder), http=HttpConfig(port=0), log=LogConfig(level="warning"))
    set_up_logging(config.log)
    async with open_marcador(config) as marcador:
        accounts = await prepare(marcador, agents)
        await asyncio.to_thread(accounts_file.write_bytes, msgspec.json.encode(accounts))
        await marcador.engine.start()
        try:
            async with serve(EngineServices(marcador), config.http) as url:
                yield url
        finally:
            await marcador.engine.stop()


@asynccontextmanager
async def open_hello() -> AsyncIterator[str]:
    """The peer: aiohttp with one route, no authentication, no store."""

    async def hello(_: web.Request) -> web.Response:
        return web.json_response({"hello": "world"})

    app = web.Application()
    app.router.add_get("/hello", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def until_told_to_stop() -> None:
    """Whoever started this process closes our standard input, or dies, which does the same."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def run(options: argparse.Namespace) -> None:
    if options.hello:
        async with open_hello() as url:
            print(url, flush=True)
            await until_told_to_stop()
        return
    with tempfile.TemporaryDirectory(prefix="mb-") as folder:
        async with open_api(Path(folder), options.agents, options.accounts) as url:
            print(url, flush=True)
            await until_told_to_stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hello", action="store_true", help="the bare peer")
    parser.add_argument("--agents", type=int, default=25)
    parser.add_argument("--accounts", type=Path, default=Path("accounts.json"))
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
