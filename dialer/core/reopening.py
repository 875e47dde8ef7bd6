"""An attempt that another life of the engine made, taken up again. Pure."""

from __future__ import annotations

from compliance.types import (
    CampaignId,
    Channel,
    ContactPointId,
    DebtId,
    DecisionId,
    PersonId,
    StreamKey,
)
from dialer.core.outcome import Contact
from dialer.core.records import AttemptPlanned, event_id, fold_history
from dialer.core.snapshots import AccountSnapshot


def contact_of_attempt(
    account: AccountSnapshot,
    person_id: PersonId,
    contact_point_id: ContactPointId,
    attempt_id: DecisionId,
    campaign_id: CampaignId,
) -> Contact | None:
    """The contact of an attempt that another life of the engine made, from today's facts."""
    person = next((p for p in account.people if p.person_id == person_id), None)
    if person is None:
        return None
    points = person.subject.contact_points
    point = next((p for p in points if p.contact_point_id == contact_point_id), None)
    planned = next(
        (
            row
            for row in person.rows
            if isinstance(row.body, AttemptPlanned) and row.body.attempt_id == attempt_id
        ),
        None,
    )
    if point is None:
        return None
    debt_ids: tuple[DebtId, ...] = ()
    channel = Channel.VOICE
    if planned is not None and isinstance(planned.body, AttemptPlanned):
        debt_ids, channel = planned.body.debt_ids, planned.body.channel
    number = StreamKey(f"number:{point.address}")
    return Contact(
        attempt_id=attempt_id,
        person_id=person_id,
        account_id=account.account_id,
        campaign_id=campaign_id,
        point=point,
        debt_ids=debt_ids,
        subject=person.subject,
        history=fold_history(person.history()),
        event_id=event_id(person_id, planned.seq) if planned is not None else "",
        links=(number,) if number in person.heads else (),
        segment=account.bucket,
        channel=channel,
    )
