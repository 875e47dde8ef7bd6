"""Promises: what is refused and how it is told, and kept, partial and broken to the cent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.promises import (
    DEFAULT_POLICY,
    TRANSITIONS,
    Assessment,
    Horizon,
    ImpossibleTransition,
    Payment,
    ProblemCode,
    Promise,
    PromiseContext,
    PromiseEvent,
    PromisePolicy,
    PromiseProposal,
    PromiseState,
    allowed_amounts,
    allowed_dates,
    assess,
    check,
    events_to,
    money,
    schedule,
    step,
)
from compliance.types import DebtId
from tests.campaigns.builders import BOGOTA, no_holidays

TODAY = date(2026, 11, 23)
"""A Monday."""
D1, D2 = DebtId("d1"), DebtId("d2")


def context(
    dpd: int = 45,
    overdue_cents: int = 100_000,
    total_cents: int = 250_000,
    currency: str = "USD",
    open_promises: tuple[Promise, ...] = (),
    broken_on: tuple[date, ...] = (),
) -> PromiseContext:
    return PromiseContext(
        today=TODAY,
        dpd=dpd,
        overdue_cents=overdue_cents,
        total_cents=total_cents,
        currency=currency,
        open_promises=open_promises,
        broken_on=broken_on,
    )


def proposal(
    amount_cents: int = 50_000, days: int = 5, currency: str = "USD", **more: object
) -> PromiseProposal:
    base = PromiseProposal(
        debt_ids=(D1,),
        amount_cents=amount_cents,
        currency=currency,
        due_on=TODAY + timedelta(days=days),
    )
    return msgspec.structs.replace(base, **more)


def problems(
    offered: PromiseProposal, known: PromiseContext, policy: PromisePolicy = DEFAULT_POLICY
) -> list[ProblemCode]:
    return [problem.code for problem in check(offered, known, policy)]


# --- what may be promised --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dpd", "days"), [(-5, 7), (0, 7), (30, 7), (31, 15), (90, 15), (91, 30), (2_000, 30)]
)
def test_the_horizon_depends_on_the_age(dpd: int, days: int) -> None:
    known = context(dpd=dpd)
    assert allowed_dates(known, DEFAULT_POLICY) == (TODAY, TODAY + timedelta(days=days))
    assert problems(proposal(days=days), known) == []
    assert problems(proposal(days=0), known) == []
    assert problems(proposal(days=days + 1), known) == [ProblemCode.DATE_TOO_FAR]
    assert problems(proposal(days=-1), known) == [ProblemCode.DATE_PAST]


def test_a_refused_date_names_the_range_in_both_languages() -> None:
    (problem,) = check(proposal(days=16), context(dpd=45))
    assert problem.es == (
        "La fecha 2026-12-09 no se acepta: debe estar entre 2026-11-23 y 2026-12-08."
    )
    assert problem.en == (
        "The date 2026-12-09 is not accepted: it must lie between 2026-11-23 and 2026-12-08."
    )


def test_at_least_a_quarter_of_what_is_overdue_and_no_more_than_is_owed() -> None:
    known = context()
    assert allowed_amounts(known, DEFAULT_POLICY) == (25_000, 250_000)
    assert problems(proposal(25_000), known) == []
    assert problems(proposal(24_999), known) == [ProblemCode.BELOW_MINIMUM]
    assert problems(proposal(250_000), known) == []
    assert problems(proposal(250_001), known) == [ProblemCode.ABOVE_TOTAL]
    assert problems(proposal(0), known) == [ProblemCode.BELOW_MINIMUM]
    assert problems(proposal(-1), known) == [ProblemCode.BELOW_MINIMUM]


def test_a_refused_amount_names_the_range_in_both_languages() -> None:
    (problem,) = check(proposal(24_999), context())
    assert problem.es == (
        "El monto USD 249.99 no se acepta: debe estar entre USD 250.00 y USD 2500.00."
    )
    assert problem.en == (
        "The amount USD 249.99 is not accepted: it must lie between USD 250.00 and USD 2500.00."
    )
    (problem,) = check(
        proposal(1_000, currency="CLP"), context(overdue_cents=4_355, currency="CLP")
    )
    assert "entre CLP 1089 y CLP 250000" in problem.es  # a quarter of 4355 rounded up


def test_the_creditors_least_amount_but_never_more_than_is_overdue() -> None:
    policy = PromisePolicy(minimum_cents=40_000)
    assert allowed_amounts(context(), policy)[0] == 40_000
    assert allowed_amounts(context(overdue_cents=30_000), policy)[0] == 30_000
    assert allowed_amounts(context(overdue_cents=1, total_cents=1), DEFAULT_POLICY) == (1, 1)


def test_one_open_promise_for_a_debt_unless_it_is_replaced() -> None:
    standing = Promise(
        promise_id="p1",
        debt_ids=(D1, D2),
        amount_cents=1,
        currency="USD",
        made_on=TODAY,
        due_on=TODAY,
    )
    known = context(open_promises=(standing,))
    (problem,) = check(proposal(), known)
    assert problem.code is ProblemCode.ALREADY_OPEN
    assert "p1" in problem.es
    assert "2026-11-23" in problem.en
    assert problems(proposal(supersedes=("p1",)), known) == []
    assert problems(proposal(debt_ids=(DebtId("d3"),)), known) == []
    for state in PromiseState:
        other = msgspec.structs.replace(standing, state=state)
        refused = problems(proposal(), context(open_promises=(other,))) != []
        assert refused == state.is_pending


def test_two_broken_promises_in_sixty_days_ask_for_money_today() -> None:
    recent = (TODAY - timedelta(days=59), TODAY - timedelta(days=3))
    known = context(broken_on=recent)
    (problem,) = check(proposal(), known)
    assert problem.code is ProblemCode.MUST_PAY_TODAY
    assert "2 promesas" in problem.es
    assert "2026-11-23" in problem.en
    assert problems(proposal(days=0), known) == []
    assert problems(proposal(down_payment_cents=1), known) == []
    old = (TODAY - timedelta(days=60), TODAY - timedelta(days=3))
    assert problems(proposal(), context(broken_on=old)) == []


def test_every_fault_is_told_at_once() -> None:
    offered = proposal(1, 400, debt_ids=())
    assert problems(offered, context()) == [
        ProblemCode.NO_DEBT,
        ProblemCode.BELOW_MINIMUM,
        ProblemCode.DATE_TOO_FAR,
    ]


def test_nothing_owed_and_another_currency() -> None:
    assert problems(proposal(), context(total_cents=0)) == [ProblemCode.NOTHING_OWED]
    assert problems(proposal(), context(overdue_cents=-1)) == [ProblemCode.NOTHING_OWED]
    assert problems(proposal(currency="EUR"), context()) == [ProblemCode.WRONG_CURRENCY]


def test_money_for_people() -> None:
    assert money(4_355, "CLP") == "CLP 4355"
    assert money(123_456, "COP") == "COP 1234.56"
    assert money(5, "USD") == "USD 0.05"


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(-100, 3_000))
def test_the_named_ranges_are_exactly_what_is_accepted(overdue: int, more: int, dpd: int) -> None:
    known = context(dpd=dpd, overdue_cents=overdue, total_cents=overdue + more)
    least, most = allowed_amounts(known, DEFAULT_POLICY)
    first, last = allowed_dates(known, DEFAULT_POLICY)
    assert 0 < least <= most
    assert least * 4 >= overdue
    for amount, due_on in product((least, most), (first, last)):
        assert problems(proposal(amount, due_on=due_on), known) == []
    for amount in (least - 1, most + 1):
        assert len(problems(proposal(amount, 0), known)) == 1
    for due_on in (first - timedelta(days=1), last + timedelta(days=1)):
        assert len(problems(proposal(least, due_on=due_on), known)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizons": ()},
        {"horizons": (Horizon(up_to_dpd=30, days=7),)},
        {"horizons": (Horizon(up_to_dpd=None, days=7), Horizon(up_to_dpd=None, days=9))},
        {"kept_bp": 10_001},
        {"partial_bp": 9_600},
        {"partial_bp": 0},
        {"grace_business_days": -1},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|cannot"):
        msgspec.structs.replace(DEFAULT_POLICY, **wrong)


# --- the table -------------------------------------------------------------------------------

S, E = PromiseState, PromiseEvent
EXPECTED = {
    (S.OPEN, E.PAID_ENOUGH): S.KEPT,
    (S.OPEN, E.DEADLINE_WITH_PART): S.PARTIALLY_KEPT,
    (S.OPEN, E.DEADLINE_WITHOUT): S.BROKEN,
    (S.OPEN, E.CANCELLED): S.CANCELLED,
    (S.OPEN, E.SUPERSEDED): S.SUPERSEDED,
    (S.PARTIALLY_KEPT, E.PAID_ENOUGH): S.KEPT,
    (S.PARTIALLY_KEPT, E.EXTENSION_OVER): S.BROKEN,
    (S.PARTIALLY_KEPT, E.PAYMENT_REVERSED): S.OPEN,
    (S.KEPT, E.PAYMENT_REVERSED): S.OPEN,
    (S.BROKEN, E.PAYMENT_FOUND): S.OPEN,
}


@pytest.mark.parametrize(("state", "event"), list(product(PromiseState, PromiseEvent)))
def test_every_pair_of_state_and_event(state: PromiseState, event: PromiseEvent) -> None:
    if (state, event) in EXPECTED:
        assert step(state, event) is EXPECTED[state, event]
    else:
        with pytest.raises(ImpossibleTransition, match=f"{state.value} cannot take {event.value}"):
            step(state, event)


def test_events_lead_from_the_recorded_state_to_the_judged_one() -> None:
    judged = (S.OPEN, S.PARTIALLY_KEPT, S.KEPT, S.BROKEN)
    for current, target in product(judged, judged):
        state = current
        for event in events_to(current, target):
            state = step(state, event)
        assert state is target
    assert events_to(S.OPEN, S.KEPT) == (E.PAID_ENOUGH,)
    assert events_to(S.KEPT, S.BROKEN) == (E.PAYMENT_REVERSED, E.DEADLINE_WITHOUT)
    assert events_to(S.KEPT, S.KEPT) == ()
    with pytest.raises(ValueError, match="cancelled cannot become kept"):
        events_to(S.CANCELLED, S.KEPT)
    assert len(TRANSITIONS) == len(EXPECTED)


# --- what became of it -----------------------------------------------------------------------

DUE = date(2026, 11, 27)
"""A Friday: two business days of grace end on Tuesday, December 1."""
GRACE_ENDS = date(2026, 12, 1)
EXTENSION_ENDS = date(2026, 12, 8)
AMOUNT = 10_000


def promise(state: PromiseState = S.OPEN) -> Promise:
    return Promise(
        promise_id="p1",
        debt_ids=(D1,),
        amount_cents=AMOUNT,
        currency="USD",
        made_on=TODAY,
        due_on=DUE,
        state=state,
    )


def paid(*payments: tuple[int, date]) -> tuple[Payment, ...]:
    return tuple(
        Payment(payment_id=str(number), amount_cents=cents, posted_on=day)
        for number, (cents, day) in enumerate(payments)
    )


def judged(as_of: date, *payments: tuple[int, date]) -> Assessment:
    return assess(promise(), paid(*payments), as_of, no_holidays)


@pytest.mark.parametrize(
    ("cents", "as_of", "state"),
    [
        (9_500, DUE, S.KEPT),
        (9_499, DUE, S.OPEN),
        (9_500, GRACE_ENDS, S.KEPT),
        (9_499, GRACE_ENDS, S.OPEN),
        (9_499, GRACE_ENDS + timedelta(days=1), S.PARTIALLY_KEPT),
        (5_000, GRACE_ENDS + timedelta(days=1), S.PARTIALLY_KEPT),
        (4_999, GRACE_ENDS + timedelta(days=1), S.BROKEN),
        (1, GRACE_ENDS + timedelta(days=1), S.BROKEN),
        (0, GRACE_ENDS, S.OPEN),
        (0, GRACE_ENDS + timedelta(days=1), S.BROKEN),
        (5_000, EXTENSION_ENDS, S.PARTIALLY_KEPT),
        (5_000, EXTENSION_ENDS + timedelta(days=1), S.BROKEN),
        (20_000, TODAY, S.KEPT),
    ],
)
def test_kept_partial_and_broken_to_the_cent(cents: int, as_of: date, state: PromiseState) -> None:
    found = judged(as_of, (cents, min(DUE, as_of)))
    assert found.state is state
    assert found.paid_cents == cents
    assert found.missing_cents == max(AMOUNT - cents, 0)


def test_only_payments_from_its_making_to_the_end_of_grace_count() -> None:
    later = GRACE_ENDS + timedelta(days=1)
    assert judged(later, (AMOUNT, TODAY - timedelta(days=1))).state is S.BROKEN
    assert judged(later, (AMOUNT, TODAY)).state is S.KEPT
    assert judged(later, (AMOUNT, GRACE_ENDS)).state is S.KEPT
    assert judged(later, (AMOUNT, later)).state is S.BROKEN
    assert judged(later, (5_000, DUE), (4_500, GRACE_ENDS)).state is S.KEPT


def test_after_a_part_the_rest_keeps_it_within_seven_days() -> None:
    next_day = GRACE_ENDS + timedelta(days=1)
    part = judged(next_day, (6_000, DUE))
    assert (part.state, part.missing_cents) == (S.PARTIALLY_KEPT, 4_000)
    assert (part.call_from, part.new_date_by) == (next_day, EXTENSION_ENDS)
    rest = judged(EXTENSION_ENDS, (6_000, DUE), (3_500, EXTENSION_ENDS))
    assert (rest.state, rest.call_from, rest.new_date_by) == (S.KEPT, None, None)
    late = EXTENSION_ENDS + timedelta(days=1)
    assert judged(late, (6_000, DUE), (3_500, late)).state is S.BROKEN
    # what comes in the extension does not mend a promise of which too little was kept
    assert judged(EXTENSION_ENDS, (4_999, DUE), (5_001, next_day)).state is S.BROKEN


def test_a_reversal_reopens_it_and_a_payment_found_late_mends_it() -> None:
    kept = promise(S.KEPT)
    back = (Payment(payment_id="1", amount_cents=AMOUNT, posted_on=DUE, reversed=True),)
    assert assess(kept, back, DUE, no_holidays).state is S.OPEN
    assert assess(kept, back, EXTENSION_ENDS, no_holidays).state is S.BROKEN
    broken = promise(S.BROKEN)
    assert assess(broken, paid((AMOUNT, DUE)), EXTENSION_ENDS, no_holidays).state is S.KEPT


@pytest.mark.parametrize("state", [S.CANCELLED, S.SUPERSEDED])
def test_what_was_cancelled_or_superseded_stays_so(state: PromiseState) -> None:
    for cents in (0, AMOUNT):
        found = assess(promise(state), paid((cents, DUE)), EXTENSION_ENDS, no_holidays)
        assert found.state is state


def test_grace_counts_business_days() -> None:
    def is_holiday(day: date) -> bool:
        return day == date(2026, 11, 30)

    plan = schedule(promise(), (BOGOTA,), is_holiday)
    assert plan.grace_ends_on == date(2026, 12, 2)
    assert plan.review_at == datetime(2026, 12, 3, 5, tzinfo=UTC)
    assert plan.extension_ends_on == date(2026, 12, 9)
    as_of = date(2026, 12, 2)
    assert assess(promise(), (), as_of, is_holiday).state is S.OPEN
    assert assess(promise(), (), as_of, no_holidays).state is S.BROKEN


def test_reminders_the_day_before_and_on_the_day_but_not_on_the_day_it_is_made() -> None:
    def reminders(days: int) -> tuple[date, ...]:
        due = msgspec.structs.replace(promise(), due_on=TODAY + timedelta(days=days))
        return schedule(due, (), no_holidays).remind_on

    assert reminders(4) == (TODAY + timedelta(days=3), TODAY + timedelta(days=4))
    assert reminders(1) == (TODAY + timedelta(days=1),)
    assert reminders(0) == ()


PAYMENTS = st.lists(
    st.builds(
        Payment,
        payment_id=st.uuids().map(str),
        amount_cents=st.integers(1, AMOUNT),
        posted_on=st.integers(-5, 25).map(lambda days: TODAY + timedelta(days=days)),
        reversed=st.booleans(),
    ),
    max_size=6,
).map(tuple)
DAYS = st.integers(0, 30).map(lambda days: TODAY + timedelta(days=days))
ORDER = [S.BROKEN, S.OPEN, S.PARTIALLY_KEPT, S.KEPT]


@given(PAYMENTS, DAYS)
def test_judged_by_the_review_it_is_never_open(payments: tuple[Payment, ...], as_of: date) -> None:
    found = assess(promise(), payments, as_of, no_holidays)
    if as_of > GRACE_ENDS:
        assert found.state is not S.OPEN
    if as_of > EXTENSION_ENDS:
        assert found.state in (S.KEPT, S.BROKEN)
    assert found.missing_cents == max(AMOUNT - found.paid_cents, 0)
    assert (found.new_date_by is not None) == (found.state is S.PARTIALLY_KEPT)


@given(PAYMENTS, DAYS, DAYS)
def test_a_promise_once_kept_stays_kept_unless_money_goes_back(
    payments: tuple[Payment, ...], first: date, second: date
) -> None:
    early, late = sorted((first, second))
    if assess(promise(), payments, early, no_holidays).state is S.KEPT:
        assert assess(promise(), payments, late, no_holidays).state is S.KEPT


@given(PAYMENTS, st.integers(1, AMOUNT), DAYS)
def test_more_money_in_time_is_never_worse(
    payments: tuple[Payment, ...], more: int, as_of: date
) -> None:
    before = assess(promise(), payments, as_of, no_holidays)
    extra = Payment(payment_id="more", amount_cents=more, posted_on=TODAY)
    after = assess(promise(), (*payments, extra), as_of, no_holidays)
    assert ORDER.index(after.state) >= ORDER.index(before.state)
    assert events_to(before.state, after.state) is not None
