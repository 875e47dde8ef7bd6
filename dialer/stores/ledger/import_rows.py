"""What an import reads from the ledger and what it writes there: one struct for each table."""

from __future__ import annotations

from datetime import date

import msgspec

from campaigns.portfolio.model import Stage
from compliance.types import (
    AccountId,
    Channel,
    ConsentScope,
    ConsentType,
    ContactPointId,
    ContactPointKind,
    DebtId,
    DebtStatus,
    PartyRole,
    PersonId,
    PointLabel,
    SuppressionScope,
    Validity,
)
from dialer.core.writes import AddStatus

# --- what the ledger holds -----------------------------------------------------------------------


class KnownAccount(msgspec.Struct, frozen=True, array_like=True, gc=False):
    external_id: str
    account_id: AccountId
    row_sha256: str
    state: str
    priority: int

    @property
    def is_active(self) -> bool:
        return self.state == "active"


class KnownPerson(msgspec.Struct, frozen=True, array_like=True, gc=False):
    match_key: str
    person_id: PersonId


class KnownPoint(msgspec.Struct, frozen=True, array_like=True, gc=False):
    person_id: PersonId
    kind: ContactPointKind
    address: str
    contact_point_id: ContactPointId
    label: PointLabel
    role: PartyRole
    rank: int
    work_forbidden: bool | int


class KnownConsent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    person_id: PersonId
    consent_id: str
    scope: ConsentScope
    channel: Channel | None
    given_ms: int
    renewed_ms: int | None
    revoked_ms: int | None


class KnownDebt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    account_id: AccountId
    reference: str
    debt_id: DebtId
    status: DebtStatus
    total_cents: int
    validation_sent_ms: int | None


class Known(msgspec.Struct, frozen=True, array_like=True):
    """All that is on file about the accounts of a batch and the people they name."""

    points: list[KnownPoint] | None = None
    consents: list[KnownConsent] | None = None
    opted_out: list[tuple[PersonId, Channel]] | None = None
    """Channels under a suppression that has not ended."""
    debts: list[KnownDebt] | None = None


# --- what is written -----------------------------------------------------------------------------


class PersonRow(msgspec.Struct):
    person_id: PersonId
    portfolio_id: str
    match_key: str
    kind: str
    full_name: str
    document_type: str | None
    document_number: str | None
    birth_date: date | None
    language: str | None
    country: str | None
    subdivision: str | None
    locality: str | None
    postal_code: str | None
    address: str | None
    zones: str
    updated_ms: int


class AccountRow(msgspec.Struct):
    account_id: AccountId
    portfolio_id: str
    external_id: str
    product: str | None
    stage: Stage
    bucket: str
    dpd: int | None
    owner_agent: str | None
    segment: str | None
    priority: int
    state: str
    row_sha256: str
    job_id: str
    updated_ms: int


class PartyRow(msgspec.Struct):
    account_id: AccountId
    person_id: PersonId
    role: PartyRole


class DebtRow(msgspec.Struct):
    debt_id: DebtId
    account_id: AccountId
    reference: str
    status: DebtStatus
    debt_class: str
    original_creditor: str | None
    currency: str
    principal_cents: int | None
    interest_cents: int | None
    fees_cents: int | None
    total_cents: int
    overdue_cents: int | None
    due_date: date | None
    itemization_date: date | None
    charge_off_date: date | None
    limitation_date: date | None
    validation_sent_ms: int | None
    balance_as_of_ms: int


class PointRow(msgspec.Struct):
    contact_point_id: ContactPointId
    person_id: PersonId
    kind: ContactPointKind
    address: str
    raw: str
    line: str
    label: PointLabel
    role: PartyRole
    validity: Validity
    zones: str
    region: str | None
    acquired_ms: int
    rank: int
    work_forbidden: bool = False


class ConsentRow(msgspec.Struct):
    consent_id: str
    person_id: PersonId
    scope: ConsentScope
    type: ConsentType
    channel: Channel | None
    given_to: str
    given_ms: int
    evidence: str


class RenewedConsent(msgspec.Struct):
    consent_id: str
    renewed_ms: int


class SuppressionRow(msgspec.Struct):
    suppression_id: str
    person_id: PersonId
    scope: SuppressionScope
    target_id: str | None
    channel: Channel | None
    reason: str
    starts_ms: int
    created_by: str
    evidence: str


class PreferenceRow(msgspec.Struct):
    preference_id: str
    person_id: PersonId
    fact: str


class ReviewRow(msgspec.Struct):
    review_id: str
    kind: str
    person_id: PersonId
    account_id: AccountId
    text: str
    source: str
    created_ms: int
    state: str = "open"


class NoteRow(msgspec.Struct):
    note_id: str
    person_id: PersonId
    account_id: AccountId
    text: str
    author: str
    at_ms: int


class Changes(msgspec.Struct):
    """Rows to write, by table. Keys are distinct within each list."""

    new_persons: dict[PersonId, PersonRow] = {}
    persons: dict[PersonId, PersonRow] = {}
    new_accounts: list[AccountRow] = []
    accounts: list[AccountRow] = []
    parties: dict[tuple[AccountId, PersonId], PartyRow] = {}
    new_debts: list[DebtRow] = []
    debts: list[DebtRow] = []
    new_points: dict[tuple[PersonId, ContactPointKind, str], PointRow] = {}
    points: dict[ContactPointId, PointRow] = {}
    consents: dict[tuple[PersonId, ConsentScope, Channel | None], ConsentRow] = {}
    renewed: dict[str, RenewedConsent] = {}
    statuses: list[AddStatus] = []
    suppressions: dict[str, SuppressionRow] = {}
    preferences: dict[str, PreferenceRow] = {}
    holds: dict[str, ReviewRow] = {}
    """Reviews that keep the account from being contacted until they are resolved."""
    notes: dict[str, NoteRow] = {}
    withdrawn: list[AccountId] = []
    """Existing accounts that are not to be worked any more, for the queues."""
    returned: list[AccountId] = []
    """Existing accounts that were withdrawn and are to be worked again."""
