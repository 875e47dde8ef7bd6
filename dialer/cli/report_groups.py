"""`marcador report`: reports from the ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from dialer.cli.officer_options import Campaign, Portfolio, Since, Until
from dialer.cli.shell import shell_of

report_app = typer.Typer(help="Reports from the ledger: hours, blocks, counters and more.")

Whole = Annotated[bool, typer.Option("--whole", help="Whole telephone numbers; goes on record.")]


@report_app.command("hours")
def report_hours(
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    campaign: Campaign = None,
    portfolio: Portfolio = None,
) -> None:
    """Prove that no contact was made outside lawful hours; exit code 5 if one was.

    Every contact is worked out again in every candidate zone, apart from the gate.
    """
    from dialer.cli.officer_reports import show_hours

    show_hours(shell_of(ctx), since, until, campaign, portfolio)


@report_app.command("blocks")
def report_blocks(
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    campaign: Campaign = None,
    portfolio: Portfolio = None,
) -> None:
    """Contacts that were not made, by the rule that forbade them."""
    from dialer.cli.officer_reports import show_blocks

    show_blocks(shell_of(ctx), since, until, campaign, portfolio)


@report_app.command("counters")
def report_counters(
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    campaign: Campaign = None,
    portfolio: Portfolio = None,
) -> None:
    """How near to their limits contacts came, by rule and so by state: 7 in 7 days and all others.

    Exit code 5 if a limit was exceeded and nothing lifted it.
    """
    from dialer.cli.officer_reports import show_counters

    show_counters(shell_of(ctx), since, until, campaign, portfolio)


@report_app.command("abandonment")
def report_abandonment(
    ctx: typer.Context,
    at: Annotated[str | None, typer.Option(help="Date (UTC) or instant. Default: now.")] = None,
    campaign: Campaign = None,
    portfolio: Portfolio = None,
) -> None:
    """Abandoned calls by campaign over 30 days, 24 hours and 30 minutes; exit code 5 over 3 %."""
    from dialer.cli.officer_reports import show_abandonment

    show_abandonment(shell_of(ctx), at, campaign, portfolio)


@report_app.command("opt-outs")
def report_opt_outs(
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    campaign: Campaign = None,
    portfolio: Portfolio = None,
) -> None:
    """How fast requests to stop took effect; exit code 5 if anybody was contacted after one."""
    from dialer.cli.officer_reports import show_opt_outs

    show_opt_outs(shell_of(ctx), since, until, campaign, portfolio)


@report_app.command("consents")
def report_consents(
    ctx: typer.Context,
    person: Annotated[str | None, typer.Option(help="Id: only this person.")] = None,
    portfolio: Portfolio = None,
) -> None:
    """Consents with their evidence."""
    from dialer.cli.officer_reports import show_consents

    show_consents(shell_of(ctx), person, portfolio)


@report_app.command("wrong-parties")
def report_wrong_parties(
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    campaign: Campaign = None,
    portfolio: Portfolio = None,
    whole: Whole = False,
) -> None:
    """Calls to numbers that were another's, and calls that other people answered."""
    from dialer.cli.incident_reports import show_incidents
    from dialer.runtime.incidents import wrong_parties

    show_incidents(shell_of(ctx), wrong_parties, since, until, campaign, portfolio, whole=whole)


@report_app.command("complaints")
def report_complaints(
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    campaign: Campaign = None,
    portfolio: Portfolio = None,
    whole: Whole = False,
) -> None:
    """Complaints in calls and from lists, by campaign."""
    from dialer.cli.incident_reports import show_incidents
    from dialer.runtime.incidents import complaints

    show_incidents(shell_of(ctx), complaints, since, until, campaign, portfolio, whole=whole)
