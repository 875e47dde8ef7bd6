"""`campaign create --mode ivr`: which flows it takes, and what keeps it from starting."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from dialer.bootstrap import open_stores
from dialer.cli.exits import ExitCode
from dialer.config import load_config
from dialer.simulation.flows import approve_shipped
from tests.cli.conftest import Cli
from tests.cli.world import PORTFOLIO, Made

SPOKEN = {"spoken": {"return_number": "+56225550100"}}


def approved(cli: Cli, name: str) -> None:
    async def work() -> None:
        config = load_config(environ={}, overrides={"data_dir": str(cli.folder / "var")})
        async with open_stores(config) as ledger:
            await approve_shipped(ledger, name, 0)

    asyncio.run(work())


def create(*more: object) -> tuple[str, ...]:
    return ("campaign", "create", "keys", "--portfolio", PORTFOLIO, *map(str, more))


def settings_file(cli: Cli) -> Path:
    path = cli.folder / "settings.json"
    path.write_text(json.dumps(SPOKEN))
    return path


def state_of(cli: Cli) -> object:
    listed = cli("campaign", "list", "--json").json
    return next((c["campaign"]["state"] for c in listed if c["campaign"]["name"] == "keys"), None)


def test_an_approved_flow_is_taken_and_started(english: Cli, made: Made) -> None:
    approved(english, "promise-dtmf")
    options = ("--mode", "ivr", "--flow", "promise-dtmf", "--settings", settings_file(english))
    answer = english(*create(*options), "--json").json
    settings = answer["campaign"]["settings"]
    assert (settings["mode"], settings["flow"]) == ("ivr", "promise-dtmf")
    assert settings["spoken"]["return_number"] == "+56225550100"
    assert english("campaign", "start", "keys", "--json").json["campaign"]["state"] == "running"


def test_a_flow_that_nobody_approved_is_refused(english: Cli, made: Made) -> None:
    ran = english(*create("--mode", "ivr", "--flow", "promise-dtmf"))
    assert ran.code == ExitCode.BAD_INPUT
    assert "flow `promise-dtmf` is not approved" in ran.err
    assert state_of(english) is None


def test_a_start_is_refused_where_the_flow_cannot_be_spoken(english: Cli, made: Made) -> None:
    approved(english, "promise-dtmf")
    assert english(*create("--mode", "ivr", "--flow", "promise-dtmf")).code == ExitCode.OK
    ran = english("campaign", "start", "keys")
    assert ran.code == ExitCode.BAD_INPUT
    assert "spoken.return_number" in ran.err
    assert state_of(english) == "draft"


def test_text_to_speech_is_looked_for_before_the_start(english: Cli, made: Made) -> None:
    approved(english, "promise-dtmf")
    options = ("--mode", "ivr", "--flow", "promise-dtmf", "--settings", settings_file(english))
    assert english(*create(*options)).code == ExitCode.OK
    carrier = ("--set", "telephony.adapter=asterisk", "--set", "prompts.command=espeak-nope")
    ran = english("campaign", "start", "keys", *carrier)
    assert ran.code == ExitCode.BAD_INPUT
    assert "apt-get install espeak-ng" in ran.err


def test_a_start_is_refused_where_a_text_of_the_flow_cannot_be_sent(
    english: Cli, made: Made
) -> None:
    approved(english, "self-service")
    path = english.folder / "settings.json"
    links = {"links": {"values": {"secure_link": "https://portal.example/v/7K2"}}}
    path.write_text(json.dumps(SPOKEN | links))
    options = ("--mode", "ivr", "--flow", "self-service", "--settings", path)
    assert english(*create(*options)).code == ExitCode.OK
    ran = english("campaign", "start", "keys")
    assert ran.code == ExitCode.BAD_INPUT
    assert "flow `self-service`, node `link`: text `link-sms-es` is not approved" in ran.err
    assert state_of(english) == "draft"


def test_a_flow_for_callers_is_one_that_says_so(english: Cli, made: Made) -> None:
    path = english.folder / "settings.json"
    path.write_text(json.dumps({**SPOKEN, "inbound_flow": "inbound-return"}))
    refused = english(*create("--settings", path))
    assert refused.code == ExitCode.BAD_INPUT
    assert "flow `inbound-return` is not approved" in refused.err
    approved(english, "promise-dtmf")
    path.write_text(json.dumps({**SPOKEN, "inbound_flow": "promise-dtmf"}))
    assert english(*create("--settings", path)).code == ExitCode.OK
    ran = english("campaign", "start", "keys")
    assert ran.code == ExitCode.BAD_INPUT
    assert "`inbound: true`" in ran.err


def test_a_mode_without_its_flow_is_refused(english: Cli, made: Made) -> None:
    ran = english(*create("--mode", "ivr"))
    assert ran.code == ExitCode.BAD_INPUT
    assert "flow" in ran.err
