"""Runs the twin: one day of a definition, several seeds, several sizes of the team."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from datetime import datetime
from multiprocessing.queues import SimpleQueue
from os import cpu_count
from typing import Final

import msgspec

from campaigns.campaign import CampaignSettings
from compliance.messages import Message
from compliance.types import Mode
from dialer.core.pacing import Decision, make_pacer
from dialer.core.pacing.laws import is_for_agents, pacing_config
from dialer.simulation.floor import Floor, FloorSettings
from dialer.simulation.tally import share
from dialer.simulation.twin.callbacks import PromisedCalls
from dialer.simulation.twin.callers import TwinCallers
from dialer.simulation.twin.definition import TwinDefinition, resized
from dialer.simulation.twin.law import LegalDays
from dialer.simulation.twin.looking import Looks
from dialer.simulation.twin.people import TwinPeople
from dialer.simulation.twin.results import (
    Pooled,
    SegmentFigures,
    Spread,
    TwinResult,
    figures_of,
    pooled,
    spread,
)
from dialer.simulation.twin.rota import ShiftRota


def check_mode(name: str, mode: Mode) -> None:
    """Only what calls for agents has a twin. Raises `LookupError` for another campaign."""
    if not is_for_agents(mode):
        raise LookupError(
            f"campaign {name!r} is of mode {mode.value}, which is not for agents: there is no twin "
            "of it; choose a predictive, progressive or preview one"
        )


SIZES: Final = (0.75, 1.25, 1.5)
"""Teams that advice looks at beside the one asked about."""
TOLD_EVERY_S: Final = 0.2


class Case(Message, frozen=True, kw_only=True):
    """What is simulated: a definition on a day, with the law of that day."""

    definition: TwinDefinition
    opens_at: datetime
    legal: LegalDays
    notes: tuple[tuple[str, str], ...] = ()
    """Where figures come from, in Spanish and in English."""


class Advice(Message, frozen=True, kw_only=True):
    """What another team would change, on the same seeds."""

    size: Pooled
    occupancy_change: float
    contacts_change: Spread
    promises_change: Spread
    hours_change: float
    """Agent-hours more (or fewer) a day."""
    contacts_per_hour: float | None
    """Marginal: change of contacts / change of agent-hours."""
    promises_per_hour: float | None


class TwinReport(Message, frozen=True, kw_only=True):
    """Everything that a simulation of a definition found."""

    definition: TwinDefinition
    opens_at: datetime
    seeds: tuple[int, ...]
    total: Pooled
    results: tuple[TwinResult, ...]
    """One a seed."""
    staffing: tuple[Advice, ...] = ()
    """Other sizes of the team, smallest first."""
    refused: dict[str, str] = {}
    """Segments that may not be dialed at all that day, and the rule that says so."""
    notes: tuple[tuple[str, str], ...] = ()


def floor_settings(settings: CampaignSettings, duration_s: float) -> FloorSettings:
    return FloorSettings(
        duration_s=duration_s,
        give_up_after_s=settings.give_up_after_s,
        connect_limit_s=settings.connect_limit_ms / 1000,
        amd=settings.amd,
    )


class ClampCount:
    """Counts what bound decisions."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, decision: Decision) -> None:
        name = decision.clamp.value
        self.counts[f"{name}:{decision.cap_name}" if decision.cap_name else name] += 1


def run_day(
    case: Case, seed: int, on_progress: Callable[[float], None] | None = None
) -> TwinResult:
    """One day. The same case and seed give the same result."""
    definition = case.definition
    looks = Looks.of(definition, seed)
    people = TwinPeople(definition, case.legal, case.opens_at, seed, looks)
    rota = ShiftRota(definition)
    promised = PromisedCalls(
        definition, people, rota.agents, case.legal, case.opens_at, seed, looks
    )
    callers = TwinCallers(definition, case.opens_at, seed, promised.add_missed)
    clamps = ClampCount()
    floor = Floor(
        floor_settings(definition.campaign, definition.duration_s),
        promised,
        rota,
        make_pacer(pacing_config(definition.campaign)),
        clamps,
        on_progress,
        callers,
    )
    floor.run()
    figures = figures_of(floor, agents=definition.agents, seed=seed, clamps=clamps.counts)
    segments = tuple(
        SegmentFigures(
            name=name,
            accounts=c.accounts,
            dialed=c.dialed,
            dials=c.dials,
            legal_dials=c.legal,
            contacts=c.contacts,
            right_party=c.right_party,
            promises=c.promises,
        )
        for name, c in people.counts.items()
    )
    legal = sum(s.legal_dials for s in segments)
    others = (promised.counts, callers.counts)
    return msgspec.structs.replace(
        figures,
        contacts=sum(s.contacts for s in segments) + sum(c.contacts for c in others),
        right_party=sum(s.right_party for s in segments) + sum(c.right_party for c in others),
        promises=sum(s.promises for s in segments) + sum(c.promises for c in others),
        legal_dials=legal,
        legal_used=share(sum(s.dials for s in segments), legal),
        segments=segments,
        callbacks=promised.figures(),
        inbound=callers.figures(),
        previews=looks.figures() if looks is not None else None,
    )


def run_case(
    case: Case,
    seeds: Sequence[int],
    sizes: Sequence[int] = (),
    on_progress: Callable[[float], None] | None = None,
) -> TwinReport:
    """The definition as it is on every seed, and other sizes of its team on the same ones.

    `on_progress` hears the simulated seconds done so far, of all runs together
    (`total_s` tells how many there will be).
    """
    own = case.definition.agents
    others = [size for size in dict.fromkeys(sizes) if size != own]
    cases = {own: case}
    for size in others:
        cases[size] = msgspec.structs.replace(case, definition=resized(case.definition, size))
    jobs = [(size, seed) for size in cases for seed in seeds]
    done = _played([(cases[size], seed) for size, seed in jobs], on_progress)
    by_size: dict[int, list[TwinResult]] = {}
    for (size, _), result in zip(jobs, done, strict=True):
        by_size.setdefault(size, []).append(result)
    return TwinReport(
        definition=case.definition,
        opens_at=case.opens_at,
        seeds=tuple(seeds),
        total=pooled(by_size[own]),
        results=tuple(by_size[own]),
        staffing=tuple(_advice(by_size[own], by_size[size]) for size in sorted(others)),
        refused={
            name: days[0].refused_by
            for name, days in case.legal.items()
            if not any(day.dials_s for day in days)
        },
        notes=case.notes,
    )


def total_s(case: Case, seeds: Sequence[int], sizes: Sequence[int]) -> float:
    """Simulated seconds of all runs that `run_case` makes."""
    others = {size for size in sizes if size != case.definition.agents}
    return case.definition.duration_s * len(seeds) * (1 + len(others))


def sizes_around(agents: int) -> tuple[int, ...]:
    """Teams worth a look beside one of so many."""
    return tuple(
        sorted({max(1, round(agents * part)) for part in SIZES} | {agents + 1}) if agents < 4
        else sorted({round(agents * part) for part in SIZES})
    )  # fmt: skip


def _advice(own: Sequence[TwinResult], other: Sequence[TwinResult]) -> Advice:
    pairs = list(zip(own, other, strict=True))
    contacts = spread([float(b.contacts - a.contacts) for a, b in pairs])
    promises = spread([float(b.promises - a.promises) for a, b in pairs])
    hours = sum(b.staffed_h - a.staffed_h for a, b in pairs) / len(pairs)
    return Advice(
        size=pooled(other),
        occupancy_change=sum(b.occupancy - a.occupancy for a, b in pairs) / len(pairs),
        contacts_change=contacts,
        promises_change=promises,
        hours_change=hours,
        contacts_per_hour=contacts.mean / hours if hours else None,
        promises_per_hour=promises.mean / hours if hours else None,
    )


# --- several processes --------------------------------------------------------------------------

_told: SimpleQueue[float] | None = None
"""In a worker process: where it tells how far it has come."""


def _played(
    jobs: Sequence[tuple[Case, int]], on_progress: Callable[[float], None] | None
) -> list[TwinResult]:
    """The results of all jobs in order; more than one job uses the cores that there are."""
    if len(jobs) == 1:
        return [run_day(*jobs[0], on_progress)]
    # A fresh interpreter: a forked copy of whatever runs this could hold its locks.
    context = multiprocessing.get_context("spawn")
    told: SimpleQueue[float] = context.SimpleQueue()
    workers = min(len(jobs), cpu_count() or 1)
    with ProcessPoolExecutor(workers, context, _begin, (told,)) as pool:
        futures = [pool.submit(_play, case, seed) for case, seed in jobs]
        _watch(futures, told, on_progress)
        return [future.result() for future in futures]


def _watch(
    futures: Sequence[Future[TwinResult]],
    told: SimpleQueue[float],
    on_progress: Callable[[float], None] | None,
) -> None:
    done_s = 0.0
    left = set(futures)
    while left:
        finished, left = wait(left, TOLD_EVERY_S, FIRST_COMPLETED)
        if any(future.exception() for future in finished):
            for future in left:
                future.cancel()
            return
        while not told.empty():
            done_s += told.get()
        if on_progress is not None:
            on_progress(done_s)


def _begin(told: SimpleQueue[float]) -> None:
    global _told  # noqa: PLW0603
    _told = told


def _play(case: Case, seed: int) -> TwinResult:
    last_s = 0.0

    def tell(now_s: float) -> None:
        nonlocal last_s
        if _told is not None:
            _told.put(now_s - last_s)
        last_s = now_s

    return run_day(case, seed, tell)
