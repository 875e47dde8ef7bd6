"""Keeps what pacers learned, beyond the process that learned it.

In the ledger and not in Redis: Redis may be wiped, and is then rebuilt from the ledger; a pacer
that had to begin afresh with it would be cold just when everything else is, too.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import delete, insert, select

from compliance.types import CampaignId
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import pacer_save


class PacerSave(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign's newest save, and what it fits."""

    campaign_id: CampaignId
    saved_ms: int
    law: str
    settings_sha256: str
    """Of the pacing settings that it was learned under."""
    state: str


async def put_pacer_save(ledger: Ledger, save: PacerSave) -> None:
    """Replace the campaign's save. Raises `LedgerUnavailable`."""
    async with ledger.write() as conn:
        await conn.execute(delete(pacer_save).where(pacer_save.c.campaign_id == save.campaign_id))
        await conn.execute(insert(pacer_save), msgspec.structs.asdict(save))


async def get_pacer_save(ledger: Ledger, campaign_id: CampaignId) -> PacerSave | None:
    """The campaign's newest save. Raises `LedgerUnavailable`."""
    query = select(pacer_save).where(pacer_save.c.campaign_id == campaign_id)
    async with ledger.read() as conn:
        row = (await conn.execute(query)).mappings().one_or_none()
    fields = PacerSave.__struct_fields__
    if row is None:
        return None
    return msgspec.convert({name: row[name] for name in fields}, PacerSave)
