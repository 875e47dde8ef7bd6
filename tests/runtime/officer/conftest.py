"""A real ledger of each engine, as the ledger's own tests have it."""

from tests.runtime.officer.world import house
from tests.stores.ledger.conftest import (
    behind_its_back,
    dialect,
    ledger,
    ledger_url,
    postgres_server,
    postgres_template,
    sqlite_template,
    store,
)

__all__ = [
    "behind_its_back",
    "dialect",
    "house",
    "ledger",
    "ledger_url",
    "postgres_server",
    "postgres_template",
    "sqlite_template",
    "store",
]
