"""`sample` and `import`: from nothing to a portfolio."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from campaigns.portfolio.profile import load_profile
from campaigns.sample.generator import COUNTRIES, SampleSettings
from dialer.cli.exits import ExitCode
from dialer.cli.sample_command import write_sample
from dialer.runtime.guessing import guess_place
from tests.cli.conftest import Cli
from tests.cli.world import NOON


def _sample(cli: Cli, country: str = "CL", accounts: int = 120, name: str = "s.csv") -> Path:
    path = cli.folder / name
    assert cli("sample", country, "--accounts", str(accounts), "--out", path).code == 0
    return path


# --- sample -------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_file(cli: Cli) -> None:
    first, second = _sample(cli, name="a.csv"), _sample(cli, name="b.csv")
    assert first.read_bytes() == second.read_bytes()
    cli("sample", "CL", "--accounts", "120", "--seed", "2", "--out", "c.csv")
    assert (cli.folder / "c.csv").read_bytes() != first.read_bytes()


def test_the_answer_counts(cli: Cli) -> None:
    answer = cli("sample", "us", "--accounts", "50", "--out", "u.csv", "--clean", "--json").json
    assert answer["country"] == "US"
    assert answer["accounts"] == answer["rows"] == 50


def test_a_file_is_not_replaced_unasked(english: Cli) -> None:
    path = english.folder / "s.csv"
    path.write_text("mine")
    assert english("sample", "CL", "--out", path).code == ExitCode.BAD_INPUT
    assert path.read_text() == "mine"
    assert english("sample", "CL", "--accounts", "5", "--out", path, "--force").code == 0


@pytest.mark.parametrize("args", [("XX",), ("CL", "--accounts", "0")])
def test_what_cannot_be_generated(english: Cli, args: tuple[str, ...]) -> None:
    ran = english("sample", *args, "--out", "s.csv")
    assert ran.code == ExitCode.BAD_INPUT
    assert not list(english.folder.iterdir())


# --- import -------------------------------------------------------------------------------------


def test_a_portfolio_is_imported_once(english: Cli) -> None:
    path = _sample(english)
    first = english("import", path, "--portfolio", "demo", "--json")
    assert first.code == 0
    summary = first.json
    assert summary["rows"] == summary["accepted"] + summary["rejected"] + summary["duplicates"]
    assert summary["accounts"]["new"] > 100
    again = english("import", path, "--portfolio", "demo", "--json").json
    assert again["accounts"]["new"] == again["accounts"]["updated"] == 0
    assert again["accounts"]["unchanged"] == summary["accounts"]["new"]


def test_the_summary_in_words(english: Cli) -> None:
    ran = english("import", _sample(english), "--portfolio", "demo", "--synthetic")
    assert "Country told from the file: CL, currency CLP" in ran.out
    assert "demo (CL, CLP, synthetic)" in ran.out
    assert "new accounts" in ran.out
    spanish = english("import", "s.csv", "--portfolio", "demo", "--language", "es")
    assert "cuentas sin cambios" in spanish.out


def test_rejected_rows_have_a_file(english: Cli) -> None:
    path = _sample(english, accounts=2000)
    summary = english("import", path, "--portfolio", "demo", "--json").json
    assert summary["rejected"] > 0
    assert Path(summary["reject_path"]).read_text(encoding="utf-8-sig").count("\n") > 1


@pytest.mark.parametrize("country", COUNTRIES)
def test_the_country_is_told_from_the_file(tmp_path: Path, country: str) -> None:
    path = tmp_path / "s.csv"
    settings = SampleSettings(country=country, accounts=300, seed=3, today=NOON.date())
    write_sample(path, settings)
    assert guess_place(path.read_bytes()).country == country


def test_a_file_that_does_not_tell_its_country(english: Cli) -> None:
    path = english.folder / "f.csv"
    path.write_text("account_id,name,total_due\nA-1,Ann Example,10.00\nA-2,Bob Example,20.00\n")
    ran = english("import", path, "--portfolio", "p")
    assert ran.code == ExitCode.BAD_INPUT
    assert "--country" in ran.err
    good = english("import", path, "--portfolio", "p", "--country", "us", "--json")
    assert good.json["accounts"]["new"] == 2


def test_what_is_given_wins_over_the_guess(english: Cli) -> None:
    path = _sample(english)
    args = ("--country", "CL", "--currency", "USD", "--collector-role", "first_party")
    assert english("import", path, "--portfolio", "p", *args).code == 0
    ran = english("import", path, "--portfolio", "p", "--currency", "CLP")
    assert ran.code == ExitCode.BAD_INPUT
    assert "currency" in ran.err


def test_a_real_portfolio_never_becomes_synthetic(english: Cli) -> None:
    path = _sample(english)
    english("import", path, "--portfolio", "p")
    ran = english("import", path, "--portfolio", "p", "--synthetic")
    assert ran.code == ExitCode.BAD_INPUT
    assert "synthetic" in ran.err


def test_the_profile_is_saved_and_used(english: Cli) -> None:
    path = _sample(english)
    profile = english.folder / "p.toml"
    assert english("import", path, "--portfolio", "p", "--save-profile", profile).code == 0
    assert load_profile(profile.read_text()).country == "CL"
    again = english("import", path, "--portfolio", "q", "--profile", profile, "--json")
    assert again.json["accounts"]["new"] > 0


def test_a_full_file_takes_back_what_it_lacks(english: Cli) -> None:
    path = _sample(english)
    english("import", path, "--portfolio", "p")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:60]))
    summary = english("import", path, "--portfolio", "p", "--full-replace", "--json").json
    assert summary["missing_recalled"] > 30


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), (b"", "empty"), (b"%PDF-1.7 ...", "PDF"), (b"PK\x03\x04..", "Excel")],
)
def test_files_that_are_no_portfolio(english: Cli, content: bytes | None, said: str) -> None:
    path = english.folder / "f.csv"
    if content is not None:
        path.write_bytes(content)
    ran = english("import", path, "--portfolio", "p", "--country", "CL")
    assert ran.code == ExitCode.BAD_INPUT
    assert said in ran.err


def test_a_file_without_amounts_leaves_a_profile_to_correct(english: Cli) -> None:
    path = english.folder / "f.csv"
    path.write_text("cuenta;nombre;telefono_1\n1;Ana Soto;912345678\n2;Luis Paz;987654321\n")
    ran = english("import", path, "--portfolio", "p", "--country", "CL")
    assert ran.code == ExitCode.BAD_INPUT
    proposed = english.folder / "var" / "imports" / "profile-p.toml"
    assert str(proposed) in ran.err
    assert "telefono_1" in proposed.read_text()


def _interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C as a person does: again when nothing has happened after a moment."""
    for _ in range(20):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=0.5)
        except subprocess.TimeoutExpired:
            continue
    return process.communicate(timeout=30)


def test_ctrl_c_and_again(english: Cli) -> None:
    path = _sample(english, accounts=4000)
    # A run in the background ignores Ctrl-C, and its children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = english.process("import", path, "--portfolio", "p", "--language", "en")
    ledger = english.folder / "var" / "ledger.db-wal"
    deadline_s = time.monotonic() + 60
    while not (ledger.exists() and ledger.stat().st_size > 1_500_000):
        assert process.poll() is None, "it ended before it could be interrupted"
        assert time.monotonic() < deadline_s
    out, err = _interrupted(process)
    assert process.returncode == ExitCode.INTERRUPTED, err
    assert "Run the same command again" in out
    assert "Interrupted" in err
    resumed = english("import", path, "--portfolio", "p", "--json").json["accounts"]
    assert 0 < resumed["unchanged"] < 4000
    assert resumed["updated"] == 0
    whole = english("import", path, "--portfolio", "p", "--json").json["accounts"]
    assert whole["unchanged"] == resumed["unchanged"] + resumed["new"]


def test_a_full_disk_and_again(english: Cli) -> None:
    path = _sample(english, accounts=1500)
    assert english("init", "--language", "en").code == 0

    process = english.process("import", path, "--portfolio", "p", most_file_bytes=1_000_000)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.UNAVAILABLE, err
    assert "Traceback" not in err
    after = english("import", path, "--portfolio", "p", "--json").json
    assert after["accounts"]["new"] + after["accounts"]["unchanged"] == after["accepted"]
    assert english("verify-ledger").code == ExitCode.OK
