"""What an import changes: accounts of a creditor's file against what the ledger holds. No I/O.

The file is believed about balances, names and which numbers exist. It is not believed where it
would loosen something: a dead number stays dead, an opt-out stays opted out, a debt on hold stays
on hold, and a number found to be somebody else's does not become the debtor's again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Final

import msgspec

from campaigns.portfolio.model import (
    Flag,
    FlagKind,
    ImportedAccount,
    ImportedConsent,
    ImportedContactPoint,
    ImportedDebt,
    ImportedParty,
    Stage,
)
from campaigns.priority import BLOCKED, AccountValue, priority, stage_for
from compliance.messages import PreferenceFact
from compliance.types import (
    AccountId,
    Channel,
    ConsentScope,
    ConsentType,
    ContactPointId,
    DebtId,
    DebtStatus,
    PartyRole,
    PersonId,
    PointLabel,
    StatusKind,
    SuppressionScope,
    Validity,
)
from dialer.core.records import day_over_ms, from_ms, to_ms
from dialer.core.writes import AddStatus
from dialer.stores.ledger.import_rows import (
    AccountRow,
    Changes,
    ConsentRow,
    DebtRow,
    Known,
    KnownAccount,
    KnownConsent,
    KnownDebt,
    KnownPoint,
    NoteRow,
    PartyRow,
    PersonRow,
    PointRow,
    PreferenceRow,
    RenewedConsent,
    ReviewRow,
    SuppressionRow,
)
from dialer.stores.ledger.import_values import (
    days_past_due,
    digest_id,
    is_charged_off,
    match_key_of,
    overdue_cents,
)
from dialer.stores.ledger.portfolios import Portfolio
from dialer.stores.ledger.reviews import REVIEW_HOLD

SOURCE: Final = "import"
"""Author of notes and suppressions that a file brought."""

OWN_ROLES: Final = (
    PartyRole.HOLDER,
    PartyRole.CO_DEBTOR,
    PartyRole.GUARANTOR,
    PartyRole.SPOUSE,
    PartyRole.PARENT_OF_MINOR,
    PartyRole.LEGAL_GUARDIAN,
    PartyRole.EXECUTOR,
    PartyRole.REPRESENTATIVE,
)
"""Roles of people whose own numbers these are, the nearest to the debt first."""

HOLDS: Final = (
    DebtStatus.IN_LITIGATION,
    DebtStatus.DISPUTED,
    DebtStatus.PAYMENT_CLAIMED,
    DebtStatus.SETTLED,
    DebtStatus.PAUSED,
    DebtStatus.PAID,
)
"""Statuses that an import may bring, and never takes away; the strongest first."""

_TIE: Final = 1_000
"""The lower digits of a priority, which break ties and are not the file's business."""


# --- merging -------------------------------------------------------------------------------------


class Merge:
    """Merges the changed accounts of one batch; `changes` holds what came of it.

    Args:
        people: match key to person, of everybody the batch names; those who are new get their
            first row.
        typical: median amount overdue by currency: the middle of the scale of priorities.
    """

    def __init__(
        self,
        into: Portfolio,
        *,
        job_id: str,
        people: dict[str, PersonId],
        new_people: set[PersonId],
        known: Known,
        typical: dict[str, int],
        new_id: Callable[[], str],
        now_ms: int,
    ) -> None:
        self.changes = Changes()
        self._into = into
        self._job_id = job_id
        self._people = people
        self._new_people = new_people
        self._typical = typical
        self._new_id = new_id
        self._now_ms = now_ms
        self._today = from_ms(now_ms).date()
        self._points = {(p.person_id, p.kind, p.address): p for p in known.points or ()}
        self._debts = {(d.account_id, d.reference): d for d in known.debts or ()}
        self._opted_out = set(known.opted_out or ())
        self._consents: dict[tuple[PersonId, ConsentScope, Channel | None], list[KnownConsent]] = {}
        for consent in known.consents or ():
            key = (consent.person_id, consent.scope, consent.channel)
            self._consents.setdefault(key, []).append(consent)

    def account(self, given: ImportedAccount, known: KnownAccount | None) -> None:
        account_id = AccountId(self._new_id()) if known is None else known.account_id
        row = self._account_row(given, known, account_id)
        if known is None:
            self.changes.new_accounts.append(row)
        else:
            self.changes.accounts.append(row)
            if known.is_active and row.state != "active":
                self.changes.withdrawn.append(account_id)
            elif row.state == "active" and not known.is_active:
                self.changes.returned.append(account_id)
        holder_id = self._people[match_key_of(given.holder)]
        for party in given.parties:
            self._party(account_id, party)
        for debt in given.debts:
            self._debt(given, row, debt, holder_id)
        for flag in given.flags:
            self._flag(flag, account_id, holder_id, given)
        for consent in given.consents:
            if consent.granted:
                self._consent(consent, holder_id)
        for note in given.notes:
            self._note(note.text, account_id, holder_id)

    # --- the account -----------------------------------------------------------------------------

    def _account_row(
        self, given: ImportedAccount, known: KnownAccount | None, account_id: AccountId
    ) -> AccountRow:
        place = stage_for(days_past_due(given), charged_off=is_charged_off(given))
        stage = given.stage or place.stage
        state = "active"
        if given.recalled:
            state = "recalled"
        elif stage is Stage.CERRADA:
            state = "closed"
        place_in_queue = BLOCKED if state != "active" else self._priority(given)
        if known is not None and known.is_active and place_in_queue != BLOCKED:
            # Ties are broken by what happened since, which the file does not know.
            place_in_queue = place_in_queue // _TIE * _TIE + known.priority % _TIE
        return AccountRow(
            account_id=account_id,
            portfolio_id=self._into.portfolio_id,
            external_id=given.external_id,
            product=given.product,
            stage=stage,
            bucket=place.bucket,
            dpd=given.dpd,
            owner_agent=given.owner,
            segment=given.segment or _cut(given.bucket, 100),
            priority=place_in_queue,
            state=state,
            row_sha256=given.row_sha256,
            job_id=self._job_id,
            updated_ms=self._now_ms,
        )

    def _priority(self, given: ImportedAccount) -> int:
        limits = [d.limitation_date for d in given.debts if d.limitation_date is not None]
        return priority(
            AccountValue(
                overdue_cents=overdue_cents(given),
                typical_cents=self._typical[given.currency],
                bucket=stage_for(days_past_due(given), charged_off=is_charged_off(given)).bucket,
                legal_window_ends_in_days=(min(limits) - self._today).days if limits else None,
            )
        )

    def _debt(
        self, given: ImportedAccount, account: AccountRow, debt: ImportedDebt, holder_id: PersonId
    ) -> None:
        known = self._debts.get((account.account_id, debt.reference))
        status = self._debt_status(given, account, debt, known)
        row = DebtRow(
            debt_id=DebtId(self._new_id()) if known is None else known.debt_id,
            account_id=account.account_id,
            reference=debt.reference,
            status=status,
            debt_class=self._into.debt_class,
            original_creditor=debt.original_creditor,
            currency=given.currency,
            principal_cents=debt.principal_cents,
            interest_cents=debt.interest_cents,
            fees_cents=debt.fees_cents,
            total_cents=debt.total_cents,
            overdue_cents=debt.overdue_cents,
            due_date=debt.due_date,
            itemization_date=debt.itemization_date,
            charge_off_date=debt.charge_off_date,
            limitation_date=debt.limitation_date,
            validation_sent_ms=_notice_ms(debt, known),
            balance_as_of_ms=self._now_ms,
        )
        if known is None:
            self.changes.new_debts.append(row)
            return
        self.changes.debts.append(row)
        settled_by_file = any(flag.kind is FlagKind.SETTLED for flag in given.flags)
        paid = known.status in (DebtStatus.PAID, DebtStatus.SETTLED) and status is known.status
        if paid and debt.total_cents > 0 and not settled_by_file:
            text = f"{debt.reference}: {status}, but the file still asks for a balance"
            self._review("balance_after_payment", text, "file", account.account_id, holder_id)

    def _debt_status(
        self,
        given: ImportedAccount,
        account: AccountRow,
        debt: ImportedDebt,
        known: KnownDebt | None,
    ) -> DebtStatus:
        if account.state != "active":
            return DebtStatus.RECALLED
        effects = [flag.effect for flag in given.flags]
        held = {e.debt_status for e in effects if e is not None and e.debt_status is not None}
        if known is not None and known.status in HOLDS:
            nothing_owed = known.status is DebtStatus.PAUSED and known.total_cents <= 0
            if not (nothing_owed and debt.total_cents > 0):
                held.add(known.status)
        if held:
            return min(held, key=_strength)
        if debt.charge_off_date is not None or account.stage is Stage.CASTIGO:
            return DebtStatus.CHARGED_OFF
        return DebtStatus.OVERDUE if days_past_due(given) > 0 else DebtStatus.CURRENT

    # --- people ----------------------------------------------------------------------------------

    def _party(self, account_id: AccountId, party: ImportedParty) -> None:
        person_id = self._people[match_key_of(party)]
        row = self._person_row(person_id, party)
        is_new = person_id in self._new_people
        rows = self.changes.new_persons if is_new else self.changes.persons
        before = rows.get(person_id)
        rows[person_id] = row if before is None else _joined(before, row)
        key = (account_id, person_id)
        standing = self.changes.parties.get(key)
        if standing is None or _nearer(party.role, standing.role):
            self.changes.parties[key] = PartyRow(account_id, person_id, party.role)
        for point in party.contact_points:
            self._point(point, person_id)

    def _person_row(self, person_id: PersonId, party: ImportedParty) -> PersonRow:
        residence = party.residence
        zones = (party.declared_zone,) if party.declared_zone else party.zones
        return PersonRow(
            person_id=person_id,
            portfolio_id=self._into.portfolio_id,
            match_key=match_key_of(party),
            kind=party.kind,
            full_name=party.name,
            document_type=_cut(party.document_type, 20),
            document_number=party.document_number,
            birth_date=party.birth_date,
            language=party.language,
            country=residence.country if residence else None,
            subdivision=residence.subdivision if residence else None,
            locality=residence.locality if residence else None,
            postal_code=_cut(residence.postal_code, 20) if residence else None,
            address=party.address,
            zones=_json(zones),
            updated_ms=self._now_ms,
        )

    def _point(self, given: ImportedContactPoint, person_id: PersonId) -> None:
        key = (person_id, given.kind, given.address)
        known = self._points.get(key)
        row = PointRow(
            contact_point_id=(
                ContactPointId(self._new_id()) if known is None else known.contact_point_id
            ),
            person_id=person_id,
            kind=given.kind,
            address=given.address,
            raw=given.raw,
            line=given.line,
            label=given.label,
            role=given.role,
            validity=Validity.UNVERIFIED,
            zones=_json(given.zones),
            region=given.region,
            acquired_ms=self._now_ms,
            rank=given.rank,
        )
        if known is None:
            before = self.changes.new_points.get(key)
            self.changes.new_points[key] = row
        else:
            before = self.changes.points.get(known.contact_point_id)
            self.changes.points[known.contact_point_id] = row
        if before is not None:
            _join_points(before, row)
        if known is not None:
            _keep_known(known, row)

    # --- what binds ------------------------------------------------------------------------------

    def _flag(
        self, flag: Flag, account_id: AccountId, holder_id: PersonId, given: ImportedAccount
    ) -> None:
        effect = flag.effect
        if effect is None:
            self._review(flag.kind, flag.text, flag.column, account_id, holder_id)
            return
        if effect.status is not None:
            self._status(effect.status, flag, holder_id)
        if effect.opt_out is not None and (holder_id, effect.opt_out) not in self._opted_out:
            self._opt_out(effect.opt_out, flag, holder_id)
        if effect.forbids_label is not None:
            self._forbid(effect.forbids_label, flag, holder_id, given.holder)
        if flag.kind is not FlagKind.NOTHING_OWED:
            self._note(f"{flag.column}: {flag.text}", account_id, holder_id)

    def _status(self, kind: StatusKind, flag: Flag, holder_id: PersonId) -> None:
        self.changes.statuses.append(
            AddStatus(
                person_id=holder_id,
                kind=kind,
                since_ms=self._now_ms,
                source=f"{SOURCE} {self._job_id}: {flag.column}",
            )
        )

    def _opt_out(self, channel: Channel, flag: Flag, holder_id: PersonId) -> None:
        self._opted_out.add((holder_id, channel))
        suppression_id = self._new_id()
        self.changes.suppressions[suppression_id] = SuppressionRow(
            suppression_id=suppression_id,
            person_id=holder_id,
            scope=SuppressionScope.CHANNEL,
            target_id=None,
            channel=channel,
            reason="opt_out",
            starts_ms=self._now_ms,
            created_by=SOURCE,
            evidence=f"{self._job_id}: {flag.column}",
        )

    def _forbid(
        self, label: PointLabel, flag: Flag, holder_id: PersonId, holder: ImportedParty
    ) -> None:
        preference_id = f"{holder_id}:no_{label}"
        fact = PreferenceFact(
            preference_id=preference_id,
            at=from_ms(self._now_ms),
            forbidden_labels=(label,),
            source=f"{SOURCE}: {flag.column}",
        )
        self.changes.preferences.setdefault(
            preference_id,
            PreferenceRow(preference_id, holder_id, msgspec.json.encode(fact).decode()),
        )
        for given in holder.contact_points:
            key = (holder_id, given.kind, given.address)
            known = self._points.get(key)
            row = (
                self.changes.new_points[key]
                if known is None
                else self.changes.points[known.contact_point_id]
            )
            if row.label is label:
                row.work_forbidden = True

    def _consent(self, given: ImportedConsent, holder_id: PersonId) -> None:
        key = (holder_id, given.scope, given.channel)
        given_ms = self._now_ms if given.given_on is None else _start_of(given.given_on)
        standing = self._consents.get(key, ())
        revoked_ms = max((c.revoked_ms for c in standing if c.revoked_ms is not None), default=None)
        if revoked_ms is not None and (given.given_on is None or given_ms <= revoked_ms):
            return  # said before it was taken back, or nobody knows when
        open_ones = [c for c in standing if c.revoked_ms is None]
        if open_ones:
            latest = max(open_ones, key=lambda c: c.renewed_ms or c.given_ms)
            if given.given_on is not None and given_ms > (latest.renewed_ms or latest.given_ms):
                self.changes.renewed[latest.consent_id] = RenewedConsent(
                    latest.consent_id, given_ms
                )
            return
        self.changes.consents.setdefault(
            key,
            ConsentRow(
                consent_id=self._new_id(),
                person_id=holder_id,
                scope=given.scope,
                type=ConsentType.EXPRESS,
                channel=given.channel,
                given_to="creditor",
                given_ms=given_ms,
                evidence=given.evidence,
            ),
        )

    def _review(
        self, kind: str, text: str, source: str, account_id: AccountId, holder_id: PersonId
    ) -> None:
        """The same words about the same account are reviewed once, for ever."""
        review_id = digest_id("review", account_id, kind, text)
        self.changes.holds[review_id] = ReviewRow(
            review_id=review_id,
            kind=kind,
            person_id=holder_id,
            account_id=account_id,
            text=text,
            source=f"{SOURCE}: {source}",
            created_ms=self._now_ms,
        )

    def _note(self, text: str, account_id: AccountId, holder_id: PersonId) -> None:
        note_id = digest_id("note", account_id, SOURCE, text)
        self.changes.notes[note_id] = NoteRow(
            note_id=note_id,
            person_id=holder_id,
            account_id=account_id,
            text=text,
            author=SOURCE,
            at_ms=self._now_ms,
        )


def hold_of(review: ReviewRow) -> SuppressionRow:
    """The suppression that keeps an account from being contacted until its review is resolved."""
    return SuppressionRow(
        suppression_id=review.review_id,
        person_id=review.person_id,
        scope=SuppressionScope.ACCOUNT,
        target_id=review.account_id,
        channel=None,
        reason=REVIEW_HOLD,
        starts_ms=review.created_ms,
        created_by=SOURCE,
        evidence=review.kind,
    )


def _joined(before: PersonRow, row: PersonRow) -> PersonRow:
    """Two statements about one person in one batch: the later one, completed by the earlier."""
    for name in ("birth_date", "language", "address", "document_type", "document_number"):
        if getattr(row, name) is None:
            setattr(row, name, getattr(before, name))
    if row.country is None:
        row.country, row.subdivision = before.country, before.subdivision
        row.locality, row.postal_code = before.locality, before.postal_code
    row.full_name = row.full_name or before.full_name
    row.zones = before.zones if row.zones == "[]" else row.zones
    return row


def _join_points(before: PointRow, row: PointRow) -> None:
    """The same address twice in one batch: the nearer role, the better rank, the known label."""
    row.contact_point_id = before.contact_point_id
    row.rank = min(row.rank, before.rank)
    row.role = row.role if _nearer(row.role, before.role) else before.role
    row.work_forbidden = before.work_forbidden
    if row.label is PointLabel.UNKNOWN:
        row.label = before.label


def _keep_known(known: KnownPoint, row: PointRow) -> None:
    """What a contact point that is on file keeps, whatever the file says."""
    if known.role not in OWN_ROLES or not _nearer(row.role, known.role):
        row.role = known.role
    row.work_forbidden = row.work_forbidden or bool(known.work_forbidden)
    if row.label is PointLabel.UNKNOWN:
        row.label = known.label


def _nearer(role: PartyRole, than: PartyRole) -> bool:
    """Whether `role` is nearer to the debt; a stranger's role is nearer than none."""
    if role not in OWN_ROLES:
        return False
    return than not in OWN_ROLES or OWN_ROLES.index(role) < OWN_ROLES.index(than)


def _strength(status: DebtStatus) -> int:
    return HOLDS.index(status)


def _notice_ms(debt: ImportedDebt, known: KnownDebt | None) -> int | None:
    """When the debt's notice was sent; of two dates the later one, so that no file ends a wait."""
    said = None if debt.notice_date is None else day_over_ms(debt.notice_date)
    before = None if known is None else known.validation_sent_ms
    return max((ms for ms in (said, before) if ms is not None), default=None)


def _start_of(day: date) -> int:
    return to_ms(datetime.combine(day, time(), tzinfo=UTC))


def _cut(text: str | None, chars: int) -> str | None:
    """What a column of that length can keep. Nothing that anybody is found by is ever cut."""
    return None if text is None else text[:chars]


def _json(values: tuple[str, ...]) -> str:
    return msgspec.json.encode(values).decode() if values else "[]"
