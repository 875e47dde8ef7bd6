"""Bulk statements and JSON questions, on both engines."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dialer.stores.ledger import schema
from dialer.stores.ledger.bulk import (
    BadRow,
    DamagedAnswer,
    JsonQuery,
    Value,
    bulk_delete,
    bulk_insert,
    bulk_update,
    bulk_upsert,
)
from dialer.stores.ledger.database import Ledger

NOTE = ["note_id", "person_id", "text", "author", "at_ms"]
INSERT = bulk_insert(schema.note, NOTE)

AWKWARD = "«Ñandú» \" ' \\ \n\t % :name ? $1 🎈 \\u0000 {}[]"


class NoteRow(msgspec.Struct):
    note_id: str
    person_id: str | None
    text: str
    author: str
    at_ms: int


def note(number: int, text: str = "text") -> NoteRow:
    return NoteRow(f"n{number}", None if number % 2 else "ana", text, "agent", 2**40 + number)


async def notes(ledger: Ledger) -> list[tuple[object, ...]]:
    table = schema.note
    query = select(*(table.c[name] for name in NOTE)).order_by(table.c.at_ms)
    async with ledger.read() as conn:
        return [tuple(row) for row in await conn.execute(query)]


async def test_every_value_arrives_as_it_was(ledger: Ledger) -> None:
    as_mapping = {"note_id": "n2", "person_id": None, "text": "", "author": "ü", "at_ms": -1}
    async with ledger.write() as conn:
        assert await INSERT.run(conn, [note(1, AWKWARD), as_mapping | {"more": "left out"}]) == 2
        assert await INSERT.run(conn, []) == 0
    assert await notes(ledger) == [
        ("n2", None, "", "ü", -1),
        ("n1", None, AWKWARD, "agent", 2**40 + 1),
    ]


async def test_booleans_are_booleans(ledger: Ledger) -> None:
    insert = bulk_insert(schema.user, [c.name for c in schema.user.c])
    user: dict[str, Value] = {
        "user_id": "u",
        "username": "u",
        "display_name": "U",
        "role": "agent",
        "language": "es",
        "team": "",
        "password_hash": "",
        "created_ms": 1,
    }
    async with ledger.write() as conn:
        await insert.run(conn, [user | {"active": True}])
        active = (await conn.execute(select(schema.user.c.active))).scalar_one()
    assert active is True


async def test_an_insert_stands_or_falls_whole(ledger: Ledger) -> None:
    async with ledger.write() as conn:
        await INSERT.run(conn, [note(1)])
    with pytest.raises(IntegrityError):
        async with ledger.write() as conn:
            await INSERT.run(conn, [note(2), note(1), note(3)])
    assert len(await notes(ledger)) == 1
    lenient = bulk_insert(schema.note, NOTE, ignore_conflicts=True)
    async with ledger.write() as conn:
        assert await lenient.run(conn, [note(2), note(1, "other"), note(3)]) == 2
    assert [row[2] for row in await notes(ledger)] == ["text"] * 3


async def test_an_update_touches_only_its_rows(ledger: Ledger) -> None:
    update = bulk_update(
        schema.note,
        ["note_id"],
        ["text", "at_ms"],
        expressions={"at_ms": "note.at_ms + x.at_ms", "author": "x.text || note.author"},
        where="note.person_id IS NULL",
    )
    async with ledger.write() as conn:
        await INSERT.run(conn, [note(number) for number in range(1, 5)])
        touched = await update.run(
            conn, [{"note_id": f"n{n}", "text": f"t{n}", "at_ms": 10} for n in (1, 2, 9)]
        )
    assert touched == 1
    assert await notes(ledger) == [
        ("n2", "ana", "text", "agent", 2**40 + 2),
        ("n3", None, "text", "agent", 2**40 + 3),
        ("n4", "ana", "text", "agent", 2**40 + 4),
        ("n1", None, "t1", "t1agent", 2**40 + 11),
    ]


async def test_an_upsert_inserts_or_updates(ledger: Ledger) -> None:
    upsert = bulk_upsert(
        schema.note,
        ["note_id"],
        NOTE,
        update=["text"],
        expressions={"at_ms": "note.at_ms + excluded.at_ms"},
    )
    async with ledger.write() as conn:
        await INSERT.run(conn, [note(1)])
        await upsert.run(conn, [note(1, "newer"), note(2, "new")])
    assert await notes(ledger) == [
        ("n2", "ana", "new", "agent", 2**40 + 2),
        ("n1", None, "newer", "agent", 2**41 + 2),
    ]


async def test_a_delete_takes_the_keys_named(ledger: Ledger) -> None:
    delete = bulk_delete(schema.note, ["note_id", "author"])
    async with ledger.write() as conn:
        await INSERT.run(conn, [note(1), note(2)])
        taken = await delete.run(
            conn,
            [{"note_id": "n1", "author": "agent"}, {"note_id": "n2", "author": "somebody"}],
        )
    assert taken == 1
    assert [row[0] for row in await notes(ledger)] == ["n2"]


async def test_a_row_that_lacks_a_column_is_refused(ledger: Ledger) -> None:
    whole = msgspec.structs.asdict(note(1))
    lacking = {name: value for name, value in whole.items() if name != "text"}
    async with ledger.write() as conn:
        with pytest.raises(BadRow, match=r"row 1 for table note lacks the column.* text"):
            await INSERT.run(conn, [whole, lacking])


async def test_a_nul_character_is_refused_with_its_place(ledger: Ledger) -> None:
    async with ledger.write() as conn:
        with pytest.raises(BadRow, match="row 1 for table note has a NUL character in text"):
            await INSERT.run(conn, [note(1, "\\u0000 is six characters"), note(2, "a\0b")])
        assert await INSERT.run(conn, [note(1, "\\u0000 is six characters")]) == 1
    assert (await notes(ledger))[0][2] == "\\u0000 is six characters"


async def test_one_statement_serves_any_number_of_rows(ledger: Ledger) -> None:
    async with ledger.write() as conn:
        assert await INSERT.run(conn, [note(number) for number in range(7000)]) == 7000
    assert len(await notes(ledger)) == 7000


async def test_a_question_answers_in_one_decoding(ledger: Ledger) -> None:
    query = JsonQuery(
        """
        SELECT '[' || JOIN_TEXT(QUOTE(n.note_id) || ',' || QUOTE(n.text), ',') || ']'
        FROM EACH(:ids) AS k JOIN note AS n ON n.note_id = k.value WHERE n.at_ms > :since
        """,
        msgspec.json.Decoder(list[str] | None),
    )
    async with ledger.write() as conn:
        await INSERT.run(conn, [note(1, AWKWARD), note(2)])
        assert await query.run(conn, ids=["n1", "n9"], since=0) == ["n1", AWKWARD]
        assert await query.run(conn, ids=[], since=0) is None


async def test_an_answer_of_another_shape_is_damage(ledger: Ledger) -> None:
    query = JsonQuery("SELECT QUOTE(text) FROM note", msgspec.json.Decoder(int))
    async with ledger.write() as conn:
        await INSERT.run(conn, [note(1)])
        with pytest.raises(DamagedAnswer):
            await query.run(conn)
