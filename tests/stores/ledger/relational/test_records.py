"""Portfolios, import jobs, the review list, the audit trail, ids."""

from __future__ import annotations

import asyncio
import re

import msgspec
import pytest
from sqlalchemy import select

from compliance.chain import GENESIS, audit_hash
from dialer.stores.ledger import schema
from dialer.stores.ledger.audit import list_audit, record_audit
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.ids import Ids, new_id
from dialer.stores.ledger.jobs import (
    JobState,
    end_job,
    get_job,
    list_jobs,
    note_progress,
    start_job,
)
from dialer.stores.ledger.portfolios import (
    PortfolioExists,
    create_portfolio,
    ensure_portfolio,
    get_portfolio,
    list_portfolios,
    portfolio_named,
    save_import_profile,
)
from dialer.stores.ledger.reviews import (
    ReviewState,
    count_open_reviews,
    list_reviews,
    resolve_review,
)
from tests.stores.ledger.relational.world import NOW_MS, some_portfolio


async def test_portfolios_are_made_once_and_read_back(ledger: Ledger) -> None:
    portfolio = some_portfolio()
    async with ledger.write() as conn:
        await create_portfolio(conn, portfolio)
        with pytest.raises(PortfolioExists, match="'cartera'"):
            await create_portfolio(conn, some_portfolio())
        await save_import_profile(conn, portfolio.portfolio_id, "version = 1")
        with pytest.raises(LookupError):
            await save_import_profile(conn, "nothing", "version = 1")
    async with ledger.read() as conn:
        kept = msgspec.structs.replace(portfolio, import_profile="version = 1")
        assert await portfolio_named(conn, "cartera") == kept
        assert await get_portfolio(conn, portfolio.portfolio_id) == kept
        assert await list_portfolios(conn) == [kept]
        assert await portfolio_named(conn, "nothing") is None


async def test_what_a_portfolio_is_cannot_be_changed(ledger: Ledger) -> None:
    portfolio = some_portfolio(synthetic=True)
    async with ledger.write() as conn:
        assert await ensure_portfolio(conn, portfolio) == portfolio
        assert await ensure_portfolio(conn, some_portfolio()) == portfolio
        real = some_portfolio(synthetic=False)
        with pytest.raises(PortfolioExists, match="synthetic = True, which cannot be changed"):
            await ensure_portfolio(conn, real)
        for change in ({"country": "CO"}, {"currency": "COP"}, {"creditor_id": "x"}):
            with pytest.raises(PortfolioExists, match=next(iter(change))):
                await ensure_portfolio(conn, msgspec.structs.replace(portfolio, **change))


async def started(ledger: Ledger, file_sha256: str = "abc", now_ms: int = NOW_MS) -> str:
    async with ledger.write() as conn:
        portfolio = await ensure_portfolio(conn, some_portfolio())
        return await start_job(
            conn,
            job_id=new_id(),
            portfolio_id=portfolio.portfolio_id,
            file_name="a.csv",
            file_sha256=file_sha256,
            file_bytes=12,
            now_ms=now_ms,
        )


async def test_a_job_that_never_ended_is_taken_up_again(ledger: Ledger) -> None:
    job_id = await started(ledger)
    assert await started(ledger) == job_id
    other = await started(ledger, "another file", NOW_MS + 1)
    assert other != job_id
    async with ledger.write() as conn:
        await note_progress(conn, job_id, rows_read=5, counts={"new": 3})
        await end_job(
            conn,
            job_id,
            rows_read=9,
            counts={"new": 7},
            reject_path="r.csv",
            now_ms=NOW_MS + 5,
        )
        await end_job(
            conn, other, rows_read=1, counts={}, reject_path=None, now_ms=NOW_MS, error="full"
        )
        with pytest.raises(LookupError):
            await note_progress(conn, "nothing", rows_read=1, counts={})
    async with ledger.read() as conn:
        done, failed = await get_job(conn, job_id), await get_job(conn, other)
        assert await list_jobs(conn) == [failed, done]
        assert await list_jobs(conn, portfolio_id="nothing") == []
        assert await get_job(conn, "nothing") is None
    assert done is not None
    assert failed is not None
    assert (done.state, done.counts, done.rows_read) == (JobState.DONE, {"new": 7}, 9)
    assert (failed.state, failed.error) == (JobState.FAILED, "full")
    assert await started(ledger) != job_id, "a job that has ended stays ended"


async def test_reviews_are_listed_in_pages(ledger: Ledger) -> None:
    async with ledger.write() as conn:
        for number in range(5):
            row = {
                "review_id": f"r{number}",
                "kind": "legal_unclear" if number else "fraud",
                "text": "?",
                "source": "test",
                "state": "open",
                "created_ms": NOW_MS + number // 2,
            }
            await conn.execute(schema.review_item.insert().values(row))
        await resolve_review(conn, "r3", resolution="no", actor="officer", now_ms=NOW_MS)
        with pytest.raises(LookupError):
            await resolve_review(conn, "r9", resolution="no", actor="officer", now_ms=NOW_MS)
    async with ledger.read() as conn:
        page = await list_reviews(conn, limit=2)
        assert [review.review_id for review in page] == ["r0", "r1"]
        last = page[-1]
        page = await list_reviews(conn, after=(last.created_ms, last.review_id), limit=9)
        assert [review.review_id for review in page] == ["r2", "r4"]
        (closed,) = await list_reviews(conn, state=ReviewState.RESOLVED)
        assert (closed.review_id, closed.resolution, closed.resolved_by) == (
            "r3",
            "no",
            "officer",
        )
        assert len(await list_reviews(conn, state=None, kind="legal_unclear")) == 4
        assert await count_open_reviews(conn) == {"fraud": 1, "legal_unclear": 3}


async def test_the_audit_trail_is_one_chain(ledger: Ledger) -> None:
    async def audit(number: int) -> int:
        async with ledger.write() as conn:
            return await record_audit(
                conn,
                at_ms=NOW_MS,
                actor="admin",
                action="config.change",
                target=f"t{number}",
                detail={"number": number},
            )

    async with ledger.read() as conn:
        before = len(await list_audit(conn))
    numbers = await asyncio.gather(*(audit(number) for number in range(12)))
    assert sorted(numbers) == list(range(before + 1, before + 13))
    table = schema.audit_event
    async with ledger.read() as conn:
        rows = (await conn.execute(select(table).order_by(table.c.audit_no))).all()
        newest = await list_audit(conn, limit=1)
    previous = GENESIS
    for row in rows:
        assert row.hash == audit_hash(
            previous, row.audit_no, row.at_ms, row.actor, row.action, row.target, row.detail
        )
        previous = row.hash
    assert newest[0].audit_no == rows[-1].audit_no


def test_ids_are_distinct_ulids() -> None:
    ids = Ids()
    made = [ids() for _ in range(50_000)] + [new_id() for _ in range(10)]
    assert len(set(made)) == len(made)
    assert made[:50_000] == sorted(made[:50_000])
    assert all(re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", one) for one in made[::997])


def test_ids_go_on_after_the_counter_is_full() -> None:
    ids = Ids()
    first = ids()
    for _ in range(1_048_575):
        ids()
    assert ids()[:22] != first[:22]
