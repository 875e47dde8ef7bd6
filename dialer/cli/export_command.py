"""`marcador export`: one person's sealed record."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path

import typer

from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.runtime.exporting import CannotExport, PersonExport, export_person, find_people
from dialer.stores.recording_files import RecordingFiles


def run_export(shell: Shell, asked: str, out: Path) -> None:
    """Export a person, or every party of an account. Exits with `NO` if a record is broken."""
    try:
        exports = shell.run(_export(shell, asked, out))
    except CannotExport as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"No se puede exportar: {error}", f"The export failed: {error}"),
            shell.texts.say("elija una carpeta nueva o vacía", "choose a new or empty folder"),
        ) from error
    if shell.json:
        shell.answer(list(exports))
    else:
        for export in exports:
            _tell(shell, export)
    if not all(export.verification.holds for export in exports):
        raise typer.Exit(ExitCode.NO)


async def _export(shell: Shell, asked: str, out: Path) -> list[PersonExport]:
    async with existing_ledger(shell) as ledger:
        people = await find_people(ledger, asked)
        if not people:
            raise CliError(
                ExitCode.BAD_INPUT,
                shell.texts.say(
                    f"No hay persona ni cuenta {asked!r}",
                    f"There is no person or account {asked!r}",
                ),
                shell.texts.say(
                    "`marcador explain TELÉFONO` muestra los ids",
                    "`marcador explain PHONE` shows the ids",
                ),
            )
        folders = [out] if len(people) == 1 else [out / person_id for person_id in people]
        return [
            await export_person(
                ledger,
                person_id,
                folder,
                actor=actor_name(),
                now=datetime.now(UTC),
                recordings=RecordingFiles(shell.config.recordings_path),
            )
            for person_id, folder in zip(people, folders, strict=True)
        ]


def actor_name() -> str:
    """Who acts, for the audit trail: the user of this machine."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def _tell(shell: Shell, export: PersonExport) -> None:
    texts = shell.texts
    shell.say(
        texts.say(
            f"{export.folder}: {export.events} eventos, {export.decisions} decisiones de "
            f"{export.person_id}; firmado hasta el evento {export.signed_through}",
            f"{export.folder}: {export.events} events, {export.decisions} decisions of "
            f"{export.person_id}; signed through event {export.signed_through}",
        )
    )
    if not export.verification.holds:
        for problem in export.verification.problems:
            shell.say(f"  {problem}", style="red bold")
    shell.say(
        texts.say(
            "README.md dice cómo verificarlo sin Marcador.",
            "README.md says how to verify it without Marcador.",
        )
    )
