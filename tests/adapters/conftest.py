"""Failing assertions of the shared suite shall explain themselves like those of tests."""

import pytest

pytest.register_assert_rewrite("tests.adapters.conformance", "tests.adapters.lab")
