"""Opt-outs that come by a link: at once, once, and for everybody who has the address."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.types import PersonId, SuppressionScope
from dialer.core.opt_out_links import KEY_BYTES, OptOutLink
from dialer.core.records import SubjectChanged, to_ms
from dialer.core.writes import AddSuppression
from dialer.runtime.clock import Clock
from dialer.stores.key_files import KeyUnusable, load_or_create
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.messages import people_of
from dialer.stores.ledger.schema import contact_point, suppression
from dialer.stores.ledger.streams import EventStore, NewEvent

log = structlog.get_logger()

BY_LINK: Final = "unsubscribe_link"


def load_or_create_link_key(path: Path) -> bytes:
    """The key that signs opt-out links; workers of one house share the file.

    Raises `KeyUnusable`.
    """
    key = load_or_create(path, partial(os.urandom, KEY_BYTES))
    if len(key) != KEY_BYTES:
        raise KeyUnusable(
            f"{path} holds no key of opt-out links; restore it from a backup: without it the links "
            "in e-mails that were sent stop working"
        )
    return key


async def opt_out_by_link(ledger: Ledger, clock: Clock, link: OptOutLink) -> bool:
    """Stop the channel for whoever has the address; whether the ledger knows it.

    Done again, it changes nothing.
    """
    now_ms = to_ms(clock.now())

    async def work(conn: AsyncConnection) -> bool:
        return await _opt_out(conn, link, now_ms)

    known = await ledger.transact(work)
    log.info("unsubscribed", channel=link.channel, known=known)
    return known


async def _opt_out(conn: AsyncConnection, link: OptOutLink, now_ms: int) -> bool:
    query = select(contact_point.c.address).where(
        contact_point.c.contact_point_id == link.contact_point_id
    )
    address = (await conn.execute(query)).scalar_one_or_none()
    if address is None:
        return False
    events: list[NewEvent] = []
    for person_id, point_id in await people_of(conn, link.channel, address):
        suppression_id = f"{BY_LINK}:{link.channel.value}:{point_id}"[:64]
        done = select(suppression.c.suppression_id).where(
            suppression.c.suppression_id == suppression_id, suppression.c.ends_ms.is_(None)
        )
        if (await conn.execute(done)).scalar() is None:
            events.append(_event(person_id, suppression_id, point_id, link, now_ms))
    await EventStore.append_in(conn, events)
    return True


def _event(
    person_id: PersonId, suppression_id: str, point_id: str, link: OptOutLink, now_ms: int
) -> NewEvent:
    return NewEvent(
        person_id=person_id,
        at_ms=now_ms,
        body=SubjectChanged(change="opt_out", target=point_id, value=link.channel, source=BY_LINK),
        writes=(
            AddSuppression(
                person_id=person_id,
                suppression_id=suppression_id,
                scope=SuppressionScope.CHANNEL,
                channel=link.channel,
                reason="opt_out",
                starts_ms=now_ms,
                created_by=BY_LINK,
                evidence=point_id,
            ),
        ),
    )
