"""Rules about what a look-up said of a number: reassigned, wireless, ported, a litigator's."""

from __future__ import annotations

from datetime import datetime, timedelta

from compliance.context import Context, Signal
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
        if not params.required:
            self.signals = Signal.CHECKED.value
        self.age = None if params.max_age_days is None else timedelta(days=params.max_age_days)

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        latest = self._latest(ctx)
        if not latest and self.params.required:
            return self._missing("number_not_checked", {})
        for check in latest:
            finding = self._judge(check, at)
            if finding is not self.passed:
                return finding
        return self.passed

    def _judge(self, check: NumberCheckFact, at: datetime) -> Finding:
        params = self.params
        days = (at - check.checked_at).days
        detail: dict[str, str | int] = {"answer": check.answer, "age_days": days}
        if check.answer in params.refuse:
            return self._missing("number_check_refused", detail)
        if self.age is not None and at >= check.checked_at + self.age:
            return self._missing("number_check_stale", detail) if params.required else self.passed
        if params.accept and check.answer not in params.accept:
            return self._missing("number_check_refused", detail)
        return self.passed

    def _latest(self, ctx: Context) -> list[NumberCheckFact]:
        """The last check of the called point that had been made when the contact is decided.

        Several of one instant count all: none of them is known to be the later one.
        """
        wanted, point_id = self.params.check, ctx.request.contact_point_id
        made = [
            check
            for check in ctx.subject.number_checks
            if check.kind == wanted
            and check.contact_point_id == point_id
            and check.checked_at <= ctx.now
        ]
        last = max((check.checked_at for check in made), default=None)
        return [check for check in made if check.checked_at == last]

    def _missing(self, code: str, detail: dict[str, str | int]) -> Finding:
        return self.stop(
            code,
            releasing_event="number_checked",
            limit=self.params.max_age_days,
            detail=detail | {"check": self.params.check},
        )
