"""Commands of the compliance officer: proofs, reports, lists, and what two people decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dialer.cli.evidence_groups import evidence_app
from dialer.cli.officer_options import PasswordStdin, Person, Portfolio, Reason, Since, Until, User
from dialer.cli.report_groups import report_app
from dialer.cli.shell import shell_of

suppressions_app = typer.Typer(help="Suppression lists: export, import, release.")
override_app = typer.Typer(help="Exceptions to house rules, which two people grant.")
hold_app = typer.Typer(help="Legal holds: place, release, list.")
erase_app = typer.Typer(help="Erasing people's data, which two people do.")

# --- proofs and reports ---------------------------------------------------------------------------


def contacts(
    ctx: typer.Context,
    person: Person,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Most events to tell.")] = 100,
    whole: Annotated[bool, typer.Option("--whole", help="Whole telephone numbers.")] = False,
) -> None:
    """A person's contact log, with what every counter stood at when each was decided."""
    from dialer.cli.officer_reports import show_contacts

    show_contacts(shell_of(ctx), person, limit=limit, whole=whole)


def replay_decisions(
    ctx: typer.Context,
    sample: Annotated[int, typer.Option(min=1, help="Most decisions to replay.")] = 500,
    since: Since = None,
    until: Until = None,
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same sample.")] = None,
) -> None:
    """Make a sample of recorded decisions again. Exit code 5 if one comes out otherwise."""
    from dialer.cli.replay_command import run_replay

    run_replay(shell_of(ctx), sample=sample, since=since, until=until, seed=seed)


def reconcile(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The carrier's call records (CSV).")],
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="FIELD=COLUMN", help="call_id, number, start, duration or cause."
        ),
    ] = None,
    zone: Annotated[str, typer.Option(help="IANA zone of instants without an offset.")] = "UTC",
    rejects: Annotated[
        Path | None, typer.Option(help="Where bad rows go. Default: beside the file.")
    ] = None,
) -> None:
    """Compare a carrier's CDR file with the ledger; differences go to the review list.

    Exit code 5 if anything differs, or a row could not be read.
    """
    from dialer.cli.officer_reports import run_reconcile

    run_reconcile(shell_of(ctx), file, columns=columns or [], zone=zone, rejects=rejects)


# --- suppressions ---------------------------------------------------------------------------------


@suppressions_app.command("export")
def suppressions_export(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="CSV file to write; - for standard output.")],
    portfolio: Portfolio = None,
    ended: Annotated[
        bool, typer.Option("--ended", help="Those that have ended or not begun, too.")
    ] = False,
) -> None:
    """Write the suppressions that stand as CSV."""
    from dialer.cli.officer_orders import export_suppressions

    export_suppressions(shell_of(ctx), out, portfolio=portfolio, ended=ended)


@suppressions_app.command("import")
def suppressions_import(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV: who, reason, and more where wanted.")],
    rejects: Annotated[
        Path | None, typer.Option(help="Where bad lines go. Default: beside the file.")
    ] = None,
) -> None:
    """Add the suppressions of a list. The same list again changes nothing.

    Exit code 5 if a line could not be used.
    """
    from dialer.cli.list_command import take_list
    from dialer.runtime.suppression_files import read_list

    take_list(shell_of(ctx), file, read_list, rejects=rejects)


@suppressions_app.command("release")
def suppressions_release(
    ctx: typer.Context,
    suppression: Annotated[str, typer.Argument(help="Id of the suppression.")],
    reason: Reason,
    user: User,
    password_stdin: PasswordStdin = False,
) -> None:
    """End a suppression now. Needs the role compliance."""
    from dialer.cli.officer_orders import release

    release(shell_of(ctx), suppression, reason, user, password_stdin=password_stdin)


# --- overrides ------------------------------------------------------------------------------------


@override_app.command("request")
def override_request(
    ctx: typer.Context,
    person: Person,
    rule: Annotated[str, typer.Option(help="PACK/RULE of a house rule.")],
    reason: Reason,
    user: User,
    hours: Annotated[int, typer.Option(min=1, max=168, help="How long it holds.")] = 24,
    contact_point: Annotated[str | None, typer.Option(help="Id: only for this one.")] = None,
    repeated: Annotated[
        bool, typer.Option("--repeated", help="For every contact of its time, not only one.")
    ] = False,
    password_stdin: PasswordStdin = False,
) -> None:
    """Ask that a contact may go past a house rule. Law cannot be overridden, nor a person's rights.

    Nothing is lifted until somebody else approves.
    """
    from dialer.cli.officer_orders import request_exception

    request_exception(
        shell_of(ctx),
        person,
        rule=rule,
        reason=reason,
        username=user,
        hours=hours,
        contact_point=contact_point,
        repeated=repeated,
        password_stdin=password_stdin,
    )


Override = Annotated[str, typer.Argument(help="Id of the override.")]


@override_app.command("approve")
def override_approve(
    ctx: typer.Context, override: Override, user: User, password_stdin: PasswordStdin = False
) -> None:
    """Grant what somebody else asked for. Needs the role compliance."""
    from dialer.cli.officer_orders import decide_exception

    decide_exception(shell_of(ctx), override, user, "approve", password_stdin=password_stdin)


@override_app.command("refuse")
def override_refuse(
    ctx: typer.Context, override: Override, user: User, password_stdin: PasswordStdin = False
) -> None:
    """Refuse what somebody else asked for. Needs the role compliance."""
    from dialer.cli.officer_orders import decide_exception

    decide_exception(shell_of(ctx), override, user, "refuse", password_stdin=password_stdin)


@override_app.command("revoke")
def override_revoke(
    ctx: typer.Context, override: Override, user: User, password_stdin: PasswordStdin = False
) -> None:
    """End a granted override before its time. Needs the role compliance."""
    from dialer.cli.officer_orders import decide_exception

    decide_exception(shell_of(ctx), override, user, "revoke", password_stdin=password_stdin)


@override_app.command("list")
def override_list(
    ctx: typer.Context,
    person: Annotated[str | None, typer.Option(help="Id: only this person.")] = None,
) -> None:
    """Overrides, with who asked, who granted and what used them."""
    from dialer.cli.officer_orders import show_overrides

    show_overrides(shell_of(ctx), person)


# --- holds and erasure ----------------------------------------------------------------------------


@hold_app.command("place")
def hold_place(
    ctx: typer.Context,
    person: Person,
    matter: Annotated[str, typer.Option(help="Case or order that asks for it.")],
    user: User,
    password_stdin: PasswordStdin = False,
) -> None:
    """Keep everything of a person until the hold is released. Needs the role compliance."""
    from dialer.cli.officer_orders import place

    place(shell_of(ctx), person, matter, user, password_stdin=password_stdin)


@hold_app.command("release")
def hold_release(
    ctx: typer.Context,
    hold: Annotated[str, typer.Argument(help="Id of the hold.")],
    reason: Reason,
    user: User,
    password_stdin: PasswordStdin = False,
) -> None:
    """End a legal hold. Needs the role compliance."""
    from dialer.cli.officer_orders import lift

    lift(shell_of(ctx), hold, reason, user, password_stdin=password_stdin)


@hold_app.command("list")
def hold_list(
    ctx: typer.Context,
    person: Annotated[str | None, typer.Option(help="Id: only this person.")] = None,
    released: Annotated[bool, typer.Option("--released", help="Released ones, too.")] = False,
) -> None:
    """Legal holds that stand."""
    from dialer.cli.officer_orders import show_holds

    show_holds(shell_of(ctx), person, released=released)


@erase_app.command("preview")
def erase_preview(ctx: typer.Context, person: Person) -> None:
    """What erasing a person would touch; exit code 5 if a hold or an open contact forbids it."""
    from dialer.cli.officer_orders import preview

    preview(shell_of(ctx), person)


@erase_app.command("request")
def erase_request(
    ctx: typer.Context,
    person: Person,
    reason: Reason,
    user: User,
    password_stdin: PasswordStdin = False,
) -> None:
    """Ask to erase a person's data. Nothing is erased until somebody else does it."""
    from dialer.cli.officer_orders import ask_erasure

    ask_erasure(shell_of(ctx), person, reason, user, password_stdin=password_stdin)


Erasure = Annotated[str, typer.Argument(help="Id of the request.")]


@erase_app.command("approve")
def erase_approve(
    ctx: typer.Context, erasure: Erasure, user: User, password_stdin: PasswordStdin = False
) -> None:
    """Carry out what somebody else asked for; it cannot be undone. The chain stays whole."""
    from dialer.cli.officer_orders import settle_erasure

    settle_erasure(shell_of(ctx), erasure, user, approve=True, password_stdin=password_stdin)


@erase_app.command("refuse")
def erase_refuse(
    ctx: typer.Context, erasure: Erasure, user: User, password_stdin: PasswordStdin = False
) -> None:
    """Refuse what somebody else asked for."""
    from dialer.cli.officer_orders import settle_erasure

    settle_erasure(shell_of(ctx), erasure, user, approve=False, password_stdin=password_stdin)


@erase_app.command("list")
def erase_list(ctx: typer.Context) -> None:
    """Requests to erase, and what became of them."""
    from dialer.cli.officer_orders import show_erasures

    show_erasures(shell_of(ctx))


def retention(
    ctx: typer.Context,
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="Days after the last activity. Default: configured.")
    ] = None,
    request: Annotated[
        bool, typer.Option("--request", help="Ask to erase them; somebody else approves.")
    ] = False,
    user: Annotated[
        str | None, typer.Option("--user", help="Who asks: logs in with their password.")
    ] = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """People whose data has been kept as long as it must be; legal holds and open accounts stay.

    Without --request nothing changes.
    """
    from dialer.cli.retention_command import run_retention

    run_retention(
        shell_of(ctx),
        keep_days=keep_days,
        request=request,
        username=user,
        password_stdin=password_stdin,
    )


def add_to(app: typer.Typer) -> None:
    """Put the officer's commands into the tree."""
    app.command("contacts")(contacts)
    app.command("replay-decisions")(replay_decisions)
    app.command("reconcile")(reconcile)
    app.command("retention")(retention)
    app.add_typer(report_app, name="report")
    app.add_typer(suppressions_app, name="suppressions")
    app.add_typer(evidence_app, name="evidence")
    app.add_typer(override_app, name="override")
    app.add_typer(hold_app, name="hold")
    app.add_typer(erase_app, name="erase")
