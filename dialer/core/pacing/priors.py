"""What is taken for likely before anything has been learned, always on the careful side."""

from __future__ import annotations

from math import exp

DETECTION_LAGS = 9


def pickup_prior(lags: int, ring_timeout_s: float) -> list[float]:
    """Broad bump with its peak at 9 s (field data peak at 6 to 10 s), on the late side.

    Answers that come sooner than expected make the answer rate look high, which dials less. After
    the ring timeout next to nobody picks up: calls that have rung out tell nothing more.
    """
    return _bump(lags, ring_timeout_s, 3, 3.0)


def pickup_shapes(lags: int, ring_timeout_s: float) -> list[tuple[float, list[float]]]:
    """Weight, and density by lag, of what delays may turn out to be; half is on the late prior."""
    others = ((0, 8.0, 0.0), (2, 2.0, 1.0), (2, 2.5, 2.0), (9, 1.4, 0.0))
    return [
        (0.5, pickup_prior(lags, ring_timeout_s)),
        *((0.5 / len(others), _bump(lags, ring_timeout_s, *other)) for other in others),
    ]


def _bump(
    lags: int, ring_timeout_s: float, power: int, scale_s: float, from_s: float = 0.0
) -> list[float]:
    """Density with its peak power x scale after `from_s`, up to the ring timeout."""
    last = int(ring_timeout_s)
    raw = [
        (x := max(0.0, lag + 0.5 - from_s)) ** power * exp(-x / scale_s) if lag <= last else 0.0
        for lag in range(lags)
    ]
    floor = 0.0003 * sum(raw)
    raw = [x + (floor if lag <= last else floor / 100.0) for lag, x in enumerate(raw)]
    total = sum(raw)
    return [x / total for x in raw]


def unanswered_prior(lags: int, ring_timeout_s: float) -> list[float]:
    """A tenth fails early, the rest rings out."""
    timeout = min(int(ring_timeout_s), lags - 1)
    prior = [0.1 / lags] * lags
    prior[timeout] += 0.9
    return prior


def detection_prior(amd: bool) -> list[float]:
    """Detection takes 1 to 4 s where it is on, nothing where it is not."""
    prior = [0.0] * DETECTION_LAGS
    for lag in (1, 2, 3) if amd else (0,):
        prior[lag] = 1.0
    return prior
