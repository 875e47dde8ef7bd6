"""Carrier faults as scripted patterns: which originate meets which fault, and when the line to
the carrier is cut. Pure; the carrier carries them out."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Final, TypeVar

import msgspec

MatchT = TypeVar("MatchT", bound="Match")


class Doubt(StrEnum):
    """What is true when an originate gets no answer in time."""

    PLACED = "placed"
    """The call was placed; only the answer was lost."""
    NOT_PLACED = "not_placed"
    """The command was lost."""


class CallFault(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What goes wrong with one call. Several things can."""

    reject: bool = False
    """`OriginateRejected`: the call is not placed."""
    doubt: Doubt | None = None
    """`OutcomeUnknown` after the command's time limit."""
    silent: bool = False
    """The call lives its life, and no event of it arrives."""
    loses_end: bool = False
    """Every event but the last arrives."""
    late_s: float = 0.0
    """Every event arrives this much later than it happened."""
    repeats: int = 0
    """Every event arrives this many times more, with the same id."""
    out_of_order: bool = False
    """The first, third, ... event arrives two seconds late: after its successor, if that comes
    sooner."""
    rings_forever: bool = False
    """Nobody answers, and the ring timeout does not end it either."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Which commands meet a fault. All conditions that are given must hold."""

    nth: int | None = None
    """The n-th since the start, from 1; a call that somebody makes to us is one too."""
    every: int | None = None
    """Each n-th command."""
    number: str | None = None
    """Commands to, or calls from, this number (E.164) or e-mail address."""
    share: float | None = None
    """This share of commands, drawn by the script's seed."""

    def __post_init__(self) -> None:
        if (self.nth is not None and self.nth < 1) or (self.every is not None and self.every < 1):
            raise ValueError("nth and every count from 1")
        if self.share is not None and not 0.0 <= self.share <= 1.0:
            raise ValueError(f"share must lie between 0 and 1, not {self.share}")


class Rule(Match, frozen=True, kw_only=True):
    """Which originates meet `fault`."""

    fault: CallFault


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """The control connection is lost for a while. Calls live on, their events are lost."""

    after_s: float
    """From the carrier's first start."""
    for_s: float
    reason: str = "scripted outage"


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A carrier's bad day. The first rule that matches an originate decides."""

    rules: tuple[Rule, ...] = ()
    outages: tuple[Outage, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        check_order(self.outages)

    def fault_of(self, n: int, number: str) -> CallFault | None:
        """The fault of the `n`-th originate (from 1), to `number`; None: all goes well."""
        rule = first_match(self.rules, n, number, self.seed)
        return rule.fault if rule is not None else None


def check_order(outages: Sequence[Outage]) -> None:
    """Raises `ValueError` for outages that do not last, overlap, or come in no order."""
    end_s = 0.0
    for outage in outages:
        if outage.after_s < end_s or outage.for_s <= 0:
            raise ValueError(
                f"outage after {outage.after_s} s for {outage.for_s} s: outages must last, "
                "and come in order without overlap"
            )
        end_s = outage.after_s + outage.for_s


def first_match(rules: Sequence[MatchT], n: int, number: str, seed: int) -> MatchT | None:
    """The first rule that the `n`-th command (from 1), to `number`, meets."""
    for position, rule in enumerate(rules):
        if rule.nth is not None and rule.nth != n:
            continue
        if rule.every is not None and n % rule.every:
            continue
        if rule.number is not None and rule.number != number:
            continue
        if rule.share is not None and _draw(seed, position, n) >= rule.share:
            continue
        return rule
    return None


def _draw(seed: int, position: int, n: int) -> float:
    label = f"{seed}|{position}|{n}".encode()
    return int.from_bytes(blake2b(label, digest_size=7).digest(), "big") / 2.0**56


FAIR_WEATHER: Final = Script()
"""Nothing goes wrong."""


def rough_weather(seed: int, share: float = 0.01) -> Script:
    """Every fault there is, each on `share` of the originates; no outage."""
    faults = (
        CallFault(reject=True),
        CallFault(doubt=Doubt.PLACED),
        CallFault(doubt=Doubt.NOT_PLACED),
        CallFault(silent=True),
        CallFault(loses_end=True),
        CallFault(late_s=3.0),
        CallFault(repeats=2),
        CallFault(out_of_order=True),
        CallFault(rings_forever=True),
    )
    return Script(rules=tuple(Rule(fault=fault, share=share) for fault in faults), seed=seed)
