"""Simulated agents hear where their carrier puts people, and nowhere near real ones."""

from __future__ import annotations

import pytest

from dialer.bootstrap import carrier_of
from dialer.config import Config, TwilioConfig, load_config
from dialer.runtime.clock import WallClock
from dialer.runtime.safety import UnsafeDialing, check_simulated_agents
from dialer.simulation.headsets import (
    FakeTwilioHeadsets,
    LaboratoryHeadsets,
    SimulatedHeadsets,
    headsets_for,
)
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.messages import CallId
from telephony_adapters.simulator.heard import Speaker
from tests.adapters.simulated_lab import SimulatedLab
from tests.adapters.twilio_lab import twilio_lab

CALL = CallId("0" * 26)


def configured(adapter: str) -> Config:
    return load_config(environ={}, overrides={"telephony.adapter": adapter})


def asterisk(host: str) -> AsteriskCarrier:
    settings = AsteriskSettings(
        url="http://127.0.0.1:8088",
        user="marcador",
        password="",
        app="test",
        dial=f"PJSIP/trunk/sip:{{number}}@{host}:5070",
        agent_dial="PJSIP/{agent}",
        laboratory=True,
    )
    return AsteriskCarrier(settings, WallClock())


def number_of(_: CallId) -> tuple[str, str]:
    return "+56912345601", ""


async def test_at_the_simulated_carrier() -> None:
    lab = SimulatedLab()
    await lab.carrier.start(lab.events.append)
    found = headsets_for(configured("simulator"), lab.carrier, number_of)
    assert isinstance(found, SimulatedHeadsets)
    with pytest.raises(LookupError, match="ana"):
        await found.listen("ana", CALL)


async def test_at_the_fake_of_twilio() -> None:
    async with twilio_lab() as lab:
        config = load_config(
            environ={},
            overrides={"telephony.adapter": "twilio", "twilio.api_url": lab.fake.url},
        )
        found = headsets_for(config, lab.adapter, number_of)
        assert isinstance(found, FakeTwilioHeadsets)
        try:
            leg_id = await lab.open_leg()
            call_id = await lab.dial_and_answer()
            await lab.adapter.bridge(call_id, leg_id)
            heard = await found.listen("dora_1", call_id)
            assert (heard.call_id, heard.speaker) == (call_id, Speaker.RIGHT_PARTY)
            ears = found.ears_of("dora_1")
            assert found.ears_of("dora_1") is ears
            await lab.adapter.hangup(call_id)
            await lab.adapter.close_agent_leg(leg_id)
            assert [last.speaker async for last in ears] == [Speaker.SILENCE]
            assert found.ears_of("dora_1") is not ears
        finally:
            await found.close()


def test_nobody_real_talks_to_a_simulated_agent() -> None:
    real = asterisk("10.0.0.5")
    with pytest.raises(UnsafeDialing, match="marcador serve"):
        check_simulated_agents(real)
    with pytest.raises(UnsafeDialing):
        headsets_for(configured("asterisk"), real, number_of)
    config = load_config(
        environ={},
        overrides={
            "telephony.adapter": "twilio",
            "twilio.account_sid": f"AC{1:032}",
            "twilio.auth_token": "secret",
            "twilio.public_url": "https://dialer.example.com",
            "twilio.caller_ids": "+56221234567",
        },
    )
    assert config.twilio.api_url == TwilioConfig().api_url
    with pytest.raises(UnsafeDialing, match="simulated agents"):
        headsets_for(config, carrier_of(config, WallClock()), number_of)


async def test_a_laboratory_tells_the_same_of_a_number_every_time() -> None:
    found = headsets_for(configured("asterisk"), asterisk("127.0.0.1"), number_of)
    assert isinstance(found, LaboratoryHeadsets)
    first, again = LaboratoryHeadsets(1, number_of), LaboratoryHeadsets(1, number_of)
    heard = await first.listen("anna", CALL)
    assert heard.call_id == CALL
    assert heard.speaker.is_live
    assert heard == await again.listen("berta", CALL)
    machine = await LaboratoryHeadsets(1, lambda _: ("+56912345640", "")).listen("anna", CALL)
    assert machine.speaker is Speaker.MACHINE
    gone = await LaboratoryHeadsets(1, lambda _: None).listen("anna", CALL)
    assert gone.speaker is Speaker.SILENCE
