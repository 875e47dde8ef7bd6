"""Profiles: each person's `Subject` as JSON, assembled from the tables that it is made of.

A profile is rebuilt in the transaction that changed any of its tables, so facts for a whole batch
of contacts are one read. Writers of PostgreSQL lock the people first (`lock_persons`): of two
transactions that change one person, the second one reads what the first one wrote.

Suppressions of an account or a debt stand in the profile of every party of that account.
Suppressions of a creditor or of the whole tenant (`person_id` NULL) stand in no profile: they
are few, hold at once for everybody, and are merged by whoever reads facts (`wide_suppressions`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import lru_cache

import msgspec

from compliance.messages import (
    ConsentFact,
    ContactPointFacts,
    DebtFacts,
    NumberCheckFact,
    OverrideFact,
    PersonFacts,
    Place,
    PreferenceFact,
    StatusFact,
    Subject,
    SuppressionFact,
)
from compliance.types import (
    AccountId,
    Channel,
    ConsentScope,
    ConsentType,
    ContactPointId,
    ContactPointKind,
    CreditorId,
    DebtClass,
    DebtId,
    DebtStatus,
    LineType,
    PartyRole,
    PersonId,
    PersonKind,
    PointLabel,
    StatusKind,
    SuppressionScope,
    Validity,
)
from dialer.core.records import from_ms
from dialer.stores.ledger import schema
from dialer.stores.ledger.archive import keep_replaced
from dialer.stores.ledger.bulk import Dialect, JsonQuery, bulk_upsert, of_postgresql, spell_all
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.waking import wake_people

OF_AN_ACCOUNT = frozenset({SuppressionScope.ACCOUNT, SuppressionScope.DEBT})
"""Scopes of a suppression that bind every party of the account."""


class _Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row as the query below selects it."""


class _Person(_Row, frozen=True, array_like=True, gc=False):
    person_id: PersonId
    kind: PersonKind
    language: str | None
    country: str | None
    subdivision: str | None
    locality: str | None
    postal_code: str | None
    zones: str


class _Point(_Row, frozen=True, array_like=True, gc=False):
    person_id: PersonId
    contact_point_id: ContactPointId
    kind: ContactPointKind
    address: str
    line: LineType
    label: PointLabel
    role: PartyRole
    validity: Validity
    opted_out_ms: int | None
    work_forbidden: bool | int
    shared_with: str
    also_reference: bool | int
    zones: str
    region: str | None
    acquired_ms: int
    rank: int


class _Debt(_Row, frozen=True, array_like=True, gc=False):
    person_id: PersonId
    debt_id: DebtId
    account_id: AccountId
    status: DebtStatus
    debt_class: DebtClass
    creditor_id: CreditorId
    role: PartyRole
    external_id: str
    balance_as_of_ms: int
    limitation_date: date | None
    validation_sent_ms: int | None


class _Status(_Row, frozen=True, array_like=True, gc=False):
    person_id: PersonId
    kind: StatusKind
    since_ms: int
    until_ms: int | None
    source: str


class _Suppression(_Row, frozen=True, array_like=True, gc=False):
    person_id: PersonId | None
    suppression_id: str
    scope: SuppressionScope
    reason: str
    starts_ms: int
    ends_ms: int | None
    channel: Channel | None
    target_id: str | None


class _Consent(_Row, frozen=True, array_like=True, gc=False):
    person_id: PersonId
    consent_id: str
    scope: ConsentScope
    type: ConsentType
    given_ms: int
    given_to: str
    channel: Channel | None
    contact_point_id: ContactPointId | None
    renewed_ms: int | None
    revoked_ms: int | None
    expires_ms: int | None
    evidence: str


class _Override(_Row, frozen=True, array_like=True, gc=False):
    person_id: PersonId
    override_id: str
    rule_id: str
    starts_ms: int
    ends_ms: int
    contact_point_id: ContactPointId | None
    single_use: int
    used_ms: int | None


class _Check(_Row, frozen=True, array_like=True, gc=False):
    person_id: PersonId
    kind: str
    contact_point_id: ContactPointId
    checked_ms: int
    answer: str


class _Tables(_Row, frozen=True, array_like=True, gc=False):
    persons: list[_Person] | None
    points: list[_Point] | None
    debts: list[_Debt] | None
    statuses: list[_Status] | None
    suppressions: list[_Suppression] | None
    consents: list[_Consent] | None
    preferences: list[tuple[PersonId, str]] | None
    overrides: list[_Override] | None
    checks: list[_Check] | None


_TABLES = JsonQuery(
    """
    WITH ids AS MATERIALIZED (SELECT value AS person_id FROM EACH(:ids))
    SELECT ARRAY(
      (SELECT AGG(ARRAY(p.person_id, p.kind, p.language, p.country, p.subdivision, p.locality,
                        p.postal_code, p.zones))
         FROM ids CROSS JOIN person p WHERE p.person_id = ids.person_id),
      (SELECT AGG(ARRAY(c.person_id, c.contact_point_id, c.kind, c.address, c.line, c.label,
                        c.role, c.validity, c.opted_out_ms, c.work_forbidden, c.shared_with,
                        c.also_reference, c.zones, c.region, c.acquired_ms, c.rank))
         FROM ids CROSS JOIN contact_point c WHERE c.person_id = ids.person_id),
      (SELECT AGG(ARRAY(ap.person_id, d.debt_id, d.account_id, d.status, d.debt_class,
                        f.creditor_id, ap.role, a.external_id, d.balance_as_of_ms,
                        d.limitation_date, d.validation_sent_ms))
         FROM ids CROSS JOIN account_party ap CROSS JOIN account a CROSS JOIN debt d
              CROSS JOIN portfolio f
        WHERE ap.person_id = ids.person_id AND a.account_id = ap.account_id
          AND d.account_id = a.account_id AND f.portfolio_id = a.portfolio_id),
      (SELECT AGG(ARRAY(s.person_id, s.kind, s.since_ms, s.until_ms, s.source))
         FROM ids CROSS JOIN person_status s WHERE s.person_id = ids.person_id),
      (SELECT AGG(ARRAY(s.person_id, s.suppression_id, s.scope, s.reason, s.starts_ms, s.ends_ms,
                        s.channel, s.target_id))
         FROM (SELECT person_id FROM ids
               UNION
               SELECT other.person_id
                 FROM ids CROSS JOIN account_party mine CROSS JOIN account_party other
                WHERE mine.person_id = ids.person_id AND other.account_id = mine.account_id
              ) AS near
              CROSS JOIN suppression s WHERE s.person_id = near.person_id),
      (SELECT AGG(ARRAY(c.person_id, c.consent_id, c.scope, c.type, c.given_ms, c.given_to,
                        c.channel, c.contact_point_id, c.renewed_ms, c.revoked_ms, c.expires_ms,
                        c.evidence))
         FROM ids CROSS JOIN consent c WHERE c.person_id = ids.person_id),
      (SELECT AGG(ARRAY(p.person_id, p.fact))
         FROM ids CROSS JOIN preference p WHERE p.person_id = ids.person_id),
      (SELECT AGG(ARRAY(o.person_id, o.override_id, o.rule_id, o.starts_ms, o.ends_ms,
                        o.contact_point_id, CASE WHEN o.single_use THEN 1 ELSE 0 END, o.used_ms))
         FROM ids CROSS JOIN gate_override o
        WHERE o.person_id = ids.person_id AND o.state = 'approved'),
      (SELECT AGG(ARRAY(c.person_id, n.kind, c.contact_point_id, n.checked_ms, n.answer))
         FROM ids CROSS JOIN contact_point c CROSS JOIN number_check n
        WHERE c.person_id = ids.person_id AND c.kind IN ('phone', 'whatsapp')
          AND n.address = c.address)
    )
    """,
    msgspec.json.Decoder(_Tables),
)

_WIDE = JsonQuery(
    """
    SELECT AGG(ARRAY(s.person_id, s.suppression_id, s.scope, s.reason, s.starts_ms, s.ends_ms,
                     s.channel, s.target_id))
      FROM suppression s WHERE s.person_id IS NULL AND s.scope IN ('creditor', 'tenant')
    """,
    msgspec.json.Decoder(list[_Suppression] | None),
)

_LOCK = spell_all(
    """
    SELECT person_id FROM person WHERE person_id IN (SELECT value FROM EACH(:ids))
     ORDER BY person_id FOR NO KEY UPDATE
    """
)

_PARTIES = JsonQuery(
    """
    SELECT AGG(person_id) FROM (
      SELECT DISTINCT person_id FROM account_party
       WHERE account_id IN (SELECT value FROM EACH(:account_ids)
                            UNION
                            SELECT account_id FROM debt
                             WHERE debt_id IN (SELECT value FROM EACH(:debt_ids)))) AS parties
    """,
    msgspec.json.Decoder(list[PersonId] | None),
)

_SAVE = bulk_upsert(schema.person_profile, ["person_id"], ["person_id", "subject"])
_NAMES = msgspec.json.Decoder(tuple[str, ...])
_PERSON_IDS = msgspec.json.Decoder(tuple[PersonId, ...])
_PREFERENCE = msgspec.json.Decoder(PreferenceFact)


async def lock_persons(conn: Conn, person_ids: Iterable[PersonId]) -> None:
    """Make other transactions that change these people wait for this one.

    On SQLite there is nothing to do: it has one writer. Always in the order of ids, so that two
    of these never wait for each other.
    """
    ids = sorted(set(person_ids))
    if ids and of_postgresql(conn):
        encoded = msgspec.json.encode(ids).decode()
        await conn.execute(_LOCK[Dialect.POSTGRESQL], {"ids": encoded})


async def parties_of(
    conn: Conn, account_ids: Iterable[AccountId], debt_ids: Iterable[DebtId]
) -> list[PersonId]:
    """Everybody who is a party of these accounts, or of the accounts of these debts."""
    return (
        await _PARTIES.run(conn, account_ids=sorted(account_ids), debt_ids=sorted(debt_ids)) or []
    )


async def rebuild_profiles(conn: Conn, person_ids: Iterable[PersonId]) -> None:
    """Assemble the profiles of these people from the tables and store them.

    What the profiles said before is kept, so that decisions made from it can be replayed. Lock
    the people first where other transactions may change them. Unknown ids are left out.
    """
    subjects = await read_subjects(conn, sorted(set(person_ids)))
    profiles: dict[str, str] = {
        subject.person.person_id: msgspec.json.encode(subject).decode() for subject in subjects
    }
    await keep_replaced(conn, profiles)
    await _SAVE.run(
        conn, [{"person_id": person_id, "subject": text} for person_id, text in profiles.items()]
    )
    await wake_people(conn, map(PersonId, profiles))


async def read_subjects(conn: Conn, person_ids: Sequence[PersonId]) -> list[Subject]:
    """Subjects as the tables have them now (not as their profiles say)."""
    if not person_ids:
        return []
    tables = await _TABLES.run(conn, ids=person_ids)
    return list(_assemble(tables))


async def wide_suppressions(conn: Conn) -> tuple[SuppressionFact, ...]:
    """Suppressions of the tenant or of a creditor, which belong to everybody's facts."""
    rows = await _WIDE.run(conn) or []
    return tuple(_suppression(row) for row in sorted(rows, key=lambda row: row.suppression_id))


def _assemble(tables: _Tables) -> Iterable[Subject]:
    points: defaultdict[PersonId, list[ContactPointFacts]] = defaultdict(list)
    for point in tables.points or ():
        points[point.person_id].append(_point(point))
    debts: defaultdict[PersonId, list[DebtFacts]] = defaultdict(list)
    for debt in tables.debts or ():
        debts[debt.person_id].append(_debt(debt))
    statuses: defaultdict[PersonId, list[StatusFact]] = defaultdict(list)
    for status in tables.statuses or ():
        statuses[status.person_id].append(_status(status))
    consents: defaultdict[PersonId, list[ConsentFact]] = defaultdict(list)
    for consent in tables.consents or ():
        consents[consent.person_id].append(_consent(consent))
    preferences: defaultdict[PersonId, list[PreferenceFact]] = defaultdict(list)
    for person_id, fact in tables.preferences or ():
        preferences[person_id].append(_PREFERENCE.decode(fact))
    overrides: defaultdict[PersonId, list[OverrideFact]] = defaultdict(list)
    for override in tables.overrides or ():
        overrides[override.person_id].append(_override(override))
    checks: defaultdict[PersonId, list[NumberCheckFact]] = defaultdict(list)
    for check in tables.checks or ():
        checks[check.person_id].append(_check(check))
    own, of_targets = _by_reach(tables.suppressions or [])
    for person in tables.persons or ():
        person_id = person.person_id
        persons_debts = sorted(debts[person_id], key=lambda d: d.debt_id)
        suppressions = {s.suppression_id: s for s in own.get(person_id, ())}
        for target in {t for d in persons_debts for t in (d.account_id, d.debt_id)}:
            suppressions |= {s.suppression_id: s for s in of_targets.get(target, ())}
        yield Subject(
            person=_person(person, tuple(sorted(statuses[person_id], key=_status_order))),
            contact_points=tuple(sorted(points[person_id], key=_point_order)),
            debts=tuple(persons_debts),
            consents=tuple(sorted(consents[person_id], key=lambda c: c.consent_id)),
            preferences=tuple(sorted(preferences[person_id], key=lambda p: p.preference_id)),
            suppressions=tuple(s for _, s in sorted(suppressions.items())),
            number_checks=tuple(sorted(checks[person_id], key=_check_order)),
            overrides=tuple(sorted(overrides[person_id], key=lambda o: o.override_id)),
        )


def _by_reach(
    rows: list[_Suppression],
) -> tuple[dict[PersonId, list[SuppressionFact]], dict[str, list[SuppressionFact]]]:
    """Suppressions by the person they were made for, and those of accounts and debts by target."""
    own: dict[PersonId, list[SuppressionFact]] = {}
    of_targets: dict[str, list[SuppressionFact]] = {}
    for row in rows:
        fact = _suppression(row)
        if row.person_id is not None:
            own.setdefault(row.person_id, []).append(fact)
        if row.scope in OF_AN_ACCOUNT and row.target_id is not None:
            of_targets.setdefault(row.target_id, []).append(fact)
    return own, of_targets


def _person(row: _Person, statuses: tuple[StatusFact, ...]) -> PersonFacts:
    residence = None
    if row.country is not None:
        residence = Place(
            country=row.country,
            subdivision=row.subdivision,
            locality=row.locality,
            postal_code=row.postal_code,
        )
    return PersonFacts(
        person_id=row.person_id,
        kind=row.kind,
        residence=residence,
        zones=_names(row.zones),
        statuses=statuses,
        language=row.language,
    )


def _point(row: _Point) -> ContactPointFacts:
    return ContactPointFacts(
        contact_point_id=row.contact_point_id,
        kind=row.kind,
        address=row.address,
        line=row.line,
        label=row.label,
        role=row.role,
        validity=row.validity,
        opted_out_at=_instant(row.opted_out_ms),
        work_forbidden=bool(row.work_forbidden),
        shared_with=() if row.shared_with == "[]" else _PERSON_IDS.decode(row.shared_with),
        also_reference=bool(row.also_reference),
        zones=_names(row.zones),
        region=row.region,
        acquired_at=from_ms(row.acquired_ms),
        rank=row.rank,
    )


def _debt(row: _Debt) -> DebtFacts:
    return DebtFacts(
        debt_id=row.debt_id,
        account_id=row.account_id,
        status=row.status,
        debt_class=row.debt_class,
        creditor_id=row.creditor_id,
        role=row.role,
        # Student loans under one number count as one debt (cmt. 14(b)(4)-2 to 12 CFR 1006).
        account_number_key=row.external_id if row.debt_class is DebtClass.STUDENT else None,
        balance_as_of=from_ms(row.balance_as_of_ms),
        limitation_date=row.limitation_date,
        validation_sent_at=_instant(row.validation_sent_ms),
    )


def _status(row: _Status) -> StatusFact:
    return StatusFact(
        kind=row.kind, since=from_ms(row.since_ms), until=_instant(row.until_ms), source=row.source
    )


def _suppression(row: _Suppression) -> SuppressionFact:
    return SuppressionFact(
        suppression_id=row.suppression_id,
        scope=row.scope,
        reason=row.reason,
        starts_at=from_ms(row.starts_ms),
        ends_at=_instant(row.ends_ms),
        channel=row.channel,
        target_id=row.target_id,
    )


def _consent(row: _Consent) -> ConsentFact:
    return ConsentFact(
        consent_id=row.consent_id,
        scope=row.scope,
        type=row.type,
        given_at=from_ms(row.given_ms),
        given_to=row.given_to,
        channel=row.channel,
        contact_point_id=row.contact_point_id,
        renewed_at=_instant(row.renewed_ms),
        revoked_at=_instant(row.revoked_ms),
        expires_at=_instant(row.expires_ms),
        evidence=row.evidence,
    )


def _override(row: _Override) -> OverrideFact:
    return OverrideFact(
        override_id=row.override_id,
        rule_id=row.rule_id,
        starts_at=from_ms(row.starts_ms),
        ends_at=from_ms(row.ends_ms),
        contact_point_id=row.contact_point_id,
        single_use=bool(row.single_use),
        used_at=_instant(row.used_ms),
    )


def _check(row: _Check) -> NumberCheckFact:
    return NumberCheckFact(
        kind=row.kind,
        contact_point_id=row.contact_point_id,
        checked_at=from_ms(row.checked_ms),
        answer=row.answer,
    )


def _instant(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else from_ms(at_ms)


@lru_cache(maxsize=4096)
def _names(encoded: str) -> tuple[str, ...]:
    """Zones of a row; a portfolio has a few hundred different sets."""
    return _NAMES.decode(encoded)


def _point_order(point: ContactPointFacts) -> tuple[int, str]:
    return (point.rank, point.contact_point_id)


def _check_order(check: NumberCheckFact) -> tuple[str, str, datetime, str]:
    return (check.contact_point_id, check.kind, check.checked_at, check.answer)


def _status_order(status: StatusFact) -> tuple[datetime, str]:
    return (status.since, status.kind)
