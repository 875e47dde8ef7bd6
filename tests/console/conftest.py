"""Fixtures of the console's tests."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

import pytest

from compliance.packs import PackSet, load_packs
from dialer.config import Config
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.redis import RedisClient
from tests.console.world import FakeServices, World, config_of, now_ms, open_world
from tests.support.redis_server import redis_client, redis_folder, redis_server

__all__ = ["redis_client", "redis_folder", "redis_server"]


@pytest.fixture(scope="session")
def ledger_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger with its tables; copied for each test."""
    path = tmp_path_factory.mktemp("template") / "ledger.db"

    async def make() -> None:
        await (await open_ledger(f"sqlite+aiosqlite:///{path}", now_ms=now_ms())).close()

    asyncio.run(make())
    return path


@pytest.fixture
async def ledger(ledger_template: Path, tmp_path: Path) -> AsyncIterator[Ledger]:
    path = tmp_path / "ledger.db"
    shutil.copy(ledger_template, path)
    opened = await open_ledger(f"sqlite+aiosqlite:///{path}", now_ms=now_ms())
    yield opened
    await opened.close()


@cache
def all_packs() -> PackSet:
    return load_packs(production=False)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Override it in a test module for other limits."""
    return config_of(tmp_path)


@pytest.fixture
def services(config: Config, ledger: Ledger, redis_client: RedisClient) -> FakeServices:
    return FakeServices(config, ledger, redis_client, all_packs())


@pytest.fixture
async def world(services: FakeServices) -> AsyncIterator[World]:
    async with open_world(services) as opened:
        yield opened
