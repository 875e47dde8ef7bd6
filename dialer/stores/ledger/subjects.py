"""Changes of what the gate depends on: each write updates its table, then the profiles.

Call inside the transaction that appends the event which proves the change; the event store does.
Changes only ever tighten by themselves: an opt-out keeps its first instant, a validity older than
the one on file is ignored, and nothing here lifts a suppression.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import (
    AccountId,
    Channel,
    DebtId,
    PersonId,
    StatusKind,
    SuppressionScope,
)
from dialer.core.records import to_ms
from dialer.core.writes import (
    AddConsent,
    AddPreference,
    AddStatus,
    AddSuppression,
    ForbidWork,
    OptOutPoint,
    RevokeConsent,
    SetDebtStatus,
    SetLanguage,
    SetPointRole,
    SetValidity,
    SubjectWrite,
    UseOverride,
)
from dialer.stores.ledger import schema
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.bulk import JsonQuery, Value, bulk_insert, bulk_update
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.locks import exclude_appends
from dialer.stores.ledger.oversight_schema import gate_override
from dialer.stores.ledger.profiles import (
    OF_AN_ACCOUNT,
    lock_persons,
    parties_of,
    rebuild_profiles,
)
from dialer.stores.ledger.waking import wake_everybody

W = TypeVar("W", bound=SubjectWrite)
BulkRow = Mapping[str, Value]

_SUPPRESS = bulk_insert(
    schema.suppression,
    [
        "suppression_id",
        "person_id",
        "scope",
        "target_id",
        "channel",
        "reason",
        "starts_ms",
        "ends_ms",
        "created_by",
        "evidence",
    ],
    ignore_conflicts=True,
)
_ADD_STATUS = bulk_insert(
    schema.person_status,
    ["status_id", "person_id", "kind", "since_ms", "until_ms", "source"],
    ignore_conflicts=True,
)
_SET_VALIDITY = bulk_update(
    schema.contact_point,
    ["contact_point_id"],
    ["validity", "validity_at_ms"],
    where='"contact_point".validity_at_ms IS NULL OR x.validity_at_ms >= '
    '"contact_point".validity_at_ms',
)
_FORBID_WORK = bulk_update(schema.contact_point, ["contact_point_id"], ["work_forbidden"])
_SET_ROLE = bulk_update(schema.contact_point, ["contact_point_id"], ["role"])
_SET_LANGUAGE = bulk_update(schema.person, ["person_id"], ["language"])
_OPT_OUT = bulk_update(
    schema.contact_point,
    ["contact_point_id"],
    ["opted_out_ms"],
    where='"contact_point".opted_out_ms IS NULL OR x.opted_out_ms < "contact_point".opted_out_ms',
)
_ADD_PREFERENCE = bulk_insert(
    schema.preference, ["preference_id", "person_id", "fact"], ignore_conflicts=True
)
_ADD_CONSENT = bulk_insert(
    schema.consent,
    [
        "consent_id",
        "person_id",
        "contact_point_id",
        "scope",
        "type",
        "channel",
        "given_to",
        "given_ms",
        "renewed_ms",
        "revoked_ms",
        "expires_ms",
        "evidence",
    ],
    ignore_conflicts=True,
)
_REVOKE = bulk_update(
    schema.consent,
    ["consent_id"],
    ["revoked_ms"],
    where='"consent".revoked_ms IS NULL OR x.revoked_ms < "consent".revoked_ms',
)
_USE_OVERRIDE = bulk_update(
    gate_override,
    ["override_id"],
    ["used_ms", "used_by"],
    where='"gate_override".single_use AND "gate_override".used_ms IS NULL',
)
_SET_DEBT_STATUS = bulk_update(schema.debt, ["debt_id"], ["status"])

_OPEN_STATUSES = JsonQuery(
    """
    SELECT AGG(ARRAY(s.person_id, s.kind)) FROM person_status s
     WHERE s.until_ms IS NULL AND s.person_id IN (SELECT value FROM EACH(:ids))
    """,
    msgspec.json.Decoder(list[tuple[PersonId, StatusKind]] | None),
)


async def apply_subject_writes(conn: Conn, writes: Sequence[SubjectWrite]) -> None:
    """Write every change to its table and rebuild the profiles of everybody it touches.

    Where two writes of a batch change the same thing, the later one counts. Writing the same
    suppression, consent or preference (by id) again changes nothing.

    What is done to an account or a debt reaches every party of the account, not only the person
    the write names.
    """
    if not writes:
        return
    persons = await _touched(conn, writes)
    await lock_persons(conn, persons)
    await _write_suppressions(conn, writes)
    await _write_points(conn, writes)
    await _write_wishes(conn, writes)
    await _SET_DEBT_STATUS.run(
        conn,
        _last(
            (w.debt_id, {"debt_id": w.debt_id, "status": w.status})
            for w in _of(writes, SetDebtStatus)
        ),
    )
    await _USE_OVERRIDE.run(
        conn,
        _last(
            (
                w.override_id,
                {"override_id": w.override_id, "used_ms": w.at_ms, "used_by": w.attempt_id},
            )
            for w in _of(writes, UseOverride)
        ),
    )
    await rebuild_profiles(conn, persons)


async def _touched(conn: Conn, writes: Sequence[SubjectWrite]) -> set[PersonId]:
    persons = {w.person_id for w in writes}
    targets = {
        w.target_id
        for w in _of(writes, AddSuppression)
        if w.scope in OF_AN_ACCOUNT and w.target_id is not None
    }
    debts = {w.debt_id for w in _of(writes, SetDebtStatus)}
    if targets or debts:
        accounts = (AccountId(target) for target in targets)
        persons.update(await parties_of(conn, accounts, debts | {DebtId(t) for t in targets}))
    return persons


async def _write_suppressions(conn: Conn, writes: Sequence[SubjectWrite]) -> None:
    await _SUPPRESS.run(conn, [suppression_row(w) for w in _of(writes, AddSuppression)])
    await add_statuses(conn, list(_of(writes, AddStatus)))


async def _write_points(conn: Conn, writes: Sequence[SubjectWrite]) -> None:
    newest: dict[str, SetValidity] = {}
    for write in _of(writes, SetValidity):
        known = newest.get(write.contact_point_id)
        if known is None or write.at_ms >= known.at_ms:
            newest[write.contact_point_id] = write
    await _SET_VALIDITY.run(
        conn,
        [
            {"contact_point_id": p, "validity": w.validity, "validity_at_ms": w.at_ms}
            for p, w in newest.items()
        ],
    )
    await _FORBID_WORK.run(
        conn,
        _last(
            (w.contact_point_id, {"contact_point_id": w.contact_point_id, "work_forbidden": True})
            for w in _of(writes, ForbidWork)
        ),
    )
    await _SET_ROLE.run(
        conn,
        _last(
            (w.contact_point_id, {"contact_point_id": w.contact_point_id, "role": w.role})
            for w in _of(writes, SetPointRole)
        ),
    )
    first_ms: dict[str, int] = {}
    for opt_out in _of(writes, OptOutPoint):
        point = opt_out.contact_point_id
        first_ms[point] = min(opt_out.at_ms, first_ms.get(point, opt_out.at_ms))
    await _OPT_OUT.run(
        conn, [{"contact_point_id": p, "opted_out_ms": at} for p, at in first_ms.items()]
    )


async def _write_wishes(conn: Conn, writes: Sequence[SubjectWrite]) -> None:
    await _SET_LANGUAGE.run(
        conn,
        _last(
            (w.person_id, {"person_id": w.person_id, "language": w.language})
            for w in _of(writes, SetLanguage)
        ),
    )
    await _ADD_PREFERENCE.run(
        conn,
        _last((w.preference.preference_id, preference_row(w)) for w in _of(writes, AddPreference)),
    )
    await _ADD_CONSENT.run(
        conn,
        _last((w.consent.consent_id, consent_row(w)) for w in _of(writes, AddConsent)),
    )
    revoked_ms: dict[str, int] = {}
    for write in _of(writes, RevokeConsent):
        known = revoked_ms.get(write.consent_id, write.at_ms)
        revoked_ms[write.consent_id] = min(known, write.at_ms)
    await _REVOKE.run(conn, [{"consent_id": c, "revoked_ms": at} for c, at in revoked_ms.items()])


async def add_statuses(conn: Conn, writes: Sequence[AddStatus]) -> int:
    """Record statuses of people, and tell how many are new.

    One that is open already is not opened a second time.
    """
    if not writes:
        return 0
    people = sorted({w.person_id for w in writes})
    known = set(await _OPEN_STATUSES.run(conn, ids=people) or [])
    rows = ((status_id(w), _status_row(w)) for w in writes if (w.person_id, w.kind) not in known)
    return await _ADD_STATUS.run(conn, _last(rows))


async def add_wide_suppression(
    conn: AsyncConnection,
    *,
    scope: SuppressionScope,
    reason: str,
    actor: str,
    now_ms: int,
    target_id: str | None = None,
    channel: Channel | None = None,
    ends_ms: int | None = None,
    evidence: str = "",
) -> str:
    """Stop contacts of the whole tenant, or of one creditor; returns the suppression's id.

    It binds every contact whose intent is not yet durable: an append that was decided before it
    loses (`HOUSE_STREAM`).

    Raises `ValueError` for a narrower scope, or a creditor that is not named.
    """
    if scope not in (SuppressionScope.TENANT, SuppressionScope.CREDITOR):
        raise ValueError(f"a wide suppression is of the tenant or creditor, not of a {scope}")
    if scope is SuppressionScope.CREDITOR and not target_id:
        raise ValueError("say which creditor is suppressed")
    await exclude_appends(conn)
    suppression_id = new_id()
    row: BulkRow = {
        "suppression_id": suppression_id,
        "person_id": None,
        "scope": scope,
        "target_id": target_id,
        "channel": channel,
        "reason": reason,
        "starts_ms": now_ms,
        "ends_ms": ends_ms,
        "created_by": actor,
        "evidence": evidence,
    }
    await _SUPPRESS.run(conn, [row])
    await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action="suppression.create",
        target=suppression_id,
        detail={"scope": scope, "target": target_id, "reason": reason},
    )
    return suppression_id


async def end_wide_suppression(
    conn: AsyncConnection, suppression_id: str, *, actor: str, now_ms: int
) -> None:
    """Raises `LookupError` when there is no wide suppression of this id that is still open."""
    table = schema.suppression
    ended = await conn.execute(
        update(table)
        .where(
            table.c.suppression_id == suppression_id,
            table.c.person_id.is_(None),
            or_(table.c.ends_ms.is_(None), table.c.ends_ms > now_ms),
        )
        .values(ends_ms=now_ms)
    )
    if ended.rowcount != 1:
        raise LookupError(f"there is no open suppression {suppression_id} of tenant or creditor")
    await wake_everybody(conn)
    await record_audit(
        conn, at_ms=now_ms, actor=actor, action="suppression.end", target=suppression_id
    )


def status_id(write: AddStatus) -> str:
    """The same statement has the same id."""
    return f"{write.person_id}:{write.kind}:{write.since_ms}"


def suppression_row(write: AddSuppression) -> BulkRow:
    return {
        "suppression_id": write.suppression_id,
        "person_id": write.person_id,
        "scope": write.scope,
        "target_id": write.target_id,
        "channel": write.channel,
        "reason": write.reason,
        "starts_ms": write.starts_ms,
        "ends_ms": write.ends_ms,
        "created_by": write.created_by,
        "evidence": write.evidence,
    }


def consent_row(write: AddConsent) -> BulkRow:
    """Row of table `consent`. The debts a consent is for have no column: they are evidence."""
    fact = write.consent
    return {
        "consent_id": fact.consent_id,
        "person_id": write.person_id,
        "contact_point_id": fact.contact_point_id,
        "scope": fact.scope,
        "type": fact.type,
        "channel": fact.channel,
        "given_to": fact.given_to,
        "given_ms": to_ms(fact.given_at),
        "renewed_ms": None if fact.renewed_at is None else to_ms(fact.renewed_at),
        "revoked_ms": None if fact.revoked_at is None else to_ms(fact.revoked_at),
        "expires_ms": None if fact.expires_at is None else to_ms(fact.expires_at),
        "evidence": fact.evidence,
    }


def preference_row(write: AddPreference) -> BulkRow:
    return {
        "preference_id": write.preference.preference_id,
        "person_id": write.person_id,
        "fact": msgspec.json.encode(write.preference).decode(),
    }


def _status_row(write: AddStatus) -> BulkRow:
    return {
        "status_id": status_id(write),
        "person_id": write.person_id,
        "kind": write.kind,
        "since_ms": write.since_ms,
        "until_ms": write.until_ms,
        "source": write.source,
    }


def _of(writes: Sequence[SubjectWrite], kind: type[W]) -> Iterable[W]:
    return (w for w in writes if isinstance(w, kind))


def _last(rows: Iterable[tuple[str, BulkRow]]) -> list[BulkRow]:
    """One row a key, the last one: a bulk statement may touch a row only once."""
    return list(dict(rows).values())
