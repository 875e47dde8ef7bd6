"""Waiting after wrong passwords, without a clock."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dialer.console.backoff import FORGET_S, MAX_KEYS, MAX_WAIT_S, BackOff


def failed(back_off: BackOff, key: str, times: int, now_s: float = 0.0) -> None:
    for _ in range(times):
        back_off.begin(key)
        back_off.end(key, now_s, good=False)


def test_free_tries_then_twice_as_long_each_time() -> None:
    back_off = BackOff(free_tries=3)
    failed(back_off, "ana", 2)
    assert back_off.wait_s("ana", 0.0) == 0
    waits = []
    for _ in range(12):
        failed(back_off, "ana", 1)
        waits.append(back_off.wait_s("ana", 0.0))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert back_off.wait_s("ana", 299.0) == 1
    assert back_off.wait_s("ana", 300.0) == 0
    assert back_off.wait_s("eva", 0.0) == 0


def test_a_good_password_wipes_the_slate_and_so_does_time() -> None:
    back_off = BackOff(free_tries=1)
    failed(back_off, "ana", 5)
    back_off.begin("ana")
    back_off.end("ana", 0.0, good=True)
    assert back_off.wait_s("ana", 0.0) == 0
    assert len(back_off) == 0
    failed(back_off, "eva", 20)
    assert back_off.wait_s("eva", FORGET_S + 1) == 0
    failed(back_off, "eva", 1, FORGET_S + 2)
    assert back_off.wait_s("eva", FORGET_S + 2) == 1, "it starts anew"


def test_guesses_sent_at_once_gain_nothing() -> None:
    back_off = BackOff(free_tries=3)
    admitted = 0
    for _ in range(100):
        if back_off.wait_s("ana", 0.0) == 0:
            back_off.begin("ana")
            admitted += 1
    assert admitted == 3


def test_an_attempt_that_was_never_judged_changes_nothing() -> None:
    back_off = BackOff(free_tries=2)
    failed(back_off, "ana", 2)
    before = back_off.wait_s("ana", 0.0)
    back_off.begin("ana")
    back_off.end("ana", 0.0, good=None)
    assert back_off.wait_s("ana", 0.0) == before > 0


def test_it_remembers_only_so_many() -> None:
    back_off = BackOff(free_tries=1)
    for number in range(MAX_KEYS + 50):
        back_off.fail(f"user-{number}", float(number))
    assert len(back_off) == MAX_KEYS
    assert back_off.wait_s("user-0", float(MAX_KEYS)) == 0
    newest = MAX_KEYS + 49
    assert back_off.wait_s(f"user-{newest}", float(newest)) > 0


@given(
    st.lists(
        st.tuples(st.sampled_from([True, False, None]), st.floats(0, 400, allow_nan=False)),
        max_size=60,
    )
)
def test_nobody_tries_faster_than_the_waits(steps: list[tuple[bool | None, float]]) -> None:
    """Whatever happens, wrong tries after the free ones keep their distance."""
    back_off, now_s = BackOff(free_tries=2), 0.0
    since_good: list[float] = []
    for good, pause_s in steps:
        now_s += pause_s
        wait_s = back_off.wait_s("ana", now_s)
        assert 0 <= wait_s <= MAX_WAIT_S
        if wait_s > 0:
            continue
        back_off.begin("ana")
        back_off.end("ana", now_s, good=good)
        if good is True:
            since_good = []
        elif good is False:
            since_good.append(now_s)
    for number, (one, other) in enumerate(pairwise(since_good[1:])):
        if other - one <= FORGET_S:
            assert other - one >= min(MAX_WAIT_S, 2.0 ** min(number, 16)) - 1e-6
