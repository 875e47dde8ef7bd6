"""When a consent is in force for a contact."""

from __future__ import annotations

from datetime import datetime, timedelta

from compliance.context import Context
from compliance.hours import day_start, local_date
from compliance.messages import ConsentFact
from compliance.schema import ConsentMatch
from compliance.types import DebtId


def fits(consent: ConsentFact, match: ConsentMatch, ctx: Context) -> bool:
    """Whether a consent is of the kind wanted and about this contact, at whatever time."""
    request = ctx.request
    if consent.scope is not match.scope or (match.types and consent.type not in match.types):
        return False
    if match.given_to and consent.given_to not in match.given_to:
        # Consent does not pass from one collector to the next, unless it names this very one.
        if "collector" not in match.given_to:
            return False
        if consent.given_to != ctx.facts.collector.collector_id:
            return False
    if consent.channel not in (None, request.channel):
        return False
    if consent.contact_point_id not in (None, request.contact_point_id):
        return False
    return not consent.debt_ids or set(request.debt_ids) <= set(consent.debt_ids)


def span(consent: ConsentFact, match: ConsentMatch, ctx: Context) -> tuple[datetime, datetime]:
    """Instants from and until (excluded) which a consent is in force; empty if until <= from.

    With `within_days` the local date it was given is the first day (12 CFR 1006.14(b)(3)(i)),
    in whichever candidate zone ends first. Revocation, expiry and the events of `ends_on`
    about the same debts end it early.
    """
    start = consent.given_at
    renewed = max(start, consent.renewed_at) if consent.renewed_at else start
    end = datetime.max.replace(tzinfo=start.tzinfo)
    if match.within_days is not None:
        end = min(
            day_start(name, local_date(renewed, name) + timedelta(days=match.within_days))
            for name in ctx.zones
        )
    for limit in (consent.revoked_at, consent.expires_at):
        if limit is not None and limit < end:
            end = limit
    if match.ends_on:
        debts = set(consent.debt_ids) or set(ctx.request.debt_ids)
        for event in ctx.events:
            if event.at > renewed and event.kind in match.ends_on and _about(event.debt_ids, debts):
                end = min(end, event.at)
                break
    return start, end


def _about(event_debts: tuple[DebtId, ...], debts: set[DebtId]) -> bool:
    return not event_debts or not debts or not debts.isdisjoint(event_debts)


def in_force(match: ConsentMatch, ctx: Context, at: datetime) -> ConsentFact | None:
    """The first consent that is in force at `at`, or None."""
    for consent in ctx.subject.consents:
        if fits(consent, match, ctx):
            start, end = span(consent, match, ctx)
            if start <= at < end:
                return consent
    return None


def next_start(match: ConsentMatch, ctx: Context, at: datetime) -> datetime | None:
    """Least instant >= `at` at which a consent already known is in force, or None."""
    starts: list[datetime] = []
    for consent in ctx.subject.consents:
        if fits(consent, match, ctx):
            start, end = span(consent, match, ctx)
            if max(start, at) < end:
                starts.append(max(start, at))
    return min(starts, default=None)
