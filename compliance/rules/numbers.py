"""Rules about what a look-up said of a number: reassigned, wireless, ported, a litigator's."""

from __future__ import annotations

from datetime import datetime, timedelta

from compliance.context import Context
from compliance.messages import Finding, NumberCheckFact
from compliance.rules.base import PackRule, ParamError
from compliance.schema_conduct import NumberCheckParams


class NumberCheck(PackRule[NumberCheckParams]):
    """A number must have been looked up, lately enough, without a bad answer."""

    params_type = NumberCheckParams

    def prepare(self) -> None:
        params = self.params
        if not params.required and not (params.refuse or params.accept):
            raise ParamError(
                "required", False, "leaves nothing to check", "name answers to refuse or accept"
            )
        both = set(params.refuse) & set(params.accept)
        if both:
            raise ParamError(
                "refuse", sorted(both)[0], "is also in accept", "keep it in one of them"
            )
        self.age = None if params.max_age_days is None else timedelta(days=params.max_age_days)

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        check, params = self._latest(ctx), self.params
        if check is None:
            return self._missing("number_not_checked", {}) if params.required else self.passed
        days = (at - check.checked_at).days
        detail: dict[str, str | int] = {"answer": check.answer, "age_days": days}
        if check.answer in params.refuse:
            return self._missing("number_check_refused", detail)
        if self.age is not None and at >= check.checked_at + self.age:
            return self._missing("number_check_stale", detail) if params.required else self.passed
        if params.accept and check.answer not in params.accept:
            return self._missing("number_check_refused", detail)
        return self.passed

    def _latest(self, ctx: Context) -> NumberCheckFact | None:
        """The last check of the called point that had been made when the contact is decided."""
        found: NumberCheckFact | None = None
        for check in ctx.subject.number_checks:
            if check.kind != self.params.check or check.checked_at > ctx.now:
                continue
            if check.contact_point_id != ctx.request.contact_point_id:
                continue
            if found is None or check.checked_at >= found.checked_at:
                found = check
        return found

    def _missing(self, code: str, detail: dict[str, str | int]) -> Finding:
        return self.stop(
            code,
            releasing_event="number_checked",
            limit=self.params.max_age_days,
            detail=detail | {"check": self.params.check},
        )
