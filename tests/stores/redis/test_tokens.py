from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialer.stores.redis import EmbeddedRedis, RedisClient, TokenBucket, connect

NOW_MS = 1_763_880_000_000


async def test_starts_empty_and_fills_at_the_rate(redis_client: RedisClient) -> None:
    bucket = TokenBucket(redis_client, "t1", rate_per_s=10, burst=5)
    assert await bucket.take(5, NOW_MS) == 0
    assert await bucket.take(5, NOW_MS + 99) == 0
    assert await bucket.take(5, NOW_MS + 100) == 1
    assert await bucket.take(5, NOW_MS + 350) == 2
    assert await bucket.take(1, NOW_MS + 400) == 1


async def test_holds_no_more_than_the_burst(redis_client: RedisClient) -> None:
    bucket = TokenBucket(redis_client, "t1", rate_per_s=10, burst=5)
    await bucket.take(0, NOW_MS)
    assert await bucket.take(100, NOW_MS + 86_400_000) == 5
    assert await bucket.take(100, NOW_MS + 86_400_000) == 0


async def test_a_slow_rate_is_exact(redis_client: RedisClient) -> None:
    bucket = TokenBucket(redis_client, "t1", rate_per_s=0.3, burst=2)
    await bucket.take(0, NOW_MS)
    granted = [await bucket.take(1, NOW_MS + 1000 * s) for s in range(1, 21)]
    assert sum(granted) == 6
    assert granted.index(1) == 3, "1 / 0.3 = 3.33 s, so the first comes with the fourth second"


async def test_a_clock_that_goes_back_brings_nothing(redis_client: RedisClient) -> None:
    bucket = TokenBucket(redis_client, "t1", rate_per_s=10, burst=5)
    await bucket.take(0, NOW_MS)
    assert await bucket.take(5, NOW_MS + 1000) == 5
    assert await bucket.take(5, NOW_MS) == 0
    assert await bucket.take(5, NOW_MS + 1000) == 0
    assert await bucket.take(5, NOW_MS + 1100) == 1


async def test_workers_share_one_rate(redis_client: RedisClient) -> None:
    workers = [TokenBucket(redis_client, "t1", rate_per_s=10, burst=7) for _ in range(4)]
    await workers[0].take(0, NOW_MS)
    granted = await asyncio.gather(*(w.take(3, NOW_MS + 5000) for w in workers))
    assert sum(granted) == 7
    other = TokenBucket(redis_client, "t2", rate_per_s=10, burst=7)
    assert await other.take(1, NOW_MS + 5000) == 0, "another trunk has a bucket of its own"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rate_per_s=st.one_of(st.integers(1, 500), st.sampled_from([0.2, 0.7, 1.5, 33.3])),
    burst=st.integers(1, 50),
    steps=st.lists(st.tuples(st.integers(-300, 3000), st.integers(0, 60)), max_size=25),
)
def test_no_stretch_of_time_ever_grants_more_than_burst_and_rate(
    redis_server: EmbeddedRedis,
    rate_per_s: float,
    burst: int,
    steps: list[tuple[int, int]],
) -> None:
    async def grants() -> list[tuple[int, int]]:
        async with await connect(redis_server) as redis:
            await redis.execute("FLUSHALL")
            bucket = TokenBucket(redis, "t", rate_per_s=rate_per_s, burst=burst)
            now_ms, found = NOW_MS, []
            for step_ms, n in steps:
                now_ms += step_ms
                granted = await bucket.take(n, now_ms)
                assert 0 <= granted <= n
                found.append((now_ms, granted))
            return found

    found = asyncio.run(grants())
    for first in range(len(found)):
        total, latest_ms = 0, found[first][0]
        start_ms = max(at_ms for at_ms, _ in found[: first + 1])
        for at_ms, granted in found[first:]:
            total += granted
            latest_ms = max(latest_ms, at_ms, start_ms)
            assert total <= burst + rate_per_s * (latest_ms - start_ms) / 1000 + 1e-9


async def test_settings_that_make_no_sense_are_refused(redis_client: RedisClient) -> None:
    with pytest.raises(ValueError, match="rate_per_s"):
        TokenBucket(redis_client, "t", rate_per_s=0, burst=1)
    with pytest.raises(ValueError, match="burst"):
        TokenBucket(redis_client, "t", rate_per_s=1, burst=0)
    with pytest.raises(ValueError, match="negative"):
        await TokenBucket(redis_client, "t", rate_per_s=1, burst=1).take(-1, NOW_MS)
