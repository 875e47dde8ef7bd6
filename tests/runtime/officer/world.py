"""A small house in Chile with decisions of some days, as the officer finds it in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from sqlalchemy import select

from campaigns.campaign import CampaignSettings
from campaigns.portfolio.model import ImportedAccount
from compliance.packs import PackSet, load_packs
from compliance.types import AccountId, EventKind, Mode, PartyRole, PersonId
from dialer.core.planning import Dial, Plan
from dialer.core.records import to_ms
from dialer.stores.ledger import schema
from dialer.stores.ledger.archive import keep_packs
from dialer.stores.ledger.campaigns import create_campaign, enrol
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.importing import ImportContext
from dialer.stores.ledger.sharing import mark_shared
from tests.stores.ledger.relational.world import (
    account,
    bring_in,
    new_context,
    next_job,
    party,
    person_of,
    phone,
)
from tests.support.decided import Decider

SHARED = "+56922222222"
NOON = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
"""Tuesday, 12:00 in Santiago."""
MIDNIGHT = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
ANA, LUIS, EVA = "11111111-1", "22222222-2", "33333333-3"


@cache
def packs(*only: str) -> PackSet:
    """Bundled packs by id; with none given, all of them."""
    return load_packs(production=False, only=only or None)


class House:
    """Ana alone; Luis with Eva as guarantor, on a telephone that the two share."""

    def __init__(
        self,
        ledger: Ledger,
        decider: Decider,
        context: ImportContext,
        people: dict[str, PersonId],
        accounts: dict[str, AccountId],
    ) -> None:
        self.ledger = ledger
        self.decider = decider
        self.people = people
        self.accounts = accounts
        self.context = context

    @property
    def campaign_id(self) -> str:
        return self.decider.context.campaign_id

    @property
    def portfolio_id(self) -> str:
        return self.context.portfolio.portfolio_id

    async def decide(self, external_id: str, now: datetime) -> Plan:
        (plan,) = await self.decider.decide([self.accounts[external_id]], now)
        return plan

    async def call(
        self,
        external_id: str,
        now: datetime,
        *,
        outcome: EventKind = EventKind.RANG_NO_ANSWER,
        talk_ms: int | None = None,
    ) -> Dial:
        """A contact that is allowed, is made, and ends half a minute later."""
        dial = (await self.decide(external_id, now)).dial
        assert dial is not None
        at = now + timedelta(seconds=30)
        await self.decider.end(dial, at, outcome=outcome, talk_ms=talk_ms)
        return dial

    async def work(self, external_id: str, now: datetime) -> list[str]:
        """Whatever the gate says; ids of all decisions. A dial ends half a minute later."""
        plan = await self.decide(external_id, now)
        made = [str(blocked.record.decision_id) for blocked in plan.blocked]
        if plan.dial is not None:
            await self.decider.end(plan.dial, now + timedelta(seconds=30))
            made.append(plan.dial.contact.attempt_id)
        return made

    async def blocked(self, external_id: str, now: datetime) -> str:
        """A contact that is not allowed; the id of its first decision."""
        plan = await self.decide(external_id, now)
        assert plan.dial is None
        return plan.blocked[0].record.decision_id

    async def change(self) -> None:
        """A new file, with another balance of everybody."""
        await bring_in(self.ledger, self.context, *_accounts(50_000), now_ms=to_ms(NOON))


def _accounts(total: int) -> tuple[ImportedAccount, ...]:
    luis = party(LUIS, phone(SHARED), name="Luis Soto")
    eva = party(EVA, phone(SHARED), name="Eva Ríos", role=PartyRole.GUARANTOR)
    return (
        account("A-1", party(ANA, phone("+56911111111")), total=total),
        account("A-2", luis, eva, total=total),
    )


@pytest.fixture
async def house(ledger: Ledger) -> House:
    """Under the packs that bind in Chile. Nobody has been called yet."""
    return await settled(ledger, packs())


async def settled(
    ledger: Ledger, packs: PackSet, *, accounts: Sequence[ImportedAccount] = ()
) -> House:
    """A house that decides by these packs, with these accounts or the ones of Chile."""
    brought = accounts or _accounts(100_000)
    context = await new_context(ledger)
    await bring_in(ledger, context, *brought, now_ms=to_ms(NOON - timedelta(days=30)))
    await mark_shared(ledger, now_ms=to_ms(NOON - timedelta(days=30)), source="test")
    context = await next_job(ledger, context)
    await keep_packs(ledger, packs, now_ms=to_ms(MIDNIGHT))
    async with ledger.write() as conn:
        campaign = await create_campaign(
            conn,
            name="morning",
            portfolio_id=context.portfolio.portfolio_id,
            settings=CampaignSettings(mode=Mode.PROGRESSIVE),
            actor="test",
            now_ms=to_ms(MIDNIGHT),
        )
    await enrol(ledger, campaign, now_ms=to_ms(MIDNIGHT))
    async with ledger.read() as conn:
        people = {
            str(found.document_number): await person_of(conn, found.match_key)
            for given in brought
            for found in given.parties
        }
        table = schema.account.c
        rows = await conn.execute(select(table.external_id, table.account_id))
        ids = {str(row[0]): AccountId(row[1]) for row in rows}
    return House(ledger, Decider(ledger, packs, campaign), context, people, ids)
