"""Rules about whom: roles, statuses of people and debts, and what a person opted out of."""

from __future__ import annotations

from datetime import datetime

from compliance.context import Context, Signal
from compliance.messages import Finding, SuppressionFact
from compliance.rules.base import PackRule, ParamError
from compliance.schema import OptOutParams, RecipientRuleParams, StatusGateParams
from compliance.types import DebtStatus, PartyRole, SuppressionScope


class RecipientRule(PackRule[RecipientRuleParams]):
    """Only people of certain roles may be contacted, at points that are theirs."""

    params_type = RecipientRuleParams

    def prepare(self) -> None:
        self.allowed = frozenset(self.params.allow)
        if PartyRole.HOLDER in self.allowed:
            self.signals = Signal.ROLE.value

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        point = ctx.point
        if point is not None and point.role not in self.allowed:
            return self._forbidden(point.role)
        for debt in ctx.debts:
            if debt.role not in self.allowed:
                return self._forbidden(debt.role)
        return self.passed

    def _forbidden(self, role: PartyRole) -> Finding:
        return self.stop("role_forbidden", releasing_event="role_changed", detail={"role": role})


class StatusGate(PackRule[StatusGateParams]):
    """Nothing while the person, or a named debt, is in one of these states."""

    params_type = StatusGateParams

    def prepare(self) -> None:
        if not self.params.statuses and not self.params.debt_statuses:
            raise ParamError(
                "statuses", (), "and debt_statuses are both empty", "name at least one state"
            )
        self.statuses = frozenset(self.params.statuses)
        self.debt_statuses = frozenset(self.params.debt_statuses)
        if DebtStatus.OVERDUE not in self.debt_statuses:
            self.signals = (Signal.STATUS | Signal.DEBT_STATE).value

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        for debt in ctx.debts:
            if debt.status in self.debt_statuses:
                return self.stop(
                    "debt_status",
                    releasing_event="debt_status_changed",
                    detail={"debt": debt.debt_id, "status": debt.status},
                )
        found = [s for s in ctx.person.statuses if s.kind in self.statuses]
        if not found:
            return self.passed
        until: datetime | None = at
        name = ""
        for status in found:
            if status.until is not None and status.until <= at:
                continue
            name = name or str(status.kind)
            if status.until is None:
                until = None
            elif until is not None:
                until = max(until, status.until)
        if until == at:
            return self.passed
        return self.stop(
            "person_status",
            first_ok=until,
            releasing_event=self.params.releasing_event,
            detail={"status": name},
        )


class OptOut(PackRule[OptOutParams]):
    """What the person, or somebody for them, asked us to stop."""

    params_type = OptOutParams
    signals = Signal.OPT_OUT.value

    def prepare(self) -> None:
        self.scopes = frozenset(self.params.scopes)

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        point = ctx.point
        if (
            SuppressionScope.CONTACT_POINT in self.scopes
            and point is not None
            and point.opted_out_at is not None
        ):
            return self.stop(
                "opted_out",
                releasing_event="consent_given",
                detail={"since": point.opted_out_at.isoformat()},
            )
        if not ctx.suppressions:
            return self.passed
        until: datetime | None = at
        cause: SuppressionFact | None = None
        for suppression in ctx.suppressions:
            if suppression.scope not in self.scopes or not concerns(suppression, ctx):
                continue
            if suppression.ends_at is None:
                until, cause = None, suppression
            elif suppression.ends_at > at:
                cause = cause or suppression
                until = None if until is None else max(until, suppression.ends_at)
        if cause is None:
            return self.passed
        return self.stop(
            "suppressed",
            first_ok=until,
            releasing_event="suppression_released",
            detail={
                "suppression": cause.suppression_id,
                "scope": cause.scope,
                "reason": cause.reason,
            },
        )


def concerns(suppression: SuppressionFact, ctx: Context) -> bool:
    """Whether a suppression is about this contact. One without a target means all of its kind."""
    request, target = ctx.request, suppression.target_id
    if suppression.channel not in (None, request.channel):
        return False
    match suppression.scope:
        case SuppressionScope.PERSON | SuppressionScope.TENANT | SuppressionScope.CHANNEL:
            return True
        case SuppressionScope.CONTACT_POINT:
            return target is None or (
                ctx.point is not None and target in (ctx.point.contact_point_id, ctx.point.address)
            )
        case SuppressionScope.DEBT:
            return target is None or target in request.debt_ids or not request.debt_ids
        case SuppressionScope.ACCOUNT:
            return target is None or not ctx.debts or any(d.account_id == target for d in ctx.debts)
        case SuppressionScope.CREDITOR:
            return target is None or any(
                d.creditor_id is None or d.creditor_id == target for d in ctx.debts
            )
