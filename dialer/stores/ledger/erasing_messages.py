"""Erasing what was written to and by a person. The chain keeps the texts' fingerprints only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import and_, or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import PersonId
from dialer.stores.ledger.messages_schema import message, message_thread

ERASED: Final = "erased"
"""Stands where data was; followed by an id where it must be unique."""


async def erase_messages(
    conn: AsyncConnection, person_id: PersonId, addresses: Sequence[str]
) -> None:
    """Take texts, subjects and addresses away; codes, instants and ids stay.

    Args:
        addresses: those that nobody else has. What came from them before the person was known is
            erased too.
    """
    for table in (message, message_thread):
        c = table.c
        theirs = or_(
            c.person_id == person_id, and_(c.person_id == "", c.address.in_(list(addresses)))
        )
        values: dict[str, str | None] = {"address": ERASED}
        if table is message:
            values |= {"text": ERASED, "subject": None}
        await conn.execute(update(table).where(theirs).values(values))
