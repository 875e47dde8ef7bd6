"""Failing assertions of the shared suite shall explain themselves like those of tests."""

import pytest

from tests.support.telephony import network

__all__ = ["network"]

pytest.register_assert_rewrite("tests.adapters.conformance", "tests.adapters.lab")
