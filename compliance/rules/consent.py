"""Rules about permission: consents that a contact needs, and channels that a person chose."""

from __future__ import annotations

from datetime import datetime, timedelta

from compliance import consents
from compliance.context import Context
from compliance.messages import ConsentFact, Finding
from compliance.rules.base import PackRule, ParamError
from compliance.schema import (
    ChannelAuthorisationParams,
    ConsentMatch,
    ConsentRequirementParams,
)
from compliance.types import ConsentScope


class ChannelAuthorisation(PackRule[ChannelAuthorisationParams]):
    """Only channels that the person authorised."""

    params_type = ChannelAuthorisationParams

    def prepare(self) -> None:
        self.match = ConsentMatch(
            scope=ConsentScope.CHANNEL, types=self.params.types, given_to=self.params.given_to
        )

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        if consents.in_force(self.match, ctx, at) is not None:
            return self.passed
        return self.stop(
            "channel_not_authorised",
            first_ok=consents.next_start(self.match, ctx, at),
            releasing_event="channel_authorised",
            detail={"channel": ctx.request.channel},
        )


class ConsentRequirement(PackRule[ConsentRequirementParams]):
    """No contact of this kind without a consent of the right sort, fresh enough."""

    params_type = ConsentRequirementParams

    def prepare(self) -> None:
        params = self.params
        if params.max_age_days is None and (params.renewed_by or params.renewed_by_check):
            raise ParamError(
                "renewed_by", params.renewed_by, "renews nothing without max_age_days", "add it"
            )
        self.age = None if params.max_age_days is None else timedelta(days=params.max_age_days)

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        match = self.params.consent
        earliest: datetime | None = None
        stale = False
        for consent in ctx.subject.consents:
            if not consents.fits(consent, match, ctx):
                continue
            if self.params.evidence and not consent.evidence:
                continue
            start, end = consents.span(consent, match, ctx)
            if self.age is not None:
                fresh_until = self._renewed(consent, ctx) + self.age
                stale = stale or fresh_until <= at < end
                end = min(end, fresh_until)
            if max(start, at) < end:
                found = max(start, at)
                earliest = found if earliest is None else min(earliest, found)
        if earliest == at:
            return self.passed
        return self.stop(
            "consent_stale" if stale else "consent_missing",
            first_ok=earliest,
            releasing_event="consent_renewed" if stale else "consent_given",
            detail={"scope": match.scope},
        )

    def _renewed(self, consent: ConsentFact, ctx: Context) -> datetime:
        """Last instant at which the consent was given, renewed, used or checked."""
        point_id = ctx.request.contact_point_id
        moments = [consent.given_at]
        if consent.renewed_at is not None:
            moments.append(consent.renewed_at)
        moments += [
            e.at
            for e in ctx.events
            if e.kind in self.params.renewed_by and e.contact_point_id == point_id
        ]
        moments += [
            check.checked_at
            for check in ctx.subject.number_checks
            if check.kind == self.params.renewed_by_check
            and check.contact_point_id == point_id
            and check.answer == "no"
        ]
        return max(moments)
