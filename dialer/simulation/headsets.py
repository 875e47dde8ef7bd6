"""What simulated agents hear: in this process, from a laboratory's telephones, or at a fake Twilio.

A simulated agent does not understand speech. On the simulated carrier, and at the fake of Twilio,
the far end tells what it says; on real telephones of a laboratory the voices are recordings, so
what the person says is drawn from the same seeded world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import aiohttp
import msgspec

from dialer.config import Config
from dialer.runtime.safety import check_simulated_agents
from telephony_adapters.lab.network import is_machine
from telephony_adapters.messages import CallId, Originate
from telephony_adapters.port import TelephonyAdapter
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.heard import Heard, Speaker
from telephony_adapters.simulator.world import Past, SeededWorld

EARS_PATH = "/fake/ears"
"""Of `telephony_adapters.twilio.fake.server`; Twilio itself has no such thing."""

NumberOf = Callable[[CallId], tuple[str, str] | None]
"""Number and pacing segment of a call in hand."""


class Headsets(Protocol):
    """The ears of all simulated agents."""

    async def listen(self, username: str, call_id: CallId) -> Heard:
        """What the agent hears once the call is joined with his leg."""

    async def close(self) -> None:
        """Nobody listens any more."""


def headsets_for(config: Config, adapter: TelephonyAdapter, number_of: NumberOf) -> Headsets:
    """Ears for this carrier. Raises `UnsafeDialing` where real people could be on the line."""
    if isinstance(adapter, SimulatedCarrier):
        return SimulatedHeadsets(adapter)
    check_simulated_agents(adapter)
    if config.telephony.adapter == "twilio":
        return FakeTwilioHeadsets(config.twilio.api_url, config.twilio.agent_address)
    return LaboratoryHeadsets(config.simulator.seed, number_of)


class SimulatedHeadsets:
    """Earpieces of the simulated carrier in this process."""

    def __init__(self, carrier: SimulatedCarrier) -> None:
        self._carrier = carrier

    async def listen(self, username: str, call_id: CallId) -> Heard:
        leg_id = self._carrier.leg_at(f"agent:{username}")
        if leg_id is None:
            raise LookupError(f"{username} has no open leg")
        ears = self._carrier.earpiece(leg_id)
        while True:
            heard = await anext(ears)
            if heard.call_id == call_id:
                return heard

    async def close(self) -> None:
        return None


class LaboratoryHeadsets:
    """People of the seeded world behind the laboratory's numbers."""

    def __init__(self, seed: int, number_of: NumberOf) -> None:
        self._world = SeededWorld(seed)
        self._number_of = number_of

    async def listen(self, username: str, call_id: CallId) -> Heard:
        found = self._number_of(call_id)
        if found is None:
            return Heard(call_id=call_id, speaker=Speaker.SILENCE)
        number, segment = found
        if is_machine(number):
            return Heard(call_id=call_id, speaker=Speaker.MACHINE)
        command = Originate(
            call_id=call_id,
            to=number,
            caller_id=None,
            trunk="",
            ring_timeout_s=0,
            segment=segment,
        )
        return self._world.conversation(command, Past(0, 0))

    async def close(self) -> None:
        return None


class FakeTwilioHeadsets:
    """Ears at the fake: a stream of JSON lines for each agent, kept open."""

    def __init__(self, api_url: str, agent_address: str) -> None:
        self._url = f"{api_url.rstrip('/')}{EARS_PATH}"
        self._agent_address = agent_address
        self._session: aiohttp.ClientSession | None = None
        self._ears: dict[str, RemoteEars] = {}

    async def listen(self, username: str, call_id: CallId) -> Heard:
        while True:
            async for heard in self.ears_of(username):
                if heard.call_id == call_id:
                    return heard

    def ears_of(self, username: str) -> RemoteEars:
        """The agent's open stream; another one once the device was hung up."""
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
