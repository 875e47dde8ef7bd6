"""A whole Marcador over real SIP: Asterisk, telephones that sound tones, and what they hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Final

from dialer.runtime.clock import Clock
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.asterisk.client import AriClient
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.lab.network import Network
from telephony_adapters.lab.pbx import MUSIC_HZ, USER
from telephony_adapters.lab.speech import espeak_program
from tests.support.fixed_world import FixedWorld
from tests.support.hearing import tones_in
from tests.support.house import PATIENCE_S, DeskAgent, House, open_house
from tests.support.sip_phones import SipPhones, sip_phones

PERSON_HZ, CARD_HZ, ANA_HZ, EVA_HZ, SUP_HZ, OUTSIDE_HZ = 440, 560, 700, 1_300, 1_800, 2_300
TONES: Final = (PERSON_HZ, CARD_HZ, ANA_HZ, EVA_HZ, SUP_HZ, OUTSIDE_HZ, MUSIC_HZ)
OUTSIDE: Final = "+56221234567"
BUSY: Final = "+56221234568"
LISTEN_S: Final = 0.3
"""How much is listened to at a time."""
_apps = count(1)


class SipHouse:
    """Handles to the parts."""

    def __init__(self, house: House, phones: SipPhones, network: Network, app: str) -> None:
        self.house = house
        self.phones = phones
        self.network = network
        self._app = app

    @property
    def carrier(self) -> AsteriskCarrier:
        assert isinstance(self.house.marcador.adapter, AsteriskCarrier)
        return self.house.marcador.adapter

    def number_of(self, call_id: str) -> str:
        """The number of the person on a call that we placed."""
        return self.house.engine.outcomes.contacts[call_id].contact.point.address

    async def hear(self, wanted: Mapping[str, set[int]]) -> None:
        """Wait until everybody named hears exactly these tones; fails with what is heard else."""
        deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            marks = {user: len(self.phones.of(user).heard) for user in wanted}
            await asyncio.sleep(LISTEN_S)
            heard = {user: self._heard(user, mark) for user, mark in marks.items()}
            if heard == wanted:
                return
            assert asyncio.get_running_loop().time() < deadline_s, f"{heard}, wanted: {wanted}"

    def _heard(self, user: str, mark: int) -> set[int] | None:
        """None: not certain, for it changes just now."""
        call = self.phones.of(user)
        if len(call.heard) == mark:
            return set()  # Asterisk sends nothing to who is alone in a room
        try:
            return tones_in(call.wav(mark), TONES)
        except AssertionError:
            return None

    async def dial_in_to_us(self) -> None:
        """Calls that come in are for this house."""
        await dial_in_to(sip_settings(self.network, self.phones, self._app))

    async def caller_hangs_up(self, call_id: str) -> None:
        """A SIPp caller obeys one key."""
        async with self.ari() as ari:
            channel = self.carrier.channel_of(self.house.engine.calls.live()[0].call_id)
            assert call_id == self.house.engine.calls.live()[0].call_id
            assert (await ari.request("POST", f"/channels/{channel}/dtmf", {"dtmf": "#"})).ok

    @asynccontextmanager
    async def ari(self) -> AsyncIterator[AriClient]:
        """Somebody else's hands on Asterisk."""
        client = AriClient(sip_settings(self.network, self.phones, self._app))
        try:
            yield client
        finally:
            await client.close()

    async def until_stored(self, count: int) -> None:
        """Wait until Asterisk has so many recordings on its disk."""
        folder = self.network.pbx.recordings
        await self.house.until(
            f"{count} recordings at the carrier", lambda: len(list(folder.iterdir())) == count
        )


async def dial_in_to(settings: AsteriskSettings) -> None:
    """Calls that come in are for this application."""
    ari = AriClient(settings)
    try:
        app = {"variable": "INBOUND_APP", "value": settings.app}
        assert (await ari.request("POST", "/asterisk/variable", app)).ok
    finally:
        await ari.close()


def sip_settings(network: Network, phones: SipPhones, app: str) -> AsteriskSettings:
    at = f"127.0.0.1:{phones.port}"
    return AsteriskSettings(
        url=network.pbx.url,
        user=USER,
        password=network.pbx.password,
        app=app,
        dial=f"PJSIP/trunk/sip:{{number}}@{at}",
        agent_dial=f"PJSIP/phone/sip:{{agent}}@{at}",
        prompts_media=f"sound:{network.prompts}/{{audio}}",
        laboratory=True,
    )


@asynccontextmanager
async def open_sip_house(
    folder: Path,
    redis_url: str,
    network: Network,
    *,
    tones: Mapping[str, int] | None = None,
    country: str = "CL",
    start: datetime | None = None,
    overrides: Mapping[str, object] | None = None,
) -> AsyncIterator[SipHouse]:
    """A started engine whose people and agents are telephones of this process, in real time."""
    usual = {"ana": ANA_HZ, "eva": EVA_HZ, "jefa": SUP_HZ, OUTSIDE: OUTSIDE_HZ}
    app = f"house-{next(_apps):03d}"
    async with sip_phones(dict(usual if tones is None else tones), PERSON_HZ) as phones:
        phones.busy.add(BUSY)

        def carrier(clock: Clock) -> AsteriskCarrier:
            return AsteriskCarrier(sip_settings(network, phones, app), clock)

        async with open_house(
            folder,
            redis_url,
            FixedWorld(),
            country=country,
            speed=1.0,
            start=start,
            make_adapter=carrier,
            overrides={
                "prompts__folder": str(network.prompts),
                "prompts__command": espeak_program(folder),
                "transfers__destinations": f"legal={OUTSIDE}, ocupado={BUSY}",
                **(overrides or {}),
            },
        ) as house:
            yield SipHouse(house, phones, network, app)


def leg_of(house: House, agent: DeskAgent) -> str:
    """The leg of an agent who sits at the desk."""
    seat = house.engine.desk.seat(agent.name)
    assert seat is not None
    return seat.session.leg_id
