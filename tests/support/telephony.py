"""A real telephone network for tests: one Asterisk with its carrier for the whole run.

Mark what uses it with `pytest.mark.xdist_group("asterisk")`, so that one process brings it up.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telephony_adapters.lab.network import Network, running_network


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    """Asterisk, carrier and phones. Fails, and says what is missing, where they cannot be had."""
    with running_network() as started:
        yield started


@pytest.fixture(scope="session")
def two_nodes() -> Iterator[Network]:
    """Two Asterisks that can call each other, with one carrier and the same phones."""
    with running_network(nodes=2) as started:
        yield started
