"""Taking a promise: the same door for an agent's word and for keys that a person pressed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from campaigns import promises
from campaigns.model import HolidayPredicate, local_date
from campaigns.promises import Promise, PromiseContext, PromiseProblem, PromiseProposal
from dialer.core.desk_messages import DebtView, PromiseInput
from dialer.core.outcome import Contact
from dialer.core.records import to_ms
from dialer.core.writes import SavePromise


class Taken(NamedTuple):
    """A promise to be written, and when it is to be judged."""

    save: SavePromise
    review_at: datetime


def promise_context(
    contact: Contact, debts: Sequence[DebtView], now: datetime
) -> PromiseContext | None:
    """What may be promised is measured by this; None where there is no debt."""
    if not debts:
        return None
    today = local_date(now, contact.zones)
    return PromiseContext(
        today=today,
        dpd=_days_past_due(debts, today),
        overdue_cents=sum(d.overdue_cents or d.total_cents for d in debts),
        total_cents=sum(d.total_cents for d in debts),
        currency=debts[0].currency,
    )


def take_promise(
    contact: Contact,
    context: PromiseContext,
    wish: PromiseInput,
    *,
    taken_by: str,
    promise_id: str,
    now: datetime,
    is_holiday: HolidayPredicate,
) -> Taken | tuple[PromiseProblem, ...]:
    """The promise, or every reason why it cannot be made."""
    proposal = PromiseProposal(
        debt_ids=contact.debt_ids,
        amount_cents=wish.amount_cents,
        currency=context.currency,
        due_on=wish.due_date,
    )
    problems = promises.check(proposal, context)
    if problems:
        return tuple(problems)
    save = SavePromise(
        promise_id=promise_id,
        person_id=contact.person_id,
        account_id=contact.account_id,
        debt_id=contact.debt_ids[0],
        amount_cents=wish.amount_cents,
        currency=context.currency,
        due_date=wish.due_date.isoformat(),
        method=wish.method,
        captured_by=taken_by,
        captured_ms=to_ms(now),
        attempt_id=contact.attempt_id,
    )
    promise = Promise(
        promise_id=promise_id,
        debt_ids=contact.debt_ids,
        amount_cents=wish.amount_cents,
        currency=context.currency,
        made_on=context.today,
        due_on=wish.due_date,
    )
    return Taken(save, promises.schedule(promise, contact.zones, is_holiday).review_at)


def _days_past_due(debts: Sequence[DebtView], today: date) -> int:
    """Of the oldest debt; 0 when no due date is known."""
    due = [date.fromisoformat(d.due_date[:10]) for d in debts if d.due_date is not None]
    return max(0, (today - min(due)).days) if due else 0
