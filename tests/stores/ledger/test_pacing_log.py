"""The log of pacing decisions: what is kept, and for how long."""

from __future__ import annotations

from sqlalchemy import select

from compliance.types import CampaignId
from dialer.core.pacing import Clamp, Decision, Law
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.pacing_log import SAMPLE_EVERY_S, PacingLog
from dialer.stores.ledger.schema import pacing_log

CAMPAIGN = CampaignId("a")


def decision(at_s: float, calls: int = 0, clamp: Clamp = Clamp.NONE) -> Decision:
    return Decision(at_s=at_s, calls_to_place=calls, law=Law.PREDICTIVE, clamp=clamp)


async def kept_ms(ledger: Ledger, campaign_id: CampaignId = CAMPAIGN) -> list[int]:
    query = select(pacing_log.c.at_ms).where(pacing_log.c.campaign_id == campaign_id)
    async with ledger.read() as conn:
        return list((await conn.execute(query.order_by(pacing_log.c.pacing_no))).scalars())


async def test_what_places_calls_is_kept_and_of_the_rest_a_sample(ledger: Ledger) -> None:
    log = PacingLog(ledger)
    second = [
        decision(1.0),
        decision(1.25),  # the same again
        decision(1.5, calls=2),
        decision(1.75, calls=2),
        decision(2.0),
        decision(2.25, clamp=Clamp.BUDGET),
        decision(2.5, clamp=Clamp.BUDGET),
        decision(2.25 + SAMPLE_EVERY_S, clamp=Clamp.BUDGET),
    ]
    for one in second:
        log.add(CAMPAIGN, one)
    log.add(CampaignId("b"), decision(2.5, clamp=Clamp.BUDGET))
    assert await log.write() == 7
    assert await kept_ms(ledger) == [1_000, 1_500, 1_750, 2_000, 2_250, 17_250]
    assert await log.write() == 0


async def test_old_decisions_are_forgotten_some_at_a_time(ledger: Ledger) -> None:
    log = PacingLog(ledger)
    for second in range(1, 8):
        log.add(CAMPAIGN, decision(float(second), calls=1))
    await log.write()
    assert await log.drop(before_ms=5_000, most=3) == 3
    assert await kept_ms(ledger) == [4_000, 5_000, 6_000, 7_000]
    assert await log.drop(before_ms=5_000, most=3) == 1
    assert await log.drop(before_ms=5_000, most=3) == 0
    assert await kept_ms(ledger) == [5_000, 6_000, 7_000]
