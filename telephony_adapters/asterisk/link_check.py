"""Whether one Asterisk can call another: a call from node to node that nobody has to take."""

from __future__ import annotations

import asyncio
import secrets
from enum import StrEnum
from typing import Final

import msgspec

from telephony_adapters.asterisk.client import AriClient, AriSilent, AriUnreachable
from telephony_adapters.asterisk.codec import (
    ChannelDestroyed,
    MalformedFrame,
    StasisStart,
    parse_event,
)
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.errors import CarrierUnavailable
from telephony_adapters.nodes.tokens import PREFIX

PROBE: Final = f"{PREFIX}probe"
"""What is dialed; the other node's context for links answers it by itself."""
PROBE_TIMEOUT_S: Final = 5


class LinkState(StrEnum):
    """What came of a call from node to node."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """The other node is there, and has no place for such calls."""
    SILENT = "silent"
    """Nothing came back."""


async def check_link(settings: AsteriskSettings, to: str) -> LinkState:
    """Let a node call another by `settings.links[to]`. Raises `CarrierUnavailable`.

    By an application of its own: an engine that works on this node is not disturbed.
    """
    app = f"{settings.app[:30]}-{secrets.token_hex(4)}"
    client = AriClient(msgspec.structs.replace(settings, app=app))
    channel = f"{app}.probe"
    try:
        await client.connect()
        body = {"endpoint": settings.links[to].format(token=PROBE), "app": app}
        reply = await client.request(
            "POST", f"/channels/{channel}", {**body, "timeout": PROBE_TIMEOUT_S}
        )
        if not reply.ok:
            raise CarrierUnavailable(f"{settings.url} cannot call it: {reply.message}")
        async with asyncio.timeout(2 * PROBE_TIMEOUT_S):
            return await _outcome(client, channel)
    except TimeoutError:
        return LinkState.SILENT
    except (AriUnreachable, AriSilent) as error:
        raise CarrierUnavailable(f"{settings.url} does not answer: {error}") from error
    finally:
        await _hang_up(client, channel)
        await client.close()


async def _outcome(client: AriClient, channel: str) -> LinkState:
    async for frame in client.frames():
        try:
            event = parse_event(frame)
        except MalformedFrame:
            continue
        if isinstance(event, StasisStart) and event.channel.id == channel:
            return LinkState.ANSWERED
        if isinstance(event, ChannelDestroyed) and event.channel.id == channel:
            return LinkState.SILENT if event.cause in NOTHING_CAME else LinkState.REFUSED
    return LinkState.SILENT


NOTHING_CAME: Final = frozenset({0, 18, 19})
"""Q.850 causes of a call to which nobody replied, at our own timeout or at Asterisk's."""


async def _hang_up(client: AriClient, channel: str) -> None:
    try:
        await client.request("DELETE", f"/channels/{channel}")
    except (AriUnreachable, AriSilent):
        return
