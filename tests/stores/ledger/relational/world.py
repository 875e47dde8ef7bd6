"""Small portfolios for tests of the ledger, and ways to look at what came of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import date

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.portfolio.model import (
    Flag,
    FlagAction,
    FlagKind,
    ImportedAccount,
    ImportedConsent,
    ImportedContactPoint,
    ImportedDebt,
    ImportedNote,
    ImportedParty,
)
from compliance.messages import ContactPointFacts, Place, Subject
from compliance.types import (
    CollectorRole,
    ContactPointKind,
    CreditorId,
    DebtClass,
    LineType,
    PartyRole,
    PersonId,
    PointLabel,
)
from dialer.stores.ledger import schema
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.importing import BatchCounts, ImportContext, import_batch
from dialer.stores.ledger.jobs import start_job
from dialer.stores.ledger.portfolios import Portfolio, create_portfolio
from dialer.stores.ledger.profiles import read_subjects

NOW_MS = 1_788_100_000_000
DAY_MS = 86_400_000


def phone(
    address: str,
    *,
    label: PointLabel = PointLabel.MOBILE,
    role: PartyRole = PartyRole.HOLDER,
    rank: int = 0,
) -> ImportedContactPoint:
    return ImportedContactPoint(
        kind=ContactPointKind.PHONE,
        address=address,
        raw=address,
        column="telefono_1",
        line=LineType.MOBILE,
        label=label,
        role=role,
        zones=("America/Santiago",),
        region="CL",
        rank=rank,
    )


def party(
    document: str | None,
    *points: ImportedContactPoint,
    role: PartyRole = PartyRole.HOLDER,
    name: str = "Ana Díaz",
    match_key: str = "",
) -> ImportedParty:
    return ImportedParty(
        match_key=match_key or f"doc:rut:{document}",
        role=role,
        name=name,
        document_type="rut" if document else None,
        document_number=document,
        residence=Place(country="CL", subdivision="CL-RM", locality="Santiago"),
        zones=("America/Santiago",),
        contact_points=points,
    )


def account(
    external_id: str,
    *parties: ImportedParty,
    total: int = 100_000,
    overdue: int | None = None,
    dpd: int | None = 40,
    recalled: bool = False,
    flags: tuple[Flag, ...] = (),
    notes: tuple[str, ...] = (),
    consents: tuple[ImportedConsent, ...] = (),
    debts: tuple[ImportedDebt, ...] = (),
    charge_off_date: date | None = None,
) -> ImportedAccount:
    """An account as the importer gives it; the hash is of everything it says."""
    made = ImportedAccount(
        external_id=external_id,
        row_number=2,
        row_sha256="",
        currency="CLP",
        dpd=dpd,
        recalled=recalled,
        debts=debts
        or (
            ImportedDebt(
                reference=external_id,
                total_cents=total,
                overdue_cents=overdue,
                charge_off_date=charge_off_date,
            ),
        ),
        parties=parties or (party(external_id, phone("+56912345678")),),
        flags=flags,
        notes=tuple(ImportedNote(column="observaciones", text=note) for note in notes),
        consents=consents,
    )
    digest = hashlib.sha256(msgspec.json.encode(made)).hexdigest()
    return msgspec.structs.replace(made, row_sha256=digest)


def flag(kind: FlagKind, text: str = "S", *, action: FlagAction = FlagAction.SUPPRESS) -> Flag:
    return Flag(kind=kind, action=action, column="observaciones", text=text)


def some_portfolio(
    name: str = "cartera",
    *,
    synthetic: bool = True,
    debt_class: DebtClass = DebtClass.CONSUMER,
) -> Portfolio:
    return Portfolio(
        portfolio_id=new_id(),
        name=name,
        creditor_id=CreditorId(f"creditor-{name}"),
        creditor_name="Banco de Ejemplo",
        creditor_name_neutral="Servicios BE",
        collector_role=CollectorRole.THIRD_PARTY,
        country="CL",
        currency="CLP",
        debt_class=debt_class,
        synthetic=synthetic,
        created_ms=NOW_MS,
    )


async def new_context(
    ledger: Ledger, name: str = "cartera", *, debt_class: DebtClass = DebtClass.CONSUMER
) -> ImportContext:
    """A portfolio with a running job."""
    portfolio = some_portfolio(name, debt_class=debt_class)
    async with ledger.write() as conn:
        await create_portfolio(conn, portfolio)
    return await next_job(ledger, ImportContext(portfolio=portfolio, job_id=""))


async def next_job(ledger: Ledger, context: ImportContext) -> ImportContext:
    job_id = new_id()
    async with ledger.write() as conn:
        await start_job(
            conn,
            job_id=job_id,
            portfolio_id=context.portfolio.portfolio_id,
            file_name=f"{job_id}.csv",
            file_sha256=job_id,
            file_bytes=1,
            now_ms=NOW_MS,
        )
    return ImportContext(portfolio=context.portfolio, job_id=job_id, typical=dict(context.typical))


async def bring_in(
    ledger: Ledger, context: ImportContext, *accounts: ImportedAccount, now_ms: int = NOW_MS
) -> BatchCounts:
    return await ledger.transact(lambda conn: import_batch(conn, context, list(accounts), now_ms))


async def person_of(conn: AsyncConnection, match_key: str) -> PersonId:
    query = select(schema.person.c.person_id).where(schema.person.c.match_key == match_key)
    return PersonId((await conn.execute(query)).scalar_one())


async def profile_of(conn: AsyncConnection, person_id: str) -> Subject:
    query = select(schema.person_profile.c.subject).where(
        schema.person_profile.c.person_id == person_id
    )
    return msgspec.json.decode((await conn.execute(query)).scalar_one(), type=Subject)


async def subject(ledger: Ledger, document: str) -> Subject:
    """What the ledger keeps ready for the gate about a person."""
    async with ledger.read() as conn:
        return await profile_of(conn, await person_of(conn, f"doc:rut:{document}"))


def point(of: Subject, address: str) -> ContactPointFacts:
    found = [p for p in of.contact_points if p.address == address]
    assert len(found) == 1, f"{address} stands {len(found)} times"
    return found[0]


async def events_of(ledger: Ledger, document: str) -> list[tuple[str, str]]:
    """Kind and body of every event of a person."""
    async with ledger.read() as conn:
        person_id = await person_of(conn, f"doc:rut:{document}")
        query = (
            select(schema.ledger_event.c.kind, schema.ledger_event.c.body)
            .where(schema.ledger_event.c.person_id == person_id)
            .order_by(schema.ledger_event.c.seq)
        )
        return [(row.kind, row.body) for row in await conn.execute(query)]


async def table_counts(ledger: Ledger) -> dict[str, int]:
    async with ledger.read() as conn:
        return {
            table.name: (await conn.execute(select(func.count()).select_from(table))).scalar_one()
            for table in schema.metadata.sorted_tables
        }


async def column(ledger: Ledger, sql: str, **params: str | int) -> Sequence[object]:
    """The first column of what a query answers."""
    async with ledger.read() as conn:
        return (await conn.execute(text(sql), params)).scalars().all()


_ID = re.compile(r"\b(?:[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{40})\b")
_NATURAL_KEYS = """
    SELECT person_id AS id, 'person ' || match_key AS label FROM person
    UNION ALL SELECT account_id, 'account ' || external_id FROM account
    UNION ALL SELECT d.debt_id, 'debt ' || a.external_id || ' ' || d.reference
      FROM debt AS d JOIN account AS a ON a.account_id = d.account_id
    UNION ALL SELECT c.contact_point_id, 'point ' || c.kind || ' ' || c.address || ' of '
      || p.match_key FROM contact_point AS c JOIN person AS p ON p.person_id = c.person_id
    UNION ALL SELECT c.consent_id, 'consent ' || c.scope || ' of ' || p.match_key
      FROM consent AS c JOIN person AS p ON p.person_id = c.person_id
    UNION ALL SELECT s.suppression_id, 'suppression ' || s.reason || ' of ' || p.match_key
      FROM suppression AS s JOIN person AS p ON p.person_id = s.person_id
    UNION ALL SELECT portfolio_id, 'portfolio ' || name FROM portfolio
    UNION ALL SELECT job_id, 'job' FROM import_job
"""


async def contents(ledger: Ledger) -> dict[str, list[str]]:
    """Every row of the tables that an import writes, with natural keys in the place of ids.

    Two ledgers that say the same give the same.
    """
    async with ledger.read() as conn:
        labels: dict[str, str] = {
            row.id: row.label for row in await conn.execute(text(_NATURAL_KEYS))
        }

        def natural(value: object) -> str:
            return _ID.sub(lambda found: f"<{labels.get(found[0], '?')}>", str(value))

        told: dict[str, list[str]] = {}
        for name in (
            "person",
            "account",
            "account_party",
            "debt",
            "contact_point",
            "consent",
            "preference",
            "person_status",
            "suppression",
            "person_profile",
            "note",
            "enrolment",
        ):
            table = schema.metadata.tables[name]
            rows = (await conn.execute(select(table))).mappings()
            told[name] = sorted(
                natural({key: value for key, value in row.items() if key not in _DIGESTS})
                for row in rows
            )
        events = select(schema.ledger_event.c.person_id, schema.ledger_event.c.body)
        told["events"] = sorted(natural(tuple(row)) for row in await conn.execute(events))
    return told


_DIGESTS = frozenset({"note_id", "review_id"})


async def profiles_agree(ledger: Ledger) -> None:
    """Every profile says what the tables say."""
    async with ledger.read() as conn:
        ids = (await conn.execute(select(schema.person.c.person_id))).scalars().all()
        for of_tables in await read_subjects(conn, [PersonId(i) for i in ids]):
            assert await profile_of(conn, of_tables.person.person_id) == of_tables
