"""What the adapter remembers of messages: which of Twilio's are ours, and how far they came."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from telephony_adapters.messaging import DeliveryState, MessageId, OutboundMessage

MOST_REMEMBERED: Final = 250_000


class Dispatch(msgspec.Struct, kw_only=True):
    """One message of this life of the program."""

    message: OutboundMessage
    asked_at: datetime
    sid: str | None = None
    state: DeliveryState | None = None


class Dispatches:
    """The latest messages; the oldest are forgotten first."""

    def __init__(self, limit: int = MOST_REMEMBERED) -> None:
        self._limit = limit
        self._by_id: dict[MessageId, Dispatch] = {}
        self._ids: dict[str, MessageId] = {}

    def get(self, message_id: MessageId) -> Dispatch | None:
        return self._by_id.get(message_id)

    def add(self, message: OutboundMessage, asked_at: datetime) -> Dispatch:
        while len(self._by_id) >= self._limit:
            self.forget(next(iter(self._by_id)))
        dispatch = self._by_id[message.message_id] = Dispatch(message=message, asked_at=asked_at)
        return dispatch

    def forget(self, message_id: MessageId) -> None:
        dispatch = self._by_id.pop(message_id, None)
        if dispatch is not None and dispatch.sid is not None:
            self._ids.pop(dispatch.sid, None)

    def bind(self, dispatch: Dispatch, sid: str) -> bool:
        """This is Twilio's SID of the message; False when it has another one already."""
        if dispatch.sid is None:
            dispatch.sid = sid
            self._ids[sid] = dispatch.message.message_id
        return dispatch.sid == sid

    def is_bound(self, sid: str) -> bool:
        return sid in self._ids
