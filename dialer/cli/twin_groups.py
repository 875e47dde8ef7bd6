"""`simulate` and `replay`: what would happen, and what would have happened."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dialer.cli.shell import shell_of


class TwinMode(StrEnum):
    PREDICTIVE = "predictive"
    PROGRESSIVE = "progressive"
    PREVIEW = "preview"


Html = Annotated[Path | None, typer.Option(help="Write a page with charts, one file, there.")]
Target = Annotated[float | None, typer.Option(help="Abandoned share to stay under: 0.01 is 1 %.")]


def simulate(
    ctx: typer.Context,
    world: Annotated[
        str,
        typer.Argument(
            help="A definition (.toml, .yaml, .json), or a scenario: steady, low, jump, step, "
            "leave, long_talk, amd, drift, cold_start."
        ),
    ] = "steady",
    campaign: Annotated[
        str | None,
        typer.Option(
            help="A campaign of the ledger: its settings, open accounts, and answers so far."
        ),
    ] = None,
    agents: Annotated[
        int | None, typer.Option(help="How many agents. Default: the definition's, or 20.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same shift.")] = 1,
    runs: Annotated[int, typer.Option(min=1, max=100, help="Shifts, each with a seed.")] = 1,
    hours: Annotated[
        float | None,
        typer.Option(min=0.1, max=24, help="Length of a scenario's or campaign's shift."),
    ] = None,
    start: Annotated[
        str, typer.Option("--from", help="When a campaign's shift begins, local time.")
    ] = "09:00",
    day: Annotated[
        str | None, typer.Option(help="Day whose law is asked. Default: the next working day.")
    ] = None,
    mode: Annotated[
        TwinMode | None, typer.Option(help="How calls are paced. Default: as set, or predictive.")
    ] = None,
    target: Target = None,
    staff: Annotated[
        str,
        typer.Option(help="Other sizes of the team to advise on: 8,10,12; auto; or none."),
    ] = "auto",
    html: Html = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a definition.")
    ] = False,
    definition: Annotated[
        bool, typer.Option("--definition", help="Print the definition as JSON and run nothing.")
    ] = False,
) -> None:
    """Run a shift on virtual time with the pacing of production: what comes of it, how much of
    what the law allows is used, and what another team would change."""
    from dialer.cli.simulate_command import SimulateOptions, run_simulate

    options = SimulateOptions(
        world=world,
        campaign=campaign,
        agents=agents,
        seed=seed,
        runs=runs,
        hours=hours,
        law=None if mode is None else mode.value,
        target=target,
        start=start,
        day=day,
        staff=staff,
        html=html,
        schema=schema,
        definition=definition,
    )
    run_simulate(shell_of(ctx), options)


def replay(
    ctx: typer.Context,
    campaign: Annotated[str, typer.Argument(help="Name or id of the campaign.")],
    day: Annotated[
        str | None, typer.Option(help="Local day (YYYY-MM-DD). Default: the last one dialed.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="What to change: mode, target_abandonment, lines_per_idle_agent, "
            "max_lines_per_agent, connect_limit_ms, ring_timeout_s, give_up_after_s, amd.",
        ),
    ] = None,
    agents: Annotated[str, typer.Option(help="More agents, or fewer: +2, -1.")] = "0",
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 1,
    runs: Annotated[int, typer.Option(min=1, max=50, help="Seeds to take the mean of.")] = 1,
    html: Html = None,
) -> None:
    """A recorded day beside the twin with the same settings and with changed ones.

    Here --set is a setting of the campaign; give the configuration's before the command's name."""
    from dialer.cli.replay_day_command import ReplayOptions, run_replay_day

    options = ReplayOptions(
        campaign=campaign,
        day=day,
        changes=tuple(changes or ()),
        agents=agents,
        seed=seed,
        runs=runs,
        html=html,
    )
    run_replay_day(shell_of(ctx), options)


def add_twin_to(app: typer.Typer) -> None:
    """Put the twin's commands into the tree."""
    app.command("simulate")(simulate)
    app.command("replay")(replay)
