"""Charts and pages: well formed, to scale, and honest about gaps."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.core import pages
from dialer.core.charts import Limit, Line, Span, bar_chart, line_chart, span_chart

SVG = "{http://www.w3.org/2000/svg}"
TICKS = [(0.0, "09:00"), (60.0, "10:00")]


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314


def lines_of(svg: str) -> list[list[tuple[float, float]]]:
    """Points of each stretch of line."""
    return [
        [
            (float(x), float(y))
            for x, y in (pair.split(",") for pair in line.get("points", "").split())
        ]
        for line in drawn(svg).iter(f"{SVG}polyline")
    ]


def test_a_gap_is_no_line() -> None:
    points = [(0.0, 1.0), (10.0, 2.0), (20.0, None), (30.0, 3.0), (40.0, 4.0)]
    stretches = lines_of(line_chart("t", "%", [Line(name="a", points=points)], TICKS))
    assert [len(stretch) for stretch in stretches] == [2, 2]


def test_the_axis_begins_at_zero_and_values_keep_their_proportions() -> None:
    line = Line(name="a", points=[(0.0, 0.0), (30.0, 50.0), (60.0, 100.0)])
    ((bottom, middle, top),) = [
        [y for _, y in stretch]
        for stretch in lines_of(line_chart("t", "%", [line], TICKS, top=100.0))
    ]
    assert bottom > middle > top
    assert bottom - middle == pytest.approx(middle - top, abs=0.2)


def test_every_hour_that_is_named_lies_on_the_axis() -> None:
    line = Line(name="a", points=[(5.0, 1.0), (55.0, 2.0)])
    svg = drawn(line_chart("t", "%", [line], TICKS))
    ((first, _), (last, _)) = lines_of(line_chart("t", "%", [line], TICKS))[0]
    names = [float(t.get("x", "0")) for t in svg.iter(f"{SVG}text") if t.text in ("09:00", "10:00")]
    assert names[0] < first < last < names[1]


def test_a_limit_is_inside_the_picture_and_named() -> None:
    line = Line(name="a", points=[(0.0, 0.2), (60.0, 0.4)])
    svg = line_chart("t", "%", [line], TICKS, limits=[Limit(name="limit 3 %", value=3.0)])
    assert "limit 3 %" in svg
    limit = next(x for x in drawn(svg).iter(f"{SVG}line") if x.get("class") == "limit")
    assert 0 < float(limit.get("y1", "0")) < 200


@given(
    st.dictionaries(
        st.integers(0, 10_000), st.none() | st.integers(0, 10**9), min_size=1, max_size=9
    ),
    st.sampled_from(["", "<&>", "ñandú % 'x'", '"q"']),
)
def test_whatever_is_drawn_is_well_formed_and_inside(
    values: dict[int, int | None], name: str
) -> None:
    points: list[tuple[float, float | None]] = sorted(
        ((float(x), None if y is None else float(y)) for x, y in values.items()),
        key=lambda point: point[0],
    )
    svg = line_chart(name, name, [Line(name=name, points=points)], [(points[0][0], name)])
    for stretch in lines_of(svg):
        for x, y in stretch:
            assert 0 <= x <= 860
            assert 0 <= y <= 230


def test_spans_and_bars() -> None:
    svg = span_chart("t", ["<cap>"], [Span(name="<cap>", from_x=15.0, to_x=30.0)], TICKS)
    (bar,) = [r for r in drawn(svg).iter(f"{SVG}rect") if r.get("height") == "6"]
    assert float(bar.get("width", "0")) == pytest.approx(786 / 4, abs=1.0)
    bars = bar_chart(
        "t", "a day", [("8 agents", [10.0, 5.0]), ("12 agents", [20.0, 7.0])], ["a", "b"]
    )
    heights = [float(r.get("height", "0")) for r in drawn(bars).iter(f"{SVG}rect")][1:]
    assert heights[2] == pytest.approx(2 * heights[0], abs=0.5)
    assert line_chart("t", "%", [], TICKS) == bar_chart("t", "", [], []) == ""


def test_a_page_needs_nothing_from_elsewhere_and_escapes_what_it_is_given() -> None:
    inside = [pages.table(["a"], [["<b>&"]]), pages.bullets(["<i>"]), pages.paragraph("x")]
    text = pages.page("es", "<t>", inside)
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;" in text
    assert 'lang="es"' in text
    for outside in ("http-equiv", "<script", "src=", "<link", "url("):
        assert outside not in text
