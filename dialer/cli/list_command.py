"""A list that an officer brings as a file: read, told of, and its bad lines given back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import typer

from dialer.cli.exits import CliError, ExitCode
from dialer.cli.export_command import actor_name
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.runtime.listed_files import BadList, ListRead
from dialer.stores.ledger.database import Ledger


class Reader(Protocol):
    """Takes in a kind of list."""

    async def __call__(
        self, ledger: Ledger, file: Path, *, rejects: Path, actor: str, now: datetime
    ) -> ListRead: ...


def take_list(shell: Shell, file: Path, read: Reader, *, rejects: Path | None) -> None:
    """Read a list and say what came of it; exit code 5 if a line could not be used."""

    async def work() -> ListRead:
        async with existing_ledger(shell) as ledger:
            return await read(
                ledger,
                file,
                rejects=rejects or file.with_suffix(".rejects.csv"),
                actor=actor_name(),
                now=datetime.now(UTC),
            )

    texts = shell.texts
    try:
        report = shell.run(work())
    except BadList as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            texts.say(f"No se puede leer: {error}", f"It cannot be read: {error}"),
            texts.say("vea docs/officer.md", "see docs/officer.md"),
        ) from error
    if shell.json:
        shell.answer(report)
    else:
        rejected = f"{report.rejected:,} {texts.say('rechazadas', 'rejected')}"
        shell.say(
            texts.say(
                f"{report.lines:,} líneas: {report.added:,} altas, {report.known:,} ya estaban, ",
                f"{report.lines:,} lines: {report.added:,} added, {report.known:,} stood already, ",
            )
            + f"{rejected} {report.reject_file or ''}".rstrip()
        )
    if report.rejected:
        raise typer.Exit(ExitCode.NO)
