"""`marcador content`: check texts and flows in files, and see which there are."""

from __future__ import annotations

from pathlib import Path

import msgspec
import typer
from rich.table import Table

from campaigns.content.findings import Finding, Severity
from campaigns.content.lint import Report, lint
from campaigns.content.samples import parse_template, sample_sources
from campaigns.flows.findings import FlowFinding, path_lines
from campaigns.flows.model import parse_flow
from campaigns.flows.proof import Proof, prove
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger, missing_ledger
from dialer.stores.ledger.content import ContentKind, VersionInfo, list_versions

MOST_BYTES = 2_000_000
_FOLDERS = {ContentKind.TEMPLATE: "templates", ContentKind.FLOW: "flows"}


class Linted(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    name: str
    report: Report


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    name: str
    proof: Proof


class ContentList(msgspec.Struct, frozen=True, kw_only=True):
    shipped: dict[ContentKind, list[str]]
    """Documents that come with Marcador; `content show` prints one."""
    versions: list[VersionInfo]
    """What the ledger has."""


def lint_file(shell: Shell, path: Path) -> None:
    """What the lint says of a text. Exits with `NO` if it has an error."""
    template = parse_template(text_of(shell, path))
    report = lint(template)
    if shell.json:
        shell.answer(Linted(file=str(path), name=template.name, report=report))
    else:
        _tell(shell, str(path), report.findings, ok=report.ok)
        lowest = shell.texts.say("clase más baja posible", "lowest possible class")
        shell.say(f"{lowest}: {report.lowest_class}")
        if report.segments is not None:
            parts, encoding = report.segments.parts, report.segments.encoding
            shell.say(f"SMS: {parts} ({encoding}, {report.segments.units})")
    if not report.ok:
        raise typer.Exit(ExitCode.NO)


def prove_file(shell: Shell, path: Path) -> None:
    """The proof of a flow, with the path that breaks it. Exits with `NO` if there is an error."""
    flow = parse_flow(text_of(shell, path))
    proof = prove(flow)
    if shell.json:
        shell.answer(Proved(file=str(path), name=flow.name, proof=proof))
    else:
        _tell(shell, str(path), proof.findings, ok=proof.ok)
        shell.say(
            shell.texts.say(
                f"{len(flow.nodes)} nodos, {proof.states} estados recorridos",
                f"{len(flow.nodes)} nodes, {proof.states} states walked",
            )
        )
    if not proof.ok:
        raise typer.Exit(ExitCode.NO)


def list_content(shell: Shell) -> None:
    """What comes with Marcador, and what the ledger has."""
    shipped = {
        kind: [name.removesuffix(".yaml") for name in sample_sources(folder)]
        for kind, folder in _FOLDERS.items()
    }
    found = ContentList(shipped=shipped, versions=_versions(shell))
    if shell.json:
        shell.answer(found)
        return
    texts = shell.texts
    table = Table()
    for title in (
        texts.say("tipo", "kind"),
        texts.say("nombre", "name"),
        texts.say("versión", "version"),
        texts.say("estado", "state"),
        texts.say("aprobó", "approved by"),
    ):
        table.add_column(title)
    for kind, names in shipped.items():
        for name in names:
            table.add_row(kind, name, "-", texts.say("de fábrica", "shipped"), "-")
    for info in found.versions:
        approver = info.approved_by or "-"
        table.add_row(info.kind, info.name, str(info.version), info.state, approver)
    shell.out.print(table)


def show_content(shell: Shell, name: str) -> None:
    """A document that comes with Marcador, to begin one's own with."""
    everything = _shipped()
    if name not in everything:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"No hay ningún texto {name!r}", f"There is no text {name!r}"),
            shell.texts.say(
                f"los que hay: {', '.join(everything)}", f"there are: {', '.join(everything)}"
            ),
        )
    if shell.json:
        shell.answer({"name": name, "document": everything[name]})
    else:
        shell.out.print(everything[name], end="", markup=False, highlight=False, soft_wrap=True)


def shipped_source(name: str) -> str | None:
    """A document that comes with Marcador; None: there is none of that name."""
    return _shipped().get(name)


def _shipped() -> dict[str, str]:
    return {
        file.removesuffix(".yaml"): text
        for folder in _FOLDERS.values()
        for file, text in sample_sources(folder).items()
    }


def _versions(shell: Shell) -> list[VersionInfo]:
    if missing_ledger(shell.config) is not None:
        return []

    async def work() -> list[VersionInfo]:
        async with existing_ledger(shell) as ledger, ledger.read() as conn:
            return [v for kind in ContentKind for v in await list_versions(conn, kind)]

    return shell.run(work())


def text_of(shell: Shell, path: Path) -> str:
    """A document's file. Raises `CliError`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise ValueError
        return raw.decode("utf-8-sig")
    except ValueError as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"{path}: no es un texto UTF-8", f"{path}: not a text in UTF-8"),
            shell.texts.say("guárdelo como UTF-8", "save it as UTF-8"),
        ) from error
    except OSError as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            f"{path}: {error.strerror}",
            shell.texts.say("compruebe la ruta", "check the path"),
        ) from error


def _tell(shell: Shell, file: str, findings: tuple[Finding, ...], *, ok: bool) -> None:
    texts = shell.texts
    language = texts.language
    for found in findings:
        style = "red" if found.severity is Severity.ERROR else "yellow"
        place = f"{file}: {found.place}" if found.place else file
        shell.say(f"{place}: {found.code}: {found.message(language)}", style=style)
        if isinstance(found, FlowFinding):
            for line in path_lines(found.path, language):
                shell.say(f"    {line}")
        shell.say(f"  {texts.say('Remedio', 'To mend it')}: {found.mend(language)}")
    if ok:
        shell.say(f"{file}: {texts.say('sirve', 'good')}", style="green")
