"""Simulated agents hear where their carrier puts people, and nowhere near real ones."""

from __future__ import annotations

import pytest

from dialer.config import TelephonyConfig, TwilioConfig, load_config
from dialer.runtime.clock import WallClock
from dialer.runtime.safety import UnsafeDialing
from dialer.simulation.headsets import FakeTwilioHeadsets, SimulatedHeadsets, headsets
from telephony_adapters.simulator.heard import Speaker
from telephony_adapters.simulator.null import NullCarrier
from tests.adapters.simulated_lab import SimulatedLab
from tests.adapters.twilio_lab import twilio_lab


async def test_at_the_simulated_carrier() -> None:
    lab = SimulatedLab()
    await lab.carrier.start(lab.events.append)
    found = headsets(load_config(environ={}), lab.carrier)
    assert isinstance(found, SimulatedHeadsets)
    with pytest.raises(LookupError, match="ana"):
        found.ears_of("ana")


async def test_at_the_fake_of_twilio() -> None:
    async with twilio_lab() as lab:
        config = load_config(
            environ={},
            overrides={"telephony.adapter": "twilio", "twilio.api_url": lab.fake.url},
        )
        found = headsets(config, lab.adapter)
        assert isinstance(found, FakeTwilioHeadsets)
        try:
            leg_id = await lab.open_leg()
            call_id = await lab.dial_and_answer()
            await lab.adapter.bridge(call_id, leg_id)
            ears = found.ears_of("dora_1")
            heard = await anext(ears)
            assert (heard.call_id, heard.speaker) == (call_id, Speaker.RIGHT_PARTY)
            assert found.ears_of("dora_1") is ears
            await lab.adapter.hangup(call_id)
            await lab.adapter.close_agent_leg(leg_id)
            assert [last.speaker async for last in ears] == [Speaker.SILENCE]
            assert found.ears_of("dora_1") is not ears
        finally:
            await found.close()


def test_nobody_simulated_talks_to_real_people() -> None:
    config = load_config(environ={}, overrides={"telephony.adapter": "twilio"})
    assert config.telephony == TelephonyConfig(adapter="twilio")
    assert config.twilio.api_url == TwilioConfig().api_url
    with pytest.raises(UnsafeDialing, match="simulated agents"):
        headsets(config, NullCarrier(clock=WallClock(), name="real"))
