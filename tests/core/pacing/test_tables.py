"""Tables: probabilities that make sense, and the same however the work is cut up."""

from __future__ import annotations

from math import exp

import pytest

from dialer.core.pacing.hazards import BINS, MIDDLES_S
from dialer.core.pacing.tables import HORIZONS_S, Shape, Tables

FLAT = [1 / 20] * 20


def shape(detection: list[float] | None = None) -> Shape:
    return Shape(
        pickup=FLAT,
        unanswered=[0.0] * 19 + [1.0],
        detection=detection or [1.0, 0.0, 0.0, 0.0],
        talk=[0.01] * BINS,
        wrap_up=[0.05] * BINS,
    )


def test_staged_work_comes_to_the_same() -> None:
    whole = Tables(shape(), 2).complete()
    staged = Tables(shape(), 2)
    stages = 0
    while not staged.finished:
        staged.stage()
        stages += 1
    assert stages == staged.stages_done > 5
    assert staged.talk_freed == whole.talk_freed
    assert staged.answered == whole.answered
    assert staged.weights == whole.weights


def test_a_new_call_is_answered_as_the_delays_say() -> None:
    tables = Tables(shape(), 2).complete()
    for h, horizon_s in enumerate(HORIZONS_S):
        assert tables.answered[h][0][0] == pytest.approx(min(1.0, horizon_s / 20))
        assert tables.answered[h][0][19] == pytest.approx(1 / 20)


def test_detection_delays_answers() -> None:
    plain = Tables(shape(), 2).complete()
    slow = Tables(shape([0.0, 0.0, 0.5, 0.5]), 2).complete()
    for h in range(len(HORIZONS_S) - 4):
        assert slow.answered[h][0][0] < plain.answered[h][0][0]
    assert slow.detected[0][0] == pytest.approx(0.0)
    assert slow.detected[1][0] == pytest.approx(1.0)
    assert slow.detected[0][2] == pytest.approx(1.0)


def test_agents_free_up_as_talk_and_wrap_up_end() -> None:
    tables = Tables(shape(), 2).complete()
    for h, horizon_s in enumerate(HORIZONS_S):
        t = horizon_s + 2.0
        wrap = 1 - exp(-0.05 * t)
        # Sum of two exponentials with rates 0.01 and 0.05.
        both = 1 - (0.05 * exp(-0.01 * t) - 0.01 * exp(-0.05 * t)) / 0.04
        for b in range(0, BINS, 7):
            assert tables.wrap_freed[h][0][b] == pytest.approx(wrap), MIDDLES_S[b]
            assert tables.talk_freed[h][0][b] == pytest.approx(both, rel=0.05), MIDDLES_S[b]


def test_weights_are_a_distribution() -> None:
    weights = Tables(shape(), 2).complete().weights
    assert sum(weights) == pytest.approx(1.0)
    assert min(weights) > 0.0
