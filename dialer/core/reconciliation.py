"""The carrier's call records against ours: which calls the two tell alike, and which not. Pure.

A CDR is a report, never an event: nothing of it changes what the ledger says. A call that only
the carrier knows is a contact without a decision; one that only the ledger knows was counted and
perhaps never made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from compliance.types import EventKind

NUMBER_DIGITS_LEAST: Final = 7
"""Fewer digits in common are no match of numbers."""

ANSWERED: Final = frozenset(
    {
        EventKind.CONVERSATION,
        EventKind.ANSWERED_DROPPED,
        EventKind.ANSWERED_THIRD_PARTY,
        EventKind.ANSWERED_WRONG_PARTY,
        EventKind.ABANDONED,
        EventKind.MACHINE_MESSAGE,
        EventKind.MACHINE_NO_MESSAGE,
        EventKind.MAILBOX_FULL,
        EventKind.FAX,
    }
)
"""Outcomes for which a carrier bills seconds."""


class CdrCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the carrier's file."""

    line: int
    call_id: str
    number: str
    """Digits only."""
    start: datetime
    duration_s: int
    """Billed seconds: from the answer on; 0: not answered."""
    cause: str = ""


class LedgerCall(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of ours."""

    attempt_id: str
    person_id: str
    number: str
    """Digits only; empty where it was erased."""
    planned: datetime
    outcome: EventKind | None
    """None: not ended."""
    talk_ms: int | None
    connect_ms: int | None


class MatchedBy(StrEnum):
    CALL_ID = "call_id"
    NUMBER = "number"


class DifferenceKind(StrEnum):
    ONLY_CARRIER_ANSWERED = "only_carrier_answered"
    """The carrier bills an answer; the ledger knows of none: it may count too little."""
    ONLY_LEDGER_ANSWERED = "only_ledger_answered"
    DURATION = "duration"


class CallDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the two tell differently."""

    attempt_id: str
    person_id: str
    line: int
    kind: DifferenceKind
    carrier: str
    ledger: str


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What came of comparing."""

    by_call_id: int
    by_number: int
    unknown: tuple[CdrCall, ...]
    """Calls of the carrier without an attempt."""
    unseen: tuple[LedgerCall, ...]
    """Attempts that the carrier does not know."""
    differences: tuple[CallDifference, ...]


def match(
    cdrs: Sequence[CdrCall],
    attempts: Sequence[LedgerCall],
    *,
    start_tolerance_s: int,
    duration_tolerance_s: int,
) -> Match:
    """Match each call of the carrier with one attempt: by our id where the carrier keeps it,
    else by number and start within the tolerance, the nearest pairs first.

    Numbers match where one ends with the other, `NUMBER_DIGITS_LEAST` digits at least: carriers
    leave country codes and prefixes out. An attempt that never left our side (a network failure)
    is not looked for at the carrier's.
    """
    by_id = {attempt.attempt_id: attempt for attempt in attempts}
    left: dict[str, LedgerCall] = dict(by_id)
    pairs: list[tuple[CdrCall, LedgerCall]] = []
    rest: list[CdrCall] = []
    for cdr in cdrs:
        found = left.pop(cdr.call_id, None)
        if found is None:
            rest.append(cdr)
        else:
            pairs.append((cdr, found))
    matched_by_id = len(pairs)
    by_tail: defaultdict[str, list[LedgerCall]] = defaultdict(list)
    for attempt in left.values():
        if len(attempt.number) >= NUMBER_DIGITS_LEAST:
            by_tail[attempt.number[-NUMBER_DIGITS_LEAST:]].append(attempt)
    near = sorted(
        (pair for cdr in rest for pair in _near(cdr, by_tail, start_tolerance_s)),
        key=lambda pair: (pair[0], pair[1].start, pair[1].line, pair[2].attempt_id),
    )
    paired: set[int] = set()
    for _, cdr, attempt in near:
        if cdr.line not in paired and attempt.attempt_id in left:
            paired.add(cdr.line)
            pairs.append((cdr, left.pop(attempt.attempt_id)))
    unknown = [cdr for cdr in rest if cdr.line not in paired]
    differences = [_difference(cdr, own, duration_tolerance_s) for cdr, own in pairs]
    return Match(
        by_call_id=matched_by_id,
        by_number=len(pairs) - matched_by_id,
        unknown=tuple(unknown),
        unseen=tuple(
            attempt
            for attempt in left.values()
            if attempt.outcome is not EventKind.NOT_CONNECTED_NETWORK
        ),
        differences=tuple(found for found in differences if found is not None),
    )


def _near(
    cdr: CdrCall, by_tail: Mapping[str, Sequence[LedgerCall]], tolerance_s: int
) -> Iterator[tuple[float, CdrCall, LedgerCall]]:
    """Attempts that may be this call, with the seconds between their starts."""
    for attempt in by_tail.get(cdr.number[-NUMBER_DIGITS_LEAST:], ()):
        if attempt.number.endswith(cdr.number) or cdr.number.endswith(attempt.number):
            apart_s = abs((attempt.planned - cdr.start).total_seconds())
            if apart_s <= tolerance_s:
                yield apart_s, cdr, attempt


def _difference(cdr: CdrCall, own: LedgerCall, tolerance_s: int) -> CallDifference | None:
    """The first thing that the two tell differently; an attempt without an end tells nothing."""
    if own.outcome is None:
        return None
    answered = own.outcome in ANSWERED
    billed = cdr.duration_s > 0
    kind: DifferenceKind | None = None
    if billed != answered:
        only_carrier = DifferenceKind.ONLY_CARRIER_ANSWERED
        kind = only_carrier if billed else DifferenceKind.ONLY_LEDGER_ANSWERED
    own_s = _seconds(own)
    if kind is None and own_s is not None and abs(cdr.duration_s - own_s) > tolerance_s:
        kind = DifferenceKind.DURATION
    if kind is None:
        return None
    return CallDifference(
        attempt_id=own.attempt_id,
        person_id=own.person_id,
        line=cdr.line,
        kind=kind,
        carrier=f"{cdr.duration_s} s {cdr.cause}".strip(),
        ledger=f"{own.outcome} {'' if own_s is None else f'{own_s} s'}".strip(),
    )


def _seconds(own: LedgerCall) -> int | None:
    """From the answer to the end, as far as the ledger knows."""
    if own.talk_ms is None:
        return None
    return round((own.talk_ms + (own.connect_ms or 0)) / 1000)
