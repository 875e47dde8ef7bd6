"""So many lines for a flow; and agents for whoever presses the key for one."""

from __future__ import annotations

import pytest

from dialer.core.pacing import Clamp, Law, PacingConfig, Snapshot, make_pacer


def wanted(config: PacingConfig, **now: object) -> int:
    fields: dict[str, object] = {"at_s": 100.0, "staffed": 0, **now}
    return make_pacer(config).decide(Snapshot(**fields)).calls_to_place  # type: ignore[arg-type]  # test shorthand


def test_lines_are_filled_up_and_no_further() -> None:
    config = PacingConfig(law=Law.LINES, lines=10)
    assert wanted(config) == 10
    assert wanted(config, ringing_since_s={"a": (90.0, 91.0), "b": (92.0,)}, in_flow=4) == 3
    assert wanted(config, in_amd_since_s=(99.0,), waiting_since_s=(99.0,), in_flow=8) == 0
    assert wanted(config, in_flow=12) == 0
    assert wanted(config, caps={"trunk": 2}) == 2


@pytest.mark.parametrize(
    ("idle", "in_flow", "calls"),
    [(0, 0, 0), (1, 0, 3), (1, 2, 1), (1, 5, 0), (2, 0, 6), (9, 0, 10)],
)
def test_a_flow_that_transfers_is_bound_by_idle_agents(idle: int, in_flow: int, calls: int) -> None:
    config = PacingConfig(law=Law.LINES, lines=10, for_agents=True, max_lines_per_agent=3.0)
    found = wanted(config, staffed=12, idle_since_s=(90.0,) * idle, in_flow=in_flow)
    assert found == calls


def test_the_decision_says_why() -> None:
    config = PacingConfig(law=Law.LINES, lines=10, for_agents=True, max_lines_per_agent=3.0)
    decision = make_pacer(config).decide(Snapshot(at_s=1.0, staffed=1))
    assert (decision.law, decision.clamp) == (Law.LINES, Clamp.MAX_LINES)
    assert decision.reason == "10 lines, 0 idle agents x 3, 0 calls under way"


def test_a_save_of_another_law_is_refused() -> None:
    lines = make_pacer(PacingConfig(law=Law.LINES))
    lines.restore(lines.save())
    with pytest.raises(ValueError, match="ratio"):
        lines.restore(make_pacer(PacingConfig(law=Law.PROGRESSIVE)).save())
