"""Where simulated agents hear: in this process, or at the fake of Twilio, over HTTP."""

from __future__ import annotations

from typing import Protocol

import aiohttp
import msgspec

from dialer.config import Config
from dialer.runtime.safety import UnsafeDialing
from dialer.simulation.agent_client import Ears
from telephony_adapters.port import TelephonyAdapter
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.heard import Heard
from telephony_adapters.twilio.settings import is_loopback

EARS_PATH = "/fake/ears"
"""Of `telephony_adapters.twilio.fake.server`; Twilio itself has no such thing."""


class Headsets(Protocol):
    """The headsets of all simulated agents."""

    def ears_of(self, username: str) -> Ears:
        """What this agent hears. Raises `LookupError` while there is no open leg."""

    async def close(self) -> None: ...


def headsets(config: Config, adapter: TelephonyAdapter) -> Headsets:
    """Those that fit the carrier. Raises `UnsafeDialing` for one that calls real people: nobody
    simulated may talk to them."""
    if isinstance(adapter, SimulatedCarrier):
        return SimulatedHeadsets(adapter)
    if config.telephony.adapter == "twilio" and is_loopback(config.twilio.api_url):
        return FakeTwilioHeadsets(config.twilio.api_url, config.twilio.agent_address)
    raise UnsafeDialing(
        f"simulated agents may not talk through `{adapter.facts.name}`, which calls real people; "
        "use `marcador serve`, or the simulator (telephony.adapter)"
    )


class SimulatedHeadsets:
    """Ears of the simulated carrier in this process."""

    def __init__(self, carrier: SimulatedCarrier) -> None:
        self._carrier = carrier

    def ears_of(self, username: str) -> Ears:
        leg_id = self._carrier.leg_at(f"agent:{username}")
        if leg_id is None:
            raise LookupError(f"{username} has no open leg")
        return self._carrier.earpiece(leg_id)

    async def close(self) -> None:
        return None


class FakeTwilioHeadsets:
    """Ears at the fake: a stream of JSON lines for each agent, kept open."""

    def __init__(self, api_url: str, agent_address: str) -> None:
        self._url = f"{api_url.rstrip('/')}{EARS_PATH}"
        self._agent_address = agent_address
        self._session: aiohttp.ClientSession | None = None
        self._ears: dict[str, RemoteEars] = {}

    def ears_of(self, username: str) -> Ears:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        ears = self._ears.get(username)
        if ears is None or ears.over:
            address = self._agent_address.replace("{agent}", username)
            ears = self._ears[username] = RemoteEars(self._session, self._url, address)
        return ears

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class RemoteEars:
    """What is heard at one device of the fake. For one listener."""

    def __init__(self, session: aiohttp.ClientSession, url: str, address: str) -> None:
        self._session = session
        self._url = url
        self._address = address
        self._reply: aiohttp.ClientResponse | None = None
        self.over = False
        """The device was hung up; another stream begins with its next leg."""

    def __aiter__(self) -> RemoteEars:
        return self

    async def __anext__(self) -> Heard:
        if self._reply is None:
            self._reply = await self._session.get(self._url, params={"at": self._address})
            self._reply.raise_for_status()
        line = await self._reply.content.readline()
        if not line:
            self.over = True
            raise StopAsyncIteration
        return msgspec.json.decode(line, type=Heard)
