"""The twin's report as a page that stands alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from dialer.cli.texts import Texts
from dialer.cli.twin_text import (
    advice_lines,
    figure_rows,
    notes_of,
    segment_rows,
    staffing_rows,
    title_of,
)
from dialer.core import pages
from dialer.core.charts import Limit, Line, bar_chart, line_chart
from dialer.simulation.tally import MINUTE_S, WINDOW_MINUTES, Minute
from dialer.simulation.twin.run import TwinReport

SLOT_MINUTES: Final = 10
"""Minutes that a point of a chart stands for."""


def twin_page(texts: Texts, report: TwinReport) -> str:
    """Figures, charts of the first seed, staffing."""
    say, definition = texts.say, report.definition
    target = definition.campaign.target_abandonment
    titles = [say("cifra", "figure"), say("valor", "value")]
    parts = [
        pages.table(titles, figure_rows(texts, report.total, target)),
        *day_charts(texts, [("", report.results[0].timeline)], definition.opens, target),
    ]
    if report.staffing:
        parts += [
            pages.heading(say("Cuánta gente", "How many people")),
            staffing_chart(texts, report),
            pages.table(*staffing_rows(texts, report)),
        ]
    parts += [
        pages.bullets(advice_lines(texts, report)),
        pages.heading(say("Segmentos", "Segments")),
        pages.table(*segment_rows(texts, report.results)),
        *(pages.paragraph(note, note=True) for note in notes_of(texts, report)),
    ]
    return pages.page(texts.language, title_of(texts, report), parts)


def staffing_chart(texts: Texts, report: TwinReport) -> str:
    """Contacts, right parties and promises by size of the team."""
    sizes = sorted([report.total, *(a.size for a in report.staffing)], key=lambda s: s.agents)
    names = [
        texts.say("contactos", "contacts"),
        texts.say("titulares", "right parties"),
        texts.say("promesas", "promises"),
    ]
    agents = texts.say("agentes", "agents")
    groups = [
        (f"{s.agents} {agents}", [s.contacts.mean, s.right_party.mean, s.promises.mean])
        for s in sizes
    ]
    title = texts.say("Resultados de un día por tamaño del equipo", "A day's results by team size")
    return bar_chart(title, texts.say("al día", "a day"), groups, names)


class _Curve(NamedTuple):
    """One figure of a day over time."""

    title: tuple[str, str]
    unit: tuple[str, str]
    of: Callable[[Sequence[Minute], int, int], float | None]
    """Value of the slot between two minutes of a day; None: not known."""
    limited: bool = False
    top: float | None = None


def _occupancy(day: Sequence[Minute], first: int, until: int) -> float | None:
    staffed = sum(m.staffed for m in day[first:until])
    busy = sum(m.occupancy * m.staffed for m in day[first:until])
    return 100.0 * busy / staffed if staffed else None


def _abandonment(day: Sequence[Minute], first: int, until: int) -> float | None:
    last = day[max(0, until - WINDOW_MINUTES) : until]
    answered = sum(m.answered for m in last)
    return 100.0 * sum(m.abandoned for m in last) / answered if answered else None


def _mean_of(value: Callable[[Minute], int]) -> Callable[[Sequence[Minute], int, int], float]:
    return lambda day, first, until: sum(map(value, day[first:until])) / (until - first)


_CALLS = ("llamadas", "calls")
_CURVES: Final = (
    _Curve(("Ocupación", "Occupancy"), ("%", "%"), _occupancy, top=100.0),
    _Curve(("Abandono de los últimos 30 minutos", "Abandonment of the last 30 minutes"),
           ("%", "%"), _abandonment, limited=True),
    _Curve(("Agentes", "Agents"), ("agentes", "agents"), _mean_of(lambda m: m.staffed)),
    _Curve(("Llamadas timbrando", "Calls ringing"), _CALLS, _mean_of(lambda m: m.ringing)),
    _Curve(("Marcaciones", "Dials"), ("por minuto", "a minute"), _mean_of(lambda m: m.dials)),
)  # fmt: skip


def day_charts(
    texts: Texts, days: Sequence[tuple[str, Sequence[Minute]]], opens: int, target: float
) -> list[str]:
    """Occupancy, abandonment, agents, calls ringing and dials of one or several days, each with
    a name; the days begin at minute `opens` of the local day."""
    longest = max((len(minutes) for _, minutes in days), default=0)
    ticks = clock_ticks(opens, longest)
    limits = [
        Limit(name=texts.say("límite 3 %", "limit 3 %"), value=3.0),
        Limit(name=texts.say(f"meta {target:.1%}", f"target {target:.1%}"), value=100 * target),
    ]
    charts = []
    for curve in _CURVES:
        title = texts.say(*curve.title)
        lines = [
            Line(name=name or title, points=_points(curve, minutes, opens))
            for name, minutes in days
        ]
        charts.append(
            line_chart(
                title,
                texts.say(*curve.unit),
                lines,
                ticks,
                limits=limits if curve.limited else (),
                top=curve.top,
            )
        )
    return [
        pages.heading(texts.say(*curve.title)) + chart
        for curve, chart in zip(_CURVES, charts, strict=True)
        if chart
    ]


def clock_ticks(opens: int, minutes: int) -> list[tuple[float, str]]:
    """Whole hours, or what suits a longer or shorter day, as minutes from midnight."""
    every = next((step for step, most in ((15, 120), (60, 720)) if minutes <= most), 120)
    first = -(-opens // every) * every
    return [
        (float(at), f"{at // 60 % 24:02d}:{at % 60:02d}")
        for at in range(first, opens + minutes + 1, every)
    ]


def _points(curve: _Curve, day: Sequence[Minute], opens: int) -> list[tuple[float, float | None]]:
    points: list[tuple[float, float | None]] = []
    slot = SLOT_MINUTES if len(day) > 120 else 2
    for first in range(0, len(day), slot):
        until = min(first + slot, len(day))
        at = opens + day[first].at_s / MINUTE_S + (until - first) / 2
        points.append((at, curve.of(day, first, until)))
    return points
