"""Options that several of the officer's commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Since = Annotated[
    str | None, typer.Option(help="Date (UTC) or instant with offset; from there on.")
]
Until = Annotated[str | None, typer.Option(help="Date (UTC) or instant with offset; before it.")]
Campaign = Annotated[str | None, typer.Option(help="Name or id: only this campaign.")]
Portfolio = Annotated[str | None, typer.Option(help="Name or id: only this portfolio.")]
Person = Annotated[str, typer.Argument(help="Id of the person.")]
User = Annotated[str, typer.Option("--user", help="Who decides: logs in with their password.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Reason = Annotated[str, typer.Option(help="Why; it goes on record. Name nobody in it.")]
Rejects = Annotated[Path | None, typer.Option(help="Where bad lines go. Default: beside the file.")]
