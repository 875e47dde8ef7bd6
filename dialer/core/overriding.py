"""Overrides on the way into the ledger: whoever makes the one contact uses it up."""

from __future__ import annotations

from compliance.messages import DecisionRecord
from compliance.overrides import PREFIX
from compliance.types import Outcome
from dialer.core.writes import UseOverride


def uses(record: DecisionRecord, at_ms: int) -> tuple[UseOverride, ...]:
    """What an allowed contact that rests on overrides writes with its intent."""
    ids = {
        finding.lifted_by.removeprefix(PREFIX)
        for finding in record.findings
        if finding.outcome is Outcome.LIFTED
        and finding.lifted_by is not None
        and finding.lifted_by.startswith(PREFIX)
    }
    return tuple(
        UseOverride(
            person_id=record.request.person_id,
            override_id=override_id,
            attempt_id=record.decision_id,
            at_ms=at_ms,
        )
        for override_id in sorted(ids)
    )
