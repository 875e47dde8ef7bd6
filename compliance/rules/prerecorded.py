"""Recorded and artificial voices: so many calls to one line (47 CFR 64.1200(a)(3)(ii)-(v))."""

from __future__ import annotations

from datetime import datetime

from compliance.context import Context
from compliance.messages import ContactRequest, Finding
from compliance.rules.base import PackRule
from compliance.rules.counters import FrequencyCap
from compliance.schema import Count, CountBasis, CountKey, FrequencyCapParams
from compliance.schema_conduct import PrerecordedCapParams


class PrerecordedCap(PackRule[PrerecordedCapParams]):
    """At most `max` recorded calls to a line in a window, whoever of the line they were for."""

    params_type = PrerecordedCapParams
    counts_number = True

    def prepare(self) -> None:
        params = self.params
        count = Count(
            events=params.events,
            basis=None if params.events else CountBasis.CONNECTED,
            prerecorded=True,
            key=CountKey.NUMBER,
        )
        self.cap = FrequencyCap(
            self.head,
            FrequencyCapParams(max=params.max, window=params.window, count=count),
            self.calendars,
        )
        self.lookback_days = self.cap.lookback_days

    def is_inert(self, request: ContactRequest) -> bool:
        return not request.prerecorded

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        return self.cap.evaluate(ctx, at) if ctx.request.prerecorded else self.passed
