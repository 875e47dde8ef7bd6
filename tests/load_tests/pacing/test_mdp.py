"""The solved optimum: right where it is known, and in the order that reason demands."""

from __future__ import annotations

import pytest

from load_tests.pacing.mdp import solve


def test_with_almost_no_abandonment_allowed_one_agent_dials_one_call_at_a_time() -> None:
    # Idle for ring / p on average, then talking.
    expected = 140.0 / (140.0 + 8.0 / 0.25)
    assert solve(1, target=1e-6).occupancy == pytest.approx(expected, abs=0.003)


def test_larger_teams_and_larger_targets_do_better() -> None:
    by_size = [solve(n).occupancy for n in (1, 3, 10, 30)]
    assert by_size == sorted(by_size)
    by_target = [solve(5, target=t).occupancy for t in (0.001, 0.01, 0.03, 0.1)]
    assert by_target == sorted(by_target)
    assert by_target[-1] - by_target[0] > 0.03


def test_the_limit_has_a_price() -> None:
    assert solve(10, target=0.003).price_s > solve(10, target=0.05).price_s > 1.0
