"""The HTTP below the official SDK: sent to the configured place and nowhere else.

What a failure means is decided here once: *not sent* (`CarrierUnavailable`), *refused*
(`Refused`, with Twilio's code), or *perhaps done* (`OutcomeUnknown`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

import aiohttp
from twilio.http.response import Response
from yarl import URL

from telephony_adapters.errors import CarrierUnavailable, OutcomeUnknown, TelephonyError
from telephony_adapters.twilio.settings import TWILIO_API, TwilioSettings

KEEP_ALIVE_S: Final = 10.0
"""Less than Twilio keeps an idle connection: a request sent into a closed one has no known fate."""
MOST_CONNECTIONS: Final = 32
FILE_TIMEOUT_S: Final = 120.0
"""Longest wait for the file of a recording (real time)."""


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
        body = urlencode(data, doseq=True) if data else None
        status, raw, told = await self._exchange(
            method.upper(), url, body, {**(headers or {}), **_authorization(auth)}, self._limit
        )
        try:
            return Response(status, raw.decode(), told)
        except UnicodeDecodeError as error:
            raise OutcomeUnknown(f"the answer from Twilio was lost: {error}") from error

    async def download(self, uri: str, auth: tuple[str, str]) -> bytes:
        """A file, whole. Raises `CarrierUnavailable`, `OutcomeUnknown`, `Refused`."""
        limit = aiohttp.ClientTimeout(total=FILE_TIMEOUT_S)
        url = self._address(uri)
        return (await self._exchange("GET", url, None, _authorization(auth), limit))[1]

    async def _exchange(
        self,
        method: str,
        url: URL,
        body: str | None,
        headers: Mapping[str, str],
        limit: aiohttp.ClientTimeout,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        session = self._session
        if session is None:
            raise CarrierUnavailable("there is no connection to Twilio: the adapter is stopped")
        self.in_flight += 1
        try:
            async with session.request(
                method, url, data=body, headers=headers, allow_redirects=False, timeout=limit
            ) as reply:
                raw = await reply.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise CarrierUnavailable(f"Twilio cannot be reached at {url.host}: {error}") from error
        except TimeoutError as error:
            raise OutcomeUnknown(f"no answer from Twilio within {limit.total:g} s") from error
        except aiohttp.ClientError as error:
            raise OutcomeUnknown(f"the answer from Twilio was lost: {error}") from error
        finally:
            self.in_flight -= 1
        if reply.status >= 400:
            text = raw.decode(errors="replace")
            if reply.status >= 500:
                raise OutcomeUnknown(
                    f"Twilio failed with {reply.status}", provider_code=_code(text)
                )
            raise _refusal(reply.status, text, reply.headers)
        return reply.status, raw, reply.headers

    def _address(self, uri: str) -> URL:
        """Where a request of the SDK goes. Raises `CarrierUnavailable` for any other host."""
        parts = urlsplit(uri)
        if f"{parts.scheme}://{parts.netloc}" != TWILIO_API:
            raise CarrierUnavailable(f"a request to {parts.netloc} was refused: not Twilio's API")
        query = f"?{parts.query}" if parts.query else ""
        return URL(f"{self._api_url}{parts.path}{query}", encoded=True)


def _authorization(auth: tuple[str, str] | None) -> dict[str, str]:
    if auth is None:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}"}


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
