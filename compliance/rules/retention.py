"""How long records are kept: data that never stops a contact (see `compliance.retention`)."""

from __future__ import annotations

from datetime import datetime

from compliance.context import Context
from compliance.messages import ContactRequest, Finding
from compliance.rules.base import PackRule, ParamError
from compliance.schema_conduct import RetentionParams


class Retention(PackRule[RetentionParams]):
    """A period for which artefacts are kept (12 CFR 1006.100)."""

    params_type = RetentionParams

    def prepare(self) -> None:
        if not (self.params.years or self.params.months or self.params.days):
            raise ParamError("years", 0, "the period is empty", "give years, months or days")

    def is_inert(self, request: ContactRequest) -> bool:
        return True

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        return self.passed
