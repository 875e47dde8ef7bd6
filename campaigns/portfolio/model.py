"""What one row of a creditor's file becomes: the normalised, typed records of an import.

Nothing here has an identity of the ledger yet: people carry a `match_key`, accounts the
creditor's own `external_id`. Money is integer minor units of `currency` (ISO 4217; the Chilean
peso has none, so CLP 4.355 is 4355), dates are calendar dates, zones IANA names.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from compliance.messages import Message, Place
from compliance.types import (
    Channel,
    ConsentScope,
    ContactPointKind,
    DebtStatus,
    LineType,
    PartyRole,
    PersonKind,
    PointLabel,
    StatusKind,
)


class Stage(StrEnum):
    """Stage of collection as creditors name it (Spanish terms are the trade's own)."""

    PREVENTIVA = "preventiva"
    ADMINISTRATIVA = "administrativa"
    EXTRAJUDICIAL = "extrajudicial"
    PREJUDICIAL = "prejudicial"
    JUDICIAL = "judicial"
    CASTIGO = "castigo"
    CERRADA = "cerrada"


class Text(Message, frozen=True, kw_only=True):
    """One sentence for people, in both languages of the product."""

    es: str
    en: str


class FlagKind(StrEnum):
    """A statement in the file that changes what may be done with a person or a debt."""

    ATTORNEY = "attorney"
    CEASE = "cease"
    DECEASED = "deceased"
    BANKRUPTCY = "bankruptcy"
    LITIGATION = "litigation"
    LITIGATOR = "litigator"
    MINOR = "minor"
    ELDERLY = "elderly"
    VULNERABLE = "vulnerable"
    INCARCERATED = "incarcerated"
    FRAUD = "fraud"
    COMPLAINT = "complaint"
    NO_WORK_CALLS = "no_work_calls"
    NO_CALLS = "no_calls"
    NO_SMS = "no_sms"
    NO_EMAIL = "no_email"
    NO_WHATSAPP = "no_whatsapp"
    TIME_PREFERENCE = "time_preference"
    """Asks for hours or days; prose, so a person has to enter it."""
    WRONG_NUMBER = "wrong_number"
    """Prose does not tell which of the numbers, so a person has to."""
    THIRD_PARTY_CONTACT = "third_party_contact"
    """Something about relatives, neighbours or references."""
    SAYS_PAID = "says_paid"
    DISPUTE = "dispute"
    SETTLED = "settled"
    NOTHING_OWED = "nothing_owed"
    """The total is zero or negative: there is nothing to ask for."""
    LEGAL_UNCLEAR = "legal_unclear"
    """Looks as if it had a legal meaning and is not understood."""


class FlagAction(StrEnum):
    SUPPRESS = "suppress"
    """Understood: the effect applies at once."""
    REVIEW = "review"
    """Not certain: the account is held until a person has looked at it."""


class FlagEffect(Message, frozen=True, kw_only=True):
    """What a flag with action `suppress` does; every field that is set applies."""

    status: StatusKind | None = None
    """A status of the person."""
    debt_status: DebtStatus | None = None
    opt_out: Channel | None = None
    """The person is not contacted through this channel."""
    forbids_label: PointLabel | None = None
    """Contact points with this label may not be used, and the preference is kept."""


FLAG_EFFECTS: dict[FlagKind, FlagEffect] = {
    FlagKind.ATTORNEY: FlagEffect(status=StatusKind.ATTORNEY),
    FlagKind.CEASE: FlagEffect(status=StatusKind.CEASE),
    FlagKind.DECEASED: FlagEffect(status=StatusKind.DECEASED),
    FlagKind.BANKRUPTCY: FlagEffect(status=StatusKind.BANKRUPTCY),
    FlagKind.LITIGATION: FlagEffect(
        status=StatusKind.LITIGATION, debt_status=DebtStatus.IN_LITIGATION
    ),
    FlagKind.LITIGATOR: FlagEffect(status=StatusKind.LITIGATOR),
    FlagKind.MINOR: FlagEffect(status=StatusKind.MINOR),
    FlagKind.ELDERLY: FlagEffect(status=StatusKind.ELDERLY),
    FlagKind.VULNERABLE: FlagEffect(status=StatusKind.VULNERABLE),
    FlagKind.INCARCERATED: FlagEffect(status=StatusKind.INCARCERATED),
    FlagKind.FRAUD: FlagEffect(status=StatusKind.FRAUD_VICTIM, debt_status=DebtStatus.DISPUTED),
    FlagKind.COMPLAINT: FlagEffect(status=StatusKind.COMPLAINT_OPEN),
    FlagKind.NO_WORK_CALLS: FlagEffect(forbids_label=PointLabel.WORK),
    FlagKind.NO_CALLS: FlagEffect(opt_out=Channel.VOICE),
    FlagKind.NO_SMS: FlagEffect(opt_out=Channel.SMS),
    FlagKind.NO_EMAIL: FlagEffect(opt_out=Channel.EMAIL),
    FlagKind.NO_WHATSAPP: FlagEffect(opt_out=Channel.WHATSAPP),
    FlagKind.SAYS_PAID: FlagEffect(debt_status=DebtStatus.PAYMENT_CLAIMED),
    FlagKind.DISPUTE: FlagEffect(debt_status=DebtStatus.DISPUTED),
    FlagKind.SETTLED: FlagEffect(debt_status=DebtStatus.SETTLED),
    FlagKind.NOTHING_OWED: FlagEffect(debt_status=DebtStatus.PAUSED),
}
"""Effect of each kind that can suppress. A kind that is absent is always reviewed."""


class Flag(Message, frozen=True, kw_only=True):
    kind: FlagKind
    action: FlagAction
    column: str
    """Where it was read: the file's own name of the column."""
    text: str
    """The cell, unchanged."""

    @property
    def effect(self) -> FlagEffect | None:
        """What applies at once; None where a person has to decide first."""
        return FLAG_EFFECTS[self.kind] if self.action is FlagAction.SUPPRESS else None


class ImportWarning(Message, frozen=True, kw_only=True):
    """Something in an accepted row that was dropped, repaired or looks odd."""

    code: str
    """Stable; its sentences are in `campaigns.portfolio.rejects`."""
    column: str
    value: str


class ImportedNote(Message, frozen=True, kw_only=True):
    column: str
    text: str


class ImportedConsent(Message, frozen=True, kw_only=True):
    """A column's statement about consent of the account's holder."""

    scope: ConsentScope
    channel: Channel | None = None
    granted: bool
    """False: the file says no. That is not a revocation of an older consent, only its absence."""
    given_on: date | None = None
    """None: the file does not say; the evidence is weak."""
    evidence: str
    """`column=value`, with the date's column where there is one."""


class ImportedContactPoint(Message, frozen=True, kw_only=True):
    kind: ContactPointKind
    address: str
    """E.164, lower-case e-mail address, or one line of postal address."""
    raw: str
    """The cell it came from, unchanged."""
    column: str
    line: LineType = LineType.UNKNOWN
    label: PointLabel = PointLabel.UNKNOWN
    role: PartyRole = PartyRole.HOLDER
    """Whose it is said to be: the role of the party that has it."""
    zones: tuple[str, ...] = ()
    """Candidate zones of a phone number; empty where it does not tell."""
    region: str | None = None
    """ISO 3166-2 code or country that the number is assigned to."""
    extension: str | None = None
    rank: int = 0
    """Order within the party and kind, from 0, as the file gives it."""


class ImportedParty(Message, frozen=True, kw_only=True):
    """A person and what they are to the account."""

    match_key: str
    """Same key, same person, within a portfolio: `doc:TYPE:NUMBER` where a usable document is
    given, else `acct:EXTERNAL_ID:ROLE:N`, which never joins people of different accounts."""
    role: PartyRole
    kind: PersonKind = PersonKind.NATURAL
    name: str
    """May be empty for a reference of whom only a number is known; never for a holder."""
    document_type: str | None = None
    """Lower-case name of the document: `rut`, `cc`, `curp`, `dni`, `ssn`, `ssn_last4` ..."""
    document_number: str | None = None
    birth_date: date | None = None
    language: str | None = None
    """ISO 639-1."""
    residence: Place | None = None
    address: str | None = None
    zones: tuple[str, ...] = ()
    """Candidate zones of the residence."""
    declared_zone: str | None = None
    contact_points: tuple[ImportedContactPoint, ...] = ()


class ImportedDebt(Message, frozen=True, kw_only=True):
    reference: str
    principal_cents: int | None = None
    interest_cents: int | None = None
    fees_cents: int | None = None
    total_cents: int
    """May be zero or negative; the account then carries the flag `nothing_owed`."""
    overdue_cents: int | None = None
    due_date: date | None = None
    itemization_date: date | None = None
    charge_off_date: date | None = None
    limitation_date: date | None = None
    last_payment_date: date | None = None
    notice_date: date | None = None
    """When the written notice of the debt was sent: what some laws want before any contact."""
    last_payment_cents: int | None = None
    original_creditor: str | None = None


class ImportedAccount(Message, frozen=True, kw_only=True):
    """One account of the file, with everybody and everything that its row (or rows) say."""

    external_id: str
    row_number: int
    """Row of the file as a spreadsheet counts them: the first line is row 1."""
    row_count: int = 1
    """Consecutive rows that were joined: further debts or parties of the same account."""
    row_sha256: str
    """Of the row's cells and the mapping that read them: equal hash, nothing changed."""
    currency: str
    stage: Stage | None = None
    """As the file states it; None: derive from `dpd` and the charge-off date."""
    bucket: str | None = None
    """The creditor's own name of the ageing bucket, where there is one."""
    dpd: int | None = None
    """Days past due: stated, else counted from the due date; negative before it."""
    product: str | None = None
    segment: str | None = None
    owner: str | None = None
    """The agent or executive the creditor assigned."""
    recalled: bool = False
    debts: tuple[ImportedDebt, ...]
    parties: tuple[ImportedParty, ...]
    """The holder first."""
    consents: tuple[ImportedConsent, ...] = ()
    flags: tuple[Flag, ...] = ()
    notes: tuple[ImportedNote, ...] = ()
    warnings: tuple[ImportWarning, ...] = ()

    @property
    def holder(self) -> ImportedParty:
        return self.parties[0]


class RejectedRow(Message, frozen=True, kw_only=True):
    """A row that was not imported, and what its sender has to do about it."""

    row_number: int
    column: str
    """Empty where the whole row is meant."""
    value: str
    reason: str
    """Stable code; see `campaigns.portfolio.rejects`."""
    message: Text
    mend: Text
    cells: tuple[str, ...] = ()
    """The row as read, so that nothing is lost."""


class ImportCounts(Message, frozen=True, kw_only=True):
    """What became of the rows; `rows = accepted + rejected + ignored_duplicates`."""

    rows: int = 0
    accepted: int = 0
    """Rows that are in an `ImportedAccount`."""
    rejected: int = 0
    ignored_duplicates: int = 0
    """Rows that repeat an earlier row to the letter."""
    accounts: int = 0
    blank_rows: int = 0
    """Empty lines; they are not rows."""
    warnings: dict[str, int]
    """Code of a warning to the number of times."""
    flags: dict[str, int]
    """`KIND:ACTION` to the number of accounts."""
