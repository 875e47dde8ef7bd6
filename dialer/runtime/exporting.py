"""One person's sealed record as files that can be read and verified without Marcador."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import Table, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.chain import ChainedEvent
from compliance.messages import DecisionRecord, PackRef
from compliance.types import PersonId
from dialer.core.records import AnyBody, AttemptPlanned, from_ms, to_ms
from dialer.runtime.export_recipe import readme
from dialer.runtime.sealing import signed_heads
from dialer.stores.ledger import callers_schema, messages_schema, oversight_schema, schema
from dialer.stores.ledger.archive import archived_texts, sha256_of
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.verify_report import VerifyReport, verify_person
from dialer.stores.recording_files import RecordingFiles

EXPORT_ACTION: Final = "person.export"

_record: Final = msgspec.json.Decoder(DecisionRecord)
_body: Final = msgspec.json.Decoder(AnyBody)

_Rows = list[dict[str, object]]


class CannotExport(Exception):
    """The record cannot be written: says why and how to mend it."""


class PersonExport(msgspec.Struct, frozen=True, kw_only=True):
    """What was exported."""

    person_id: PersonId
    folder: str
    events: int
    decisions: int
    signed_through: int
    """Last event that the checkpoint in the export covers; 0: no checkpoint yet."""
    files: tuple[str, ...]
    verification: VerifyReport


async def find_people(ledger: Ledger, asked: str) -> tuple[PersonId, ...]:
    """People that an id means: a person, or the parties of an account (its id, or the
    creditor's number)."""
    parties, account = schema.account_party.c, schema.account.c
    by_account = (
        select(parties.person_id)
        .join(schema.account, account.account_id == parties.account_id)
        .where(or_(account.account_id == asked, account.external_id == asked))
        .order_by(parties.role, parties.person_id)
    )
    by_person = select(schema.person.c.person_id).where(schema.person.c.person_id == asked)
    async with ledger.read() as conn:
        found = (await conn.execute(by_person)).scalars().all()
        if not found:
            found = (await conn.execute(by_account)).scalars().all()
    return tuple(PersonId(person_id) for person_id in dict.fromkeys(found))


async def export_person(
    ledger: Ledger,
    person_id: PersonId,
    folder: Path,
    *,
    actor: str,
    now: datetime,
    recordings: RecordingFiles,
) -> PersonExport:
    """Write a person's record into a new or empty folder; the audit trail tells who asked.

    Recorded conversations are in `recordings/`, named by their hash as the events name it.

    Raises:
        CannotExport: the folder holds files, or the person has no events.
        OSError: the folder cannot be written.
        LedgerUnavailable: it cannot be read.
    """
    if await asyncio.to_thread(_holds_files, folder):
        raise CannotExport(f"{folder} is not an empty folder; choose another one")
    # The checkpoint before the events: streams only grow, so it signs nothing that is not read.
    async with ledger.read() as conn:
        signed = await signed_heads(conn, person_id)
        tables = await _tables(conn, person_id)
        kept = await _kept(conn, person_id)
    events = await EventReader(ledger).read_person(person_id)
    if not events:
        raise CannotExport(f"the ledger has no events of a person {person_id}; check the id")
    heads = [h for h in signed.heads if h.person_id == person_id] if signed else []
    verification = verify_person(person_id, events, heads)
    decisions = _decision_rows(events)
    files: dict[str, str] = {
        "events.json": _pretty(events),
        "events.csv": _csv(_event_rows(events)),
        "decisions.json": _pretty([_decision(event) for event in events if event.record]),
        "decisions.csv": _csv(decisions),
        "checkpoint.json": _pretty(signed),
        "person.json": _pretty(tables),
        **await _evidence(ledger, events, kept),
        "README.md": readme(person_id, len(events), now, signed=signed is not None),
    }
    await asyncio.to_thread(_write, folder, files)
    sounds = await asyncio.to_thread(_copy, recordings, tables["recording"], folder)
    await ledger.transact(
        partial(
            record_audit,
            at_ms=to_ms(now),
            actor=actor,
            action=EXPORT_ACTION,
            target=person_id,
            detail={"events": len(events)},
        )
    )
    return PersonExport(
        person_id=person_id,
        folder=str(folder),
        events=len(events),
        decisions=len(decisions),
        signed_through=max((head.seq for head in heads), default=0),
        files=(*files, *sounds),
        verification=verification,
    )


# --- what the tables say today --------------------------------------------------------------------


async def _tables(conn: AsyncConnection, person_id: PersonId) -> dict[str, _Rows]:
    """Every row about the person: names, numbers and debts, which events never hold."""
    parties = schema.account_party.c
    accounts = select(parties.account_id).where(parties.person_id == person_id)
    own = (
        schema.person,
        schema.account_party,
        schema.contact_point,
        schema.consent,
        schema.preference,
        schema.person_status,
        schema.suppression,
        schema.attempt,
        schema.promise,
        schema.callback,
        schema.review_item,
        schema.note,
        callers_schema.inbound_call,
        oversight_schema.recording,
        oversight_schema.gate_override,
        oversight_schema.legal_hold,
        oversight_schema.erasure,
        messages_schema.message_thread,
        messages_schema.message,
    )
    found = {table.name: await _rows(conn, table, person_id) for table in own}
    points = schema.contact_point.c
    numbers = select(points.address).where(points.person_id == person_id)
    checks = oversight_schema.number_check
    rows = await conn.execute(select(checks).where(checks.c.address.in_(numbers)))
    found[checks.name] = [dict(row) for row in rows.mappings()]
    for table in (schema.account, schema.debt):
        query = select(table).where(table.c.account_id.in_(accounts))
        found[table.name] = [dict(row) for row in (await conn.execute(query)).mappings()]
    return found


async def _rows(conn: AsyncConnection, table: Table, person_id: PersonId) -> _Rows:
    query = select(table).where(table.c.person_id == person_id)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


# --- what decisions were made from ----------------------------------------------------------------


async def _kept(conn: AsyncConnection, person_id: PersonId) -> dict[str, str]:
    """Every profile of the person that the ledger has, by fingerprint."""
    archive, now = oversight_schema.subject_snapshot.c, schema.person_profile.c
    rows = await conn.execute(
        select(archive.sha256, archive.subject).where(archive.person_id == person_id)
    )
    found = {str(row.sha256): str(row.subject) for row in rows}
    query = select(now.subject).where(now.person_id == person_id)
    standing = (await conn.execute(query)).scalar()
    return found if standing is None else found | {sha256_of(standing): standing}


async def _evidence(
    ledger: Ledger, events: Sequence[ChainedEvent], kept: Mapping[str, str]
) -> dict[str, str]:
    """Packs and profiles that the decisions name, word for word: each is found by its
    fingerprint."""
    records = [record for event in events if (record := _proof(event)) is not None]
    files: dict[str, str] = {}
    sets: dict[str, list[PackRef]] = {}
    for pack_set in dict.fromkeys(record.pack_set for record in records):
        async with ledger.read() as conn:
            texts = await archived_texts(conn, pack_set)
        if texts is None:
            continue
        sets[pack_set] = list(texts)
        for ref, text in texts.items():
            files[f"packs/{ref.sha256}.toml"] = text
    named = {record.subject_sha256 for record in records}
    files |= {f"profiles/{sha}.json": kept[sha] for sha in sorted(named & kept.keys())}
    return files | {"pack_sets.json": _pretty(sets)}


def _proof(event: ChainedEvent) -> DecisionRecord | None:
    """None also for a proof that cannot be read: the export goes on, and does not verify."""
    if event.record is None:
        return None
    try:
        return _record.decode(event.record)
    except msgspec.MsgspecError:
        return None


# --- files ----------------------------------------------------------------------------------------


def _event_rows(events: Sequence[ChainedEvent]) -> _Rows:
    return [
        {
            "seq": event.seq,
            "at": from_ms(event.at_ms).isoformat(),
            "kind": event.kind,
            "body": event.body,
            "hash": event.hash,
        }
        for event in events
    ]


def _decision(event: ChainedEvent) -> msgspec.Raw:
    return msgspec.Raw((event.record or "null").encode())


def _decision_rows(events: Sequence[ChainedEvent]) -> _Rows:
    """Decisions in a table; `end` and `code` are of the attempt that an allowed one became."""
    bodies = [(event, _body.decode(event.body)) for event in events]
    ends = {
        attempt_id: body
        for _, body in bodies
        if (attempt_id := getattr(body, "attempt_id", None)) is not None
        and getattr(body, "code", None) is not None
    }
    rows: _Rows = []
    for event, body in bodies:
        decision_id = getattr(body, "decision_id", None)
        if isinstance(body, AttemptPlanned):
            decision_id = body.attempt_id
        if decision_id is None:
            continue
        end = ends.get(decision_id)
        first_ms = getattr(body, "first_allowed_ms", None)
        rows.append(
            {
                "seq": event.seq,
                "at": from_ms(event.at_ms).isoformat(),
                "decision_id": decision_id,
                "allowed": isinstance(body, AttemptPlanned),
                "rule": getattr(body, "rule_id", ""),
                "first_allowed": "" if first_ms is None else from_ms(first_ms).isoformat(),
                "channel": getattr(body, "channel", ""),
                "account_id": getattr(body, "account_id", ""),
                "contact_point_id": getattr(body, "contact_point_id", ""),
                "campaign_id": getattr(body, "campaign_id", "") or "",
                "end": getattr(end, "outcome", ""),
                "code": getattr(end, "code", ""),
            }
        )
    return rows


def _holds_files(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        # As bytes: what is found by its fingerprint must not change on the way.
        path.write_bytes(text.encode("utf-8"))


def _copy(recordings: RecordingFiles, rows: _Rows, folder: Path) -> tuple[str, ...]:
    """The sound of every recording that is kept; one that is damaged or missing is left out."""
    names = []
    for sha256 in sorted({str(row["sha256"]) for row in rows if row["state"] == "kept"}):
        sound = recordings.read(sha256)
        if sound is not None:
            name = f"recordings/{sha256}.wav"
            (folder / "recordings").mkdir(mode=0o700, exist_ok=True)
            (folder / name).write_bytes(sound)
            names.append(name)
    return tuple(names)


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    out = io.StringIO(newline="")
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def _pretty(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
