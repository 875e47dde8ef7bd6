"""Carrying out the writes of written messages: messages, their threads, how far they came."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from compliance.types import Channel
from dialer.core.messages_outcome import PLANNED, RANKS
from dialer.core.writes import KeepInbound, KeepMessage, MoveMessage, Write
from dialer.stores.ledger.bulk import Row, bulk_insert, bulk_update, bulk_upsert
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.messages_schema import message, message_thread
from dialer.stores.ledger.schema import attempt

WAITING_US: Final = "waiting_us"
WAITING_THEM: Final = "waiting_them"
RECEIVED: Final = "received"
OUT: Final = "out"
IN: Final = "in"

_MESSAGE = bulk_insert(
    message,
    [
        "message_id",
        "thread_id",
        "direction",
        "person_id",
        "account_id",
        "campaign_id",
        "channel",
        "address",
        "subject",
        "text",
        "text_sha256",
        "template",
        "author",
        "answers",
        "state",
        "rank",
        "provider_id",
        "requests",
        "event_id",
        "at_ms",
        "moved_ms",
    ],
    ignore_conflicts=True,
)
_MOVE = bulk_update(
    message,
    ["message_id"],
    [
        "state",
        "rank",
        "moved_ms",
        "refusal",
        "provider_code",
        "provider_id",
        "segments",
        "price_micros",
        "currency",
    ],
    expressions={
        name: f'coalesce(x."{name}", message."{name}")'
        for name in (
            "refusal",
            "provider_code",
            "provider_id",
            "segments",
            "price_micros",
            "currency",
        )
    },
    where='message."rank" < x."rank"',
)
_REFINE = bulk_update(attempt, ["attempt_id"], ["outcome", "code"])
# A person who waits for an answer goes on waiting, whatever a campaign sends meanwhile.
_KEEP_WAITING = (
    "CASE WHEN message_thread.state = 'waiting_us' AND excluded.state <> 'waiting_us' "
    "AND message_thread.review_id IS NOT NULL THEN message_thread.state ELSE excluded.state END"
)
_THREAD_OUT = bulk_upsert(
    message_thread,
    ["thread_id"],
    [
        "thread_id",
        "channel",
        "person_id",
        "contact_point_id",
        "address",
        "state",
        "account_id",
        "campaign_id",
        "language",
        "last_outbound_ms",
        "updated_ms",
    ],
    expressions={
        "state": _KEEP_WAITING,
        "language": "coalesce(excluded.language, message_thread.language)",
        "campaign_id": "coalesce(excluded.campaign_id, message_thread.campaign_id)",
    },
)
_THREAD_REPLY = bulk_upsert(
    message_thread,
    ["thread_id"],
    ["thread_id", "channel", "person_id", "contact_point_id", "address", "state",
     "last_outbound_ms", "updated_ms"],
)  # fmt: skip
_THREAD_IN = bulk_upsert(
    message_thread,
    ["thread_id"],
    [
        "thread_id",
        "channel",
        "person_id",
        "contact_point_id",
        "address",
        "ours",
        "state",
        "reason",
        "review_id",
        "last_inbound_ms",
        "updated_ms",
    ],
    expressions={
        "state": _KEEP_WAITING,
        "reason": "CASE WHEN excluded.reason = '' THEN message_thread.reason "
        "ELSE excluded.reason END",
        "review_id": "coalesce(excluded.review_id, message_thread.review_id)",
    },
)


def thread_id_of(channel: Channel, contact_point_id: str | None, address: str) -> str:
    """One thread for each channel and contact point; for an address of nobody or of several
    people, one for the address."""
    if contact_point_id is not None:
        return f"{channel.value}:{contact_point_id}"
    return f"{channel.value}:~{hashlib.sha256(address.encode()).hexdigest()[:32]}"


async def apply(conn: Conn, writes: Sequence[tuple[str | None, Write]]) -> None:
    """Apply writes in order, each with the id of the event that it rides on."""
    rows: list[Row] = []
    threads_out: dict[str, Row] = {}
    replies: dict[str, Row] = {}
    threads_in: dict[str, Row] = {}
    moves: dict[str, MoveMessage] = {}
    for event_id, write in writes:
        match write:
            case KeepMessage():
                thread = thread_id_of(write.channel, write.contact_point_id, write.address)
                rows.append(_outbound(write, thread, event_id))
                if write.answers is None:
                    threads_out[thread] = _thread_out(write, thread)
                else:
                    replies[thread] = _thread_out(write, thread)
            case KeepInbound():
                thread = thread_id_of(write.channel, write.contact_point_id, write.address)
                rows.append(_inbound(write, thread, event_id))
                threads_in[thread] = _thread_in(write, thread)
            case MoveMessage():
                before = moves.get(write.message_id)
                if before is None or before.rank < write.rank:
                    moves[write.message_id] = write
            case _:
                raise TypeError(f"{type(write).__name__} is no write of a message")
    await _THREAD_OUT.run(conn, list(threads_out.values()))
    await _THREAD_REPLY.run(conn, list(replies.values()))
    await _THREAD_IN.run(conn, list(threads_in.values()))
    await _MESSAGE.run(conn, rows)
    await _MOVE.run(conn, list(moves.values()))
    refined = [m for m in moves.values() if m.outcome is not None]
    await _REFINE.run(
        conn,
        [{"attempt_id": m.message_id, "outcome": m.outcome, "code": m.code} for m in refined],
    )


def _outbound(write: KeepMessage, thread: str, event_id: str | None) -> Row:
    return {
        "message_id": write.message_id,
        "thread_id": thread,
        "direction": OUT,
        "person_id": write.person_id,
        "account_id": write.account_id,
        "campaign_id": write.campaign_id,
        "channel": write.channel,
        "address": write.address,
        "subject": write.subject,
        "text": write.text,
        "text_sha256": write.text_sha256,
        "template": write.template,
        "author": write.author,
        "answers": write.answers,
        "state": PLANNED,
        "rank": RANKS[PLANNED],
        "provider_id": None,
        "requests": "",
        "event_id": event_id,
        "at_ms": write.at_ms,
        "moved_ms": write.at_ms,
    }


def _thread_out(write: KeepMessage, thread: str) -> Row:
    return {
        "thread_id": thread,
        "channel": write.channel,
        "person_id": write.person_id,
        "contact_point_id": write.contact_point_id,
        "address": write.address,
        "state": WAITING_THEM,
        "account_id": write.account_id,
        "campaign_id": write.campaign_id,
        "language": write.language,
        "last_outbound_ms": write.at_ms,
        "updated_ms": write.at_ms,
    }


def _inbound(write: KeepInbound, thread: str, event_id: str | None) -> Row:
    return {
        "message_id": write.message_id,
        "thread_id": thread,
        "direction": IN,
        "person_id": write.person_id,
        "account_id": None,
        "campaign_id": None,
        "channel": write.channel,
        "address": write.address,
        "subject": write.subject,
        "text": write.text,
        "text_sha256": write.text_sha256,
        "template": None,
        "author": "",
        "answers": write.answers,
        "state": RECEIVED,
        "rank": 0,
        "provider_id": write.provider_id,
        "requests": write.requests,
        "event_id": event_id,
        "at_ms": write.at_ms,
        "moved_ms": write.at_ms,
    }


def _thread_in(write: KeepInbound, thread: str) -> Row:
    return {
        "thread_id": thread,
        "channel": write.channel,
        "person_id": write.person_id,
        "contact_point_id": write.contact_point_id,
        "address": write.address,
        "ours": write.to,
        "state": write.thread_state,
        "reason": write.reason,
        "review_id": write.review_id,
        "last_inbound_ms": write.at_ms,
        "updated_ms": write.at_ms,
    }
