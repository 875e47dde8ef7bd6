"""Opening the ledger for commands that ask about what is there, and should not make it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from dialer.bootstrap import open_stores
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell
from dialer.config import Config
from dialer.stores.ledger.database import Ledger


def missing_ledger(config: Config) -> Path | None:
    """Where an SQLite ledger should be and is not."""
    try:
        url = make_url(config.ledger_url)
    except ArgumentError:
        return None  # opening it tells what is wrong with the URL
    path = Path(str(url.database))
    return path if url.get_backend_name() == "sqlite" and not path.exists() else None


@asynccontextmanager
async def existing_ledger(shell: Shell) -> AsyncIterator[Ledger]:
    """The ledger. A mistyped folder must not end in a new, empty one.

    Raises `CliError` when there is none, `LedgerUnavailable`, `DataFolderUnusable`.
    """
    missing = await asyncio.to_thread(missing_ledger, shell.config)
    if missing is not None:
        raise CliError(
            ExitCode.UNAVAILABLE,
            shell.texts.say(f"No hay libro en {missing}", f"There is no ledger at {missing}"),
            shell.texts.say(
                "`marcador init` lo crea; --data-dir o --config dicen dónde está",
                "`marcador init` makes it; --data-dir or --config say where it is",
            ),
        )
    async with open_stores(shell.config) as ledger:
        yield ledger
