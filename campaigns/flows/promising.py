"""Taking a promise by keys: how much, when, how; read back; confirmed. Part of the interpreter."""

from __future__ import annotations

from datetime import date
from enum import Enum, auto
from typing import Final

import msgspec

from campaigns.content.render import Money
from campaigns.flows.messages import (
    AnyCommand,
    AnyEvent,
    Collect,
    Digits,
    Draft,
    FlowState,
    NoTerms,
    PromiseRecorded,
    RecordPromise,
    Silence,
    Speak,
    Terms,
    Waiting,
)
from campaigns.flows.model import OPT_OUT_KEY, Promise, Texts
from compliance.types import ContentClass

PROMISING: Final = frozenset(
    {
        Waiting.TERMS,
        Waiting.OPTION,
        Waiting.AMOUNT,
        Waiting.DATE,
        Waiting.METHOD,
        Waiting.CONFIRMATION,
        Waiting.RECORDING,
    }
)
"""What a promise node waits for."""

_ONE_KEY: Final = frozenset({Waiting.OPTION, Waiting.METHOD, Waiting.CONFIRMATION})
AMOUNT_DIGITS: Final = 10
DATE_DIGITS: Final = 4


class Left(Enum):
    """How a promise node is left."""

    PROMISED = auto()
    DECLINED = auto()
    OPTED_OUT = auto()


PromiseStep = tuple[FlowState, list[AnyCommand], Left | None]


def promise_step(node: Promise, state: FlowState, event: AnyEvent) -> PromiseStep:
    """What follows from an event at a promise node; how it is left, if it is."""
    taking = _Taking(node, state)
    taking.hear(event)
    return taking.state, taking.commands, taking.left


class _Taking:
    def __init__(self, node: Promise, state: FlowState) -> None:
        self.node = node
        self.state = state
        self.commands: list[AnyCommand] = []
        self.left: Left | None = None

    @property
    def draft(self) -> Draft:
        if self.state.draft is None:
            raise AssertionError("a promise has a draft once its terms are known")
        return self.state.draft

    def hear(self, event: AnyEvent) -> None:
        match self.state.waiting, event:
            case Waiting.TERMS, Terms():
                self._change(draft=Draft(terms=event))
                self._ask_option()
            case Waiting.TERMS, NoTerms():
                self.left = Left.DECLINED
            case Waiting.RECORDING, PromiseRecorded():
                self.left = Left.PROMISED if event.ok else Left.DECLINED
            case ((Waiting.TERMS | Waiting.RECORDING), _):
                pass
            case _, Digits():
                self._answer(event.digits.rstrip("#"))
            case _, Silence():
                self._answer("")
            case _:
                pass

    def _answer(self, keys: str) -> None:
        if keys == OPT_OUT_KEY and self.state.waiting in _ONE_KEY:
            self.left = Left.OPTED_OUT
            return
        match self.state.waiting:
            case Waiting.OPTION:
                self._option(keys)
            case Waiting.AMOUNT:
                self._amount(keys)
            case Waiting.DATE:
                self._date(keys)
            case Waiting.METHOD:
                self._method(keys)
            case _:
                self._confirmation(keys)

    # --- answers ---------------------------------------------------------------------------------

    def _option(self, keys: str) -> None:
        terms = self.draft.terms
        if keys == "1":
            self._take(amount_cents=terms.full_cents)
        elif keys == "2":
            self._take(amount_cents=terms.minimum_cents)
        elif keys == "3":
            self._ask(Waiting.AMOUNT, self.node.ask_amount, AMOUNT_DIGITS)
        else:
            self._wrong(self.node.options, 1)

    def _amount(self, keys: str) -> None:
        terms = self.draft.terms
        cents = int(keys) * terms.unit_cents if keys.isdecimal() else -1
        if terms.minimum_cents <= cents <= terms.full_cents:
            self._take(amount_cents=cents)
        else:
            self._out_of_range(self.node.ask_amount, AMOUNT_DIGITS)

    def _date(self, keys: str) -> None:
        due = next_date(keys, self.draft.terms.first_date)
        if due is not None and due <= self.draft.terms.last_date:
            self._take(due_date=due)
        else:
            self._out_of_range(self.node.ask_date, DATE_DIGITS)

    def _method(self, keys: str) -> None:
        if keys in self.node.methods:
            self._take(method=self.node.methods[keys])
        else:
            self._wrong(self.node.ask_method, 1)

    def _confirmation(self, keys: str) -> None:
        draft = self.draft
        if keys == "1" and draft.amount_cents is not None and draft.due_date is not None:
            self._change(waiting=Waiting.RECORDING)
            self.commands.append(
                RecordPromise(
                    amount_cents=draft.amount_cents,
                    currency=draft.terms.currency,
                    due_date=draft.due_date,
                    method=draft.method,
                )
            )
            return
        if keys == "2":
            self._change(draft=Draft(terms=draft.terms))
            if self._one_more_error():
                self._ask_option()
            return
        self._wrong(self.node.read_back, 1)

    # --- questions -------------------------------------------------------------------------------

    def _ask_option(self) -> None:
        self._ask(Waiting.OPTION, self.node.options, 1)

    def _take(self, **fields: object) -> None:
        """Note an answer and ask for what is still missing."""
        self._change(draft=msgspec.structs.replace(self.draft, **fields))
        draft = self.draft
        if draft.due_date is None:
            self._ask(Waiting.DATE, self.node.ask_date, DATE_DIGITS)
        elif not draft.method:
            self._ask(Waiting.METHOD, self.node.ask_method, 1)
        else:
            self._ask(Waiting.CONFIRMATION, self.node.read_back, 1)

    def _out_of_range(self, question: Texts, digits: int) -> None:
        """Read back what is allowed, and ask again."""
        if self._one_more_error():
            self._speak(self.node.out_of_range)
            self._ask(self.state.waiting, question, digits)

    def _wrong(self, question: Texts, digits: int) -> None:
        if self._one_more_error():
            self._ask(self.state.waiting, question, digits)

    def _one_more_error(self) -> bool:
        """Whether there is another try. Errors count over the whole promise, so it ends."""
        errors = self.state.errors + 1
        self._change(errors=errors)
        if errors >= self.node.tries:
            self.left = Left.DECLINED
        return self.left is None

    def _ask(self, waiting: Waiting, question: Texts, digits: int) -> None:
        self._change(waiting=waiting)
        self._speak(question, question=True)
        self.commands.append(Collect(most=digits))

    def _speak(self, text: Texts, *, question: bool = False) -> None:
        draft, terms = self.draft, self.draft.terms
        values: dict[str, Money | date | str] = {
            "amount": Money(cents=terms.full_cents, currency=terms.currency),
            "minimum": Money(cents=terms.minimum_cents, currency=terms.currency),
            "latest_date": terms.last_date,
        }
        if draft.amount_cents is not None:
            values["promise_amount"] = Money(cents=draft.amount_cents, currency=terms.currency)
        if draft.due_date is not None:
            values["promise_date"] = draft.due_date
        if draft.method:
            values["promise_method"] = draft.method
        language = self.state.language
        self.commands.append(
            Speak(
                text=text.of(language),
                language=language,
                content_class=ContentClass.VERIFIED,
                values=values,
                question=question,
            )
        )

    def _change(self, **fields: object) -> None:
        self.state = msgspec.structs.replace(self.state, **fields)


def next_date(keys: str, first: date) -> date | None:
    """The next day with these DDMM keys, from `first` on; None: there is no such day."""
    if len(keys) != DATE_DIGITS or not keys.isdecimal():
        return None
    for year in (first.year, first.year + 1):
        try:
            day = date(year, int(keys[2:]), int(keys[:2]))
        except ValueError:
            continue
        if day >= first:
            return day
    return None
