"""Rules about one call as it is dialled: how long it rings, how soon somebody speaks."""

from __future__ import annotations

from datetime import datetime

from compliance.context import Context
from compliance.declared import Declared
from compliance.messages import Finding
from compliance.rules.base import PackRule
from compliance.rules.conduct import not_known
from compliance.schema_conduct import AbandonMessageParams, AgentConnectMaxParams, RingMinParams


class RingMin(PackRule[RingMinParams]):
    """A call rings long enough to be reached (16 CFR 310.4(b)(4)(iii); 47 CFR 64.1200(a)(6))."""

    params_type = RingMinParams

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        return self.settled(ctx.declared)

    def settled(self, declared: Declared) -> Finding:
        seconds, least = declared.ring_timeout_s, self.params.seconds
        if seconds is None:
            return not_known(
                self,
                self.params.if_unknown,
                "ring_time_not_known",
                releasing_event="dialling_changed",
            )
        if seconds >= least:
            return self.passed
        return self.stop(
            "ring_too_short", releasing_event="dialling_changed", counter=seconds, limit=least
        )


class AgentConnectMax(PackRule[AgentConnectMaxParams]):
    """Whoever answers gets an agent within two seconds (16 CFR 310.4(b)(1)(iv))."""

    params_type = AgentConnectMaxParams

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        return self.settled(ctx.declared)

    def settled(self, declared: Declared) -> Finding:
        wait_ms, most = declared.connect_limit_ms, self.params.milliseconds
        if wait_ms is None:
            return not_known(
                self,
                self.params.if_unknown,
                "connect_limit_not_known",
                releasing_event="dialling_changed",
            )
        if wait_ms <= most:
            return self.passed
        return self.stop(
            "connects_too_late", releasing_event="dialling_changed", counter=wait_ms, limit=most
        )


class AbandonMessage(PackRule[AbandonMessageParams]):
    """When no agent comes in time a recording says who called (47 CFR 64.1200(a)(7)(i))."""

    params_type = AbandonMessageParams

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        return self.settled(ctx.declared)

    def settled(self, declared: Declared) -> Finding:
        within_ms = self.params.within_ms
        if declared.abandon_message is None:
            return self._unknown("abandon_message_not_known")
        for statement in self.params.statements:
            if statement not in declared.abandon_message:
                return self.stop(
                    "abandon_message_incomplete",
                    releasing_event="dialling_changed",
                    detail={"statement": statement},
                )
        if within_ms is None:
            return self.passed
        if declared.connect_limit_ms is None:
            return self._unknown("connect_limit_not_known")
        if declared.connect_limit_ms <= within_ms:
            return self.passed
        return self.stop(
            "abandon_message_too_late",
            releasing_event="dialling_changed",
            counter=declared.connect_limit_ms,
            limit=within_ms,
        )

    def _unknown(self, code: str) -> Finding:
        return not_known(self, self.params.if_unknown, code, releasing_event="dialling_changed")
