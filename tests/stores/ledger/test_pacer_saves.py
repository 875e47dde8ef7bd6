"""A pacer's newest save is found again, and no other."""

from __future__ import annotations

import msgspec

from compliance.types import CampaignId
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.pacer_saves import PacerSave, get_pacer_save, put_pacer_save

SAVE = PacerSave(
    campaign_id=CampaignId("a"),
    saved_ms=1_788_000_000_000,
    law="predictive",
    settings_sha256="0" * 64,
    state='{"type":"predictive","ñ":[1.5]}',
)


async def test_the_newest_save_of_a_campaign_replaces_the_one_before(ledger: Ledger) -> None:
    assert await get_pacer_save(ledger, SAVE.campaign_id) is None
    other = msgspec.structs.replace(SAVE, campaign_id=CampaignId("b"))
    newer = msgspec.structs.replace(SAVE, saved_ms=SAVE.saved_ms + 1, state="{}")
    for save in (SAVE, other, newer):
        await put_pacer_save(ledger, save)
    assert await get_pacer_save(ledger, SAVE.campaign_id) == newer
    assert await get_pacer_save(ledger, other.campaign_id) == other
