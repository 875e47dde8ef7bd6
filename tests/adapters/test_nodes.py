"""Two Asterisks as one carrier pass the suite of all adapters, also where every conversation
needs a link between them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from telephony_adapters.lab.network import Network
from tests.adapters.conformance import AmdCases, DtmfCases, EveryAdapter, PromptCases
from tests.adapters.conformance_control import ControlCases
from tests.adapters.conformance_inbound import InboundCases
from tests.adapters.conformance_legs import LegCases
from tests.adapters.conformance_outage import OutageCases
from tests.adapters.conformance_recording import DtmfOutCases, RecordingCases
from tests.adapters.nodes_lab import APART, NodesLab, nodes_lab

pytestmark = pytest.mark.xdist_group("nodes")


class TestTwoNodes(
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
    """Every case, in real time; agents and calls on both nodes."""

    @pytest_asyncio.fixture
    async def lab(self, two_nodes: Network) -> AsyncIterator[NodesLab]:
        async with nodes_lab(two_nodes) as started:
            yield started


class TestAgentsAndCallsApart(LegCases, ControlCases, InboundCases, RecordingCases, DtmfOutCases):
    """Every conversation crosses from node to node."""

    @pytest_asyncio.fixture
    async def lab(self, two_nodes: Network) -> AsyncIterator[NodesLab]:
        async with nodes_lab(two_nodes, APART) as started:
            yield started
