"""`marcador packs`: which rules there are, what they say, and whether a file would load."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import typer
from rich.table import Table

from compliance.packs import Pack, PackError, PackSet, load_packs, parse_pack
from compliance.types import PackStatus
from dialer.bootstrap import load_rule_packs
from dialer.cli.errors import Told, told
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell


class PackLine(msgspec.Struct, frozen=True, kw_only=True):
    pack: str
    version: str
    status: PackStatus
    rules: int
    sha256: str
    calendars_verified_through: date | None = None


class RuleLine(msgspec.Struct, frozen=True, kw_only=True):
    rule_id: str
    kind: str
    basis: str
    instrument: str
    locator: str
    es: str
    en: str


class PackShown(msgspec.Struct, frozen=True, kw_only=True):
    pack: PackLine
    rules: tuple[RuleLine, ...]


class Validated(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    ok: bool
    problem: Told | None = None


def show_packs(shell: Shell) -> None:
    """The packs that are loaded."""
    lines = [_line(pack) for pack in load_rule_packs(shell.config).packs]
    if shell.json:
        shell.answer(lines)
        return
    texts = shell.texts
    table = Table()
    for title in (
        texts.say("paquete", "pack"),
        texts.say("versión", "version"),
        texts.say("estado", "status"),
        texts.say("reglas", "rules"),
        texts.say("feriados hasta", "holidays through"),
    ):
        table.add_column(title)
    for line in lines:
        through = (
            "-"
            if line.calendars_verified_through is None
            else (line.calendars_verified_through.isoformat())
        )
        table.add_row(line.pack, line.version, line.status, str(line.rules), through)
    shell.out.print(table)


def show_pack(shell: Shell, pack: str) -> None:
    """Every rule of a pack, with its source."""
    found = _named(shell, load_rule_packs(shell.config), pack)
    shown = PackShown(pack=_line(found), rules=_rules(found))
    if shell.json:
        shell.answer(shown)
        return
    line = shown.pack
    shell.say(f"{line.pack} {line.version} ({line.status}) {line.sha256}")
    for rule in shown.rules:
        shell.say("")
        shell.say(f"{rule.rule_id}  [{rule.kind}, {rule.basis}]", style="bold")
        shell.say(f"  {shell.texts.say(rule.es, rule.en)}")
        if rule.instrument:
            shell.say(f"  {rule.instrument}, {rule.locator}")


def validate_packs(shell: Shell, path: Path, *, production: bool) -> None:
    """Check packs as the start would. Exits with `NO` if one is not good."""
    checked = [_validated(shell, file, production=production) for file in _files(shell, path)]
    good = all(result.ok for result in checked)
    if good and path.is_dir():
        _together(shell, path, production=production)
    if shell.json:
        shell.answer(checked)
    else:
        for result in checked:
            if result.problem is None:
                shell.say(f"{result.file}: {shell.texts.say('sirve', 'good')}", style="green")
            else:
                mend = shell.texts.say("Remedio", "To mend it")
                shell.say(f"{result.problem.what}. {mend}: {result.problem.mend}", style="red")
    if not good:
        raise typer.Exit(ExitCode.NO)


def _validated(shell: Shell, file: Path, *, production: bool) -> Validated:
    try:
        parse_pack(file.read_text(encoding="utf-8"), name=str(file), production=production)
    except PackError as error:
        return Validated(file=str(file), ok=False, problem=told(error, shell.texts))
    return Validated(file=str(file), ok=True)


def _together(shell: Shell, folder: Path, *, production: bool) -> None:
    """The packs of a folder must load beside each other, too. Raises `PackError`."""
    load_packs([folder], production=production)


def _files(shell: Shell, path: Path) -> list[Path]:
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"{path}: no hay paquetes (.toml)", f"{path}: no packs (.toml) there"),
            shell.texts.say("compruebe la ruta", "check the path"),
        )
    return files


def _named(shell: Shell, packs: PackSet, name: str) -> Pack:
    for pack in packs.packs:
        if pack.doc.pack == name:
            return pack
    known = ", ".join(pack.doc.pack for pack in packs.packs)
    raise CliError(
        ExitCode.BAD_INPUT,
        shell.texts.say(f"No hay paquete {name!r}", f"There is no pack {name!r}"),
        shell.texts.say(f"los que hay: {known}", f"there are: {known}"),
    )


def _line(pack: Pack) -> PackLine:
    through = [c.verified_through for c in pack.doc.calendars if c.verified_through is not None]
    return PackLine(
        pack=pack.doc.pack,
        version=pack.doc.version,
        status=pack.doc.status,
        rules=len(pack.rules),
        sha256=pack.ref.sha256,
        calendars_verified_through=min(through) if through else None,
    )


def _rules(pack: Pack) -> tuple[RuleLine, ...]:
    return tuple(
        RuleLine(
            rule_id=rule.head.id,
            kind=rule.head.kind,
            basis=rule.head.basis,
            instrument=rule.head.citation.instrument,
            locator=rule.head.citation.locator,
            es=rule.head.explain.es,
            en=rule.head.explain.en,
        )
        for rule in pack.rules
    )
