"""The Asterisk adapter passes the suite of all adapters: a real Asterisk, SIP to a real far end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from telephony_adapters.lab.network import Network
from tests.adapters.asterisk_lab import AsteriskLab, asterisk_lab
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

pytestmark = pytest.mark.xdist_group("asterisk")


@pytest_asyncio.fixture
async def lab(network: Network) -> AsyncIterator[AsteriskLab]:
    async with asterisk_lab(network) as started:
        yield started


class TestAsterisk(
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
    """Every case, in real time."""
