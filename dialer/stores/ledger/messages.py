"""Written messages and their threads: who has an address, what was said, how far it came."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.campaign import CampaignState
from compliance.types import (
    AccountId,
    CampaignId,
    Channel,
    ContactPointId,
    ContactPointKind,
    PersonId,
)
from dialer.core.masking import masked
from dialer.core.messages_inbox import POINT_KINDS
from dialer.core.writes import KeepInbound, OpenReview
from dialer.stores.ledger import message_rows
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.message_rows import IN, OUT
from dialer.stores.ledger.messages_schema import message, message_thread
from dialer.stores.ledger.reviews import ReviewState, resolve_review
from dialer.stores.ledger.schema import (
    account_party,
    campaign,
    contact_point,
    enrolment,
    review_item,
)

MATCHED_MOST: Final = 20
"""People of one address that are looked at; more than that have a switchboard's number."""
SHOWN: Final = 4
"""Last characters of an address that a list shows."""


class ThreadState(StrEnum):
    WAITING_US = "waiting_us"
    """A person has to read it."""
    WAITING_THEM = "waiting_them"
    CLOSED = "closed"


class MessageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One message of ours, as deliveries need it."""

    message_id: str
    person_id: PersonId
    account_id: AccountId
    campaign_id: CampaignId | None
    thread_id: str
    channel: Channel
    state: str
    rank: int
    answers: str | None
    event_id: str | None
    at_ms: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One message as people read it."""

    message_id: str
    direction: str
    at_ms: int
    subject: str | None
    text: str
    template: str | None
    author: str
    state: str
    refusal: str | None
    requests: str
    campaign_id: str | None
    event_id: str | None


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    thread_id: str
    channel: Channel
    person_id: str
    contact_point_id: str | None
    address: str
    ours: str
    state: ThreadState
    reason: str
    review_id: str | None
    account_id: str | None
    campaign_id: str | None
    language: str | None
    last_inbound_ms: int | None
    last_outbound_ms: int | None
    updated_ms: int
    closed_by: str | None

    @property
    def masked(self) -> str:
        """The address as lists show it."""
        return masked(self.address)


class CampaignMessages(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the messages of a campaign."""

    messages: int = 0
    states: dict[str, int] = {}
    """`planned` (being sent, or in doubt), `not_sent`, `sent`, `delivered`, `read`, `failed`,
    `bounced`. Each message counts once, as far as it came."""
    refusals: dict[str, int] = {}
    """Why messages failed."""
    replies: int = 0
    """Messages that people wrote in the campaign's threads since."""
    opt_outs: int = 0
    """Of these, requests to stop."""
    requests: dict[str, int] = {}
    waiting: dict[str, int] = {}
    """Accounts that nothing was sent to because of what they lack: `text:missing_value`,
    `text:balance_too_old`, `missing:contact_point` ..."""


# --- who has an address ----------------------------------------------------------------------


async def people_of(
    conn: AsyncConnection, channel: Channel, address: str
) -> list[tuple[PersonId, ContactPointId]]:
    """Everybody who has the address as one of the channel's kind; of a telephone, of any kind.

    Who wrote by WhatsApp from a number is whoever has that number. Who is called has a telephone.
    """
    kinds = {POINT_KINDS.get(channel, ContactPointKind.PHONE)}
    if channel is Channel.WHATSAPP:
        kinds.add(ContactPointKind.PHONE)
    c = contact_point.c
    same = c.address == address
    if channel is Channel.EMAIL:
        same = or_(same, func.lower(c.address) == address.casefold())
    rows = await conn.execute(
        select(c.person_id, c.contact_point_id, c.kind)
        .where(same, c.kind.in_(kinds))
        .order_by(c.person_id, c.kind.desc(), c.contact_point_id)
        .limit(MATCHED_MOST)
    )
    found: dict[PersonId, ContactPointId] = {}
    for row in rows:
        found.setdefault(PersonId(row.person_id), ContactPointId(row.contact_point_id))
    return list(found.items())


async def accounts_of(conn: AsyncConnection, person_ids: Sequence[str]) -> list[AccountId]:
    query = (
        select(account_party.c.account_id)
        .where(account_party.c.person_id.in_(person_ids))
        .distinct()
        .order_by(account_party.c.account_id)
        .limit(200)
    )
    return [AccountId(one) for one in (await conn.execute(query)).scalars()]


async def calling_campaigns(
    conn: AsyncConnection, account_ids: Sequence[AccountId]
) -> list[tuple[CampaignId, AccountId]]:
    """Running campaigns of calls in which the accounts are enrolled and not done."""
    query = (
        select(enrolment.c.campaign_id, enrolment.c.account_id)
        .join(campaign, campaign.c.campaign_id == enrolment.c.campaign_id)
        .where(
            enrolment.c.account_id.in_(account_ids),
            enrolment.c.state != "done",
            campaign.c.state == CampaignState.RUNNING,
            campaign.c.settings.not_like('%"mode":"blast"%'),
        )
        .order_by(campaign.c.created_ms)
    )
    rows = await conn.execute(query)
    return [(CampaignId(row.campaign_id), AccountId(row.account_id)) for row in rows]


# --- messages --------------------------------------------------------------------------------


_ROW: Final = [message.c[name] for name in MessageRow.__struct_fields__]


async def get_messages(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, MessageRow]:
    """Messages of ours, by id."""
    query = select(*_ROW).where(message.c.message_id.in_(ids), message.c.direction == OUT)
    return {row.message_id: _row(row) for row in await conn.execute(query)}


async def message_of_provider(conn: AsyncConnection, provider_id: str) -> MessageRow | None:
    """The message of ours that the provider knows by this id."""
    query = select(*_ROW).where(message.c.provider_id == provider_id, message.c.direction == OUT)
    row = (await conn.execute(query.limit(1))).one_or_none()
    return None if row is None else _row(row)


async def last_to(conn: AsyncConnection, channel: Channel, address: str) -> MessageRow | None:
    """The last message of ours to an address."""
    query = (
        select(*_ROW)
        .where(
            message.c.channel == channel,
            message.c.address == address,
            message.c.direction == OUT,
            message.c.rank > 1,
        )
        .order_by(message.c.at_ms.desc())
        .limit(1)
    )
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else _row(row)


def _row(row: object) -> MessageRow:
    return msgspec.convert(row, MessageRow, from_attributes=True)


async def was_received(conn: AsyncConnection, channel: Channel, provider_id: str) -> bool:
    """Whether a message that somebody wrote is here already: providers tell of them twice."""
    query = select(message.c.message_id).where(
        message.c.channel == channel,
        message.c.provider_id == provider_id,
        message.c.direction == IN,
    )
    return (await conn.execute(query.limit(1))).scalar() is not None


async def last_received_ms(conn: AsyncConnection, channels: Collection[Channel]) -> int | None:
    """When the newest message came that anybody wrote by one of these; None: there is none."""
    query = select(func.max(message.c.at_ms)).where(
        message.c.direction == IN, message.c.channel.in_(list(channels))
    )
    found: int | None = (await conn.execute(query)).scalar()
    return found


async def keep_loose(conn: AsyncConnection, keep: KeepInbound, review: OpenReview | None) -> None:
    """A message of nobody's, or of several people's: it rides on no event."""
    await message_rows.apply(conn, [(None, keep)])
    if review is not None:
        await conn.execute(
            review_item.insert().values(
                msgspec.structs.asdict(review) | {"state": ReviewState.OPEN}
            )
        )


# --- threads ---------------------------------------------------------------------------------


_THREAD: Final = [message_thread.c[name] for name in Thread.__struct_fields__]


async def get_thread(conn: AsyncConnection, thread_id: str) -> Thread | None:
    query = select(*_THREAD).where(message_thread.c.thread_id == thread_id)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else msgspec.convert(row, Thread, from_attributes=True)


async def list_threads(
    conn: AsyncConnection,
    *,
    state: ThreadState | None = ThreadState.WAITING_US,
    channel: Channel | None = None,
    person_id: str | None = None,
    before: tuple[int, str] | None = None,
    limit: int = 50,
) -> list[Thread]:
    """Threads; what waits for us oldest first, others newest first. `before` is `updated_ms` and
    id of the last one of the page before."""
    t = message_thread.c
    query = select(*_THREAD).limit(limit)
    conditions: list[ColumnElement[bool]] = []
    if state is not None:
        conditions.append(t.state == state)
    if channel is not None:
        conditions.append(t.channel == channel)
    if person_id is not None:
        conditions.append(t.person_id == person_id)
    place = tuple_(t.updated_ms, t.thread_id)
    if state is ThreadState.WAITING_US:
        query = query.order_by(t.updated_ms, t.thread_id)
        if before is not None:
            conditions.append(place > tuple_(*before))
    else:
        query = query.order_by(t.updated_ms.desc(), t.thread_id.desc())
        if before is not None:
            conditions.append(place < tuple_(*before))
    rows = await conn.execute(query.where(*conditions))
    return [msgspec.convert(row, Thread, from_attributes=True) for row in rows]


async def count_threads(conn: AsyncConnection) -> dict[str, int]:
    rows = await conn.execute(
        select(message_thread.c.state, func.count()).group_by(message_thread.c.state)
    )
    return {row[0]: row[1] for row in rows}


async def lines_of(conn: AsyncConnection, thread_id: str, *, limit: int = 200) -> list[Line]:
    """The newest messages of a thread, oldest first."""
    columns = [message.c[name] for name in Line.__struct_fields__]
    query: Select[*tuple[object, ...]] = (
        select(*columns)
        .where(message.c.thread_id == thread_id)
        .order_by(message.c.at_ms.desc(), message.c.message_id.desc())
        .limit(limit)
    )
    rows = (await conn.execute(query)).all()
    return [msgspec.convert(row, Line, from_attributes=True) for row in reversed(rows)]


async def last_inbound(conn: AsyncConnection, thread_id: str) -> tuple[str, str] | None:
    """Id and event of the newest message that a person wrote in a thread."""
    query = (
        select(message.c.message_id, message.c.event_id)
        .where(
            message.c.thread_id == thread_id,
            message.c.direction == IN,
            message.c.event_id.is_not(None),
        )
        .order_by(message.c.at_ms.desc(), message.c.message_id.desc())
        .limit(1)
    )
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else (row.message_id, row.event_id)


async def provider_id_of(conn: AsyncConnection, message_id: str) -> str | None:
    query = select(message.c.provider_id).where(message.c.message_id == message_id)
    return (await conn.execute(query)).scalar_one_or_none()


async def close_thread(
    conn: AsyncConnection, thread_id: str, *, resolution: str, actor: str, now_ms: int
) -> Thread:
    """A person has read it and done what was to be done; the hold that waited for it ends.

    Raises:
        LookupError: there is no such thread.
        ValueError: the resolution is empty.
    """
    found = await get_thread(conn, thread_id)
    if found is None:
        raise LookupError(f"there is no thread {thread_id}")
    if not resolution.strip():
        raise ValueError("a resolution must say what was done")
    await conn.execute(
        update(message_thread)
        .where(message_thread.c.thread_id == thread_id)
        .values(
            state=ThreadState.CLOSED, reason="", review_id=None, closed_by=actor, updated_ms=now_ms
        )
    )
    if found.review_id is not None:
        still = select(review_item.c.review_id).where(
            review_item.c.review_id == found.review_id, review_item.c.state == ReviewState.OPEN
        )
        if (await conn.execute(still)).scalar() is not None:
            await resolve_review(
                conn, found.review_id, resolution=resolution, actor=actor, now_ms=now_ms
            )
    await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action="thread.close",
        target=thread_id,
        detail={"resolution": resolution.strip()},
    )
    closed = await get_thread(conn, thread_id)
    if closed is None:
        raise LookupError(f"there is no thread {thread_id}")
    return closed


# --- figures ---------------------------------------------------------------------------------


async def campaign_messages(conn: AsyncConnection, campaign_id: str) -> CampaignMessages:
    """What became of a campaign's messages, and what people wrote back."""
    m = message.c
    states: dict[str, int] = {}
    refusals: dict[str, int] = {}
    query = (
        select(m.state, m.refusal, func.count())
        .where(m.campaign_id == campaign_id, m.direction == OUT)
        .group_by(m.state, m.refusal)
    )
    for state, refusal, count in await conn.execute(query):
        states[state] = states.get(state, 0) + count
        if refusal:
            refusals[refusal] = refusals.get(refusal, 0) + count
    ours = message.alias("ours")
    replies = (
        select(m.requests, func.count())
        .select_from(message)
        .join(ours, ours.c.message_id == m.answers)
        .where(ours.c.campaign_id == campaign_id, m.direction == IN)
        .group_by(m.requests)
    )
    requests: dict[str, int] = {}
    told = 0
    for said, count in await conn.execute(replies):
        told += count
        for request in said.split():
            requests[request] = requests.get(request, 0) + count
    lacking = (
        select(enrolment.c.reason, func.count())
        .where(
            enrolment.c.campaign_id == campaign_id,
            or_(enrolment.c.reason.startswith("text:"), enrolment.c.reason.startswith("missing:")),
        )
        .group_by(enrolment.c.reason)
    )
    waiting = {row[0]: row[1] for row in await conn.execute(lacking)}
    stops = sum(requests.get(name, 0) for name in ("opt_out", "cease", "no_calls"))
    return CampaignMessages(
        messages=sum(states.values()),
        states=states,
        refusals=refusals,
        replies=told,
        opt_outs=stops,
        requests=requests,
        waiting=waiting,
    )


async def planned_since(conn: AsyncConnection, campaign_id: str, since_ms: int) -> list[int]:
    """Instants at which messages of a campaign were decided since then, oldest first."""
    query = (
        select(message.c.at_ms)
        .where(
            message.c.campaign_id == campaign_id,
            message.c.direction == OUT,
            message.c.at_ms > since_ms,
        )
        .order_by(message.c.at_ms)
    )
    return list((await conn.execute(query)).scalars())
