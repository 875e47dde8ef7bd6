"""The order of accounts: what weighs, what only breaks ties, and stage by age."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.model import Bucket
from campaigns.portfolio.model import Stage
from campaigns.priority import (
    BLOCKED,
    HIGHEST,
    RATES,
    AccountValue,
    expected_recovery,
    priority,
    stage_for,
)

TYPICAL = 300_000


def account(bucket: Bucket = Bucket.DPD_31_60, overdue_cents: int = TYPICAL) -> AccountValue:
    return AccountValue(
        overdue_cents=overdue_cents, typical_cents=TYPICAL, bucket=bucket, ever_contacted=True
    )


def test_a_typical_account_stands_in_the_middle_and_a_doubling_is_forty_steps() -> None:
    assert priority(account()) == 500_000
    assert priority(account(overdue_cents=2 * TYPICAL)) == 540_000
    assert priority(account(overdue_cents=TYPICAL // 2)) == 460_000


def test_expected_recovery_is_the_product_of_its_terms() -> None:
    value = msgspec.structs.replace(
        account(Bucket.DPD_1_30, 10_000), score_pay=0.8, right_party=0.3, relative_cost=2.0
    )
    assert expected_recovery(value) == pytest.approx(10_000 * 0.8 * 0.40 * 0.65 * 0.3 / 2)


def test_younger_debt_first_at_equal_amounts() -> None:
    overdue = [bucket for bucket in Bucket if bucket is not Bucket.PREVENTIVE]
    places = [priority(account(bucket)) for bucket in overdue]
    assert places == sorted(places, reverse=True)
    assert len(set(places)) == len(places)
    assert set(RATES) == set(Bucket)


def test_a_missing_score_is_a_neutral_one() -> None:
    neutral = msgspec.structs.replace(account(), score_pay=0.5)
    assert priority(neutral) == priority(account())
    assert priority(msgspec.structs.replace(account(), score_pay=1.0)) == 540_000
    assert priority(msgspec.structs.replace(account(), score_pay=0.0)) < 1_000


def test_ties_are_broken_in_order() -> None:
    base = account()
    promise = msgspec.structs.replace(base, promise_due_in_days=1)
    window = msgspec.structs.replace(base, legal_window_ends_in_days=30, idle_days=1_000)
    never = msgspec.structs.replace(base, ever_contacted=False, idle_days=1_000)
    window_never = msgspec.structs.replace(never, legal_window_ends_in_days=3)
    idle = msgspec.structs.replace(base, idle_days=1_000)
    places = [priority(value) for value in (base, idle, never, window, window_never, promise)]
    assert places == sorted(places)
    assert len(set(places)) == len(places)
    far = msgspec.structs.replace(base, promise_due_in_days=2, legal_window_ends_in_days=31)
    assert priority(far) == priority(base)
    lapsed = msgspec.structs.replace(base, legal_window_ends_in_days=-1)
    assert priority(lapsed) == priority(base)


def test_blocked_or_nothing_owed_is_last() -> None:
    assert priority(msgspec.structs.replace(account(), blocked=True)) == BLOCKED
    assert priority(account(overdue_cents=0)) == BLOCKED
    assert priority(account(overdue_cents=-5)) == BLOCKED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score_pay": 1.5}, "score_pay must lie between 0 and 1, not 1.5"),
        ({"score_pay": float("nan")}, "score_pay must lie"),
        ({"right_party": -0.1}, "right_party must lie between 0 and 1"),
        ({"typical_cents": 0}, "typical_cents must be positive"),
        ({"relative_cost": 0.0}, "relative_cost must be positive"),
    ],
)
def test_nonsense_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        priority(msgspec.structs.replace(account(), **change))


VALUES = st.builds(
    AccountValue,
    overdue_cents=st.integers(-10, 10**15),
    typical_cents=st.integers(1, 10**12),
    bucket=st.sampled_from(Bucket),
    score_pay=st.none() | st.floats(0, 1),
    right_party=st.none() | st.floats(0, 1),
    relative_cost=st.floats(0.001, 1000),
    promise_due_in_days=st.none() | st.integers(-10, 40),
    legal_window_ends_in_days=st.none() | st.integers(-10, 4000),
    ever_contacted=st.booleans(),
    idle_days=st.integers(-5, 10_000),
    blocked=st.booleans(),
)


@given(VALUES)
@example(msgspec.structs.replace(account(overdue_cents=1), right_party=5e-324))
def test_the_place_is_always_in_range(value: AccountValue) -> None:
    assert BLOCKED <= priority(value) <= HIGHEST


@given(VALUES, st.integers(1, 10**12))
def test_more_owed_is_never_later(value: AccountValue, more: int) -> None:
    richer = msgspec.structs.replace(value, overdue_cents=value.overdue_cents + more)
    assert priority(richer) >= priority(value)


@pytest.mark.parametrize(
    ("dpd", "stage", "bucket"),
    [
        (-30, Stage.PREVENTIVA, Bucket.PREVENTIVE),
        (0, Stage.PREVENTIVA, Bucket.PREVENTIVE),
        (1, Stage.ADMINISTRATIVA, Bucket.DPD_1_30),
        (30, Stage.ADMINISTRATIVA, Bucket.DPD_1_30),
        (31, Stage.EXTRAJUDICIAL, Bucket.DPD_31_60),
        (60, Stage.EXTRAJUDICIAL, Bucket.DPD_31_60),
        (61, Stage.EXTRAJUDICIAL, Bucket.DPD_61_90),
        (90, Stage.EXTRAJUDICIAL, Bucket.DPD_61_90),
        (91, Stage.PREJUDICIAL, Bucket.DPD_91_180),
        (180, Stage.PREJUDICIAL, Bucket.DPD_91_180),
        (181, Stage.PREJUDICIAL, Bucket.DPD_181_360),
        (360, Stage.PREJUDICIAL, Bucket.DPD_181_360),
        (361, Stage.PREJUDICIAL, Bucket.CHARGED_OFF),
    ],
)
def test_stage_and_bucket_by_days_past_due(dpd: int, stage: Stage, bucket: Bucket) -> None:
    assert stage_for(dpd, charged_off=False) == (stage, bucket)
    assert stage_for(dpd, charged_off=True) == (Stage.CASTIGO, Bucket.CHARGED_OFF)
