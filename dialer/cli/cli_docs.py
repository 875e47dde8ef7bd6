"""The reference of the command line, from the commands themselves.

`python -m dialer.cli.cli_docs` prints `docs/cli.md`.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import msgspec
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from dialer.cli import exits
from dialer.cli.app import app
from dialer.cli.exits import ExitCode

_HEAD: Final = """\
# Command line

Written by `python -m dialer.cli.cli_docs` from the commands; a test compares them.

Global options may stand before or after the command. Words for people are in Spanish or English
(`--language`); with `--json` the answer on standard output is one JSON document, and everything
else goes to standard error. An error is told as what happened, where, and how to mend it; with
`--json` it is also printed as `{"error": {"kind", "what", "mend", "exit_code"}}`.
"""

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "init": (
        "marcador init",
        "marcador init --username ana --password-stdin --data-dir /srv/marcador",
    ),
    "sample": ("marcador sample CL --accounts 10000 --seed 1 --out cartera.csv",),
    "import": (
        "marcador import cartera.csv --portfolio banco-norte",
        "marcador import file.csv --portfolio acme --country US --collector-role first_party",
        "marcador import file.csv --portfolio acme --full-replace --json",
    ),
    "run": (
        "marcador run --sample",
        "marcador run --portfolio banco-norte --agents 20 --speed 10 --minutes 60",
        "marcador run --sample --mode sms",
    ),
    "serve": ("marcador serve", "marcador serve --set http.port=8461"),
    "check": (
        "marcador check question.json",
        "marcador check - < question.json",
        "marcador check --schema",
    ),
    "explain": (
        "marcador explain +56912345678",
        "marcador explain CL01-0000001 --language en --limit 20 --passes",
        "marcador explain CL01-0000001 --replay --json",
    ),
    "replay-decisions": (
        "marcador replay-decisions --sample 1000 --since 2026-11-24",
        "marcador replay-decisions --seed 7 --json",
    ),
    "simulate": (
        "marcador simulate docs/examples/twin.toml --runs 5 --html day.html",
        "marcador simulate --campaign morning --agents 8 --staff 8,10,12",
        "marcador simulate jump --agents 50 --seed 7 --json",
    ),
    "replay": (
        "marcador replay morning --set target_abandonment=0.02 --agents +2",
        "marcador replay morning --day 2026-11-24 --set mode=progressive --html replay.html",
    ),
    "verify-ledger": (
        "marcador verify-ledger",
        "marcador verify-ledger --known checkpoint.json",
    ),
    "export": ("marcador export CL01-0000001 --out record",),
    "doctor": ("marcador doctor", "marcador doctor --json"),
    "campaign create": (
        "marcador campaign create manana --portfolio banco-norte",
        "marcador campaign create tarde --portfolio banco-norte --settings settings.json",
    ),
    "campaign list": ("marcador campaign list --json",),
    "campaign start": ("marcador campaign start manana",),
    "campaign pause": ("marcador campaign pause manana",),
    "campaign resume": ("marcador campaign resume manana",),
    "campaign stop": ("marcador campaign stop manana",),
    "campaign pacing": (
        "marcador campaign pacing manana",
        "marcador campaign pacing manana --minutes 480 --json",
    ),
    "content lint": ("marcador content lint reminder.yaml",),
    "content prove": ("marcador content prove flow.yaml --json",),
    "content list": ("marcador content list",),
    "content show": ("marcador content show promise-dtmf",),
    "content add": ("marcador content add reminder.yaml --user eva",),
    "content submit": ("marcador content submit reminder --user eva",),
    "content approve": ("marcador content approve reminder --user luz",),
    "content return": (
        'marcador content return reminder --comment "nombre la empresa" --user luz',
    ),
    "content retire": ("marcador content retire reminder --version 1 --user luz",),
    "prompts add": (
        "marcador prompts add saludo.wav --name saludo --language es "
        "--says 'Buenos días. Le llamamos de Servicios BP.'",
    ),
    "prompts list": ("marcador prompts list --json",),
    "prompts say": ("marcador prompts say 'Buenos días.' saludo.wav --language es",),
    "packs list": ("marcador packs list",),
    "packs show": ("marcador packs show cl",),
    "packs diff": ("marcador packs diff cl our-packs/cl.toml",),
    "packs retention": ("marcador packs retention --json",),
    "packs validate": ("marcador packs validate our-packs --production",),
    "contacts": ("marcador contacts PERSON --limit 50 --json",),
    "reconcile": (
        "marcador reconcile cdr.csv --map number=dst --map duration=billsec --zone America/Lima",
    ),
    "retention": (
        "marcador retention --keep-days 1096",
        "marcador retention --request --user eva --password-stdin",
    ),
    "report hours": ("marcador report hours --since 2026-11-01 --until 2026-12-01 --json",),
    "report blocks": ("marcador report blocks --since 2026-11-24 --campaign manana",),
    "report counters": ("marcador report counters --portfolio banco-norte --json",),
    "report abandonment": ("marcador report abandonment --at 2026-12-01",),
    "report opt-outs": ("marcador report opt-outs --since 2026-11-01",),
    "report wrong-parties": ("marcador report wrong-parties --since 2026-11-01 --campaign manana",),
    "report complaints": ("marcador report complaints --since 2026-11-01 --json",),
    "report consents": ("marcador report consents --portfolio banco-norte --json",),
    "suppressions export": ("marcador suppressions export --out suppressions.csv",),
    "suppressions import": ("marcador suppressions import list.csv --rejects bad.csv",),
    "suppressions release": (
        "marcador suppressions release ID --reason 'consent of 2026-11-20' --user eva",
    ),
    "evidence notices": ("marcador evidence notices notices.csv --rejects bad.csv",),
    "evidence checks": ("marcador evidence checks scrubbed.csv",),
    "evidence show": ("marcador evidence show PERSON --json",),
    "evidence emergency declare": (
        "marcador evidence emergency declare US-DC:public_health --user eva",
    ),
    "evidence emergency end": ("marcador evidence emergency end US-DC:public_health --user eva",),
    "evidence emergency list": ("marcador evidence emergency list --json",),
    "override request": (
        "marcador override request PERSON --rule house/no_rapid_succession --reason 'asked for it' "
        "--user luis",
    ),
    "override approve": ("marcador override approve ID --user eva --password-stdin",),
    "override refuse": ("marcador override refuse ID --user eva",),
    "override revoke": ("marcador override revoke ID --user eva",),
    "override list": ("marcador override list --person PERSON --json",),
    "hold place": ("marcador hold place PERSON --matter 'case 2026/118' --user eva",),
    "hold release": ("marcador hold release ID --reason 'case closed' --user eva",),
    "hold list": ("marcador hold list --released --json",),
    "erase preview": ("marcador erase preview PERSON --json",),
    "erase request": ("marcador erase request PERSON --reason 'asked in writing' --user eva",),
    "erase approve": ("marcador erase approve ID --user rosa --password-stdin",),
    "erase refuse": ("marcador erase refuse ID --user rosa",),
    "erase list": ("marcador erase list --json",),
    "messages": ("marcador messages recordatorio", "marcador messages recordatorio --json"),
    "inbox list": ("marcador inbox list", "marcador inbox list --state all --json"),
    "inbox show": ("marcador inbox show sms:01M8B074R8ZBKYV94HENCW02TV",),
    "inbox close": ("marcador inbox close THREAD --resolution 'called back'",),
    "users add": ("marcador users add luis --role supervisor --password-stdin",),
    "users list": ("marcador users list",),
    "users deactivate": ("marcador users deactivate luis",),
    "users team": ("marcador users team ana early",),
    "users password": ("marcador users password luis",),
}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One argument or option."""

    name: str
    meaning: str
    default: str


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command as the reference tells it."""

    name: str
    """Without `marcador`; empty for the program itself."""
    meaning: str
    arguments: tuple[Parameter, ...]
    options: tuple[Parameter, ...]


def commands() -> tuple[Command, ...]:
    """The program itself, then every command."""
    return tuple(_commands(get_command(app), ""))


def _commands(node: object, name: str) -> Iterator[Command]:
    if not isinstance(node, TyperCommand | TyperGroup):
        raise TypeError(f"{name}: not a command of typer")
    if not isinstance(node, TyperGroup) or not name:
        yield _command(node, name)
    if isinstance(node, TyperGroup):
        for child, command in node.commands.items():
            yield from _commands(command, f"{name} {child}".strip())


def _command(node: TyperCommand | TyperGroup, name: str) -> Command:
    arguments: list[Parameter] = []
    options: list[Parameter] = []
    for param in node.params:
        is_argument = param.param_type_name == "argument"
        names = [*param.opts, *param.secondary_opts]
        label = str(param.name).upper() if is_argument else ", ".join(names)
        default = param.default
        told = "required" if param.required else _default(default)
        meaning = str(getattr(param, "help", None) or "")
        found = Parameter(name=label, meaning=meaning, default=told)
        (arguments if is_argument else options).append(found)
    return Command(
        name=name,
        meaning=" ".join((node.help or "").split()),
        arguments=tuple(arguments),
        options=tuple(options),
    )


def _default(value: object) -> str:
    if value is None or value is False or value in ("", [], ()):
        return ""
    return f"`{getattr(value, 'value', value)}`"


def reference() -> str:
    """`docs/cli.md`."""
    found = commands()
    lines = [_HEAD, "## Exit codes", "", "| code | name | meaning |", "|---|---|---|"]
    meanings = _code_meanings()
    lines += [
        f"| {code.value} | {code.name} | {meanings.get(code.name, '')} |" for code in ExitCode
    ]
    lines += ["", "## Global options", "", *_table(found[0].options)]
    for command in found[1:]:
        usage = " ".join((command.name, *(f"{a.name}" for a in command.arguments)))
        lines += [f"## `marcador {usage}`", "", command.meaning, ""]
        lines += _table((*command.arguments, *command.options))
        lines += ["```sh", *EXAMPLES[command.name], "```", ""]
    return "\n".join(lines)


def _table(parameters: tuple[Parameter, ...]) -> list[str]:
    if not parameters:
        return []
    rows = [
        f"| `{p.name}` | {p.meaning.replace('|', chr(92) + '|')} | {p.default} |"
        for p in parameters
    ]
    return ["| | meaning | default |", "|---|---|---|", *rows, ""]


def _code_meanings() -> dict[str, str]:
    """The text below each member of `ExitCode`."""
    tree = ast.parse(inspect.getsource(exits))
    body = next(
        n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == ExitCode.__name__
    )
    found: dict[str, str] = {}
    for member, text in pairwise(body):
        if (
            isinstance(member, ast.Assign)
            and isinstance(member.targets[0], ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[member.targets[0].id] = " ".join(str(text.value.value).split())
    return found


if __name__ == "__main__":
    sys.stdout.write(reference())
