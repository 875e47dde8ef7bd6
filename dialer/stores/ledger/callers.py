"""Who may be calling: people by number, accounts by reference, and whom they spoke with last."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import ColumnElement, and_, desc, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import AccountId, CampaignId, ContactPointId, DecisionId, PersonId
from dialer.core.inbound import Candidate
from dialer.core.records import (
    KINDS,
    AttemptEnded,
    DispositionSet,
    InboundDisposed,
    InboundEnded,
)
from dialer.stores.ledger.callers_schema import inbound_call
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import (
    account,
    account_party,
    contact_point,
    enrolment,
    ledger_event,
)

MOST = 50
"""Accounts that one number or reference may lead to, at most; more are nobody's in particular."""
_NUMBER_KINDS = ("phone", "whatsapp")
_OfAgents = AttemptEnded | DispositionSet | InboundEnded | InboundDisposed
_AGENTS_SAY = [
    name
    for name, kind in KINDS.items()
    if kind in (AttemptEnded, DispositionSet, InboundEnded, InboundDisposed)
]
_SAID: msgspec.json.Decoder[_OfAgents] = msgspec.json.Decoder(_OfAgents)


async def find_by_number(
    ledger: Ledger, number: str, campaigns: Sequence[CampaignId]
) -> list[Candidate]:
    """Everybody on an active account who has this number, in E.164.

    `campaigns` are those whose enrolments count.
    """
    return await _find(
        ledger,
        and_(contact_point.c.address == number, contact_point.c.kind.in_(_NUMBER_KINDS)),
        campaigns,
    )


async def find_by_reference(
    ledger: Ledger, reference: str, campaigns: Sequence[CampaignId]
) -> list[Candidate]:
    """The people of the active account with this reference (the creditor's own account id)."""
    return await _find(
        ledger,
        and_(account.c.external_id == reference, contact_point.c.kind.in_(_NUMBER_KINDS)),
        campaigns,
    )


async def _find(
    ledger: Ledger, which: ColumnElement[bool], campaigns: Sequence[CampaignId]
) -> list[Candidate]:
    enrolled = and_(
        enrolment.c.account_id == account.c.account_id,
        enrolment.c.campaign_id.in_(list(campaigns)),
    )
    query = (
        select(
            account_party.c.person_id,
            account.c.account_id,
            contact_point.c.contact_point_id,
            account_party.c.role,
            contact_point.c.role.label("point_role"),
            contact_point.c.validity,
            or_(contact_point.c.shared_with != "[]", contact_point.c.also_reference).label(
                "shared"
            ),
            account.c.priority,
            enrolment.c.campaign_id,
        )
        .select_from(contact_point)
        .join(account_party, account_party.c.person_id == contact_point.c.person_id)
        .join(account, account.c.account_id == account_party.c.account_id)
        .outerjoin(enrolment, enrolled)
        .where(which, account.c.state == "active")
        .order_by(account.c.account_id, contact_point.c.rank, contact_point.c.contact_point_id)
        .limit(MOST)
    )
    async with ledger.read() as conn:
        rows = (await conn.execute(query)).mappings().all()
    fields = Candidate.__struct_fields__
    return [
        msgspec.convert({name: row[name] for name in fields}, Candidate, strict=False)
        for row in rows
    ]


async def last_agent(ledger: Ledger, person_id: PersonId) -> str | None:
    """The agent who last spoke with the person, by call; None if nobody has."""
    query = (
        select(ledger_event.c.body)
        .where(ledger_event.c.person_id == person_id, ledger_event.c.kind.in_(_AGENTS_SAY))
        .order_by(desc(ledger_event.c.seq))
        .limit(20)
    )
    async with ledger.read() as conn:
        bodies = (await conn.execute(query)).scalars().all()
    said = (_SAID.decode(body).agent_id for body in bodies)
    return next((agent_id for agent_id in said if agent_id), None)


# --- calls as far as they have come -----------------------------------------------------------


class UnfinishedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call to us without an end, or of which nobody has said what it was."""

    call_id: DecisionId
    person_id: PersonId
    account_id: AccountId
    campaign_id: CampaignId
    contact_point_id: ContactPointId
    began_ms: int
    agent_id: str | None
    """Who spoke with the caller; None: nobody, as far as is known."""
    ended_ms: int | None


async def unfinished_calls(
    ledger: Ledger, campaign_ids: Collection[CampaignId], *, before_ms: int, limit: int
) -> list[UnfinishedCall]:
    """Oldest first: those that began before, and if they are over, ended before."""
    c = inbound_call.c
    names = UnfinishedCall.__struct_fields__
    query = (
        select(*(c[name] for name in names))
        .where(
            or_(c.ended_ms.is_(None), and_(c.agent_id.is_not(None), c.disposed_ms.is_(None))),
            or_(c.ended_ms.is_(None), c.ended_ms < before_ms),
            c.began_ms < before_ms,
            c.campaign_id.in_(list(campaign_ids)),
        )
        .order_by(c.began_ms)
        .limit(limit)
    )
    async with ledger.read() as conn:
        rows = (await conn.execute(query)).mappings().all()
    return [msgspec.convert({name: row[name] for name in names}, UnfinishedCall) for row in rows]


async def agent_took(conn: AsyncConnection, call_id: str, agent_id: str) -> None:
    """An agent speaks with the caller from now on."""
    c = inbound_call.c
    await conn.execute(update(inbound_call).where(c.call_id == call_id).values(agent_id=agent_id))


async def give_up_call(conn: AsyncConnection, call_id: str, *, now_ms: int) -> None:
    """Nothing can be put on record of it any more: its person or account is gone."""
    c = inbound_call.c
    await conn.execute(
        update(inbound_call).where(c.call_id == call_id).values(ended_ms=now_ms, disposed_ms=now_ms)
    )
