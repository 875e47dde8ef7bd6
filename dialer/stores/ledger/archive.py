"""What recorded decisions were made from, kept so that they can be made again.

Packs are kept word for word by their fingerprint. Of a person, the profile that stands is in
`person_profile`; whoever replaces it keeps what it said before here, in the same transaction.
So every profile that any decision was ever made from can be found, and deciding writes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.content.template import Template
from compliance.messages import DecisionRecord, PackRef, Subject
from compliance.packs import PackSet, parse_pack
from compliance.packs import set_sha256 as set_sha256_of
from compliance.types import PersonId, StreamKey
from dialer.core.records import AnyBody, ContactBlocked, StreamRow, to_ms
from dialer.stores.ledger.bulk import JsonQuery, bulk_insert
from dialer.stores.ledger.content import ContentKind
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.oversight_schema import pack_set, rule_pack, subject_snapshot
from dialer.stores.ledger.schema import content_version, person_profile

_PACKS: Final = bulk_insert(
    rule_pack, ["sha256", "pack", "version", "text", "first_ms"], ignore_conflicts=True
)
_SETS: Final = bulk_insert(pack_set, ["sha256", "packs", "first_ms"], ignore_conflicts=True)
_SNAPSHOTS: Final = bulk_insert(
    subject_snapshot, ["sha256", "person_id", "subject"], ignore_conflicts=True
)
_REFS: Final = msgspec.json.Decoder(list[PackRef])
_BODY: Final[msgspec.json.Decoder[AnyBody]] = msgspec.json.Decoder(AnyBody)
_SUBJECT: Final = msgspec.json.Decoder(Subject)
_TEMPLATE: Final = msgspec.json.Decoder(Template)
_BLOCKED: Final = str(ContactBlocked.__struct_config__.tag)

_STANDING = JsonQuery(
    """
    SELECT AGG(ARRAY(f.person_id, f.subject))
    FROM EACH(:ids) AS k JOIN person_profile AS f ON f.person_id = k.value
    """,
    msgspec.json.Decoder(list[tuple[str, str]] | None),
)

_ROW: Final = """
    AGG(ARRAY(e.person_id, e.seq, e.at_ms, e.body))
"""
_OWN = JsonQuery(
    """
    SELECT <ROW> FROM ledger_event AS e
    WHERE e.person_id = :person AND e.seq <= CAST(:head AS integer)
      AND (e.at_ms >= :since OR e.kind = 'history_imported') AND e.kind <> :blocked
    """.replace("<ROW>", _ROW),
    msgspec.json.Decoder(list[tuple[str, int, int, str]] | None),
)
_RELATED = JsonQuery(
    """
    SELECT <ROW>
    FROM (SELECT DISTINCT l.person_id, l.person_seq FROM stream_link AS l
          WHERE l.stream = :stream AND l.seq <= CAST(:head AS integer) AND l.person_id <> :person)
      AS o
    JOIN ledger_event AS e ON e.person_id = o.person_id AND e.seq = o.person_seq
    WHERE e.at_ms >= :since AND e.kind <> :blocked
    """.replace("<ROW>", _ROW),
    msgspec.json.Decoder(list[tuple[str, int, int, str]] | None),
)


# --- packs ----------------------------------------------------------------------------------------


async def keep_packs(ledger: Ledger, packs: PackSet, *, now_ms: int) -> None:
    """What whoever decides with a set of packs calls first. Raises `LedgerUnavailable`."""
    async with ledger.write() as conn:
        await archive_packs(conn, packs, now_ms=now_ms)


async def archive_packs(conn: AsyncConnection, packs: PackSet, *, now_ms: int) -> None:
    """Keep every pack of a set, and the set; what is there already stays as it is."""
    await _PACKS.run(
        conn,
        [
            {
                "sha256": pack.ref.sha256,
                "pack": pack.ref.pack,
                "version": pack.ref.version,
                "text": pack.text,
                "first_ms": now_ms,
            }
            for pack in packs.packs
        ],
    )
    refs = msgspec.json.encode(packs.refs).decode()
    await _SETS.run(conn, [{"sha256": packs.sha256, "packs": refs, "first_ms": now_ms}])


async def archived_texts(conn: AsyncConnection, set_sha256: str) -> dict[PackRef, str] | None:
    """The packs of a set with their texts; None where the ledger does not have them all."""
    refs = (
        await conn.execute(select(pack_set.c.packs).where(pack_set.c.sha256 == set_sha256))
    ).scalar()
    if refs is None:
        return None
    wanted = {ref.sha256: ref for ref in _REFS.decode(refs)}
    rows = await conn.execute(
        select(rule_pack.c.sha256, rule_pack.c.text).where(rule_pack.c.sha256.in_(wanted))
    )
    found = {wanted[row.sha256]: str(row.text) for row in rows}
    return found if len(found) == len(wanted) else None


async def pack_texts(conn: AsyncConnection, fingerprints: Sequence[str]) -> dict[str, str]:
    """Texts of packs by fingerprint; one that is not what it is called by is left out."""
    rows = await conn.execute(
        select(rule_pack.c.sha256, rule_pack.c.text).where(rule_pack.c.sha256.in_(fingerprints))
    )
    return {str(r.sha256): str(r.text) for r in rows if sha256_of(str(r.text)) == r.sha256}


def texts_hold(texts: Mapping[PackRef, str], set_sha256: str) -> bool:
    """Whether texts are, byte for byte, what they and their set are called by."""
    return set_sha256_of(texts) == set_sha256 and all(
        sha256_of(text) == ref.sha256 for ref, text in texts.items()
    )


def packs_of(texts: Mapping[PackRef, str]) -> PackSet:
    """The set as it was loaded. Raises `PackError`; takes a good part of a second."""
    return PackSet([parse_pack(text, name=ref.pack) for ref, text in texts.items()])


# --- subjects -------------------------------------------------------------------------------------


async def keep_replaced(conn: Conn, subjects: Mapping[str, str]) -> None:
    """Keep what the profiles of people say, where it is not what they are about to say.

    Args:
        subjects: person id -> new profile as JSON.
    """
    standing = await _STANDING.run(conn, ids=list(subjects)) or []
    await _SNAPSHOTS.run(
        conn,
        [
            {"sha256": sha256_of(old), "person_id": person_id, "subject": old}
            for person_id, old in standing
            if old != subjects[person_id]
        ],
    )


async def read_subject(conn: AsyncConnection, person_id: PersonId, sha256: str) -> Subject | None:
    """The person as their profile with this fingerprint told; None where it was erased."""
    kept = select(subject_snapshot.c.subject).where(
        subject_snapshot.c.sha256 == sha256, subject_snapshot.c.person_id == person_id
    )
    text = (await conn.execute(kept)).scalar()
    if text is None:
        now = select(person_profile.c.subject).where(person_profile.c.person_id == person_id)
        text = (await conn.execute(now)).scalar()
        if text is None or sha256_of(text) != sha256:
            return None
    return _SUBJECT.decode(text)


async def read_text(conn: AsyncConnection, record: DecisionRecord) -> str | None:
    """The text that a decision was made about, as its version has it: fields are not filled in.
    None where the decision had none, or no version that is kept."""
    version = record.request.template_hash
    if not record.text_sha256 or version is None:
        return None
    query = select(content_version.c.document).where(
        content_version.c.kind == ContentKind.TEMPLATE, content_version.c.sha256 == version
    )
    document = (await conn.execute(query.limit(1))).scalar()
    return None if document is None else _TEMPLATE.decode(document).body


def sha256_of(text: str) -> str:
    """Fingerprint of a pack's or a profile's text; of a profile, `gate.subject_sha256` of it."""
    return hashlib.sha256(text.encode()).hexdigest()


# --- history --------------------------------------------------------------------------------------


async def read_history(
    conn: AsyncConnection, record: DecisionRecord, heads: Mapping[StreamKey, int]
) -> list[StreamRow]:
    """Events that the facts of a decision held: of the person, and of the streams they share, up
    to the heads."""
    person_id = record.request.person_id
    since_ms = 0 if record.history_from is None else to_ms(record.history_from)
    rows: dict[tuple[str, int], StreamRow] = {}
    for stream, head in heads.items():
        bound: dict[str, str | int] = {
            "person": person_id,
            "head": head,
            "since": since_ms,
            "blocked": _BLOCKED,
        }
        if str(stream) == str(person_id):
            found = await _OWN.run(conn, **bound)
        else:
            found = await _RELATED.run(conn, stream=str(stream), **bound)
        for owner, seq, at_ms, body in found or ():
            rows[(owner, seq)] = StreamRow(PersonId(owner), seq, at_ms, _BODY.decode(body))
    return list(rows.values())
