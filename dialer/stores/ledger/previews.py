"""Real rows of a portfolio, to look at a text before anybody gets it."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec
from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.content.render import MergeValue, Money
from dialer.core.records import from_ms
from dialer.stores.ledger.schema import account, account_party, debt, person, portfolio

REFERENCE_SHOWN: Final = 4
"""Last characters of a reference that a text may show."""


class PreviewRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger knows of one person and debt."""

    country: str | None
    of_person: dict[str, MergeValue]
    """Merge values that are this person's."""
    of_portfolio: dict[str, MergeValue]
    """Merge values that everybody of the portfolio has in common."""


async def preview_rows(conn: AsyncConnection, portfolio_id: str, *, limit: int) -> list[PreviewRow]:
    """The first people of a portfolio who have an open account, with their first debt.

    Raises `LookupError` for an unknown portfolio.
    """
    known = select(portfolio.c.portfolio_id).where(portfolio.c.portfolio_id == portfolio_id)
    if (await conn.execute(known)).one_or_none() is None:
        raise LookupError(f"there is no portfolio {portfolio_id}")
    query = (
        select(
            person.c.full_name,
            person.c.country,
            account.c.product,
            debt.c.reference,
            debt.c.currency,
            debt.c.total_cents,
            debt.c.overdue_cents,
            debt.c.due_date,
            debt.c.balance_as_of_ms,
            debt.c.original_creditor,
            portfolio.c.creditor_name,
            portfolio.c.creditor_name_neutral,
        )
        .select_from(account)
        .join(account_party, account_party.c.account_id == account.c.account_id)
        .join(person, person.c.person_id == account_party.c.person_id)
        .join(debt, debt.c.account_id == account.c.account_id)
        .join(portfolio, portfolio.c.portfolio_id == account.c.portfolio_id)
        .where(
            account.c.portfolio_id == portfolio_id,
            account.c.state == "active",
            account_party.c.role == "holder",
        )
        .order_by(account.c.account_id, debt.c.debt_id)
        .limit(limit)
    )
    return [_row(row) for row in (await conn.execute(query)).mappings()]


def _row(row: RowMapping) -> PreviewRow:
    name = str(row["full_name"])
    found: dict[str, MergeValue] = {
        "person_name": name,
        "first_name": name.split(maxsplit=1)[0] if name.split() else "",
        "reference": f"•••• {str(row['reference'])[-REFERENCE_SHOWN:]}",
        "amount": Money(cents=row["total_cents"], currency=row["currency"]),
        "balance_as_of": from_ms(row["balance_as_of_ms"]),
    }
    if row["overdue_cents"] is not None:
        found["overdue"] = Money(cents=row["overdue_cents"], currency=row["currency"])
    if row["due_date"] is not None:
        found["due_date"] = date.fromisoformat(row["due_date"])
    if row["product"]:
        found["product"] = str(row["product"])
    return PreviewRow(
        country=row["country"],
        of_person=found,
        of_portfolio={
            "creditor": str(row["original_creditor"] or row["creditor_name"]),
            "company": str(row["creditor_name_neutral"]),
        },
    )
