"""What texts may tell people about their accounts, for a whole batch at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import AccountId, DebtId, PersonId
from dialer.core.messages_planning import DebtValues, PersonValues, ValuesOf
from dialer.core.records import from_ms
from dialer.stores.ledger.schema import account, account_party, debt, person, portfolio


async def values_of(conn: AsyncConnection, account_ids: Sequence[AccountId]) -> ValuesOf:
    """Merge values of every party of the accounts, with the accounts' debts in the order of ids."""
    debts: dict[str, list[DebtValues]] = defaultdict(list)
    creditors: dict[str, str] = {}
    rows = await conn.execute(
        select(debt).where(debt.c.account_id.in_(account_ids)).order_by(debt.c.debt_id)
    )
    for row in rows:
        if row.original_creditor:
            creditors.setdefault(row.account_id, row.original_creditor)
        debts[row.account_id].append(
            DebtValues(
                DebtId(row.debt_id),
                row.reference,
                row.currency,
                row.total_cents,
                row.overdue_cents,
                None if row.due_date is None else date.fromisoformat(row.due_date),
                from_ms(row.balance_as_of_ms),
            )
        )
    query = (
        select(
            account.c.account_id,
            person.c.person_id,
            person.c.full_name,
            person.c.country,
            account.c.product,
            portfolio.c.creditor_name,
            portfolio.c.creditor_name_neutral,
        )
        .select_from(account)
        .join(account_party, account_party.c.account_id == account.c.account_id)
        .join(person, person.c.person_id == account_party.c.person_id)
        .join(portfolio, portfolio.c.portfolio_id == account.c.portfolio_id)
        .where(account.c.account_id.in_(account_ids))
    )
    found: dict[tuple[AccountId, PersonId], PersonValues] = {}
    for row in await conn.execute(query):
        key = (AccountId(row.account_id), PersonId(row.person_id))
        found[key] = PersonValues(
            row.full_name,
            row.country,
            row.product,
            creditors.get(row.account_id, row.creditor_name),
            row.creditor_name_neutral,
            tuple(debts[row.account_id]),
        )
    return found
