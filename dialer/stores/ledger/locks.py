"""PostgreSQL: writers beside each other. SQLite has one writer, and needs none of this.

Under READ COMMITTED, what is read after a lock was taken is what stands, and nobody who needs the
same lock can change it before the transaction ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.stores.ledger.bulk import Dialect, encode_list, of_postgresql, spell_all
from dialer.stores.ledger.direct import Conn

OUT_OF_LOCKS: Final = "53200"
"""PostgreSQL's code for a table of locks that is full."""
STREAM_LOCKS_MOST: Final = 2048
"""More streams than this in one transaction, and all appends are locked instead: PostgreSQL's
table of locks is small (by default 64 for each connection it allows)."""
LOCK_SPACE: Final = 0x4D415243
"""Marcador's advisory locks ("MARC"): 1 appends, 2 audit entries, 3 checkpoints."""
_LOCK_APPENDS: Final = 1

_SHARE = text("SELECT pg_advisory_xact_lock_shared(:space, :which)")
_EXCLUDE = text("SELECT pg_advisory_xact_lock(:space, :which)")
# Locked in one order by everybody, so that no two wait for each other.
_LOCK_STREAMS = spell_all(
    """
    SELECT count(pg_advisory_xact_lock(s.k))
    FROM (SELECT DISTINCT hashtextextended(value, 0) AS k FROM EACH(:streams) ORDER BY k) AS s
    """
)[Dialect.POSTGRESQL]


async def lock_streams(conn: AsyncConnection, streams: Sequence[str], *, alone: bool) -> None:
    """Until the transaction ends nobody else moves these heads.

    With `alone`, or for very many streams, nobody else appends at all.
    """
    if alone or len(streams) > STREAM_LOCKS_MOST:
        await exclude_appends(conn)
        return
    await conn.execute(_SHARE, {"space": LOCK_SPACE, "which": _LOCK_APPENDS})
    await conn.execute(_LOCK_STREAMS, {"streams": encode_list(streams)})


async def exclude_appends(conn: Conn) -> None:
    """Until the transaction ends nobody else appends."""
    if of_postgresql(conn):
        await conn.execute(_EXCLUDE, {"space": LOCK_SPACE, "which": _LOCK_APPENDS})
