"""What an agent's screen and an identity check need of a person, read at the moment of need."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from compliance.types import AccountId, ContactPointId, DebtId, PersonId
from dialer.core.desk_messages import DebtView
from dialer.core.identity import IdentityOnFile
from dialer.core.records import from_ms
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import account, contact_point, debt, person, portfolio


class PersonOnScreen(msgspec.Struct, frozen=True, kw_only=True):
    """The neutral part, and what an identity check compares with. Never sent as a whole."""

    name: str
    address: str
    language: str | None
    country: str | None
    identity: IdentityOnFile


async def read_person_on_screen(
    ledger: Ledger,
    person_id: PersonId,
    account_id: AccountId,
    contact_point_id: ContactPointId,
) -> PersonOnScreen:
    """Raises `LookupError` when the ledger has no such person, account or contact point."""
    query = (
        select(
            person.c.full_name,
            person.c.language,
            person.c.country,
            person.c.document_number,
            person.c.birth_date,
            person.c.postal_code,
            account.c.external_id,
            contact_point.c.address,
        )
        .select_from(person)
        .join(account, account.c.account_id == account_id)
        .join(contact_point, contact_point.c.contact_point_id == contact_point_id)
        .where(person.c.person_id == person_id)
    )
    async with ledger.read() as conn:
        row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise LookupError(f"no person {person_id} with account {account_id}")
    return PersonOnScreen(
        name=row.full_name,
        address=row.address,
        language=row.language,
        country=row.country,
        identity=IdentityOnFile(
            document_number=row.document_number,
            birth_date=row.birth_date,
            postal_code=row.postal_code,
            contract=row.external_id,
        ),
    )


async def read_debts(ledger: Ledger, debt_ids: tuple[DebtId, ...]) -> tuple[DebtView, ...]:
    """Debts with amounts, for a person whose identity check is on record."""
    query = select(debt).where(debt.c.debt_id.in_(debt_ids)).order_by(debt.c.debt_id)
    async with ledger.read() as conn:
        rows = (await conn.execute(query)).all()
    return tuple(
        DebtView(
            debt_id=row.debt_id,
            reference=row.reference,
            original_creditor=row.original_creditor,
            total_cents=row.total_cents,
            overdue_cents=row.overdue_cents,
            currency=row.currency,
            due_date=row.due_date,
            balance_as_of=from_ms(row.balance_as_of_ms),
        )
        for row in rows
    )


async def read_creditor(ledger: Ledger, account_id: AccountId) -> str | None:
    """Name of the creditor, for a person whose identity check is on record."""
    query = (
        select(portfolio.c.creditor_name)
        .join(account, account.c.portfolio_id == portfolio.c.portfolio_id)
        .where(account.c.account_id == account_id)
    )
    async with ledger.read() as conn:
        return (await conn.execute(query)).scalar_one_or_none()
