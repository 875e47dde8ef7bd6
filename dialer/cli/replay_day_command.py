"""`marcador replay`: a recorded day beside the twin's, and beside what would have been."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from campaigns.campaign import CampaignSettings, CampaignSettingsError
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.progress import Steps
from dialer.cli.shell import Shell, write_page
from dialer.cli.simulate_command import day_of
from dialer.cli.spanish import in_spanish, told_of_key
from dialer.cli.stores import existing_ledger
from dialer.cli.texts import Texts
from dialer.cli.twin_page import day_charts
from dialer.cli.twin_text import rich_table, window_cell
from dialer.core import pages
from dialer.runtime.recorded_days import (
    Recorded,
    ReplayedDay,
    read_day,
    replayed,
    settings_to_replay,
)
from dialer.simulation.twin.results import Pooled
from dialer.stores.ledger.campaigns import campaign_called

KEYS: Final = (
    "mode",
    "target_abandonment",
    "lines_per_idle_agent",
    "max_lines_per_agent",
    "connect_limit_ms",
    "ring_timeout_s",
    "give_up_after_s",
    "amd",
)
"""Settings that a replay can change: those that the pacer, or the ringing, depends on."""


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    campaign: str
    day: str | None
    changes: tuple[str, ...]
    """`key=value`, as given."""
    agents: str
    seed: int
    runs: int
    html: Path | None


def run_replay_day(shell: Shell, options: ReplayOptions) -> None:
    """Read the day, live it twice more, and set the three side by side."""
    changes = dict(_change(shell, given) for given in options.changes)
    agents = _agents(shell, options.agents)
    day = day_of(shell, options.day)

    async def work() -> ReplayedDay:
        async with existing_ledger(shell) as ledger:
            async with ledger.read() as conn:
                campaign = await campaign_called(conn, options.campaign)
            changed = settings_to_replay(campaign.settings, changes)
            found, began, recorded = await read_day(ledger, campaign, day)
        seeds = range(options.seed, options.seed + options.runs)
        total = round(2 * len(seeds) * recorded.duration_s)
        with Steps(shell.err, shell.texts.say("Repitiendo", "Replaying"), total) as steps:
            return replayed(
                campaign, found, began, recorded, changed, agents, seeds,
                lambda done_s: steps.at(round(done_s)),
            )  # fmt: skip

    try:
        result = shell.run(work())
    except CampaignSettingsError as error:
        value = changes.get(error.key)
        spanish = told_of_key(error.key, error.problem) or in_spanish(error.problem)
        raise CliError(
            ExitCode.BAD_INPUT,
            f"--set {error.key}={value}: {shell.texts.say(spanish, error.problem)}",
            shell.texts.say(
                "un replay no puede pedir más de lo que una campaña puede tener",
                "a replay cannot ask for more than a campaign may be set to",
            ),
        ) from error
    if options.html is not None:
        write_page(shell, options.html, lambda: replay_page(shell.texts, result))
    if shell.json:
        shell.answer(result)
        return
    titles, rows = side_by_side(shell.texts, result)
    shell.out.print(rich_table(titles, rows, title_of(shell.texts, result)))
    for line in verdicts(shell.texts, result):
        shell.say(f"• {line}")
    for note in result.notes:
        shell.say(shell.texts.say(*note), style="dim")


def _change(shell: Shell, given: str) -> tuple[str, object]:
    key, mark, text = given.partition("=")
    key = key.strip()
    if not mark or key not in KEYS:
        near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.3)
        guess = f"{near[0]}=..." if near else f"{KEYS[1]}=0.02"
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(
                f"--set {given}: se espera clave=valor, con una de {', '.join(KEYS)}",
                f"--set {given}: key=value is due, with one of {', '.join(KEYS)}",
            ),
            shell.texts.say(f"¿quiso decir --set {guess}?", f"did you mean --set {guess}?"),
        )
    try:
        return key, msgspec.json.decode(text.strip())
    except msgspec.DecodeError:
        return key, text.strip()


def _agents(shell: Shell, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"--agents {text}: se espera un número", f"--agents {text}: a number"),
            shell.texts.say("por ejemplo --agents +2", "for example --agents +2"),
        ) from error


# --- words ----------------------------------------------------------------------------------


def title_of(texts: Texts, result: ReplayedDay) -> str:
    return f"{result.campaign}: {result.day} ({result.timezone})"


def changes_of(texts: Texts, result: ReplayedDay) -> str:
    """What was changed, in short."""
    told = []
    for key in KEYS:
        values = [_setting(settings, key) for settings in (result.settings, result.changed)]
        if values[0] != values[1]:
            told.append(f"{key} {values[0]} → {values[1]}")
    if result.agents:
        told.append(f"{result.agents:+d} {texts.say('agentes', 'agents')}")
    return ", ".join(told) or texts.say("nada cambiado", "nothing changed")


def _setting(settings: CampaignSettings, key: str) -> str:
    value = getattr(settings, key)
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Figure(msgspec.Struct, frozen=True):
    """One line of the comparison."""

    name: tuple[str, str]
    recorded: Callable[[Recorded], float | None]
    twin: Callable[[Pooled], float | None]
    scale: float = 1.0
    digits: int = 0


_FIGURES: Final = (
    _Figure(("horas-agente", "agent-hours"), lambda r: r.staffed_h, lambda p: p.staffed_h, 1, 1),
    _Figure(("ocupación %", "occupancy %"), lambda r: r.occupancy,
            lambda p: p.occupancy.mean, 100, 1),
    _Figure(("espera media del agente s", "agent's mean wait s"), lambda r: r.idle_wait_mean_s,
            lambda p: p.idle_wait_mean_s, 1, 1),
    _Figure(("abandono % todo el día", "abandoned % whole day"), lambda r: r.abandoned_share,
            lambda p: p.abandoned_share, 100, 2),
    _Figure(("abandono % peores 30 min", "abandoned % worst 30 min"), lambda r: r.worst_30min,
            lambda p: p.worst_30min, 100, 2),
    _Figure(("abandono % peores 24 h", "abandoned % worst 24 h"), lambda r: r.worst_24h,
            lambda p: p.worst_24h, 100, 2),
    _Figure(("marcaciones", "dials"), lambda r: r.dials, lambda p: p.dials),
    _Figure(("respuestas de personas", "answers by people"), lambda r: r.answered,
            lambda p: p.answered),
    _Figure(("abandonadas", "abandoned"), lambda r: r.abandoned, lambda p: p.abandoned),
    _Figure(("contactos", "contacts"), lambda r: r.contacts, lambda p: p.contacts.mean),
    _Figure(("titulares", "right parties"), lambda r: r.right_party,
            lambda p: p.right_party.mean),
    _Figure(("promesas", "promises"), lambda r: r.promises, lambda p: p.promises.mean),
)  # fmt: skip


def side_by_side(texts: Texts, result: ReplayedDay) -> tuple[list[str], list[list[str]]]:
    """Recorded, twin with the same settings, twin with the changed ones, and the difference."""
    titles = [
        texts.say("cifra", "figure"),
        texts.say("grabado", "recorded"),
        texts.say("gemelo, igual", "twin, same"),
        texts.say("gemelo, cambiado", "twin, changed"),
        texts.say("diferencia", "difference"),
    ]
    rows = []
    for figure in _FIGURES:
        before, after = figure.twin(result.same), figure.twin(result.other)
        change = None if before is None or after is None else after - before
        rows.append(
            [
                texts.say(*figure.name),
                _cell(figure, figure.recorded(result.recorded)),
                _cell(figure, before),
                _cell(figure, after),
                "-" if change is None else f"{change * figure.scale:+,.{figure.digits}f}",
            ]
        )
    return titles, rows


def _cell(figure: _Figure, value: float | None) -> str:
    return "-" if value is None else f"{value * figure.scale:,.{figure.digits}f}"


def verdicts(texts: Texts, result: ReplayedDay) -> Sequence[str]:
    """What was changed, and how far the twin can be believed."""
    occupancy = 100 * (result.same.occupancy.mean - result.recorded.occupancy)
    lost = 100 * (result.same.abandoned_share - result.recorded.abandoned_share)
    return (
        texts.say(
            f"Cambiado: {changes_of(texts, result)}.", f"Changed: {changes_of(texts, result)}."
        ),
        texts.say(
            f"Con los mismos ajustes el gemelo se aparta de lo grabado en {occupancy:+.1f} puntos "
            f"de ocupación y {lost:+.2f} de abandono: diferencias menores no dicen nada.",
            f"With the same settings the twin is {occupancy:+.1f} points of occupancy and "
            f"{lost:+.2f} of abandonment off the record: smaller differences say nothing.",
        ),
        texts.say(
            f"Ocupación vista por las decisiones: {result.recorded.occupancy_seen:.1%}; peor media "
            f"hora grabada: {window_cell(texts, result.recorded.worst_30min)}.",
            f"Occupancy as the decisions saw it: {result.recorded.occupancy_seen:.1%}; worst "
            f"recorded half hour: {window_cell(texts, result.recorded.worst_30min)}.",
        ),
    )


def replay_page(texts: Texts, result: ReplayedDay) -> str:
    """The comparison as a page that stands alone."""
    days = [
        (texts.say("grabado", "recorded"), result.recorded.timeline),
        (texts.say("gemelo, igual", "twin, same"), result.same_day.timeline),
        (texts.say("gemelo, cambiado", "twin, changed"), result.other_day.timeline),
    ]
    target = result.settings.target_abandonment
    return pages.page(
        texts.language,
        title_of(texts, result),
        [
            pages.table(*side_by_side(texts, result)),
            pages.bullets(list(verdicts(texts, result))),
            *day_charts(texts, days, result.opens, target),
            *(pages.paragraph(texts.say(*note), note=True) for note in result.notes),
        ],
    )
