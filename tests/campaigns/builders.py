"""Small people, debts and histories for tests of campaign logic."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from campaigns.model import AccountState
from compliance.messages import (
    ContactPointFacts,
    DebtFacts,
    HistoryEvent,
    PersonFacts,
    Subject,
)
from compliance.types import (
    AccountId,
    Channel,
    ContactPointId,
    ContactPointKind,
    DebtId,
    DebtStatus,
    EventKind,
    PartyRole,
    PersonId,
    PointLabel,
    Validity,
)

BOGOTA = "America/Bogota"
"""UTC-5 all year, so that local hours can be read off."""
NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
"""A Monday, 09:30 in Bogotá."""
ACCOUNT = AccountId("acc")
PERSON = PersonId("per")
PHONE = ContactPointId("phone-1")


def no_holidays(_: date) -> bool:
    return False


def ago(days: float = 0, hours: float = 0, minutes: float = 0, now: datetime = NOW) -> datetime:
    return now - timedelta(days=days, hours=hours, minutes=minutes)


def event(
    kind: EventKind,
    at: datetime,
    *,
    phone: ContactPointId | None = PHONE,
    event_id: str | None = None,
    person: PersonId | None = PERSON,
    misdirected: bool = False,
) -> HistoryEvent:
    return HistoryEvent(
        event_id=event_id or f"{person}/{at.isoformat()}",
        at=at,
        kind=kind,
        channel=Channel.VOICE,
        person_id=person,
        contact_point_id=phone,
        account_ids=(ACCOUNT,),
        misdirected=misdirected,
    )


def state(
    *,
    country: str | None = "CO",
    zones: tuple[str, ...] = (BOGOTA,),
    attempts: int = 0,
    closed: bool = False,
    promise_review_at: datetime | None = None,
    instalment_review_at: datetime | None = None,
) -> AccountState:
    return AccountState(
        account_id=ACCOUNT,
        country=country,
        zones=zones,
        attempts=attempts,
        closed=closed,
        promise_review_at=promise_review_at,
        instalment_review_at=instalment_review_at,
    )


def phone(
    name: str = PHONE,
    *,
    validity: Validity = Validity.UNVERIFIED,
    role: PartyRole = PartyRole.HOLDER,
    label: PointLabel = PointLabel.MOBILE,
    opted_out_at: datetime | None = None,
    work_forbidden: bool = False,
    shared_with: tuple[PersonId, ...] = (),
    also_reference: bool = False,
    rank: int = 0,
    kind: ContactPointKind = ContactPointKind.PHONE,
) -> ContactPointFacts:
    return ContactPointFacts(
        contact_point_id=ContactPointId(name),
        kind=kind,
        address="+573001234567",
        validity=validity,
        role=role,
        label=label,
        opted_out_at=opted_out_at,
        work_forbidden=work_forbidden,
        shared_with=shared_with,
        also_reference=also_reference,
        rank=rank,
    )


def debt(
    name: str = "debt-1",
    *,
    account: AccountId = ACCOUNT,
    status: DebtStatus = DebtStatus.OVERDUE,
    role: PartyRole = PartyRole.HOLDER,
) -> DebtFacts:
    return DebtFacts(debt_id=DebtId(name), account_id=account, status=status, role=role)


def subject(*points: ContactPointFacts, debts: tuple[DebtFacts, ...] | None = None) -> Subject:
    return Subject(
        person=PersonFacts(person_id=PERSON),
        contact_points=points,
        debts=(debt(),) if debts is None else debts,
    )
