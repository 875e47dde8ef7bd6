"""The simulated carrier passes the suite of all adapters, in fair weather and with repeats."""

from __future__ import annotations

import pytest

from telephony_adapters.messages import CallEnded
from telephony_adapters.simulator.script import CallFault, Rule, Script
from tests.adapters.conformance import (
    AmdCases,
    DtmfCases,
    EveryAdapter,
    PromptCases,
)
from tests.adapters.conformance_control import ControlCases
from tests.adapters.conformance_inbound import InboundCases
from tests.adapters.conformance_outage import OutageCases
from tests.adapters.conformance_recording import DtmfOutCases, RecordingCases
from tests.adapters.lab import FarEnd
from tests.adapters.simulated_lab import SimulatedLab


class WholePort(
    EveryAdapter,
    OutageCases,
    AmdCases,
    PromptCases,
    DtmfCases,
    ControlCases,
    InboundCases,
    RecordingCases,
    DtmfOutCases,
):
    """Everything that there is to declare."""


class TestSimulatedCarrier(WholePort):
    @pytest.fixture
    async def lab(self) -> SimulatedLab:
        lab = SimulatedLab()
        await lab.carrier.start(lab.events.append)
        return lab


class TestSimulatedCarrierThatRepeatsItself(WholePort):
    """Every event of a call comes three times; the suite sees through it by the ids."""

    @pytest.fixture
    async def lab(self) -> SimulatedLab:
        lab = SimulatedLab(Script(rules=(Rule(fault=CallFault(repeats=2)),)))
        await lab.carrier.start(lab.events.append)
        return lab

    async def test_the_repeats_are_there(self, lab: SimulatedLab) -> None:
        call_id = await lab.dial(FarEnd.BUSY)
        await lab.end(call_id)
        ends = [event for event in lab.events if isinstance(event, CallEnded)]
        assert len(ends) == 3
        assert len({event.event_id for event in ends}) == 1


def test_it_reaches_no_real_person() -> None:
    facts = SimulatedLab().carrier.facts
    assert facts.simulated
    assert facts.loopback
