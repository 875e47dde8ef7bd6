"""Twilio passes the suite of all adapters: the SDK, the fake, and real HTTP both ways."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from telephony_adapters.twilio.fake.faults import Fault
from tests.adapters.conformance import (
    AmdCases,
    DtmfCases,
    EveryAdapter,
    PromptCases,
)
from tests.adapters.conformance_control import ControlCases
from tests.adapters.conformance_inbound import CALLER, OTHER_CALLER, InboundCases
from tests.adapters.conformance_outage import OutageCases
from tests.adapters.conformance_recording import DtmfOutCases, RecordingCases
from tests.adapters.twilio_lab import NUMBERS, TwilioLab, twilio_lab


class TestTwilio(
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
    """Every case."""

    @pytest.fixture
    async def lab(self) -> AsyncIterator[TwilioLab]:
        async with twilio_lab() as lab:
            yield lab


class TestTwilioThatRepeatsItself(
    EveryAdapter,
    AmdCases,
    PromptCases,
    DtmfCases,
    ControlCases,
    InboundCases,
    RecordingCases,
    DtmfOutCases,
):
    """Every callback about a person or an agent comes three times."""

    @pytest.fixture
    async def lab(self) -> AsyncIterator[TwilioLab]:
        everybody = [*NUMBERS.values(), CALLER, OTHER_CALLER, ""]
        everybody += [f"client:dora_{number}" for number in range(1, 9)]
        faults = dict.fromkeys(everybody, Fault(repeats=2))
        async with twilio_lab(faults=faults) as lab:
            yield lab
