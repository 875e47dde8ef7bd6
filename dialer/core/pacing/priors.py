"""What is taken for likely before anything has been learned, always on the careful side."""

from __future__ import annotations

from math import exp

DETECTION_LAGS = 9


def pickup_prior(lags: int, ring_timeout_s: float) -> list[float]:
    """Broad bump with its peak at 9 s (field data peak at 6 to 10 s), on the late side.

    Answers that come sooner than expected make the answer rate look high, which dials less. After
    the ring timeout next to nobody picks up: calls that have rung out tell nothing more.
    """
    last = int(ring_timeout_s)
    return [
        (x := lag + 0.5) ** 3 * exp(-x / 3.0) + 0.02 if lag <= last else 0.0002
        for lag in range(lags)
    ]


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
