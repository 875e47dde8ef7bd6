"""Campaigns and the accounts enrolled in them."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final

import msgspec
from sqlalchemy import RowMapping, Select, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.campaign import (
    AccountFilter,
    CampaignAction,
    CampaignSettings,
    CampaignState,
    ImpossibleAction,
    dump_settings,
    load_settings,
    step,
)
from compliance.types import CampaignId
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.bulk import Dialect, dialect_of
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.schema import account, audit_event, campaign, enrolment

ENROLLED_REASON: Final = "enrolled"
ENROLMENT_PAGE: Final = 10_000
"""Accounts that are looked at in one transaction."""


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    campaign_id: CampaignId
    name: str
    portfolio_id: str
    state: CampaignState
    settings: CampaignSettings
    settings_sha256: str
    """Of the settings' canonical JSON; decisions made under other settings have another."""
    created_ms: int
    updated_ms: int


class CampaignExists(Exception):
    """The name is taken."""


class EnrolmentCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How the enrolled accounts stand in the ledger. Leased ones count as what they were."""

    ready: int = 0
    waiting: int = 0
    done: int = 0

    @property
    def total(self) -> int:
        return self.ready + self.waiting + self.done


async def create_campaign(
    conn: AsyncConnection,
    *,
    name: str,
    portfolio_id: str,
    settings: CampaignSettings,
    actor: str,
    now_ms: int,
) -> Campaign:
    """A campaign in draft, with no accounts yet.

    Raises:
        ValueError: the name is empty or longer than 200 characters.
        CampaignExists: the name is taken.
    """
    if not name.strip() or len(name) > 200:
        raise ValueError("a campaign needs a name of 1 to 200 characters")
    text = dump_settings(settings)
    made = Campaign(
        campaign_id=CampaignId(new_id()),
        name=name,
        portfolio_id=portfolio_id,
        state=CampaignState.DRAFT,
        settings=settings,
        settings_sha256=_sha256(text),
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    if await campaign_named(conn, name) is not None:
        raise CampaignExists(_taken(name))
    try:
        async with conn.begin_nested():
            row = msgspec.structs.asdict(made) | {"settings": text}
            await conn.execute(campaign.insert().values(row))
    except IntegrityError as error:
        if await campaign_named(conn, name) is None:
            raise LookupError(f"there is no portfolio {portfolio_id}") from error
        raise CampaignExists(_taken(name)) from error
    await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action="campaign.create",
        target=made.campaign_id,
        detail={"settings_sha256": made.settings_sha256},
    )
    return made


async def get_campaign(conn: AsyncConnection, campaign_id: str) -> Campaign | None:
    return await _one(conn, select(campaign).where(campaign.c.campaign_id == campaign_id))


async def campaign_named(conn: AsyncConnection, name: str) -> Campaign | None:
    return await _one(conn, select(campaign).where(campaign.c.name == name))


async def campaign_called(conn: AsyncConnection, name: str) -> Campaign:
    """The campaign of that name or id. Raises `LookupError`."""
    found = await campaign_named(conn, name) or await get_campaign(conn, name)
    if found is None:
        raise LookupError(f"there is no campaign {name!r}; see `marcador campaign list`")
    return found


async def list_campaigns(
    conn: AsyncConnection,
    *,
    state: CampaignState | None = None,
    portfolio_id: str | None = None,
) -> list[Campaign]:
    """In the order they were made."""
    query = select(campaign).order_by(campaign.c.created_ms, campaign.c.campaign_id)
    if portfolio_id is not None:
        query = query.where(campaign.c.portfolio_id == portfolio_id)
    if state is not None:
        query = query.where(campaign.c.state == state)
    return [_campaign(row) for row in (await conn.execute(query)).mappings()]


async def first_started_ms(conn: AsyncConnection, campaign_id: str) -> int | None:
    """When a campaign was started for the first time, by the audit trail; None: it was not."""
    found = select(func.min(audit_event.c.at_ms)).where(
        audit_event.c.action == f"campaign.{CampaignAction.START}",
        audit_event.c.target == campaign_id,
    )
    at_ms = (await conn.execute(found)).scalar()
    return None if at_ms is None else int(at_ms)


async def act_on_campaign(
    conn: AsyncConnection, campaign_id: str, action: CampaignAction, *, actor: str, now_ms: int
) -> Campaign:
    """Take the campaign to its next state, with a row in the audit trail.

    Raises:
        LookupError: there is no such campaign.
        ImpossibleAction: its state does not allow the action.
    """
    before = await _locked(conn, campaign_id)
    after = step(before.state, action)
    await conn.execute(
        update(campaign)
        .where(campaign.c.campaign_id == campaign_id)
        .values(state=after, updated_ms=now_ms)
    )
    await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action=f"campaign.{action}",
        target=campaign_id,
        detail={"before": before.state, "after": after},
    )
    return msgspec.structs.replace(before, state=after, updated_ms=now_ms)


async def change_settings(
    conn: AsyncConnection,
    campaign_id: str,
    settings: CampaignSettings,
    *,
    actor: str,
    now_ms: int,
) -> Campaign:
    """Other settings, from the next decision on. The audit trail keeps both versions.

    Raises:
        LookupError: there is no such campaign.
        ImpossibleAction: it has ended.
    """
    before = await _locked(conn, campaign_id)
    if before.state.is_final:
        raise ImpossibleAction(before.state, CampaignAction.START)
    text = dump_settings(settings)
    after = msgspec.structs.replace(
        before, settings=settings, settings_sha256=_sha256(text), updated_ms=now_ms
    )
    if after.settings_sha256 == before.settings_sha256:
        return before
    await conn.execute(
        update(campaign)
        .where(campaign.c.campaign_id == campaign_id)
        .values(settings=text, settings_sha256=after.settings_sha256, updated_ms=now_ms)
    )
    await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action="campaign.settings",
        target=campaign_id,
        detail={"before": dump_settings(before.settings), "after": text},
    )
    return after


# --- enrolment ---------------------------------------------------------------------------------


async def enrol(
    ledger: Ledger, enrolling: Campaign, *, now_ms: int, where: AccountFilter | None = None
) -> int:
    """Enrol every active account that fits and is not enrolled yet; returns how many.

    Goes through the portfolio page by page, a transaction each, so that nobody waits long for
    the ledger; interrupted, it can be run again.

    Args:
        where: default: what the campaign's settings say.

    Raises:
        ImpossibleAction: the campaign has ended, or is about to.
    """
    if not enrolling.state.takes_accounts:
        raise ImpossibleAction(enrolling.state, CampaignAction.START)
    chosen = where or enrolling.settings.accounts
    enrolled, after = 0, ""
    while True:
        async with ledger.read() as conn:
            last = (await conn.execute(_page_end(enrolling.portfolio_id, after))).scalar()
        if last is None:
            return enrolled
        page = _chosen(enrolling.portfolio_id, chosen).where(
            account.c.account_id > after, account.c.account_id <= last
        )
        enrolled += await ledger.transact(partial(_enrol, enrolling, page, now_ms))
        after = str(last)


def _page_end(portfolio_id: str, after: str) -> Select[str | None]:
    page = (
        select(account.c.account_id)
        .where(account.c.portfolio_id == portfolio_id, account.c.account_id > after)
        .order_by(account.c.account_id)
        .limit(ENROLMENT_PAGE)
        .subquery()
    )
    return select(func.max(page.c.account_id))


async def _enrol(
    enrolling: Campaign, page: Select[str, int], now_ms: int, conn: AsyncConnection
) -> int:
    names = ["account_id", "priority", "campaign_id", "state", "not_before_ms", "reason"]
    rows = page.add_columns(
        literal(enrolling.campaign_id), literal("ready"), literal(now_ms), literal(ENROLLED_REASON)
    )
    if dialect_of(conn) is Dialect.POSTGRESQL:
        result = await conn.execute(
            postgresql_insert(enrolment).from_select(names, rows).on_conflict_do_nothing()
        )
    else:
        result = await conn.execute(
            sqlite_insert(enrolment).from_select(names, rows).on_conflict_do_nothing()
        )
    return result.rowcount


async def count_accounts(conn: AsyncConnection, portfolio_id: str, where: AccountFilter) -> int:
    """How many active accounts a filter chooses."""
    chosen = _chosen(portfolio_id, where).subquery()
    return int((await conn.execute(select(func.count()).select_from(chosen))).scalar_one())


async def enrolment_counts(conn: AsyncConnection, campaign_id: str) -> EnrolmentCounts:
    rows = await conn.execute(
        select(enrolment.c.state, func.count())
        .where(enrolment.c.campaign_id == campaign_id)
        .group_by(enrolment.c.state)
    )
    return msgspec.convert({row[0]: row[1] for row in rows}, EnrolmentCounts)


def _chosen(portfolio_id: str, where: AccountFilter) -> Select[str, int]:
    query = select(account.c.account_id, account.c.priority).where(
        account.c.portfolio_id == portfolio_id, account.c.state == "active"
    )
    for column, wanted in (
        (account.c.stage, where.stages),
        (account.c.bucket, where.buckets),
        (account.c.segment, where.segments),
        (account.c.product, where.products),
    ):
        if wanted:
            query = query.where(column.in_(wanted))
    if where.dpd_from is not None:
        query = query.where(account.c.dpd >= where.dpd_from)
    if where.dpd_to is not None:
        query = query.where(account.c.dpd <= where.dpd_to)
    return query


# --- inside ------------------------------------------------------------------------------------


async def _locked(conn: AsyncConnection, campaign_id: str) -> Campaign:
    """The campaign, kept from others until the transaction ends (SQLite has one writer)."""
    query = select(campaign).where(campaign.c.campaign_id == campaign_id).with_for_update()
    found = await _one(conn, query)
    if found is None:
        raise LookupError(f"there is no campaign {campaign_id}")
    return found


async def _one(conn: AsyncConnection, query: Select[*tuple[object, ...]]) -> Campaign | None:
    row = (await conn.execute(query)).mappings().one_or_none()
    return None if row is None else _campaign(row)


def _campaign(row: RowMapping) -> Campaign:
    # Names of columns are a subclass of str, which msgspec does not take for keys.
    values = {str(name): value for name, value in row.items()}
    return msgspec.convert(values | {"settings": load_settings(row["settings"])}, Campaign)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _taken(name: str) -> str:
    return f"there is a campaign named {name!r} already; choose another name"
