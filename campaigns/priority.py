"""Which account first: expected recovery as an integer for the queue, and stage by age. Pure.

    value = score x overdue x stage factor x P(right party on the line) / cost

Every term but the score has a default by age of debt, so an account without a score still has its
place. The order is what matters: a common factor changes nothing.
"""

from __future__ import annotations

from math import log2
from typing import Final, NamedTuple

from campaigns.model import Bucket
from campaigns.portfolio.model import Stage
from compliance.messages import Message

HIGHEST: Final = 999_999
BLOCKED: Final = 0
"""Of an account that cannot be contacted at all."""

TIE_SPAN: Final = 1_000
"""A priority is a place by value times this, plus what breaks ties."""

_MIDDLE: Final = 500
_PER_DOUBLING: Final = 40
_TOP: Final = 999
_EXPIRING_PROMISE: Final = 500
_EXPIRING_WINDOW: Final = 300
_NEVER_CONTACTED: Final = 150
_MOST_IDLE_DAYS: Final = 49
_PROMISE_DAYS: Final = 1
_WINDOW_DAYS: Final = 30
_NEUTRAL_SCORE: Final = 0.5


class StagePlace(NamedTuple):
    stage: Stage
    bucket: Bucket


class Rates(NamedTuple):
    """What a dial at an account of this age yields; house defaults, not measurements."""

    right_party: float
    """P(right party on the line | dial): live answers times right parties among them."""
    stage_factor: float
    """Share of what is overdue that one talk brings: promises made times promises kept. Before
    the due date: the tenth who would not have paid by themselves."""


RATES: Final[dict[Bucket, Rates]] = {
    Bucket.PREVENTIVE: Rates(0.20 * 0.62, 0.10),
    Bucket.DPD_1_30: Rates(0.17 * 0.48, 0.40 * 0.65),
    Bucket.DPD_31_60: Rates(0.15 * 0.40, 0.34 * 0.55),
    Bucket.DPD_61_90: Rates(0.14 * 0.33, 0.29 * 0.46),
    Bucket.DPD_91_180: Rates(0.12 * 0.25, 0.22 * 0.38),
    Bucket.DPD_181_360: Rates(0.11 * 0.18, 0.17 * 0.32),
    Bucket.CHARGED_OFF: Rates(0.10 * 0.12, 0.14 * 0.28),
}

_LAST_DAYS: Final = (
    (0, StagePlace(Stage.PREVENTIVA, Bucket.PREVENTIVE)),
    (30, StagePlace(Stage.ADMINISTRATIVA, Bucket.DPD_1_30)),
    (60, StagePlace(Stage.EXTRAJUDICIAL, Bucket.DPD_31_60)),
    (90, StagePlace(Stage.EXTRAJUDICIAL, Bucket.DPD_61_90)),
    (180, StagePlace(Stage.PREJUDICIAL, Bucket.DPD_91_180)),
    (360, StagePlace(Stage.PREJUDICIAL, Bucket.DPD_181_360)),
)


def stage_for(dpd: int, *, charged_off: bool) -> StagePlace:
    """Stage and bucket of an account by days past due; 0 and less is not yet overdue.

    The judicial stage is never derived: it is entered by a hand-off to lawyers. Older than 360
    days goes with the charged-off for pacing, though its stage stays prejudicial.
    """
    if charged_off:
        return StagePlace(Stage.CASTIGO, Bucket.CHARGED_OFF)
    for last_day, place in _LAST_DAYS:
        if dpd <= last_day:
            return place
    return StagePlace(Stage.PREJUDICIAL, Bucket.CHARGED_OFF)


class AccountValue(Message, frozen=True, kw_only=True):
    """What decides an account's place in the queue."""

    overdue_cents: int
    """Integer minor units; before the due date, what falls due."""
    typical_cents: int
    """Median overdue amount of the portfolio, in the same currency: the scale's middle."""
    bucket: Bucket
    score_pay: float | None = None
    """Propensity to pay, 0 to 1; None: as good as 0.5."""
    right_party: float | None = None
    """P(right party | this phone, this hour), 0 to 1; None: the bucket's."""
    relative_cost: float = 1.0
    """Cost of the contact relative to an ordinary call."""
    promise_due_in_days: int | None = None
    """Of an open or partly kept promise; None: none."""
    legal_window_ends_in_days: int | None = None
    """Until the debt is time-barred or a legal step lapses; None: not known."""
    ever_contacted: bool = False
    """A right party was ever on the line."""
    idle_days: int = 0
    """Since the last attempt."""
    blocked: bool = False


def priority(value: AccountValue) -> int:
    """Place in the queue, 0 to 999 999; the highest is called first.

    Thousands: expected recovery on a logarithmic scale, 40 steps a doubling, 500 for a typical
    amount in the 31-60 bucket. Units break ties, in this order: a promise that falls due, a legal
    window that closes, never contacted, and days left alone. Blocked, or nothing owed: 0.

    Raises `ValueError` for a score or probability outside 0 to 1 or a scale that is not positive.
    """
    _check(value)
    if value.blocked or value.overdue_cents <= 0:
        return BLOCKED
    ratio = expected_recovery(value) / (value.typical_cents * _MIDDLE_YIELD)
    if ratio <= 0:
        return _tie_break(value)
    steps = _MIDDLE + round(_PER_DOUBLING * log2(ratio))
    return min(max(steps, 0), _TOP) * TIE_SPAN + _tie_break(value)


def expected_recovery(value: AccountValue) -> float:
    """Expected recovery of one contact in minor units, per unit of relative cost.

    Only good for ranking: the score enters as a weight around its neutral 0.5, not as a measured
    probability.
    """
    rates = RATES[value.bucket]
    right_party = rates.right_party if value.right_party is None else value.right_party
    score = _NEUTRAL_SCORE if value.score_pay is None else value.score_pay
    return value.overdue_cents * score * rates.stage_factor * right_party / value.relative_cost


_MIDDLE_YIELD: Final = (
    _NEUTRAL_SCORE * RATES[Bucket.DPD_31_60].stage_factor * RATES[Bucket.DPD_31_60].right_party
)


def _tie_break(value: AccountValue) -> int:
    days, window = value.promise_due_in_days, value.legal_window_ends_in_days
    tie = min(max(value.idle_days, 0), _MOST_IDLE_DAYS)
    if days is not None and days <= _PROMISE_DAYS:
        tie += _EXPIRING_PROMISE
    if window is not None and 0 <= window <= _WINDOW_DAYS:
        tie += _EXPIRING_WINDOW
    if not value.ever_contacted:
        tie += _NEVER_CONTACTED
    return tie


def _check(value: AccountValue) -> None:
    for name, share in (("score_pay", value.score_pay), ("right_party", value.right_party)):
        if share is not None and not 0 <= share <= 1:
            raise ValueError(f"{name} must lie between 0 and 1, not {share}")
    if value.typical_cents <= 0:
        raise ValueError(
            f"typical_cents must be positive, not {value.typical_cents}; "
            "take the median overdue amount of the portfolio, and 1 when nothing is owed"
        )
    if value.relative_cost <= 0:
        raise ValueError(f"relative_cost must be positive, not {value.relative_cost}")
