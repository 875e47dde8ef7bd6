"""The telephone laboratory: it says what it lacks, serves a command, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from telephony_adapters.lab import debian
from telephony_adapters.lab.debian import install
from telephony_adapters.lab.errors import LabError
from telephony_adapters.lab.far_end import SIPP
from telephony_adapters.lab.network import is_machine, people, phones
from telephony_adapters.lab.pbx import bundle
from telephony_adapters.lab.scenario import ScenarioWriter

LAB_TIMEOUT_S = 120
_ASK = (
    "import os, urllib.request;"
    "from dialer.bootstrap import asterisk_settings;"
    "from dialer.config import load_config;"
    "settings = asterisk_settings(load_config());"
    "print(os.getpid(), settings.reaches_nobody, settings.url);"
    "raise SystemExit(7)"
)


def test_a_command_runs_in_it_and_it_ends_with_the_command() -> None:
    lab = subprocess.run(
        [sys.executable, "-m", "telephony_adapters.lab", sys.executable, "-c", _ASK],
        capture_output=True,
        text=True,
        timeout=LAB_TIMEOUT_S,
        check=False,
        env={name: value for name, value in os.environ.items() if "MARCADOR_" not in name},
    )
    assert lab.returncode == 7, lab.stderr
    _, believed, url = lab.stdout.split()
    assert believed == "True"
    port = int(url.rpartition(":")[2])
    assert not _listening(port), "Asterisk outlived its laboratory"


def _listening(port: int) -> bool:
    rows = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A" for row in rows)


def test_what_is_missing_ends_it_with_a_message(tmp_path: Path) -> None:
    lab = subprocess.run(
        [sys.executable, "-m", "telephony_adapters.lab"],
        capture_output=True,
        text=True,
        timeout=LAB_TIMEOUT_S,
        check=False,
        env={**os.environ, "PATH": str(tmp_path), "TELEPHONY_LAB_CACHE": str(tmp_path / "cache")},
    )
    assert lab.returncode == 4
    assert "`apt-get` is missing" in lab.stderr
    assert "Traceback" not in lab.stderr


def test_scenarios_are_whole(tmp_path: Path) -> None:
    for behaviours in (people(tmp_path), phones(tmp_path)):
        scenario = ET.fromstring(ScenarioWriter(behaviours).xml())  # noqa: S314
        labels = [label.get("id") for label in scenario.iter("label")]
        assert len(labels) == len(set(labels))
        wanted = {
            step.get(name)
            for step in scenario.iter()
            for name in ("next", "ontimeout")
            if step.get(name) is not None
        }
        assert wanted <= set(labels)


@pytest.mark.parametrize(
    ("number", "machine"), [("+56912345629", False), ("+56912345630", True), ("+569123456", False)]
)
def test_numbers_of_machines(number: str, machine: bool) -> None:
    assert is_machine(number) is machine


def test_a_machine_without_apt_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"`apt-get` is missing.*Debian"):
        install(SIPP, tmp_path / "cache")


def test_a_machine_without_the_keys_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "KEYRING", tmp_path / "none.gpg")
    with pytest.raises(LabError, match="apt-get install debian-archive-keyring"):
        install(SIPP, tmp_path / "cache")


def test_a_family_without_packages_is_refused() -> None:
    with pytest.raises(LabError, match="choose 22 or 16"):
        bundle(18)
