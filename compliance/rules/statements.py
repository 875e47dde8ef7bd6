"""Rules about what must be said, and in which language."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from compliance.context import Context, event_signals
from compliance.declared import Declared
from compliance.messages import Finding, HistoryEvent
from compliance.rules.base import PackRule, ParamError
from compliance.rules.conduct import not_known, says, speaks
from compliance.rules.conflict import Demanding, Demands
from compliance.schema_conduct import DisclosureParams, LanguageAccessParams, Occasion
from compliance.types import DebtId, EventKind

_MET: Final = frozenset(
    {
        EventKind.CONVERSATION,
        EventKind.INBOUND_CALL,
        EventKind.INBOUND_MESSAGE,
        EventKind.MESSAGE_SENT,
        EventKind.MESSAGE_DELIVERED,
        EventKind.MESSAGE_READ,
        EventKind.LETTER_MAILED,
        EventKind.NOTICE_GIVEN,
        EventKind.VISIT_MADE,
    }
)
"""Communications: after one of these about the debts a contact is no longer the first."""


class Disclosure(PackRule[DisclosureParams], Demanding):
    """A statement that a contact must make (15 USC 1692e(11): the first, or the later ones)."""

    params_type = DisclosureParams

    def prepare(self) -> None:
        self.demands = Demands(
            requires=frozenset({self.params.statement}), languages=self.params.languages
        )
        if self.params.at is Occasion.LATER_CONTACTS:
            self.signals = event_signals(_MET)

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        if not self.is_due(ctx):
            return self.passed
        return self._judge(ctx.declared, ctx.person.language)

    def settled(self, declared: Declared) -> Finding | None:
        params = self.params
        if params.persons_language:
            return None
        finding = self._judge(declared, None)
        every = params.at is Occasion.EVERY_CONTACT
        return finding if every or finding is self.passed else None

    def _judge(self, declared: Declared, persons: str | None) -> Finding:
        """What the rule says where it is due; `persons` is the language of the person."""
        params = self.params
        detail: dict[str, str | int] = {"statement": params.statement}
        said = says(declared, params.statement, params.phrases)
        if said is None:
            return not_known(
                self,
                params.if_unknown,
                "statements_not_declared",
                releasing_event="content_changed",
                detail=detail,
            )
        if not said:
            return self.stop("statement_missing", releasing_event="content_changed", detail=detail)
        return self._in_language(declared.language, persons, detail)

    def _in_language(
        self, language: str | None, persons: str | None, detail: dict[str, str | int]
    ) -> Finding:
        params = self.params
        wanted = params.languages
        if params.persons_language and persons is not None:
            wanted = (persons,)
        if not wanted or (language is not None and any(speaks(language, w) for w in wanted)):
            return self.passed
        detail = detail | {"wanted": ",".join(wanted), "language": language or "?"}
        event = "language_changed"
        if language is None:
            return not_known(
                self, params.if_unknown, "language_not_known", releasing_event=event, detail=detail
            )
        return self.stop("wrong_language", releasing_event=event, detail=detail)

    def is_due(self, ctx: Context) -> bool:
        occasion = self.params.at
        if occasion is Occasion.EVERY_CONTACT:
            return True
        debts = set(ctx.request.debt_ids)
        if occasion is Occasion.LATER_CONTACTS:
            return any(_communicated(e, debts) for e in ctx.events)
        # The first contact with a debt is due while one of those named has not been spoken of.
        met = [e for e in ctx.events if _communicated(e, debts)]
        return not met or not all(
            any(d in e.debt_ids or not e.debt_ids for e in met) for d in debts
        )


def _communicated(event: HistoryEvent, debts: set[DebtId]) -> bool:
    if event.kind not in _MET or event.misdirected:
        return False
    return not event.debt_ids or not debts or not debts.isdisjoint(event.debt_ids)


class LanguageAccess(PackRule[LanguageAccessParams], Demanding):
    """The person's language: on record, offered and used (6 RCNY 2-193, 5-77)."""

    params_type = LanguageAccessParams

    def prepare(self) -> None:
        params = self.params
        if not (params.record or params.serve or params.serve_offered or params.statement):
            raise ParamError(
                "record", False, "nothing is asked for", "set record, serve, or a statement"
            )
        if params.statement is not None:
            self.demands = Demands(requires=frozenset({params.statement}))

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        params, request, language = self.params, ctx.request, ctx.person.language
        if language is None and params.record:
            return self.stop("language_not_recorded", releasing_event="language_recorded")
        offered = params.serve
        if params.serve_offered:
            offered += ctx.facts.collector.languages
        if language is not None and any(speaks(o, language) for o in offered):
            detail: dict[str, str | int] = {"wanted": language, "language": request.language or "?"}
            if request.language is None:
                return not_known(
                    self,
                    params.if_unknown,
                    "language_not_known",
                    releasing_event="language_changed",
                    detail=detail,
                )
            if not speaks(request.language, language):
                return self.stop(
                    "wrong_language", releasing_event="language_changed", detail=detail
                )
        return self._offer(ctx.declared)

    def settled(self, declared: Declared) -> Finding | None:
        params = self.params
        if params.record or params.serve or params.serve_offered:
            return None
        return self._offer(declared)

    def _offer(self, declared: Declared) -> Finding:
        statement = self.params.statement
        if statement is None:
            return self.passed
        said = says(declared, statement)
        if said:
            return self.passed
        detail: dict[str, str | int] = {"statement": statement}
        if said is None:
            return not_known(
                self,
                self.params.if_unknown,
                "statements_not_declared",
                releasing_event="content_changed",
                detail=detail,
            )
        return self.stop("statement_missing", releasing_event="content_changed", detail=detail)
