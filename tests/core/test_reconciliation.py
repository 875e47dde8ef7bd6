"""Matching a carrier's calls with ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.types import EventKind
from dialer.core.reconciliation import CdrCall, DifferenceKind, LedgerCall, Match, match

NOON = datetime(2026, 11, 24, 15, tzinfo=UTC)


def cdr(line: int = 1, **fields: object) -> CdrCall:
    usual = CdrCall(line=line, call_id="", number="56911111111", start=NOON, duration_s=0)
    return msgspec.structs.replace(usual, **fields)


def own(name: str = "a-1", **fields: object) -> LedgerCall:
    usual = LedgerCall(
        attempt_id=name,
        person_id="p-1",
        number="56911111111",
        planned=NOON,
        outcome=EventKind.RANG_NO_ANSWER,
        talk_ms=None,
        connect_ms=None,
    )
    return msgspec.structs.replace(usual, **fields)


def compared(cdrs: list[CdrCall], attempts: list[LedgerCall]) -> Match:
    return match(cdrs, attempts, start_tolerance_s=120, duration_tolerance_s=5)


def test_our_id_comes_first() -> None:
    far = NOON + timedelta(hours=3)
    found = compared([cdr(call_id="a-2", start=far)], [own("a-1"), own("a-2")])
    assert (found.by_call_id, found.by_number) == (1, 0)
    assert [a.attempt_id for a in found.unseen] == ["a-1"]


@pytest.mark.parametrize("number", ["911111111", "56911111111", "11111111"])
def test_numbers_with_or_without_prefix(number: str) -> None:
    assert compared([cdr(number=number)], [own()]).by_number == 1


@pytest.mark.parametrize("number", ["912345678", "111111", "56921111111"])
def test_other_numbers_do_not_match(number: str) -> None:
    found = compared([cdr(number=number)], [own()])
    assert (len(found.unknown), len(found.unseen)) == (1, 1)


def test_the_nearest_start_and_each_once() -> None:
    early, late = NOON, NOON + timedelta(seconds=100)
    found = compared(
        [cdr(1, start=late), cdr(2, start=early), cdr(3, start=early)],
        [own("a-1", planned=early), own("a-2", planned=late)],
    )
    assert found.by_number == 2
    assert [call.line for call in found.unknown] == [3]


def test_too_far_apart() -> None:
    assert compared([cdr(start=NOON + timedelta(seconds=121))], [own()]).by_number == 0
    assert compared([cdr(start=NOON + timedelta(seconds=120))], [own()]).by_number == 1


@pytest.mark.parametrize(
    ("duration_s", "outcome", "talk_ms", "kind"),
    [
        (0, EventKind.RANG_NO_ANSWER, None, None),
        (40, EventKind.RANG_NO_ANSWER, None, DifferenceKind.ONLY_CARRIER_ANSWERED),
        (0, EventKind.CONVERSATION, 40_000, DifferenceKind.ONLY_LEDGER_ANSWERED),
        (45, EventKind.CONVERSATION, 40_000, None),
        (46, EventKind.CONVERSATION, 40_000, DifferenceKind.DURATION),
        (9, EventKind.MACHINE_NO_MESSAGE, None, None),
        (40, None, None, None),
    ],
)
def test_differences(
    duration_s: int, outcome: EventKind | None, talk_ms: int | None, kind: DifferenceKind | None
) -> None:
    found = compared([cdr(duration_s=duration_s)], [own(outcome=outcome, talk_ms=talk_ms)])
    assert [d.kind for d in found.differences] == ([] if kind is None else [kind])


def test_a_call_that_never_left_is_not_looked_for() -> None:
    assert compared([], [own(outcome=EventKind.NOT_CONNECTED_NETWORK)]).unseen == ()


_NUMBERS = st.sampled_from(["56911111111", "56922222222", "5491133334444"])
_OFFSETS = st.integers(0, 400)


@given(st.lists(st.tuples(_NUMBERS, _OFFSETS)), st.lists(st.tuples(_NUMBERS, _OFFSETS)))
def test_every_call_is_accounted_for_once(
    theirs: list[tuple[str, int]], ours: list[tuple[str, int]]
) -> None:
    cdrs = [
        cdr(line, number=number, start=NOON + timedelta(seconds=offset))
        for line, (number, offset) in enumerate(theirs)
    ]
    attempts = [
        own(f"a-{i}", number=number, planned=NOON + timedelta(seconds=offset))
        for i, (number, offset) in enumerate(ours)
    ]
    found = compared(cdrs, attempts)
    assert found.by_number + len(found.unknown) == len(cdrs)
    assert found.by_number + len(found.unseen) == len(attempts)
