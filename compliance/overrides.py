"""Overrides: two people let a contact go past a house rule, once or for a while.

Only rules of the house about hours and counts can be overridden. Law (a statute, a presumption,
a safe harbour) cannot, nor can what protects a person: statuses, suppressions and opt-outs, the
times they asked for, who may be talked to, what may be said; nor a rule that could not judge.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from compliance.context import Context
from compliance.messages import Finding, OverrideFact
from compliance.rules.base import Head
from compliance.types import Basis, ReasonGroup, RuleKind, Severity

PREFIX: Final = "override:"
"""How `Finding.lifted_by` names an override; its id follows."""

LIFETIME_DAYS_MOST: Final = 7
"""An override ends after this many days, whoever approves it."""

_GROUPS: Final = frozenset({ReasonGroup.HOURS, ReasonGroup.COUNTERS})
_SEVERITIES: Final = frozenset({Severity.BLOCK, Severity.HOLD, Severity.REVIEW})
_NEVER: Final = frozenset(
    {RuleKind.CONSUMER_TIME_PREFERENCE, RuleKind.STATUS_GATE, RuleKind.OPT_OUT}
)


def overridable(head: Head) -> bool:
    """Whether people may let a contact go past this rule."""
    return (
        head.basis is Basis.POLICY
        and head.group in _GROUPS
        and head.kind not in _NEVER
        and head.severity in _SEVERITIES
    )


def in_force(head: Head, finding: Finding, ctx: Context, at: datetime) -> OverrideFact | None:
    """The override that lets the contact go past a rule that stops it, at `at`."""
    for override in _fitting(head, finding, ctx):
        if override.starts_at <= at < override.ends_at:
            return override
    return None


def next_start(head: Head, finding: Finding, ctx: Context, at: datetime) -> datetime | None:
    """When the first override that is known already begins, after `at`."""
    later = [o.starts_at for o in _fitting(head, finding, ctx) if at < o.starts_at < o.ends_at]
    return min(later, default=None)


def _fitting(head: Head, finding: Finding, ctx: Context) -> list[OverrideFact]:
    # A rule that stops for want of knowledge says so in its finding's group.
    if not overridable(head) or finding.group not in _GROUPS:
        return []
    return [
        override
        for override in ctx.subject.overrides
        if override.rule_id == head.id
        and override.used_at is None
        and override.contact_point_id in (None, ctx.request.contact_point_id)
    ]
