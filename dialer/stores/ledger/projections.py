"""Carrying out the writes that ride with events, table by table, each in one statement."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from compliance.types import PersonId
from dialer.core.records import AnyBody, AttemptEnded, AttemptPlanned, DispositionSet, event_id
from dialer.core.writes import (
    CloseAttempt,
    CloseCallback,
    CloseInbound,
    DisposeAttempt,
    DisposeInbound,
    KeepInbound,
    KeepMessage,
    MoveEnrolment,
    MoveMessage,
    OpenAttempt,
    OpenInbound,
    OpenReview,
    SaveCallback,
    SaveNote,
    SavePromise,
    SubjectWrite,
    Write,
)
from dialer.stores.ledger import message_rows, subjects
from dialer.stores.ledger.bulk import Row, bulk_insert, bulk_update
from dialer.stores.ledger.callers_schema import inbound_call
from dialer.stores.ledger.direct import Conn
from dialer.stores.ledger.schema import attempt, callback, enrolment, note, promise, review_item


class Won(msgspec.Struct, frozen=True, gc=False):
    """An event that has its place in the stream, with what it changes."""

    person_id: PersonId
    seq: int
    at_ms: int
    body: AnyBody
    writes: tuple[Write, ...]


_OPEN = bulk_insert(
    attempt,
    [
        "attempt_id",
        "person_id",
        "account_id",
        "campaign_id",
        "contact_point_id",
        "channel",
        "mode",
        "planned_ms",
        "agent_id",
    ],
)
# An agent's disposition says more than the network's end of the call, whichever comes first.
_CLOSE = bulk_update(
    attempt,
    ["attempt_id"],
    ["ended_ms", "outcome", "code", "agent_id", "ring_ms", "connect_ms", "talk_ms"],
    expressions={
        "outcome": "CASE WHEN attempt.disposed_ms IS NULL THEN x.outcome ELSE attempt.outcome END",
        "code": "CASE WHEN attempt.disposed_ms IS NULL THEN x.code ELSE attempt.code END",
        "agent_id": "coalesce(attempt.agent_id, x.agent_id)",
    },
)
_DISPOSE = bulk_update(
    attempt, ["attempt_id"], ["disposed_ms", "outcome", "code", "agent_id", "wrap_ms"]
)
_MOVE = bulk_update(
    enrolment,
    ["campaign_id", "account_id"],
    ["state", "not_before_ms", "reason", "attempts", "last_code"],
    expressions={
        "attempts": "enrolment.attempts + x.attempts",
        "last_code": "coalesce(x.last_code, enrolment.last_code)",
    },
)
_PROMISE = bulk_insert(promise, [*SavePromise.__struct_fields__, "state"])
_CALLBACK_FIELDS = [name for name in SaveCallback.__struct_fields__ if name != "asked_by"]
_CALLBACK = bulk_insert(callback, [*_CALLBACK_FIELDS, "event_id", "state"])
_CLOSE_CALLBACK = bulk_update(
    callback, ["callback_id"], ["state"], where="callback.state IN ('open', 'taken')"
)
_REVIEW = bulk_insert(review_item, [*OpenReview.__struct_fields__, "state"])
_NOTE = bulk_insert(note, SaveNote.__struct_fields__)
_CALLED = bulk_insert(
    inbound_call,
    [
        "call_id",
        "person_id",
        "account_id",
        "campaign_id",
        "contact_point_id",
        "began_ms",
        "agent_id",
    ],
)
_CALL_OVER = bulk_update(
    inbound_call,
    ["call_id"],
    ["ended_ms", "agent_id"],
    expressions={"agent_id": "coalesce(inbound_call.agent_id, x.agent_id)"},
)
_CALL_SAID = bulk_update(inbound_call, ["call_id"], ["disposed_ms"])

_NEW = {"state": "open"}


async def apply(conn: Conn, won: Sequence[Won]) -> None:
    """Apply every write of `won`, in the order that events and their writes have.

    Rows that a batch both makes and changes are made first; of several changes to one row the
    last counts, and increments add up.
    """
    rows = _Rows()
    for event in won:
        for write in event.writes:
            rows.add(event, write)
    await _OPEN.run(conn, rows.opened)
    await _CLOSE.run(conn, list(rows.closed.values()))
    await _DISPOSE.run(conn, list(rows.disposed.values()))
    await _MOVE.run(conn, list(rows.moved.values()))
    await _PROMISE.run(conn, rows.promises)
    await _CALLBACK.run(conn, rows.callbacks)
    await _CLOSE_CALLBACK.run(conn, list(rows.closed_callbacks.values()))
    await _REVIEW.run(conn, rows.reviews)
    await _NOTE.run(conn, rows.notes)
    await _CALLED.run(conn, rows.called)
    await _CALL_OVER.run(conn, rows.calls_over)
    await _CALL_SAID.run(conn, rows.calls_said)
    if rows.messages:
        await message_rows.apply(conn, rows.messages)
    if rows.subject:
        await subjects.apply_subject_writes(conn, rows.subject)


async def move_accounts(conn: Conn, moves: Sequence[MoveEnrolment]) -> None:
    """Where accounts stand in campaigns, when no event tells it: nobody was contacted, and no gate
    was asked."""
    rows = _Rows()
    for one in moves:
        rows.move(one)
    await _MOVE.run(conn, list(rows.moved.values()))


class _Move(msgspec.Struct, gc=False):
    campaign_id: str
    account_id: str
    state: str
    not_before_ms: int
    reason: str
    attempts: int
    last_code: str | None


class _Opened(msgspec.Struct, gc=False):
    attempt_id: str
    person_id: str
    account_id: str
    campaign_id: str | None
    contact_point_id: str
    channel: str
    mode: str
    planned_ms: int
    agent_id: str | None


class _Closed(msgspec.Struct, gc=False):
    attempt_id: str
    ended_ms: int
    outcome: str
    code: str
    agent_id: str | None
    ring_ms: int | None
    connect_ms: int | None
    talk_ms: int | None


class _Rows:
    """The writes of a batch, sorted by table."""

    def __init__(self) -> None:
        self.opened: list[Row] = []
        self.closed: dict[str, Row] = {}
        self.disposed: dict[str, Row] = {}
        self.moved: dict[tuple[str, str], _Move] = {}
        self.promises: list[Row] = []
        self.callbacks: list[Row] = []
        self.closed_callbacks: dict[str, Row] = {}
        self.reviews: list[Row] = []
        self.notes: list[Row] = []
        self.called: list[Row] = []
        self.calls_over: list[Row] = []
        self.calls_said: list[Row] = []
        self.subject: list[SubjectWrite] = []
        self.messages: list[tuple[str | None, Write]] = []

    def add(self, event: Won, write: Write) -> None:
        # What nearly every event carries comes first.
        if isinstance(write, MoveEnrolment):
            self.move(write)
        elif isinstance(write, OpenAttempt | CloseAttempt | DisposeAttempt):
            self._attempt(event)
        else:
            self._other(event, write)

    def _other(self, event: Won, write: Write) -> None:
        match write:
            case SubjectWrite():
                self.subject.append(write)
            case SavePromise():
                self.promises.append(msgspec.structs.asdict(write) | _NEW)
            case SaveCallback():
                row = msgspec.structs.asdict(write)
                asked_by = row.pop("asked_by") or event_id(event.person_id, event.seq)
                self.callbacks.append(row | {"event_id": asked_by} | _NEW)
            case CloseCallback(callback_id=callback_id, state=state):
                row = {"callback_id": callback_id, "state": state}
                self.closed_callbacks[callback_id] = row
            case OpenReview():
                self.reviews.append(msgspec.structs.asdict(write) | _NEW)
            case SaveNote():
                self.notes.append(msgspec.structs.asdict(write))
            case OpenInbound() | CloseInbound() | DisposeInbound():
                self._inbound(event, write)
            case KeepMessage() | MoveMessage() | KeepInbound():
                self.messages.append((event_id(event.person_id, event.seq), write))
            case _:
                raise TypeError(f"no table for the write {type(write).__name__}")

    def _inbound(self, event: Won, write: OpenInbound | CloseInbound | DisposeInbound) -> None:
        row = msgspec.structs.asdict(write)
        match write:
            case OpenInbound():
                began = {"person_id": event.person_id, "began_ms": event.at_ms}
                self.called.append(row | began)
            case CloseInbound():
                self.calls_over.append(row | {"ended_ms": event.at_ms})
            case DisposeInbound():
                self.calls_said.append(row | {"disposed_ms": event.at_ms})

    def _attempt(self, event: Won) -> None:
        body = event.body
        match body:
            case AttemptPlanned():
                self.opened.append(_opened(event, body))
            case AttemptEnded():
                self.closed[body.attempt_id] = _Closed(
                    body.attempt_id,
                    event.at_ms,
                    body.outcome,
                    body.code,
                    body.agent_id,
                    body.ring_ms,
                    body.connect_ms,
                    body.talk_ms,
                )
            case DispositionSet():
                self.disposed[body.attempt_id] = {
                    "attempt_id": body.attempt_id,
                    "disposed_ms": event.at_ms,
                    "outcome": body.outcome,
                    "code": body.code,
                    "agent_id": body.agent_id,
                    "wrap_ms": body.wrap_ms,
                }
            case _:
                raise TypeError(f"{type(body).__name__} changes no attempt")

    def move(self, write: MoveEnrolment) -> None:
        key = (write.campaign_id, write.account_id)
        before = self.moved.get(key)
        self.moved[key] = _Move(
            write.campaign_id,
            write.account_id,
            write.state,
            write.not_before_ms,
            write.reason,
            write.attempts_added + (before.attempts if before else 0),
            write.code if write.code is not None else before.last_code if before else None,
        )


def _opened(event: Won, body: AttemptPlanned) -> Row:
    return _Opened(
        body.attempt_id,
        event.person_id,
        body.account_id,
        body.campaign_id,
        body.contact_point_id,
        body.channel,
        body.mode,
        event.at_ms,
        body.agent_id,
    )
