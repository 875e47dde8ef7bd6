"""Worlds for the pacer as data: who answers, how long it takes, and how agents work.

Times are seconds from the start of the shift. Curves are points (at_s, value) with straight lines
between them and flat ends.
"""

from __future__ import annotations

from itertools import pairwise
from math import pi, sin

from compliance.messages import Message

Curve = tuple[tuple[float, float], ...]


class Segment(Message, frozen=True, kw_only=True):
    """Contacts that answer alike."""

    name: str = ""
    live_rate: Curve
    """Persons answering, per dial."""
    share: Curve = ((0.0, 1.0),)
    """Weight of the segment among the contacts dialed."""


class Departure(Message, frozen=True, kw_only=True):
    """Agents who end their shift early: at once if idle, otherwise after their call."""

    share: float
    from_s: float
    within_s: float


class Arrival(Message, frozen=True, kw_only=True):
    """Agents who start later than the others, all within a short time."""

    share: float
    from_s: float
    within_s: float


class World(Message, frozen=True, kw_only=True):
    """Everything outside the pacer. Defaults are the steady world of the pacing goals."""

    name: str = "custom"
    agents: int = 10
    duration_s: float = 8 * 3600.0
    tick_s: float = 1.0
    """Time between decisions."""
    segments: tuple[Segment, ...] = (Segment(live_rate=((0.0, 0.25),)),)
    machine_rate: float = 0.0
    """Machines picking up, per dial."""
    amd_s: tuple[float, float] = (1.5, 3.5)
    """Shortest and longest detection; used when `machine_rate` is above 0."""
    amd_false_machine: float = 0.0
    """Persons taken for machines, per person; each is an abandonment."""
    failed_rate: float = 0.10
    """Busy and failed, per dial that nobody picks up."""
    failed_s: tuple[float, float] = (1.0, 5.0)
    ring_delay_min_s: float = 2.0
    ring_delay_mean_s: float = 8.0
    ring_delay_shape: float = 3.0
    """Of the gamma distribution above the minimum: 1 is exponential, 20 nearly constant."""
    ring_timeout_s: float = 20.0
    give_up_after_s: float | None = None
    """Calls that have rung for so long are hung up when the pacer finds no agent left for them."""
    connect_limit_s: float = 2.0
    talk_mean_s: float = 120.0
    talk_cv: float = 1.0
    """Standard deviation over mean of the lognormal talk time."""
    hang_up_share: float = 0.0
    """Conversations that end after `hang_up_mean_s` already; `talk_mean_s` is of the others."""
    hang_up_mean_s: float = 15.0
    wrap_up_mean_s: float = 20.0
    wrap_up_cv: float = 0.5
    break_every_s: tuple[float, float] = (4500.0, 6300.0)
    break_s: float = 600.0
    """Zero: no breaks."""
    departures: tuple[Departure, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    memoryless: bool = False
    """Exponential talk, and one exponential ring time (mean `ring_delay_mean_s`, no timeout) for
    calls that are answered and calls that are not: the world of solved models."""


def value_at(curve: Curve, at_s: float) -> float:
    """Value of a curve at a time."""
    if at_s <= curve[0][0]:
        return curve[0][1]
    for (left_s, left), (right_s, right) in pairwise(curve):
        if at_s < right_s:
            return left + (right - left) * (at_s - left_s) / (right_s - left_s)
    return curve[-1][1]


def check(world: World) -> World:
    """The world, if it can be run. Raises `ValueError` that names the field otherwise."""
    if world.agents < 1:
        raise ValueError(f"agents must be at least 1, got {world.agents}")
    if not world.segments:
        raise ValueError("segments must not be empty: somebody has to be dialed")
    positive = (
        ("duration_s", world.duration_s),
        ("tick_s", world.tick_s),
        ("ring_timeout_s", world.ring_timeout_s),
        ("ring_delay_shape", world.ring_delay_shape),
        ("talk_mean_s", world.talk_mean_s),
        ("hang_up_mean_s", world.hang_up_mean_s),
        ("wrap_up_mean_s", world.wrap_up_mean_s),
    )
    for name, value in positive:
        if not value > 0:
            raise ValueError(f"{name} must be above 0, got {value}")
    if not 0 <= world.ring_delay_min_s < world.ring_delay_mean_s < world.ring_timeout_s:
        raise ValueError(
            "ring_delay_min_s, ring_delay_mean_s and ring_timeout_s must ascend, got "
            f"{world.ring_delay_min_s}, {world.ring_delay_mean_s}, {world.ring_timeout_s}"
        )
    for segment in world.segments:
        for at_s, rate in segment.live_rate:
            if not 0 <= rate <= 1 - world.machine_rate:
                raise ValueError(
                    f"live_rate of segment {segment.name!r} at {at_s:g} s is {rate}: it must lie "
                    f"between 0 and 1 less machine_rate ({world.machine_rate})"
                )
    return world


def _wave(mean: float, swing: float, period_s: float, phase: float) -> Curve:
    points = range(0, 8 * 3600 + 1, 600)
    return tuple((float(t), mean + swing * sin(2 * pi * (t / period_s + phase))) for t in points)


_DAY_S = 8 * 3600.0

SCENARIOS: dict[str, World] = {
    world.name: world
    for world in (
        World(name="steady"),
        World(name="low", segments=(Segment(live_rate=((0.0, 0.05),)),)),
        World(
            name="jump",
            segments=(Segment(live_rate=((_DAY_S / 2, 0.10), (_DAY_S / 2 + 60, 0.50))),),
        ),
        World(
            name="step",
            segments=(Segment(live_rate=((_DAY_S / 2, 0.10), (_DAY_S / 2 + 0.001, 0.50))),),
        ),
        World(
            name="leave",
            departures=(Departure(share=0.6, from_s=_DAY_S * 3 / 4, within_s=120.0),),
        ),
        World(name="long_talk", talk_mean_s=240.0, talk_cv=2.0),
        World(name="amd", machine_rate=0.35),
        World(
            name="drift",
            segments=(
                Segment(
                    name="early",
                    live_rate=_wave(0.35, 0.10, 6 * 3600, 0.0),
                    share=_wave(0.4, 0.2, 8 * 3600, 0.0),
                ),
                Segment(
                    name="middle",
                    live_rate=_wave(0.22, 0.06, 5 * 3600, 0.3),
                    share=_wave(0.35, 0.15, 8 * 3600, 0.4),
                ),
                Segment(
                    name="late",
                    live_rate=_wave(0.12, 0.05, 7 * 3600, 0.6),
                    share=_wave(0.3, 0.15, 8 * 3600, 0.7),
                ),
            ),
        ),
        World(
            name="cold_start",
            duration_s=1200.0,
            segments=(Segment(live_rate=((0.0, 0.45),)),),
        ),
    )
}
"""The worlds of the pacing goals; change `agents` for their sizes."""
