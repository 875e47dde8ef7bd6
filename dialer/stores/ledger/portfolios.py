"""Portfolios: what one creditor hands over, under one contract and one way of reading files."""

from __future__ import annotations

import msgspec
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import CollectorRole, CreditorId, DebtClass
from dialer.stores.ledger.schema import person, portfolio


class Portfolio(msgspec.Struct, frozen=True, kw_only=True):
    portfolio_id: str
    name: str
    creditor_id: CreditorId
    creditor_name: str
    creditor_name_neutral: str
    """A name that does not tell that it collects debts."""
    collector_role: CollectorRole
    country: str
    """ISO 3166-1 alpha-2: default of phones and places."""
    currency: str
    """ISO 4217, of rows that name none."""
    debt_class: DebtClass
    synthetic: bool
    """Invented people: may only be dialed by simulated or loopback carriers."""
    created_ms: int
    import_profile: str | None = None
    """TOML of `campaigns.portfolio.profile`."""


class PortfolioExists(Exception):
    """The name is taken, by a portfolio that says something else."""


async def create_portfolio(conn: AsyncConnection, new: Portfolio) -> None:
    """Raises `PortfolioExists` when the name or the id is taken."""
    try:
        async with conn.begin_nested():
            await conn.execute(portfolio.insert().values(msgspec.structs.asdict(new)))
    except IntegrityError as error:
        raise PortfolioExists(
            f"there is a portfolio named {new.name!r} already; choose another name"
        ) from error


async def ensure_portfolio(conn: AsyncConnection, wanted: Portfolio) -> Portfolio:
    """The portfolio of that name, made now if there is none.

    Raises `PortfolioExists` when it exists and differs in what cannot be changed afterwards:
    whether its people are invented, its country, its currency, its creditor.
    """
    known = await portfolio_named(conn, wanted.name)
    if known is None:
        await create_portfolio(conn, wanted)
        return wanted
    for key in ("synthetic", "country", "currency", "creditor_id"):
        has, wants = getattr(known, key), getattr(wanted, key)
        if has != wants:
            raise PortfolioExists(
                f"portfolio {wanted.name!r} has {key} = {has}, which cannot be changed to {wants}; "
                "use another portfolio name"
            )
    return known


async def get_portfolio(conn: AsyncConnection, portfolio_id: str) -> Portfolio | None:
    query = select(portfolio).where(portfolio.c.portfolio_id == portfolio_id)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else msgspec.convert(row, Portfolio, from_attributes=True)


async def portfolio_of_person(conn: AsyncConnection, person_id: str) -> Portfolio | None:
    query = (
        select(portfolio)
        .join(person, person.c.portfolio_id == portfolio.c.portfolio_id)
        .where(person.c.person_id == person_id)
    )
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else msgspec.convert(row, Portfolio, from_attributes=True)


async def portfolio_named(conn: AsyncConnection, name: str) -> Portfolio | None:
    query = select(portfolio).where(portfolio.c.name == name)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else msgspec.convert(row, Portfolio, from_attributes=True)


async def list_portfolios(conn: AsyncConnection) -> list[Portfolio]:
    rows = await conn.execute(select(portfolio).order_by(portfolio.c.name))
    return [msgspec.convert(row, Portfolio, from_attributes=True) for row in rows]


async def save_import_profile(conn: AsyncConnection, portfolio_id: str, profile: str) -> None:
    """Keep how the creditor's files are read. Raises `LookupError` for an unknown portfolio."""
    result = await conn.execute(
        update(portfolio)
        .where(portfolio.c.portfolio_id == portfolio_id)
        .values(import_profile=profile)
    )
    if result.rowcount != 1:
        raise LookupError(f"there is no portfolio {portfolio_id}")
