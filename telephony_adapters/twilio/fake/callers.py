"""People who call the fake's account, and what its numbers do then."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from telephony_adapters.twilio.fake.exchange import Exchange
from telephony_adapters.twilio.fake.failing import FakeError
from telephony_adapters.twilio.fake.replies import json_reply, page

CALLS: Final = "/fake/calls"
"""Somebody calls the account: `From` (none: withheld), `To`; no such thing exists at Twilio."""
PATIENCE_S: Final = 60.0


class Callers:
    """The account's numbers, every one its own, and a lever to call them."""

    def __init__(self, exchange: Exchange, message_url: str) -> None:
        self._exchange = exchange
        self.message_url = message_url
        """Where what is written to the numbers is told; empty: nowhere."""

    def add_routes(self, app: web.Application, account: str) -> None:
        app.router.add_get(f"{account}/IncomingPhoneNumbers.json", self._numbers)
        app.router.add_post(CALLS, self._call)

    async def _numbers(self, request: web.Request) -> web.StreamResponse:
        row = {
            "sid": f"PN{'0' * 32}",
            "phone_number": request.query.get("PhoneNumber", ""),
            "sms_url": self.message_url,
            "voice_url": self._exchange.voice_url,
            "voice_method": "POST",
            "status_callback": self._exchange.voice_status_url,
        }
        return page(request, "incoming_phone_numbers", [row])

    async def _call(self, request: web.Request) -> web.StreamResponse:
        form = parse_qs((await request.read()).decode(), keep_blank_values=True)
        called = form.get("To", [""])[0]
        if not called:
            raise FakeError(400, 21201, "To is due")
        caller = form.get("From", [""])[0] or None
        call = self._exchange.somebody_calls(caller, called, patience_s=PATIENCE_S)
        return json_reply(call.resource(self._exchange.settings.account_sid), status=201)
