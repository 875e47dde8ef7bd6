"""Rules about what a contact may say: its class of content, its statements, its words."""

from __future__ import annotations

from datetime import datetime

from compliance.context import Context
from compliance.declared import Declared
from compliance.messages import ContactRequest, Finding
from compliance.rules.base import PackRule, ParamError
from compliance.rules.conduct import has_phrase, not_known
from compliance.rules.conflict import Demanding, Demands
from compliance.schema import ContentRuleParams
from compliance.types import ContentClass


class ContentRule(PackRule[ContentRuleParams], Demanding):
    """What may, must and must not be said, always or at certain points (12 CFR 1006.2(j))."""

    params_type = ContentRuleParams

    def prepare(self) -> None:
        params = self.params
        self.allowed = frozenset(params.allow or ContentClass) - frozenset(params.forbid_classes)
        self.always = not (params.if_shared or params.if_labels or params.if_validity)
        self.known = frozenset((*params.allow_only, *params.require))
        """Statements that may be made where `allow_only` is given."""
        self.words = bool(params.require or params.allow_only or params.forbid)
        only_classes = not (self.words or params.forbid_phrases)
        if only_classes and self.allowed == frozenset(ContentClass):
            raise ParamError("allow", (), "nothing is asked for", "name classes or statements")
        if not self.allowed:
            raise ParamError("allow", params.allow, "every class is forbidden", "leave one allowed")
        both = set(params.forbid) & self.known
        if both:
            raise ParamError("forbid", sorted(both)[0], "is also asked for", "keep one of them")
        self.demands = Demands(
            requires=frozenset(params.require),
            forbids=frozenset(params.forbid),
            only=self.known if params.allow_only else None,
            classes=self.allowed if self.allowed != frozenset(ContentClass) else None,
        )

    def is_inert(self, request: ContactRequest) -> bool:
        wordless = not (self.words or self.params.forbid_phrases)
        return wordless and request.content_class in self.allowed

    def is_due(self, ctx: Context) -> bool:
        return self.always or bool(self._reason(ctx))

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        reason = "always" if self.always else self._reason(ctx)
        return self._judge(ctx.declared, reason) if reason else self.passed

    def settled(self, declared: Declared) -> Finding | None:
        finding = self._judge(declared, "always")
        return finding if self.always or finding is self.passed else None

    def _judge(self, declared: Declared, reason: str) -> Finding:
        detail: dict[str, str | int] = {"because": reason}
        if declared.content_class not in self.allowed:
            return self._stop(
                "content_class_forbidden", detail | {"content_class": declared.content_class}
            )
        return self._text(declared, detail) or self._statements(declared, detail)

    def _statements(self, declared: Declared, detail: dict[str, str | int]) -> Finding:
        params, made = self.params, declared.statements
        if not self.words:
            return self.passed
        if made is None:
            return not_known(
                self,
                params.if_unknown,
                "statements_not_declared",
                releasing_event="content_changed",
                detail=detail,
            )
        for statement in params.require:
            if statement not in made:
                return self._stop("statement_missing", detail | {"statement": statement})
        for statement in made:
            if not self.demands.permits(statement):
                return self._stop("statement_forbidden", detail | {"statement": statement})
        return self.passed

    def _text(self, declared: Declared, detail: dict[str, str | int]) -> Finding | None:
        for phrase in self.params.forbid_phrases if declared.text is not None else ():
            if has_phrase(declared.text or "", (phrase,)):
                return self._stop("phrase_forbidden", detail | {"phrase": phrase})
        return None

    def _stop(self, code: str, detail: dict[str, str | int]) -> Finding:
        return self.stop(code, releasing_event="content_changed", detail=detail)

    def _reason(self, ctx: Context) -> str:
        point, params = ctx.point, self.params
        if point is None:
            return "point_unknown"
        if params.if_shared and (point.shared_with or point.also_reference):
            return "shared"
        if point.label in params.if_labels:
            return str(point.label)
        if point.validity in params.if_validity:
            return str(point.validity)
        return ""
