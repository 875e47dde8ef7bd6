"""What was forbidden until an event comes back to the queue when the event comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.rules.windows import emergency_codes
from compliance.types import CampaignId, PersonId, SuppressionScope
from dialer.core.deciding import NO_LAWFUL_MOMENT
from dialer.core.records import to_ms
from dialer.runtime.campaign_runner import CampaignRunner
from dialer.runtime.evidence_files import read_notices
from dialer.runtime.suppression_files import read_list
from dialer.stores.ledger.emergencies import declare_emergency, end_emergency
from dialer.stores.ledger.schema import enrolment, person, suppression
from dialer.stores.ledger.subjects import add_wide_suppression, end_wide_suppression
from dialer.stores.ledger.suppression_lists import release_suppression
from dialer.stores.ledger.waking import WOKEN
from dialer.stores.redis import EmbeddedRedis, RedisClient
from tests.compliance.build import rule, tiny_text
from tests.support.fixed_world import FixedWorld
from tests.support.house import House, open_house

CODE = "CL:earthquake"
BLACKOUT = rule("blackout", f'emergencies = ["{CODE}"]')
NOTICE = rule("sequence_gate", 'events = ["letter_mailed"]\nclear_days = 1')
ACCOUNTS = 6

Ending = Callable[[House, Path], Awaitable[None]]


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


def now_ms(house: House) -> int:
    return to_ms(house.engine.clock.now())


async def reasons(house: House, campaign_id: CampaignId) -> set[tuple[str, str]]:
    query = select(enrolment.c.state, enrolment.c.reason).where(
        enrolment.c.campaign_id == campaign_id
    )
    async with house.marcador.ledger.read() as conn:
        return {(row.state, row.reason) for row in await conn.execute(query)}


async def sweep(house: House) -> None:
    """Twice: a round that was at the end of its pages begins anew with the next."""
    await house.engine.sweep()
    await house.engine.sweep()


async def asleep(house: House, runner: CampaignRunner) -> None:
    """Everybody was decided about, and nothing is left to claim for a month."""
    report = await runner.pump.run(ACCOUNTS)
    assert (report.placed, report.blocked >= ACCOUNTS) == (0, True)
    assert await reasons(house, runner.campaign_id) == {("waiting", NO_LAWFUL_MOMENT)}
    await sweep(house)
    assert (await runner.pump.run(ACCOUNTS)).claimed == 0


async def emergency(house: House, folder: Path) -> Ending:
    known = emergency_codes(r for pack in house.engine.packs.packs for r in pack.rules)

    async def declare(conn: AsyncConnection) -> None:
        await declare_emergency(conn, CODE, known=known, actor="eva", now_ms=now_ms(house))

    async def over(house: House, folder: Path) -> None:
        async def work(conn: AsyncConnection) -> None:
            await end_emergency(conn, CODE, actor="eva", now_ms=now_ms(house))

        await house.marcador.ledger.transact(work)

    await house.marcador.ledger.transact(declare)
    return over


async def stop_of_the_house(house: House, folder: Path) -> Ending:
    async def stop(conn: AsyncConnection) -> str:
        return await add_wide_suppression(
            conn,
            scope=SuppressionScope.TENANT,
            reason="outage",
            actor="eva",
            now_ms=now_ms(house),
        )

    stopped = await house.marcador.ledger.transact(stop)

    async def over(house: House, folder: Path) -> None:
        async def work(conn: AsyncConnection) -> None:
            await end_wide_suppression(conn, stopped, actor="eva", now_ms=now_ms(house))

        await house.marcador.ledger.transact(work)

    return over


async def people(house: House) -> list[PersonId]:
    async with house.marcador.ledger.read() as conn:
        return list((await conn.execute(select(person.c.person_id))).scalars())


async def suppressions(house: House, folder: Path) -> Ending:
    ids = await people(house)
    file = folder / "stop.csv"
    file.write_text("person_id,reason\n" + "".join(f"{one},manual\n" for one in ids))
    now = house.engine.clock.now()
    ledger = house.marcador.ledger
    await read_list(ledger, file, rejects=folder / "r.csv", actor="eva", now=now)

    async def over(house: House, folder: Path) -> None:
        async with ledger.read() as conn:
            stops = (await conn.execute(select(suppression.c.suppression_id))).scalars().all()

        async def work(conn: AsyncConnection) -> None:
            for stop in stops:
                await release_suppression(
                    conn, stop, reason="asked again", actor="eva", now_ms=now_ms(house)
                )

        await ledger.transact(work)

    return over


async def no_notice(house: House, folder: Path) -> Ending:
    """The pack itself stops everybody until a letter is on record."""

    async def over(house: House, folder: Path) -> None:
        ids = await people(house)
        file = folder / "notices.csv"
        file.write_text(
            "person_id,date,kind\n" + "".join(f"{one},2026-11-01,letter\n" for one in ids)
        )
        now = house.engine.clock.now()
        await read_notices(
            house.marcador.ledger, file, rejects=folder / "r.csv", actor="eva", now=now
        )

    return over


@pytest.mark.parametrize(
    ("rules", "stop"),
    [
        (BLACKOUT, emergency),
        ("", stop_of_the_house),
        ("", suppressions),
        (NOTICE, no_notice),
    ],
)
async def test_accounts_come_back_when_what_stopped_them_ends(
    tmp_path: Path,
    redis_url: str,
    rules: str,
    stop: Callable[[House, Path], Awaitable[Ending]],
) -> None:
    overrides: dict[str, object] = {}
    if rules:
        (tmp_path / "packs").mkdir()
        (tmp_path / "packs" / "tiny.toml").write_text(tiny_text(rules))
        overrides["house_packs"] = str(tmp_path / "packs")
    async with open_house(
        tmp_path, redis_url, FixedWorld(), accounts=ACCOUNTS, overrides=overrides
    ) as house:
        over = await stop(house, tmp_path)
        campaign = await house.campaign()
        runner = house.engine.runner_of(campaign.campaign_id)
        await asleep(house, runner)
        await over(house, tmp_path)
        assert await reasons(house, campaign.campaign_id) == {("waiting", WOKEN)}
        await sweep(house)
        assert WOKEN not in {reason for _, reason in await reasons(house, campaign.campaign_id)}
        report = await runner.pump.run(ACCOUNTS)
        assert (report.claimed, report.placed > 0) == (ACCOUNTS, True)


async def test_whoever_is_stopped_otherwise_sleeps_on(tmp_path: Path, redis_url: str) -> None:
    """A wake is no verdict: the gate says again what still stands, and once."""
    async with open_house(tmp_path, redis_url, FixedWorld(), accounts=ACCOUNTS) as house:
        over = await stop_of_the_house(house, tmp_path)
        await suppressions(house, tmp_path)
        campaign = await house.campaign()
        runner = house.engine.runner_of(campaign.campaign_id)
        await asleep(house, runner)
        await over(house, tmp_path)
        await sweep(house)
        await asleep(house, runner)


async def test_a_wake_outlives_the_engine(tmp_path: Path, redis_url: str) -> None:
    """It stands in the ledger: a queue that is built anew has it too."""
    async with open_house(tmp_path, redis_url, FixedWorld(), accounts=ACCOUNTS) as house:
        over = await stop_of_the_house(house, tmp_path)
        campaign = await house.campaign()
        runner = house.engine.runner_of(campaign.campaign_id)
        await asleep(house, runner)
        await over(house, tmp_path)
        await house.engine.fleet.queues()[campaign.campaign_id].drop_all()
        await runner.prepare_queue()
        report = await runner.pump.run(ACCOUNTS)
        assert (report.claimed, report.placed > 0) == (ACCOUNTS, True)
