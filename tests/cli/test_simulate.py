"""`marcador simulate` on definitions and campaigns, and `marcador replay`."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from dialer.bootstrap import open_stores
from dialer.cli.app import hoisted
from dialer.cli.exits import ExitCode
from dialer.config import load_config
from dialer.core.records import to_ms
from dialer.stores.ledger.schema import callback, campaign
from dialer.stores.redis import EmbeddedRedis
from tests.cli.conftest import Cli
from tests.cli.world import CAMPAIGN, PORTFOLIO, Made
from tests.simulation.twin_engine import Deck, Shape, engine
from tests.support.redis_server import short_folder

DEFINITION = """
name = "prueba"
timezone = "America/Santiago"
date = 2026-11-30
[where]
country = "CL"
[campaign]
mode = "progressive"
[[segments]]
name = "1-30"
accounts = 400
[[shifts]]
agents = 4
start = "11:00"
end = "11:30"
"""


@pytest.fixture
def file(english: Cli) -> Path:
    path = english.folder / "twin.toml"
    path.write_text(DEFINITION, encoding="utf-8")
    return path


def test_a_definition_in_words_in_json_and_as_a_page(english: Cli, file: Path) -> None:
    page = english.folder / "day.html"
    ran = english("simulate", file, "--staff", "none", "--html", page)
    assert ran.code == ExitCode.OK, ran.err
    for word in (
        "occupancy",
        "right-party contacts",
        "promises",
        "of those the law allows that day",
    ):
        assert word in ran.out
    text = page.read_text("utf-8")
    assert text.count("<svg") >= 5
    assert "<script" not in text
    report = english("simulate", file, "--staff", "none", "--json").json
    assert report["total"]["agents"] == 4
    assert report["total"]["dials"] <= report["total"]["legal_dials"] == 400
    again = english("simulate", file, "--staff", "none", "--json").json
    assert again == report


def test_promised_calls_and_calls_to_us_are_told(english: Cli, cli: Cli, file: Path) -> None:
    more = "[callbacks]\nby_hour = { 11 = 6 }\n[inbound]\nby_hour = { 11 = 40 }\n"
    file.write_text(DEFINITION + more, encoding="utf-8")
    page = english.folder / "day.html"
    out = english("simulate", file, "--staff", "none", "--html", page).out
    for text in (out, page.read_text(encoding="utf-8")):
        assert "callbacks: due, dialed" in text
        assert "inbound: calls, connected, missed, turned away" in text
    total = english("simulate", file, "--staff", "none", "--json").json["total"]
    assert total["callbacks"]["due"] >= 6
    calls = total["inbound"]
    assert calls["calls"] == calls["connected"] + calls["missed"] + calls["turned_away"] > 0
    spanish = cli("--language", "es", "simulate", file, "--staff", "none").out
    assert "devoluciones: debidas, marcadas" in spanish
    assert "entrantes: llamadas, atendidas" in spanish
    file.write_text(DEFINITION + "[inbound]\nby_hour = { 20 = 4 }\n", encoding="utf-8")
    refused = english("simulate", file)
    assert refused.code == ExitCode.BAD_INPUT
    assert "inbound" in refused.err
    assert "hours in which somebody works, got 20" in refused.err


def test_staffing_advice_compares_teams_on_the_same_people(english: Cli, file: Path) -> None:
    ran = english("simulate", file, "--staff", "2,6")
    assert "With 2 agents instead of 4" in ran.out
    assert "With 6 agents instead of 4" in ran.out
    assert "promises" in ran.out


def test_spanish_words(cli: Cli, file: Path) -> None:
    out = cli("--language", "es", "simulate", file, "--staff", "none").out
    assert "ocupación" in out
    assert "contactos con titular" in out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('[[shifts]]\nagents = 0\nstart = "09:00"\nend = "10:00"', "shifts[1].agents = 0"),
        ("[law]\ndials = 2", "law.dials = 2: there is no such key"),
        ("nonsense", "cannot be read as toml"),
    ],
)
def test_a_bad_definition_names_key_value_reason_and_remedy(
    english: Cli, file: Path, line: str, said: str
) -> None:
    file.write_text(f"{DEFINITION}\n{line}\n", encoding="utf-8")
    ran = english("simulate", file)
    assert ran.code == ExitCode.BAD_INPUT
    assert said in ran.err
    assert "To mend it" in ran.err


def test_other_things_that_cannot_be_simulated(english: Cli, file: Path) -> None:
    for args in (
        ("simulate", "none.toml"),
        ("simulate", "steady", "--html", "x.html"),
        ("simulate", str(file), "--staff", "many"),
        ("simulate", str(file), "--agents", "0"),
        ("simulate", str(file), "--day", "tomorrow"),
        ("simulate", str(file), "--target", "0.5"),
    ):
        ran = english(*args)
        assert ran.code in (ExitCode.BAD_INPUT, ExitCode.UNAVAILABLE), args
        assert "Traceback" not in ran.err


def test_schema_and_definition_are_json(english: Cli, file: Path) -> None:
    assert "$defs" in english("simulate", "--schema").json
    tree = english("simulate", file, "--definition", "--agents", "9", "--mode", "predictive").json
    again = english.folder / "again.json"
    again.write_text(json.dumps(tree), encoding="utf-8")
    read = english("simulate", again, "--definition").json
    assert read == tree
    assert sum(shift["agents"] for shift in read["shifts"]) == 9


def test_a_campaign_is_simulated_as_the_ledger_knows_it(english: Cli, made: Made) -> None:
    args = ("simulate", "--campaign", CAMPAIGN, "--agents", "3", "--from", "11:00", "--hours", "1",
            "--day", "2026-11-30", "--staff", "none")  # fmt: skip
    report = english(*args, "--json").json
    definition = report["definition"]
    assert definition["campaign"]["mode"] == "progressive"
    assert sum(s["accounts"] for s in definition["segments"]) <= 150
    assert report["total"]["dials"] <= report["total"]["legal_dials"]
    assert "Law: the gate was asked about" in english(*args).out
    unknown = english("simulate", "--campaign", "nobody")
    assert unknown.code == ExitCode.BAD_INPUT
    assert "nobody" in unknown.err


def test_a_preview_campaign_has_a_twin_that_looks_first(
    english: Cli, made: Made, file: Path
) -> None:
    args = ("simulate", "--campaign", CAMPAIGN, "--agents", "3", "--from", "11:00", "--hours", "1",
            "--day", "2026-11-30", "--staff", "none", "--mode", "preview")  # fmt: skip
    ran = english(*args)
    assert "looked at before calling: accounts, skipped, mean" in ran.out
    assert "the ledger does not tell how long agents look" in ran.out
    total = english(*args, "--json").json["total"]
    assert total["abandoned"] == 0 < total["dials"] <= total["previews"]["looked"]
    page = english.folder / "looked.html"
    assert english("simulate", file, "--mode", "preview", "--html", page).code == ExitCode.OK
    assert "looked at before calling" in page.read_text("utf-8")
    scenario = english("simulate", "steady", "--mode", "preview")
    assert scenario.code == ExitCode.BAD_INPUT
    assert "nobody looks" in scenario.err


def test_its_open_callbacks_are_promised_calls(english: Cli, made: Made) -> None:
    """Of six, one is over, one is another day's, and one was due before anybody works: that one
    is kept as soon as somebody does."""
    noon = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)  # 12:00 in Santiago
    hours = (-10.0, 0.0, 0.1, 0.2, 24.0, 0.3)

    async def promise() -> None:
        config = load_config(environ={}, overrides={"data_dir": str(english.folder / "var")})
        async with open_stores(config) as ledger, ledger.write() as conn:
            campaign_id = (await conn.execute(select(campaign.c.campaign_id))).scalar_one()
            for number, hour in enumerate(hours):
                due_ms = to_ms(noon + timedelta(hours=hour))
                await conn.execute(
                    insert(callback).values(
                        callback_id=f"cb{number}",
                        person_id=made.person_id,
                        account_id="a",
                        campaign_id=campaign_id,
                        contact_point_id="p",
                        due_ms=due_ms,
                        expires_ms=due_ms + 7 * 86_400_000,
                        agent_id="ana" if number == 1 else None,
                        event_id=f"e{number}",
                        state="done" if number == 5 else "open",
                    )
                )

    asyncio.run(promise())
    args = ("simulate", "--campaign", CAMPAIGN, "--agents", "3", "--from", "11:00", "--hours", "2",
            "--day", "2026-11-30", "--staff", "none")  # fmt: skip
    report = english(*args, "--json").json
    assert report["definition"]["callbacks"] == {
        "by_hour": {"11": 1, "12": 3},
        "own_agent": 0.25,
    }
    assert report["total"]["callbacks"]["due"] == 4.0


# --- replay -------------------------------------------------------------------------------------


def test_a_setting_given_to_replay_is_its_own() -> None:
    args = ["replay", "x", "--set", "mode=progressive", "--json"]
    assert hoisted(args) == ["--json", "replay", "x", "--set", "mode=progressive"]
    assert hoisted(["--set", "a=b", "replay", "x"]) == ["--set", "a=b", "replay", "x"]
    assert hoisted(["doctor", "--set", "a=b"]) == ["--set", "a=b", "doctor"]


@pytest.fixture
def recorded(english: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Ten minutes of six agents, as the live engine wrote them down."""
    shape = Shape(agents=6, minutes=10.0)
    with short_folder() as folder:
        server = EmbeddedRedis(folder)
        asyncio.run(server.start())
        try:
            data = english.folder / "var"
            data.mkdir()
            engine(shape, Deck(shape, 1), data, server.url, 260, monkeypatch)
        finally:
            asyncio.run(server.stop())
    return english


def test_a_recorded_day_beside_the_twin_and_beside_changed_settings(recorded: Cli) -> None:
    page = recorded.folder / "replay.html"
    ran = recorded("replay", "twin", "--set", "mode=progressive", "--agents", "+2", "--html", page)
    assert ran.code == ExitCode.OK, ran.err
    for word in ("recorded", "twin, same", "twin, changed", "mode predictive → progressive"):
        assert word in ran.out
    assert page.read_text("utf-8").count("<svg") >= 5
    ran = recorded("replay", "twin", "--set", "mode=progressive", "--set", "lines_per_idle_agent=2")
    assert ran.code == ExitCode.OK, ran.err
    assert "lines_per_idle_agent 1.0 → 2.0" in ran.out
    report = recorded("replay", "twin", "--agents", "3", "--json").json
    was, same, other = report["recorded"], report["same"], report["other"]
    assert was["dials"] > 60
    assert same["staffed_h"] == pytest.approx(was["staffed_h"], rel=0.03)
    assert same["occupancy"]["mean"] == pytest.approx(was["occupancy"], abs=0.08)
    assert was["occupancy"] == pytest.approx(was["occupancy_seen"], abs=0.08)
    assert other["staffed_h"] == pytest.approx(1.5 * was["staffed_h"], rel=0.05)
    assert other["contacts"]["mean"] > same["contacts"]["mean"]
    paced = recorded.folder / "paced.html"
    assert recorded("campaign", "pacing", "twin", "--html", paced).code == ExitCode.OK
    text = paced.read_text("utf-8")
    assert text.count("<svg") >= 5
    assert "cold start" in text
    minutes = recorded("campaign", "pacing", "twin", "--json").json["minutes"]
    assert max(minute["ringing"] or 0 for minute in minutes) > 1


def test_what_cannot_be_replayed(english: Cli, made: Made) -> None:
    looking = english(
        "campaign", "create", "looking", "--portfolio", PORTFOLIO, "--mode", "preview"
    )
    assert looking.code == ExitCode.OK
    for args, said in (
        (("replay", "looking"), "of mode preview, whose days cannot be replayed"),
        (("replay", CAMPAIGN), "no pacing decisions"),
        (("replay", CAMPAIGN, "--day", "2001-01-01"), "no attempts"),
        (("replay", "nobody"), "nobody"),
        (("replay", CAMPAIGN, "--set", "abandon_target=0.02"), "--set target_abandonment="),
        (("replay", CAMPAIGN, "--set", "target_abandonment=0.2"), "<= 0.03"),
        (("replay", CAMPAIGN, "--set", "mode=preview"), "predictive or progressive in a replay"),
        (("replay", CAMPAIGN, "--agents", "many"), "--agents"),
    ):
        ran = english(*args)
        assert ran.code == ExitCode.BAD_INPUT, (args, ran.err)
        assert said in ran.err, args
