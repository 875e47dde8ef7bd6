"""Campaigns in the ledger: states guarded by the table, enrolment, the trail they leave."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from campaigns.campaign import (
    AccountFilter,
    CampaignAction,
    CampaignSettings,
    CampaignState,
    ImpossibleAction,
)
from campaigns.model import Bucket
from campaigns.portfolio.model import Stage
from compliance.types import Mode
from dialer.stores.ledger import campaigns
from dialer.stores.ledger.audit import list_audit
from dialer.stores.ledger.campaigns import (
    Campaign,
    CampaignExists,
    EnrolmentCounts,
    act_on_campaign,
    campaign_named,
    change_settings,
    count_accounts,
    create_campaign,
    enrol,
    enrolment_counts,
    get_campaign,
    list_campaigns,
)
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.importing import ImportContext
from tests.stores.ledger.relational.world import (
    NOW_MS,
    account,
    bring_in,
    column,
    new_context,
    party,
)


async def make(
    ledger: Ledger,
    context: ImportContext,
    name: str = "marzo",
    settings: CampaignSettings | None = None,
) -> Campaign:
    async with ledger.write() as conn:
        return await create_campaign(
            conn,
            name=name,
            portfolio_id=context.portfolio.portfolio_id,
            settings=settings or CampaignSettings(),
            actor="manager",
            now_ms=NOW_MS,
        )


async def act(ledger: Ledger, campaign: Campaign, action: CampaignAction) -> Campaign:
    return await ledger.transact(
        partial(
            act_on_campaign,
            campaign_id=campaign.campaign_id,
            action=action,
            actor="manager",
            now_ms=NOW_MS + 1,
        )
    )


async def test_a_campaign_is_read_back_as_it_was_made(ledger: Ledger) -> None:
    context = await new_context(ledger)
    settings = CampaignSettings(
        mode=Mode.PROGRESSIVE, accounts=AccountFilter(buckets=(Bucket.DPD_1_30,))
    )
    made = await make(ledger, context, settings=settings)
    async with ledger.read() as conn:
        assert await get_campaign(conn, made.campaign_id) == made
        assert await campaign_named(conn, "marzo") == made
        assert await list_campaigns(conn) == [made]
        assert await list_campaigns(conn, state=CampaignState.RUNNING) == []
        assert await list_campaigns(conn, portfolio_id="another") == []
        assert await get_campaign(conn, "nothing") is None
    assert made.settings == settings
    assert made.state is CampaignState.DRAFT


async def test_names_are_unique_and_not_empty(ledger: Ledger) -> None:
    context = await new_context(ledger)
    await make(ledger, context)
    with pytest.raises(CampaignExists, match="'marzo'"):
        await make(ledger, context)
    with pytest.raises(ValueError, match="1 to 200"):
        await make(ledger, context, name=" ")
    async with ledger.write() as conn:
        with pytest.raises(LookupError, match="no portfolio"):
            await create_campaign(
                conn,
                name="abril",
                portfolio_id="nothing",
                settings=CampaignSettings(),
                actor="manager",
                now_ms=NOW_MS,
            )


async def test_states_follow_the_table_and_leave_a_trail(ledger: Ledger) -> None:
    campaign = await make(ledger, await new_context(ledger))
    for action, state in (
        (CampaignAction.START, CampaignState.RUNNING),
        (CampaignAction.PAUSE, CampaignState.PAUSED),
        (CampaignAction.RESUME, CampaignState.RUNNING),
        (CampaignAction.STOP, CampaignState.DRAINING),
        (CampaignAction.COMPLETE, CampaignState.COMPLETED),
    ):
        assert (await act(ledger, campaign, action)).state is state
    with pytest.raises(ImpossibleAction):
        await act(ledger, campaign, CampaignAction.RESUME)
    with pytest.raises(LookupError):
        await ledger.transact(
            partial(
                act_on_campaign,
                campaign_id="nothing",
                action=CampaignAction.START,
                actor="manager",
                now_ms=NOW_MS,
            )
        )
    async with ledger.read() as conn:
        trail = await list_audit(conn, target=campaign.campaign_id)
        kept = await get_campaign(conn, campaign.campaign_id)
    assert kept is not None
    assert kept.state is CampaignState.COMPLETED
    assert [entry.action for entry in reversed(trail)] == [
        "campaign.create",
        "campaign.start",
        "campaign.pause",
        "campaign.resume",
        "campaign.stop",
        "campaign.complete",
    ]
    assert trail[0].detail == {"before": "draining", "after": "completed"}


async def test_of_two_who_start_it_one_is_told_no(ledger: Ledger) -> None:
    campaign = await make(ledger, await new_context(ledger))
    results = await asyncio.gather(
        *(act(ledger, campaign, CampaignAction.START) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(result, ImpossibleAction) for result in results) == 3
    assert sum(isinstance(result, Campaign) for result in results) == 1


async def test_settings_change_until_the_end(ledger: Ledger) -> None:
    campaign = await make(ledger, await new_context(ledger))
    change = partial(
        change_settings,
        campaign_id=campaign.campaign_id,
        settings=CampaignSettings(ring_timeout_s=30),
        actor="manager",
        now_ms=NOW_MS + 5,
    )
    changed = await ledger.transact(change)
    assert changed.settings.ring_timeout_s == 30
    assert changed.settings_sha256 != campaign.settings_sha256
    await ledger.transact(change)
    async with ledger.read() as conn:
        assert await get_campaign(conn, campaign.campaign_id) == changed
        trail = await list_audit(conn, target=campaign.campaign_id)
    assert [entry.action for entry in trail] == ["campaign.settings", "campaign.create"]
    await act(ledger, campaign, CampaignAction.ABORT)
    with pytest.raises(ImpossibleAction):
        await ledger.transact(change)


async def test_active_accounts_are_enrolled_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "ENROLMENT_PAGE", 2)
    context, other = await new_context(ledger), await new_context(ledger, "other")
    await bring_in(
        ledger,
        context,
        *(account(f"A{number}", party(f"{number}")) for number in range(5)),
        account("R1", party("9"), recalled=True),
    )
    await bring_in(ledger, other, account("A1", party("1")))
    campaign = await make(ledger, context)
    assert await enrol(ledger, campaign, now_ms=NOW_MS) == 5
    assert await enrol(ledger, campaign, now_ms=NOW_MS + 9) == 0
    await bring_in(ledger, context, account("A9", party("99")))
    assert await enrol(ledger, campaign, now_ms=NOW_MS) == 1
    async with ledger.read() as conn:
        counts = await enrolment_counts(conn, campaign.campaign_id)
    assert counts == EnrolmentCounts(ready=6)
    assert counts.total == 6
    assert await column(
        ledger,
        "SELECT count(*) FROM enrolment e JOIN account a ON a.account_id = e.account_id "
        "WHERE e.priority = a.priority AND e.state = 'ready' AND e.attempts = 0",
    ) == [6]


@pytest.mark.parametrize(
    ("where", "chosen"),
    [
        (AccountFilter(), ["A1", "A2", "A3"]),
        (AccountFilter(buckets=(Bucket.DPD_1_30,)), ["A1"]),
        (AccountFilter(stages=(Stage.EXTRAJUDICIAL, Stage.CASTIGO)), ["A2"]),
        (AccountFilter(dpd_from=45), ["A2", "A3"]),
        (AccountFilter(dpd_from=45, dpd_to=60), ["A2"]),
        (AccountFilter(segments=("vip",)), []),
        (AccountFilter(products=("x",)), []),
    ],
)
async def test_a_filter_chooses_accounts(
    ledger: Ledger, where: AccountFilter, chosen: list[str]
) -> None:
    context = await new_context(ledger)
    await bring_in(
        ledger,
        context,
        *(
            account(f"A{number}", party(f"{number}"), dpd=dpd)
            for number, dpd in ((1, 10), (2, 50), (3, 100))
        ),
    )
    campaign = await make(ledger, context, settings=CampaignSettings(accounts=where))
    async with ledger.read() as conn:
        assert await count_accounts(conn, context.portfolio.portfolio_id, where) == len(chosen)
    assert await enrol(ledger, campaign, now_ms=NOW_MS) == len(chosen)
    assert (
        await column(
            ledger,
            "SELECT a.external_id FROM enrolment e JOIN account a "
            "ON a.account_id = e.account_id ORDER BY a.external_id",
        )
        == chosen
    )


async def test_a_campaign_that_has_ended_takes_no_accounts(ledger: Ledger) -> None:
    context = await new_context(ledger)
    campaign = await make(ledger, context)
    ended = await act(ledger, campaign, CampaignAction.ABORT)
    with pytest.raises(ImpossibleAction):
        await enrol(ledger, ended, now_ms=NOW_MS)
