"""Where benchmarks put their tables and plots, and their one line of JSON."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

Figure = int | float | str
RESULTS = Path("results")


def results_folder(name: str) -> Path:
    """A new folder for this run's table and plots."""
    folder = RESULTS / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_table(
    folder: Path, title: str, rows: Sequence[tuple[str, Figure, str]], *, name: str = "table"
) -> None:
    """`NAME.md`: figure, value, what it is to be held against."""
    lines = [
        f"# {title}",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.machine()}, "
        f"Python {platform.python_version()}",
        "",
        "| figure | value | beside |",
        "|---|---:|---|",
    ]
    lines += [f"| {name} | {_shown(value)} | {beside} |" for name, value, beside in rows]
    (folder / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def plot_bars(folder: Path, name: str, title: str, bars: Mapping[str, float], unit: str) -> None:
    """One picture of horizontal bars."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 0.6 * len(bars) + 1.2))
    drawn = axes.barh(list(bars), list(bars.values()), color="#30638e")
    axes.bar_label(drawn, fmt="{:,.0f}", padding=4)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title)
    axes.margins(x=0.15)
    figure.tight_layout()
    figure.savefig(folder / f"{name}.png", dpi=120)
    plt.close(figure)


def print_json(figures: Mapping[str, Figure]) -> None:
    """The last line of every benchmark."""
    print(msgspec.json.encode(figures).decode(), flush=True)


def _shown(value: Figure) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
