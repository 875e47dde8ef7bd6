from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.chain import (
    GENESIS,
    BreakKind,
    ChainedEvent,
    Head,
    RootHash,
    audit_hash,
    check_chain,
    event_hash,
    signed_bytes,
)
from compliance.types import PersonId

ANA = PersonId("ana")


def counted(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">I", len(encoded)) + encoded


def chain(length: int, person_id: str = ANA) -> list[ChainedEvent]:
    events: list[ChainedEvent] = []
    previous = GENESIS
    for seq in range(1, length + 1):
        body = f'{{"t":"subject_changed","change":"{seq}"}}'
        record = f'{{"n":{seq}}}' if seq % 2 else None
        digest = event_hash(
            previous,
            person_id,
            seq,
            1000 * seq,
            "subject_changed",
            body.encode(),
            None if record is None else record.encode(),
        )
        events.append(
            ChainedEvent(
                person_id=PersonId(person_id),
                seq=seq,
                at_ms=1000 * seq,
                kind="subject_changed",
                body=body,
                record=record,
                hash=digest,
            )
        )
        previous = digest
    return events


def test_event_hash_has_the_documented_layout() -> None:
    previous = "ab" * 32
    expected = hashlib.sha256(
        b"marcador-event-1\n"
        + counted(previous)
        + counted("peña")
        + struct.pack(">Qq", 7, -5)
        + counted("note")
        + counted("{}")
        + b"\x01"
        + counted("[1]")
    ).hexdigest()
    assert event_hash(previous, "peña", 7, -5, "note", b"{}", b"[1]") == expected


def test_an_absent_record_is_not_an_empty_one() -> None:
    assert event_hash(GENESIS, "p", 1, 0, "k", b"", None) != event_hash(
        GENESIS, "p", 1, 0, "k", b"", b""
    )


FIELDS = st.tuples(
    st.text(max_size=4),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.none() | st.binary(max_size=4),
)


@given(FIELDS, FIELDS)
def test_no_two_contents_share_a_hash(
    one: tuple[str, str, bytes, bytes | None], other: tuple[str, str, bytes, bytes | None]
) -> None:
    def digest(fields: tuple[str, str, bytes, bytes | None]) -> str:
        person_id, kind, body, record = fields
        return event_hash(GENESIS, person_id, 1, 0, kind, body, record)

    assert (digest(one) == digest(other)) == (one == other)


def test_a_whole_chain_holds() -> None:
    assert check_chain(ANA, chain(6)) is None
    assert check_chain(ANA, []) is None


def test_a_removed_event_is_a_gap_where_it_was() -> None:
    events = chain(6)
    del events[2]
    broken = check_chain(ANA, events)
    assert broken is not None
    assert (broken.kind, broken.seq) == (BreakKind.GAP, 3)


def test_a_repeated_event_is_out_of_order() -> None:
    events = chain(3)
    broken = check_chain(ANA, [*events, events[1]])
    assert broken is not None
    assert broken.kind is BreakKind.OUT_OF_ORDER


def test_another_persons_event_is_foreign() -> None:
    broken = check_chain(ANA, [*chain(2), *chain(3, "bea")[2:]])
    assert broken is not None
    assert (broken.kind, broken.found) == (BreakKind.FOREIGN, "bea")


@given(st.data())
def test_any_changed_character_is_found_where_it_is(data: st.DataObject) -> None:
    events = chain(5)
    position = data.draw(st.integers(0, 4))
    event = events[position]
    field = data.draw(st.sampled_from(["body", "record", "kind", "hash"]))
    value = getattr(event, field)
    if value is None:
        changed = "x"
    else:
        at = data.draw(st.integers(0, len(value) - 1))
        flipped = chr(ord(value[at]) ^ (1 << data.draw(st.integers(0, 6))))
        changed = value[:at] + flipped + value[at + 1 :]
    fields = {name: getattr(event, name) for name in event.__struct_fields__} | {field: changed}
    events[position] = ChainedEvent(**fields)
    broken = check_chain(ANA, events)
    assert broken is not None
    assert (broken.kind, broken.seq) == (BreakKind.WRONG_HASH, position + 1)


@pytest.mark.parametrize(("field", "value"), [("at_ms", 1), ("record", None)])
def test_a_changed_instant_or_dropped_record_is_found(field: str, value: int | None) -> None:
    events = chain(3)
    fields = {n: getattr(events[2], n) for n in events[2].__struct_fields__} | {field: value}
    events[2] = ChainedEvent(**fields)
    broken = check_chain(ANA, events)
    assert broken is not None
    assert (broken.kind, broken.seq) == (BreakKind.WRONG_HASH, 3)


def test_bytes_that_are_no_text_can_be_checked() -> None:
    events = chain(2)
    body = b"\xff\xfe".decode(errors="surrogateescape")
    fields = {n: getattr(events[1], n) for n in events[1].__struct_fields__} | {"body": body}
    broken = check_chain(ANA, [events[0], ChainedEvent(**fields)])
    assert broken is not None
    assert broken.kind is BreakKind.WRONG_HASH


def test_root_has_the_documented_layout() -> None:
    root = RootHash(GENESIS, 3, 99, 1234)
    root.add(Head(person_id=PersonId("a"), seq=2, hash="11" * 32))
    root.add(Head(person_id=PersonId("ñ"), seq=1, hash="22" * 32))
    expected = hashlib.sha256(
        b"marcador-checkpoint-1\n"
        + counted("0" * 64)
        + struct.pack(">QqQ", 3, 99, 1234)
        + counted("a")
        + struct.pack(">Q", 2)
        + counted("11" * 32)
        + counted("ñ")
        + struct.pack(">Q", 1)
        + counted("22" * 32)
    ).hexdigest()
    assert root.hexdigest() == expected
    assert root.heads == 2
    assert signed_bytes(3, 99, 1234, 2, expected) == (
        b"marcador-checkpoint-signature-1\n"
        + struct.pack(">QqQQ", 3, 99, 1234, 2)
        + counted(expected)
    )


def test_heads_out_of_order_are_refused() -> None:
    root = RootHash(GENESIS, 1, 0, 1)
    root.add(Head(person_id=PersonId("b"), seq=1, hash=GENESIS))
    for late in ("a", "b"):
        with pytest.raises(ValueError, match="out of order"):
            root.add(Head(person_id=PersonId(late), seq=1, hash=GENESIS))


def test_audit_hash_has_the_documented_layout() -> None:
    expected = hashlib.sha256(
        b"marcador-audit-1\n"
        + counted(GENESIS)
        + struct.pack(">Qq", 1, 5)
        + counted("system")
        + counted("campaign.start")
        + counted("c")
        + counted("{}")
    ).hexdigest()
    assert audit_hash(GENESIS, 1, 5, "system", "campaign.start", "c", "{}") == expected
