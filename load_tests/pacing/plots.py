"""The benchmark's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from load_tests.pacing.runs import OURS, PROGRESSIVE, TUNED, Outcome, Row

_COLORS = {OURS: "#d1495b", PROGRESSIVE: "#222222", TUNED: "#edae49"}
_FAMILIES = (("vicidial", "#30638e", "s"), ("", "#66a182", "^"))


def plot_frontier(path: Path, rows: Sequence[Row], scenario: str) -> None:
    """Occupancy against abandonment, a panel a size."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = [r.outcome for r in rows if r.outcome.world == scenario and r.outcome.beside_peers]
    sizes = sorted({o.agents for o in shown})
    if not sizes:
        return
    figure, panels = plt.subplots(1, len(sizes), figsize=(3.0 * len(sizes) + 1.2, 4.2), sharey=True)
    labelled: set[str] = set()
    for axes, size in zip([panels] if len(sizes) == 1 else panels, sizes, strict=True):
        for outcome in shown:
            if outcome.agents != size:
                continue
            color, marker = _style(outcome.contender)
            label = outcome.contender if outcome.contender not in labelled else None
            labelled.add(outcome.contender)
            axes.scatter(
                max(outcome.abandoned, 1e-4) * 100,
                outcome.occupancy * 100,
                s=90 if outcome.contender == OURS else 40,
                color=color,
                marker=marker,
                label=label,
                zorder=3 if outcome.contender == OURS else 2,
            )
        axes.axvline(1.0, color="#d1495b", linewidth=1, linestyle="--")
        axes.axvline(3.0, color="#888888", linewidth=1, linestyle=":")
        axes.set_xscale("log")
        axes.set_xticks([0.01, 0.1, 1, 10], ["0", "0.1", "1", "10"])
        axes.set_title(f"{size} agents")
        axes.set_xlabel("abandoned, %")
        axes.grid(alpha=0.25)
    (panels if len(sizes) == 1 else panels[0]).set_ylabel("occupancy, %")
    figure.suptitle(f"World '{scenario}': dashed the target of 1 %, dotted the legal limit of 3 %")
    figure.legend(loc="lower center", ncol=4, frameon=False, fontsize=8)
    figure.tight_layout(rect=(0, 0.2, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_jump(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Occupancy, ringing calls and abandonments minute by minute around a jump."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = [o for o in outcomes if o.timeline]
    if not shown:
        return
    figure, panels = plt.subplots(3, 1, figsize=(8, 6.5), sharex=True)
    jump_min = shown[0].hours * 30.0
    for outcome in shown:
        color, _ = _style(outcome.contender)
        minutes = [m for m in outcome.timeline if abs(m.at_s / 60.0 - jump_min) <= 30.0]
        at = [m.at_s / 60.0 - jump_min for m in minutes]
        wide = 2.0 if outcome.contender == OURS else 1.2
        series = (
            [m.occupancy * 100 for m in minutes],
            [float(m.ringing) for m in minutes],
            [float(m.abandoned) for m in minutes],
        )
        for axes, values in zip(panels, series, strict=True):
            axes.plot(at, values, color=color, linewidth=wide, label=outcome.contender)
    names = ("occupancy, %", "calls ringing", "abandoned a minute")
    for axes, name in zip(panels, names, strict=True):
        axes.set_ylabel(name)
        axes.axvline(0.0, color="#888888", linestyle=":")
        axes.grid(alpha=0.25)
    panels[0].legend(frameon=False, fontsize=8, loc="lower right")
    panels[-1].set_xlabel("minutes from the jump of the answer rate, 10 % to 50 % within 60 s")
    figure.suptitle(f"{shown[0].agents} agents, seed {shown[0].seeds[0]}")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _style(contender: str) -> tuple[str, str]:
    if contender in _COLORS:
        return _COLORS[contender], "*" if contender == OURS else "o"
    family = next(f for f in _FAMILIES if contender.startswith(f[0]))
    return family[1], family[2]
