"""What has a twin: campaigns whose calls are for agents."""

from __future__ import annotations

import pytest

from campaigns.campaign import MODES
from compliance.types import Mode
from dialer.core.pacing.laws import is_for_agents
from dialer.simulation.twin.run import check_mode


@pytest.mark.parametrize("mode", sorted(MODES))
def test_only_what_calls_for_agents_has_a_twin(mode: Mode) -> None:
    if is_for_agents(mode):
        check_mode("banco", mode)
        return
    with pytest.raises(LookupError, match=f"'banco' is of mode {mode.value}"):
        check_mode("banco", mode)
