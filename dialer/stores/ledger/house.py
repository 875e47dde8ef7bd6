"""What binds everybody, read once for a batch: wide suppressions and declared emergencies."""

from __future__ import annotations

from dialer.core.snapshots import House
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.emergencies import declared_emergencies
from dialer.stores.ledger.profiles import wide_suppressions


async def read_house(conn: Conn) -> House:
    """All of it, with the head of `HOUSE_STREAM` that guards it."""
    wide = await wide_suppressions(conn)
    emergencies, declared = await declared_emergencies(conn)
    return House(wide, emergencies, len(wide) + declared)
