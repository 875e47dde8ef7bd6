"""Two campaigns over the same people, on both ledgers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from compliance.types import CampaignId
from dialer.core.records import to_ms
from dialer.stores.ledger.bulk import Dialect
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.redis.client import RedisClient
from dialer.stores.redis.embedded import EmbeddedRedis
from tests.faults.prepared import MORNING, pack_of, populate, write_packs
from tests.races.racer import fill_queue
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.redis_server import redis_client, redis_server

__all__ = ["postgres_server", "redis_client", "redis_server"]

ONCE = {"person": 1, "number": 1, "account": 1}
"""One contact a day for each of them, whoever else asks."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """Where a race is run."""

    ledger: Ledger
    ledger_url: str
    redis: RedisClient
    redis_url: str
    folder: Path
    packs: Path
    country: str
    campaigns: list[CampaignId]


OpenField = Callable[..., Awaitable[Field]]


@pytest.fixture(params=list(Dialect), ids=str)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param is Dialect.SQLITE:
        yield f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest_asyncio.fixture
async def open_field(
    ledger_url: str, tmp_path: Path, redis_server: EmbeddedRedis, redis_client: RedisClient
) -> AsyncIterator[OpenField]:
    """Country, accounts and campaigns to a field with filled queues."""
    ledger = await open_ledger(ledger_url, now_ms=to_ms(MORNING))

    async def opened(country: str, *, accounts: int, campaigns: int = 2) -> Field:
        made = await populate(ledger, tmp_path, country, accounts=accounts, campaigns=campaigns)
        for campaign_id in made:
            await fill_queue(ledger, redis_client, campaign_id)
        return Field(
            ledger=ledger,
            ledger_url=ledger_url,
            redis=redis_client,
            redis_url=redis_server.url,
            folder=tmp_path,
            packs=write_packs(tmp_path / "packs", pack_of(ONCE)),
            country=country,
            campaigns=made,
        )

    yield opened
    await ledger.close()
