"""What a flow may ask of a person and of what they owe, read at the moment of need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import structlog

from campaigns.content.render import MergeValue, Money
from campaigns.flows.messages import Terms
from campaigns.portfolio.money import exponent_of
from campaigns.promises import DEFAULT_POLICY, allowed_amounts, allowed_dates
from compliance.types import Validity
from dialer.core.outcome import Contact
from dialer.core.promising import promise_context
from dialer.stores.ledger.database import Ledger, LedgerUnavailable
from dialer.stores.ledger.screens import (
    PersonOnScreen,
    read_creditor,
    read_debts,
    read_person_on_screen,
)

log = structlog.get_logger()


class FlowFacts:
    """Reads for flows. What it gives of a debt, the caller gives to verified persons only."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def person(self, contact: Contact) -> PersonOnScreen | None:
        """Who is called; None where the ledger cannot tell: then nobody is named or verified."""
        try:
            return await read_person_on_screen(
                self._ledger,
                contact.person_id,
                contact.account_id,
                contact.point.contact_point_id,
            )
        except (LedgerUnavailable, LookupError) as error:
            log.error("flow_without_person", attempt=contact.attempt_id, error=str(error))
            return None

    def neutral_values(self, person: PersonOnScreen | None) -> Mapping[str, MergeValue]:
        """What anybody may hear of the person: the name."""
        if person is None or not person.name.strip():
            return {}
        return {"first_name": person.name.split()[0], "person_name": person.name}

    def is_verified(self, contact: Contact) -> bool:
        """Whether the number is this person's, as verified before."""
        return contact.point.validity is Validity.VERIFIED_RIGHT_PARTY

    async def debt_values(self, contact: Contact) -> dict[str, MergeValue]:
        """What a verified person may hear of the debts that the call is about."""
        debts = await read_debts(self._ledger, contact.debt_ids)
        if not debts:
            return {}
        currency = debts[0].currency
        total = sum(debt.total_cents for debt in debts)
        overdue = sum(debt.overdue_cents or debt.total_cents for debt in debts)
        values: dict[str, MergeValue] = {
            "amount": Money(cents=total, currency=currency),
            "overdue": Money(cents=overdue, currency=currency),
            "balance_as_of": min(debt.balance_as_of for debt in debts),
            "reference": f"•••• {debts[0].reference[-4:]}",
        }
        creditor = debts[0].original_creditor or await read_creditor(
            self._ledger, contact.account_id
        )
        if creditor:
            values["creditor"] = creditor
        due = [date.fromisoformat(d.due_date[:10]) for d in debts if d.due_date is not None]
        if due:
            values["due_date"] = min(due)
        return values

    async def terms(self, contact: Contact, now: datetime) -> Terms | None:
        """What may be promised; None where nothing can."""
        context = promise_context(contact, await read_debts(self._ledger, contact.debt_ids), now)
        if context is None or context.total_cents <= 0:
            return None
        least, _ = allowed_amounts(context, DEFAULT_POLICY)
        first, last = allowed_dates(context, DEFAULT_POLICY)
        return Terms(
            full_cents=context.overdue_cents,
            minimum_cents=min(least, context.overdue_cents),
            currency=context.currency,
            unit_cents=10 ** exponent_of(context.currency),
            first_date=first,
            last_date=last,
        )
