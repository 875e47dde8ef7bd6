"""What the ledger recorded about decisions and people, page by page.

Every page costs a bounded amount of reading: a page that looked at its share of events and found
fewer than were asked for is short, and says where to go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import Select, desc, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.messages import DecisionRecord
from compliance.types import Channel, ContactPointId, DecisionId, EventKind, PersonId
from dialer.core.counters import CounterAt, counters_of
from dialer.core.masking import masked
from dialer.core.records import (
    AnyBody,
    AttemptPlanned,
    CallbackRequested,
    ContactBlocked,
    Imported,
    InboundContact,
    SubjectChanged,
    event_id,
    from_ms,
)
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.schema import attempt, contact_point, ledger_event, person

LOOKED_AT: Final = 20_000
"""Events that one page looks at, at most."""

CHUNK: Final = 200
"""Rows that are fetched together."""

_BODY: Final[msgspec.json.Decoder[AnyBody]] = msgspec.json.Decoder(AnyBody)
_RECORD: Final = msgspec.json.Decoder(DecisionRecord)
_CONTACTS: Final = (AttemptPlanned, ContactBlocked, CallbackRequested, InboundContact, Imported)


class Verdict(StrEnum):
    ALLOWED = "allowed"
    BLOCKED = "blocked"


_DECIDED: Final = {
    Verdict.ALLOWED: str(AttemptPlanned.__struct_config__.tag),
    Verdict.BLOCKED: str(ContactBlocked.__struct_config__.tag),
}


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of the gate, as the ledger has it."""

    decision_id: str
    event_id: str
    at: datetime
    verdict: Verdict
    person_id: str
    account_id: str
    contact_point_id: str
    channel: Channel
    campaign_id: str | None
    rule_id: str | None = None
    """Of a blocked contact: the headline reason."""
    first_allowed: datetime | None = None


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an allowed contact; times in milliseconds."""

    ended_ms: int | None
    outcome: EventKind | None
    code: str | None
    agent_id: str | None
    ring_ms: int | None
    connect_ms: int | None
    talk_ms: int | None
    wrap_ms: int | None


class DecisionDetail(msgspec.Struct, frozen=True, kw_only=True):
    decision: DecisionView
    hash: str
    """Of the event, as chained in the person's stream."""
    record: DecisionRecord | None
    """The whole proof: every rule's finding, packs, local times. None where it was not kept."""
    attempt: AttemptView | None = None


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a person's stream."""

    event_id: str
    at: datetime
    kind: str
    body: AnyBody
    hash: str
    counters: tuple[CounterAt, ...] = ()
    """Of a decision: what the counters of law and house stood at when it was made."""


class ContactLog(msgspec.Struct, frozen=True, kw_only=True):
    entries: list[LogEntry]
    """Newest first."""
    addresses: dict[ContactPointId, str]
    """Phones and mails that the entries speak of; masked for roles that need no more."""
    next_before: int | None
    """`before` of the next page; None: this was the last."""


async def find_decisions(
    ledger: Ledger,
    *,
    person_id: str | None,
    campaign_id: str | None,
    verdict: Verdict | None,
    before: int | None,
    limit: int,
) -> tuple[list[DecisionView], int | None]:
    """The newest decisions that fit, and the `before` of the next page (None: no more)."""
    found: list[DecisionView] = []
    async with ledger.read() as conn:
        newest = select(func.max(ledger_event.c.event_no))
        top = before or ((await conn.execute(newest)).scalar() or 0) + 1
        bottom = 1 if person_id is not None else max(1, top - LOOKED_AT)
        while top > bottom:
            query = _decided(bottom, top, person_id, verdict).limit(CHUNK)
            rows = (await conn.execute(query)).all()
            for row in rows:
                body = _BODY.decode(row.body)
                if not isinstance(body, AttemptPlanned | ContactBlocked):
                    continue
                if campaign_id is not None and body.campaign_id != campaign_id:
                    continue
                found.append(_decision(row.person_id, row.seq, row.at_ms, body))
                if len(found) == limit:
                    return found, row.event_no
            top = rows[-1].event_no if len(rows) == CHUNK else bottom
    return found, bottom if bottom > 1 else None


def _decided(
    bottom: int, top: int, person_id: str | None, verdict: Verdict | None
) -> Select[int, str, int, int, str]:
    """Decisions from `bottom` on and below `top`, newest first."""
    event = ledger_event.c
    kinds = _DECIDED.values() if verdict is None else (_DECIDED[verdict],)
    query = (
        select(event.event_no, event.person_id, event.seq, event.at_ms, event.body)
        .where(event.event_no >= bottom, event.event_no < top, event.kind.in_(kinds))
        .order_by(desc(event.event_no))
    )
    return query if person_id is None else query.where(event.person_id == person_id)


async def read_decision(events: EventReader, decision_id: str) -> DecisionDetail | None:
    """One decision with its proof, and what became of it."""
    event = await events.read_decision(DecisionId(decision_id))
    if event is None:
        return None
    body = _BODY.decode(event.body)
    if not isinstance(body, AttemptPlanned | ContactBlocked):
        return None
    async with events.ledger.read() as conn:
        ended = await _attempt(conn, decision_id)
    return DecisionDetail(
        decision=_decision(event.person_id, event.seq, event.at_ms, body),
        hash=event.hash,
        record=None if event.record is None else _RECORD.decode(event.record),
        attempt=ended,
    )


async def _attempt(conn: AsyncConnection, attempt_id: str) -> AttemptView | None:
    names = AttemptView.__struct_fields__
    query = select(*(attempt.c[name] for name in names)).where(attempt.c.attempt_id == attempt_id)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else msgspec.convert(dict(zip(names, row, strict=True)), AttemptView)


async def read_contact_log(
    ledger: Ledger, person_id: str, *, before: int | None, limit: int
) -> ContactLog | None:
    """A person's contacts, newest first, with whole addresses; None for nobody known."""
    event = ledger_event.c
    query = (
        select(event.seq, event.at_ms, event.kind, event.body, event.hash, event.record)
        .where(event.person_id == person_id, event.kind != SubjectChanged.__struct_config__.tag)
        .order_by(desc(event.seq))
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(event.seq < before)
    async with ledger.read() as conn:
        rows = (await conn.execute(query)).all()
        known = await conn.execute(
            select(person.c.person_id).where(person.c.person_id == person_id)
        )
        if not rows and known.scalar() is None:
            return None
        points = await conn.execute(
            select(contact_point.c.contact_point_id, contact_point.c.address).where(
                contact_point.c.person_id == person_id
            )
        )
        addresses = {ContactPointId(row[0]): str(row[1]) for row in points}
    entries = [
        LogEntry(
            event_id=event_id(PersonId(person_id), row.seq),
            at=from_ms(row.at_ms),
            kind=row.kind,
            body=_BODY.decode(row.body),
            hash=row.hash,
            counters=() if row.record is None else counters_of(_RECORD.decode(row.record)),
        )
        for row in rows[:limit]
    ]
    spoken_of = _points(entries)
    return ContactLog(
        entries=entries,
        addresses={point: addresses[point] for point in addresses if point in spoken_of},
        next_before=rows[limit - 1].seq if len(rows) > limit else None,
    )


def masked_log(log: ContactLog) -> ContactLog:
    """The same with addresses that can be recognised, but not called."""
    return msgspec.structs.replace(
        log, addresses={point: masked(address) for point, address in log.addresses.items()}
    )


def _decision(
    person_id: str, seq: int, at_ms: int, body: AttemptPlanned | ContactBlocked
) -> DecisionView:
    common = DecisionView(
        decision_id="",
        event_id=event_id(PersonId(person_id), seq),
        at=from_ms(at_ms),
        verdict=Verdict.ALLOWED,
        person_id=person_id,
        account_id=body.account_id,
        contact_point_id=body.contact_point_id,
        channel=body.channel,
        campaign_id=body.campaign_id,
    )
    if isinstance(body, AttemptPlanned):
        return msgspec.structs.replace(common, decision_id=body.attempt_id)
    first_ms = body.first_allowed_ms
    return msgspec.structs.replace(
        common,
        decision_id=body.decision_id,
        verdict=Verdict.BLOCKED,
        rule_id=body.rule_id,
        first_allowed=None if first_ms is None else from_ms(first_ms),
    )


def _points(entries: Iterable[LogEntry]) -> set[ContactPointId]:
    found: set[ContactPointId] = set()
    for entry in entries:
        body = entry.body
        if isinstance(body, _CONTACTS) and body.contact_point_id is not None:
            found.add(body.contact_point_id)
    return found
