"""Failing assertions of the shared suite shall explain themselves like those of tests."""

import pytest

from tests.support.telephony import network, two_nodes

__all__ = ["network", "two_nodes"]

pytest.register_assert_rewrite(
    "tests.adapters.conformance",
    "tests.adapters.conformance_control",
    "tests.adapters.conformance_inbound",
    "tests.adapters.conformance_legs",
    "tests.adapters.conformance_outage",
    "tests.adapters.conformance_recording",
    "tests.adapters.lab",
)
