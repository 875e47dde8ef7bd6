"""Opening, transactions, and what is said when the ledger cannot be used."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path

import aiosqlite
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, text

from dialer.stores.ledger import database, migrations, schema
from dialer.stores.ledger.audit import list_audit
from dialer.stores.ledger.bulk import Dialect, bulk_insert
from dialer.stores.ledger.database import Ledger, LedgerUnavailable, Trouble, open_ledger
from dialer.stores.ledger.direct import Conn, DirectConnection
from dialer.stores.ledger.streams import EventStore
from tests.stores.ledger.conftest import OPENED_MS
from tests.stores.ledger.world import append_one, changed, planned
from tests.support.postgres import PostgresServer, running_postgres

NOTE = bulk_insert(schema.note, ["note_id", "text", "author", "at_ms"])


def note(number: int, text: str = "x") -> dict[str, str | int]:
    return {"note_id": f"n{number}", "text": text, "author": "agent", "at_ms": number}


async def count_notes(ledger: Ledger) -> int:
    async with ledger.read() as conn:
        return len((await conn.execute(select(schema.note.c.note_id))).all())


# --- migrations -----------------------------------------------------------------------------


async def test_migrations_make_exactly_the_tables_of_the_schema(ledger: Ledger) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), schema.metadata))

    async with ledger.read() as conn:
        assert await conn.run_sync(differences) == []


def test_head_names_the_newest_migration() -> None:
    folder = Path(migrations.__file__).parent
    assert ScriptDirectory(str(folder)).get_current_head() == migrations.HEAD


async def test_opening_again_changes_nothing(ledger_url: str) -> None:
    for _ in range(2):
        ledger = await open_ledger(ledger_url, now_ms=OPENED_MS + 1)
        async with ledger.read() as conn:
            [entry] = await list_audit(conn)
        assert (entry.action, entry.at_ms) == ("ledger.migrate", OPENED_MS)
        await ledger.close()


async def test_several_may_open_an_empty_ledger_at_once(
    dialect: Dialect, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if dialect is Dialect.SQLITE:
        url = f"sqlite+aiosqlite:///{tmp_path}/new.db"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.url(server.create_database())
    ledgers = await asyncio.gather(*(open_ledger(url, now_ms=n) for n in range(4)))
    async with ledgers[0].read() as conn:
        assert len(await list_audit(conn)) == 1
    for ledger in ledgers:
        await ledger.close()


async def test_a_newer_ledger_is_left_alone(
    ledger_url: str, behind_its_back: Callable[[str], None]
) -> None:
    behind_its_back("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerUnavailable, match=r"revision 9999.*newer") as caught:
        await open_ledger(ledger_url, now_ms=0)
    assert caught.value.trouble is Trouble.NEWER_SCHEMA


# --- transactions -----------------------------------------------------------------------------


async def test_a_write_is_kept_whole_or_not_at_all(ledger: Ledger) -> None:
    async def write_and_fail() -> None:
        async with ledger.write() as conn:
            await NOTE.run(conn, [note(1)])
            raise LookupError

    with pytest.raises(LookupError):
        await write_and_fail()
    assert await count_notes(ledger) == 0
    async with ledger.write() as conn:
        await NOTE.run(conn, [note(1)])
    assert await count_notes(ledger) == 1


async def test_a_cancelled_write_leaves_nothing_and_the_ledger_usable(ledger: Ledger) -> None:
    inside = asyncio.Event()

    async def write_and_wait() -> None:
        async with ledger.write() as conn:
            await NOTE.run(conn, [note(1)])
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_and_wait())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count_notes(ledger) == 0
    async with ledger.write() as conn:
        await NOTE.run(conn, [note(2)])
    assert await count_notes(ledger) == 1


async def test_readers_do_not_write(ledger: Ledger) -> None:
    with pytest.raises(LedgerUnavailable) as caught:
        async with ledger.read() as conn:
            await NOTE.run(conn, [note(1)])
    assert caught.value.trouble is Trouble.READ_ONLY
    assert await count_notes(ledger) == 0


async def test_a_reader_goes_on_while_a_writer_writes(ledger: Ledger) -> None:
    async with ledger.write() as conn:
        await NOTE.run(conn, [note(1)])
        assert await count_notes(ledger) == 0
    assert await count_notes(ledger) == 1


async def test_writers_take_turns(ledger: Ledger) -> None:
    async def add(number: int) -> None:
        async with ledger.write() as conn:
            await NOTE.run(conn, [note(number)])

    await asyncio.gather(*(add(number) for number in range(40)))
    assert await count_notes(ledger) == 40


async def test_many_readers_wait_for_a_connection(ledger: Ledger) -> None:
    assert set(await asyncio.gather(*(count_notes(ledger) for _ in range(40)))) == {0}


async def test_readers_that_keep_every_connection_are_told(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "POOL_TIMEOUT_S", 0.05)
    ledger = await open_ledger(ledger_url, now_ms=0)
    async with AsyncExitStack() as stack:
        connections = {
            Dialect.SQLITE: database.SQLITE_READERS,
            Dialect.POSTGRESQL: database.POSTGRESQL_CONNECTIONS,
        }
        for _ in range(connections[ledger.dialect]):
            await stack.enter_async_context(ledger.read())
        with pytest.raises(LedgerUnavailable, match="every connection was busy") as caught:
            await count_notes(ledger)
        assert caught.value.trouble is Trouble.LOCKED
    assert await count_notes(ledger) == 0
    await ledger.close()


async def test_writes_survive_a_change_of_process(ledger: Ledger, ledger_url: str) -> None:
    async with ledger.write() as conn:
        await NOTE.run(conn, [note(1)])
    again = await open_ledger(ledger_url, now_ms=0)
    assert await count_notes(again) == 1
    await again.close()


# --- URLs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("no url", "no database URL"),
        ("mysql://host/db", "no driver for mysql"),
        ("postgresql+psycopg2://host/db", "no driver for postgresql"),
        ("sqlite+aiosqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
    ],
)
async def test_a_url_that_names_no_ledger(url: str, words: str) -> None:
    with pytest.raises(LedgerUnavailable, match=words) as caught:
        await open_ledger(url, now_ms=0)
    assert caught.value.trouble is Trouble.BAD_URL


async def test_a_url_without_a_driver_gets_ours(tmp_path: Path) -> None:
    ledger = await open_ledger(f"sqlite:///{tmp_path}/ledger.db", now_ms=0)
    assert ledger.dialect is Dialect.SQLITE
    await ledger.close()


async def test_passwords_are_not_shown() -> None:
    url = "postgresql://ana:geheim@/db?host=/nowhere"
    with pytest.raises(LedgerUnavailable) as caught:
        await open_ledger(url, now_ms=0)
    assert caught.value.trouble is Trouble.UNREACHABLE
    assert "geheim" not in str(caught.value)


# --- SQLite -----------------------------------------------------------------------------------


async def test_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    ledger = await open_ledger(f"sqlite:///{tmp_path}/ledger.db", now_ms=0)
    async with ledger.write() as conn:
        settings = {
            name: (await conn.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    await ledger.close()


async def test_a_reader_cancelled_while_it_ends_gives_its_connection_back_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A stop does that: the pool throws a connection away that is not given back whole."""
    ledger = await open_ledger(f"sqlite:///{tmp_path}/ledger.db", now_ms=OPENED_MS)
    ending = asyncio.Event()
    rollback = aiosqlite.Connection.rollback

    async def noted(connection: aiosqlite.Connection) -> None:
        ending.set()
        await rollback(connection)

    monkeypatch.setattr(aiosqlite.Connection, "rollback", noted)
    task = asyncio.create_task(count_notes(ledger))
    await ending.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ledger.close()
    assert [r.message for r in caplog.records if r.name.startswith("sqlalchemy")] == []


async def test_a_write_inside_a_write_is_told(tmp_path: Path) -> None:
    ledger = await open_ledger(f"sqlite:///{tmp_path}/ledger.db", now_ms=0)
    async with ledger.write():
        with pytest.raises(RuntimeError, match="inside another"):
            async with ledger.write():
                pass
    await ledger.close()


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match=r"there is no directory .*nowhere"):
        await open_ledger(f"sqlite:///{tmp_path}/nowhere/ledger.db", now_ms=0)


async def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"Fecha;Monto\n" * 1000)
    with pytest.raises(LedgerUnavailable, match="not a database") as caught:
        await open_ledger(f"sqlite:///{path}", now_ms=0)
    assert caught.value.trouble is Trouble.DAMAGED


async def test_an_old_sqlite_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(LedgerUnavailable, match=r"older than 3\.38\.0") as caught:
        await open_ledger(f"sqlite:///{tmp_path}/ledger.db", now_ms=0)
    assert caught.value.trouble is Trouble.WRONG_VERSION


async def test_a_full_disk_is_told_and_nothing_is_half_written(tmp_path: Path) -> None:
    ledger = await open_ledger(f"sqlite:///{tmp_path}/ledger.db", now_ms=0)
    store = EventStore(ledger)
    async with ledger.read() as conn:
        pages = (await conn.execute(text("PRAGMA page_count"))).scalar_one()

    async def allow(conn: Conn, most: int) -> None:
        assert isinstance(conn, DirectConnection)
        conn.execute(f"PRAGMA max_page_count = {most}", ())

    await ledger.write_at_once(partial(allow, most=pages + 8))
    with pytest.raises(LedgerUnavailable, match=r"full.*free some space") as caught:
        await store.append([changed(f"p{number}", "x" * 500) for number in range(500)])
    assert caught.value.trouble is Trouble.FULL
    async with ledger.read() as conn:
        assert (await conn.execute(select(schema.ledger_event))).all() == []
    await ledger.write_at_once(partial(allow, most=100_000))
    assert (await append_one(store, changed("p1"))).seq == 1
    await ledger.close()


async def test_a_ledger_held_by_another_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    path = tmp_path / "ledger.db"
    ledger = await open_ledger(f"sqlite:///{path}", now_ms=0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable, match="locked") as caught:
            await EventStore(ledger).append([changed("ana")])
        assert caught.value.trouble is Trouble.LOCKED
        other.execute("ROLLBACK")
    assert (await append_one(EventStore(ledger), changed("ana"))).seq == 1
    await ledger.close()


async def test_a_cancelled_statement_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no garbage is collected for a while, as in a running engine."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 1.0)
    ledger = await open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", now_ms=0)
    # Its first row comes late, and its last is never read.
    slow = text(
        "WITH RECURSIVE n(i) AS (SELECT one() UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) "
        "SELECT i FROM n WHERE i IN (2000000, 3000000)"
    )
    running = asyncio.Event()
    loop = asyncio.get_running_loop()

    def one() -> int:
        loop.call_soon_threadsafe(running.set)
        return 1

    async def write() -> None:
        async with ledger.write() as conn:
            raw = (await conn.get_raw_connection()).driver_connection
            assert isinstance(raw, aiosqlite.Connection)
            await raw.create_function("one", 0, one)
            await conn.execute(slow)

    gc.disable()
    try:
        task = asyncio.create_task(write())
        await running.wait()
        task.cancel()
        (end,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(end, asyncio.CancelledError)
        assert (await append_one(EventStore(ledger), changed("ana"))).seq == 1
    finally:
        gc.enable()
    await ledger.close()


# --- PostgreSQL -------------------------------------------------------------------------------


async def test_a_missing_postgresql_database_is_named(postgres_server: PostgresServer) -> None:
    with pytest.raises(LedgerUnavailable, match="nowhere") as caught:
        await open_ledger(postgres_server.url("nowhere"), now_ms=0)
    assert caught.value.trouble is Trouble.UNREACHABLE


async def test_a_postgresql_that_goes_away_and_comes_back() -> None:
    with running_postgres("fsync=off") as server:
        ledger = await open_ledger(server.url(), now_ms=0)
        store = EventStore(ledger)
        await append_one(store, changed("ana"))
        server.stop()
        for _ in range(2):
            with pytest.raises(LedgerUnavailable) as caught:
                await store.append([changed("ana")])
            assert caught.value.trouble is Trouble.UNREACHABLE
        server.start("fsync=off")
        assert (await append_one(store, changed("ana"))).seq == 2
        await ledger.close()


async def test_a_full_postgresql_is_told_and_nothing_is_half_written(
    postgres_server: PostgresServer, postgres_template: str
) -> None:
    name = postgres_server.create_database(postgres_template)
    # Where the disk cannot be filled, the server can be made to say that it is.
    postgres_server.psql(
        """
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON attempt EXECUTE FUNCTION full_disk();
        """,
        name,
    )
    ledger = await open_ledger(postgres_server.url(name), now_ms=0)
    store = EventStore(ledger)
    with pytest.raises(LedgerUnavailable, match="could not extend file") as caught:
        await store.append([changed("ana"), planned("ana", "a1")])
    assert caught.value.trouble is Trouble.FULL
    async with ledger.read() as conn:
        assert (await conn.execute(select(schema.ledger_event))).all() == []
    assert (await append_one(store, changed("ana"))).seq == 1
    await ledger.close()
