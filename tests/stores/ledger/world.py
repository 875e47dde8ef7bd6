"""Small worlds for the ledger's tests: people, accounts, a campaign, and events about them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from compliance.messages import ContactPointFacts, PersonFacts, Subject
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    ContactPointId,
    ContactPointKind,
    DebtId,
    DecisionId,
    EventKind,
    Mode,
    PersonId,
    StreamKey,
)
from dialer.core.records import AttemptEnded, AttemptPlanned, ContactBlocked, SubjectChanged
from dialer.core.writes import CloseAttempt, MoveEnrolment, OpenAttempt, Write
from dialer.stores.ledger import schema
from dialer.stores.ledger.bulk import bulk_insert
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.streams import (
    Appended,
    AppendResult,
    EventStore,
    NewEvent,
    Refusal,
    Refused,
)

CAMPAIGN = CampaignId("campaign")
NOW_MS = 1_788_000_000_000

_PORTFOLIO = bulk_insert(
    schema.portfolio, [c.name for c in schema.portfolio.c if c.name != "import_profile"]
)
_CAMPAIGN = bulk_insert(schema.campaign, [c.name for c in schema.campaign.c])
_PERSON = bulk_insert(
    schema.person, ["person_id", "portfolio_id", "match_key", "kind", "full_name", "updated_ms"]
)
_ACCOUNT = bulk_insert(
    schema.account,
    [
        "account_id",
        "portfolio_id",
        "external_id",
        "stage",
        "bucket",
        "priority",
        "state",
        "row_sha256",
        "job_id",
        "updated_ms",
    ],
)
_PARTY = bulk_insert(schema.account_party, ["account_id", "person_id", "role"])
_POINT = bulk_insert(
    schema.contact_point,
    [
        "contact_point_id",
        "person_id",
        "kind",
        "address",
        "raw",
        "line",
        "label",
        "role",
        "validity",
        "shared_with",
        "acquired_ms",
        "rank",
    ],
)
_PROFILE = bulk_insert(schema.person_profile, ["person_id", "subject"])
_ENROLMENT = bulk_insert(
    schema.enrolment, ["campaign_id", "account_id", "priority", "state", "not_before_ms"]
)


async def found(ledger: Ledger) -> None:
    """A portfolio and a campaign, without accounts."""
    async with ledger.write() as conn:
        await _PORTFOLIO.run(
            conn,
            [
                {
                    "portfolio_id": "portfolio",
                    "name": "Test",
                    "creditor_id": "bank",
                    "creditor_name": "Bank",
                    "creditor_name_neutral": "B.",
                    "collector_role": "third_party",
                    "country": "US",
                    "currency": "USD",
                    "debt_class": "consumer",
                    "synthetic": True,
                    "created_ms": NOW_MS,
                }
            ],
        )
        await _CAMPAIGN.run(
            conn,
            [
                {
                    "campaign_id": CAMPAIGN,
                    "name": "Test",
                    "portfolio_id": "portfolio",
                    "state": "running",
                    "settings": "{}",
                    "settings_sha256": "",
                    "created_ms": NOW_MS,
                    "updated_ms": NOW_MS,
                }
            ],
        )


async def add_person(
    ledger: Ledger,
    person_id: str,
    phones: dict[str, list[str]],
) -> PersonId:
    """A person with phones: address -> people who share it. Point ids are PERSON:ADDRESS."""
    points = tuple(
        ContactPointFacts(
            contact_point_id=point_of(person_id, address),
            kind=ContactPointKind.PHONE,
            address=address,
            shared_with=tuple(PersonId(other) for other in shared),
        )
        for address, shared in phones.items()
    )
    subject = Subject(
        person=PersonFacts(person_id=PersonId(person_id), zones=("America/Bogota",)),
        contact_points=points,
    )
    async with ledger.write() as conn:
        await _PERSON.run(
            conn,
            [
                {
                    "person_id": person_id,
                    "portfolio_id": "portfolio",
                    "match_key": person_id,
                    "kind": "natural",
                    "full_name": f"Ñandú «{person_id}»",
                    "updated_ms": NOW_MS,
                }
            ],
        )
        await _POINT.run(
            conn,
            [
                {
                    "contact_point_id": point.contact_point_id,
                    "person_id": person_id,
                    "kind": "phone",
                    "address": point.address,
                    "raw": point.address,
                    "line": "unknown",
                    "label": "unknown",
                    "role": "holder",
                    "validity": "unverified",
                    "shared_with": msgspec.json.encode(point.shared_with).decode(),
                    "acquired_ms": NOW_MS,
                    "rank": rank,
                }
                for rank, point in enumerate(points)
            ],
        )
        await _PROFILE.run(
            conn, [{"person_id": person_id, "subject": msgspec.json.encode(subject).decode()}]
        )
    return PersonId(person_id)


async def add_account(ledger: Ledger, account_id: str, parties: dict[str, str]) -> AccountId:
    """An account, enrolled in the campaign; parties: person -> role."""
    async with ledger.write() as conn:
        await _ACCOUNT.run(
            conn,
            [
                {
                    "account_id": account_id,
                    "portfolio_id": "portfolio",
                    "external_id": account_id,
                    "stage": "early",
                    "bucket": "1-30",
                    "priority": 5,
                    "state": "active",
                    "row_sha256": "",
                    "job_id": "job",
                    "updated_ms": NOW_MS,
                }
            ],
        )
        await _PARTY.run(
            conn,
            [
                {"account_id": account_id, "person_id": person_id, "role": role}
                for person_id, role in parties.items()
            ],
        )
        await _ENROLMENT.run(
            conn,
            [
                {
                    "campaign_id": CAMPAIGN,
                    "account_id": account_id,
                    "priority": 5,
                    "state": "ready",
                    "not_before_ms": 0,
                }
            ],
        )
    return AccountId(account_id)


def point_of(person_id: str, address: str) -> ContactPointId:
    return ContactPointId(f"{person_id}:{address}")


def planned(
    person_id: str,
    attempt_id: str,
    *,
    account_id: str = "account",
    at_ms: int = NOW_MS,
    expected: Mapping[str, int] | None = None,
    links: tuple[str, ...] = (),
    record: bytes | None = b'{"why":"allowed"}',
    address: str = "+12125550100",
) -> NewEvent:
    """An attempt that is about to leave."""
    return NewEvent(
        person_id=PersonId(person_id),
        at_ms=at_ms,
        body=AttemptPlanned(
            attempt_id=DecisionId(attempt_id),
            campaign_id=CAMPAIGN,
            account_id=AccountId(account_id),
            contact_point_id=point_of(person_id, address),
            channel=Channel.VOICE,
            mode=Mode.PREDICTIVE,
            debt_ids=(DebtId("debt"),),
        ),
        record=record,
        expected=None if expected is None else streams(expected),
        links=tuple(StreamKey(link) for link in links),
        writes=(OpenAttempt(),),
    )


def ended(
    person_id: str,
    attempt_id: str,
    *,
    at_ms: int = NOW_MS + 20_000,
    outcome: EventKind = EventKind.RANG_NO_ANSWER,
    code: str = "NA",
    account_id: str | None = None,
    links: tuple[str, ...] = (),
) -> NewEvent:
    """The end of an attempt; with an account, its enrolment moves too."""
    writes: tuple[Write, ...] = (CloseAttempt(),)
    if account_id is not None:
        writes += (
            MoveEnrolment(
                campaign_id=CAMPAIGN,
                account_id=AccountId(account_id),
                state="waiting",
                not_before_ms=at_ms + 3_600_000,
                reason="retry",
                attempts_added=1,
                code=code,
            ),
        )
    return NewEvent(
        person_id=PersonId(person_id),
        at_ms=at_ms,
        body=AttemptEnded(
            attempt_id=DecisionId(attempt_id), outcome=outcome, code=code, ring_ms=18_000
        ),
        links=tuple(StreamKey(link) for link in links),
        writes=writes,
    )


def blocked(person_id: str, decision_id: str, *, at_ms: int = NOW_MS) -> NewEvent:
    return NewEvent(
        person_id=PersonId(person_id),
        at_ms=at_ms,
        body=ContactBlocked(
            decision_id=DecisionId(decision_id),
            campaign_id=CAMPAIGN,
            account_id=AccountId("account"),
            contact_point_id=ContactPointId("point"),
            channel=Channel.VOICE,
            rule_id="test.hours",
        ),
        record=b'{"why":"blocked"}',
    )


def changed(
    person_id: str,
    what: str = "opt_out",
    *,
    at_ms: int = NOW_MS,
    expected: Mapping[str, int] | None = None,
    links: tuple[str, ...] = (),
    writes: tuple[Write, ...] = (),
) -> NewEvent:
    return NewEvent(
        person_id=PersonId(person_id),
        at_ms=at_ms,
        body=SubjectChanged(change=what),
        expected=None if expected is None else streams(expected),
        links=tuple(StreamKey(link) for link in links),
        writes=writes,
    )


def streams(heads: Mapping[str, int]) -> dict[StreamKey, int]:
    return {StreamKey(stream): seq for stream, seq in heads.items()}


async def append_one(store: EventStore, event: NewEvent) -> Appended:
    """Append one event that must win."""
    [result] = await store.append([event])
    assert isinstance(result, Appended), result
    return result


def shape(results: list[AppendResult]) -> list[int | Refusal | None]:
    """Results as tests compare them: the place, the refusal, or None."""
    return [
        result.seq
        if isinstance(result, Appended)
        else result.why
        if isinstance(result, Refused)
        else None
        for result in results
    ]
