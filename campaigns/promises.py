"""Promises to pay: which may be made, when they are judged, and what became of them. Pure.

Money is integer minor units, shares are basis points (1/100 of a percent), dates are the
person's local dates. The defaults are house policy.
"""

from __future__ import annotations

from collections import deque
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from campaigns.model import HolidayPredicate, add_business_days, start_of_day
from campaigns.portfolio.money import NumberStyle, exponent_of, format_amount
from compliance.messages import Message
from compliance.types import DebtId

_WHOLE_BP: Final = 10_000


class Horizon(Message, frozen=True, kw_only=True):
    """How far ahead a promise may lie, for debts up to an age."""

    up_to_dpd: int | None
    """None: any age."""
    days: int


class PromisePolicy(Message, frozen=True, kw_only=True):
    horizons: tuple[Horizon, ...] = (
        Horizon(up_to_dpd=30, days=7),
        Horizon(up_to_dpd=90, days=15),
        Horizon(up_to_dpd=None, days=30),
    )
    """By age, the youngest first; the last one without an age. Beyond 90 days: first payment."""
    minimum_bp: int = 2_500
    """Of what is overdue."""
    minimum_cents: int = 0
    """The creditor's own least amount; whichever of the two is higher, but never above the debt."""
    grace_business_days: int = 2
    kept_bp: int = 9_500
    """Paid this share by the end of grace: kept."""
    partial_bp: int = 5_000
    """Paid this share, yet less than kept: partially kept."""
    extension_days: int = 7
    """After a partial payment, calendar days for the rest."""
    broken_limit: int = 2
    """So many broken promises within `broken_window_days` restrict the next one."""
    broken_window_days: int = 60

    def __post_init__(self) -> None:
        ages = [horizon.up_to_dpd for horizon in self.horizons]
        known = [age for age in ages[:-1] if age is not None]
        if not ages or ages[-1] is not None or len(known) < len(ages) - 1 or known != sorted(known):
            raise ValueError("horizons must be ordered by up_to_dpd and end with one that has none")
        if not 0 < self.partial_bp <= self.kept_bp <= _WHOLE_BP:
            raise ValueError("shares must satisfy 0 < partial_bp <= kept_bp <= 10000")
        if min(self.minimum_bp, self.minimum_cents, self.grace_business_days) < 0:
            raise ValueError("minimum_bp, minimum_cents and grace_business_days cannot be negative")

    def horizon_days(self, dpd: int) -> int:
        return next(
            horizon.days
            for horizon in self.horizons
            if horizon.up_to_dpd is None or dpd <= horizon.up_to_dpd
        )


DEFAULT_POLICY: Final = PromisePolicy()


# --- life ------------------------------------------------------------------------------------


class PromiseState(StrEnum):
    OPEN = "open"
    PARTIALLY_KEPT = "partially_kept"
    KEPT = "kept"
    BROKEN = "broken"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    """A newer promise took its place."""

    @property
    def is_pending(self) -> bool:
        """Still to be judged, now or when the extension ends."""
        return self in (PromiseState.OPEN, PromiseState.PARTIALLY_KEPT)


class PromiseEvent(StrEnum):
    PAID_ENOUGH = "paid_enough"
    DEADLINE_WITH_PART = "deadline_with_part"
    DEADLINE_WITHOUT = "deadline_without"
    EXTENSION_OVER = "extension_over"
    PAYMENT_REVERSED = "payment_reversed"
    """A payment that had counted was taken back: it is judged again from the start."""
    PAYMENT_FOUND = "payment_found"
    """A payment posted in time became known late: it is judged again from the start."""
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


TRANSITIONS: Final[dict[tuple[PromiseState, PromiseEvent], PromiseState]] = {
    (PromiseState.OPEN, PromiseEvent.PAID_ENOUGH): PromiseState.KEPT,
    (PromiseState.OPEN, PromiseEvent.DEADLINE_WITH_PART): PromiseState.PARTIALLY_KEPT,
    (PromiseState.OPEN, PromiseEvent.DEADLINE_WITHOUT): PromiseState.BROKEN,
    (PromiseState.OPEN, PromiseEvent.CANCELLED): PromiseState.CANCELLED,
    (PromiseState.OPEN, PromiseEvent.SUPERSEDED): PromiseState.SUPERSEDED,
    (PromiseState.PARTIALLY_KEPT, PromiseEvent.PAID_ENOUGH): PromiseState.KEPT,
    (PromiseState.PARTIALLY_KEPT, PromiseEvent.EXTENSION_OVER): PromiseState.BROKEN,
    (PromiseState.PARTIALLY_KEPT, PromiseEvent.PAYMENT_REVERSED): PromiseState.OPEN,
    (PromiseState.KEPT, PromiseEvent.PAYMENT_REVERSED): PromiseState.OPEN,
    (PromiseState.BROKEN, PromiseEvent.PAYMENT_FOUND): PromiseState.OPEN,
}


class ImpossibleTransition(Exception):
    """The event cannot happen to a promise in this state."""

    def __init__(self, state: PromiseState, event: PromiseEvent) -> None:
        super().__init__(f"a promise that is {state.value} cannot take {event.value}")
        self.state = state
        self.event = event


def step(state: PromiseState, event: PromiseEvent) -> PromiseState:
    """The state after an event. Raises `ImpossibleTransition`."""
    after = TRANSITIONS.get((state, event))
    if after is None:
        raise ImpossibleTransition(state, event)
    return after


def events_to(current: PromiseState, judged: PromiseState) -> tuple[PromiseEvent, ...]:
    """The fewest events of the table that lead from a recorded state to the one just judged.

    Raises `ValueError` when there is no such way (a cancelled promise stays cancelled).
    """
    ways: dict[PromiseState, tuple[PromiseEvent, ...]] = {current: ()}
    queue = deque([current])
    while queue:
        state = queue.popleft()
        if state is judged:
            return ways[state]
        for (before, event), after in TRANSITIONS.items():
            if before is state and after not in ways:
                ways[after] = (*ways[state], event)
                queue.append(after)
    raise ValueError(f"a promise that is {current.value} cannot become {judged.value}")


class Promise(Message, frozen=True, kw_only=True):
    promise_id: str
    debt_ids: tuple[DebtId, ...]
    amount_cents: int
    currency: str
    """ISO 4217."""
    made_on: date
    due_on: date
    state: PromiseState = PromiseState.OPEN


class Payment(Message, frozen=True, kw_only=True):
    """A payment to the debts of a promise."""

    payment_id: str
    amount_cents: int
    posted_on: date
    reversed: bool = False


# --- may it be made? -------------------------------------------------------------------------


class PromiseProposal(Message, frozen=True, kw_only=True):
    """What an agent, an IVR flow or a chat wants to record."""

    debt_ids: tuple[DebtId, ...]
    amount_cents: int
    currency: str
    due_on: date
    down_payment_cents: int = 0
    """Paid in the same contact."""
    supersedes: tuple[str, ...] = ()
    """Ids of open promises that this one replaces."""


class PromiseContext(Message, frozen=True, kw_only=True):
    """What is owed and what was promised before."""

    today: date
    """The person's local date."""
    dpd: int
    overdue_cents: int
    """Of the debts together; before the due date, what falls due."""
    total_cents: int
    currency: str
    open_promises: tuple[Promise, ...] = ()
    broken_on: tuple[date, ...] = ()
    """Dates on which earlier promises of the account were judged broken."""


class ProblemCode(StrEnum):
    NO_DEBT = "no_debt"
    WRONG_CURRENCY = "wrong_currency"
    NOTHING_OWED = "nothing_owed"
    BELOW_MINIMUM = "below_minimum"
    ABOVE_TOTAL = "above_total"
    DATE_PAST = "date_past"
    DATE_TOO_FAR = "date_too_far"
    ALREADY_OPEN = "already_open"
    MUST_PAY_TODAY = "must_pay_today"


class PromiseProblem(Message, frozen=True, kw_only=True):
    """Why a promise is refused, in words that name what would be accepted."""

    code: ProblemCode
    es: str
    en: str


def allowed_amounts(context: PromiseContext, policy: PromisePolicy) -> tuple[int, int]:
    """Least and greatest amount that may be promised, in minor units.

    The least is the policy's share of what is overdue, rounded up, or the creditor's own least
    amount if that is higher; but what is overdue, paid whole, is always enough.
    """
    share = -(-context.overdue_cents * policy.minimum_bp // _WHOLE_BP)
    least = min(max(share, policy.minimum_cents), context.overdue_cents)
    return max(least, 1), context.total_cents


def allowed_dates(context: PromiseContext, policy: PromisePolicy) -> tuple[date, date]:
    """First and last date that may be promised; both included."""
    return context.today, context.today + timedelta(days=policy.horizon_days(context.dpd))


def check(
    proposal: PromiseProposal, context: PromiseContext, policy: PromisePolicy = DEFAULT_POLICY
) -> tuple[PromiseProblem, ...]:
    """Everything that is wrong with a promise; empty when it may be made."""
    if context.total_cents <= 0 or context.overdue_cents <= 0:
        return (
            PromiseProblem(
                code=ProblemCode.NOTHING_OWED,
                es="No hay saldo por pagar; no se registra una promesa.",
                en="Nothing is owed; there is no promise to record.",
            ),
        )
    if proposal.currency != context.currency:
        return (
            PromiseProblem(
                code=ProblemCode.WRONG_CURRENCY,
                es=f"La deuda está en {context.currency}, no en {proposal.currency}.",
                en=f"The debt is in {context.currency}, not in {proposal.currency}.",
            ),
        )
    problems: list[PromiseProblem] = []
    if not proposal.debt_ids:
        problems.append(
            PromiseProblem(
                code=ProblemCode.NO_DEBT,
                es="Indique al menos una deuda.",
                en="Name at least one debt.",
            )
        )
    problems += _amount_problems(proposal, context, policy)
    problems += _date_problems(proposal, context, policy)
    problems += _open_problems(proposal, context)
    return tuple(problems)


def _amount_problems(
    proposal: PromiseProposal, context: PromiseContext, policy: PromisePolicy
) -> list[PromiseProblem]:
    least, most = allowed_amounts(context, policy)
    if least <= proposal.amount_cents <= most:
        return []
    low, high = money(least, context.currency), money(most, context.currency)
    given = money(proposal.amount_cents, context.currency)
    below = proposal.amount_cents < least
    return [
        PromiseProblem(
            code=ProblemCode.BELOW_MINIMUM if below else ProblemCode.ABOVE_TOTAL,
            es=f"El monto {given} no se acepta: debe estar entre {low} y {high}.",
            en=f"The amount {given} is not accepted: it must lie between {low} and {high}.",
        )
    ]


def _date_problems(
    proposal: PromiseProposal, context: PromiseContext, policy: PromisePolicy
) -> list[PromiseProblem]:
    first, last = allowed_dates(context, policy)
    if not first <= proposal.due_on <= last:
        past = proposal.due_on < first
        return [
            PromiseProblem(
                code=ProblemCode.DATE_PAST if past else ProblemCode.DATE_TOO_FAR,
                es=f"La fecha {proposal.due_on} no se acepta: debe estar entre {first} y {last}.",
                en=f"The date {proposal.due_on} is not accepted: "
                f"it must lie between {first} and {last}.",
            )
        ]
    since = context.today - timedelta(days=policy.broken_window_days)
    broken = sum(day > since for day in context.broken_on)
    same_day = proposal.due_on == context.today or proposal.down_payment_cents > 0
    if broken < policy.broken_limit or same_day:
        return []
    return [
        PromiseProblem(
            code=ProblemCode.MUST_PAY_TODAY,
            es=f"Hay {broken} promesas incumplidas en {policy.broken_window_days} días: "
            f"la nueva debe vencer hoy ({context.today}) o llevar un pago inicial.",
            en=f"{broken} promises were broken in {policy.broken_window_days} days: "
            f"the new one must fall due today ({context.today}) or come with a down payment.",
        )
    ]


def _open_problems(proposal: PromiseProposal, context: PromiseContext) -> list[PromiseProblem]:
    return [
        PromiseProblem(
            code=ProblemCode.ALREADY_OPEN,
            es=f"Ya hay una promesa abierta para esta deuda ({promise.promise_id}, vence "
            f"{promise.due_on}): reemplácela o espere su resultado.",
            en=f"There is an open promise for this debt already ({promise.promise_id}, due "
            f"{promise.due_on}): replace it or wait for its result.",
        )
        for promise in context.open_promises
        if promise.state.is_pending
        and promise.promise_id not in proposal.supersedes
        and not set(promise.debt_ids).isdisjoint(proposal.debt_ids)
    ]


def money(amount_cents: int, currency: str) -> str:
    """An amount for people, unambiguous in any locale: `CLP 4355`, `USD 12.50`."""
    amount = format_amount(
        amount_cents, NumberStyle.DOT_DECIMAL, exponent_of(currency), thousands=False
    )
    return f"{currency} {amount}"


# --- what became of it? ----------------------------------------------------------------------


class PromiseSchedule(Message, frozen=True, kw_only=True):
    """Dates that follow from a promise; voice contact rests until `review_at`."""

    remind_on: tuple[date, ...]
    """The day before and the day itself, on a verified channel; none that lies in the past."""
    grace_ends_on: date
    """Last day on which a payment keeps the promise."""
    review_at: datetime
    """First instant at which it may be judged broken."""
    extension_ends_on: date
    """Last day for the rest after a partial payment."""


def schedule(
    promise: Promise,
    zones: tuple[str, ...],
    is_holiday: HolidayPredicate,
    policy: PromisePolicy = DEFAULT_POLICY,
) -> PromiseSchedule:
    """When to remind of, judge and close a promise, in a person's candidate zones."""
    grace_ends_on = add_business_days(promise.due_on, policy.grace_business_days, is_holiday)
    reminders = (promise.due_on - timedelta(days=1), promise.due_on)
    return PromiseSchedule(
        remind_on=tuple(day for day in reminders if day > promise.made_on),
        grace_ends_on=grace_ends_on,
        review_at=start_of_day(grace_ends_on + timedelta(days=1), zones),
        extension_ends_on=grace_ends_on + timedelta(days=policy.extension_days),
    )


class Assessment(Message, frozen=True, kw_only=True):
    state: PromiseState
    paid_cents: int
    """Counted towards the promise."""
    missing_cents: int
    """To the promised amount, not to the tolerance."""
    call_from: date | None = None
    """After a partial payment: the day to call about the rest."""
    new_date_by: date | None = None
    """After a partial payment: the latest date for the rest."""


def assess(
    promise: Promise,
    payments: tuple[Payment, ...],
    as_of: date,
    is_holiday: HolidayPredicate,
    policy: PromisePolicy = DEFAULT_POLICY,
) -> Assessment:
    """Judge a promise by the payments known on `as_of`, the person's local date.

    Counts what was posted from the day it was made, and was not reversed. Kept from the first
    moment that 95 % is there, at the latest at the end of grace; then 50 % makes it partially
    kept, with seven more days to keep it; anything less is broken. Always judged from all
    payments anew, so a reversal reopens it and a repeat changes nothing. Cancelled and
    superseded promises stay what they are.
    """
    grace_ends_on = add_business_days(promise.due_on, policy.grace_business_days, is_holiday)
    extension_ends_on = grace_ends_on + timedelta(days=policy.extension_days)
    in_grace = _paid(promise, payments, min(as_of, grace_ends_on))
    in_extension = _paid(promise, payments, min(as_of, extension_ends_on))
    state = promise.state
    call_from = new_date_by = None
    paid = in_grace
    if state not in (PromiseState.CANCELLED, PromiseState.SUPERSEDED):
        if _reaches(in_grace, promise, policy.kept_bp):
            state = PromiseState.KEPT
        elif as_of <= grace_ends_on:
            state = PromiseState.OPEN
        elif not _reaches(in_grace, promise, policy.partial_bp):
            state = PromiseState.BROKEN
        else:
            paid = in_extension
            if _reaches(in_extension, promise, policy.kept_bp):
                state = PromiseState.KEPT
            elif as_of <= extension_ends_on:
                state = PromiseState.PARTIALLY_KEPT
                call_from = grace_ends_on + timedelta(days=1)
                new_date_by = extension_ends_on
            else:
                state = PromiseState.BROKEN
    return Assessment(
        state=state,
        paid_cents=paid,
        missing_cents=max(promise.amount_cents - paid, 0),
        call_from=call_from,
        new_date_by=new_date_by,
    )


def _paid(promise: Promise, payments: tuple[Payment, ...], until: date) -> int:
    return sum(
        payment.amount_cents
        for payment in payments
        if not payment.reversed and promise.made_on <= payment.posted_on <= until
    )


def _reaches(paid_cents: int, promise: Promise, share_bp: int) -> bool:
    return paid_cents * _WHOLE_BP >= promise.amount_cents * share_bp
