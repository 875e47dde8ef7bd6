"""One suite, two engines: every test that asks for `ledger` or `store` runs on both."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from dialer.stores.ledger.bulk import Dialect
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.ledger.streams import EventStore
from tests.support.postgres import PostgresServer, postgres_server

__all__ = ["postgres_server"]

OPENED_MS = 1_788_000_000_000


@pytest.fixture(params=list(Dialect), ids=str)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    chosen: Dialect = request.param
    return chosen


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger with its tables; copied for each test."""
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    _make_tables(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    name = postgres_server.create_database()
    _make_tables(postgres_server.url(name))
    return name


def _make_tables(url: str) -> None:
    async def make() -> None:
        await (await open_ledger(url, now_ms=OPENED_MS)).close()

    asyncio.run(make())


@pytest.fixture
def ledger_url(dialect: Dialect, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a fresh ledger, with its tables made."""
    if dialect is Dialect.SQLITE:
        path = tmp_path / "ledger.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite+aiosqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create_database(request.getfixturevalue("postgres_template"))
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    opened = await open_ledger(ledger_url, now_ms=OPENED_MS)
    yield opened
    await opened.close()


@pytest.fixture
def store(ledger: Ledger) -> EventStore:
    return EventStore(ledger)


@pytest.fixture
def behind_its_back(
    dialect: Dialect, ledger_url: str, request: pytest.FixtureRequest
) -> Callable[[str], None]:
    """Run SQL as somebody would who tampers: not through Marcador."""
    database = make_url(ledger_url).database
    assert database is not None

    def on_sqlite(sql: str) -> None:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute(sql)
            connection.commit()

    def on_postgres(sql: str) -> None:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.psql(sql, database)

    return on_sqlite if dialect is Dialect.SQLITE else on_postgres
