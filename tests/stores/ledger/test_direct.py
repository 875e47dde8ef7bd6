"""Transactions that run whole in SQLite's own thread."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy.exc import IntegrityError

from dialer.stores.ledger import schema
from dialer.stores.ledger.bulk import DIRECT_ROWS, Command, Dialect, JsonQuery, bulk_insert
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.ledger.direct import Conn, DirectConnection
from tests.stores.ledger.test_database import count_notes, note

NOTE = bulk_insert(schema.note, ["note_id", "text", "author", "at_ms"])


@pytest_asyncio.fixture
async def sqlite(tmp_path: Path) -> Ledger:
    return await open_ledger(f"sqlite:///{tmp_path}/ledger.db", now_ms=0)


async def test_both_engines_take_the_same_work(ledger: Ledger) -> None:
    count = JsonQuery(
        "SELECT ARRAY(count(*), max(at_ms)) FROM note", msgspec.json.Decoder(list[int | None])
    )
    forget = Command("DELETE FROM note WHERE note_id IN (SELECT value FROM EACH(:ids))")

    async def work(conn: Conn) -> list[int | None]:
        assert isinstance(conn, DirectConnection) is (ledger.dialect is Dialect.SQLITE)
        await NOTE.run(conn, [note(1), note(2), note(3)])
        assert await forget.run(conn, ids=["n3", "n4"]) == 1
        return await count.run(conn)

    assert await ledger.write_at_once(work) == [2, 2]
    assert await ledger.read_at_once(count.run) == [2, 2]


async def test_any_number_of_rows_is_written_once(sqlite: Ledger) -> None:
    number = 0
    for many in (1, 2, 3, 255, DIRECT_ROWS, DIRECT_ROWS + 1, 2 * DIRECT_ROWS + 77):
        rows = [note(number + n) for n in range(many)]
        number += many

        async def work(conn: Conn, rows: list[dict[str, str | int]] = rows) -> int:
            return await NOTE.run(conn, rows)

        assert await sqlite.write_at_once(work) == many
    assert await count_notes(sqlite) == number
    await sqlite.close()


async def test_what_fails_leaves_nothing_behind(ledger: Ledger) -> None:
    async def twice(conn: Conn) -> None:
        await NOTE.run(conn, [note(1)])
        await NOTE.run(conn, [note(1)])

    async def wrong(conn: Conn) -> None:
        await NOTE.run(conn, [note(2)])
        raise ValueError("on second thoughts")

    with pytest.raises(IntegrityError):
        await ledger.write_at_once(twice)
    with pytest.raises(ValueError, match="second thoughts"):
        await ledger.write_at_once(wrong)
    assert await count_notes(ledger) == 0


async def test_work_that_waits_is_refused(sqlite: Ledger) -> None:
    async def work(conn: Conn) -> None:
        await NOTE.run(conn, [note(1)])
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waited"):
        await sqlite.write_at_once(work)
    assert await count_notes(sqlite) == 0
    await sqlite.close()


async def test_who_is_cancelled_before_the_commit_has_written_nothing(sqlite: Ledger) -> None:
    inside, go_on = threading.Event(), threading.Event()

    async def work(conn: Conn) -> None:
        await NOTE.run(conn, [note(1)])
        inside.set()
        go_on.wait(10)

    task = asyncio.create_task(sqlite.write_at_once(work))
    await asyncio.to_thread(inside.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done(), "it holds the file until its thread has let go"
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count_notes(sqlite) == 0

    async def again(conn: Conn) -> int:
        return await NOTE.run(conn, [note(1)])

    assert await sqlite.write_at_once(again) == 1
    await sqlite.close()


async def test_a_closed_ledger_can_be_used_again(sqlite: Ledger) -> None:
    for number in range(3):

        async def work(conn: Conn, number: int = number) -> int:
            return await NOTE.run(conn, [note(number)])

        assert await sqlite.write_at_once(work) == 1
        await sqlite.close()
    assert await count_notes(sqlite) == 3
    await sqlite.close()
