"""A real Redis for tests: one embedded server for the whole run, empty for each test.

    from tests.support.redis_server import redis_client, redis_server
    __all__ = ["redis_client", "redis_server"]

in a conftest.py makes the fixtures known to the tests below it.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from dialer.stores.redis import EmbeddedRedis, RedisClient, connect


@contextmanager
def short_folder() -> Iterator[Path]:
    """A private folder with a path short enough for a unix socket, whatever pytest's is called."""
    folder = Path(tempfile.mkdtemp(prefix="mr-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def redis_folder() -> Iterator[Path]:
    """A folder for an embedded server that a test starts and ends itself."""
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """A started embedded server that all tests of the run share."""
    with short_folder() as folder:
        server = EmbeddedRedis(folder)
        asyncio.run(server.start())
        try:
            yield server
        finally:
            asyncio.run(server.stop())


@pytest_asyncio.fixture
async def redis_client(redis_server: EmbeddedRedis) -> AsyncIterator[RedisClient]:
    """A connection to the shared server, with nothing in it."""
    async with await connect(redis_server) as client:
        await client.execute("FLUSHALL")
        yield client
