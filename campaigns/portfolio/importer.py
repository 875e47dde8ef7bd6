"""The importer: a creditor's file, row by row, to accounts and rejected rows.

Every row that is not blank ends in exactly one place: in an account, in a `RejectedRow`, or among
the duplicates that repeat an earlier row to the letter. Memory grows with the number of accounts
alone (some thirty bytes each, to find duplicates), not with the size of rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import BinaryIO

import msgspec

from campaigns.portfolio.cells import Reject
from campaigns.portfolio.model import ImportCounts, ImportedAccount, ImportedParty, RejectedRow
from campaigns.portfolio.people import one_each
from campaigns.portfolio.plan import plan_rows
from campaigns.portfolio.profile import ImportProfile, bind, fingerprint
from campaigns.portfolio.reader import RawRow, RowReader
from campaigns.portfolio.rejects import rejected
from campaigns.portfolio.rows import RowBuilder, strongest
from campaigns.portfolio.seen import HashSet, SeenAccounts, SeenRow
from compliance.messages import Message
from compliance.types import PartyRole

Result = ImportedAccount | RejectedRow


class ImportSettings(Message, frozen=True, kw_only=True):
    profile: ImportProfile
    today: date
    """The portfolio's date: for days past due and for dates that cannot lie in the future."""


def read_portfolio(
    file: BinaryIO, settings: ImportSettings, on_bytes: Callable[[int], None] | None = None
) -> PortfolioReader:
    """Read a file opened in binary mode at its beginning.

    `on_bytes` is told the number of bytes consumed so far, about four times a megabyte. Raises
    `PortfolioError` at once where the profile is not usable or the file lacks columns that it
    names; afterwards nothing raises but the file itself.
    """
    return PortfolioReader(file, settings, on_bytes)


class PortfolioReader:
    """Iterates once over the results of one file, and counts them.

    Results come in the order of rows; only where accounts may have several rows, an account comes
    when the next one begins, and rejected rows between its rows come before it.
    """

    def __init__(
        self,
        file: BinaryIO,
        settings: ImportSettings,
        on_bytes: Callable[[int], None] | None = None,
    ) -> None:
        profile = settings.profile
        self._rows = RowReader(file, profile.dialect, on_bytes)
        binding = bind(profile, self._rows.header if profile.dialect.header_row else None)
        self._rows.expect_width(len(binding.names))
        self._plan = plan_rows(profile, binding)
        self._builder = RowBuilder(self._plan, settings.today)
        self._meaning = fingerprint(profile).encode()
        self._seen = SeenAccounts()
        self._joined = HashSet()
        """Hashes of rows that were joined to an account that another row began."""
        self._tally: Counter[str] = Counter()
        self._warnings: Counter[str] = Counter()
        self._flags: Counter[str] = Counter()
        self.unmapped_columns = binding.unmapped

    @property
    def bytes_read(self) -> int:
        return self._rows.bytes_read

    @property
    def counts(self) -> ImportCounts:
        """What became of the rows so far."""
        return ImportCounts(
            rows=self._tally["rows"],
            accepted=self._tally["accepted"],
            rejected=self._tally["rejected"],
            ignored_duplicates=self._tally["ignored_duplicates"],
            accounts=self._tally["accounts"],
            blank_rows=self._rows.blank_rows,
            warnings=dict(sorted(self._warnings.items())),
            flags=dict(sorted(self._flags.items())),
        )

    def __iter__(self) -> Iterator[Result]:
        pending: ImportedAccount | None = None
        for row in self._rows:
            self._tally["rows"] += 1
            result = self._read(row, pending)
            if isinstance(result, RejectedRow):
                self._tally["rejected"] += 1
                yield result
            elif result is None:
                self._tally["ignored_duplicates"] += 1
            elif pending is not None and result.row_number == pending.row_number:
                pending = result
            elif not self._plan.may_join_rows:
                yield self._done(result)
            else:
                if pending is not None:
                    yield self._done(pending)
                pending = result
        if pending is not None:
            yield self._done(pending)

    def _done(self, account: ImportedAccount) -> ImportedAccount:
        self._tally["accounts"] += 1
        self._tally["accepted"] += account.row_count
        self._warnings.update(warning.code for warning in account.warnings)
        self._flags.update(f"{flag.kind}:{flag.action}" for flag in account.flags)
        return account

    def _read(self, row: RawRow, pending: ImportedAccount | None) -> Result | None:
        """A new account, `pending` with this row joined to it, a rejection, or None: repeated."""
        if row.problem is not None:
            return rejected(
                row.number, str(row.problem), tuple(row.cells), value=" ".join(row.cells)[:200]
            )
        digest = hashlib.sha256(self._meaning + "\x1f".join(row.cells).encode("utf-8", "replace"))
        short = int.from_bytes(digest.digest()[:8], "big")
        try:
            external_id = self._builder.external_id(row.cells)
            seen = self._seen.row_of(external_id)
            if seen is not None:
                if seen.hashed == short or short in self._joined:
                    return None
                if not self._plan.may_join_rows or pending is None:
                    raise _Duplicate(seen.number)
            account = self._builder.build(row.cells, row.number, digest.hexdigest())
            if seen is not None and pending is not None:
                joined = _join(pending, account)
                if joined is None:
                    raise _Duplicate(seen.number)
                self._joined.add(short)
                return joined
            if account.holder.role is not PartyRole.HOLDER:
                raise Reject("party_without_holder")
        except Reject as error:
            return rejected(
                row.number,
                str(error.reason),
                tuple(row.cells),
                column=error.column,
                value=error.value,
                detail=str(error.row_number) if isinstance(error, _Duplicate) else "",
            )
        self._seen.add(external_id, SeenRow(row.number, short))
        return account


class _Duplicate(Reject):
    """The account number stands in an earlier row, with other data."""

    def __init__(self, row_number: int) -> None:
        super().__init__("duplicate_account")
        self.row_number = row_number


def _join(account: ImportedAccount, row: ImportedAccount) -> ImportedAccount | None:
    """`account` with another of its rows: a further debt or party. None: they contradict."""
    if account.external_id != row.external_id or account.currency != row.currency:
        return None
    references = {debt.reference for debt in account.debts}
    new_debts = tuple(debt for debt in row.debts if debt.reference not in references)
    same_holder = row.holder.role is PartyRole.HOLDER
    if same_holder and (not new_debts or row.holder.match_key != account.holder.match_key):
        return None
    parties = [*account.parties, *(_renamed(party, account.parties) for party in row.parties)]
    if not same_holder:
        new_debts = ()  # a guarantor's row repeats the debt
    both = f"{account.row_sha256}{row.row_sha256}".encode()
    return msgspec.structs.replace(
        account,
        row_count=account.row_count + 1,
        row_sha256=hashlib.sha256(both).hexdigest(),
        dpd=max((dpd for dpd in (account.dpd, row.dpd) if dpd is not None), default=None),
        recalled=account.recalled or row.recalled,
        debts=account.debts + new_debts,
        parties=one_each(parties),
        consents=account.consents + tuple(c for c in row.consents if c not in account.consents),
        flags=strongest((*account.flags, *row.flags)),
        notes=account.notes + tuple(n for n in row.notes if n not in account.notes),
        warnings=account.warnings + row.warnings,
    )


def _renamed(party: ImportedParty, others: Sequence[ImportedParty]) -> ImportedParty:
    """`party` with a key of its own, where only its place in the row made it somebody known."""
    taken = {other.match_key: other.name for other in others}
    if party.match_key.startswith("doc:") or taken.get(party.match_key, party.name) == party.name:
        return party
    key = next(
        key for n in range(2, len(others) + 3) if (key := f"{party.match_key}:{n}") not in taken
    )
    return msgspec.structs.replace(party, match_key=key)
