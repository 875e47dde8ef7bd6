"""Signed webhooks over real HTTP, with the faults of the line they are about."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp
from twilio.request_validator import RequestValidator

from telephony_adapters.clock import Clock
from telephony_adapters.twilio.fake.faults import Fault

OUT_OF_ORDER_S = 2.0
LIMIT_S = 15.0
"""Twilio's own limit for a webhook's answer (real time)."""


class Sender:
    """Posts forms as Twilio does: signed by the account's token over URL and fields."""

    def __init__(self, auth_token: str, clock: Clock) -> None:
        self._validator = RequestValidator(auth_token)
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self.in_flight = 0
        self.cut = False
        """The way to the receiver is cut: everything is lost."""
        self.sent = 0
        self.failed = 0
        """Webhooks that were not answered with success."""

    def open(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S))

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def callback(
        self, url: str, fields: Mapping[str, str], fault: Fault, number: int
    ) -> None:
        """Tell, late and repeatedly where the fault says so. `number` counts a call's callbacks."""
        late_s = fault.late_s
        if fault.out_of_order and number % 2 == 0:
            late_s += OUT_OF_ORDER_S
        if late_s:
            await self._clock.sleep(late_s)
        for _ in range(1 + fault.repeats):
            await self.post(url, fields, fault)

    async def post(self, url: str, fields: Mapping[str, str], fault: Fault) -> str | None:
        """The answer to one webhook; None when there was none, or it was an error."""
        session = self._session
        if session is None or self.cut:
            return None
        signature = self._validator.compute_signature(url, fields)
        if fault.wrong_signature:
            signature = signature[::-1]
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": signature,
        }
        self.in_flight += 1
        self.sent += 1
        try:
            async with session.post(url, data=urlencode(fields), headers=headers) as reply:
                text = await reply.text()
                if reply.status < 400:
                    return text
        except (aiohttp.ClientError, TimeoutError):
            pass
        finally:
            self.in_flight -= 1
        self.failed += 1
        return None
