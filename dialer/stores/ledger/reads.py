"""Reading the ledger: what a batch of accounts needs, and whatever else is asked of it.

An answer is one row with one JSON text and one decoding; a damaged one shows when it is decoded.
Only accounts, which are read for every contact, come row by row (`accounts`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

import msgspec

from compliance.chain import ChainedEvent
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    ContactPointId,
    DecisionId,
    EventKind,
    Mode,
    PersonId,
)
from dialer.core.snapshots import AccountSnapshot, Batch
from dialer.stores.ledger.accounts import read_snapshots
from dialer.stores.ledger.answers import ANSWERED_LIVE
from dialer.stores.ledger.bulk import JsonQuery, prefer_indexes, see_one_moment
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.house import read_house

T = TypeVar("T")


class EnrolmentRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One account of a campaign, for rebuilding its queue."""

    account_id: AccountId
    priority: int
    state: str
    not_before_ms: int
    reason: str
    attempts: int
    last_code: str | None
    open_attempts: int
    """1 while an attempt is planned and not ended, so that the account belongs to whoever makes
    it; else 0."""


class OpenAttemptRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An attempt without an end: being made now, or lost in a crash."""

    attempt_id: DecisionId
    person_id: PersonId
    account_id: AccountId
    campaign_id: CampaignId | None
    contact_point_id: ContactPointId
    channel: Channel
    mode: Mode
    planned_ms: int
    agent_id: str | None


class AnswerCounts(msgspec.Struct, frozen=True, array_like=True):
    """What abandonment is measured from."""

    live_answered: int
    """A person answered, whatever came of it; the abandoned among them."""
    abandoned: int
    passed_to_agent: int
    """Whom an agent then spoke to."""


class AnsweredSpell(msgspec.Struct, frozen=True, array_like=True):
    """Live answers and abandonments of one stretch of time."""

    from_ms: int
    answered: int
    """By a live person, whatever came of it; the abandoned among them."""
    abandoned: int


LONGEST_RING_MS: Final = 180_000
"""Nobody answers a call that was planned longer ago than this."""


class EventReader:
    """Questions to the ledger. Each is one transaction that sees one moment.

    Every method raises `LedgerUnavailable`; with `Trouble.DAMAGED` where what stands in the
    ledger cannot be read back.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def read_accounts(
        self, campaign_id: CampaignId | None, account_ids: Sequence[AccountId], since_ms: int
    ) -> list[AccountSnapshot]:
        """Everything that decisions about these accounts depend on, in the order asked.

        Args:
            campaign_id: whose enrolment to read; None: none.
            since_ms: how far back history goes; the heads count everything, and what was
                imported (notices, letters) is read however old it is.

        An account that the ledger does not know is left out; a person without a profile too.
        """

        return (await self.read_batch(campaign_id, account_ids, since_ms)).accounts

    async def read_batch(
        self, campaign_id: CampaignId | None, account_ids: Sequence[AccountId], since_ms: int
    ) -> Batch:
        """The same with what stops everybody, and the head that guards it."""

        async def work(conn: Conn) -> Batch:
            await see_one_moment(conn)
            await prefer_indexes(conn)
            by_id = await read_snapshots(conn, campaign_id, account_ids, since_ms)
            # Read last: it may be newer than the accounts, never older.
            house = await read_house(conn)
            in_order = [by_id[account_id] for account_id in account_ids if account_id in by_id]
            return Batch(in_order, house)

        return await self.ledger.read_at_once(work)

    async def read_person(self, person_id: PersonId) -> list[ChainedEvent]:
        """The person's whole stream with hashes and proofs, oldest first: for export."""
        found = await self._ask(_PERSON, person=person_id)
        return sorted(found or (), key=lambda event: event.seq)

    async def read_decision(self, decision_id: DecisionId) -> ChainedEvent | None:
        """The event that recorded a decision, allowed or blocked."""
        return await self._ask(_DECISION, decision=decision_id)

    async def open_attempts(self, older_than_ms: int, limit: int) -> list[OpenAttemptRow]:
        """Attempts planned before `older_than_ms` that have no end, oldest first."""
        found = await self._ask(_OPEN_ATTEMPTS, before=older_than_ms, most=limit)
        return sorted(found or (), key=lambda row: (row.planned_ms, row.attempt_id))

    async def iterate_enrolments(
        self, campaign_id: CampaignId, page: int = 5000
    ) -> AsyncIterator[list[EnrolmentRow]]:
        """All accounts of a campaign, `page` at a time, to rebuild its queue from."""
        after = ""
        while True:
            last, rows = await self._ask(_ENROLMENTS, campaign=campaign_id, after=after, page=page)
            if last is None or rows is None:
                return
            yield rows
            after = last

    async def abandonment(self, campaign_id: CampaignId, since_ms: int) -> AnswerCounts:
        """Live answers and abandonments of attempts planned since `since_ms`."""
        return await self._ask(
            _ABANDONMENT,
            campaign=campaign_id,
            since=since_ms,
            abandoned=EventKind.ABANDONED,
            dropped=EventKind.ANSWERED_DROPPED,
        )

    async def answered_spells(
        self, campaign_id: CampaignId, since_ms: int, until_ms: int, width_ms: int
    ) -> list[AnsweredSpell]:
        """The same, by when people answered, in spells that begin at multiples of `width_ms`.

        Only attempts that have ended are known; an answer that an agent found to be a machine's
        is none.
        """
        found = await self._ask(
            _SPELLS,
            campaign=campaign_id,
            planned=since_ms - LONGEST_RING_MS,
            since=since_ms,
            until=until_ms,
            width=width_ms,
            abandoned=EventKind.ABANDONED,
        )
        return sorted(found or (), key=lambda spell: spell.from_ms)

    async def attempt_counts(self, campaign_id: CampaignId) -> dict[EventKind, int]:
        """Attempts of a campaign by outcome; those without an end are `DIAL_REQUESTED`."""
        return dict(await self._ask(_COUNTS, campaign=campaign_id) or ())

    async def _ask(self, query: JsonQuery[T], **params: str | int | Sequence[str] | None) -> T:
        async with self.ledger.read() as conn:
            await prefer_indexes(conn)
            return await query.run(conn, **params)


_CHAINED: Final = """
    '{"person_id":' || QUOTE(e.person_id) || ',"seq":' || e.seq || ',"at_ms":' || e.at_ms
    || ',"kind":' || QUOTE(e.kind) || ',"hash":' || QUOTE(e.hash) || ',"body":' || QUOTE(e.body)
    || ',"record":' || coalesce(CAST(QUOTE(e.record) AS text), 'null') || '}'
"""
_PERSON = JsonQuery(
    """
    SELECT '[' || JOIN_TEXT(<CHAINED>, ',') || ']' FROM ledger_event AS e
    WHERE e.person_id = :person
    """.replace("<CHAINED>", _CHAINED),
    msgspec.json.Decoder(list[ChainedEvent] | None),
)
_DECISION = JsonQuery(
    "SELECT <CHAINED> FROM ledger_event AS e WHERE e.decision_id = :decision".replace(
        "<CHAINED>", _CHAINED
    ),
    msgspec.json.Decoder(ChainedEvent | None),
)
_OPEN_ATTEMPTS = JsonQuery(
    """
    SELECT AGG(ARRAY(a.attempt_id, a.person_id, a.account_id, a.campaign_id, a.contact_point_id,
      a.channel, a.mode, a.planned_ms, a.agent_id))
    FROM (SELECT * FROM attempt WHERE ended_ms IS NULL AND planned_ms < :before
          ORDER BY planned_ms LIMIT :most) AS a
    """,
    msgspec.json.Decoder(list[OpenAttemptRow] | None),
)
# Written so that SQLite's planner finds the open attempts by their own small index.
_ENROLMENTS = JsonQuery(
    """
    SELECT ARRAY(max(e.account_id), AGG(ARRAY(e.account_id, e.priority, e.state, e.not_before_ms,
      e.reason, e.attempts, e.last_code,
      CASE WHEN e.account_id IN (
        SELECT account_id FROM attempt
        WHERE ended_ms IS NULL AND planned_ms > 0 AND coalesce(campaign_id, '') = :campaign)
      THEN 1 ELSE 0 END)))
    FROM (SELECT * FROM enrolment WHERE campaign_id = :campaign AND account_id > :after
          ORDER BY account_id LIMIT :page) AS e
    """,
    msgspec.json.Decoder(tuple[str | None, list[EnrolmentRow] | None]),
)
_ABANDONMENT = JsonQuery(
    """
    SELECT ARRAY(count(*), coalesce(sum(CASE WHEN outcome = :abandoned THEN 1 ELSE 0 END), 0),
      coalesce(sum(CASE WHEN outcome IN (:abandoned, :dropped) THEN 0 ELSE 1 END), 0))
    FROM attempt
    WHERE campaign_id = :campaign AND planned_ms >= :since AND <ANSWERED_LIVE>
    """.replace("<ANSWERED_LIVE>", ANSWERED_LIVE),
    msgspec.json.Decoder(AnswerCounts),
)
_SPELLS = JsonQuery(
    """
    SELECT AGG(ARRAY(s.from_ms, s.answered, s.abandoned))
    FROM (
      SELECT b.from_ms, count(*) AS answered,
        sum(CASE WHEN b.outcome = :abandoned THEN 1 ELSE 0 END) AS abandoned
      FROM (
        SELECT a.at_ms - a.at_ms % :width AS from_ms, a.outcome
        FROM (
          SELECT planned_ms + coalesce(ring_ms, 0) AS at_ms, outcome FROM attempt
          WHERE campaign_id = :campaign AND planned_ms >= :planned AND planned_ms < :until
            AND <ANSWERED_LIVE>) AS a
        WHERE a.at_ms >= :since AND a.at_ms < :until) AS b
      GROUP BY b.from_ms) AS s
    """.replace("<ANSWERED_LIVE>", ANSWERED_LIVE),
    msgspec.json.Decoder(list[AnsweredSpell] | None),
)
_COUNTS = JsonQuery(
    """
    SELECT AGG(ARRAY(coalesce(c.outcome, 'dial_requested'), c.attempts))
    FROM (SELECT outcome, count(*) AS attempts FROM attempt WHERE campaign_id = :campaign
          GROUP BY outcome) AS c
    """,
    msgspec.json.Decoder(list[tuple[EventKind, int]] | None),
)
