"""What a run of the twin came to, and what several runs come to together."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import TypeVar

import msgspec

from compliance.messages import Message
from dialer.simulation.floor import Floor
from dialer.simulation.tally import Minute, share

DAY_MINUTES = 24 * 60


class SegmentFigures(Message, frozen=True, kw_only=True):
    """One segment on one day."""

    name: str
    accounts: int
    dialed: int
    """Accounts that were dialed at all."""
    dials: int
    legal_dials: int
    """Dials that the law allowed within the floor's hours, had nobody ever answered."""
    contacts: int
    right_party: int
    promises: int


class CallbackFigures(Message, frozen=True, kw_only=True):
    """Promised calls of a day. What is counted is a mean where days are pooled."""

    due: float = 0.0
    dialed: float = 0.0
    by_own_agent: float = 0.0
    """Dialed for the agent who had promised the call."""
    contacts: float = 0.0
    right_party: float = 0.0
    promises: float = 0.0
    late_mean_s: float = 0.0
    """From when a call fell due until it was dialed."""


class PreviewFigures(Message, frozen=True, kw_only=True):
    """Accounts that agents looked at on a day. What is counted is a mean where days are pooled."""

    looked: float = 0.0
    skipped: float = 0.0
    """Left to somebody else."""
    look_mean_s: float = 0.0


class InboundFigures(Message, frozen=True, kw_only=True):
    """Calls to us on a day. What is counted is a mean where days are pooled."""

    calls: float = 0.0
    connected: float = 0.0
    missed: float = 0.0
    """Waited in vain."""
    turned_away: float = 0.0
    """Came when the line was full."""
    right_party: float = 0.0
    promises: float = 0.0
    wait_mean_s: float = 0.0
    """Of the connected."""
    wait_p90_s: float = 0.0


class TwinResult(Message, frozen=True, kw_only=True):
    """One day of the twin. Shares are of 1."""

    agents: int
    """Heads on the rota."""
    seed: int
    law: str
    staffed_h: float
    """Agent-hours on the floor, pauses left out."""
    busy_h: float
    """Agent-hours in talk or wrap-up."""
    occupancy: float
    idle_wait_mean_s: float
    idle_wait_p90_s: float
    idle_wait_p99_s: float
    dials: int
    answered: int
    """By a live person; the abandoned among them."""
    abandoned: int
    abandoned_share: float
    worst_30min: float | None
    """Highest share of 30 minutes with at least 200 answers; None: there are none."""
    worst_24h: float
    """Highest share of any 24 hours; of a shorter run, the run's."""
    contacts: int
    """Conversations with a person, callbacks and calls to us among them."""
    right_party: int
    promises: int
    lines_per_agent: float
    """Mean ringing calls per staffed agent."""
    given_up: int = 0
    """Dials that were hung up while they rang, since no agent was left."""
    legal_dials: int
    """0 where the law was not asked (a replay)."""
    legal_used: float
    """Dials / legal dials, callbacks left out."""
    clamps: dict[str, float] = {}
    """Share of decisions that each clamp bound; what is left was free."""
    segments: tuple[SegmentFigures, ...] = ()
    callbacks: CallbackFigures | None = None
    """None: none was promised."""
    inbound: InboundFigures | None = None
    """None: nobody calls us."""
    previews: PreviewFigures | None = None
    """None: the campaign dials by itself."""
    timeline: tuple[Minute, ...] = ()


class Spread(Message, frozen=True, kw_only=True):
    """A figure over several seeds."""

    mean: float
    error: float
    """Standard error of the mean; 0 for a single seed, where it is not known."""


class Pooled(Message, frozen=True, kw_only=True):
    """Several days of the same setting, one a seed. Counts are means of a day."""

    agents: int
    runs: int
    staffed_h: float
    occupancy: Spread
    idle_wait_mean_s: float
    idle_wait_p90_s: float
    idle_wait_p99_s: float
    abandoned_share: float
    """Of all answers together."""
    worst_30min: float | None
    worst_24h: float
    dials: float
    legal_dials: float
    legal_used: float
    answered: float
    abandoned: float
    contacts: Spread
    right_party: Spread
    promises: Spread
    lines_per_agent: float
    given_up: float = 0.0
    callbacks: CallbackFigures | None = None
    inbound: InboundFigures | None = None
    previews: PreviewFigures | None = None


def figures_of(floor: Floor, *, agents: int, seed: int, clamps: dict[str, int]) -> TwinResult:
    """What the floor alone can tell; the people add what the calls came to."""
    tally = floor.tally
    staffed_s, busy_s = sum(tally.staffed_s), sum(tally.busy_s)
    waits = sorted(tally.waits_s)
    decisions = sum(clamps.values())
    return TwinResult(
        agents=agents,
        seed=seed,
        law=floor.law,
        staffed_h=staffed_s / 3600.0,
        busy_h=busy_s / 3600.0,
        occupancy=share(busy_s, staffed_s),
        idle_wait_mean_s=share(sum(waits), len(waits)),
        idle_wait_p90_s=quantile(waits, 0.90),
        idle_wait_p99_s=quantile(waits, 0.99),
        dials=floor.dialed,
        answered=floor.answered,
        abandoned=floor.abandoned,
        abandoned_share=share(floor.abandoned, floor.answered),
        worst_30min=tally.worst_30min,
        worst_24h=worst_day(tally.answered, tally.abandoned),
        contacts=tally.connected,
        right_party=0,
        promises=0,
        lines_per_agent=share(tally.line_s, staffed_s),
        given_up=floor.given_up,
        legal_dials=0,
        legal_used=0.0,
        clamps={name: n / decisions for name, n in sorted(clamps.items())},
        timeline=tally.minutes(),
    )


def quantile(ordered: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` of the ordered values do not exceed; 0 of none."""
    return ordered[max(0, ceil(part * len(ordered)) - 1)] if ordered else 0.0


def pooled(results: Sequence[TwinResult]) -> Pooled:
    """Days of one setting together. Raises `ValueError` where there are none."""
    if not results:
        raise ValueError("there are no results to pool")
    runs = len(results)

    def mean(values: Sequence[float]) -> float:
        return sum(values) / runs

    legal = sum(r.legal_dials for r in results)
    return Pooled(
        agents=results[0].agents,
        runs=runs,
        staffed_h=mean([r.staffed_h for r in results]),
        occupancy=spread([r.occupancy for r in results]),
        idle_wait_mean_s=mean([r.idle_wait_mean_s for r in results]),
        idle_wait_p90_s=mean([r.idle_wait_p90_s for r in results]),
        idle_wait_p99_s=mean([r.idle_wait_p99_s for r in results]),
        abandoned_share=share(sum(r.abandoned for r in results), sum(r.answered for r in results)),
        worst_30min=max(
            (r.worst_30min for r in results if r.worst_30min is not None), default=None
        ),
        worst_24h=max(r.worst_24h for r in results),
        dials=mean([r.dials for r in results]),
        legal_dials=legal / runs,
        legal_used=share(sum(r.legal_used * r.legal_dials for r in results), legal),
        answered=mean([r.answered for r in results]),
        abandoned=mean([r.abandoned for r in results]),
        contacts=spread([r.contacts for r in results]),
        right_party=spread([r.right_party for r in results]),
        promises=spread([r.promises for r in results]),
        lines_per_agent=mean([r.lines_per_agent for r in results]),
        given_up=mean([r.given_up for r in results]),
        callbacks=_mean([r.callbacks for r in results]),
        inbound=_mean([r.inbound for r in results]),
        previews=_mean([r.previews for r in results]),
    )


Figures = TypeVar("Figures", CallbackFigures, InboundFigures, PreviewFigures)


def _mean(days: Sequence[Figures | None]) -> Figures | None:
    """The mean of each figure over the days that have them; None: none has."""
    known = [day for day in days if day is not None]
    if not known:
        return None
    tables = [msgspec.structs.asdict(day) for day in known]
    means = {name: sum(table[name] for table in tables) / len(tables) for name in tables[0]}
    return msgspec.structs.replace(known[0], **means)


def spread(values: Sequence[float]) -> Spread:
    """Mean and its standard error."""
    runs = len(values)
    mean = sum(values) / runs
    if runs < 2:
        return Spread(mean=mean, error=0.0)
    variance = sum((value - mean) ** 2 for value in values) / (runs - 1)
    return Spread(mean=mean, error=sqrt(variance / runs))


def worst_day(answered: Sequence[int], abandoned: Sequence[int]) -> float:
    """Highest abandoned share of 24 hours, of answers and abandonments by minute."""
    last = max(1, len(answered) - DAY_MINUTES + 1)
    return max(
        share(sum(abandoned[i : i + DAY_MINUTES]), sum(answered[i : i + DAY_MINUTES]))
        for i in range(last)
    )
