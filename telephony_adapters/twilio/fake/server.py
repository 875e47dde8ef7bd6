"""The fake's REST API: the resources that Marcador uses, with Twilio's answers and errors."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qs

import msgspec
from aiohttp import hdrs, web

from telephony_adapters.clock import Clock
from telephony_adapters.simulator.correspondents import MessageWorld
from telephony_adapters.simulator.world import World
from telephony_adapters.twilio.codec import CallStatus
from telephony_adapters.twilio.fake.callers import CALLS, Callers
from telephony_adapters.twilio.fake.calls import API_VERSION, FakeCall
from telephony_adapters.twilio.fake.conference_server import ConferenceServer
from telephony_adapters.twilio.fake.exchange import Exchange, FakeSettings
from telephony_adapters.twilio.fake.failing import NOT_FOUND, FakeError, fail_create
from telephony_adapters.twilio.fake.faults import Fault
from telephony_adapters.twilio.fake.message_server import WRITES, MessageServer
from telephony_adapters.twilio.fake.replies import json_reply, page

EARS: Final = "/fake/ears"
"""What is heard at an agent's device, a JSON line a voice; no such thing exists at Twilio."""
RETRY_AFTER_S: Final = 1

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeTwilio:
    """Serves one account on a loopback port. `exchange` holds calls, conferences and faults,
    `messages` what was written in both directions."""

    def __init__(
        self,
        settings: FakeSettings,
        clock: Clock,
        world: World,
        faults: Mapping[str, Fault] | None = None,
        people: MessageWorld | None = None,
    ) -> None:
        self.settings = settings
        self.exchange = Exchange(settings, clock, world, faults)
        self.messages = MessageServer(settings, clock, self.exchange.sender, faults, people)
        self.callers = Callers(self.exchange, settings.inbound_url)
        self.port = 0
        self.cut = False
        """The network between Marcador and the fake is down, in both directions."""
        self._handling = 0
        self._met: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None

    @property
    def busy(self) -> bool:
        """Requests or webhooks are under way."""
        return bool(self._handling or self.exchange.sender.in_flight)

    @property
    def sending(self) -> bool:
        """Webhooks are under way."""
        return self.exchange.sender.in_flight > 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1, never elsewhere. Raises `OSError`."""
        app = web.Application(middlewares=[self._around])
        account = f"/{API_VERSION}/Accounts/{{account}}"
        app.router.add_get(f"{account}.json", self._fetch_account)
        app.router.add_post(f"{account}/Calls.json", self._create_call)
        app.router.add_get(f"{account}/Calls.json", self._list_calls)
        app.router.add_get(f"{account}/Calls/{{sid}}.json", self._fetch_call)
        app.router.add_post(f"{account}/Calls/{{sid}}.json", self._update_call)
        ConferenceServer(self.exchange).add_routes(app, account)
        self.exchange.recorder.add_routes(app, account)
        self.callers.add_routes(app, account)
        self.messages.add_routes(app, account)
        app.router.add_get(EARS, self._ears)
        runner = self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, handler_cancellation=True,
            shutdown_timeout=0.5,
        )  # fmt: skip
        await runner.setup()
        self.exchange.open()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        await self.messages.close()
        await self.exchange.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def set_cut(self, *, cut: bool) -> None:
        """Cut the network, or mend it."""
        self.cut = self.exchange.sender.cut = cut

    # --- around every request -------------------------------------------------------------------

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == EARS:
            return await handler(request)
        self._handling += 1
        try:
            if self.cut:
                return _hang_up_on(request)
            if request.path not in (WRITES, CALLS):
                self._authenticate(request)
            return await handler(request)
        except FakeError as error:
            return _error(error)
        except web.HTTPNotFound:
            return _error(NOT_FOUND)
        finally:
            self._handling -= 1

    def _authenticate(self, request: web.Request) -> None:
        owner = self.settings
        pair = f"{owner.account_sid}:{owner.auth_token}".encode()
        expected = f"Basic {base64.b64encode(pair).decode()}"
        if request.headers.get(hdrs.AUTHORIZATION) != expected:
            raise FakeError(401, 20003, "Authenticate")
        if request.match_info.get("account") != owner.account_sid:
            raise NOT_FOUND

    # --- account --------------------------------------------------------------------------------

    async def _fetch_account(self, _: web.Request) -> web.StreamResponse:
        return json_reply(
            {
                "sid": self.settings.account_sid,
                "friendly_name": "Marcador on loopback",
                "status": "active",
                "type": "Full",
            }
        )

    # --- calls ----------------------------------------------------------------------------------

    async def _create_call(self, request: web.Request) -> web.StreamResponse:
        form = parse_qs((await request.read()).decode(), keep_blank_values=True)
        to = form.get("To", [""])[0]
        if not to:
            raise FakeError(400, 21201, "No 'To' number is specified")
        if not form.get("From", [""])[0]:
            raise FakeError(400, 21213, "No 'From' number is specified")
        fault = self.exchange.faults.get(to)
        if fault is not None and fault.create is not None and self._met[to] < fault.times:
            self._met[to] += 1
            await fail_create(fault.create, lambda: self.exchange.create(form))
        return json_reply(
            self.exchange.create(form).resource(self.settings.account_sid), status=201
        )

    async def _list_calls(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        if query.get("Status") == CallStatus.INITIATED:
            raise FakeError(400, 20001, "Invalid Status")
        found = [
            call
            for call in self.exchange.calls.values()
            if query.get("Status", call.listed_status) == call.listed_status
            and query.get("To", call.to) == call.to
            and query.get("From", call.from_) == call.from_
        ]
        rows = [call.resource(self.settings.account_sid) for call in found]
        return page(request, "calls", rows)

    async def _fetch_call(self, request: web.Request) -> web.StreamResponse:
        return json_reply(self._call(request).resource(self.settings.account_sid))

    async def _update_call(self, request: web.Request) -> web.StreamResponse:
        call = self._call(request)
        form = parse_qs((await request.read()).decode(), keep_blank_values=True)
        status = form.get("Status", [""])[0]
        document = form.get("Twiml", [""])[0]
        if status == CallStatus.COMPLETED:
            self.exchange.hang_up(call)
        elif status == CallStatus.CANCELED:
            self.exchange.cancel(call)
        elif document:
            if not call.is_answered:
                raise FakeError(400, 21220, "Call is not in-progress. Cannot redirect.")
            self.exchange.redirect(call, document)
        return json_reply(call.resource(self.settings.account_sid))

    def _call(self, request: web.Request) -> FakeCall:
        call = self.exchange.calls.get(request.match_info["sid"])
        if call is None:
            raise NOT_FOUND
        return call

    # --- ears -----------------------------------------------------------------------------------

    async def _ears(self, request: web.Request) -> web.StreamResponse:
        """What an agent hears until the device is hung up, as it happens."""
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "application/x-ndjson"})
        await response.prepare(request)
        async for heard in self.exchange.voices.ears(request.query.get("at", "")):
            await response.write(msgspec.json.encode(heard) + b"\n")
        return response


def _hang_up_on(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _error(error: FakeError) -> web.Response:
    response = json_reply(
        {
            "code": error.code,
            "message": str(error),
            "more_info": f"https://www.twilio.com/docs/errors/{error.code}",
            "status": error.status,
        },
        status=error.status,
    )
    if error.status == 429:
        response.headers[hdrs.RETRY_AFTER] = str(RETRY_AFTER_S)
    return response
