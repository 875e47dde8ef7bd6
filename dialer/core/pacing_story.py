"""How a campaign was paced: its decisions, and a series a minute to graph them with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dialer.core.pacing.messages import Clamp, Decision

MINUTE_MS = 60_000
HOLDS_S = 15.0
"""A decision stands for the state of the team until the next one, at most this long."""


class LoggedDecision(msgspec.Struct, frozen=True, kw_only=True):
    at_ms: int
    decision: Decision
    """The inputs and estimates, the law, what clamped it, and the result."""


class PlacedCalls(msgspec.Struct, frozen=True, array_like=True):
    """What became of the calls that were placed in one minute."""

    at_ms: int
    dialed: int
    answered: int
    """By a live person; the abandoned among them."""
    abandoned: int


class PacingMinute(msgspec.Struct, frozen=True, kw_only=True):
    """One minute. Calls belong to the minute that they were placed in, whenever they ended."""

    at_ms: int
    """When the minute begins."""
    calls_asked: int = 0
    """Calls that the decisions asked for; trunk, queue and gate may have allowed fewer."""
    dialed: int = 0
    answered: int = 0
    """Answered by a live person. Calls that still go on are not counted."""
    abandoned: int = 0
    abandoned_pct: float | None = None
    """Abandoned of answered; None where nobody answered."""
    tolerance: float | None = None
    """Mean risk that the next call was allowed to carry; None where no decision was logged."""
    staffed: float | None = None
    """Mean agents logged in and not on a break."""
    occupancy_pct: float | None = None
    """Staffed time that was not idle, as the decisions saw it; None where nobody was staffed."""
    ringing: float | None = None
    """Mean calls ringing; None where no decision was logged."""
    clamp_s: dict[str, float] = {}
    """Seconds that each clamp held, by its name, a cap with its own (`cap:supply`)."""


def in_slots(minutes: Sequence[PacingMinute], most: int) -> list[PacingMinute]:
    """The series in at most so many longer, equal stretches of time, without the empty ones."""
    if not minutes:
        return []
    first_ms = minutes[0].at_ms
    span = (minutes[-1].at_ms - first_ms) // MINUTE_MS + 1
    width_ms = -(-span // most) * MINUTE_MS
    slots: dict[int, list[PacingMinute]] = {}
    for minute in minutes:
        slots.setdefault((minute.at_ms - first_ms) // width_ms, []).append(minute)
    return [_merged(first_ms + n * width_ms, parts) for n, parts in slots.items()]


def _merged(at_ms: int, parts: Sequence[PacingMinute]) -> PacingMinute:
    answered = sum(m.answered for m in parts)
    abandoned = sum(m.abandoned for m in parts)
    teams = [(m.staffed, m.occupancy_pct or 0.0) for m in parts if m.staffed is not None]
    staffed = sum(agents for agents, _ in teams)
    tolerances = [m.tolerance for m in parts if m.tolerance is not None]
    ringing = [m.ringing for m in parts if m.ringing is not None]
    clamp_s: dict[str, float] = {}
    for part in parts:
        for name, seconds in part.clamp_s.items():
            clamp_s[name] = round(clamp_s.get(name, 0.0) + seconds, 3)
    return PacingMinute(
        at_ms=at_ms,
        calls_asked=sum(m.calls_asked for m in parts),
        dialed=sum(m.dialed for m in parts),
        answered=answered,
        abandoned=abandoned,
        abandoned_pct=_ratio(100.0 * abandoned, answered, 2),
        tolerance=_ratio(sum(tolerances), len(tolerances), 5),
        staffed=_ratio(staffed, len(teams), 2),
        occupancy_pct=_ratio(sum(agents * pct for agents, pct in teams), staffed, 2),
        ringing=_ratio(sum(ringing), len(ringing), 2),
        clamp_s=clamp_s,
    )


class _Sums:
    """What the decisions of one minute add up to."""

    __slots__ = (
        "asked", "busy_s", "clamp_s", "ringing_s", "seconds", "staffed_s", "tolerance_s",
    )  # fmt: skip

    def __init__(self) -> None:
        self.asked = 0
        self.seconds = self.staffed_s = self.busy_s = self.tolerance_s = self.ringing_s = 0.0
        self.clamp_s: dict[str, float] = {}


class MinuteSeries:
    """Adds up decisions, given in order, minute by minute."""

    def __init__(self) -> None:
        self._sums: dict[int, _Sums] = {}
        self._last: Decision | None = None

    def add(self, decision: Decision) -> None:
        if self._last is not None:
            self._hold(self._last, min(HOLDS_S, max(0.0, decision.at_s - self._last.at_s)))
        self._of(decision).asked += decision.calls_to_place
        self._last = decision

    def minutes(self, calls: Iterable[PlacedCalls]) -> list[PacingMinute]:
        """Every minute in which something was decided or dialed, oldest first."""
        if self._last is not None:
            self._hold(self._last, HOLDS_S)
            self._last = None
        placed = {minute.at_ms: minute for minute in calls}
        times_ms = sorted(self._sums.keys() | placed.keys())
        return [
            _minute(at_ms, self._sums.get(at_ms), placed.get(at_ms, PlacedCalls(at_ms, 0, 0, 0)))
            for at_ms in times_ms
        ]

    def _of(self, decision: Decision) -> _Sums:
        at_ms = round(decision.at_s * 1000)
        return self._sums.setdefault(at_ms - at_ms % MINUTE_MS, _Sums())

    def _hold(self, decision: Decision, seconds: float) -> None:
        sums, estimates = self._of(decision), decision.estimates
        sums.seconds += seconds
        sums.staffed_s += seconds * estimates.staffed
        sums.busy_s += seconds * max(0, estimates.staffed - estimates.idle)
        sums.tolerance_s += seconds * estimates.tolerance
        sums.ringing_s += seconds * estimates.ringing
        if decision.clamp is not Clamp.NONE:
            name = decision.clamp.value
            name = f"{name}:{decision.cap_name}" if decision.cap_name else name
            sums.clamp_s[name] = sums.clamp_s.get(name, 0.0) + seconds


def _minute(at_ms: int, sums: _Sums | None, placed: PlacedCalls) -> PacingMinute:
    sums = sums or _Sums()
    return PacingMinute(
        at_ms=at_ms,
        calls_asked=sums.asked,
        dialed=placed.dialed,
        answered=placed.answered,
        abandoned=placed.abandoned,
        abandoned_pct=_ratio(100.0 * placed.abandoned, placed.answered, 2),
        tolerance=_ratio(sums.tolerance_s, sums.seconds, 5),
        staffed=_ratio(sums.staffed_s, sums.seconds, 2),
        occupancy_pct=_ratio(100.0 * sums.busy_s, sums.staffed_s, 2),
        ringing=_ratio(sums.ringing_s, sums.seconds, 2),
        clamp_s={name: round(seconds, 3) for name, seconds in sorted(sums.clamp_s.items())},
    )


def _ratio(part: float, whole: float, digits: int) -> float | None:
    return round(part / whole, digits) if whole > 0 else None
