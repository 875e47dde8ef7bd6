"""Why a contact was made, or not: from an id that somebody has to the recorded decisions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, desc, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.dispositions import DispositionCode, disposition
from compliance.explain import Explanation, Language, explain
from compliance.messages import DecisionRecord, PackRef
from compliance.packs import PackSet
from compliance.types import EventKind, PersonId
from dialer.core.records import (
    AnyBody,
    AttemptPlanned,
    ContactBlocked,
    event_id,
    from_ms,
)
from dialer.runtime.replaying import ArchivedPacks, Replayed, Replayer
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import (
    account,
    account_party,
    attempt,
    campaign,
    contact_point,
    enrolment,
    ledger_event,
    person,
    portfolio,
)

DECISIONS: Final = 5
"""Decisions told, unless asked otherwise."""
DECISIONS_MOST: Final = 200
_LOOKED_AT: Final = 2_000
"""Decisions of a person that are searched for those on one number or account."""
_FOUND_MOST: Final = 50
"""People that one number or name may lead to."""
_SUFFIX_LEAST: Final = 7
"""Least digits of a phone number written without its country."""

_EVENT: Final = re.compile(r"(?P<person>[^/]+)/(?P<seq>\d{1,9})")
_body: Final = msgspec.json.Decoder(AnyBody)
_record: Final = msgspec.json.Decoder(DecisionRecord)


class TargetKind(StrEnum):
    """What the id that was asked for turned out to be."""

    DECISION = "decision"
    EVENT = "event"
    CONTACT_POINT = "contact_point"
    ADDRESS = "address"
    ACCOUNT = "account"
    PERSON = "person"


class AttemptEnd(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an allowed contact."""

    outcome: EventKind
    code: str
    name: str
    """The disposition's name, in the language asked for."""
    ended_at: datetime | None
    agent_id: str | None = None


class DecisionTold(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded decision with its reasons."""

    decision_id: str
    event_id: str
    at: datetime
    allowed: bool
    person_id: str
    account_id: str
    account: str | None
    """The creditor's number of the account."""
    contact_point_id: str
    address: str | None
    """None where it was erased."""
    channel: str
    campaign_id: str | None
    campaign: str | None
    explanation: Explanation | None
    """None where the proof was not kept."""
    packs: tuple[PackRef, ...] = ()
    end: AttemptEnd | None = None
    """None: blocked, or not ended yet."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where an account stands in a campaign now."""

    account_id: str
    account: str
    campaign_id: str
    campaign: str
    campaign_state: str
    state: str
    not_before: datetime
    reason: str
    attempts: int
    last_code: str | None


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that explains why a contact was made, or not."""

    asked: str
    kind: TargetKind
    language: Language
    person_ids: tuple[str, ...]
    standings: tuple[Standing, ...]
    decisions: tuple[DecisionTold, ...]
    """The newest first."""
    replays: tuple[Replayed, ...] = ()
    """Where asked for: each of the decisions, made again."""


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    kind: TargetKind
    person_ids: tuple[str, ...] = ()
    decision_id: str | None = None
    contact_point_ids: frozenset[str] = frozenset()
    account_ids: frozenset[str] = frozenset()


class _Row(msgspec.Struct, frozen=True):
    """A decision as it stands in the ledger."""

    person_id: PersonId
    seq: int
    at_ms: int
    body: AttemptPlanned | ContactBlocked
    record: DecisionRecord | None

    @property
    def decision_id(self) -> str:
        body = self.body
        return body.attempt_id if isinstance(body, AttemptPlanned) else body.decision_id


async def explain_contact(
    ledger: Ledger, packs: PackSet, asked: str, *, language: Language, limit: int = DECISIONS
) -> Story | None:
    """Tell the decisions behind an id; None when the ledger knows nothing by it.

    Args:
        asked: id of a decision, attempt, call or event (`PERSON/SEQ`); or of a contact point,
            account or person; or a phone number, e-mail address, document number or the
            creditor's account number, whose newest decisions are told.
        limit: most decisions that are told, 1 to `DECISIONS_MOST`.

    Raises:
        LedgerUnavailable: it cannot be read.
    """
    most = min(max(limit, 1), DECISIONS_MOST)
    async with ledger.read() as conn:
        target = await _find(conn, asked.strip())
        if target is None:
            return None
        rows = await _decisions(conn, target, most)
        names = await _Names.read(conn, rows)
        standings = await _standings(conn, target, rows)
    shelf = ArchivedPacks(ledger, packs)
    told = [_told(row, names, await _packs_of(row, shelf, packs), language) for row in rows]
    return Story(
        asked=asked,
        kind=target.kind,
        language=language,
        person_ids=target.person_ids or tuple(dict.fromkeys(row.person_id for row in rows)),
        standings=standings,
        decisions=tuple(told),
    )


async def _packs_of(row: _Row, shelf: ArchivedPacks, loaded: PackSet) -> PackSet:
    """The packs that decided, so that a rule is told in the words of then; those of now where the
    ledger does not have them."""
    if row.record is None or not row.record.pack_set:
        return loaded
    found = await shelf.of(row.record.pack_set)
    return found if isinstance(found, PackSet) else loaded


async def replay_story(ledger: Ledger, story: Story) -> Story:
    """The story with each of its decisions made again. Raises `LedgerUnavailable`."""
    replayer = Replayer(ledger)
    found = [await replayer.replay(told.decision_id) for told in story.decisions]
    return msgspec.structs.replace(story, replays=tuple(r for r in found if r is not None))


# --- finding --------------------------------------------------------------------------------------


async def _find(conn: AsyncConnection, asked: str) -> _Target | None:
    return (
        await _find_event(conn, asked)
        or await _find_point(conn, asked)
        or await _find_account(conn, asked)
        or await _find_person(conn, asked)
    )


async def _find_event(conn: AsyncConnection, asked: str) -> _Target | None:
    query = select(ledger_event.c.person_id).where(ledger_event.c.decision_id == asked)
    found = (await conn.execute(query)).scalar()
    if found is not None:
        return _Target(kind=TargetKind.DECISION, person_ids=(found,), decision_id=asked)
    named = _EVENT.fullmatch(asked)
    if named is None:
        return None
    query = select(ledger_event.c.body).where(
        ledger_event.c.person_id == named["person"], ledger_event.c.seq == int(named["seq"])
    )
    text = (await conn.execute(query)).scalar()
    if text is None:
        return None
    body = _body.decode(text)
    decision = getattr(body, "attempt_id", None) or getattr(body, "decision_id", None)
    return _Target(kind=TargetKind.EVENT, person_ids=(named["person"],), decision_id=decision)


async def _find_point(conn: AsyncConnection, asked: str) -> _Target | None:
    point = contact_point.c
    found = await _points(conn, point.contact_point_id == asked)
    if found:
        return _point_target(TargetKind.CONTACT_POINT, found)
    digits = re.sub(r"[\s().-]", "", asked).removeprefix("+")
    if "@" in asked:
        found = await _points(conn, point.address == asked.lower())
    elif digits.isascii() and digits.isdigit():
        found = await _points(conn, point.address == f"+{digits}")
        if not found and len(digits) >= _SUFFIX_LEAST:
            found = await _points(conn, point.address.endswith(digits))
    return _point_target(TargetKind.ADDRESS, found) if found else None


async def _points(conn: AsyncConnection, where: ColumnElement[bool]) -> list[tuple[str, str]]:
    query = select(contact_point.c.contact_point_id, contact_point.c.person_id).where(where)
    return [(row[0], row[1]) for row in await conn.execute(query.limit(_FOUND_MOST))]


def _point_target(kind: TargetKind, found: Sequence[tuple[str, str]]) -> _Target:
    return _Target(
        kind=kind,
        person_ids=tuple(dict.fromkeys(person_id for _, person_id in found)),
        contact_point_ids=frozenset(point_id for point_id, _ in found),
    )


async def _find_account(conn: AsyncConnection, asked: str) -> _Target | None:
    # Portfolio and number together are found by their index; the number alone is not.
    portfolios = select(portfolio.c.portfolio_id)
    named = and_(account.c.portfolio_id.in_(portfolios), account.c.external_id == asked)
    query = (
        select(account_party.c.account_id, account_party.c.person_id)
        .join(account, account.c.account_id == account_party.c.account_id)
        .where(or_(account.c.account_id == asked, named))
        .limit(_FOUND_MOST)
    )
    found = (await conn.execute(query)).all()
    if not found:
        return None
    return _Target(
        kind=TargetKind.ACCOUNT,
        person_ids=tuple(dict.fromkeys(row.person_id for row in found)),
        account_ids=frozenset(row.account_id for row in found),
    )


async def _find_person(conn: AsyncConnection, asked: str) -> _Target | None:
    bare = re.sub(r"[^0-9A-Za-z]", "", asked).upper() or asked
    query = (
        select(person.c.person_id)
        .where(or_(person.c.person_id == asked, person.c.document_number == bare))
        .limit(_FOUND_MOST)
    )
    found = tuple((await conn.execute(query)).scalars())
    return _Target(kind=TargetKind.PERSON, person_ids=found) if found else None


# --- reading --------------------------------------------------------------------------------------


async def _decisions(conn: AsyncConnection, target: _Target, most: int) -> list[_Row]:
    """The newest decisions of a target."""
    event = ledger_event.c
    query = select(event.person_id, event.seq, event.at_ms, event.body, event.record).order_by(
        desc(event.event_no)
    )
    if target.decision_id is not None:
        query = query.where(event.decision_id == target.decision_id)
    else:
        query = query.where(event.person_id.in_(target.person_ids), event.decision_id.is_not(None))
    found: list[_Row] = []
    for row in await conn.execute(query.limit(_LOOKED_AT)):
        body = _body.decode(row.body)
        if not isinstance(body, AttemptPlanned | ContactBlocked):
            continue
        if target.contact_point_ids and body.contact_point_id not in target.contact_point_ids:
            continue
        if target.account_ids and body.account_id not in target.account_ids:
            continue
        record = None if row.record is None else _record.decode(row.record)
        found.append(_Row(row.person_id, row.seq, row.at_ms, body, record))
        if len(found) == most:
            break
    return found


class _Names(msgspec.Struct, frozen=True):
    """What ids in decisions stand for."""

    campaigns: dict[str, str]
    accounts: dict[str, str]
    addresses: dict[str, str]
    ends: dict[str, AttemptEnd]

    @classmethod
    async def read(cls, conn: AsyncConnection, rows: Sequence[_Row]) -> _Names:
        bodies = [row.body for row in rows]
        a, c, p, e = account.c, campaign.c, contact_point.c, attempt.c
        names = await conn.execute(
            select(c.campaign_id, c.name).where(c.campaign_id.in_({b.campaign_id for b in bodies}))
        )
        numbers = await conn.execute(
            select(a.account_id, a.external_id).where(
                a.account_id.in_({b.account_id for b in bodies})
            )
        )
        points = await conn.execute(
            select(p.contact_point_id, p.address).where(
                p.contact_point_id.in_({b.contact_point_id for b in bodies})
            )
        )
        ends = await conn.execute(
            select(e.attempt_id, e.outcome, e.code, e.ended_ms, e.agent_id).where(
                e.attempt_id.in_({row.decision_id for row in rows}), e.outcome.is_not(None)
            )
        )
        return cls(
            campaigns={row[0]: row[1] for row in names},
            accounts={row[0]: row[1] for row in numbers},
            addresses={row[0]: row[1] for row in points},
            ends={
                row.attempt_id: AttemptEnd(
                    outcome=EventKind(row.outcome),
                    code=row.code or "",
                    name="",
                    ended_at=None if row.ended_ms is None else from_ms(row.ended_ms),
                    agent_id=row.agent_id,
                )
                for row in ends
            },
        )


async def _standings(
    conn: AsyncConnection, target: _Target, rows: Sequence[_Row]
) -> tuple[Standing, ...]:
    accounts = target.account_ids or {row.body.account_id for row in rows}
    if not accounts:
        query = select(account_party.c.account_id).where(
            account_party.c.person_id.in_(target.person_ids)
        )
        accounts = set((await conn.execute(query.limit(_FOUND_MOST))).scalars())
    query = (
        select(enrolment, account.c.external_id, campaign.c.name, campaign.c.state.label("stands"))
        .join(account, account.c.account_id == enrolment.c.account_id)
        .join(campaign, campaign.c.campaign_id == enrolment.c.campaign_id)
        .where(enrolment.c.account_id.in_(accounts))
        .order_by(enrolment.c.account_id, enrolment.c.campaign_id)
        .limit(_FOUND_MOST)
    )
    return tuple(
        Standing(
            account_id=row.account_id,
            account=row.external_id,
            campaign_id=row.campaign_id,
            campaign=row.name,
            campaign_state=row.stands,
            state=row.state,
            not_before=from_ms(row.not_before_ms),
            reason=row.reason,
            attempts=row.attempts,
            last_code=row.last_code,
        )
        for row in await conn.execute(query)
    )


# --- telling --------------------------------------------------------------------------------------


def _told(row: _Row, names: _Names, packs: PackSet, language: Language) -> DecisionTold:
    body = row.body
    end = names.ends.get(row.decision_id)
    if end is not None:
        end = msgspec.structs.replace(end, name=_named(end.code, language))
    campaign_id = body.campaign_id
    return DecisionTold(
        decision_id=row.decision_id,
        event_id=event_id(row.person_id, row.seq),
        at=from_ms(row.at_ms),
        allowed=isinstance(body, AttemptPlanned),
        person_id=row.person_id,
        account_id=body.account_id,
        account=names.accounts.get(body.account_id),
        contact_point_id=body.contact_point_id,
        address=names.addresses.get(body.contact_point_id),
        channel=body.channel,
        campaign_id=campaign_id,
        campaign=None if campaign_id is None else names.campaigns.get(campaign_id),
        explanation=None if row.record is None else explain(row.record, packs, language),
        packs=() if row.record is None else row.record.packs,
        end=end,
    )


def _named(code: str, language: Language) -> str:
    try:
        return disposition(DispositionCode(code)).name(language)
    except ValueError:
        return code
