"""`marcador campaign pacing`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from compliance.types import CampaignId
from dialer.bootstrap import open_stores
from dialer.cli.exits import ExitCode
from dialer.cli.pacing_command import CLAMPS, decision_line, graph
from dialer.cli.texts import Texts
from dialer.config import load_config
from dialer.core.pacing import Clamp, Decision, Estimates, Law
from dialer.core.pacing_story import LoggedDecision, PacingMinute
from dialer.core.records import to_ms
from dialer.stores.ledger.campaigns import campaign_named
from dialer.stores.ledger.pacing_log import PacingLog
from tests.cli.conftest import Cli
from tests.cli.world import CAMPAIGN, NOON, Made

DECISION = Decision(
    at_s=NOON.timestamp(),
    calls_to_place=3,
    law=Law.PREDICTIVE,
    clamp=Clamp.CAP,
    cap_name="trunk",
    asked=5,
    reason="5 more",
    estimates=Estimates(idle=1, staffed=4, tolerance=0.0125),
)


def log_one(cli: Cli) -> None:
    config = load_config(environ={}, overrides={"data_dir": str(cli.folder / "var")})

    async def work() -> None:
        async with open_stores(config) as ledger:
            async with ledger.read() as conn:
                found = await campaign_named(conn, CAMPAIGN)
            assert found is not None
            log = PacingLog(ledger)
            log.add(CampaignId(found.campaign_id), DECISION)
            await log.write()

    asyncio.run(work())


def test_a_campaign_that_never_dialed_says_so(english: Cli, made: Made) -> None:
    ran = english("campaign", "pacing", CAMPAIGN)
    assert ran.code == ExitCode.BAD_INPUT
    assert "no pacing decisions" in ran.err
    unknown = english("campaign", "pacing", "nobody")
    assert unknown.code != 0
    assert "nobody" in unknown.err


def test_pacing_as_table_graph_and_json(english: Cli, made: Made) -> None:
    log_one(english)
    told = english("campaign", "pacing", CAMPAIGN)
    assert told.code == 0, told.err
    assert "75.0" in told.out
    assert "0.0125" in told.out
    assert "3 calls (cap trunk); 5 more" in told.out
    assert "occupancy %" in told.out
    whole = english("campaign", "pacing", CAMPAIGN, "--minutes", "5", "--json").json
    assert whole["decisions"][0]["decision"]["asked"] == 5
    assert sum(minute["calls_asked"] for minute in whole["minutes"]) == 3
    assert sum(minute["dialed"] for minute in whole["minutes"]) > 0
    assert whole["to_ms"] == to_ms(NOON) + 1


def test_the_graph_shows_highs_lows_and_gaps() -> None:
    slots = [
        PacingMinute(at_ms=0, dialed=0, occupancy_pct=100.0, abandoned_pct=2.0),
        PacingMinute(at_ms=1, dialed=4, occupancy_pct=50.0),
        PacingMinute(at_ms=2, dialed=8),
    ]
    dialed, abandoned, occupancy = graph(Texts("es"), slots)
    assert dialed.split() == ["marcadas", "▁▅█", "0-8"]
    assert "█   0-2" in abandoned
    assert "█▅  0-100" in occupancy
    assert [line.split()[-1] for line in graph(Texts("en"), [])] == ["0-0", "0-0", "0-100"]


def test_every_clamp_has_words_and_times_are_the_campaigns() -> None:
    assert CLAMPS.keys() == set(Clamp)
    at_ms = to_ms(datetime(2026, 11, 24, 15, 0, 5, tzinfo=UTC))
    logged = LoggedDecision(at_ms=at_ms, decision=DECISION)
    line = decision_line(Texts("es"), logged, ZoneInfo("America/Santiago"))
    assert line == "12:00:05 predictive: 3 llamadas (tope trunk); 5 more"
