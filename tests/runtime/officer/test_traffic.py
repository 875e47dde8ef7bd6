"""Figures of calls as a whole: counted from the ledger, given to the gate, kept in the record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from compliance.messages import DecisionRecord, StatScope
from compliance.packs import PackSet
from compliance.rules.traffic import TrafficWindow, traffic_windows
from compliance.types import CampaignId, EventKind
from dialer.runtime.replaying import replay_sample
from dialer.runtime.traffic import REFRESH_EVERY, SETTLED_AFTER, TrafficFigures
from dialer.stores.ledger.schema import ledger_event
from dialer.stores.redis import EmbeddedRedis, RedisClient
from telephony_adapters.messages import Originate
from telephony_adapters.simulator.heard import Intent
from telephony_adapters.simulator.world import DialPlan
from tests.compliance.build import rule, tiny_pack, tiny_text
from tests.runtime.officer.world import NOON, House
from tests.support.fixed_world import FixedWorld, answered
from tests.support.house import NOON_IN_CHILE, open_house

SHORT = 'short_s = 6\nmax_short_share = 0.5\nif_unknown = "stop"\n'
DAY = 'window = { unit = "calendar_day" }'
MONTH = 'window = { unit = "calendar_month" }\nabove = 500\nattestation = ["A"]'


def windows(packs: PackSet, at: datetime) -> tuple[TrafficWindow, ...]:
    return traffic_windows([(r, pack.doc.zone) for pack in packs.packs for r in pack.rules], at)


def test_what_the_rules_ask_for() -> None:
    """A calendar day of the pack's zone; where it has none, as long up to now."""
    text = rule("traffic_shape", SHORT + DAY, name="a") + rule("traffic_shape", MONTH, name="b")
    at = datetime(2026, 11, 24, 15, tzinfo=UTC)
    day, month = windows(tiny_pack(text), at)
    assert (day.window_s, day.scope, day.short_s) == (86_400, StatScope.COLLECTOR, 6)
    assert (day.since, day.resets_at) == (at - timedelta(days=1), None)
    assert (month.window_s, month.short_s) == (31 * 86_400, 0)
    zoned = tiny_pack(text, extra='zone = "America/Sao_Paulo"')
    ends = (datetime(2026, 11, 25, 3, tzinfo=UTC), datetime(2026, 12, 1, 3, tzinfo=UTC))
    assert tuple(window.resets_at for window in windows(zoned, at)) == ends

    fixed = DAY.replace(" }", ', zones = "fixed", fixed_zone = "America/Sao_Paulo" }')
    (brazil,) = windows(tiny_pack(rule("traffic_shape", SHORT + fixed)), at)
    assert brazil.since == datetime(2026, 11, 24, 3, tzinfo=UTC)
    assert brazil.resets_at == datetime(2026, 11, 25, 3, tzinfo=UTC)
    rolling = 'window = { unit = "rolling_hours", n = 24 }'
    (rolls,) = windows(tiny_pack(rule("traffic_shape", SHORT + rolling)), at)
    assert (rolls.since, rolls.resets_at) == (at - timedelta(days=1), None)
    both = rule("traffic_shape", SHORT + rolling, name="a") + rule(
        "traffic_shape", SHORT.replace("6", "9") + fixed, name="b"
    )
    (strict,) = windows(tiny_pack(both), at)
    assert (strict.short_s, strict.since, strict.resets_at) == (9, rolls.since, None)


async def test_calls_are_counted_as_they_come(house: House) -> None:
    campaign = CampaignId(house.campaign_id)
    text = rule("traffic_shape", SHORT + DAY, name="a") + rule(
        "traffic_shape", SHORT + DAY + '\nscope = "campaign"', name="b"
    )
    packs = tiny_pack(text, extra='zone = "America/Santiago"')
    figures = TrafficFigures(house.ledger, packs)

    async def read(now: datetime) -> list[tuple[StatScope, int, int]]:
        return [(s.scope, s.placed, s.short) for s in await figures.read(campaign, now)]

    assert await read(NOON) == [(StatScope.COLLECTOR, 0, 0), (StatScope.CAMPAIGN, 0, 0)]
    await house.call("A-1", NOON, outcome=EventKind.CONVERSATION, talk_ms=6_000)
    assert (await read(NOON))[0][1:] == (0, 0)  # not asked again so soon
    await house.call("A-2", NOON, outcome=EventKind.RANG_NO_ANSWER)
    assert (await read(NOON + REFRESH_EVERY))[0][1:] == (2, 1)
    late = NOON + 2 * SETTLED_AFTER
    assert await read(late) == [(StatScope.COLLECTOR, 2, 1), (StatScope.CAMPAIGN, 2, 1)]
    other = await figures.read(CampaignId("other"), late + REFRESH_EVERY)
    assert [(s.placed, s.short) for s in other] == [(2, 1), (0, 0)]
    # The next day begins anew.
    assert (await read(NOON + timedelta(days=2)))[0][1:] == (0, 0)


@pytest.mark.parametrize(
    ("outcome", "talk_ms", "short"),
    [
        (EventKind.CONVERSATION, 6_000, 1),
        (EventKind.CONVERSATION, 6_001, 0),
        (EventKind.ABANDONED, None, 1),
        (EventKind.MACHINE_NO_MESSAGE, None, 1),
        (EventKind.RANG_NO_ANSWER, None, 0),
        (EventKind.NOT_CONNECTED_BUSY, None, 0),
    ],
)
async def test_what_is_short(
    house: House, outcome: EventKind, talk_ms: int | None, short: int
) -> None:
    await house.call("A-1", NOON, outcome=outcome, talk_ms=talk_ms)
    figures = TrafficFigures(house.ledger, tiny_pack(rule("traffic_shape", SHORT + DAY)))
    (found,) = await figures.read(CampaignId(house.campaign_id), NOON + timedelta(minutes=5))
    assert (found.placed, found.short, found.short_s) == (1, short, 6)


def hangs_up_at_once(command: Originate) -> DialPlan:
    return answered(command.call_id, talk_s=1.0, intent=Intent.PROMISE)


async def test_too_many_short_calls_stop_the_engine(
    tmp_path: Path, redis_server: EmbeddedRedis, redis_client: RedisClient
) -> None:
    """The gate is told by the engine, the record keeps what it was told, and a replay agrees."""
    packs = tmp_path / "packs"
    packs.mkdir()
    (packs / "tiny.toml").write_text(tiny_text(rule("traffic_shape", SHORT + DAY)))
    world = FixedWorld(default=hangs_up_at_once)
    overrides = {"house_packs": str(packs)}
    async with open_house(
        tmp_path, redis_server.url, world, accounts=5, overrides=overrides
    ) as house:
        campaign = await house.campaign()
        runner = house.engine.runner_of(campaign.campaign_id)
        assert runner.campaign.started_at is not None
        assert abs(runner.campaign.started_at - NOON_IN_CHILE) < timedelta(minutes=10)
        now = house.engine.clock.now()
        await runner.read_figures(now)
        before = [s for s in runner.pump.campaign.traffic if s.window_s == 86_400]
        assert [(s.placed, s.short) for s in before] == [(0, 0)]
        assert (await runner.pump.run(1)).placed == 1
        await house.until("a short call", lambda: runner.tally.outcomes["SY-AB"] == 1)
        await house.engine.recorder.flush()
        await runner.read_figures(house.engine.clock.now() + REFRESH_EVERY)
        figures = runner.pump.campaign.traffic
        report = await runner.pump.run(1)
        assert (report.placed, report.blocked > 0) == (0, True)
        query = select(ledger_event.c.record).where(ledger_event.c.kind == "contact_blocked")
        async with house.marcador.ledger.read() as conn:
            records = [
                msgspec.json.decode(text, type=DecisionRecord)
                for text in (await conn.execute(query)).scalars()
            ]
        stopped = [r for r in records if any(f.rule_id == "tiny/rule" for f in r.findings)]
        assert stopped
        assert stopped[0].traffic == figures
        assert stopped[0].campaign_started_at == runner.campaign.started_at
        replayed = await replay_sample(house.marcador.ledger, sample=100, seed=1)
        assert (replayed.different, replayed.same) == (0, replayed.decisions)
