"""What simulated agents hear, and on which carriers they may listen at all."""

from __future__ import annotations

import pytest

from dialer.runtime.clock import WallClock
from dialer.runtime.safety import UnsafeDialing, check_simulated_agents
from dialer.simulation.headsets import (
    LaboratoryHeadsets,
    SimulatedHeadsets,
    headsets_for,
)
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.messages import CallId
from telephony_adapters.simulator.carrier import SimulatedCarrier
from telephony_adapters.simulator.heard import Speaker
from tests.support.fixed_world import FixedWorld

CALL = CallId("0" * 26)


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


def test_nobody_real_talks_to_a_simulated_agent() -> None:
    real = asterisk("10.0.0.5")
    with pytest.raises(UnsafeDialing, match="marcador serve"):
        check_simulated_agents(real)
    with pytest.raises(UnsafeDialing):
        headsets_for(real, 1, number_of)


def test_each_carrier_has_its_ears() -> None:
    simulated = SimulatedCarrier(clock=WallClock(), world=FixedWorld({}))
    assert isinstance(headsets_for(simulated, 1, number_of), SimulatedHeadsets)
    assert isinstance(headsets_for(asterisk("127.0.0.1"), 1, number_of), LaboratoryHeadsets)


async def test_a_laboratory_tells_the_same_of_a_number_every_time() -> None:
    first, again = LaboratoryHeadsets(1, number_of), LaboratoryHeadsets(1, number_of)
    heard = await first.listen("anna", CALL)
    assert heard.call_id == CALL
    assert heard.speaker.is_live
    assert heard == await again.listen("berta", CALL)
    machine = await LaboratoryHeadsets(1, lambda _: ("+56912345640", "")).listen("anna", CALL)
    assert machine.speaker is Speaker.MACHINE
    gone = await LaboratoryHeadsets(1, lambda _: None).listen("anna", CALL)
    assert gone.speaker is Speaker.SILENCE
