"""Checkpoints: signed statements of where every person's stream ended.

A checkpoint names only the heads that moved since the one before, and its root chains to the one
before; so all of them together name every head, and none can be changed or taken out. The private
key is kept beside the ledger, not in it: who can write the database cannot sign.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import desc, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.chain import GENESIS, Head, RootHash, signed_bytes
from dialer.stores.key_files import KeyUnusable, load_or_create
from dialer.stores.ledger.bulk import Dialect, JsonQuery, bulk_insert, dialect_of
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.locks import LOCK_SPACE, exclude_appends
from dialer.stores.ledger.schema import checkpoint, checkpoint_head, ledger_event

EVENTS_MOST: Final = 5000
"""Events that one checkpoint covers at most; more are covered by several, one after another, so
that none holds up the ledger for long."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table `checkpoint`."""

    checkpoint_no: int
    """1 for the first."""
    at_ms: int
    event_no: int
    """Every event up to this number is covered, by this checkpoint or one before."""
    heads: int
    root: str
    signature: str
    """Hex, of `compliance.chain.signed_bytes`."""
    public_key: str
    """Hex, 32 bytes."""

    def signature_holds(self) -> bool:
        """Whether the row is what the owner of its `public_key` signed."""
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public_key))
            key.verify(
                bytes.fromhex(self.signature),
                signed_bytes(self.checkpoint_no, self.at_ms, self.event_no, self.heads, self.root),
            )
        except (InvalidSignature, ValueError, OverflowError):
            return False
        return True


class SigningKey:
    """An Ed25519 key pair."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_hex = private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        """Signature in hex."""
        return self._private.sign(message).hex()


def load_or_create_key(path: Path) -> SigningKey:
    """Read the signing key, or make one in a new file that only its owner may read.

    Raises:
        KeyUnusable: what is wrong with the file, and how to mend it.
    """
    held = load_or_create(path, _new_key)
    try:
        private = serialization.load_pem_private_key(held, password=None)
    except (ValueError, TypeError) as error:
        raise KeyUnusable(
            f"{path} is no signing key; restore it from a backup, or move it away to start a new "
            "one (older checkpoints then verify only with the old key)"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyUnusable(f"the key in {path} is not an Ed25519 key; restore it from a backup")
    return SigningKey(private)


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Checkpoints:
    """Makes checkpoints of one ledger."""

    def __init__(self, ledger: Ledger, key: SigningKey) -> None:
        self._ledger = ledger
        self._key = key

    async def make(self, now_ms: int) -> Checkpoint | None:
        """Sign all heads that moved since the last checkpoint; None if none did.

        Appends go on meanwhile. Several are made when more than `EVENTS_MOST` events wait; the
        last one is returned.

        Raises:
            LedgerUnavailable: what was not signed will be by the next call.
        """
        async with self._ledger.write() as conn:
            # Numbers are given before transactions end: wait until all given ones are settled.
            await exclude_appends(conn)
            top = (await conn.execute(select(func.max(ledger_event.c.event_no)))).scalar()
        made: Checkpoint | None = None
        while top is not None:
            last = await self.last()
            if last is not None and last.event_no >= top:
                break
            made = await self._make_one(last, top, now_ms)
        return made

    async def last(self) -> Checkpoint | None:
        """The newest checkpoint."""
        async with self._ledger.read() as conn:
            return await _last(conn)

    async def _make_one(self, last: Checkpoint | None, top: int, now_ms: int) -> Checkpoint | None:
        after = last.event_no if last else 0
        async with self._ledger.read() as conn:
            until, heads = await _MOVED.run(conn, after=after, top=top, most=EVENTS_MOST)
        number = last.checkpoint_no + 1 if last else 1
        event_no = top if until is None else until
        root = RootHash(last.root if last else GENESIS, number, now_ms, event_no)
        ordered = sorted(heads or (), key=lambda head: head.person_id)
        for head in ordered:
            root.add(head)
        made = Checkpoint(
            checkpoint_no=number,
            at_ms=now_ms,
            event_no=event_no,
            heads=len(ordered),
            root=root.hexdigest(),
            signature=self._key.sign(
                signed_bytes(number, now_ms, event_no, len(ordered), root.hexdigest())
            ),
            public_key=self._key.public_hex,
        )
        async with self._ledger.write() as conn:
            if dialect_of(conn) is Dialect.POSTGRESQL:
                await conn.execute(_LOCK)
            if await _last(conn) != last:
                return None  # Another worker made this one meanwhile.
            await _INSERT_HEADS.run(
                conn,
                [
                    {
                        "checkpoint_no": number,
                        "person_id": head.person_id,
                        "seq": head.seq,
                        "hash": head.hash,
                    }
                    for head in ordered
                ],
            )
            await conn.execute(insert(checkpoint).values(**msgspec.structs.asdict(made)))
        return made


async def _last(conn: AsyncConnection) -> Checkpoint | None:
    query = select(checkpoint).order_by(desc(checkpoint.c.checkpoint_no)).limit(1)
    row = (await conn.execute(query)).mappings().one_or_none()
    return None if row is None else Checkpoint(**row)


# Two workers may make checkpoints; each number is made by one.
_LOCK = text("SELECT pg_advisory_xact_lock(:space, 3)").bindparams(space=LOCK_SPACE)

_INSERT_HEADS = bulk_insert(checkpoint_head, ["checkpoint_no", "person_id", "seq", "hash"])

# Heads as of event number `until`: the last event of each person among those newly covered.
_MOVED = JsonQuery(
    """
    SELECT '[' || coalesce(CAST(max(u.event_no) AS text), 'null') || ',[' || coalesce(JOIN_TEXT(
      CASE WHEN u.seq = u.last_seq THEN
        '{"person_id":' || QUOTE(u.person_id) || ',"seq":' || u.seq || ',"hash":'
        || QUOTE(u.hash) || '}' END, ','), '') || ']]'
    FROM (SELECT n.event_no, n.person_id, n.seq, n.hash,
                 max(n.seq) OVER (PARTITION BY n.person_id) AS last_seq
          FROM (SELECT event_no, person_id, seq, hash FROM ledger_event
                WHERE event_no > :after AND event_no <= :top
                ORDER BY event_no LIMIT :most) AS n) AS u
    """,
    msgspec.json.Decoder(tuple[int | None, list[Head] | None]),
)
