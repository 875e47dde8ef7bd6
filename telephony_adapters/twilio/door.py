"""The door that Twilio knocks at: its own small HTTP application, on a port of its own.

It is apart from the console on purpose: this is the only part of Marcador that the internet has
to reach, so it serves nothing but webhooks, each of them signed. What is not signed, too large or
not understood is refused, counted and logged (never with its content), and changes nothing.
Calls and messages of one account share it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl

import msgspec
import structlog
from aiohttp import web
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from telephony_adapters.errors import CarrierUnavailable
from telephony_adapters.twilio import twiml
from telephony_adapters.twilio.codec import MalformedWebhook
from telephony_adapters.twilio.settings import TwilioSettings

log = structlog.get_logger()

MOST_BYTES: Final = 65_536
MOST_FIELDS: Final = 200
SIGNATURE: Final = "X-Twilio-Signature"
FORM: Final = "application/x-www-form-urlencoded"
ALIVE_TEXT: Final = "marcador"
"""What `/twilio/alive` answers, so that `marcador doctor` knows who is behind the public URL."""
SHUTDOWN_S: Final = 2.0
_OUR_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

Fields = MultiDict[str]
Take = Callable[[web.Request, Fields], str | Awaitable[str | None] | None]
"""Takes a verified webhook; what it answers is a document, or nothing. May raise `NotKept`."""


class NotKept(Exception):
    """What a webhook says is not durable (yet); it must not be taken for delivered."""


class WebhookCounts(msgspec.Struct):
    """What came through the door since the start."""

    accepted: int = 0
    bad_signature: int = 0
    too_large: int = 0
    malformed: int = 0
    not_kept: int = 0
    """Answered with an error, since what they say could not be written down in time."""


class Door:
    """Receives, verifies, and hands over. It is open while anybody who uses it has it open."""

    def __init__(self, settings: TwilioSettings) -> None:
        self._settings = settings
        self._validator = RequestValidator(settings.auth_token)
        self._public_url = settings.public_url.rstrip("/")
        self._takers: dict[str, Take] = {}
        self._users: set[object] = set()
        self._runner: web.AppRunner | None = None
        self.counts = WebhookCounts()

    def add(self, path: str, take: Take) -> None:
        """Webhooks to this path are for `take`."""
        self._takers[path] = take

    async def open(self, user: object) -> None:
        """Listen, if nobody had it open. Raises `CarrierUnavailable` where that is not possible."""
        if not self._users:
            await self._listen()
        self._users.add(user)

    async def close(self, user: object) -> None:
        """Close, once the last who opened it does so; nothing for one who had not."""
        self._users.discard(user)
        if self._users:
            return
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _listen(self) -> None:
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_post("/{tail:.*}", self._handle)
        app.router.add_get(twiml.ALIVE, alive)
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_S
        )
        await runner.setup()
        host, port = self._settings.listen_host, self._settings.listen_port
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise CarrierUnavailable(
                f"cannot listen for Twilio's webhooks on {host}:{port} ({error.strerror}); "
                "set twilio.listen_host and twilio.listen_port to a free address"
            ) from error
        self._runner = runner

    # --- around every webhook -------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        take = self._takers.get(request.path)
        if take is None:
            return web.Response(status=404)
        try:
            fields = await _fields(request)
        except web.HTTPRequestEntityTooLarge:
            self.counts.too_large += 1
            return _refused(request, 413, "too_large")
        except MalformedWebhook as error:
            self.counts.malformed += 1
            return _refused(request, 400, "malformed", error.field)
        if not self._is_signed(request, fields):
            self.counts.bad_signature += 1
            return _refused(request, 403, "bad_signature")
        try:
            answer = take(request, fields)
            document = await answer if isinstance(answer, Awaitable) else answer
        except MalformedWebhook as error:
            self.counts.malformed += 1
            return _refused(request, 400, "malformed", error.field)
        except NotKept:
            self.counts.not_kept += 1
            return _refused(request, 503, "not_kept")
        self.counts.accepted += 1
        if document is None:
            return web.Response(status=204)
        return web.Response(text=document, content_type="text/xml")

    def _is_signed(self, request: web.Request, fields: Fields) -> bool:
        """By the account's token, over the URL that Twilio was given, query and all."""
        signature = request.headers.get(SIGNATURE, "")
        url = f"{self._public_url}{request.raw_path}"
        try:
            return bool(self._validator.validate(url, fields, signature))
        except ValueError:
            return False


async def _fields(request: web.Request) -> Fields:
    """The form of a webhook. Raises `MalformedWebhook`, `HTTPRequestEntityTooLarge`."""
    raw = await request.read()
    if request.content_type != FORM:
        raise MalformedWebhook("Content-Type", f"{FORM} is due")
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError as error:
        raise MalformedWebhook("body", "not a form") from error
    return MultiDict(pairs)


def _refused(request: web.Request, status: int, reason: str, field: str = "") -> web.Response:
    log.warning(
        "twilio_webhook_refused", path=request.path, reason=reason, field=field, peer=request.remote
    )
    return web.Response(status=status)


def our_id(request: web.Request, name: str) -> str:
    """An id of ours that a webhook's address carries. Raises `MalformedWebhook`."""
    value = request.query.get(name, "")
    if not _OUR_ID.fullmatch(value):
        raise MalformedWebhook(name, "not an id of ours")
    return value


async def alive(_: web.Request) -> web.Response:
    """Says whose door this is, and nothing else."""
    return web.Response(text=ALIVE_TEXT)
