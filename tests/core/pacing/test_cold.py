"""Before any call has rung out: rates by what the ages of the pickups tell of delays."""

from __future__ import annotations

from random import Random

import pytest

from dialer.core.pacing import (
    DialPlaced,
    LiveAnswer,
    PacingConfig,
    Snapshot,
    make_pacer,
)
from dialer.core.pacing.cold import FIRST_RATE, ColdShapes
from dialer.core.pacing.priors import pickup_shapes
from dialer.core.pacing.rates import cumulative

LAGS = 26


def shapes() -> ColdShapes:
    return ColdShapes(pickup_shapes(LAGS, 20.0))


def early(seconds: int, calls: int, rate: float, density: list[float]) -> tuple[list[float], int]:
    """Pickups by lag, as expected, of calls that were all placed so many seconds ago."""
    pickups = [rate * calls * f if lag < seconds else 0.0 for lag, f in enumerate(density)]
    return pickups, round(sum(pickups))


def test_before_anything_was_placed_the_rate_is_high_and_unsure() -> None:
    rate, variance = shapes().rate(0, [0.0] * LAGS)
    assert rate > FIRST_RATE
    assert variance == pytest.approx(0.5)


@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("true_rate", [0.15, 0.45])
def test_after_twelve_seconds_of_many_calls_the_rate_is_nearly_right(
    which: int, true_rate: float
) -> None:
    density = pickup_shapes(LAGS, 20.0)[which][1]
    cold, placed = shapes(), [0.0] * LAGS
    placed[12] = 600.0
    pickups, events = early(12, 600, true_rate, density)
    cold.weigh(pickups, placed)
    rate, _ = cold.rate(events, placed)
    assert 0.85 * true_rate < rate < 2.5 * true_rate
    assert cold.weights[which] > pickup_shapes(LAGS, 20.0)[which][0]


def test_calls_nobody_can_have_picked_up_yet_do_not_look_like_calls_nobody_answers() -> None:
    cold, placed = shapes(), [0.0] * LAGS
    placed[2] = 10.0
    cold.weigh([0.0] * LAGS, placed)
    assert cold.rate(0, placed)[0] > 0.4


def test_weights_and_density_are_shares() -> None:
    random, cold = Random(5), shapes()
    for _ in range(50):
        pickups = [float(random.randrange(4)) for _ in range(LAGS)]
        cold.weigh(pickups, [float(random.randrange(50)) for _ in range(LAGS)])
        assert sum(cold.weights) == pytest.approx(1.0), "seed 5"
        assert sum(cold.density()) == pytest.approx(1.0), "seed 5"
        assert cumulative(cold.density())[-1] == pytest.approx(1.0)


def test_a_pacer_saved_while_it_is_cold_decides_as_if_it_had_not_been() -> None:
    """Quarters of a second: what was learned in a step is used until the next one begins."""
    config = PacingConfig(ring_timeout_s=20.0)
    pacer = make_pacer(config)
    ringing: dict[str, float] = {}
    for tick in range(60):
        now = tick / 4
        if tick and tick % 3 == 0 and ringing:
            call = next(iter(ringing))
            del ringing[call]
            pacer.observe(LiveAnswer(at_s=now, call_id=call))
        state = Snapshot(
            at_s=now,
            staffed=60,
            idle_since_s=(0.0,) * 50,
            talking_since_s=(0.0,) * 10,
            ringing_since_s={"": tuple(ringing.values())},
            settled=True,
        )
        other = make_pacer(config)
        other.restore(pacer.save())
        decision = pacer.decide(state)
        assert other.decide(state) == decision, f"after {now} s"
        for i in range(decision.calls_to_place):
            ringing[f"{tick}.{i}"] = now
            pacer.observe(DialPlaced(at_s=now, call_id=f"{tick}.{i}"))
