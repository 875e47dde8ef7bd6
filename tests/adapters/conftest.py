"""Failing assertions of the shared suite shall explain themselves like those of tests."""

import pytest

from tests.support.telephony import network

__all__ = ["network"]

pytest.register_assert_rewrite(
    "tests.adapters.conformance",
    "tests.adapters.conformance_control",
    "tests.adapters.conformance_inbound",
    "tests.adapters.conformance_legs",
    "tests.adapters.conformance_outage",
    "tests.adapters.conformance_recording",
    "tests.adapters.lab",
)
