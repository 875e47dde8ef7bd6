"""An agent's disposition, checked against the call and made complete."""

from __future__ import annotations

from datetime import datetime

from campaigns import promises
from campaigns.dispositions import (
    ContactClass,
    DispositionCode,
    Field,
    allowed_for_agent,
    disposition,
    missing_fields,
)
from campaigns.model import local_date
from campaigns.promises import Promise, PromiseContext, PromiseProposal
from dialer.core.agent import AgentSession
from dialer.core.desk_messages import CodeView, DebtView, Dispose, PromiseInput
from dialer.core.outcome import Said
from dialer.core.records import to_ms
from dialer.core.writes import SavePromise
from dialer.runtime.clock import Clock
from dialer.runtime.outcomes import holidays_of
from dialer.runtime.pump import LiveContact
from dialer.runtime.refusals import CannotDo
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.screens import read_debts

UNSUPPORTED_FIELDS = frozenset({Field.INSTALMENTS})
"""Codes that need a payment plan are not offered: plans are not kept yet."""


class Saying:
    """Checks what agents say, with the debts as the ledger has them."""

    def __init__(self, *, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def said(self, session: AgentSession, live: LiveContact, message: Dispose) -> Said:
        """The disposition with all that it carries. Raises `CannotDo`."""
        contact = live.contact
        if message.code not in {view.code for view in codes_of(live, contact.country)}:
            raise CannotDo(
                "code_not_offered",
                f"El código {message.code} no se puede usar en esta llamada.",
                f"Code {message.code} cannot be used on this call.",
            )
        code = DispositionCode(message.code)
        missing = missing_fields(code, _given(message))
        if missing:
            names = ", ".join(missing)
            raise CannotDo("missing_fields", f"Falta: {names}.", f"Missing: {names}.")
        now = self._clock.now()
        promise = review_at = None
        if message.promise is not None and code is DispositionCode.PROMISE:
            promise, review_at = await self._promise(live, message.promise, session.agent_id)
        if message.callback is not None and message.callback.at <= now:
            raise CannotDo(
                "callback_in_the_past",
                "La hora acordada ya pasó; indique una futura.",
                "The agreed time is past; give a later one.",
            )
        return Said(
            code=code,
            agent_id=session.agent_id,
            wrap_ms=round((now - session.since).total_seconds() * 1000),
            note=message.note,
            promise=promise,
            promise_review_at=review_at,
            callback=message.callback if code is DispositionCode.CALLBACK else None,
            preference=message.preference,
            language=message.new_language,
            written=message.written,
        )

    async def _promise(
        self, live: LiveContact, wish: PromiseInput, agent_id: str
    ) -> tuple[SavePromise, datetime]:
        contact = live.contact
        debts = await read_debts(self._ledger, contact.debt_ids)
        if not debts:
            raise CannotDo("no_debt", "No hay deuda que prometer.", "There is no debt to promise.")
        now = self._clock.now()
        today = local_date(now, contact.zones)
        context = PromiseContext(
            today=today,
            dpd=_days_past_due(debts, today.isoformat()),
            overdue_cents=sum(d.overdue_cents or d.total_cents for d in debts),
            total_cents=sum(d.total_cents for d in debts),
            currency=debts[0].currency,
        )
        proposal = PromiseProposal(
            debt_ids=contact.debt_ids,
            amount_cents=wish.amount_cents,
            currency=context.currency,
            due_on=wish.due_date,
        )
        problems = promises.check(proposal, context)
        if problems:
            raise CannotDo(
                str(problems[0].code),
                " ".join(p.es for p in problems),
                " ".join(p.en for p in problems),
            )
        save = SavePromise(
            promise_id=new_id(),
            person_id=contact.person_id,
            account_id=contact.account_id,
            debt_id=contact.debt_ids[0],
            amount_cents=wish.amount_cents,
            currency=context.currency,
            due_date=wish.due_date.isoformat(),
            method=wish.method,
            captured_by=agent_id,
            captured_ms=to_ms(now),
            attempt_id=contact.attempt_id,
        )
        promise = Promise(
            promise_id=save.promise_id,
            debt_ids=contact.debt_ids,
            amount_cents=wish.amount_cents,
            currency=context.currency,
            made_on=today,
            due_on=wish.due_date,
        )
        dates = promises.schedule(promise, contact.zones, holidays_of(contact.country))
        return save, dates.review_at


def codes_of(live: LiveContact, country: str | None) -> tuple[CodeView, ...]:
    """Codes that fit a contact now. Who called us from a number that is not the contact's proves
    nothing about the contact's number: codes that judge it are not offered."""
    codes = offered_codes(verified=live.verified, country=country)
    if live.number_proven:
        return codes
    return tuple(view for view in codes if DispositionCode(view.code).level is ContactClass.DIRECT)


def offered_codes(*, verified: bool, country: str | None) -> tuple[CodeView, ...]:
    """Codes that an agent may choose now."""
    entries = (
        disposition(code) for code in allowed_for_agent(identity_verified=verified, country=country)
    )
    return tuple(
        CodeView(code=e.code, name_es=e.es, name_en=e.en, needs=tuple(e.requires))
        for e in entries
        if not UNSUPPORTED_FIELDS.intersection(e.requires)
    )


def _given(message: Dispose) -> set[Field]:
    given: set[Field] = set()
    if message.promise is not None:
        given |= {Field.AMOUNT, Field.DUE_DATE}
    if message.callback is not None:
        given |= {Field.CALLBACK_AT, Field.CALLBACK_AGENT}
    if message.preference is not None:
        given.add(Field.PREFERENCE)
    if message.new_language is not None:
        given.add(Field.LANGUAGE)
    return given


def _days_past_due(debts: tuple[DebtView, ...], today: str) -> int:
    """Of the oldest debt; 0 when no due date is known."""
    due = [d.due_date for d in debts if d.due_date is not None]
    if not due:
        return 0
    oldest = datetime.fromisoformat(min(due)).date()
    return max(0, (datetime.fromisoformat(today).date() - oldest).days)
