"""Charts as inline SVG, for pages that need no network and no script. Pure.

A chart is honest: the value axis begins at zero unless it is told otherwise, units stand at the
axis, a time that nothing is known of is a gap and never a line, and limits are drawn where they
are. Colour is never alone: lines differ in dash as well, and each point's series is in the legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final

import msgspec

WIDTH: Final = 860
HEIGHT: Final = 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 34, 40
_DASHES: Final = ("", "6 3", "2 3", "8 3 2 3")
COLORS: Final = ("#1f5f8b", "#b5442e", "#3f7d4f", "#7a5195", "#946b00")
"""Readable on white, and told apart by people who do not see red and green."""
STYLE: Final = (
    "svg.chart{font:12px system-ui,sans-serif;max-width:100%;height:auto;background:#fff}"
    ".chart .grid{stroke:#ddd}.chart .axis{stroke:#555}.chart text{fill:#222}"
    ".chart .limit{stroke:#b00020;stroke-dasharray:4 4}.chart .limit-name{fill:#b00020}"
)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One series over time."""

    name: str
    points: Sequence[tuple[float, float | None]]
    """Place on the axis and value, in the order of the axis; None: nothing is known."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A value that must not be passed, or is aimed at."""

    name: str
    value: float


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the axis in which something held."""

    name: str
    from_x: float
    to_x: float


def line_chart(
    title: str,
    unit: str,
    lines: Sequence[Line],
    ticks: Sequence[tuple[float, str]],
    *,
    limits: Sequence[Limit] = (),
    top: float | None = None,
) -> str:
    """Values over an axis whose `ticks` name places. `top` is the highest value shown; None: as
    high as the values and limits go."""
    xs = [x for line in lines for x, _ in line.points]
    if not xs:
        return ""
    known = [y for line in lines for _, y in line.points if y is not None]
    highest = max([*known, *(limit.value for limit in limits)], default=0.0) if top is None else top
    places = [*xs, *(x for x, _ in ticks)]
    scale = _Scale(min(places), max(places), _nice(highest))
    body = _grid(scale, ticks, unit)
    for limit in limits:
        y = scale.y(limit.value)
        body.append(f'<line class="limit" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        body.append(
            f'<text class="limit-name" x="{WIDTH - _RIGHT}" y="{y - 3}" text-anchor="end">'
            f"{escape(limit.name)}</text>"
        )
    for place, line in enumerate(lines):
        for run in _runs(line.points):
            path = " ".join(f"{scale.x(x)},{scale.y(y)}" for x, y in run)
            dash = _DASHES[place % len(_DASHES)]
            body.append(
                f'<polyline fill="none" stroke="{COLORS[place % len(COLORS)]}" stroke-width="1.6"'
                f' stroke-dasharray="{dash}" points="{path}"/>'
            )
    return _svg(title, [*_legend([line.name for line in lines]), *body], HEIGHT)


def span_chart(
    title: str, rows: Sequence[str], spans: Sequence[Span], ticks: Sequence[tuple[float, str]]
) -> str:
    """When each of several things held: a row each, over the axis of a line chart."""
    if not ticks or not rows:
        return ""
    height = _TOP + 20 * len(rows) + _BOTTOM
    places = [x for x, _ in ticks]
    ends = [x for span in spans for x in (span.from_x, span.to_x)]
    scale = _Scale(min([*places, *ends]), max([*places, *ends]), 1.0)
    body = [_tick(scale, x, name, height - _BOTTOM) for x, name in ticks]
    for row, name in enumerate(rows):
        y = _TOP + 20 * row
        body.append(f'<text x="{_LEFT}" y="{y + 9}">{escape(name)}</text>')
        for span in spans:
            if span.name == name:
                left, right = scale.x(span.from_x), scale.x(span.to_x)
                body.append(
                    f'<rect x="{left}" y="{y + 12}" width="{max(1.0, round(right - left, 1))}"'
                    f' height="6" fill="{COLORS[row % len(COLORS)]}"/>'
                )
    return _svg(title, body, height)


def bar_chart(
    title: str, unit: str, groups: Sequence[tuple[str, Sequence[float]]], names: Sequence[str]
) -> str:
    """Groups of bars side by side; each value stands above its bar."""
    values = [value for _, bars in groups for value in bars]
    if not values:
        return ""
    scale = _Scale(0.0, float(len(groups)), _nice(max(values)))
    body = _grid(scale, [(n + 0.5, name) for n, (name, _) in enumerate(groups)], unit)
    width = 0.8 * (scale.x(1.0) - scale.x(0.0)) / max(1, len(names))
    for n, (_, bars) in enumerate(groups):
        for place, value in enumerate(bars):
            x = scale.x(n + 0.1) + width * place
            y = scale.y(value)
            body.append(
                f'<rect x="{x:.1f}" y="{y}" width="{max(1.0, width - 2):.1f}"'
                f' height="{round(HEIGHT - _BOTTOM - y, 1)}"'
                f' fill="{COLORS[place % len(COLORS)]}"/>'
                f'<text x="{x + width / 2:.1f}" y="{y - 3}" text-anchor="middle" font-size="10">'
                f"{_number(value)}</text>"
            )
    return _svg(title, [*_legend(names), *body], HEIGHT)


class _Scale:
    """From values to places on the picture."""

    def __init__(self, left: float, right: float, top: float) -> None:
        self._left = left
        self._per_x = (WIDTH - _LEFT - _RIGHT) / max(right - left, 1e-9)
        self._per_y = (HEIGHT - _TOP - _BOTTOM) / top
        self.top = top

    def x(self, value: float) -> float:
        return round(_LEFT + (value - self._left) * self._per_x, 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - _BOTTOM - min(max(value, 0.0), self.top) * self._per_y, 1)


def _grid(scale: _Scale, ticks: Sequence[tuple[float, str]], unit: str) -> list[str]:
    body = []
    for part in range(5):
        value = scale.top * part / 4
        y = scale.y(value)
        body.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        body.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{_number(value)}</text>')
    body.append(f'<text x="4" y="{_TOP - 8}">{escape(unit)}</text>')
    bottom = HEIGHT - _BOTTOM
    body.append(
        f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    )
    body += [_tick(scale, x, name, bottom) for x, name in ticks]
    return body


def _tick(scale: _Scale, x: float, name: str, bottom: float) -> str:
    place = scale.x(x)
    return (
        f'<line class="axis" x1="{place}" x2="{place}" y1="{bottom}" y2="{bottom + 4}"/>'
        f'<text x="{place}" y="{bottom + 17}" text-anchor="middle">{escape(name)}</text>'
    )


def _legend(names: Sequence[str]) -> list[str]:
    body: list[str] = []
    x = float(_LEFT + 60)
    for place, name in enumerate(names):
        color, dash = COLORS[place % len(COLORS)], _DASHES[place % len(_DASHES)]
        body.append(
            f'<line x1="{x:.0f}" x2="{x + 22:.0f}" y1="{_TOP - 12}" y2="{_TOP - 12}"'
            f' stroke="{color}" stroke-width="3" stroke-dasharray="{dash}"/>'
            f'<text x="{x + 27:.0f}" y="{_TOP - 8}">{escape(name)}</text>'
        )
        x += 45 + 7.0 * len(name)
    return body


def _svg(title: str, body: Sequence[str], height: float) -> str:
    return (
        f'<svg class="chart" role="img" aria-label="{escape(title, quote=True)}"'
        f' xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}"'
        f' width="{WIDTH}" height="{height:.0f}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fff"/>{"".join(body)}</svg>'
    )


def _runs(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Stretches without a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append((x, y))
    return [run for run in runs if run]


def _nice(value: float) -> float:
    """The next value above that divides into four round parts."""
    if value <= 0.0:
        return 1.0
    unit = 10.0 ** floor(log10(value))
    for factor in (1.0, 2.0, 4.0, 6.0, 8.0, 10.0):
        if value <= factor * unit * 1.0000001:
            return factor * unit
    return 10.0 * unit * ceil(value / (10.0 * unit))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
