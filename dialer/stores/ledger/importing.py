"""Writing imported accounts into the ledger, a batch a transaction.

A batch is whole or not there at all. Accounts whose row has not changed are not touched, so the
same file again writes nothing, and a file that was interrupted is simply read again. Everybody an
account names gets an event in the same transaction: a decision in flight that was made from older
facts loses its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final

import msgspec

from campaigns.portfolio.model import ImportedAccount
from compliance.types import AccountId, PersonId
from dialer.core.records import AnyBody, PersonImported, SubjectChanged
from dialer.stores.ledger import schema, subjects
from dialer.stores.ledger.bulk import (
    Command,
    JsonQuery,
    bulk_insert,
    bulk_update,
    bulk_upsert,
    of_postgresql,
)
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.ids import Ids
from dialer.stores.ledger.import_rows import (
    AccountRow,
    Changes,
    ConsentRow,
    DebtRow,
    Known,
    KnownAccount,
    KnownPerson,
    NoteRow,
    PartyRow,
    PersonRow,
    PointRow,
    PreferenceRow,
    ReviewRow,
    SuppressionRow,
)
from dialer.stores.ledger.import_values import match_key_of, typical_amounts
from dialer.stores.ledger.merging import Merge, hold_of
from dialer.stores.ledger.portfolios import Portfolio
from dialer.stores.ledger.profiles import lock_persons, parties_of, rebuild_profiles
from dialer.stores.ledger.streams import EventStore, NewEvent

RECALLED_REASON: Final = "recalled"
"""Why an enrolment is done whose account the creditor took back."""

_TYPICAL_PREFIX: Final = "typical_cents:"


class ImportContext(msgspec.Struct, kw_only=True):
    """What all batches of one import have in common."""

    portfolio: Portfolio
    job_id: str
    typical: dict[str, int] = {}
    """Median amount overdue by currency, once known: the middle of the scale of priorities. It
    is kept with the portfolio's first job, since priorities on two scales do not compare."""

    def typical_counts(self) -> dict[str, int]:
        """`typical` as the job's row keeps it."""
        return {_TYPICAL_PREFIX + currency: cents for currency, cents in self.typical.items()}


class BatchCounts(msgspec.Struct, kw_only=True):
    """What became of accounts: `new + updated + unchanged` is all of them."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    recalled: int = 0
    """Of the new and updated ones: the creditor took them back, or closed them."""
    returned: int = 0
    """Of the updated ones: they had been recalled, and are to be worked again."""
    persons: int = 0
    """People who are new."""
    contact_points: int = 0
    """Contact points that are new."""
    statuses: int = 0
    suppressions: int = 0
    reviews: int = 0
    """New reviews; each holds its account."""
    notes: int = 0

    def add(self, other: BatchCounts) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


async def import_batch(
    conn: Conn, context: ImportContext, accounts: Sequence[ImportedAccount], now_ms: int
) -> BatchCounts:
    """Bring the ledger to what these accounts say, inside the caller's write transaction.

    Run it with `Ledger.transact`. Raises `ValueError` when an account stands in the batch twice.
    """
    given = {account.external_id: account for account in accounts}
    if len(given) != len(accounts):
        raise ValueError("an account number stands twice in one batch")
    await _lock_portfolio(conn, context.portfolio.portfolio_id)
    known = await _known_accounts(conn, context.portfolio.portfolio_id, list(given))
    changed = [a for a in accounts if _has_changed(a, known.get(a.external_id))]
    counts = BatchCounts(unchanged=len(accounts) - len(changed))
    if not changed:
        return counts
    context.typical |= typical_amounts(changed, context.typical)
    new_id = Ids()
    keys = sorted({match_key_of(party) for account in changed for party in account.parties})
    people, new_people = await _people(conn, context.portfolio.portfolio_id, keys, new_id)
    old = [known[a.external_id].account_id for a in changed if a.external_id in known]
    touched = {*people.values(), *await parties_of(conn, old, [])}
    await _append(conn, touched, new_people, context, now_ms)
    await lock_persons(conn, touched - new_people)
    merge = Merge(
        context.portfolio,
        job_id=context.job_id,
        people=people,
        new_people=new_people,
        known=await _KNOWN.run(conn, people=sorted(touched - new_people), accounts=old, now=now_ms),
        typical=context.typical,
        new_id=new_id,
        now_ms=now_ms,
    )
    for account in changed:
        merge.account(account, known.get(account.external_id))
    changes = merge.changes
    await _withdraw(conn, context.portfolio.portfolio_id, changes.withdrawn, now_ms)
    await _write(conn, changes, counts)
    await _requeue(conn, context.portfolio.portfolio_id, changes, now_ms)
    await rebuild_profiles(conn, touched)
    counts.new, counts.updated = len(changes.new_accounts), len(changes.accounts)
    taken_back = [row for row in changes.new_accounts if row.state != "active"]
    counts.recalled = len(changes.withdrawn) + len(taken_back)
    counts.returned = len(changes.returned)
    return counts


async def recall_accounts(
    conn: Conn, context: ImportContext, account_ids: Sequence[AccountId], now_ms: int
) -> int:
    """Take back accounts that are missing from a file that names all there are.

    Returns how many were active until now. Run it with `Ledger.transact`.
    """
    await _lock_portfolio(conn, context.portfolio.portfolio_id)
    active = await _ACTIVE_OF.run(conn, ids=account_ids) or []
    if not active:
        return 0
    touched = set(await parties_of(conn, active, []))
    body = SubjectChanged(change="recall", source=context.job_id)
    await _append_bodies(conn, {person: body for person in touched}, now_ms)
    await lock_persons(conn, touched)
    await _withdraw(conn, context.portfolio.portfolio_id, active, now_ms)
    await _RECALL_ACCOUNTS.run(conn, ids=active, job=context.job_id, now=now_ms)
    await rebuild_profiles(conn, touched)
    return len(active)


async def active_accounts(
    conn: Conn, portfolio_id: str, *, after: str, limit: int
) -> list[tuple[AccountId, str]]:
    """Ids and account numbers of a portfolio's active accounts, `limit` after id `after`."""
    page = await _ACTIVE_PAGE.run(conn, portfolio=portfolio_id, after=after, most=limit)
    return sorted(page or ())


async def load_typical(conn: Conn, portfolio_id: str) -> dict[str, int]:
    """The scale of priorities that the portfolio's earlier jobs have set."""
    found: dict[str, int] = {}
    for counts in await _JOB_COUNTS.run(conn, portfolio=portfolio_id) or ():
        for key, value in msgspec.json.decode(counts, type=dict[str, int]).items():
            if key.startswith(_TYPICAL_PREFIX):
                found.setdefault(key.removeprefix(_TYPICAL_PREFIX), value)
    return found


# --- reading -------------------------------------------------------------------------------------


def _has_changed(given: ImportedAccount, known: KnownAccount | None) -> bool:
    if known is None or known.row_sha256 != given.row_sha256:
        return True
    # Taken back for being absent from a file; here it is again.
    return known.state == "recalled" and not given.recalled


async def _known_accounts(
    conn: Conn, portfolio_id: str, external_ids: Sequence[str]
) -> dict[str, KnownAccount]:
    rows = await _ACCOUNTS.run(conn, portfolio=portfolio_id, ids=external_ids) or ()
    return {row.external_id: row for row in rows}


async def _people(
    conn: Conn, portfolio_id: str, keys: Sequence[str], new_id: Ids
) -> tuple[dict[str, PersonId], set[PersonId]]:
    """Everybody by match key, and those of them that the ledger does not have yet."""
    rows = await _PEOPLE.run(conn, portfolio=portfolio_id, keys=keys) or ()
    people = {row.match_key: row.person_id for row in rows}
    new = {key: PersonId(new_id()) for key in keys if key not in people}
    return people | new, set(new.values())


async def _lock_portfolio(conn: Conn, portfolio_id: str) -> None:
    """One import a portfolio at a time, batch by batch."""
    if of_postgresql(conn):
        await _LOCK_PORTFOLIO.run(conn, portfolio=portfolio_id)


# --- writing -------------------------------------------------------------------------------------


async def _append(
    conn: Conn,
    touched: Iterable[PersonId],
    new_people: set[PersonId],
    context: ImportContext,
    now_ms: int,
) -> None:
    arrived = PersonImported(job_id=context.job_id, portfolio_id=context.portfolio.portfolio_id)
    changed = SubjectChanged(change="import", source=context.job_id)
    bodies = {person: arrived if person in new_people else changed for person in touched}
    await _append_bodies(conn, bodies, now_ms)


async def _append_bodies(conn: Conn, bodies: Mapping[PersonId, AnyBody], now_ms: int) -> None:
    await EventStore.append_in(
        conn,
        [
            NewEvent(person_id=person, at_ms=now_ms, body=body)
            for person, body in sorted(bodies.items(), key=itemgetter(0))
        ],
    )


async def _write(conn: Conn, changes: Changes, counts: BatchCounts) -> None:
    await _NEW_PERSONS.run(conn, list(changes.new_persons.values()))
    await _PERSONS.run(conn, list(changes.persons.values()))
    await _NEW_ACCOUNTS.run(conn, changes.new_accounts)
    await _UPDATE_ACCOUNTS.run(conn, changes.accounts)
    await _PARTIES.run(conn, list(changes.parties.values()))
    await _NEW_DEBTS.run(conn, changes.new_debts)
    await _DEBTS.run(conn, changes.debts)
    await _NEW_POINTS.run(conn, list(changes.new_points.values()))
    await _POINTS.run(conn, list(changes.points.values()))
    await _CONSENTS.run(conn, list(changes.consents.values()))
    await _RENEWED.run(conn, list(changes.renewed.values()))
    await _PREFERENCES.run(conn, list(changes.preferences.values()))
    counts.persons = len(changes.new_persons)
    counts.contact_points = len(changes.new_points)
    counts.statuses = await subjects.add_statuses(conn, changes.statuses)
    counts.reviews = await _REVIEWS.run(conn, list(changes.holds.values()))
    counts.notes = await _NOTES.run(conn, list(changes.notes.values()))
    counts.suppressions = await _SUPPRESSIONS.run(conn, list(changes.suppressions.values()))
    await _SUPPRESSIONS.run(conn, [hold_of(review) for review in changes.holds.values()])


async def _withdraw(
    conn: Conn, portfolio_id: str, account_ids: Sequence[AccountId], now_ms: int
) -> None:
    """Stop everything about accounts that were active: debts, queues, callbacks."""
    if not account_ids:
        return
    await _KEEP_HOLDS.run(conn, ids=account_ids, now=now_ms)
    await _RECALL_DEBTS.run(conn, ids=account_ids)
    await _DEQUEUE.run(conn, ids=account_ids, portfolio=portfolio_id, reason=RECALLED_REASON)
    await _EXPIRE_CALLBACKS.run(conn, ids=account_ids)


async def _requeue(conn: Conn, portfolio_id: str, changes: Changes, now_ms: int) -> None:
    """Accounts that came back are ready again; all others get their new place in the queue."""
    if changes.returned:
        await _REQUEUE.run(
            conn,
            ids=changes.returned,
            portfolio=portfolio_id,
            reason=RECALLED_REASON,
            now=now_ms,
        )
    if changes.accounts:
        ids = [row.account_id for row in changes.accounts]
        await _REPRIORITISE.run(conn, ids=ids, portfolio=portfolio_id)


# --- statements ----------------------------------------------------------------------------------

_ACCOUNTS = JsonQuery(
    """
    SELECT AGG(ARRAY(a.external_id, a.account_id, a.row_sha256, a.state, a.priority))
      FROM EACH(:ids) AS k CROSS JOIN account AS a
     WHERE a.portfolio_id = :portfolio AND a.external_id = k.value
    """,
    msgspec.json.Decoder(list[KnownAccount] | None),
)
_PEOPLE = JsonQuery(
    """
    SELECT AGG(ARRAY(p.match_key, p.person_id))
      FROM EACH(:keys) AS k CROSS JOIN person AS p
     WHERE p.portfolio_id = :portfolio AND p.match_key = k.value
    """,
    msgspec.json.Decoder(list[KnownPerson] | None),
)
_KNOWN = JsonQuery(
    """
    WITH people AS MATERIALIZED (SELECT value AS person_id FROM EACH(:people))
    SELECT ARRAY(
      (SELECT AGG(ARRAY(c.person_id, c.kind, c.address, c.contact_point_id, c.label, c.role,
                        c.rank, c.work_forbidden))
         FROM people CROSS JOIN contact_point AS c WHERE c.person_id = people.person_id),
      (SELECT AGG(ARRAY(c.person_id, c.consent_id, c.scope, c.channel, c.given_ms, c.renewed_ms,
                        c.revoked_ms))
         FROM people CROSS JOIN consent AS c WHERE c.person_id = people.person_id),
      (SELECT AGG(ARRAY(s.person_id, s.channel))
         FROM people CROSS JOIN suppression AS s
        WHERE s.person_id = people.person_id AND s.scope = 'channel' AND s.channel IS NOT NULL
          AND (s.ends_ms IS NULL OR s.ends_ms > :now)),
      (SELECT AGG(ARRAY(d.account_id, d.reference, d.debt_id, d.status, d.total_cents,
                        d.validation_sent_ms))
         FROM EACH(:accounts) AS k CROSS JOIN debt AS d WHERE d.account_id = k.value)
    )
    """,
    msgspec.json.Decoder(Known),
)
_ACTIVE_OF = JsonQuery(
    """
    SELECT AGG(a.account_id) FROM EACH(:ids) AS k CROSS JOIN account AS a
     WHERE a.account_id = k.value AND a.state = 'active'
    """,
    msgspec.json.Decoder(list[AccountId] | None),
)
_ACTIVE_PAGE = JsonQuery(
    """
    SELECT AGG(ARRAY(p.account_id, p.external_id))
      FROM (SELECT account_id, external_id FROM account
             WHERE portfolio_id = :portfolio AND state = 'active' AND account_id > :after
             ORDER BY account_id LIMIT :most) AS p
    """,
    msgspec.json.Decoder(list[tuple[AccountId, str]] | None),
)
_JOB_COUNTS = JsonQuery(
    """
    SELECT AGG(j.counts) FROM (SELECT counts FROM import_job WHERE portfolio_id = :portfolio
                                ORDER BY started_ms, job_id) AS j
    """,
    msgspec.json.Decoder(list[str] | None),
)
_LOCK_PORTFOLIO = Command(
    "SELECT portfolio_id FROM portfolio WHERE portfolio_id = :portfolio FOR NO KEY UPDATE"
)


def _columns(kind: type[msgspec.Struct], *but: str) -> list[str]:
    return [name for name in kind.__struct_fields__ if name not in but]


_NEW_PERSONS = bulk_insert(schema.person, _columns(PersonRow))
_PLACE = "CASE WHEN x.country IS NULL THEN person.{0} ELSE x.{0} END"
# What the file leaves empty stays. A language on file may be what the person told us: it stays.
_PERSONS = bulk_update(
    schema.person,
    ["person_id"],
    _columns(PersonRow, "person_id", "portfolio_id", "match_key"),
    expressions={
        "full_name": "CASE WHEN x.full_name = '' THEN person.full_name ELSE x.full_name END",
        "language": "coalesce(person.language, x.language)",
        "zones": "CASE WHEN x.zones = '[]' THEN person.zones ELSE x.zones END",
    }
    | {
        name: f"coalesce(x.{name}, person.{name})"
        for name in ("document_type", "document_number", "birth_date", "address")
    }
    | {name: _PLACE.format(name) for name in ("country", "subdivision", "locality", "postal_code")},
)
_NEW_ACCOUNTS = bulk_insert(schema.account, _columns(AccountRow))
_UPDATE_ACCOUNTS = bulk_update(
    schema.account,
    ["account_id"],
    _columns(AccountRow, "account_id", "portfolio_id", "external_id"),
)
_PARTIES = bulk_upsert(schema.account_party, ["account_id", "person_id"], _columns(PartyRow))
_NEW_DEBTS = bulk_insert(schema.debt, _columns(DebtRow))
_DEBTS = bulk_update(schema.debt, ["debt_id"], _columns(DebtRow, "debt_id", "account_id"))
_NEW_POINTS = bulk_insert(schema.contact_point, _columns(PointRow))
_POINTS = bulk_update(
    schema.contact_point,
    ["contact_point_id"],
    ["raw", "line", "label", "role", "zones", "region", "rank", "work_forbidden"],
    where=" OR ".join(
        f"contact_point.{name} <> x.{name}"
        for name in ("raw", "line", "label", "role", "zones", "rank", "work_forbidden")
    )
    + " OR coalesce(contact_point.region, '') <> coalesce(x.region, '')",
)
_CONSENTS = bulk_insert(schema.consent, _columns(ConsentRow))
_RENEWED = bulk_update(schema.consent, ["consent_id"], ["renewed_ms"])
_PREFERENCES = bulk_insert(schema.preference, _columns(PreferenceRow), ignore_conflicts=True)
_REVIEWS = bulk_insert(schema.review_item, _columns(ReviewRow), ignore_conflicts=True)
_NOTES = bulk_insert(schema.note, _columns(NoteRow), ignore_conflicts=True)
_SUPPRESSIONS = bulk_insert(schema.suppression, _columns(SuppressionRow), ignore_conflicts=True)

_ENROLMENTS = """
    account_id IN (SELECT value FROM EACH(:ids))
    AND campaign_id IN (SELECT campaign_id FROM campaign WHERE portfolio_id = :portfolio)
"""
# A recalled debt that comes back is still disputed, whatever its status says then.
_KEEP_HOLDS = Command(
    """
    INSERT INTO suppression (suppression_id, person_id, scope, target_id, reason,
                             starts_ms, created_by)
    SELECT d.debt_id || ':' || d.status, p.person_id, 'debt', d.debt_id, d.status, :now,
           'import'
      FROM debt AS d JOIN account_party AS p ON p.account_id = d.account_id
     WHERE d.account_id IN (SELECT value FROM EACH(:ids))
       AND d.status IN ('disputed', 'in_litigation')
       AND p.person_id = (SELECT min(q.person_id) FROM account_party AS q
                           WHERE q.account_id = d.account_id)
    ON CONFLICT DO NOTHING
    """
)
_RECALL_DEBTS = Command(
    """
    UPDATE debt SET status = 'recalled'
     WHERE account_id IN (SELECT value FROM EACH(:ids)) AND status <> 'recalled'
    """
)
_RECALL_ACCOUNTS = Command(
    """
    UPDATE account SET state = 'recalled', priority = 0, job_id = :job, updated_ms = :now
     WHERE account_id IN (SELECT value FROM EACH(:ids))
    """
)
_DEQUEUE = Command(
    """
    UPDATE enrolment SET state = 'done', reason = :reason
     WHERE <ENROLMENTS> AND state <> 'done'
    """.replace("<ENROLMENTS>", _ENROLMENTS)
)
_REQUEUE = Command(
    """
    UPDATE enrolment SET state = 'ready', reason = 'returned', not_before_ms = :now
     WHERE <ENROLMENTS> AND state = 'done' AND reason = :reason
    """.replace("<ENROLMENTS>", _ENROLMENTS)
)
_REPRIORITISE = Command(
    """
    UPDATE enrolment
       SET priority = (SELECT a.priority FROM account AS a
                        WHERE a.account_id = enrolment.account_id)
     WHERE <ENROLMENTS> AND state <> 'done'
    """.replace("<ENROLMENTS>", _ENROLMENTS)
)
_EXPIRE_CALLBACKS = Command(
    """
    UPDATE callback SET state = 'expired'
     WHERE account_id IN (SELECT value FROM EACH(:ids)) AND state IN ('open', 'taken')
    """
)
