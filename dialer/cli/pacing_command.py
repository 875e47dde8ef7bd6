"""`marcador campaign pacing`: how a campaign was paced, as a table, a graph, and decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from rich.table import Table

from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell, write_page
from dialer.cli.stores import existing_ledger
from dialer.cli.texts import Texts
from dialer.core.pacing.messages import Clamp
from dialer.core.pacing_story import MINUTE_MS, LoggedDecision, PacingMinute, in_slots
from dialer.core.records import from_ms
from dialer.runtime.pacing_report import PacingReport, report_pacing
from dialer.stores.ledger.campaigns import Campaign, campaign_called
from dialer.stores.ledger.pacing_reads import PacingReader

TABLE_ROWS: Final = 20
GRAPH_COLUMNS: Final = 60
BLOCKS: Final = "▁▂▃▄▅▆▇█"
CLAMPS: Final[dict[Clamp, tuple[str, str]]] = {
    Clamp.NONE: ("libre", "free"),
    Clamp.PROGRESSIVE_FLOOR: ("mínimo: una por agente libre", "floor: one an idle agent"),
    Clamp.BUDGET: ("presupuesto de abandono usado", "abandonment budget used up"),
    Clamp.COLD_START: ("arranque en frío", "cold start"),
    Clamp.RAMP: ("subida gradual", "ramp"),
    Clamp.JUMP_RESERVE: ("reserva para un salto de la tasa", "reserve for a jump"),
    Clamp.MAX_LINES: ("líneas por agente", "lines per agent"),
    Clamp.CAP: ("tope", "cap"),
    Clamp.BAD_SNAPSHOT: ("reloj incorrecto", "wrong clock"),
}


def show_pacing(
    shell: Shell, name: str, *, minutes: int, decisions: int, html: Path | None = None
) -> None:
    """The last so many minutes up to the newest decision."""
    campaign, report = shell.run(_read(shell, name, minutes, decisions))
    if report is None:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(
                f"De {campaign.name!r} no hay decisiones de ritmo",
                f"There are no pacing decisions of {campaign.name!r}",
            ),
            shell.texts.say(
                "se guardan 35 días, desde que la campaña marca",
                "they are kept for 35 days, from when the campaign dials",
            ),
        )
    zone = ZoneInfo(campaign.settings.timezone)
    if html is not None:
        from dialer.cli.pacing_page import pacing_page

        write_page(shell, html, lambda: pacing_page(shell.texts, campaign, report, zone))
    if shell.json:
        shell.answer(report)
        return
    shell.out.print(_table(shell.texts, in_slots(report.minutes, TABLE_ROWS), zone))
    for line in graph(shell.texts, in_slots(report.minutes, GRAPH_COLUMNS)):
        shell.say(line)
    for logged in report.decisions:
        shell.say(decision_line(shell.texts, logged, zone))


async def _read(
    shell: Shell, name: str, minutes: int, decisions: int
) -> tuple[Campaign, PacingReport | None]:
    async with existing_ledger(shell) as ledger:
        async with ledger.read() as conn:
            found = await campaign_called(conn, name)
        newest_ms = await PacingReader(ledger).newest_ms(found.campaign_id)
        if newest_ms is None:
            return found, None
        until_ms = newest_ms + 1
        from_ms = until_ms - minutes * MINUTE_MS
        return found, await report_pacing(ledger, found.campaign_id, from_ms, until_ms, decisions)


def _table(texts: Texts, slots: Sequence[PacingMinute], zone: ZoneInfo) -> Table:
    table = Table(title=f"{texts.say('Hora de', 'Time in')} {zone.key}")
    for title in (
        texts.say("desde", "from"),
        texts.say("agentes", "agents"),
        texts.say("ocupación %", "occupancy %"),
        texts.say("pedidas", "asked"),
        texts.say("marcadas", "dialed"),
        texts.say("atendidas", "answered"),
        texts.say("abandono %", "abandoned %"),
        texts.say("tolerancia", "tolerance"),
    ):
        table.add_column(title, justify="right")
    for slot in slots:
        table.add_row(
            _time(slot.at_ms, zone).strftime("%d.%m. %H:%M"),
            _number(slot.staffed, ".1f"),
            _number(slot.occupancy_pct, ".1f"),
            f"{slot.calls_asked:,}",
            f"{slot.dialed:,}",
            f"{slot.answered:,}",
            _number(slot.abandoned_pct, ".2f"),
            _number(slot.tolerance, ".4f"),
        )
    return table


def graph(texts: Texts, slots: Sequence[PacingMinute]) -> list[str]:
    """A line of blocks for each of three figures; a gap is a time that nothing is known of."""
    rows = (
        (texts.say("marcadas", "dialed"), [float(s.dialed) for s in slots], None),
        (texts.say("abandono %", "abandoned %"), [s.abandoned_pct for s in slots], None),
        (texts.say("ocupación %", "occupancy %"), [s.occupancy_pct for s in slots], 100.0),
    )
    lines = []
    for title, values, top in rows:
        highest = top if top is not None else max(_known(values), default=0.0)
        blocks = "".join(_block(value, highest) for value in values)
        lines.append(f"{title:>12} {blocks} 0-{highest:g}")
    return lines


def decision_line(texts: Texts, logged: LoggedDecision, zone: ZoneInfo) -> str:
    """One decision: when, how many calls, what bound it, and the law's own reason."""
    decision = logged.decision
    bound = texts.say(*CLAMPS[decision.clamp])
    if decision.cap_name:
        bound += f" {decision.cap_name}"
    calls = texts.say("llamadas", "calls")
    at = _time(logged.at_ms, zone).strftime("%H:%M:%S")
    return f"{at} {decision.law}: {decision.calls_to_place} {calls} ({bound}); {decision.reason}"


def _block(value: float | None, highest: float) -> str:
    if value is None:
        return " "
    share = value / highest if highest > 0 else 0.0
    return BLOCKS[min(len(BLOCKS) - 1, int(share * len(BLOCKS)))]


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _time(at_ms: int, zone: ZoneInfo) -> datetime:
    return from_ms(at_ms).astimezone(zone)
