"""The hash chain of a person's events, and the checkpoints that sign where all chains end.

An event's hash covers everything the ledger says about it and the hash before, so that nothing
can be changed, inserted or removed inside a person's stream without breaking every hash after.
What a chain alone cannot show, a tail or a whole person removed, a checkpoint does: it names the
head of every person whose stream moved, and is itself chained and signed.

Byte layouts. Integers are big-endian. A text is its UTF-8 bytes after their count as u32; a hash
or root is a text of 64 lower-case hex digits, and 64 zeros stand for the one before the first.

    event hash       SHA-256 of  "marcador-event-1\\n"  previous hash  person_id  seq u64
                                 at_ms i64  kind  body, then u8 1 and record, or u8 0 where
                                 the event has none
    checkpoint root  SHA-256 of  "marcador-checkpoint-1\\n"  previous root  checkpoint_no u64
                                 at_ms i64  event_no u64, then for each head, in byte order of
                                 person_id:  person_id  seq u64  hash
    signature        Ed25519 of  "marcador-checkpoint-signature-1\\n"  checkpoint_no u64
                                 at_ms i64  event_no u64  heads u64  root
    audit hash       SHA-256 of  "marcador-audit-1\\n"  previous hash  audit_no u64  at_ms i64
                                 actor  action  target  detail
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Final

from compliance.messages import Message
from compliance.types import PersonId

GENESIS: Final = "00" * 32
"""Hash before the first event of a stream, and root before the first checkpoint."""

_EVENT: Final = b"marcador-event-1\n"
_CHECKPOINT: Final = b"marcador-checkpoint-1\n"
_SIGNATURE: Final = b"marcador-checkpoint-signature-1\n"
_AUDIT: Final = b"marcador-audit-1\n"
_COUNT: Final = struct.Struct(">I").pack
_SEQ_AT: Final = struct.Struct(">Qq").pack
_POSITION: Final = struct.Struct(">QqQ").pack
_U64: Final = struct.Struct(">Q").pack


class ChainedEvent(Message, frozen=True, kw_only=True):
    """One event as it stands in the ledger and in an export: what its hash is computed from."""

    person_id: PersonId
    seq: int
    """1 for the first event of the person."""
    at_ms: int
    kind: str
    body: str
    """JSON, byte for byte as it was appended."""
    record: str | None = None
    """JSON of the decision's proof, where the event records a decision."""
    hash: str
    """64 hex digits."""


class Head(Message, frozen=True, kw_only=True):
    """Where a person's stream ended at a checkpoint."""

    person_id: PersonId
    seq: int
    hash: str


class BreakKind(StrEnum):
    """How a chain is broken."""

    GAP = "gap"
    """A sequence number is missing: an event was removed."""
    OUT_OF_ORDER = "out_of_order"
    """A sequence number comes twice, or goes back."""
    WRONG_HASH = "wrong_hash"
    """The event's content, or its hash, is not what was appended."""
    FOREIGN = "foreign"
    """An event of another person stands in this stream."""


class ChainBreak(Message, frozen=True, kw_only=True):
    """The first place where a chain does not hold."""

    kind: BreakKind
    person_id: PersonId
    seq: int
    """The event that is wrong; for a gap, the first that is missing."""
    expected: str
    found: str


def event_hash(
    previous: str,
    person_id: str,
    seq: int,
    at_ms: int,
    kind: str,
    body: bytes,
    record: bytes | None,
) -> str:
    """Hash of an event whose predecessor has the hash `previous` (both 64 hex digits)."""
    return hashlib.sha256(
        b"".join(
            (
                _EVENT,
                _text(previous),
                _text(person_id),
                _SEQ_AT(seq, at_ms),
                _kind(kind),
                _COUNT(len(body)),
                body,
                b"\0" if record is None else b"\1" + _COUNT(len(record)),
                record or b"",
            )
        )
    ).hexdigest()


def _text(value: str) -> bytes:
    # Bytes that are no UTF-8 come out of a damaged ledger as lone surrogates, and go back.
    encoded = value.encode(errors="surrogateescape")
    return _COUNT(len(encoded)) + encoded


_kind = lru_cache(maxsize=64)(_text)
"""There are few kinds of events, and each event has one."""


class ChainChecker:
    """Checks one person's stream event by event, holding only where it stands."""

    def __init__(self, person_id: PersonId) -> None:
        self.person_id = person_id
        self.seq = 0
        self.hash = GENESIS

    def step(self, event: ChainedEvent) -> ChainBreak | None:
        """Check the next event. After a break the checker goes on from the event as it stands,
        so that one damage is told once."""
        found = self._break_at(event)
        self.seq = event.seq
        self.hash = event.hash
        return found

    def _break_at(self, event: ChainedEvent) -> ChainBreak | None:
        if event.person_id != self.person_id:
            return self._broken(BreakKind.FOREIGN, event.seq, self.person_id, event.person_id)
        expected = self.seq + 1
        if event.seq != expected:
            kind = BreakKind.GAP if event.seq > expected else BreakKind.OUT_OF_ORDER
            return self._broken(kind, expected, str(expected), str(event.seq))
        computed = event_hash(
            self.hash,
            event.person_id,
            event.seq,
            event.at_ms,
            event.kind,
            event.body.encode(errors="surrogateescape"),
            None if event.record is None else event.record.encode(errors="surrogateescape"),
        )
        if computed != event.hash:
            return self._broken(BreakKind.WRONG_HASH, event.seq, computed, event.hash)
        return None

    def _broken(self, kind: BreakKind, seq: int, expected: str, found: str) -> ChainBreak:
        return ChainBreak(
            kind=kind, person_id=self.person_id, seq=seq, expected=expected, found=found
        )


def check_chain(person_id: PersonId, events: Iterable[ChainedEvent]) -> ChainBreak | None:
    """First break of one person's exported stream, oldest event first; None if it holds.

    It proves that nothing inside was changed or removed; that nothing is missing at the end
    only a checkpoint can prove.
    """
    checker = ChainChecker(person_id)
    for event in events:
        found = checker.step(event)
        if found is not None:
            return found
    return None


class RootHash:
    """Computes a checkpoint's root head by head."""

    def __init__(self, previous: str, checkpoint_no: int, at_ms: int, event_no: int) -> None:
        self._sha = hashlib.sha256(_CHECKPOINT + _text(previous))
        self._sha.update(_POSITION(checkpoint_no, at_ms, event_no))
        self._last = ""
        self.heads = 0

    def add(self, head: Head) -> None:
        """Add the next head.

        Raises:
            ValueError: its person does not come after the one before, in byte order.
        """
        # Code points order as UTF-8 bytes do.
        if head.person_id <= self._last:
            raise ValueError(f"head of {head.person_id!r} is out of order")
        self._last = head.person_id
        self.heads += 1
        self._sha.update(_text(head.person_id) + _U64(head.seq) + _text(head.hash))

    def hexdigest(self) -> str:
        return self._sha.hexdigest()


def signed_bytes(checkpoint_no: int, at_ms: int, event_no: int, heads: int, root: str) -> bytes:
    """What a checkpoint's signature covers."""
    position = _POSITION(checkpoint_no, at_ms, event_no)
    return b"".join((_SIGNATURE, position, _U64(heads), _text(root)))


def audit_hash(
    previous: str, audit_no: int, at_ms: int, actor: str, action: str, target: str, detail: str
) -> str:
    """Hash of an audit entry: what users did to the system, in one chain."""
    sha = hashlib.sha256(_AUDIT + _text(previous) + _SEQ_AT(audit_no, at_ms))
    for part in (actor, action, target, detail):
        sha.update(_text(part))
    return sha.hexdigest()
