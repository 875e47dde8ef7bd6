"""What a campaign's pacer knows outlives the engine that it ran in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, func, select, update

from campaigns.campaign import CampaignAction, CampaignSettings
from compliance.types import CampaignId, Mode
from dialer.bootstrap import open_marcador
from dialer.core.desk_messages import CallConnected, CallOver
from dialer.core.pacing import Clamp, DialPlaced, Law, LiveAnswer, PacingConfig, make_pacer
from dialer.core.pacing.messages import Decision, Snapshot
from dialer.core.records import to_ms
from dialer.runtime.pacing_memory import FRESH, LOG_KEPT, SAVE_EVERY, PacingMemory
from dialer.stores.ledger.campaigns import change_settings
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.ledger.pacer_saves import get_pacer_save
from dialer.stores.ledger.schema import pacer_save, pacing_log
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import Originate
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.script import FAIR_WEATHER
from telephony_adapters.simulator.world import DialPlan
from tests.support.fixed_world import FixedWorld, answered
from tests.support.house import NOON_IN_CHILE, House, house_config, open_house

A = CampaignId("a")
CONFIG = PacingConfig()
NOW = NOON_IN_CHILE
PREDICTIVE = CampaignSettings(mode=Mode.PREDICTIVE)


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis, redis_client: RedisClient) -> str:
    return redis_server.url


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = await open_ledger(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}", now_ms=to_ms(NOW))
    yield opened
    await opened.close()


def everybody_answers(command: Originate) -> DialPlan:
    return answered(command.call_id, talk_s=40.0)


async def saved(ledger: Ledger, config: PacingConfig = CONFIG) -> bytes:
    """Something learned, and kept at `NOW`."""
    pacer = make_pacer(config)
    pacer.observe(DialPlaced(at_s=NOW.timestamp(), call_id="1"))
    pacer.observe(LiveAnswer(at_s=NOW.timestamp() + 4.0, call_id="1"))
    pacer.decide(Snapshot(at_s=NOW.timestamp() + 5.0, staffed=1))
    await PacingMemory(ledger).save(A, config, pacer, NOW)
    return pacer.save()


async def restored(ledger: Ledger, after: timedelta, config: PacingConfig = CONFIG) -> bytes | None:
    pacer = make_pacer(config)
    fresh = pacer.save()
    found = await PacingMemory(ledger).restore(A, config, pacer, NOW + after)
    assert found is (pacer.save() != fresh)
    return pacer.save() if found else None


async def test_a_fresh_save_of_the_same_settings_is_restored(ledger: Ledger) -> None:
    assert await restored(ledger, timedelta()) is None
    state = await saved(ledger)
    assert await restored(ledger, FRESH) == state


@pytest.mark.parametrize(
    ("after", "config"),
    [
        (FRESH + timedelta(seconds=1), CONFIG),
        (timedelta(seconds=-1), CONFIG),
        (timedelta(), PacingConfig(target_abandonment=0.02)),
        (timedelta(), PacingConfig(law=Law.PROGRESSIVE)),
    ],
)
async def test_an_old_or_foreign_save_is_left_alone(
    ledger: Ledger, after: timedelta, config: PacingConfig
) -> None:
    await saved(ledger)
    assert await restored(ledger, after, config) is None


@pytest.mark.parametrize("state", ["", "{}", '{"type":"ratio"}', '{"type":"predictive"', "\u00f1"])
async def test_a_damaged_save_is_left_alone(ledger: Ledger, state: str) -> None:
    await saved(ledger)
    async with ledger.write() as conn:
        await conn.execute(update(pacer_save).values(state=state))
    assert await restored(ledger, timedelta()) is None


async def test_saves_are_not_made_more_often_than_needed(ledger: Ledger) -> None:
    memory, pacer = PacingMemory(ledger), make_pacer(CONFIG)

    async def save(after: timedelta, *, at_once: bool = False) -> timedelta:
        await memory.save(A, CONFIG, pacer, NOW + after, at_once=at_once)
        kept = await get_pacer_save(ledger, A)
        assert kept is not None
        return timedelta(milliseconds=kept.saved_ms - to_ms(NOW))

    second = timedelta(seconds=1)
    assert await save(timedelta()) == timedelta()
    assert await save(SAVE_EVERY - second) == timedelta()
    assert await save(SAVE_EVERY) == SAVE_EVERY
    assert await save(SAVE_EVERY + second, at_once=True) == SAVE_EVERY + second


async def test_laws_that_learn_nothing_keep_nothing(ledger: Ledger) -> None:
    progressive = PacingConfig(law=Law.PROGRESSIVE)
    await PacingMemory(ledger).save(A, progressive, make_pacer(progressive), NOW, at_once=True)
    assert await get_pacer_save(ledger, A) is None


async def test_decisions_are_kept_for_a_window_and_not_for_ever(ledger: Ledger) -> None:
    memory = PacingMemory(ledger)
    memory.log.add(A, Decision(at_s=NOW.timestamp(), calls_to_place=1, law=Law.PREDICTIVE))
    await memory.write(NOW)
    await memory.write(NOW + LOG_KEPT)
    assert await memory.log.drop(to_ms(NOW) + 1, 1) == 1, "it was still there"
    memory.log.add(A, Decision(at_s=NOW.timestamp(), calls_to_place=1, law=Law.PREDICTIVE))
    await memory.write(NOW + LOG_KEPT + timedelta(minutes=1, seconds=1))
    assert await memory.log.drop(to_ms(NOW) + 1, 1) == 0


# --- whole engines ---------------------------------------------------------------------------


@asynccontextmanager
async def next_engine(
    before: House, folder: Path, redis_url: str, *, forget_save: bool
) -> AsyncIterator[House]:
    """A new engine on the ledger of one that is gone; its clock goes on."""
    clock = before.marcador.clock
    world = FixedWorld(default=everybody_answers)
    carrier = SimulatedCarrier(clock=clock, world=world, script=FAIR_WEATHER)
    config = house_config(folder, redis_url)
    async with open_marcador(config, clock=clock, adapter=carrier) as marcador:
        assert await pacers_saved(marcador.ledger) == 1
        if forget_save:
            async with marcador.ledger.write() as conn:
                await conn.execute(delete(pacer_save))
        await marcador.engine.start()
        try:
            yield House(marcador, before.portfolio)
        finally:
            await marcador.engine.stop()


async def pacers_saved(ledger: Ledger) -> int:
    async with ledger.read() as conn:
        return int((await conn.execute(select(func.count()).select_from(pacer_save))).scalar_one())


async def logged(ledger: Ledger, since_ms: int) -> list[Decision]:
    query = select(pacing_log.c.decision).where(pacing_log.c.at_ms >= since_ms)
    async with ledger.read() as conn:
        rows = (await conn.execute(query.order_by(pacing_log.c.pacing_no))).scalars()
        return [msgspec.json.decode(row, type=Decision) for row in rows]


@pytest.mark.parametrize("forget_save", [True, False], ids=["killed before it saved", "stopped"])
async def test_a_used_budget_binds_the_next_engine_from_its_first_decision(
    tmp_path: Path, redis_url: str, *, forget_save: bool
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world, accounts=40) as first:
        campaign = await first.campaign(settings=PREDICTIVE)
        runner = first.engine.runner_of(campaign.campaign_id)
        placed = (await runner.pump.run(15)).placed
        await first.until("abandonments", lambda: runner.tally.abandoned == placed)
        assert placed > 6, "more than 3 % of 200 answers"
    since_ms = to_ms(first.marcador.clock.now())
    async with next_engine(first, tmp_path, redis_url, forget_save=forget_save) as second:
        agent = await second.agent("ana")
        await agent.ready()
        await agent.hear(CallConnected)
        await second.engine.sweep()
        decisions = await logged(second.marcador.ledger, since_ms)
    staffed = [d for d in decisions if d.estimates.staffed]
    assert staffed
    assert staffed[0].estimates.abandonment_30d == pytest.approx(1.0)
    for decision in staffed:
        assert decision.law is Law.PREDICTIVE
        assert decision.estimates.tolerance == 0.0
        assert decision.calls_to_place <= decision.estimates.idle
    assert any(d.clamp is Clamp.BUDGET and d.calls_to_place == 1 for d in staffed)
    assert all(d.clamp is not Clamp.BAD_SNAPSHOT for d in decisions)


@pytest.mark.parametrize(
    "changed",
    [
        CampaignSettings(ring_timeout_s=30),
        CampaignSettings(mode=Mode.PROGRESSIVE, lines_per_idle_agent=4.0),
    ],
    ids=["predictive", "fixed ratio"],
)
async def test_changed_settings_start_afresh_but_keep_the_budget(
    tmp_path: Path, redis_url: str, changed: CampaignSettings
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world, accounts=40) as house:
        campaign = await house.campaign(settings=PREDICTIVE)
        runner = house.engine.runner_of(campaign.campaign_id)
        agent = await house.agent("ana")
        placed = (await runner.pump.run(15)).placed
        await house.until("abandonments", lambda: runner.tally.abandoned == placed)
        await house.engine.recorder.flush()
        now_ms = to_ms(house.marcador.clock.now())
        async with house.marcador.ledger.write() as conn:
            await change_settings(conn, campaign.campaign_id, changed, actor="test", now_ms=now_ms)
        await house.engine.own_campaigns()
        after = house.engine.runner_of(campaign.campaign_id)
        assert after is not runner
        await agent.ready()
        await agent.hear(CallConnected)
        assert "window is used up" in (await after.figures()).pacing_reason


async def test_a_new_pacer_is_told_of_the_agents_who_are_here(
    tmp_path: Path, redis_url: str
) -> None:
    world = FixedWorld(default=everybody_answers)
    async with open_house(tmp_path, redis_url, world) as house:
        campaign = await house.campaign(settings=PREDICTIVE)
        agent = await house.agent("ana")
        await house.engine.act(campaign.campaign_id, CampaignAction.PAUSE, actor="test")
        await agent.ready()
        changed = msgspec.structs.replace(PREDICTIVE, ring_timeout_s=30)
        async with house.marcador.ledger.write() as conn:
            await change_settings(
                conn,
                campaign.campaign_id,
                changed,
                actor="test",
                now_ms=to_ms(house.marcador.clock.now()),
            )
        since_ms = to_ms(house.marcador.clock.now())
        await house.engine.own_campaigns()
        await house.engine.act(campaign.campaign_id, CampaignAction.RESUME, actor="test")
        await agent.hear(CallOver)
        await house.engine.sweep()
        faults = [d.faults for d in await logged(house.marcador.ledger, since_ms)]
    assert faults
    assert all("unknown_agent" not in found for found in faults)
