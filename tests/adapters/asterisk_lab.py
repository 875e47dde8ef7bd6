"""The conformance laboratory of the Asterisk adapter: real SIP on loopback, in real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Final

import msgspec

from dialer.core.wav import written
from dialer.runtime.clock import WallClock
from dialer.runtime.recordings import keep_audio
from dialer.stores.ledger.ids import new_id
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.asterisk.client import AriClient
from telephony_adapters.asterisk.codec import Channel, parse_channels
from telephony_adapters.asterisk.inbound import is_inbound
from telephony_adapters.asterisk.naming import Names
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.lab.caller import Caller
from telephony_adapters.lab.network import Network
from telephony_adapters.lab.pbx import USER, Pbx
from telephony_adapters.messages import CallId, LegId
from telephony_adapters.prompts import Prompt
from tests.adapters.lab import (
    OUR_NUMBER,
    PATIENCE_S,
    BreakableLab,
    CallableLab,
    FarEnd,
    ListeningLab,
)
from tests.support.tcp_wire import TcpWire
from tests.support.tones import a_tone

ENDINGS: Final = {
    FarEnd.ANSWERS: "99",
    FarEnd.ANSWERS_BRIEFLY: "97",
    FarEnd.RINGS: "50",
    FarEnd.DEAD: "96",
    FarEnd.BUSY: "80",
    FarEnd.UNAVAILABLE: "86",
    FarEnd.NOT_IN_SERVICE: "90",
    FarEnd.REJECTS: "93",
    FarEnd.CONGESTED: "94",
    FarEnd.MACHINE: "40",
    FarEnd.PRESSES_KEYS: "98",
}
"""Last two digits by which the laboratory's carrier does so."""
TONE_S: Final = 2.0
POLL_S: Final = 0.01
ORDER_TIMEOUT_S: Final = 5.0
_apps = count(1)


def settings_for(network: Network, url: str, app: str, pbx: Pbx | None = None) -> AsteriskSettings:
    return AsteriskSettings(
        url=url,
        user=USER,
        password=(pbx or network.pbx).password,
        app=app,
        dial=network.dial,
        agent_dial=network.agent_dial,
        amd_context="marcador-amd",
        prompts_media=f"sound:{network.prompts}/{{audio}}",
        laboratory=True,
    )


def new_app() -> str:
    """The name of an application that no test had before."""
    return f"test-{next(_apps):04d}"


async def eventually(condition: Callable[[], Awaitable[bool]], limit_s: float = PATIENCE_S) -> None:
    """Return when `condition` holds; raises `TimeoutError`."""
    async with asyncio.timeout(limit_s):
        holds = await condition()
        while not holds:
            await asyncio.sleep(POLL_S)
            holds = await condition()


class AsteriskLab(BreakableLab, CallableLab, ListeningLab):
    """An adapter with an application of its own; a wire to Asterisk that can be cut."""

    ring_timeout_s = 4

    def __init__(
        self, network: Network, wire: TcpWire, pbx: Pbx | None = None, **changes: object
    ) -> None:
        super().__init__()
        self.network = network
        self.pbx = pbx or network.pbx
        self.wire = wire
        usual = settings_for(network, wire.url, new_app(), self.pbx)
        self.settings = msgspec.structs.replace(usual, **changes)
        self.carrier = AsteriskCarrier(self.settings, WallClock())
        direct = msgspec.structs.replace(self.settings, url=self.pbx.url)
        self.admin = AriClient(direct)
        """Somebody else's hands on Asterisk, past the wire."""
        self._names = Names(self.settings.app)
        self._agents = count(1)
        self.callers: list[Caller] = []
        self._seen_before = network.carrier.calls_seen()

    @property
    def adapter(self) -> AsteriskCarrier:
        return self.carrier

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_call_id(self) -> CallId:
        return CallId(new_id())

    def number(self, far_end: FarEnd) -> str:
        return f"+13055550{ENDINGS[far_end]:0>3}"

    def prompt(self) -> Prompt:
        audio = keep_audio(self.network.prompts, written(a_tone(TONE_S)))
        return Prompt(text="", language="en", audio=audio)

    def endpoint(self) -> str:
        return f"agent:agent-{next(self._agents)}"

    def placed(self) -> int:
        return self.network.carrier.calls_seen() - self._seen_before

    async def until(self, condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        async def holds() -> bool:
            return condition()

        await eventually(holds, limit_s)

    async def pass_time(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    async def callee_hangs_up(self, call_id: CallId) -> None:
        await self._order_to_hang_up(self.channel_of(call_id))

    async def agent_hangs_up(self, leg_id: LegId) -> None:
        await self._order_to_hang_up(self._names.leg_channel(leg_id))

    async def somebody_calls(self, caller: str | None, *, patience_s: float = 60.0) -> None:
        await self.take_inbound()
        made = self.network.somebody_calls(caller, OUR_NUMBER, patience_s, self.pbx)
        self.callers.append(made)

    async def take_inbound(self) -> None:
        """What comes in, by a trunk or from another node, is handed to this application."""
        app = {"variable": "INBOUND_APP", "value": self.settings.app}
        reply = await self.admin.request("POST", "/asterisk/variable", app)
        assert reply.ok, reply.message

    async def until_heard(self, call_id: CallId, keys: str) -> None:
        path = f"/channels/{self.channel_of(call_id)}/variable"
        variable = {"variable": "CHANNEL(pjsip,call-id)"}
        reply = await self.admin.request("GET", path, params=variable)
        sip_call_id = msgspec.json.decode(reply.body, type=dict[str, str])["value"]
        await self.until(lambda: self.network.carrier.keys_heard(sip_call_id) == keys)

    def channel_of(self, call_id: CallId) -> str:
        """Asterisk's name of a live call."""
        return self.carrier.channel_of(call_id)

    async def lose_connection(self) -> None:
        await self.wire.cut()

    async def restore_connection(self) -> None:
        await self.wire.mend()

    async def channels(self) -> list[Channel]:
        """What of ours lives in Asterisk."""
        reply = await self.admin.request("GET", "/channels")
        app = self.settings.app
        return [
            channel
            for channel in parse_channels(reply.body)
            if channel.id.startswith(f"{app}.") or is_inbound(app, channel)
        ]

    async def _order_to_hang_up(self, channel: str) -> None:
        """The far end hangs up when it is sent a key; returns when the channel is gone."""
        reply = await self.admin.request("POST", f"/channels/{channel}/dtmf", {"dtmf": "#"})
        assert reply.ok, reply.message

        async def gone() -> bool:
            return channel not in {known.id for known in await self.channels()}

        await eventually(gone, ORDER_TIMEOUT_S)

    async def is_empty(self) -> bool:
        """Nothing of ours lives in Asterisk."""
        return not await self.channels()

    async def clear(self) -> None:
        """Nothing of ours stays behind."""
        await self.carrier.stop()
        for caller in self.callers:
            caller.stop()
        for channel in await self.channels():
            await self.admin.request("DELETE", f"/channels/{channel.id}")
        await eventually(self.is_empty, ORDER_TIMEOUT_S)
        for recorded in self.pbx.recordings.iterdir():
            recorded.unlink()
        await self.admin.request("DELETE", f"/bridges/{self._names.hold_bridge}")


@asynccontextmanager
async def asterisk_lab(network: Network, **changes: object) -> AsyncIterator[AsteriskLab]:
    """A started laboratory with no history; `changes` are to the adapter's settings."""
    wire = TcpWire(network.pbx.http_port)
    await wire.mend()
    lab = AsteriskLab(network, wire, network.pbx, **changes)
    try:
        await lab.carrier.start(lab.events.append)
        yield lab
    finally:
        await lab.clear()
        await lab.admin.close()
        await wire.cut()
