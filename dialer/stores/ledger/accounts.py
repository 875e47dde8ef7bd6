"""Reading accounts with everything that decisions about them depend on, a batch at a time.

A handful of statements, each for the whole batch, in one transaction that sees one moment. Rows
come as they stand: to have the database build one JSON text of them took longer than to find them.
What stands in the ledger as JSON (profiles, bodies) is read by typed decoders.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from compliance.messages import Subject
from compliance.types import AccountId, CampaignId, ContactPointId, PartyRole, PersonId, StreamKey
from dialer.core.records import AnyBody, StreamRow
from dialer.core.snapshots import AccountSnapshot, EnrolmentState, OpenCallback, PersonSnapshot
from dialer.stores.ledger.bulk import DamagedAnswer, RowsQuery
from dialer.stores.ledger.direct import Conn

_AccountRow = tuple[str, str, str, str | None, int, int, int, str | None]
_PersonRow = tuple[str, str, str, str, int]
_EventRow = tuple[str, int, int, str]
_StreamEvent = tuple[str, str, int, int, str]
_CallbackRow = tuple[str, str, str, str, str | None, int, int, str | None, str]


_SUBJECT: Final = msgspec.json.Decoder(Subject)
_BODY: Final[msgspec.json.Decoder[AnyBody]] = msgspec.json.Decoder(AnyBody)
_ROLES: Final = {role.value: role for role in PartyRole}


async def read_snapshots(
    conn: Conn, campaign_id: CampaignId | None, account_ids: Sequence[AccountId], since_ms: int
) -> dict[str, AccountSnapshot]:
    """The accounts that the ledger knows; see `EventReader.read_accounts`.

    `conn` must see one moment in all statements: heads and the events up to them belong together.

    Raises:
        DamagedAnswer: something that stands there cannot be read back.
    """
    try:
        accounts = await _accounts(conn, campaign_id, account_ids)
        people = await _people(conn, list(accounts), since_ms)
        await _share_out(conn, people, since_ms)
        for row in await _CALLBACKS.run(conn, ids=list(accounts)):
            accounts[row[0]].callbacks.append(_callback(row))
    except (msgspec.MsgspecError, KeyError) as error:
        raise DamagedAnswer(str(error)) from error
    for account_id, person in people:
        accounts[account_id].people.append(person)
    return accounts


async def _accounts(
    conn: Conn, campaign_id: CampaignId | None, account_ids: Sequence[AccountId]
) -> dict[str, AccountSnapshot]:
    rows = await _ACCOUNTS.run(conn, campaign=campaign_id, ids=account_ids)
    return {
        account_id: AccountSnapshot(
            AccountId(account_id),
            state,
            bucket,
            None if place is None else EnrolmentState(place, not_before_ms, priority, tries, code),
            [],
            [],
        )
        for account_id, state, bucket, place, not_before_ms, priority, tries, code in rows
    }


async def _people(
    conn: Conn, account_ids: Sequence[str], since_ms: int
) -> list[tuple[str, PersonSnapshot]]:
    """Parties with what is their own, each beside its account."""
    people: list[tuple[str, PersonSnapshot]] = []
    own_rows: dict[str, list[StreamRow]] = {}
    for account_id, person_id, role, subject, head in await _PEOPLE.run(conn, ids=account_ids):
        rows = own_rows.setdefault(person_id, [])
        person = PersonSnapshot(
            PersonId(person_id),
            _ROLES[role],
            _SUBJECT.decode(subject),
            {StreamKey(person_id): head},
            rows,
            [],
        )
        people.append((account_id, person))
    for person_id, seq, at_ms, body in await _EVENTS.run(
        conn, people=list(own_rows), since=since_ms
    ):
        own_rows[person_id].append(StreamRow(PersonId(person_id), seq, at_ms, _BODY.decode(body)))
    return people


class _Stream:
    """A stream that people share: one row for each event that moved it, whoever's."""

    __slots__ = ("head", "rows")

    def __init__(self, head: int) -> None:
        self.head = head
        self.rows: list[StreamRow] = []


async def _share_out(
    conn: Conn, people: Iterable[tuple[str, PersonSnapshot]], since_ms: int
) -> None:
    """Give everybody the heads of the streams that they share, and what others did on them.

    A stream is read once, however many of the batch share it.
    """
    by_id: dict[str, list[PersonSnapshot]] = {}
    for _, person in people:
        by_id.setdefault(person.person_id, []).append(person)
    shared = await _SHARED.run(conn, people=list(by_id))
    if not shared:
        return
    names = list(dict.fromkeys(name for _, name in shared))
    streams = {name: _Stream(head) for name, head in await _HEADS.run(conn, streams=names)}
    for name, person_id, seq, at_ms, body in await _MOVES.run(conn, streams=names, since=since_ms):
        row = StreamRow(PersonId(person_id), seq, at_ms, _BODY.decode(body))
        streams[name].rows.append(row)
    of_person: dict[str, list[str]] = {}
    for person_id, name in shared:
        of_person.setdefault(person_id, []).append(name)
    for person_id, own in of_person.items():
        # An event may have moved two streams: it is one event all the same.
        related = {
            (row.person_id, row.seq): row
            for name in own
            for row in streams[name].rows
            if row.person_id != person_id
        }
        for person in by_id[person_id]:
            for name in own:
                person.heads[StreamKey(name)] = streams[name].head
            person.related.extend(related.values())


def _callback(row: _CallbackRow) -> OpenCallback:
    _, callback_id, person_id, point_id, campaign_id, due_ms, expires_ms, agent_id, event_id = row
    return OpenCallback(
        callback_id,
        PersonId(person_id),
        ContactPointId(point_id),
        None if campaign_id is None else CampaignId(campaign_id),
        due_ms,
        expires_ms,
        agent_id,
        event_id,
    )


# --- statements ----------------------------------------------------------------------------------

# CROSS JOIN keeps SQLite from starting anywhere but at the list asked for.
_ACCOUNTS = RowsQuery[_AccountRow](
    """
    SELECT a.account_id, a.state, a.bucket, n.state, n.not_before_ms, n.priority, n.attempts,
      n.last_code
    FROM EACH(:ids) AS k CROSS JOIN account AS a
    LEFT JOIN enrolment AS n
      ON n.campaign_id = CAST(:campaign AS text) AND n.account_id = a.account_id
    WHERE a.account_id = k.value
    """
)
_PEOPLE = RowsQuery[_PersonRow](
    """
    SELECT p.account_id, p.person_id, p.role, f.subject,
      (SELECT coalesce(max(h.seq), 0) FROM ledger_event AS h WHERE h.person_id = p.person_id)
    FROM EACH(:ids) AS k CROSS JOIN account_party AS p CROSS JOIN person_profile AS f
    WHERE p.account_id = k.value AND f.person_id = p.person_id
    """
)
_EVENTS = RowsQuery[_EventRow](
    """
    SELECT e.person_id, e.seq, e.at_ms, e.body
    FROM EACH(:people) AS k CROSS JOIN ledger_event AS e
    WHERE e.person_id = k.value AND (e.at_ms >= :since OR e.kind = 'history_imported')
      AND e.kind <> 'contact_blocked'
    """
)
# The first part is answered by the partial index of shared contact points. UNION: a number may be
# a person's telephone and WhatsApp.
_SHARED = RowsQuery[tuple[str, str]](
    """
    SELECT k.value, 'number:' || c.address
    FROM EACH(:people) AS k CROSS JOIN contact_point AS c
    WHERE c.person_id = k.value AND c.kind || '' IN ('phone', 'whatsapp')
      AND c.shared_with <> '[]'
    UNION
    SELECT k.value, 'account:' || q.account_id
    FROM EACH(:people) AS k CROSS JOIN account_party AS q
    WHERE q.person_id = k.value AND EXISTS (
      SELECT 1 FROM account_party AS o
      WHERE o.account_id = q.account_id AND o.person_id <> q.person_id)
    """
)
_HEADS = RowsQuery[tuple[str, int]](
    """
    SELECT k.value,
      (SELECT coalesce(max(l.seq), 0) FROM stream_link AS l WHERE l.stream = k.value)
    FROM EACH(:streams) AS k
    """
)
_MOVES = RowsQuery[_StreamEvent](
    """
    SELECT l.stream, e.person_id, e.seq, e.at_ms, e.body
    FROM EACH(:streams) AS k CROSS JOIN stream_link AS l CROSS JOIN ledger_event AS e
    WHERE l.stream = k.value AND e.person_id = l.person_id AND e.seq = l.person_seq
      AND e.at_ms >= :since AND e.kind <> 'contact_blocked'
    """
)
_CALLBACKS = RowsQuery[_CallbackRow](
    """
    SELECT c.account_id, c.callback_id, c.person_id, c.contact_point_id, c.campaign_id, c.due_ms,
      c.expires_ms, c.agent_id, c.event_id
    FROM EACH(:ids) AS k CROSS JOIN callback AS c
    WHERE c.account_id = k.value AND c.state = 'open'
    """
)

STATEMENTS: Final = (_ACCOUNTS, _PEOPLE, _EVENTS, _SHARED, _HEADS, _MOVES, _CALLBACKS)
"""All of them, for the test that looks at their plans."""
