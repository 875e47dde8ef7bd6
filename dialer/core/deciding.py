"""What every plan shares, whatever the channel: facts, refusals, and waiting. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from campaigns.campaign import CampaignSettings
from compliance.messages import (
    AbandonmentStat,
    Collector,
    ContactPointFacts,
    ContactRequest,
    DecisionRecord,
    Facts,
    HistoryEvent,
    Subject,
    TrafficStat,
)
from compliance.types import (
    CampaignId,
    ContactPointId,
    PartyRole,
    PersonId,
    ReasonGroup,
    StreamKey,
)
from dialer.core.outcome import EVENT_RECHECK, Place
from dialer.core.proofs import sealed
from dialer.core.records import (
    AttemptEnded,
    AttemptPlanned,
    ContactBlocked,
    InboundContact,
    InboundEnded,
    to_ms,
)
from dialer.core.script import Scripts
from dialer.core.snapshots import AccountSnapshot, OpenCallback, PersonSnapshot

_ROLE_ORDER = {PartyRole.HOLDER: 0, PartyRole.CO_DEBTOR: 1, PartyRole.GUARANTOR: 2}
_OF_THE_PERSON = frozenset({ReasonGroup.STATUS, ReasonGroup.HOURS, ReasonGroup.PACING})


NO_LAWFUL_MOMENT = "no_lawful_moment"
"""Reason of an account that the gate's rules release by an event alone. Whoever records one that
may wakes it (`dialer.stores.ledger.waking`)."""
MISSING = "missing:"
MISSING_RECHECK = timedelta(days=1)
"""An account without anything to contact is looked at again after this: a file may bring it."""


LONGEST_INBOUND = timedelta(hours=2)
"""A call to us that has no end on record by then has lost it in a crash."""


class CampaignContext(msgspec.Struct, frozen=True, kw_only=True):
    """What all contacts of a campaign have in common."""

    campaign_id: CampaignId
    name: str
    settings: CampaignSettings
    collector: Collector
    lookback: timedelta
    """How far back the snapshots' history reaches: the longest memory of the packs in force."""
    scripts: Scripts = Scripts()
    """What is said by machine."""
    abandonment: tuple[AbandonmentStat, ...] = ()
    """The campaign's figures for rules about abandonment, a little old at most."""
    traffic: tuple[TrafficStat, ...] = ()
    """Figures for rules about calls as a whole, a minute old at most."""
    started_at: datetime | None = None
    """When it was first started; None: not known."""


class Blocked(NamedTuple):
    """A decision that denied, with the body and record to append."""

    person_id: PersonId
    body: ContactBlocked
    record: DecisionRecord
    heads: dict[StreamKey, int]


def facts_of(
    account: AccountSnapshot,
    person: PersonSnapshot,
    history: tuple[HistoryEvent, ...],
    campaign: CampaignContext,
    now: datetime,
) -> Facts:
    return Facts(
        subject=person.subject,
        collector=campaign.collector,
        history=history,
        heads=person.heads,
        abandonment=campaign.abandonment,
        traffic=campaign.traffic,
        campaign_started_at=campaign.started_at,
        complete_from=now - campaign.lookback,
        wide=account.house.wide,
        emergencies=account.house.emergencies.in_force,
        ended_emergencies=account.house.emergencies.ended,
    )


def refused(
    account: AccountSnapshot,
    person: PersonSnapshot,
    request: ContactRequest,
    record: DecisionRecord,
    headline: str,
) -> Blocked:
    body = ContactBlocked(
        decision_id=request.decision_id,
        campaign_id=request.campaign_id,
        account_id=account.account_id,
        contact_point_id=request.contact_point_id,
        channel=request.channel,
        rule_id=headline,
        first_allowed_ms=None if record.first_allowed is None else to_ms(record.first_allowed),
    )
    return Blocked(person.person_id, body, sealed(record, person.subject), person.heads)


def in_order(
    people: Sequence[PersonSnapshot], callback: OpenCallback | None
) -> list[PersonSnapshot]:
    """Whoever asked to be called comes first; then those who owe, by role."""
    if len(people) == 1:
        return list(people)
    asked = callback.person_id if callback is not None else None
    return sorted(
        people,
        key=lambda p: (p.person_id != asked, _ROLE_ORDER.get(p.role, 9), p.person_id),
    )


def standing_place(
    account: AccountSnapshot, settings: CampaignSettings, now: datetime
) -> Place | None:
    """Where an account that was claimed belongs without any decision; None: it is to be decided.

    Where the queue and the ledger disagree, the ledger has the last word.
    """
    if account.state != "active":
        return Place("done", 0, "account_closed")
    standing = account.enrolment
    if standing is None:
        return Place("done", 0, "not_enrolled")
    if standing.state == "done" or standing.not_before_ms > to_ms(now):
        return Place(standing.state, standing.not_before_ms, "ledger")
    limit = settings.retry.max_attempts
    if limit is not None and standing.attempts >= limit:
        return Place("done", 0, "attempts_spent")
    return None


def in_flight(person: PersonSnapshot, now: datetime) -> bool:
    """Whether an attempt on this person has no end yet, or they are on the line because they
    called us: then nobody contacts them."""
    open_attempts: set[str] = set()
    lately_ms = to_ms(now - LONGEST_INBOUND)
    for row in person.rows:
        body = row.body
        if isinstance(body, AttemptPlanned):
            open_attempts.add(body.attempt_id)
        elif isinstance(body, AttemptEnded):
            open_attempts.discard(body.attempt_id)
        elif isinstance(body, InboundContact) and body.call_id and row.at_ms > lately_ms:
            open_attempts.add(body.call_id)
        elif isinstance(body, InboundEnded):
            open_attempts.discard(body.call_id)
    return bool(open_attempts)


def point_of(subject: Subject, contact_point_id: ContactPointId) -> ContactPointFacts:
    return next(p for p in subject.contact_points if p.contact_point_id == contact_point_id)


def shared_streams(guards: tuple[StreamKey, ...], person: PersonSnapshot) -> tuple[StreamKey, ...]:
    """Guarded streams beside the person's own. One that nobody shares has no head to move."""
    own = StreamKey(person.person_id)
    return tuple(key for key in guards if key in person.heads and key != own)


def headline(record: DecisionRecord) -> str:
    """The first denial in the order of reasons for people."""
    return next((f.rule_id for f in record.findings if f.outcome.stops), "unknown")


def stops_the_person(record: DecisionRecord) -> bool:
    """Whether another number of the person would be refused as well: a status of theirs, the
    hour, which must be lawful in every zone that any of their numbers may be in, or the way the
    campaign dials."""
    return any(
        finding.outcome.stops and finding.group in _OF_THE_PERSON for finding in record.findings
    )


def sleep(later: list[tuple[datetime, str]], now: datetime, *, asked: bool) -> Place:
    """Wait for the first moment that looks lawful; without one, look again in a month.

    That one party has nothing to call does not bring the others forward, whom the gate was asked
    about and forbade.
    """
    moments = [moment for moment in later if not asked or not moment[1].startswith(MISSING)]
    if not moments:
        return Place("waiting", to_ms(now + EVENT_RECHECK), NO_LAWFUL_MOMENT)
    at, reason = min(moments)
    return Place("waiting", to_ms(max(at, now + timedelta(seconds=1))), reason[:40])
