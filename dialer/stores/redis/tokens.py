"""The rate of a trunk, shared by all workers: a token bucket in Redis.

Over any stretch of time that the callers' clocks show, no more is granted than
`burst + rate_per_s * seconds`. A new bucket, and one that Redis lost, starts *empty*: a wipe
costs a moment and never sends a burst at a carrier.
"""

from __future__ import annotations

from dialer.stores.redis.client import RedisClient, as_int, checked_id, key, load_script

RATE_MAX_PER_S = 10_000


class TokenBucket:
    """Token bucket of one trunk. The rate is kept to a thousandth of a token a second."""

    def __init__(self, redis: RedisClient, trunk: str, *, rate_per_s: float, burst: int) -> None:
        checked_id(trunk, "trunk")
        if not 0.001 <= rate_per_s <= RATE_MAX_PER_S:
            raise ValueError(f"rate_per_s must lie between 0.001 and {RATE_MAX_PER_S}")
        if not 1 <= burst <= RATE_MAX_PER_S:
            raise ValueError(f"burst must lie between 1 and {RATE_MAX_PER_S}: {burst}")
        self._redis = redis
        self._keys = (key("trunk", trunk),)
        self._rate_per_ks = int(rate_per_s * 1000)
        self._burst = burst

    async def take(self, n: int, now_ms: int) -> int:
        """Take up to `n` tokens at `now_ms` (since the epoch); how many were granted.

        A caller whose clock is behind another's is granted what is left and refills nothing.
        """
        if n < 0:
            raise ValueError(f"n must not be negative: {n}")
        return as_int(
            await self._redis.run(_TAKE, self._keys, n, now_ms, self._rate_per_ks, self._burst)
        )


_TAKE = load_script("bucket_take")
