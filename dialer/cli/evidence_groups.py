"""Commands for evidence that rules wait for: notices, checks of numbers, emergencies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dialer.cli.officer_options import PasswordStdin, Person, Rejects, User
from dialer.cli.shell import shell_of

evidence_app = typer.Typer(help="Notices, checks of numbers, emergencies.")
emergency_app = typer.Typer(help="Emergencies during which some laws let nothing out.")
evidence_app.add_typer(emergency_app, name="emergency")


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


@evidence_app.command("show")
def evidence_show(
    ctx: typer.Context,
    person: Person,
    whole: Annotated[
        bool, typer.Option("--whole", help="Whole telephone numbers; goes on record.")
    ] = False,
) -> None:
    """Notices that a person got, and checks of their numbers."""
    from dialer.cli.incident_reports import show_evidence

    show_evidence(shell_of(ctx), person, whole=whole)


Code = Annotated[str, typer.Argument(help="As packs name it: US-DC:public_health.")]


@emergency_app.command("declare")
def emergency_declare(
    ctx: typer.Context, code: Code, user: User, password_stdin: PasswordStdin = False
) -> None:
    """An emergency is in force from now on. Needs the role compliance."""
    from dialer.cli.officer_orders import declare

    declare(shell_of(ctx), code, user, password_stdin=password_stdin)


@emergency_app.command("end")
def emergency_end(
    ctx: typer.Context, code: Code, user: User, password_stdin: PasswordStdin = False
) -> None:
    """An emergency is over; some laws still hold for days after. Needs the role compliance."""
    from dialer.cli.officer_orders import end

    end(shell_of(ctx), code, user, password_stdin=password_stdin)


@emergency_app.command("list")
def emergency_list(
    ctx: typer.Context,
    code: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
) -> None:
    """Emergencies that were ever declared, with who declared and who ended them."""
    from dialer.cli.officer_orders import show_emergencies

    show_emergencies(shell_of(ctx), code)
