"""Twilio's REST API through the official SDK, sent to the configured place and nowhere else.

What a failure means is decided here once: *not sent* (`CarrierUnavailable`), *refused*
(`Refused`, with Twilio's code), or *perhaps done* (`OutcomeUnknown`). A request that was turned
away with 429 was never processed, so that alone is tried again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec
from twilio.base import values
from twilio.base.exceptions import TwilioException
from twilio.http.response import Response
from twilio.rest import Client
from yarl import URL

from telephony_adapters.clock import Clock
from telephony_adapters.errors import CarrierUnavailable, OutcomeUnknown, TelephonyError
from telephony_adapters.twilio.codec import CallStatus
from telephony_adapters.twilio.settings import TWILIO_API, TwilioSettings

T = TypeVar("T")

TOO_MANY: Final = 429
FIRST_BACK_OFF_S: Final = 0.5
LONGEST_BACK_OFF_S: Final = 2.0
KEEP_ALIVE_S: Final = 10.0
"""Less than Twilio keeps an idle connection: a request sent into a closed one has no known fate."""
MOST_CONNECTIONS: Final = 32
PAGE_CALLS: Final = 1000
MOST_LISTED: Final = 10_000


class Refused(TelephonyError):
    """Twilio answered with an error: what was asked for certainly has not happened."""

    code = "twilio_refused"

    def __init__(self, status: int, twilio_code: int, message: str, retry_after_s: float) -> None:
        super().__init__(message, provider_code=f"twilio:{twilio_code}")
        self.status = status
        self.twilio_code = twilio_code
        self.retry_after_s = retry_after_s
        """What Twilio's `Retry-After` asks for; 0 when it does not say."""

    @property
    def is_gone(self) -> bool:
        """The call does not exist, or is not in a state in which it can be changed."""
        return self.status == 404 or self.twilio_code in (20404, 21220)


class CallInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A Call resource, as far as it is used."""

    sid: str
    status: CallStatus
    to: str
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


class RedirectingHttp:
    """What the SDK sends with: other address, a time limit, and errors with their headers.

    It has what the SDK asks of an `AsyncHttpClient`. The SDK's own has no time limit, drops the
    headers of errors, and writes every request, numbers and all, to the log.
    """

    is_async = True

    def __init__(self, settings: TwilioSettings) -> None:
        self._api_url = settings.api_url.rstrip("/")
        self._limit = aiohttp.ClientTimeout(total=settings.request_timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self.in_flight = 0
        """Requests that wait for their answer."""

    def open(self) -> None:
        """Make the session; needs a running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=MOST_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S
                ),
                timeout=self._limit,
            )

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the SDK's own signature
        allow_redirects: bool = False,
    ) -> Response:
        """One request. Raises `CarrierUnavailable`, `OutcomeUnknown`, `Refused`."""
        url = self._address(uri)
        if params:
            url = url.extend_query({name: str(value) for name, value in params.items()})
        session = self._session
        if session is None:
            raise CarrierUnavailable("there is no connection to Twilio: the adapter is stopped")
        self.in_flight += 1
        try:
            async with session.request(
                method.upper(),
                url,
                data=urlencode(data, doseq=True) if data else None,
                headers={**(headers or {}), **_authorization(auth)},
                allow_redirects=False,
            ) as reply:
                text = await reply.text()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise CarrierUnavailable(f"Twilio cannot be reached at {url.host}: {error}") from error
        except TimeoutError as error:
            raise OutcomeUnknown(f"no answer from Twilio within {self._limit.total:g} s") from error
        except (aiohttp.ClientError, UnicodeDecodeError) as error:
            raise OutcomeUnknown(f"the answer from Twilio was lost: {error}") from error
        finally:
            self.in_flight -= 1
        if reply.status >= 500:
            raise OutcomeUnknown(f"Twilio failed with {reply.status}", provider_code=_code(text))
        if reply.status >= 400:
            raise _refusal(reply.status, text, reply.headers)
        return Response(reply.status, text, reply.headers)

    def _address(self, uri: str) -> URL:
        """Where a request of the SDK goes. Raises `CarrierUnavailable` for any other host."""
        parts = urlsplit(uri)
        if f"{parts.scheme}://{parts.netloc}" != TWILIO_API:
            raise CarrierUnavailable(f"a request to {parts.netloc} was refused: not Twilio's API")
        query = f"?{parts.query}" if parts.query else ""
        return URL(f"{self._api_url}{parts.path}{query}", encoded=True)


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
        """Conferences of the account in which somebody is."""
        found = await self._ask(
            lambda: self._client.conferences.list_async(
                status="in-progress", page_size=PAGE_CALLS, limit=MOST_LISTED
            )
        )
        return [RoomInfo(sid=str(room.sid), name=str(room.friendly_name)) for room in found]

    async def inside(self, room_sid: str) -> list[tuple[str, str]]:
        """Who is in a conference: SID of the call, and the label it came with."""
        found = await self._ask(self._client.conferences(room_sid).participants.list_async)
        return [(str(one.call_sid), str(one.label or "")) for one in found]

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


def _authorization(auth: tuple[str, str] | None) -> dict[str, str]:
    if auth is None:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}"}


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
        created_at=created if isinstance(created, datetime) else None,
    )


def _refusal(status: int, text: str, headers: Mapping[str, str]) -> Refused:
    retry_after = headers.get("Retry-After", "")
    code = _code(text)
    return Refused(
        status,
        int(code) if code else status,
        _message(text) or f"HTTP {status}",
        float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0,
    )


def _body(text: str) -> Mapping[str, object]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _code(text: str) -> str:
    code = _body(text).get("code")
    return str(code) if isinstance(code, int) else ""


def _message(text: str) -> str:
    return str(_body(text).get("message", ""))
