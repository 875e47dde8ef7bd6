"""The history of the ledger's tables, packaged and run at opening; nobody needs an alembic.ini."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

HEAD: Final = "0009"
"""Newest revision in `versions/`."""

_LOCK: Final = 0x4D415243
"""PostgreSQL advisory lock of whoever migrates ("MARC")."""


class UnknownRevision(Exception):
    """The ledger's tables were made by a release that this one does not know."""


def revision_of(connection: Connection) -> str | None:
    """Revision that the tables have; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if revision is None else str(revision)


def upgrade(connection: Connection) -> bool:
    """Bring the tables to `HEAD`, in the caller's transaction; False if they were there.

    Raises:
        UnknownRevision: they are newer than `HEAD`; nothing is changed.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    # Somebody else may have done it while this one waited for the lock.
    before = revision_of(connection)
    if before == HEAD:
        return False
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    if before is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(before)
        except CommandError as error:
            raise UnknownRevision(
                f"its tables have revision {before}, this release knows up to {HEAD}"
            ) from error
    command.upgrade(config, "head")
    return True
