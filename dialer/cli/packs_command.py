"""`marcador packs`: which rules there are, what they say, and whether a file would load."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import typer
from rich.table import Table

from compliance.differences import RuleNamed, ValueChange, compare, envelope, values
from compliance.packs import Pack, PackError, PackSet, load_packs, read_pack_file
from compliance.retention import schedule
from compliance.schema import PackKind
from compliance.types import PackStatus
from dialer.bootstrap import load_rule_packs
from dialer.cli.calendar_ends import CALENDAR_AHEAD, ends_of
from dialer.cli.errors import Told, told
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell
from dialer.runtime.pack_tests import FailedExample, failed_examples

_SHOWN_ABOVE = ("id", "kind", "severity", "basis", "confidence", "citation", "explain", "tests")
"""Keys of a rule that `packs show` tells in its own lines."""


class PackLine(msgspec.Struct, frozen=True, kw_only=True):
    pack: str
    version: str
    kind: PackKind
    title: str
    status: PackStatus
    rules: int
    sha256: str
    calendars_verified_through: date | None = None
    """First date after which some day is closed for want of a verified calendar."""
    calendars_end_soon: bool = False


class RuleLine(msgspec.Struct, frozen=True, kw_only=True):
    rule_id: str
    kind: str
    severity: str
    basis: str
    confidence: str
    instrument: str
    locator: str
    es: str
    en: str
    values: dict[str, str]
    """Everything that the rule says, by dotted key, as JSON."""


class PackShown(msgspec.Struct, frozen=True, kw_only=True):
    pack: PackLine
    envelope: dict[str, str]
    """Everything that the pack says outside of its rules."""
    rules: tuple[RuleLine, ...]


class Validated(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    ok: bool
    problem: Told | None = None
    examples: int = 0
    """Examples of the pack's rules that were asked."""
    failed: tuple[FailedExample, ...] = ()


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
        texts.say("clase", "kind"),
        texts.say("estado", "status"),
        texts.say("reglas", "rules"),
        texts.say("feriados hasta", "holidays through"),
    ):
        table.add_column(title)
    for line in lines:
        through = str(line.calendars_verified_through or "-")
        if line.calendars_end_soon:
            through = f"[yellow]{through} ![/yellow]"
        table.add_row(line.pack, line.version, line.kind, line.status, str(line.rules), through)
    shell.out.print(table)
    if any(line.calendars_end_soon for line in lines):
        days = CALENDAR_AHEAD.days
        shell.say(
            texts.say(
                f"! en menos de {days} días: después, sin feriados verificados, no se contacta; "
                "vea `marcador doctor`",
                f"! in less than {days} days: after it nobody is contacted for want of verified "
                "holidays; see `marcador doctor`",
            ),
            style="yellow",
        )


def show_pack(shell: Shell, pack: str) -> None:
    """Every rule of a pack, with its source."""
    found = _named(shell, load_rule_packs(shell.config), pack)
    shown = PackShown(pack=_line(found), envelope=envelope(found.doc), rules=_rules(found))
    if shell.json:
        shell.answer(shown)
        return
    line = shown.pack
    shell.say(f"{line.pack} {line.version} ({line.status}) {line.sha256}")
    shell.say(line.title)
    for key, value in shown.envelope.items():
        if key.startswith(("applies_when", "calendars", "reviewed", "zone", "note")):
            shell.say(f"  {key} = {value}")
    for end in ends_of([found]):
        until = shell.texts.say("feriados verificados hasta", "holidays verified through")
        soon = end.ends_soon(datetime.now(UTC).date())
        shell.say(f"  {until} {end.told(shell.texts)}", style="yellow" if soon else None)
    for rule in shown.rules:
        shell.say("")
        head = ", ".join((rule.kind, rule.severity, rule.basis, rule.confidence))
        shell.say(f"{rule.rule_id}  [{head}]", style="bold")
        shell.say(f"  {shell.texts.say(rule.es, rule.en)}")
        shell.say(f"  {rule.instrument}, {rule.locator}")
        for key, value in rule.values.items():
            if not key.startswith(_SHOWN_ABOVE):
                shell.say(f"    {key} = {value}", style="dim")


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
            _tell(shell, result)
    if not good:
        raise typer.Exit(ExitCode.NO)


def _tell(shell: Shell, result: Validated) -> None:
    say = shell.texts.say
    if result.problem is not None:
        mend = say("Remedio", "To mend it")
        shell.say(f"{result.problem.what}. {mend}: {result.problem.mend}", style="red")
        return
    for failed in result.failed:
        shell.say(
            say(
                f"{result.file}: {failed.rule_id}, ejemplo «{failed.name}»: se esperaba "
                f"{failed.expected} y dice {failed.found}",
                f"{result.file}: {failed.rule_id}, example “{failed.name}”: expected "
                f"{failed.expected}, it says {failed.found}",
            ),
            style="red",
        )
    if result.ok:
        examples = say(f"{result.examples} ejemplos", f"{result.examples} examples")
        shell.say(f"{result.file}: {say('sirve', 'good')} ({examples})", style="green")


def _validated(shell: Shell, file: Path, *, production: bool) -> Validated:
    try:
        pack = read_pack_file(file, production=production)
        built_in = load_packs(production=False, only=())
    except PackError as error:
        return Validated(file=str(file), ok=False, problem=told(error, shell.texts))
    failed = failed_examples(pack, built_in)
    asked = sum(len(rule.tests) for rule in pack.doc.rules)
    return Validated(file=str(file), ok=not failed, examples=asked, failed=failed)


def show_retention(shell: Shell, now: datetime) -> None:
    """How long the loaded packs ask to keep each kind of record; the longest of all counts."""
    periods = schedule(load_rule_packs(shell.config), now)
    if shell.json:
        shell.answer(list(periods))
        return
    say = shell.texts.say
    table = Table()
    for title in (say("registro", "record"), say("plazo", "period"), say("desde", "from")):
        table.add_column(title)
    table.add_column(say("regla", "rule"))
    table.add_column(say("fuente", "source"))
    for keep in periods:
        units = (
            (keep.years, say("años", "years")),
            (keep.months, say("meses", "months")),
            (keep.days, say("días", "days")),
        )
        period = " ".join(f"{count} {unit}" for count, unit in units if count)
        source = f"{keep.citation.instrument}, {keep.citation.locator}"
        table.add_row(keep.artefact, period, keep.start, keep.rule_id, source)
    shell.out.print(table)


def show_difference(shell: Shell, old: str, new: str) -> None:
    """What the new version says otherwise. Each is a file, or the id of a pack that is loaded."""
    before, after = _pack(shell, old), _pack(shell, new)
    found = compare(before.doc, after.doc)
    if shell.json:
        shell.answer(found)
        return
    say = shell.texts.say
    shell.say(f"{found.old_pack} {found.old_version} -> {found.new_pack} {found.new_version}")
    if found.is_empty:
        shell.say(say("sin cambios", "no changes"))
    for change in found.envelope:
        _tell_change(shell, change, indent="")
    _tell_rules(shell, "-", say("regla quitada", "rule removed"), found.removed, "red")
    _tell_rules(shell, "+", say("regla nueva", "rule added"), found.added, "green")
    for rule in found.changed:
        shell.say(f"~ {say('regla cambiada', 'rule changed')}: {rule.rule_id}", style="bold")
        for change in rule.changes:
            _tell_change(shell, change, indent="    ")


def _tell_rules(
    shell: Shell, mark: str, head: str, rules: tuple[RuleNamed, ...], style: str
) -> None:
    for rule in rules:
        words = shell.texts.say(rule.explain.es, rule.explain.en)
        shell.say(f"{mark} {head}: {rule.rule_id} [{rule.kind}] {words}", style=style)
        for key, value in rule.values.items():
            if not key.startswith(_SHOWN_ABOVE):
                shell.say(f"    {key} = {value}", style="dim")


def _tell_change(shell: Shell, change: ValueChange, *, indent: str) -> None:
    nothing = shell.texts.say("(nada)", "(nothing)")
    old, new = change.old or nothing, change.new or nothing
    shell.say(f"{indent}{change.key}: {old} -> {new}")


def _pack(shell: Shell, name: str) -> Pack:
    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        return read_pack_file(path, production=False)
    return _named(shell, load_rule_packs(shell.config), name)


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
    ends = ends_of([pack])
    return PackLine(
        pack=pack.doc.pack,
        version=pack.doc.version,
        kind=pack.doc.kind,
        title=pack.doc.title,
        status=pack.doc.status,
        rules=len(pack.doc.rules),
        sha256=pack.ref.sha256,
        calendars_verified_through=ends[0].through if ends else None,
        calendars_end_soon=any(end.ends_soon(datetime.now(UTC).date()) for end in ends),
    )


def _rules(pack: Pack) -> tuple[RuleLine, ...]:
    return tuple(
        RuleLine(
            rule_id=f"{pack.doc.pack}/{rule.id}",
            kind=rule.kind,
            severity=rule.severity,
            basis=rule.basis,
            confidence=rule.confidence,
            instrument=rule.citation.instrument,
            locator=rule.citation.locator,
            es=rule.explain.es,
            en=rule.explain.en,
            values=values(rule),
        )
        for rule in pack.doc.rules
    )
