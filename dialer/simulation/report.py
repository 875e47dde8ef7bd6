"""`simulate`: runs of one scenario or custom world under several laws, and a text to read."""

from __future__ import annotations

import msgspec

from compliance.messages import Message
from dialer.core.pacing import Law, PacingConfig, make_pacer
from dialer.simulation.pacing import Result, run_pacing
from dialer.simulation.worlds import SCENARIOS, World

MAX_AGENTS = 2000
MAX_SHIFT_S = 24 * 3600.0
_BARS = " ▁▂▃▄▅▆▇█"
_PLOT_WIDTH = 60


class SimulationReport(Message, frozen=True, kw_only=True):
    """Everything `simulate` found; `msgspec.json.encode` gives the JSON form."""

    world: World
    config: PacingConfig
    seeds: tuple[int, ...]
    results: tuple[Result, ...]
    """One a law and seed; the asked-for law first, then the baseline on the same seeds."""

    def of(self, law: Law) -> tuple[Result, ...]:
        """The runs under one law."""
        return tuple(r for r in self.results if r.law == law.value)


def scenario(name: str, agents: int) -> World:
    """A world of the pacing goals at a size. Raises `ValueError` listing the names there are."""
    world = SCENARIOS.get(name)
    if world is None:
        raise ValueError(f"no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    if not 1 <= agents <= MAX_AGENTS:
        raise ValueError(f"agents must be between 1 and {MAX_AGENTS}, got {agents}")
    return msgspec.structs.replace(world, agents=agents)


def simulate(
    world: World,
    config: PacingConfig | None = None,
    seeds: tuple[int, ...] = (1,),
    baseline: Law | None = Law.PROGRESSIVE,
) -> SimulationReport:
    """Run a world under a configuration, and under a baseline law on the same seeds.

    Without a configuration the predictive law runs with its defaults and the carrier's own ring
    timeout. Raises `ValueError` naming the field on a world or configuration that cannot be run.
    """
    if not seeds:
        raise ValueError("seeds must not be empty")
    if not 0 < world.duration_s <= MAX_SHIFT_S:
        raise ValueError(
            f"duration_s must be above 0 and at most {MAX_SHIFT_S:g}, got {world.duration_s}"
        )
    chosen = config or config_for(world)
    configs = [chosen]
    if baseline is not None and baseline is not chosen.law:
        configs.append(msgspec.structs.replace(chosen, law=baseline))
    results = [run_pacing(make_pacer(c), world, seed) for c in configs for seed in seeds]
    return SimulationReport(world=world, config=chosen, seeds=seeds, results=tuple(results))


def config_for(world: World, law: Law = Law.PREDICTIVE) -> PacingConfig:
    """What whoever runs this world would have set: the carrier's timeout, detection, limit."""
    return PacingConfig(
        law=law,
        ring_timeout_s=world.ring_timeout_s,
        give_up_after_s=world.give_up_after_s,
        connect_limit_s=world.connect_limit_s,
        amd=world.machine_rate > 0,
    )


def render(report: SimulationReport) -> str:
    """The report for a terminal: a line a law, then the shift of the first run as bars."""
    world = report.world
    lines = [
        f"World {world.name}: {world.agents} agents, {world.duration_s / 3600:.1f} h, "
        f"{len(report.seeds)} run(s), target {report.config.target_abandonment:.1%} abandoned",
        "",
        f"{'law':<12} {'occupancy':>9} {'abandoned':>9} {'worst 30min':>11} {'idle wait':>9} "
        f"{'dials':>8} {'answered':>8} {'lines/agent':>11}",
    ]
    for law in dict.fromkeys(r.law for r in report.results):
        lines.append(_law_line(law, report.of(Law(law))))
    first = report.results[0]
    lines += [
        "",
        f"Shift under {first.law}, seed {first.seed}:",
        f"  occupancy {_bars([m.occupancy for m in first.timeline], 1.0)}",
        f"  ringing   {_bars([float(m.ringing) for m in first.timeline])}",
        f"  abandoned {_bars([float(m.abandoned) for m in first.timeline])}",
    ]
    if any(r.faults for r in report.results):
        lines.append(f"Faults survived: {first.faults}")
    return "\n".join(lines) + "\n"


def _law_line(law: str, runs: tuple[Result, ...]) -> str:
    staffed_s = sum(r.staffed_s for r in runs)
    answered = sum(r.answered for r in runs)
    occupancy = sum(r.busy_s for r in runs) / staffed_s if staffed_s else 0.0
    abandoned = sum(r.abandoned for r in runs) / answered if answered else 0.0
    return (
        f"{law:<12} {occupancy:>9.1%} {abandoned:>9.2%} "
        f"{max(r.worst_30min_share for r in runs):>11.2%} "
        f"{sum(r.idle_wait_s for r in runs) / len(runs):>8.1f}s "
        f"{sum(r.dials for r in runs):>8} {answered:>8} "
        f"{sum(r.lines_per_agent for r in runs) / len(runs):>11.2f}"
    )


def _bars(values: list[float], highest: float | None = None) -> str:
    """Values as a row of block characters, averaged down to the width of a terminal."""
    if not values:
        return ""
    width = min(_PLOT_WIDTH, len(values))
    cells = []
    for i in range(width):
        part = values[i * len(values) // width : (i + 1) * len(values) // width]
        cells.append(sum(part) / len(part))
    top = highest or max(cells) or 1.0
    return "".join(_BARS[round(min(1.0, c / top) * (len(_BARS) - 1))] for c in cells)
