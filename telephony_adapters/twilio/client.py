"""Twilio's REST API through the official SDK: calls, and who is in which conference.

A request that was turned away with 429 was never processed, so that alone is tried again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar

import msgspec
from twilio.base import values
from twilio.base.exceptions import TwilioException
from twilio.rest import Client
from twilio.rest.api.v2010.account.conference import ConferenceInstance

from telephony_adapters.clock import Clock
from telephony_adapters.errors import CarrierUnavailable, OutcomeUnknown
from telephony_adapters.twilio.codec import CallStatus, Label, label_read
from telephony_adapters.twilio.settings import TwilioSettings
from telephony_adapters.twilio.transport import RedirectingHttp, Refused

T = TypeVar("T")

TOO_MANY: Final = 429
FIRST_BACK_OFF_S: Final = 0.5
LONGEST_BACK_OFF_S: Final = 2.0
PAGE_CALLS: Final = 1000
MOST_LISTED: Final = 10_000
ROOM_STATUSES: Final = ("init", "in-progress")
"""Of a conference with somebody in it; the first while nobody else has come yet."""


class CallInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A Call resource, as far as it is used."""

    sid: str
    status: CallStatus
    to: str
    inbound: bool = False
    created_at: datetime | None = None


class RoomInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A Conference resource, as far as it is used."""

    sid: str
    name: str


class NewCall(msgspec.Struct, frozen=True, kw_only=True):
    """What `POST /Calls` is asked for."""

    to: str
    from_: str
    twiml: str
    status_url: str
    timeout_s: int
    amd_url: str | None = None
    amd_timeout_s: int = 0


class TwilioApi:
    """The few resources that Marcador uses, typed."""

    def __init__(self, settings: TwilioSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._http = RedirectingHttp(settings)
        # An environment of its own: TWILIO_EDGE or TWILIO_REGION must not change where calls go.
        self._client = Client(
            settings.account_sid,
            settings.auth_token,
            http_client=self._http,
            environment={"TWILIO_ACCOUNT_SID": settings.account_sid},
        )

    @property
    def in_flight(self) -> int:
        return self._http.in_flight

    def open(self) -> None:
        self._http.open()

    async def close(self) -> None:
        await self._http.close()

    async def account_status(self) -> str:
        """`active`, `suspended` or `closed`. Raises `CarrierUnavailable` on bad credentials."""
        account = self._client.api.v2010.accounts(self._settings.account_sid)
        found = await self._ask(account.fetch_async)
        return str(found.status)

    async def create_call(self, new: NewCall, *, not_after: datetime | None = None) -> CallInfo:
        """Place a call; never twice. `not_after` bounds the back-off.

        Raises `CarrierUnavailable`, `Refused`, or `OutcomeUnknown` when it may have been placed.
        """
        amd = new.amd_url is not None

        async def create() -> object:
            return await self._client.calls.create_async(
                to=new.to,
                from_=new.from_,
                twiml=new.twiml,
                timeout=new.timeout_s,
                status_callback=new.status_url,
                status_callback_event=["initiated", "ringing", "answered", "completed"],
                status_callback_method="POST",
                machine_detection="Enable" if amd else values.unset,
                machine_detection_timeout=new.amd_timeout_s if amd else values.unset,
                async_amd="true" if amd else values.unset,
                async_amd_status_callback=new.amd_url or values.unset,
                async_amd_status_callback_method="POST" if amd else values.unset,
            )

        return _call_info(await self._ask(create, not_after=not_after))

    async def redirect_call(self, sid: str, twiml: str) -> None:
        """Let an answered call follow another document."""
        await self._ask(lambda: self._client.calls(sid).update_async(twiml=twiml))

    async def end_call(self, sid: str) -> None:
        """Hang up in any state."""
        await self._ask(lambda: self._client.calls(sid).update_async(status="completed"))

    async def cancel_call(self, sid: str) -> None:
        """Give a call up that is queued or rings; one that was answered goes on."""
        await self._ask(lambda: self._client.calls(sid).update_async(status="canceled"))

    async def call(self, sid: str) -> CallInfo:
        return _call_info(await self._ask(self._client.calls(sid).fetch_async))

    async def calls(self, status: CallStatus) -> list[CallInfo]:
        """Every call of the account in this state."""
        found = await self._ask(
            lambda: self._client.calls.list_async(
                status=status.value, page_size=PAGE_CALLS, limit=MOST_LISTED
            )
        )
        return [_call_info(call) for call in found]

    async def rooms(self) -> list[RoomInfo]:
        """Conferences of the account in which somebody is, alone or not."""
        found = [room for status in ROOM_STATUSES for room in await self._rooms_in(status)]
        return [RoomInfo(sid=str(room.sid), name=str(room.friendly_name)) for room in found]

    async def _rooms_in(self, status: str) -> list[ConferenceInstance]:
        return await self._ask(
            lambda: self._client.conferences.list_async(
                status=status, page_size=PAGE_CALLS, limit=MOST_LISTED
            )
        )

    async def inside(self, room_sid: str) -> list[tuple[str, Label | None]]:
        """Who is in a conference: SID of the call, and the label, if it is one of ours."""
        found = await self._ask(self._client.conferences(room_sid).participants.list_async)
        return [(str(one.call_sid), label_read(str(one.label or ""))) for one in found]

    async def _ask(
        self, ask: Callable[[], Awaitable[T]], *, not_after: datetime | None = None
    ) -> T:
        """Ask, and again after 429 until `retry_limit_s` or `not_after` is over."""
        until = self._clock.now() + timedelta(seconds=self._settings.retry_limit_s)
        if not_after is not None:
            until = min(until, not_after)
        back_off_s = FIRST_BACK_OFF_S
        while True:
            try:
                return await ask()
            except Refused as refused:
                if refused.status in (401, 403):
                    raise CarrierUnavailable(
                        "Twilio refuses the credentials: check twilio.account_sid and "
                        f"twilio.auth_token ({refused})",
                        provider_code=refused.provider_code,
                    ) from refused
                delay_s = max(refused.retry_after_s, back_off_s)
                if (
                    refused.status != TOO_MANY
                    or self._clock.now() + timedelta(seconds=delay_s) >= until
                ):
                    raise
                await self._clock.sleep(delay_s)
                back_off_s = min(back_off_s * 2, LONGEST_BACK_OFF_S)
            except (TwilioException, KeyError, ValueError, TypeError) as error:
                # The SDK reads the answer: one that is not Twilio's says nothing of what was done.
                raise OutcomeUnknown(f"Twilio's answer cannot be read: {error}") from error


def _call_info(call: object) -> CallInfo:
    """A typed copy of the SDK's CallInstance. Raises `OutcomeUnknown` for one without a SID."""
    sid = getattr(call, "sid", None)
    created = getattr(call, "date_created", None)
    if not isinstance(sid, str):
        raise OutcomeUnknown("Twilio's answer names no call")
    status = str(getattr(call, "status", ""))
    return CallInfo(
        sid=sid,
        status=CallStatus(status) if status in set(CallStatus) else CallStatus.QUEUED,
        to=str(getattr(call, "to", "") or ""),
        inbound=getattr(call, "direction", None) == "inbound",
        created_at=created if isinstance(created, datetime) else None,
    )
