"""Rules about what a contact may say, by its content class."""

from __future__ import annotations

from datetime import datetime

from compliance.context import Context
from compliance.messages import ContactRequest, Finding
from compliance.rules.base import PackRule
from compliance.schema import ContentRuleParams


class ContentRule(PackRule[ContentRuleParams]):
    """Only some classes of content, always or at certain points."""

    params_type = ContentRuleParams

    def prepare(self) -> None:
        params = self.params
        self.allowed = frozenset(params.allow)
        self.always = not (params.if_shared or params.if_labels or params.if_validity)

    def is_inert(self, request: ContactRequest) -> bool:
        return request.content_class in self.allowed

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        if ctx.request.content_class in self.allowed:
            return self.passed
        reason = "always" if self.always else self._reason(ctx)
        if not reason:
            return self.passed
        return self.stop(
            "content_class_forbidden",
            releasing_event="content_changed",
            detail={"content_class": ctx.request.content_class, "because": reason},
        )

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
