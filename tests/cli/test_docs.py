"""Pages that are written from the code say what the code says."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from dialer.cli import cli_docs, config_docs, law_docs, packs_docs
from dialer.cli.app import hoisted
from dialer.cli.errors import known_keys
from dialer.cli.exits import ExitCode

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("page", "text", "module"),
    [
        ("configuration.md", config_docs.reference(), "dialer.cli.config_docs"),
        ("cli.md", cli_docs.reference(), "dialer.cli.cli_docs"),
        ("packs.md", packs_docs.reference(), "dialer.cli.packs_docs"),
        ("law.md", law_docs.reference(), "dialer.cli.law_docs"),
    ],
)
def test_a_page_is_true(page: str, text: str, module: str) -> None:
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert written == text, f"write it anew: python -m {module} > docs/{page}"


def test_every_key_of_the_configuration_is_told() -> None:
    keys = {key.name: key for part in config_docs.parts() for key in part.keys}
    assert list(keys) == known_keys()
    assert all(key.meaning and key.type for key in keys.values())


def test_every_command_and_option_is_told() -> None:
    commands = cli_docs.commands()
    assert {c.name for c in commands} - {""} == set(cli_docs.EXAMPLES)
    for command in commands:
        assert command.meaning, command.name
        for parameter in (*command.arguments, *command.options):
            assert parameter.meaning, f"{command.name} {parameter.name}"


def test_examples_use_options_that_exist() -> None:
    commands = {c.name: c for c in cli_docs.commands()}
    everywhere = {n for o in commands[""].options for n in o.name.split(", ")}
    for name, examples in cli_docs.EXAMPLES.items():
        own = {n for o in commands[name].options for n in o.name.split(", ")}
        for example in examples:
            words = shlex.split(example.partition(" < ")[0])
            assert words[0] == "marcador"
            rest = [w for w in hoisted(words[1:]) if not w.startswith("-") or w == "-"]
            assert " ".join(w for w in rest).find(name) >= 0, example
            options = {w.partition("=")[0] for w in words if w.startswith("--")}
            assert options <= own | everywhere, example


def test_exit_codes_are_told() -> None:
    page = cli_docs.reference()
    for code in ExitCode:
        assert f"| {code.value} | {code.name} | " in page
        assert f"| {code.name} |  |" not in page
