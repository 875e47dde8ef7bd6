"""The Message resource of Twilio's REST API, typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from twilio.base import values

from telephony_adapters.errors import OutcomeUnknown
from telephony_adapters.twilio.client import MOST_LISTED, PAGE_CALLS, TwilioApi
from telephony_adapters.twilio.message_codec import MessageStatus, StatusTold

INBOUND: Final = "inbound"
MOST_OF_ONE: Final = 200


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What `POST /Messages` is asked for."""

    to: str
    from_: str | None
    service_sid: str | None
    body: str | None
    content_sid: str | None
    variables: Mapping[str, str]
    status_url: str
    validity_s: int


class MessageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A Message resource, as far as it is used."""

    sid: str
    direction: str
    from_: str
    to: str
    body: str
    media: int
    told: StatusTold
    created_at: datetime | None = None


class MessageApi(TwilioApi):
    """Messages of the account. Raises as `TwilioApi` does."""

    async def create_message(self, new: NewMessage, *, not_after: datetime) -> MessageInfo:
        """Send a message; never twice. `not_after` bounds the back-off."""

        async def create() -> object:
            return await self._client.messages.create_async(
                to=new.to,
                from_=_or_unset(new.from_),
                messaging_service_sid=_or_unset(new.service_sid),
                body=_or_unset(new.body),
                content_sid=_or_unset(new.content_sid),
                content_variables=json.dumps(new.variables) if new.variables else values.unset,
                status_callback=new.status_url,
                validity_period=new.validity_s,
            )

        return _message_info(await self._ask(create, not_after=not_after))

    async def message(self, sid: str) -> MessageInfo:
        return _message_info(await self._ask(self._client.messages(sid).fetch_async))

    async def inbound_url_of(self, number: str) -> str | None:
        """Where messages to a number of the account are told; None: the account has no such."""
        found = await self._ask(
            lambda: self._client.incoming_phone_numbers.list_async(phone_number=number, limit=1)
        )
        return str(found[0].sms_url or "") if found else None

    async def messages_to(self, address: str) -> list[MessageInfo]:
        """The latest messages to an address, those that still wait to be sent included."""
        found = await self._ask(
            lambda: self._client.messages.list_async(
                to=address, page_size=MOST_OF_ONE, limit=MOST_OF_ONE
            )
        )
        return [_message_info(one) for one in found]

    async def received_since(self, since: datetime, *, to: str | None) -> list[MessageInfo]:
        """What people wrote on the day of `since` or later, to one of our numbers or to any."""
        found = await self._ask(
            lambda: self._client.messages.list_async(
                to=_or_unset(to),
                date_sent_after=since,
                page_size=PAGE_CALLS,
                limit=MOST_LISTED,
            )
        )
        infos = (_message_info(one) for one in found)
        return [info for info in infos if info.direction == INBOUND]


def _or_unset(value: str | None) -> object:
    return values.unset if value is None else value


def _message_info(message: object) -> MessageInfo:
    """A typed copy of the SDK's instance. Raises `OutcomeUnknown` for one without a SID."""
    sid = getattr(message, "sid", None)
    if not isinstance(sid, str):
        raise OutcomeUnknown("Twilio's answer names no message")
    status = str(getattr(message, "status", ""))
    error = getattr(message, "error_code", None)
    created = getattr(message, "date_created", None)
    media = str(getattr(message, "num_media", "") or "")
    return MessageInfo(
        sid=sid,
        direction=str(getattr(message, "direction", "") or ""),
        from_=str(getattr(message, "from_", "") or ""),
        to=str(getattr(message, "to", "") or ""),
        body=str(getattr(message, "body", "") or ""),
        media=int(media) if media.isdigit() else 0,
        told=StatusTold(
            sid=sid,
            status=(
                MessageStatus(status) if status in set(MessageStatus) else MessageStatus.QUEUED
            ),
            error=error if isinstance(error, int) else 0,
        ),
        created_at=created if isinstance(created, datetime) else None,
    )
