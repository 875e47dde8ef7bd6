"""Who contacts people: this house, for a portfolio."""

from __future__ import annotations

from compliance.messages import Collector, Place
from compliance.types import CollectorRole
from dialer.stores.ledger.portfolios import Portfolio


def collector_of(portfolio: Portfolio) -> Collector:
    """This house, as it collects for a portfolio."""
    return Collector(
        collector_id="house",
        role=CollectorRole(portfolio.collector_role),
        name_neutral=portfolio.creditor_name_neutral,
        place=Place(country=portfolio.country),
    )
