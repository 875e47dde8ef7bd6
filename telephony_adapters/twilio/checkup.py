"""Looks at an account and at the way back to us before anything is dialed."""

from __future__ import annotations

import contextlib
from enum import StrEnum

import aiohttp
from aiohttp import web

from telephony_adapters.clock import Clock
from telephony_adapters.twilio import twiml
from telephony_adapters.twilio.client import TwilioApi
from telephony_adapters.twilio.door import ALIVE_TEXT, alive
from telephony_adapters.twilio.message_api import MessageApi
from telephony_adapters.twilio.settings import TwilioSettings
from telephony_adapters.twilio.voice_api import NumberInfo, VoiceApi


class Door(StrEnum):
    """Who answers at the public URL."""

    OURS = "ours"
    SOMEBODY_ELSE = "somebody_else"
    NOBODY = "nobody"


async def account_status(settings: TwilioSettings, clock: Clock) -> str:
    """`active`, `suspended` or `closed`. Raises `TelephonyError`, on bad credentials too."""
    api = TwilioApi(settings, clock)
    api.open()
    try:
        return await api.account_status()
    finally:
        await api.close()


async def inbound_url_of(settings: TwilioSettings, clock: Clock, number: str) -> str | None:
    """Where messages to a number of the account are told; None: the account has no such number.

    Raises `TelephonyError`.
    """
    api = MessageApi(settings, clock)
    api.open()
    try:
        return await api.inbound_url_of(number)
    finally:
        await api.close()


async def numbers_of(settings: TwilioSettings, clock: Clock) -> list[tuple[str, NumberInfo | None]]:
    """Each number that we call from, and where Twilio tells of calls to it; None: it is no number
    of the account.

    Raises `TelephonyError`.
    """
    api = VoiceApi(settings, clock)
    api.open()
    try:
        return [(number, await api.number(number)) for number in settings.caller_ids]
    finally:
        await api.close()


async def knock_at_public_url(settings: TwilioSettings) -> Door:
    """Go out to the public URL and see whether we arrive at our own door.

    While no Marcador listens there, the door is opened for this moment.
    """
    app = web.Application()
    app.router.add_get(twiml.ALIVE, alive)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        # A running Marcador has the port already, and then it is the one that must answer.
        with contextlib.suppress(OSError):
            await web.TCPSite(runner, settings.listen_host, settings.listen_port).start()
        return await _knock(f"{settings.public_url.rstrip('/')}{twiml.ALIVE}", settings)
    finally:
        await runner.cleanup()


async def _knock(url: str, settings: TwilioSettings) -> Door:
    limit = aiohttp.ClientTimeout(total=settings.request_timeout_s)
    try:
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url) as reply:
            text = await reply.content.read(len(ALIVE_TEXT) + 1)
    except (aiohttp.ClientError, TimeoutError):
        return Door.NOBODY
    is_ours = reply.status == 200 and text == ALIVE_TEXT.encode()
    return Door.OURS if is_ours else Door.SOMEBODY_ELSE
