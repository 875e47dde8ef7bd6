"""What a call meets, and how long it takes: a function of chance, whoever called whom."""

from __future__ import annotations

import math
import struct
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from statistics import NormalDist
from typing import Final, NamedTuple

from dialer.simulation.floor import Ending
from dialer.simulation.twin.definition import CallSpec, Duration, WorkSpec

MACHINE_EARLY: Final = 0.25
"""Machines that answer within seconds (phone off); the others wait their four rings."""
_UNIT: Final = 2.0**-52
_WORDS: Final = struct.Struct("<8Q")
_INVERSE_NORMAL: Final = NormalDist().inv_cdf

Draws = tuple[float, ...]
"""Eight numbers inside (0, 1): outcome, delay, whose, promise, talk, wrap-up, patience,
detection."""


class Call(IntEnum):
    """What a call turned out to be."""

    RANG_OUT = 0
    BUSY = 1
    OUT_OF_SERVICE = 2
    MACHINE = 3
    OTHER = 4
    """A person, and not the right one."""
    RIGHT_PARTY = 5
    PROMISE = 6

    @property
    def is_person(self) -> bool:
        return self >= Call.OTHER


class Chance:
    """Draws that depend on the seed and on what they are for, and on nothing else."""

    def __init__(self, seed: int) -> None:
        self._key = blake2b(str(seed).encode(), digest_size=32).digest()

    def of(self, what: str) -> Draws:
        digest = blake2b(what.encode(), key=self._key, digest_size=64).digest()
        return tuple([((word >> 12) + 0.5) * _UNIT for word in _WORDS.unpack(digest)])


class Rates(NamedTuple):
    """Live answers per dial, right parties per live answer, promises per right party."""

    live: float
    right_party: float
    promise: float


class Met(NamedTuple):
    """What became of one dial, if it rings long enough."""

    call: Call
    after_s: float
    draws: Draws

    def within(self, ring_timeout_s: float) -> Met:
        """The same if nobody lets it ring for longer."""
        if self.after_s < ring_timeout_s:
            return self
        return Met(Call.RANG_OUT, ring_timeout_s, self.draws)


def meet(calls: CallSpec, rates: Rates, draws: Draws) -> Met:
    """What a dial of a number in service meets, and when."""
    outcome, delay, whose = draws[:3]
    if outcome < rates.live:
        return Met(who_speaks(rates, draws), max(1.0, lognormal(delay, calls.answer)), draws)
    outcome -= rates.live
    if outcome < calls.machine_rate:
        early = whose < MACHINE_EARLY
        return Met(Call.MACHINE, 3.5 + 4.0 * delay if early else 18.5 + 4.5 * delay, draws)
    outcome -= calls.machine_rate
    if outcome < calls.failed_rate:
        return Met(Call.BUSY, 1.0 + 2.0 * delay, draws)
    return Met(Call.RANG_OUT, math.inf, draws)


def who_speaks(rates: Rates, draws: Draws) -> Call:
    """What a conversation with a person comes to."""
    _, _, whose, promise = draws[:4]
    if whose >= rates.right_party:
        return Call.OTHER
    return Call.PROMISE if promise < rates.promise else Call.RIGHT_PARTY


def ending_of(call: Call, *, amd: bool) -> Ending:
    """The same as the floor sees it; `amd`: machines are found before an agent hears them."""
    if call.is_person:
        return Ending.PERSON
    if call is Call.MACHINE:
        return Ending.MACHINE if amd else Ending.UNHEARD_MACHINE
    return Ending.RANG_OUT if call is Call.RANG_OUT else Ending.FAILED


def detection_of(calls: CallSpec, draws: Draws) -> tuple[float, bool]:
    """How long machine detection takes, and whether it takes a person for a machine."""
    mistaken = draws[7] < calls.amd_false_machine
    return calls.amd_from_s + (calls.amd_to_s - calls.amd_from_s) * draws[7], mistaken


def talk_of(work: WorkSpec, call: Call, draws: Draws) -> float:
    spec = {
        Call.MACHINE: work.machine,
        Call.RIGHT_PARTY: work.right_party,
        Call.PROMISE: work.promise,
    }.get(call, work.other)
    return lognormal(draws[4], spec)


def wrap_up_of(work: WorkSpec, call: Call, draws: Draws) -> float:
    spec = {Call.RIGHT_PARTY: work.wrap_right_party, Call.PROMISE: work.wrap_promise}.get(
        call, work.wrap_other
    )
    return lognormal(draws[5], spec)


@lru_cache(maxsize=64)
def _shape(cv: float) -> tuple[float, float]:
    """Sigma of a lognormal of this coefficient of variation, and its mean's correction."""
    variance = math.log(1.0 + cv * cv)
    return math.sqrt(variance), variance / 2.0


def lognormal(draw: float, duration: Duration) -> float:
    sigma, half = _shape(duration.cv)
    return duration.mean_s * math.exp(sigma * _INVERSE_NORMAL(draw) - half)
