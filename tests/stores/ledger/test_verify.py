"""Verification finds what was tampered with, and says where; checkpoints show what is missing."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from compliance.chain import Head
from compliance.types import PersonId
from dialer.stores.key_files import KeyUnusable
from dialer.stores.ledger import checkpoints as checkpoints_module
from dialer.stores.ledger import verify_walk
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.checkpoints import (
    Checkpoints,
    load_or_create_key,
)
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.ledger.streams import EventStore
from dialer.stores.ledger.verify import (
    ProblemKind,
    VerifyReport,
    verify_ledger,
    verify_person,
)
from tests.stores.ledger.world import append_one, blocked, changed, ended, planned

Tamper = Callable[[str], None]
PEOPLE = ["ana", "Ana", "bea", "Ñandú", "z"]
NUMBER = "number:+12125550100"


@pytest.fixture
def checkpoints(ledger: Ledger, tmp_path: Path) -> Checkpoints:
    return Checkpoints(ledger, load_or_create_key(tmp_path / "key.pem"))


@pytest.fixture
async def history(store: EventStore, checkpoints: Checkpoints) -> None:
    """Five people with five events each, and two checkpoints over them."""
    for round_no in range(5):
        for number, person in enumerate(PEOPLE):
            kind = (round_no + number) % 5
            attempt = f"{person}-{round_no - 1 if kind == 1 else round_no}"
            if kind == 0 or (kind == 1 and round_no == 0):
                event = planned(person, attempt, links=(NUMBER,))
            elif kind == 1:
                event = ended(person, attempt)
            elif kind == 2:
                event = blocked(person, f"d-{attempt}")
            else:
                event = changed(person, f"change-{round_no}")
            await append_one(store, event)
        if round_no in (2, 4):
            await checkpoints.make(1000 * round_no)


async def problems(ledger: Ledger) -> list[tuple[ProblemKind, str]]:
    report = await verify_ledger(ledger)
    return [(problem.kind, problem.where) for problem in report.problems]


@pytest.mark.usefixtures("history")
async def test_an_untouched_ledger_holds(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_walk, "PAGE_EVENTS", 3)
    seen: list[tuple[int, int]] = []
    report = await verify_ledger(ledger, progress=lambda done, total: seen.append((done, total)))
    assert report == VerifyReport(events=25, people=5, checkpoints=2)
    assert report.holds
    assert seen[-1] == (25, 25)
    assert len(seen) == 9


async def test_an_empty_ledger_holds(ledger: Ledger, checkpoints: Checkpoints) -> None:
    assert await checkpoints.make(1) is None
    assert await verify_ledger(ledger) == VerifyReport()


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("column", "new"),
    [
        ("body", "replace(body, 'change-3', 'change-2')"),
        ("hash", "replace(hash, substr(hash, 7, 1), 'x')"),
        ("at_ms", "at_ms + 1"),
        ("kind", "'subject_chanced'"),
        ("record", "'{}'"),
    ],
)
async def test_one_changed_value_is_found_where_it_is(
    ledger: Ledger, behind_its_back: Tamper, column: str, new: str
) -> None:
    behind_its_back(f"UPDATE ledger_event SET {column} = {new} WHERE person_id='ana' AND seq=4")
    found = await problems(ledger)
    assert (ProblemKind.WRONG_HASH, "ana/4") in found
    others = {(ProblemKind.WRONG_HASH, "ana/5")} if column == "hash" else set()
    assert set(found) == {(ProblemKind.WRONG_HASH, "ana/4"), *others}


@pytest.mark.usefixtures("history")
async def test_a_changed_record_is_found(ledger: Ledger, behind_its_back: Tamper) -> None:
    behind_its_back(
        "UPDATE ledger_event SET record = replace(record, 'allowed', 'allowee') WHERE kind ="
        " 'attempt_planned' AND person_id = 'bea'"
    )
    found = await problems(ledger)
    assert found
    assert {kind for kind, _ in found} == {ProblemKind.WRONG_HASH}
    assert all(where.startswith("bea/") for _, where in found)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("seq", [1, 3])
async def test_an_event_removed_from_the_middle_is_a_gap(
    ledger: Ledger, behind_its_back: Tamper, seq: int
) -> None:
    behind_its_back(f"DELETE FROM ledger_event WHERE person_id = 'Ñandú' AND seq = {seq}")
    assert (ProblemKind.GAP, f"Ñandú/{seq}") in await problems(ledger)


@pytest.mark.usefixtures("history")
async def test_a_removed_tail_is_found_by_the_checkpoint(
    ledger: Ledger, behind_its_back: Tamper
) -> None:
    behind_its_back("DELETE FROM ledger_event WHERE person_id = 'bea' AND seq = 5")
    assert (ProblemKind.TAIL_REMOVED, "bea/5") in await problems(ledger)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("person", ["Ana", "bea", "Ñandú"])
async def test_a_removed_person_is_found_by_the_checkpoint(
    ledger: Ledger, behind_its_back: Tamper, person: str
) -> None:
    for table in ("ledger_event", "stream_link", "attempt"):
        behind_its_back(f"DELETE FROM {table} WHERE person_id = '{person}'")
    found = await problems(ledger)
    assert (ProblemKind.PERSON_REMOVED, f"{person}/1") in found


@pytest.mark.usefixtures("history")
async def test_a_person_who_never_was_in_a_checkpoint_shows_as_not_signed(
    ledger: Ledger, store: EventStore
) -> None:
    await append_one(store, changed("new"))
    report = await verify_ledger(ledger)
    assert (report.holds, report.events_after_checkpoint) == (True, 1)


@pytest.mark.usefixtures("history")
async def test_a_rewritten_chain_does_not_match_what_was_signed(
    ledger: Ledger, store: EventStore, behind_its_back: Tamper
) -> None:
    """Somebody who knows the hash can forge a chain, but not the checkpoint."""
    behind_its_back("DELETE FROM ledger_event WHERE person_id = 'z' AND seq = 5")
    await append_one(store, changed("z", "forged"))
    assert (ProblemKind.HEAD_CHANGED, "z/5") in await problems(ledger)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "UPDATE checkpoint SET at_ms = at_ms + 1 WHERE checkpoint_no = 1",
            {
                (ProblemKind.CHECKPOINT_UNSIGNED, "checkpoint 1"),
                (ProblemKind.CHECKPOINT_CHANGED, "checkpoint 1"),
            },
        ),
        (
            "UPDATE checkpoint SET signature = replace(signature, substr(signature, 1, 1), 'g')",
            {
                (ProblemKind.CHECKPOINT_UNSIGNED, "checkpoint 1"),
                (ProblemKind.CHECKPOINT_UNSIGNED, "checkpoint 2"),
            },
        ),
        (
            "DELETE FROM checkpoint_head WHERE checkpoint_no = 2 AND person_id = 'Ñandú'",
            {(ProblemKind.CHECKPOINT_CHANGED, "checkpoint 2")},
        ),
        (
            "UPDATE checkpoint_head SET person_id = 'bee' WHERE checkpoint_no = 1 AND"
            " person_id = 'bea'",
            {
                (ProblemKind.CHECKPOINT_CHANGED, "checkpoint 1"),
                (ProblemKind.PERSON_REMOVED, "bee/1"),
            },
        ),
        (
            "DELETE FROM checkpoint WHERE checkpoint_no = 1",
            {
                (ProblemKind.CHECKPOINT_REMOVED, "checkpoint 1"),
                (ProblemKind.CHECKPOINT_CHANGED, "checkpoint 2"),
            },
        ),
    ],
)
async def test_a_changed_checkpoint_is_found(
    ledger: Ledger,
    behind_its_back: Tamper,
    sql: str,
    expected: set[tuple[ProblemKind, str]],
) -> None:
    behind_its_back(sql)
    assert set(await problems(ledger)) == expected


@pytest.mark.usefixtures("history")
async def test_a_checkpoint_signed_with_another_key_is_found(
    ledger: Ledger, store: EventStore, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    first = await checkpoints.last()
    assert first is not None
    other = load_or_create_key(tmp_path / "other.pem")
    await append_one(store, changed("ana"))
    await Checkpoints(ledger, other).make(9)
    assert await problems(ledger) == [(ProblemKind.CHECKPOINT_UNSIGNED, "checkpoint 3")]
    report = await verify_ledger(ledger, public_key=other.public_hex)
    assert [problem.where for problem in report.problems] == ["checkpoint 1", "checkpoint 2"]


@pytest.mark.usefixtures("history")
async def test_a_ledger_rolled_back_lacks_the_checkpoint_kept_outside(
    ledger: Ledger, checkpoints: Checkpoints, behind_its_back: Tamper
) -> None:
    kept = await checkpoints.last()
    assert kept is not None
    assert (await verify_ledger(ledger, known=kept)).holds
    behind_its_back("DELETE FROM checkpoint WHERE checkpoint_no = 2")
    behind_its_back("DELETE FROM checkpoint_head WHERE checkpoint_no = 2")
    assert (await verify_ledger(ledger)).holds
    report = await verify_ledger(ledger, known=kept)
    assert [p.kind for p in report.problems] == [ProblemKind.CHECKPOINT_REMOVED]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            f"DELETE FROM stream_link WHERE stream = '{NUMBER}' AND seq = 2",
            (ProblemKind.LINK_BROKEN, NUMBER),
        ),
        (
            f"UPDATE stream_link SET person_seq = 77 WHERE stream = '{NUMBER}' AND seq = 2",
            (ProblemKind.LINK_BROKEN, f"{NUMBER}/2"),
        ),
        (
            "UPDATE attempt SET attempt_id = 'invented' WHERE attempt_id = 'ana-0'",
            (ProblemKind.ATTEMPT_UNPROVEN, "attempt invented"),
        ),
        (
            "UPDATE ledger_event SET decision_id = 'other' WHERE decision_id = 'd-ana-2'",
            (ProblemKind.WRONG_DECISION, "ana/3"),
        ),
    ],
)
async def test_what_hangs_on_events_must_agree_with_them(
    ledger: Ledger, behind_its_back: Tamper, sql: str, expected: tuple[ProblemKind, str]
) -> None:
    behind_its_back(sql)
    assert await problems(ledger) == [expected]


async def test_a_changed_audit_trail_is_found(ledger: Ledger, behind_its_back: Tamper) -> None:
    for number in range(3):
        async with ledger.write() as conn:
            await record_audit(conn, at_ms=number, actor="ana", action="campaign.start", target="c")
    assert await problems(ledger) == []
    behind_its_back("UPDATE audit_event SET actor = 'eva' WHERE audit_no = 2")
    assert await problems(ledger) == [(ProblemKind.AUDIT_CHANGED, "audit 2")]
    behind_its_back("DELETE FROM audit_event WHERE audit_no = 2")
    found = await problems(ledger)
    assert found[0] == (ProblemKind.AUDIT_CHANGED, "audit 2")


# --- one flipped bit of the file ------------------------------------------------------------------


async def test_any_flipped_bit_of_an_event_in_the_file_is_found(tmp_path: Path) -> None:
    """On SQLite; a page of PostgreSQL has a checksum of its own."""
    path = tmp_path / "ledger.db"
    ledger = await open_ledger(f"sqlite:///{path}", now_ms=0)
    for number in range(30):
        event = planned("ana", f"a{number}", record=b'{"why":"MARK-%d"}' % number)
        await append_one(EventStore(ledger), event)
    await ledger.close()
    whole = settled(path)
    seed = 20261123
    rng = random.Random(seed)
    for _ in range(25):
        start = whole.index(b"MARK-%d" % rng.randrange(30))
        at = start + rng.randrange(-250, 5)
        flipped = bytearray(whole)
        flipped[at] ^= 1 << rng.randrange(8)
        put_back(path, flipped)
        report = await verify_ledger(ledger)
        await ledger.close()
        assert not report.holds, f"byte {at} of the file, seed {seed}"


def settled(path: Path) -> bytes:
    """The file's bytes with its log merged into it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


def put_back(path: Path, content: bytes | bytearray) -> None:
    path.write_bytes(content)


# --- exports ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("history")
async def test_one_persons_export_is_verified_alone(store: EventStore) -> None:
    ana = PersonId("ana")
    events = await store.read_person(ana)
    heads = [Head(person_id=ana, seq=5, hash=events[4].hash)]
    assert verify_person(ana, events, heads).holds
    assert [str(p) for p in verify_person(ana, events[:4], heads).problems] == [
        "tail_removed at ana/5: a checkpoint signed event 5"
    ]
    assert [p.kind for p in verify_person(ana, [], heads).problems] == [ProblemKind.PERSON_REMOVED]
    assert [p.kind for p in verify_person(ana, events[:2] + events[3:]).problems] == [
        ProblemKind.GAP
    ]


# --- checkpoints --------------------------------------------------------------------------------


@pytest.mark.usefixtures("history")
async def test_a_checkpoint_names_only_heads_that_moved(
    ledger: Ledger, store: EventStore, checkpoints: Checkpoints
) -> None:
    assert await checkpoints.make(5000) is None
    await store.append([changed("ana"), changed("ana"), changed("new")])
    made = await checkpoints.make(6000)
    assert made is not None
    assert (made.checkpoint_no, made.heads, made.at_ms) == (3, 2, 6000)
    assert made == await checkpoints.last()
    assert made.signature_holds()
    async with ledger.read() as conn:
        rows = await conn.execute(
            text("SELECT person_id, seq FROM checkpoint_head WHERE checkpoint_no = 3 ORDER BY 1")
        )
        assert [tuple(row) for row in rows] == [("ana", 7), ("new", 1)]


async def test_many_events_are_signed_by_several_checkpoints(
    ledger: Ledger,
    store: EventStore,
    checkpoints: Checkpoints,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoints_module, "EVENTS_MOST", 10)
    await store.append([changed(f"p{number % 7}") for number in range(45)])
    made = await checkpoints.make(1)
    assert made is not None
    assert made.checkpoint_no == 5
    report = await verify_ledger(ledger)
    assert (report.holds, report.checkpoints, report.events_after_checkpoint) == (True, 5, 0)


async def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = load_or_create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_key(path).public_hex == key.public_hex
    path.chmod(0o644)
    with pytest.raises(KeyUnusable, match="chmod 600"):
        load_or_create_key(path)


@pytest.mark.parametrize("content", [b"", b"not a key"])
async def test_a_broken_key_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(KeyUnusable, match="no signing key"):
        load_or_create_key(path)
    assert path.read_bytes() == content
    with pytest.raises(KeyUnusable, match="cannot be made"):
        load_or_create_key(tmp_path / "nowhere" / "key.pem")
    assert os.listdir(tmp_path) == ["key.pem"]
