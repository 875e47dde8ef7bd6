"""`marcador simulate`: a shift of the pacing on virtual time."""

from __future__ import annotations

import msgspec

from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell, write_json
from dialer.core.pacing import Law
from dialer.simulation.report import config_for, render, scenario, simulate
from dialer.simulation.worlds import SCENARIOS


class SimulateOptions(msgspec.Struct, frozen=True, kw_only=True):
    scenario: str
    agents: int
    seed: int
    runs: int
    hours: float | None
    law: str
    target: float | None


def run_simulate(shell: Shell, options: SimulateOptions) -> None:
    """Run a scenario under a law, beside the progressive one, and report."""
    try:
        world = scenario(options.scenario, options.agents)
        if options.hours is not None:
            world = msgspec.structs.replace(world, duration_s=options.hours * 3600.0)
        config = config_for(world, Law(options.law))
        if options.target is not None:
            config = msgspec.structs.replace(config, target_abandonment=options.target)
        seeds = tuple(range(options.seed, options.seed + options.runs))
        report = simulate(world, config, seeds)
    except ValueError as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"No se puede simular: {error}", f"That cannot be simulated: {error}"),
            shell.texts.say(
                f"escenarios: {', '.join(SCENARIOS)}", f"scenarios: {', '.join(SCENARIOS)}"
            ),
        ) from error
    if shell.json:
        write_json(msgspec.json.encode(report))
        return
    shell.say(render(report).rstrip("\n"))
