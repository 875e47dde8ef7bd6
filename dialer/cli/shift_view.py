"""What `marcador run` shows in the terminal while a campaign works."""

from __future__ import annotations

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dialer.cli.texts import Texts
from dialer.core.figures import LiveFigures

BAR_CHARS = 40
RULES_SHOWN = 6
CODES_SHOWN = 8


def draw(figures: LiveFigures, texts: Texts, *, url: str, speed: float) -> RenderableType:
    """The whole board."""
    head = Text.assemble(
        (f" {figures.campaign} ", "bold white on blue"),
        f"  {texts('state')}: ",
        (texts(f"state_{figures.state}"), "bold"),
        f"  {figures.at:%Y-%m-%d %H:%M:%S} UTC",
        f"  x{speed:g}" if speed != 1 else "",
        f"  {url}",
    )
    return Group(
        head,
        Columns([_calls(figures, texts), _agents(figures, texts), _queue(figures, texts)]),
        Columns([_blocked(figures, texts), _outcomes(figures, texts)]),
    )


def _calls(figures: LiveFigures, texts: Texts) -> Panel:
    table = _table()
    table.add_row(texts("dialed"), f"{figures.dialed:,}")
    table.add_row(texts("ringing"), f"{figures.ringing:,}")
    table.add_row(texts("answered"), f"{figures.answered:,}")
    table.add_row(texts("connected"), f"{figures.connected:,}")
    style = "red bold" if figures.abandoned_pct > 3 else "green"
    share = Text(f"{figures.abandoned:,}  ({figures.abandoned_pct:.2f} %)", style=style)
    table.add_row(texts("abandoned"), share)
    table.add_row(texts("connect_p99"), f"{figures.connect_p99_ms} ms")
    return Panel(table, title=texts("calls"), width=42)


def _agents(figures: LiveFigures, texts: Texts) -> Panel:
    table = _table()
    agents = figures.agents
    for state in ("ready", "reserved", "on_call", "wrap_up", "paused"):
        # Whoever helps a colleague is on a call too.
        helping = agents.get("consulted", 0) if state == "on_call" else 0
        table.add_row(texts(f"agent_{state}"), str(agents.get(state, 0) + helping))
    table.add_row(texts("occupancy"), Text(f"{figures.occupancy_pct:.1f} %", style="bold"))
    table.add_row(texts("right_party"), f"{figures.right_party:,}")
    table.add_row(texts("promises"), f"{figures.promises:,}")
    return Panel(table, title=texts("agents"), width=34)


def _queue(figures: LiveFigures, texts: Texts) -> Panel:
    table = _table()
    total = sum(figures.queue.values()) or 1
    for state in ("ready", "waiting", "leased", "done"):
        count = figures.queue.get(state, 0)
        bar = "█" * round(12 * count / total)
        table.add_row(texts(f"queue_{state}"), f"{count:,}", Text(bar, style="cyan"))
    table.add_row(texts("pacing"), f"+{figures.calls_to_place}", "")
    return Panel(table, title=texts("queue"), width=42)


def _blocked(figures: LiveFigures, texts: Texts) -> Panel:
    table = _table()
    rules = list(figures.blocked_by_rule.items())[:RULES_SHOWN]
    for rule, count in rules:
        table.add_row(rule, f"{count:,}")
    if not rules:
        table.add_row(texts("none"), "0")
    return Panel(table, title=f"{texts('blocked')}: {figures.blocked:,}", width=58)


def _outcomes(figures: LiveFigures, texts: Texts) -> Panel:
    table = _table()
    for code, count in list(figures.outcomes.items())[:CODES_SHOWN]:
        table.add_row(texts.code(code), f"{count:,}")
    return Panel(table, title=texts("outcomes"), width=58)


def _table() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    return table
