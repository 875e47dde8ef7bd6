"""A second ledger of the same engine, to compare with."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialer.stores.ledger.bulk import Dialect
from dialer.stores.ledger.database import Ledger, open_ledger
from tests.stores.ledger.relational.world import NOW_MS
from tests.support.postgres import PostgresServer


@pytest.fixture
async def second_ledger(
    dialect: Dialect, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Ledger]:
    if dialect is Dialect.SQLITE:
        path = tmp_path / "second.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        ledger = await open_ledger(f"sqlite+aiosqlite:///{path}", now_ms=NOW_MS)
        yield ledger
        await ledger.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create_database(request.getfixturevalue("postgres_template"))
    ledger = await open_ledger(server.url(name), now_ms=NOW_MS)
    yield ledger
    await ledger.close()
    server.drop_database(name)
