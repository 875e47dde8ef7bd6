"""`users`, `campaign` and `packs`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from compliance.packs import BUNDLED, load_packs
from compliance.schema_conduct import RetentionParams
from compliance.types import RuleKind
from dialer.bootstrap import open_stores
from dialer.cli.exits import ExitCode
from dialer.config import load_config
from dialer.stores.ledger.audit import AuditEntry, list_audit
from dialer.stores.ledger.users import credentials_of, verify_password
from tests.cli.conftest import PASSWORD, Cli
from tests.cli.world import CAMPAIGN, PORTFOLIO, Made


def _may_log_in(cli: Cli, username: str, password: str) -> bool:
    config = load_config(environ={}, overrides={"data_dir": str(cli.folder / "var")})

    async def look() -> bool:
        async with open_stores(config) as ledger, ledger.read() as conn:
            found = await credentials_of(conn, username)
        return found is not None and verify_password(found.password_hash, password)

    return asyncio.run(look())


def _audit(cli: Cli) -> list[AuditEntry]:
    config = load_config(environ={}, overrides={"data_dir": str(cli.folder / "var")})

    async def look() -> list[AuditEntry]:
        async with open_stores(config) as ledger, ledger.read() as conn:
            return await list_audit(conn)

    return asyncio.run(look())


# --- users --------------------------------------------------------------------------------------


def test_the_life_of_a_user(english: Cli, made: Made) -> None:
    added = english(
        "users", "add", "Luis", "--role", "supervisor", "--team", "Early", "--password-stdin",
        "--json",
        stdin=f"{PASSWORD}\n",
    )  # fmt: skip
    assert added.json["user"]["username"] == "luis"
    assert added.json["user"]["team"] == "early"
    assert added.json["password"] is None
    assert _may_log_in(english, "luis", PASSWORD)
    listed = {u["username"]: u for u in english("users", "list", "--json").json}
    assert listed["luis"]["role"] == "supervisor"
    assert "luis" in english("users", "list").out
    assert english("users", "team", "luis", "Late", "--json").json["team"] == "late"
    assert "late" in english("users", "list").out
    assert english("users", "team", "luis", "x" * 101).code == ExitCode.BAD_INPUT
    changed = english("users", "password", "LUIS", "--json").json
    assert not _may_log_in(english, "luis", PASSWORD)
    assert _may_log_in(english, "luis", changed["password"])
    assert english("users", "deactivate", "luis").code == ExitCode.OK
    assert not _may_log_in(english, "luis", changed["password"])
    entries = _audit(english)
    assert [entry.action for entry in entries[:4]] == [
        "user.deactivate",
        "user.password",
        "user.team",
        "user.create",
    ]
    assert entries[0].actor.startswith("cli")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("add", "luis", "--role", "king"), ExitCode.USAGE, "supervisor"),
        (("add", "admin", "--role", "agent"), ExitCode.BAD_INPUT, "already"),
        (("deactivate", "nobody"), ExitCode.BAD_INPUT, "users list"),
        (("password", "nobody"), ExitCode.BAD_INPUT, "users list"),
        (("deactivate", "admin"), ExitCode.BAD_INPUT, "one active admin"),
    ],
)
def test_what_cannot_be_done_to_users(
    english: Cli, made: Made, args: tuple[str, ...], code: ExitCode, said: str
) -> None:
    ran = english("users", *args)
    assert ran.code == code
    assert said in ran.err


# --- campaigns ----------------------------------------------------------------------------------


def test_the_life_of_a_campaign(english: Cli, made: Made) -> None:
    settings = english.folder / "settings.json"
    settings.write_text('{"mode": "progressive", "daily_cap": 100}')
    created = english(
        "campaign", "create", "evening", "--portfolio", PORTFOLIO, "--settings", settings, "--json"
    ).json
    assert created["campaign"]["state"] == "draft"
    assert created["campaign"]["settings"]["daily_cap"] == 100
    assert created["accounts"]["ready"] > 100
    for action, state in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "draining"),
    ):
        ran = english("campaign", action, "evening", "--json")
        assert ran.json["campaign"]["state"] == state
    by_id = english("campaign", "pause", created["campaign"]["campaign_id"])
    assert by_id.code == ExitCode.BAD_INPUT
    assert "draining" in by_id.err
    listed = english("campaign", "list", "--json").json
    assert {line["campaign"]["name"] for line in listed} == {CAMPAIGN, "evening"}
    assert "evening" in english("campaign", "list").out


@pytest.mark.parametrize(
    ("args", "stdin", "said"),
    [
        (("create", "c", "--portfolio", "none"), "", PORTFOLIO),
        (("create", CAMPAIGN, "--portfolio", PORTFOLIO), "", "another name"),
        (("create", "c", "--portfolio", PORTFOLIO, "--settings", "-"), '{"amd": 3}', "`amd`"),
        (("create", "c", "--portfolio", PORTFOLIO, "--settings", "-"), '{"amdd": 3}', "`amdd`"),
        (("create", "c", "--portfolio", PORTFOLIO, "--settings", "-"), "{", "JSON"),
        (("start", "none"), "", "campaign list"),
        (("pause", CAMPAIGN), "", "start"),
    ],
)
def test_what_cannot_be_done_to_campaigns(
    english: Cli, made: Made, args: tuple[str, ...], stdin: str, said: str
) -> None:
    ran = english("campaign", *args, stdin=stdin)
    assert ran.code == ExitCode.BAD_INPUT
    assert said in ran.err


ROOT = Path(__file__).parents[2]

# --- packs --------------------------------------------------------------------------------------


def test_the_packs_that_are_loaded(english: Cli) -> None:
    lines = {line["pack"]: line for line in english("packs", "list", "--json").json}
    assert {"cl", "co", "mx", "pe", "us", "us-fl", "marcador"} <= set(lines)
    assert all(len(line["sha256"]) == 64 for line in lines.values())
    assert "us-fl" in english("packs", "list").out
    assert lines["ar"]["calendars_verified_through"] == "2026-12-31"
    told = english("packs", "show", "ar").out
    assert "holidays verified through AR 2026-12-31 (Mondays, Fridays close after it" in told


def test_the_rules_of_a_pack(english: Cli) -> None:
    shown = english("packs", "show", "cl", "--json").json
    rules = {rule["rule_id"]: rule for rule in shown["rules"]}
    assert rules["cl/hours"]["instrument"].startswith("Ley 19.496")
    assert rules["cl/hours"]["es"] in english("packs", "show", "cl", "--language", "es").out
    assert english("packs", "show", "atlantis").code == ExitCode.BAD_INPUT


def test_bundled_packs_are_good(english: Cli) -> None:
    ran = english("packs", "validate", BUNDLED, "--production", "--json")
    assert ran.code == ExitCode.OK
    assert all(result["ok"] for result in ran.json)


def test_a_pack_with_a_mistake(english: Cli) -> None:
    text = (BUNDLED / "cl.toml").read_text()
    (english.folder / "cl.toml").write_text(text.replace("[[rules]]", "[[rulez]]", 1))
    ran = english("packs", "validate", "cl.toml", "--json")
    assert ran.code == ExitCode.NO
    (result,) = ran.json
    assert "cl.toml" in result["problem"]["what"]
    assert result["problem"]["mend"]
    assert english("packs", "validate", "cl.toml").code == ExitCode.NO


def test_packs_that_do_not_go_together(english: Cli) -> None:
    folder = english.folder / "packs"
    folder.mkdir()
    for name in ("a.toml", "b.toml"):
        (folder / name).write_text((BUNDLED / "cl.toml").read_text())
    ran = english("packs", "validate", folder)
    assert ran.code == ExitCode.BAD_INPUT
    assert "b.toml" in ran.err


def test_the_difference_of_two_versions(english: Cli) -> None:
    text = (BUNDLED / "cl.toml").read_text()
    newer = text.replace("max = 1\n", "max = 2\n", 1)
    assert newer != text
    (english.folder / "newer.toml").write_text(newer)
    found = english("packs", "diff", "cl", "newer.toml", "--json")
    assert found.code == ExitCode.OK
    [changed] = found.json["changed"]
    assert changed["changes"] == [{"key": "params.max", "old": "1", "new": "2"}]
    assert "params.max: 1 -> 2" in english("packs", "diff", "cl", "newer.toml").out
    assert "regla cambiada" in english("packs", "diff", "cl", "newer.toml", "--language", "es").out
    assert "no changes" in english("packs", "diff", "cl", "cl").out
    assert "rule removed" in english("packs", "diff", "cl", "pe").out
    assert "rule added" in english("packs", "diff", "pe", "cl").out
    assert english("packs", "diff", "cl", "atlantis").code == ExitCode.BAD_INPUT
    missing = english("packs", "diff", "cl", "none.toml")
    assert missing.code == ExitCode.BAD_INPUT
    assert "none.toml" in missing.err


def test_the_examples_of_a_pack_are_asked(english: Cli) -> None:
    example = (ROOT / "docs/examples/pack.toml").read_text()
    (english.folder / "good.toml").write_text(example)
    good = english("packs", "validate", "good.toml")
    assert good.code == ExitCode.OK
    assert "1 examples" in good.out
    for change, said in (
        (('code = "before_opening"', 'code = "holiday"'), "deny before_opening"),
        (('expect = "deny"\ncode = "before_opening"', 'expect = "pass"'), "deny"),
        (("-24T07:59:59", "-24T08:00:00"), "pass"),
        (('channel = "voice", mode', 'channel = "sms", mode'), "does not bind"),
        (('channel = "voice", mode', 'channel = "smoke", mode'), "cannot be read"),
    ):
        (english.folder / "bad.toml").write_text(example.replace(*change))
        ran = english("packs", "validate", "bad.toml", "--json")
        assert ran.code == ExitCode.NO, change
        [failed] = ran.json[0]["failed"]
        assert said in failed["found"], failed
        told = english("packs", "validate", "bad.toml").out
        assert "a second before opening" in told


def test_how_long_records_are_kept(english: Cli) -> None:
    """12 CFR 1006.100 and others: what the packs say is what the command lists."""
    found = english("packs", "retention", "--json")
    assert found.code == ExitCode.OK
    periods = {(k["rule_id"], k["artefact"]): k for k in found.json}
    shown = english("packs", "retention").out
    for pack in load_packs(production=True).packs:
        for rule in pack.doc.rules:
            if rule.kind is RuleKind.RETENTION and rule.effective_from is None:
                for artefact in msgspec.convert(rule.params, RetentionParams).artefacts:
                    keep = periods[(f"{pack.doc.pack}/{rule.id}", artefact)]
                    assert keep.get("years", 0) == rule.params.get("years", 0)
                    assert artefact in shown


def test_no_packs_there(english: Cli) -> None:
    assert english("packs", "validate", "none.toml").code == ExitCode.BAD_INPUT


# --- simulate -----------------------------------------------------------------------------------


def test_a_shift_is_simulated(english: Cli) -> None:
    args = ("simulate", "steady", "--agents", "10", "--hours", "0.5")
    assert "predictive" in english(*args).out
    report = english(*args, "--runs", "2", "--mode", "progressive", "--json").json
    assert {result["law"] for result in report["results"]} == {"progressive"}
    assert report == json.loads(
        english(*args, "--runs", "2", "--mode", "progressive", "--json").out
    )


@pytest.mark.parametrize("args", [("nowhere",), ("steady", "--agents", "0")])
def test_what_cannot_be_simulated(english: Cli, args: tuple[str, ...]) -> None:
    ran = english("simulate", *args)
    assert ran.code == ExitCode.BAD_INPUT
    assert "cold_start" in ran.err


def test_a_shift_has_at_most_a_day(english: Cli) -> None:
    ran = english("simulate", "steady", "--hours", "90")
    assert ran.code == ExitCode.USAGE
    assert "less than or equal to 24" in ran.err
