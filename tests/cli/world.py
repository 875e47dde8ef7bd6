"""A small ledger with decisions in it, made once and copied for each test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from sqlalchemy import select

from campaigns.campaign import CampaignSettings
from compliance.types import AccountId, Mode
from dialer.bootstrap import load_rule_packs, open_stores
from dialer.cli.init_command import KEY_FILE
from dialer.config import Config
from dialer.core.records import to_ms
from dialer.stores.ledger.archive import keep_packs
from dialer.stores.ledger.campaigns import Campaign, create_campaign, enrol
from dialer.stores.ledger.checkpoints import Checkpoints, load_or_create_key
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.portfolios import portfolio_named
from dialer.stores.ledger.schema import account
from tests.support.decided import Decider

PORTFOLIO = "demo"
CAMPAIGN = "morning"
ACCOUNTS = 150
NIGHT = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
"""04:00 of a Tuesday in Santiago: no hour rule is open."""
NOON = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
DECIDED = 12


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """Ids that tests ask for."""

    folder: str
    blocked_id: str
    dialed_id: str
    open_id: str
    """A dial whose end nobody knows."""
    account: str
    """The creditor's number of the dialed account."""
    person_id: str
    address: str
    """Phone of the dialed contact."""


async def decide_some(config: Config) -> Made:
    """Decide accounts at night (blocked) and at noon (dialed), and sign a checkpoint."""
    async with open_stores(config) as ledger:
        packs = load_rule_packs(config)
        await keep_packs(ledger, packs, now_ms=to_ms(NIGHT))
        campaign = await _campaign(ledger)
        async with ledger.read() as conn:
            found = (await conn.execute(select(account.c.account_id).limit(DECIDED))).scalars()
            ids = [AccountId(account_id) for account_id in found]
        decider = Decider(ledger, packs, campaign)
        blocked = await decider.decide(ids, NIGHT)
        dialed = await decider.decide(ids, NOON)
        dials = [planned.dial for planned in dialed if planned.dial is not None]
        for dial in dials[:-1]:
            await decider.end(dial, NOON + timedelta(seconds=30))
        key = load_or_create_key(Path(config.data_dir) / KEY_FILE)
        await Checkpoints(ledger, key).make(to_ms(NOON + timedelta(minutes=1)))
        first = dials[0].contact
        async with ledger.read() as conn:
            number = await conn.execute(
                select(account.c.external_id).where(account.c.account_id == first.account_id)
            )
            return Made(
                folder=config.data_dir,
                blocked_id=next(p.blocked[0].body.decision_id for p in blocked if p.blocked),
                dialed_id=first.attempt_id,
                open_id=dials[-1].contact.attempt_id,
                account=str(number.scalar_one()),
                person_id=first.person_id,
                address=first.point.address,
            )


async def _campaign(ledger: Ledger) -> Campaign:
    async with ledger.write() as conn:
        portfolio = await portfolio_named(conn, PORTFOLIO)
        assert portfolio is not None
        made = await create_campaign(
            conn,
            name=CAMPAIGN,
            portfolio_id=portfolio.portfolio_id,
            settings=CampaignSettings(mode=Mode.PROGRESSIVE),
            actor="test",
            now_ms=to_ms(NIGHT),
        )
    await enrol(ledger, made, now_ms=to_ms(NIGHT))
    return made
