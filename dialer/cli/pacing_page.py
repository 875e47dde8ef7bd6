"""How a campaign was paced, as a page that stands alone: charts, clamps, and the last decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from dialer.cli.pacing_command import CLAMPS, decision_line
from dialer.cli.texts import Texts
from dialer.core import pages
from dialer.core.charts import Limit, Line, Span, line_chart, span_chart
from dialer.core.pacing.messages import Clamp
from dialer.core.pacing_story import MINUTE_MS, PacingMinute, in_slots
from dialer.core.records import from_ms
from dialer.runtime.pacing_report import PacingReport
from dialer.simulation.tally import WINDOW_MINUTES
from dialer.stores.ledger.campaigns import Campaign

SLOTS: Final = 240
"""Points of a chart, at most."""
HELD_SHARE: Final = 1 / 3
"""A clamp is drawn where it held for that share of a slot, or more."""


class _Chart(NamedTuple):
    title: tuple[str, str]
    unit: tuple[str, str]
    lines: tuple[tuple[tuple[str, str], Callable[[PacingMinute], float | None]], ...]
    limited: bool = False
    top: float | None = None


_CHARTS: Final = (
    _Chart(("Ocupación", "Occupancy"), ("%", "%"),
           ((("ocupación", "occupancy"), lambda m: m.occupancy_pct),), top=100.0),
    _Chart(("Líneas y agentes", "Lines and agents"), ("llamadas, agentes", "calls, agents"),
           ((("timbrando", "ringing"), lambda m: m.ringing),
            (("agentes", "agents"), lambda m: m.staffed))),
    _Chart(("Abandono de los últimos 30 minutos", "Abandonment of the last 30 minutes"),
           ("%", "%"),
           ((("abandono", "abandoned"), lambda m: m.abandoned_pct),), limited=True),
    _Chart(("Llamadas", "Calls"), ("por tramo", "a slot"),
           ((("pedidas", "asked"), lambda m: float(m.calls_asked)),
            (("marcadas", "dialed"), lambda m: float(m.dialed)),
            (("atendidas", "answered"), lambda m: float(m.answered)))),
    _Chart(("Tolerancia", "Tolerance"), ("riesgo", "risk"),
           ((("tolerancia", "tolerance"), lambda m: m.tolerance),)),
)  # fmt: skip


def pacing_page(texts: Texts, campaign: Campaign, report: PacingReport, zone: ZoneInfo) -> str:
    """The period of a report, in the campaign's local time."""
    slots = in_slots(report.minutes, SLOTS)
    width_ms = _width_ms(report.minutes)
    ticks = _ticks(slots, width_ms, zone)
    target = campaign.settings.target_abandonment
    limits = [
        Limit(name=texts.say("límite 3 %", "limit 3 %"), value=3.0),
        Limit(name=texts.say(f"meta {target:.1%}", f"target {target:.1%}"), value=100 * target),
    ]
    parts = [
        pages.paragraph(
            texts.say(
                f"Tramos de {width_ms // MINUTE_MS} min, hora de {zone.key}.",
                f"Slots of {width_ms // MINUTE_MS} min, time in {zone.key}.",
            ),
            note=True,
        )
    ]
    for chart in _CHARTS:
        title = texts.say(*chart.title)
        known = _lost_lately(slots, report.minutes, width_ms) if chart.limited else slots
        lines = [
            Line(name=texts.say(*name), points=_points(known, width_ms, value))
            for name, value in chart.lines
        ]
        parts.append(pages.heading(title))
        parts.append(
            line_chart(
                title,
                texts.say(*chart.unit),
                lines,
                ticks,
                limits=limits if chart.limited else (),
                top=chart.top,
            )
        )
    parts.append(_clamps(texts, slots, width_ms, ticks))
    decided = [decision_line(texts, logged, zone) for logged in report.decisions]
    heading = texts.say("Últimas decisiones", "Last decisions")
    parts.append(pages.folded(heading, pages.bullets(decided)))
    title = texts.say(f"Ritmo de {campaign.name}", f"Pacing of {campaign.name}")
    return pages.page(texts.language, title, parts)


def _clamps(
    texts: Texts,
    slots: Sequence[PacingMinute],
    width_ms: int,
    ticks: Sequence[tuple[float, str]],
) -> str:
    """When which clamp held."""
    heading = texts.say("Qué frenó o empujó al ritmo", "What held the pacing back, or pushed it")
    names = list(dict.fromkeys(name for slot in slots for name in slot.clamp_s))
    if not names:
        return ""
    width = width_ms / MINUTE_MS
    spans = [
        Span(name=_clamp_name(texts, name), from_x=at, to_x=at + width)
        for slot in slots
        for name, seconds in slot.clamp_s.items()
        if seconds >= HELD_SHARE * 60.0 * width
        for at in (slot.at_ms / MINUTE_MS,)
    ]
    rows = [_clamp_name(texts, name) for name in names]
    total_s = max(1.0, 60.0 * width * len(slots))
    shares = [
        (_clamp_name(texts, name), f"{sum(s.clamp_s.get(name, 0.0) for s in slots) / total_s:.1%}")
        for name in names
    ]
    share = texts.say("parte del tiempo", "share of time")
    return (
        pages.heading(heading)
        + span_chart(heading, rows, spans, ticks)
        + pages.table([texts.say("qué", "what"), share], shares)
    )


def _clamp_name(texts: Texts, name: str) -> str:
    clamp, _, cap = name.partition(":")
    told = texts.say(*CLAMPS[Clamp(clamp)])
    return f"{told} {cap}" if cap else told


def _points(
    slots: Sequence[PacingMinute],
    width_ms: int,
    value: Callable[[PacingMinute], float | None],
) -> list[tuple[float, float | None]]:
    """Values over minutes, with a gap where slots are missing."""
    points: list[tuple[float, float | None]] = []
    last_ms: int | None = None
    for slot in slots:
        if last_ms is not None and slot.at_ms - last_ms > width_ms:
            points.append(((last_ms + width_ms) / MINUTE_MS, None))
        points.append((slot.at_ms / MINUTE_MS, value(slot)))
        last_ms = slot.at_ms
    return points


def _lost_lately(
    slots: Sequence[PacingMinute], minutes: Sequence[PacingMinute], width_ms: int
) -> list[PacingMinute]:
    """The slots with the abandonment of the half hour that ends with each: a minute's says
    little."""
    found = []
    for slot in slots:
        until_ms = slot.at_ms + width_ms
        since_ms = until_ms - WINDOW_MINUTES * MINUTE_MS
        last = [m for m in minutes if since_ms <= m.at_ms < until_ms]
        answered = sum(m.answered for m in last)
        share = 100.0 * sum(m.abandoned for m in last) / answered if answered else None
        found.append(msgspec.structs.replace(slot, abandoned_pct=share))
    return found


def _width_ms(minutes: Sequence[PacingMinute]) -> int:
    span = (minutes[-1].at_ms - minutes[0].at_ms) // MINUTE_MS + 1 if minutes else 1
    return -(-span // SLOTS) * MINUTE_MS


def _ticks(slots: Sequence[PacingMinute], width_ms: int, zone: ZoneInfo) -> list[tuple[float, str]]:
    if not slots:
        return []
    first, last = slots[0].at_ms // MINUTE_MS, (slots[-1].at_ms + width_ms) // MINUTE_MS
    steps = (5, 10, 15, 30, 60, 120, 180)
    every = next((step for step in steps if (last - first) / step <= 12), steps[-1])
    return [
        (float(at), f"{from_ms(at * MINUTE_MS).astimezone(zone):%H:%M}")
        for at in range(-(-first // every) * every, last + 1, every)
    ]
