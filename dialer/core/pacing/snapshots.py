"""Reads a snapshot with suspicion: what does not add up is counted and read as less capacity."""

from __future__ import annotations

from math import isfinite

import msgspec

from dialer.core.pacing.messages import Clamp, FaultKind, Snapshot
from dialer.core.pacing.tracker import MAX_CALL_AGE_S, Tracker


class Ages(msgspec.Struct):
    """A snapshot as ages in seconds, checked."""

    idle: int
    staffed: int
    waiting: int
    talking_s: list[float]
    wrapping_s: list[float]
    ringing_s: dict[str, list[float]]
    in_amd_s: list[float]
    pending: int

    @property
    def ringing(self) -> int:
        """Calls that are ringing, in detection, or about to ring."""
        return self.pending + len(self.in_amd_s) + sum(map(len, self.ringing_s.values()))


def read(snapshot: Snapshot, tracker: Tracker) -> Ages:
    """Ages of everything in a snapshot whose own time is good.

    A start in the future, or not a number, is read as just now. Agents in two states reduce the
    idle ones. A call that has rung for longer than any call can is left out of the forecast but
    counted.
    """
    now_s = snapshot.at_s
    talking_s = _ages(snapshot.talking_since_s, now_s, tracker)
    wrapping_s = _ages(snapshot.wrapping_since_s, now_s, tracker)
    idle = len(snapshot.idle_since_s)
    staffed = max(0, snapshot.staffed)
    if snapshot.staffed < 0 or snapshot.pending < 0:
        tracker.fault(FaultKind.BAD_NUMBER)
    if idle + len(talking_s) + len(wrapping_s) > staffed:
        tracker.fault(FaultKind.STATE_CONFLICT)
        idle = max(0, staffed - len(talking_s) - len(wrapping_s))
    ringing_s = {
        segment: _ages(starts, now_s, tracker)
        for segment, starts in snapshot.ringing_since_s.items()
        if starts
    }
    if any(ages[0] > MAX_CALL_AGE_S for ages in ringing_s.values()):
        tracker.fault(FaultKind.MISSING_END)
    shown_s = [age for ages in ringing_s.values() for age in ages]
    return Ages(
        idle=idle,
        staffed=staffed,
        waiting=len(snapshot.waiting_since_s),
        talking_s=talking_s,
        wrapping_s=wrapping_s,
        ringing_s=ringing_s,
        in_amd_s=_ages(snapshot.in_amd_since_s, now_s, tracker),
        pending=max(0, snapshot.pending) + tracker.on_their_way(snapshot, shown_s),
    )


def capped(calls: int, caps: dict[str, int]) -> tuple[int, Clamp, str]:
    """The request within the limits from outside, and the name of the one that binds."""
    clamp, name = Clamp.NONE, ""
    for limit_name, limit in caps.items():
        if calls > max(0, limit):
            calls, clamp, name = max(0, limit), Clamp.CAP, limit_name
    return calls, clamp, name


def _ages(starts: tuple[float, ...], now_s: float, tracker: Tracker) -> list[float]:
    ages = [now_s - s for s in starts]
    if not ages or (isfinite(sum(ages)) and min(ages) >= 0.0):
        return ages
    tracker.fault(FaultKind.BAD_NUMBER)
    return [age if isfinite(age) and age >= 0.0 else 0.0 for age in ages]
