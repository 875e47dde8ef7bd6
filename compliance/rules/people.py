"""Rules about whom: roles, statuses of people and debts, and what a person opted out of."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from compliance.context import Context, Signal
from compliance.messages import Finding, SuppressionFact
from compliance.rules.base import HORIZON_DAYS, PackRule, ParamError
from compliance.schema import LimitedRoles, OptOutParams, RecipientRuleParams, StatusGateParams
from compliance.types import (
    ConsentScope,
    DebtStatus,
    EventKind,
    PartyRole,
    SuppressionScope,
)

_SPOKE: Final = frozenset(
    {EventKind.ANSWERED_THIRD_PARTY, EventKind.CONVERSATION, EventKind.LETTER_MAILED}
)
"""Events in which somebody was reached."""


class RecipientRule(PackRule[RecipientRuleParams]):
    """Only people of certain roles may be contacted, at points that are theirs."""

    params_type = RecipientRuleParams

    def prepare(self) -> None:
        params = self.params
        if not (params.allow or params.limited or params.deny):
            raise ParamError(
                "allow",
                (),
                "limited and deny are all empty",
                "name the roles that may be contacted",
            )
        known = frozenset(params.allow) if params.allow or params.limited else frozenset(PartyRole)
        self.allowed = known - frozenset(params.deny)
        self.limits: dict[PartyRole, LimitedRoles] = {
            role: limited
            for limited in params.limited
            for role in limited.roles
            if role not in params.deny and role not in self.allowed
        }
        if any(limited.max for limited in params.limited):
            self.lookback_days = HORIZON_DAYS
        if PartyRole.HOLDER in self.allowed:
            self.signals = Signal.ROLE.value

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        point = ctx.point
        roles = [debt.role for debt in ctx.debts]
        if point is not None:
            roles.insert(0, point.role)
        for role in dict.fromkeys(roles):
            if role in self.allowed:
                continue
            limited = self.limits.get(role)
            found = self._forbidden(role) if limited is None else self._within(limited, role, ctx)
            if found is not None:
                return found
        return self.passed

    def _within(self, limited: LimitedRoles, role: PartyRole, ctx: Context) -> Finding | None:
        """What is wrong with a contact of a role that may be contacted within limits."""
        request = ctx.request
        detail: dict[str, str | int] = {"role": role}
        if limited.purposes and request.purpose not in limited.purposes:
            return self._forbidden(role)
        if limited.content and request.content_class not in limited.content:
            return self.stop(
                "role_content",
                releasing_event="content_changed",
                detail=detail | {"content_class": request.content_class},
            )
        if limited.script is not None and limited.script not in (request.statements or ()):
            return self.stop(
                "statement_missing",
                releasing_event="content_changed",
                detail=detail | {"statement": limited.script},
            )
        reached = [
            e.event_id
            for e in ctx.events
            if e.role in limited.roles and e.kind in _SPOKE and not e.misdirected
        ]
        if limited.max is None or len(reached) < limited.max:
            return None
        return self.stop(
            "role_contacts_spent",
            releasing_event="rule_changed",
            counter=len(reached),
            limit=limited.max,
            event_ids=tuple(reached),
            detail=detail,
        )

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
            and not self._reopened(point.opted_out_at, ctx, at)
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

    def _reopened(self, opted_out_at: datetime, ctx: Context, at: datetime) -> bool:
        """Whether the person has asked for the channel again since."""
        return any(
            consent.scope is ConsentScope.CHANNEL
            and consent.type in self.params.reopened_by
            and opted_out_at < consent.given_at <= at
            and (consent.revoked_at is None or at < consent.revoked_at)
            and consent.channel in (None, ctx.request.channel)
            and consent.contact_point_id in (None, ctx.request.contact_point_id)
            for consent in ctx.subject.consents
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
