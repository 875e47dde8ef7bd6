"""Permits for tests, minted by the gate and nothing else, under packs that forbid little."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from itertools import count
from typing import Final

from compliance.gate import decide
from compliance.messages import (
    Collector,
    ContactPointFacts,
    ContactRequest,
    DebtFacts,
    Facts,
    PersonFacts,
    Place,
    Subject,
)
from compliance.packs import PackSet, load_packs
from compliance.permit import Allowed, ContactPermit
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    CollectorRole,
    ContactPointId,
    ContactPointKind,
    DebtId,
    DecisionId,
    Mode,
    PersonId,
)

VALID_S: Final = 10.0
_KINDS: Final = {
    Channel.EMAIL: ContactPointKind.EMAIL,
    Channel.WHATSAPP: ContactPointKind.WHATSAPP,
}
_numbers = count(1)


@cache
def permissive_packs() -> PackSet:
    """Only what always holds: no country's hours, no country's limits."""
    return load_packs(production=False, only=())


def permit_for(
    address: str,
    now: datetime,
    *,
    valid_s: float = VALID_S,
    channel: Channel = Channel.VOICE,
    mode: Mode = Mode.PREDICTIVE,
) -> ContactPermit:
    """A permit for one contact to `address`, good from `now` on for `valid_s` seconds.

    The person and the debt are made up for it. Raises `AssertionError` with the findings when
    the gate forbids even that.
    """
    n = next(_numbers)
    person_id, debt_id = PersonId(f"person-{n}"), DebtId(f"debt-{n}")
    point_id = ContactPointId(f"point-{n}")
    request = ContactRequest(
        decision_id=DecisionId(f"decision-{n}"),
        person_id=person_id,
        contact_point_id=point_id,
        channel=channel,
        mode=mode,
        debt_ids=(debt_id,),
        campaign_id=CampaignId("tests"),
    )
    subject = Subject(
        person=PersonFacts(person_id=person_id, residence=Place(country="US", subdivision="US-NY")),
        contact_points=(
            ContactPointFacts(
                contact_point_id=point_id,
                kind=_KINDS.get(channel, ContactPointKind.PHONE),
                address=address,
            ),
        ),
        debts=(DebtFacts(debt_id=debt_id, account_id=AccountId(f"account-{n}")),),
    )
    collector = Collector(collector_id="tests", role=CollectorRole.FIRST_PARTY)
    verdict = decide(
        request,
        Facts(subject=subject, collector=collector),
        permissive_packs(),
        now,
        permit_lifetime_s=valid_s,
    )
    if not isinstance(verdict, Allowed):
        stops = [
            f"{finding.rule_id}: {finding.code}"
            for finding in verdict.record.findings
            if finding.outcome.stops
        ]
        raise AssertionError(f"no permit for {address} at {now}: {'; '.join(stops)}")
    return verdict.permit
