"""What signed checkpoints say of one person."""

from __future__ import annotations

import msgspec
from sqlalchemy import desc, select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.chain import GENESIS, Head
from compliance.types import PersonId
from dialer.stores.ledger import schema
from dialer.stores.ledger.checkpoints import Checkpoint


class SignedHeads(msgspec.Struct, frozen=True, kw_only=True):
    """The newest checkpoint that names the person, with all it was computed from."""

    checkpoint: Checkpoint
    previous_root: str
    heads: list[Head]
    """Of everybody whose stream moved: opaque ids and hashes, in the order of the root."""


async def newest_checkpoint(conn: AsyncConnection) -> Checkpoint | None:
    """The last checkpoint of the ledger."""
    query = select(schema.checkpoint).order_by(desc(schema.checkpoint.c.checkpoint_no)).limit(1)
    row = (await conn.execute(query)).mappings().one_or_none()
    return None if row is None else Checkpoint(**row)


async def heads_of(conn: AsyncConnection, person_id: PersonId) -> list[Head]:
    """Every head of a person that was ever signed, oldest first."""
    head = schema.checkpoint_head.c
    rows = await conn.execute(
        select(head.seq, head.hash).where(head.person_id == person_id).order_by(head.checkpoint_no)
    )
    return [Head(person_id=person_id, seq=row.seq, hash=row.hash) for row in rows]


async def signed_heads(conn: AsyncConnection, person_id: PersonId) -> SignedHeads | None:
    """The newest checkpoint that names the person; None before the first."""
    head, point = schema.checkpoint_head.c, schema.checkpoint.c
    number = (
        await conn.execute(
            select(head.checkpoint_no)
            .where(head.person_id == person_id)
            .order_by(desc(head.checkpoint_no))
            .limit(1)
        )
    ).scalar()
    if number is None:
        return None
    rows = (
        (await conn.execute(select(schema.checkpoint).where(point.checkpoint_no == number)))
        .mappings()
        .one()
    )
    previous = (
        await conn.execute(select(point.root).where(point.checkpoint_no == number - 1))
    ).scalar()
    heads = await conn.execute(
        select(head.person_id, head.seq, head.hash)
        .where(head.checkpoint_no == number)
        .order_by(head.person_id)
    )
    return SignedHeads(
        checkpoint=Checkpoint(**rows),
        previous_root=previous or GENESIS,
        heads=[Head(person_id=PersonId(r.person_id), seq=r.seq, hash=r.hash) for r in heads],
    )
