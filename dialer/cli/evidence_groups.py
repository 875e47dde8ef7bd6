"""Commands for evidence that rules wait for: notices, checks of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dialer.cli.shell import shell_of

evidence_app = typer.Typer(help="Evidence that rules wait for: notices, checks of numbers.")

Rejects = Annotated[Path | None, typer.Option(help="Where bad lines go. Default: beside the file.")]


@evidence_app.command("notices")
def evidence_notices(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV: who, date, kind, and debt where wanted.")],
    rejects: Rejects = None,
) -> None:
    """Record letters and notices that were sent. The same list again changes nothing.

    Exit code 5 if a line could not be used.
    """
    from dialer.cli.list_command import take_list
    from dialer.runtime.evidence_files import read_notices

    take_list(shell_of(ctx), file, read_notices, rejects=rejects)


@evidence_app.command("checks")
def evidence_checks(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV: number, kind, answer, checked_at.")],
    rejects: Rejects = None,
) -> None:
    """Record what databases of numbers answered. The same list again changes nothing.

    Exit code 5 if a line could not be used.
    """
    from dialer.cli.list_command import take_list
    from dialer.runtime.evidence_files import read_checks

    take_list(shell_of(ctx), file, read_checks, rejects=rejects)
