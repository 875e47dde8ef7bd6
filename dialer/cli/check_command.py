"""`marcador check`: ask the gate about a contact, in JSON."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import typer

from compliance.explain import render
from dialer.bootstrap import load_rule_packs
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell, write_json
from dialer.console.decoding import spanish
from dialer.runtime.checking import BadQuestion, answer, read_question, schemas

STDIN = Path("-")


def run_check(shell: Shell, file: Path, *, schema: bool) -> None:
    """Answer on standard output, always in JSON. Exits with `NO` where the contact is blocked."""
    if schema:
        write_json(msgspec.json.encode(schemas()))
        return
    config, texts = shell.config, shell.texts
    try:
        question = read_question(_text(file))
        found = answer(question, load_rule_packs(config))
    except BadQuestion as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            texts.say(
                f"La pregunta no sirve: {_told(error.where, spanish(error.problem))}",
                f"The question cannot be read: {_told(error.where, error.problem)}",
            ),
            texts.say(
                "`marcador check --schema` describe la pregunta",
                "`marcador check --schema` describes the question",
            ),
        ) from error
    write_json(msgspec.json.encode(found))
    if shell.err.is_terminal:
        told = found.es if config.language == "es" else found.en
        for line in render(told, config.language):
            shell.err.print(line, markup=False)
    if not found.allowed:
        raise typer.Exit(ExitCode.NO)


def _told(where: str, problem: str) -> str:
    return f"{where}: {problem}" if where else problem


def _text(file: Path) -> bytes:
    return sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
