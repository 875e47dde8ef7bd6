"""Global options, usage errors, and how errors are told."""

from __future__ import annotations

import asyncio
import errno
import re

import pytest

from campaigns.campaign import (
    CampaignAction,
    CampaignSettingsError,
    CampaignState,
    ImpossibleAction,
)
from campaigns.portfolio.errors import PortfolioError
from campaigns.portfolio.model import Text
from compliance.packs import PackError
from dialer.bootstrap import DataFolderUnusable
from dialer.cli.app import hoisted
from dialer.cli.errors import told
from dialer.cli.exits import ExitCode
from dialer.cli.run import NothingToRun
from dialer.cli.shell import Shell
from dialer.cli.texts import Texts
from dialer.config import ConfigError
from dialer.console.server import PortTaken
from dialer.runtime.importing import FileUnusable, ImportFailed
from dialer.runtime.safety import UnsafeDialing
from dialer.stores.key_files import KeyUnusable
from dialer.stores.ledger.campaigns import CampaignExists
from dialer.stores.ledger.database import LedgerUnavailable, Trouble
from dialer.stores.ledger.portfolios import PortfolioExists
from dialer.stores.ledger.users import UserError
from dialer.stores.redis.errors import RedisUnavailable
from telephony_adapters.errors import CarrierUnavailable
from tests.cli.conftest import Cli


def test_no_command_shows_what_there_is(cli: Cli) -> None:
    ran = cli()
    assert ran.code == 0
    for name in ("init", "import", "run", "serve", "explain", "doctor", "users", "packs"):
        assert re.search(rf"^  {name}\b", ran.out, re.MULTILINE)


def test_version(cli: Cli) -> None:
    assert re.fullmatch(r"marcador \d+\.\d+\.\d+\n", cli("--version").out)


@pytest.mark.parametrize(
    "args", [("--bogus",), ("imporrt",), ("sample",), ("run", "--agents", "x")]
)
def test_a_command_line_that_makes_no_sense(cli: Cli, args: tuple[str, ...]) -> None:
    ran = cli(*args)
    assert ran.code == ExitCode.USAGE
    assert "--help" in ran.err
    assert "Traceback" not in ran.err


def test_usage_is_told_in_the_language_asked_for(cli: Cli) -> None:
    assert "No se entiende la orden" in cli("--bogus").err
    assert "cannot be understood" in cli("--bogus", "--language", "en").err
    assert "cannot be understood" in cli("--language=en", "--bogus").err


def test_a_misspelt_command_is_guessed(cli: Cli) -> None:
    assert "'doctor'" in cli("doctr").err


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["doctor", "--json"], ["--json", "doctor"]),
        (["import", "f.csv", "--set", "a=b", "--portfolio", "p"],
         ["--set", "a=b", "import", "f.csv", "--portfolio", "p"]),
        (["x", "--config=c.toml"], ["--config=c.toml", "x"]),
        (["explain", "--", "--json"], ["explain", "--", "--json"]),
        (["x", "--language"], ["--language", "x"]),
    ],
)  # fmt: skip
def test_global_options_stand_anywhere(given: list[str], expected: list[str]) -> None:
    assert hoisted(given) == expected


def test_set_overrides_file_and_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    (cli.folder / "marcador.toml").write_text("[http]\nport = 1111\n")
    shown = cli("doctor", "--json", "--set", "http.port=0").json
    assert {"check": "port", "state": "ok", "found": "127.0.0.1:0"} in shown["findings"]
    monkeypatch.setenv("MARCADOR_HTTP__PORT", "0")
    shown = cli("doctor", "--json").json
    assert {"check": "port", "state": "ok", "found": "127.0.0.1:0"} in shown["findings"]


def test_set_wants_a_value(cli: Cli) -> None:
    ran = cli("doctor", "--set", "http.port", "--language", "en")
    assert ran.code == ExitCode.USAGE
    assert "http.port" in ran.err


# --- configuration ------------------------------------------------------------------------------


def test_an_unknown_key_is_named_with_the_file_and_the_nearest_key(english: Cli) -> None:
    (english.folder / "marcador.toml").write_text("[engine]\nbatch_sise = 3\n")
    ran = english("users", "list")
    assert ran.code == ExitCode.BAD_INPUT
    assert "marcador.toml" in ran.err
    assert "`engine.batch_sise`" in ran.err
    assert "`engine.batch_size`" in ran.err


def test_a_value_out_of_range_names_its_key(english: Cli) -> None:
    ran = english("users", "list", "--set", "http.port=99999")
    assert ran.code == ExitCode.BAD_INPUT
    assert "$.http.port" in ran.err


def test_a_file_that_is_no_toml(english: Cli) -> None:
    (english.folder / "bad.toml").write_text("a = = 1\n")
    ran = english("users", "list", "--config", "bad.toml")
    assert ran.code == ExitCode.BAD_INPUT
    assert "bad.toml" in ran.err
    assert "line 1" in ran.err


def test_a_missing_file_says_how_to_make_one(english: Cli) -> None:
    ran = english("doctor", "--config", "none.toml")
    assert ran.code == ExitCode.BAD_INPUT
    assert "marcador init" in ran.err


def test_an_error_in_json(english: Cli) -> None:
    ran = english("doctor", "--config", "none.toml", "--json")
    assert ran.json["error"]["exit_code"] == ExitCode.BAD_INPUT
    assert ran.json["error"]["kind"] == "configuration"


def test_the_language_of_a_bad_file_is_used_all_the_same(cli: Cli) -> None:
    (cli.folder / "marcador.toml").write_text('language = "en"\nnothing = 1\n')
    assert "there is no key `nothing`" in cli("users", "list").err


# --- errors -------------------------------------------------------------------------------------

_TEXT = Text(es="Todo mal.", en="All wrong.")

KNOWN = [
    (ConfigError("marcador.toml: Expected `int` - at `$.http.port`. See docs/"), 3),
    (LedgerUnavailable(Trouble.FULL, "sqlite:///x", "database or disk is full"), 4),
    (LedgerUnavailable(Trouble.BAD_URL, "URL", "this is no database URL"), 3),
    (RedisUnavailable("Redis does not answer", where="redis://h", mend="Start it."), 4),
    (CarrierUnavailable("no trunk"), 4),
    (DataFolderUnusable("data_dir /x: denied; choose a folder"), 4),
    (PackError("cl.toml", "rules.a", 3, "is wrong", "correct it"), 3),
    (PortTaken("127.0.0.1:8460", "another program listens there", "stop it"), 4),
    (OSError(errno.EADDRINUSE, "Address already in use"), 4),
    (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 4),
    (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 4),
    (UnsafeDialing(es="la cartera x es sintética", en="portfolio x is synthetic"), 3),
    (ImportFailed("f.csv: broken; import it again"), 3),
    (FileUnusable("f.csv: there is no such file; check the path"), 3),
    (PortfolioError("file_empty", _TEXT, _TEXT), 3),
    (PortfolioExists("it has country = CL; use another name"), 3),
    (CampaignExists("there is one; choose another name"), 3),
    (CampaignSettingsError("amd", "expected `bool`"), 3),
    (ImpossibleAction(CampaignState.DRAFT, CampaignAction.PAUSE), 3),
    (UserError("a password needs at least 10 characters"), 3),
    (KeyUnusable("others may read the signing key"), 3),
    (NothingToRun("there is no portfolio yet"), 3),
    (LookupError("there is no user x; see `marcador users list`"), 3),
]


@pytest.mark.parametrize(("error", "code"), KNOWN, ids=lambda value: type(value).__name__)
def test_every_known_error_has_words_and_a_code(error: Exception, code: int) -> None:
    spanish, english = told(error, Texts("es")), told(error, Texts("en"))
    assert spanish is not None
    assert english is not None
    assert spanish.exit_code == english.exit_code == code
    assert spanish.what != english.what
    assert spanish.kind == english.kind


def test_what_nobody_foresaw_is_not_dressed_up(
    english: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("dialer.cli.users_command.list_users", fail)
    english("init", "--generate-password")
    ran = english("users", "list")
    assert ran.code == ExitCode.FAILURE
    assert "a bug" in ran.err
    assert "Traceback" not in ran.err
    assert "Traceback" in english("users", "list", "--debug").err


def test_an_import_that_met_a_full_disk_is_no_bad_input() -> None:
    failed = ImportFailed("f.csv: no space; import it again")
    failed.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    found = told(failed, Texts("en"))
    assert found is not None
    assert found.exit_code == ExitCode.UNAVAILABLE
    assert found.kind == "disk_full"


def test_key_errors_are_bugs_and_not_bad_names() -> None:
    assert told(KeyError("x"), Texts("en")) is None


def test_a_reader_that_has_seen_enough(cli: Cli) -> None:
    process = cli.process("packs", "show", "us")
    assert process.stdout is not None
    process.stdout.close()
    process.wait(timeout=30)
    assert process.returncode == ExitCode.OK
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_work_that_is_cancelled_is_interrupted() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(KeyboardInterrupt):
        Shell().run(give_up())
