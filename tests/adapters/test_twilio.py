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
from tests.adapters.conformance_outage import OutageCases
from tests.adapters.twilio_lab import NUMBERS, TwilioLab, twilio_lab


class TestTwilio(EveryAdapter, OutageCases, AmdCases, PromptCases, DtmfCases):
    @pytest.fixture
    async def lab(self) -> AsyncIterator[TwilioLab]:
        async with twilio_lab() as lab:
            yield lab


class TestTwilioThatRepeatsItself(EveryAdapter, AmdCases, PromptCases, DtmfCases):
    """Every callback of a person's call comes three times."""

    @pytest.fixture
    async def lab(self) -> AsyncIterator[TwilioLab]:
        faults = {number: Fault(repeats=2) for number in NUMBERS.values()}
        async with twilio_lab(faults=faults) as lab:
            yield lab
