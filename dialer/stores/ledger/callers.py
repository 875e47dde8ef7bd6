"""Who may be calling: people by number, accounts by reference, and whom they spoke with last."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, and_, desc, or_, select

from compliance.types import CampaignId, PersonId
from dialer.core.inbound import Candidate
from dialer.core.records import (
    KINDS,
    AttemptEnded,
    DispositionSet,
    InboundDisposed,
    InboundEnded,
)
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
