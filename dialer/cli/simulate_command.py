"""`marcador simulate`: a shift on virtual time, of a scenario, a definition or a campaign."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from campaigns.campaign import changed_settings
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.progress import Steps
from dialer.cli.shell import Shell, write_json, write_page
from dialer.cli.spanish import told_of_key
from dialer.cli.stores import existing_ledger
from dialer.core.pacing import Law
from dialer.simulation.report import config_for, render, scenario, simulate
from dialer.simulation.twin.definition import MAX_AGENTS, ShiftSpec, TwinDefinition
from dialer.simulation.twin.reading import (
    SUFFIXES,
    DefinitionError,
    read_definition,
    schema,
)
from dialer.simulation.twin.run import Case, TwinReport, run_case, sizes_around, total_s
from dialer.simulation.worlds import SCENARIOS


class SimulateOptions(msgspec.Struct, frozen=True, kw_only=True):
    world: str
    """Name of a scenario, or a definition's file."""
    campaign: str | None = None
    agents: int | None = None
    seed: int = 1
    runs: int = 1
    hours: float | None = None
    law: str | None = None
    target: float | None = None
    start: str = "09:00"
    day: str | None = None
    staff: str = "auto"
    html: Path | None = None
    schema: bool = False
    definition: bool = False


def run_simulate(shell: Shell, options: SimulateOptions) -> None:
    """Run what was asked for, and report."""
    if options.schema:
        write_json(msgspec.json.encode(schema()))
    elif options.campaign is not None:
        _run_twin(shell, options, _campaign_case(shell, options))
    elif Path(options.world).suffix.lower() in SUFFIXES:
        _run_twin(shell, options, _file_case(shell, options))
    else:
        _run_scenario(shell, options)


# --- the twin -----------------------------------------------------------------------------------


def _run_twin(shell: Shell, options: SimulateOptions, case: Case) -> None:
    if options.definition:
        write_json(msgspec.json.encode(case.definition))
        return
    seeds = range(options.seed, options.seed + options.runs)
    sizes = _sizes(shell, options, case.definition.agents)
    title = shell.texts.say("Simulando", "Simulating")
    with Steps(shell.err, title, round(total_s(case, seeds, sizes))) as steps:
        report = run_case(case, seeds, sizes, lambda done_s: steps.at(round(done_s)))
    if options.html is not None:
        write_page(shell, options.html, lambda: _page(shell, report))
    if shell.json:
        shell.answer(report)
        return
    from dialer.cli.twin_text import tell

    tell(shell, report)


def _page(shell: Shell, report: TwinReport) -> str:
    from dialer.cli.twin_page import twin_page

    return twin_page(shell.texts, report)


def _file_case(shell: Shell, options: SimulateOptions) -> Case:
    from dialer.bootstrap import load_rule_packs
    from dialer.runtime.twin_cases import case_of_definition

    try:
        definition = read_definition(Path(options.world))
        definition = _changed(shell, options, definition)
    except DefinitionError as error:
        raise definition_error(shell, options.world, error) from error
    return case_of_definition(definition, load_rule_packs(shell.config), datetime.now(UTC))


def _campaign_case(shell: Shell, options: SimulateOptions) -> Case:
    from dialer.bootstrap import load_rule_packs
    from dialer.runtime.twin_cases import case_of_campaign
    from dialer.stores.ledger.campaigns import campaign_called

    name = str(options.campaign)
    shift = _shift(shell, options)

    async def work() -> Case:
        async with existing_ledger(shell) as ledger:
            async with ledger.read() as conn:
                campaign = await campaign_called(conn, name)
            # Before the gate is asked: the law looks at the mode.
            settings = changed_settings(campaign.settings, _asked(options))
            campaign = msgspec.structs.replace(campaign, settings=settings)
            return await case_of_campaign(
                ledger,
                load_rule_packs(shell.config),
                campaign,
                shift=shift,
                day=day_of(shell, options.day),
                now=datetime.now(UTC),
            )

    return shell.run(work())


def _shift(shell: Shell, options: SimulateOptions) -> ShiftSpec:
    """One shift without pauses: of a campaign the ledger knows no rota."""
    tree: dict[str, object] = {"agents": 20 if options.agents is None else options.agents}
    hours, minutes = divmod(_minutes(options.start) + round(60 * (options.hours or 8.0)), 60)
    tree |= {"start": options.start, "end": f"{hours:02d}:{minutes:02d}"}
    try:
        return msgspec.convert(tree, ShiftSpec)
    except msgspec.ValidationError as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"El turno no sirve: {error}", f"The shift cannot be used: {error}"),
            shell.texts.say(
                "por ejemplo --agents 20 --from 09:00 --hours 8; el turno acaba a las 24:00 a "
                "más tardar",
                "for example --agents 20 --from 09:00 --hours 8; a shift ends by 24:00",
            ),
        ) from error


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return 60 * int(hours) + int(minutes) if hours.isdigit() and minutes.isdigit() else 0


def _asked(options: SimulateOptions) -> dict[str, object]:
    """Settings of the campaign that the command line asks for otherwise."""
    asked = {"mode": options.law, "target_abandonment": options.target}
    return {key: value for key, value in asked.items() if value is not None}


def _changed(shell: Shell, options: SimulateOptions, definition: TwinDefinition) -> TwinDefinition:
    """The definition with what the command line asks for otherwise. Raises
    `CampaignSettingsError`."""
    campaign = changed_settings(definition.campaign, _asked(options))
    changed = msgspec.structs.replace(definition, campaign=campaign)
    if options.day is not None:
        changed = msgspec.structs.replace(changed, date=day_of(shell, options.day))
    if options.agents is not None and options.agents != changed.agents:
        from dialer.simulation.twin.definition import resized

        _check_size(shell, options.agents)
        changed = resized(changed, options.agents)
    return changed


def day_of(shell: Shell, text: str | None) -> date | None:
    """A day of the command line."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"{text!r} no es un día", f"{text!r} is no day"),
            shell.texts.say("escriba AAAA-MM-DD, como 2026-11-30", "write YYYY-MM-DD"),
        ) from error


def _sizes(shell: Shell, options: SimulateOptions, agents: int) -> tuple[int, ...]:
    """Sizes of the team to look at beside the definition's."""
    if options.staff == "auto":
        return sizes_around(agents)
    if options.staff == "none":
        return ()
    parts = [part.strip() for part in options.staff.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(
                f"--staff {options.staff}: se esperan números de agentes",
                f"--staff {options.staff}: numbers of agents are due",
            ),
            shell.texts.say(
                "por ejemplo --staff 8,10,12; o auto, o none",
                "for example --staff 8,10,12; or auto, or none",
            ),
        )
    for part in parts:
        _check_size(shell, int(part))
    return tuple(map(int, parts))


def _check_size(shell: Shell, agents: int) -> None:
    if not 1 <= agents <= MAX_AGENTS:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(
                f"{agents} agentes: deben ser de 1 a {MAX_AGENTS}",
                f"{agents} agents: there must be 1 to {MAX_AGENTS}",
            ),
            shell.texts.say("elija otro número", "choose another number"),
        )


def definition_error(shell: Shell, source: str, error: DefinitionError) -> CliError:
    """What is wrong with a definition, in words: key, value, reason, how to mend it."""
    shown = "" if error.value is None else f" = {_short(error.value)}"
    head = shell.texts.say("La definición no sirve", "The definition cannot be used")
    spanish = told_of_key(error.key.rpartition(".")[2], error.reason[1]) or error.reason[0]
    reason = shell.texts.say(spanish, error.reason[1])
    return CliError(
        ExitCode.BAD_INPUT,
        f"{head}: {source}: {error.key}{shown}: {reason}",
        shell.texts.say(*error.mend),
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- scenarios ----------------------------------------------------------------------------------


def _run_scenario(shell: Shell, options: SimulateOptions) -> None:
    """A scenario under a law, beside the progressive one."""
    if options.html is not None:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(
                "--html es de definiciones y campañas, no de escenarios",
                "--html is for definitions and campaigns, not for scenarios",
            ),
            shell.texts.say(
                "por ejemplo `marcador simulate docs/examples/twin.toml --html dia.html`",
                "for example `marcador simulate docs/examples/twin.toml --html day.html`",
            ),
        )
    if options.law == Law.PREVIEW:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(
                "en los escenarios nadie mira cuentas antes de llamar",
                "in scenarios nobody looks at accounts before calling",
            ),
            shell.texts.say(
                "simule una definición o una campaña con --mode preview",
                "simulate a definition or a campaign with --mode preview",
            ),
        )
    try:
        world = scenario(options.world, 20 if options.agents is None else options.agents)
        if options.hours is not None:
            world = msgspec.structs.replace(world, duration_s=options.hours * 3600.0)
        config = config_for(world, Law(options.law or Law.PREDICTIVE))
        if options.target is not None:
            config = msgspec.structs.replace(config, target_abandonment=options.target)
        seeds = tuple(range(options.seed, options.seed + options.runs))
        report = simulate(world, config, seeds)
    except ValueError as error:
        names = ", ".join(SCENARIOS)
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"No se puede simular: {error}", f"That cannot be simulated: {error}"),
            shell.texts.say(
                f"escenarios: {names}; o un archivo {', '.join(SUFFIXES)}; o --campaign NOMBRE",
                f"scenarios: {names}; or a file {', '.join(SUFFIXES)}; or --campaign NAME",
            ),
        ) from error
    if shell.json:
        write_json(msgspec.json.encode(report))
        return
    shell.say(render(report).rstrip("\n"))
